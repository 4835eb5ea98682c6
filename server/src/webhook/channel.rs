//! The built-in channel where a backend decides: joins and pushes are asked for, and it is told who leaves.

use super::{
    Webhooks,
    request::{self, Who},
};
use crate::{
    channel::{Channel, Context, End, PubSub, Push},
    config::Asked,
};
use bytes::Bytes;
use dunlin_proto::frame::Refusal;
use std::{convert::Infallible, sync::Arc};

/// Publish and subscribe, as the backend decides.
pub(crate) struct Hooked {
    webhooks: Arc<Webhooks>,
    /// Kept, so that its end can be told when the session is gone.
    who: Option<Who>,
    plain: PubSub,
}

impl Hooked {
    pub(crate) fn new(webhooks: Arc<Webhooks>) -> Self {
        Self { webhooks, who: None, plain: PubSub }
    }

    /// The member, if the backend decides about this, or is told of it.
    fn asked(&self, asked: Asked, context: &Context) -> Option<&Who> {
        self.who.as_ref().filter(|_| self.webhooks.config.wants_of(asked, context.topic()))
    }
}

impl Channel for Hooked {
    type Info = Infallible;

    async fn join(&mut self, context: &Context, params: Option<Bytes>) -> Result<Bytes, Refusal> {
        self.who = context.facts.owner.upgrade().map(|session| Who::of(&session));
        let Some(who) = self.asked(Asked::Join, context) else {
            return self.plain.join(context, params).await;
        };
        let request = request::join(who, context, params.as_ref().unwrap_or(&Bytes::new()));
        let allowed = self.webhooks.decide(request, has_token(context)).await?.unwrap_or_default();
        let shown = allowed.presence.or(params);
        let reply = self.plain.join(context, shown).await?;
        Ok(allowed.reply.unwrap_or(reply))
    }

    async fn handle_in(&mut self, context: &Context, mut push: Push) -> Result<Bytes, Refusal> {
        let Some(who) = self.asked(Asked::Push, context) else {
            return self.plain.handle_in(context, push).await;
        };
        let request = request::push(who, context, &push);
        let allowed = self.webhooks.decide(request, has_token(context)).await?.unwrap_or_default();
        if allowed.is_handled {
            return Ok(allowed.reply.unwrap_or_default());
        }
        push.event = allowed.event.unwrap_or(push.event);
        push.payload = allowed.payload.unwrap_or(push.payload);
        push.key = allowed.key.or(push.key);
        let reply = self.plain.handle_in(context, push).await?;
        Ok(allowed.reply.unwrap_or(reply))
    }

    async fn terminate(self, context: &Context, why: End) {
        if let Some(who) = self.asked(Asked::Leave, context) {
            self.webhooks.notices.offer(request::leave(who, context, why));
        }
    }
}

/// Whether the member has presented a token that was accepted.
fn has_token(context: &Context) -> bool {
    context.pass().fingerprint().is_some()
}

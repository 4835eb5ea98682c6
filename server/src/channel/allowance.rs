//! What a member may do, as long as it is one: by its token, which may change, and by the bounds on what comes in a second.

use crate::{
    auth::{Grant, Pass, Right},
    config::Namespace,
    rates::{self, Rates, SessionRates, TopicRate},
    session::latest::Follower,
};
use dunlin_proto::{
    Code, Position, Topic,
    frame::Refusal,
    frame::channel::{Delivery, Push},
    frame::presence::Ask,
};
use governor::DefaultDirectRateLimiter;
use std::{num::NonZeroU32, sync::Arc};

/// What one membership may do.
pub(crate) struct Allowance {
    topic: Topic,
    pass: Follower<Pass>,
    /// What the pass of this moment grants on the topic.
    grant: Option<Grant>,
    namespace: Arc<Namespace>,
    /// The namespace's bound on pushes.
    paced: Option<DefaultDirectRateLimiter>,
    /// The grant's own bound on pushes.
    pushes: Option<(NonZeroU32, DefaultDirectRateLimiter)>,
    session: Arc<SessionRates>,
    /// The bound on pushes that all members share.
    shared: TopicRate,
    /// Where the membership began: what came after is no history to its member.
    began: Option<Position>,
}

impl Allowance {
    pub(crate) fn new(
        topic: Topic,
        namespace: Arc<Namespace>,
        pass: Follower<Pass>,
        session: Arc<SessionRates>,
        rates: &Rates,
    ) -> Self {
        let paced = NonZeroU32::new(namespace.pushes).map(rates::direct);
        let shared = rates.topic(topic.clone());
        let (grant, pushes, began) = (None, None, None);
        let mut allowance = Self { topic, pass, grant, namespace, paced, pushes, session, shared, began };
        allowance.read();
        allowance
    }

    /// Returns when the session has another pass, and says whether the member may stay. Cancel-safe.
    pub(crate) async fn changed(&mut self, delivery: Delivery, ask: Ask) -> Result<(), Refusal> {
        self.pass.changed().await;
        self.read();
        match &self.grant {
            Some(grant) if crate::auth::allows(grant, delivery, ask).is_ok() => Ok(()),
            _ => Err(Refusal::because(Code::FORBIDDEN, "the new token does not allow this any more")),
        }
    }

    /// Refuses a push that is not allowed, or too much.
    pub(crate) fn push(&mut self, push: &Push) -> Result<(), Refusal> {
        if self.pass.is_behind() {
            self.read();
        }
        let Some(grant) = self.grant.as_ref().filter(|grant| grant.may(Right::Push)) else {
            return Err(Refusal::because(Code::FORBIDDEN, "the token does not allow to push here"));
        };
        self.namespace.check_push(self.pass.get().user(), push.payload.len())?;
        if grant.payload().is_some_and(|most| push.payload.len() > most) {
            return Err(Refusal::because(
                Code::PAYLOAD_TOO_LARGE,
                "the payload is longer than the token allows",
            ));
        }
        self.session.push()?;
        rates::check(self.paced.as_ref(), "too many pushes of one member to this topic")?;
        rates::check(self.pushes.as_ref().map(|(_, bound)| bound), "too many pushes for this token")?;
        self.shared.push()
    }

    /// Whether the member may read what was published before it came.
    pub(crate) fn may_read_history(&self) -> bool {
        self.grant.as_ref().is_some_and(|grant| grant.may(Right::History))
    }

    /// Whether the member may read on after a position: one of its own time, or any with the right to history.
    pub(crate) fn may_read_after(&self, since: Position) -> bool {
        let is_own = |began: Position| since.epoch == began.epoch && since.offset >= began.offset;
        self.may_read_history() || self.began.is_some_and(is_own)
    }

    /// The member is in, from this position on.
    pub(crate) fn begin(&mut self, position: Position) {
        self.began.get_or_insert(position);
    }

    fn read(&mut self) {
        self.grant = if self.topic.is_reserved() {
            // Not a token's to allow: the channel decides.
            Some(Grant::everything())
        } else {
            self.pass.look().grant(&self.topic).copied()
        };
        let most = self.grant.as_ref().and_then(Grant::pushes_per_second);
        if self.pushes.as_ref().map(|(most, _)| *most) != most {
            self.pushes = most.map(|most| (most, rates::direct(most)));
        }
    }
}

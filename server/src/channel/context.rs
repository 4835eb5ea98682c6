//! What a channel knows and can do.

use super::Push;
use crate::{auth::Pass, clock, guard::Access, tally::Tally};
use dunlin_hub::{Hub, Message, MessageId, PublishError, Published};
use dunlin_proto::{Topic, frame::control::ClientId};
use std::sync::Arc;
use tokio::sync::watch;

/// One membership, as its channel sees it.
pub struct Context {
    pub(crate) hub: Arc<Hub>,
    pub(crate) topic: Topic,
    pub(crate) session: Arc<str>,
    pub(crate) client: ClientId,
    pub(crate) user: Option<Arc<str>>,
    pub(crate) pass: watch::Receiver<Arc<Pass>>,
    pub(crate) access: Access,
    pub(crate) tally: Arc<Tally>,
}

impl Context {
    /// The topic of this membership.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Public name of the member's session.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.session
    }

    /// The member's user, if its token names one (`sub`). It is the same as long as the membership lasts.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// What the member may do now, and what its token says besides. What it may not do never reaches the channel.
    #[must_use]
    pub fn pass(&self) -> Arc<Pass> {
        self.pass.borrow().clone()
    }

    /// Publishes a member's push to its topic, once however often the push is repeated.
    ///
    /// # Errors
    /// The topic could not take the event.
    pub async fn broadcast(&self, push: Push) -> Result<Published, PublishError> {
        let mut id = [0; 24];
        id[..16].copy_from_slice(&self.client);
        id[16..].copy_from_slice(&push.reference.to_be_bytes());
        let message = Message {
            id: Some(MessageId::new(&id).expect("24 bytes are a legal id")),
            event: push.event,
            payload: push.payload,
            key: push.key,
        };
        self.hub.publish(&self.topic, message, clock::now_ms()).await
    }
}

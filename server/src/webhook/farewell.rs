//! The word that a session is over: said when the session and all its memberships are gone.

use super::{
    Webhooks,
    request::{self, Who},
};
use crate::{config::Asked, session::Session};
use std::sync::Arc;

/// Tells the backend when the last holder lets go of it, so after what is told of the session's memberships.
pub(crate) struct Farewell {
    webhooks: Arc<Webhooks>,
    who: Who,
}

impl Webhooks {
    /// What a session that begins holds, if the backend wants to be told of its end.
    pub(crate) fn farewell(self: &Arc<Self>, session: &Session) -> Option<Arc<Farewell>> {
        let farewell = || Arc::new(Farewell { webhooks: self.clone(), who: Who::of(session) });
        self.config.wants(Asked::End).then(farewell)
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        self.webhooks.notices.offer(request::end(&self.who));
    }
}

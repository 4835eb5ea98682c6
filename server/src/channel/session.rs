//! A client's session, as its channels reach it.

use super::error::PushError;
use crate::session;
use bytes::Bytes;
use dunlin_proto::{
    Limits,
    frame::{Refusal, channel::FromServer},
    limits::MAX_EVENT_LEN,
};
use metrics::counter;
use std::sync::{Arc, Weak};

/// The session behind a membership. Cheap to clone; it does not keep the session.
#[derive(Clone)]
pub struct Session {
    name: Arc<str>,
    session: Weak<session::Session>,
    limits: Limits,
}

impl Session {
    pub(crate) fn new(name: Arc<str>, session: Weak<session::Session>, limits: Limits) -> Self {
        Self { name, session, limits }
    }

    /// Its public name: another one for each session.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sends something to this client, in each of its channels; see [`Context::push`](super::Context::push).
    ///
    /// # Errors
    /// The event is not legal, the session is over, or too much waits in one of the channels: the others are sent it all the
    /// same.
    pub fn push(&self, event: &str, payload: impl Into<Bytes>) -> Result<(), PushError> {
        let frame = direct(event, payload.into(), self.limits.payload)?;
        let session = self.session.upgrade().ok_or(PushError::Ended)?;
        session.push(&frame).map_err(|_| full())
    }

    /// Ends the session for good: its client is told why, and every channel of it ends with
    /// [`End::SessionEnded`](super::End::SessionEnded). If the code says so, the client comes back with a new session.
    pub fn end(&self, why: &Refusal) {
        if let Some(session) = self.session.upgrade() {
            tracing::info!(session = &*self.name, code = %why.code, reason = why.message, "ended by the application");
            session.finish(why);
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Session").field(&self.name).finish()
    }
}

/// The frame of a message for one member alone.
pub(super) fn direct(event: &str, payload: Bytes, limit: usize) -> Result<Bytes, PushError> {
    if event.is_empty() || event.len() > MAX_EVENT_LEN {
        return Err(PushError::EventName(event.len()));
    }
    if payload.len() > limit {
        return Err(PushError::TooLarge { len: payload.len(), limit });
    }
    Ok(FromServer::Direct { event: event.into(), payload }.encode())
}

/// What does not get through is counted.
pub(super) fn full() -> PushError {
    counter!("dunlin_directs_dropped_total").increment(1);
    PushError::Full
}

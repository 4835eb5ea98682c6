//! What all connections of a server share, and what a client may do on it.

use crate::{
    auth::{Full, Gate, Pass, Revoke},
    config::Console,
    drain::Drain,
    session::{Shared, hook::Hook, registry::Registry},
    webhook::{Webhooks, Who, Word},
};
use dunlin_proto::frame::Refusal;
use std::{sync::Arc, time::Duration};

/// What all connections of a node share.
pub(crate) struct Node {
    pub(crate) shared: Shared,
    pub(crate) registry: Registry,
    /// The application's word about who may connect.
    pub(crate) hook: Hook,
    /// The backend that decides and is told.
    pub(crate) webhooks: Option<Arc<Webhooks>>,
    pub(crate) drain: Drain,
    pub(crate) idle_timeout: Duration,
    /// Who may connect.
    pub(crate) gate: Gate,
    /// Who may see what the server tells about itself.
    pub(crate) console: Console,
    /// Most bytes in all topic logs.
    pub(crate) history_limit: usize,
}

impl Node {
    /// Revokes a user's tokens, a session or a token, and says how many sessions that has ended.
    pub(crate) fn revoke(&self, what: &Revoke) -> Result<usize, Full> {
        let token = match what {
            Revoke::Session(name) => {
                self.registry.named(name).and_then(|session| session.pass().fingerprint())
            }
            Revoke::User(_) | Revoke::Token(_) => None,
        };
        // Remembered first: who connects meanwhile is either refused, or found below.
        let remembered = self.gate.revoke(what, token);
        let ended = self.registry.revoke(what);
        tracing::info!(ended, "revoked");
        remembered.map(|()| ended)
    }

    /// What a client may do, by its token and by the backend's word. The backend is not asked about who only looks at the
    /// server's own figures. A session that has a pass, which it refreshes or resumes with, keeps what was granted with it
    /// while the backend does not answer.
    pub(crate) async fn admit(
        &self,
        token: Option<&str>,
        held: Option<&Pass>,
        who: impl Fn(&Pass) -> Who,
    ) -> Result<Pass, Refusal> {
        let is_observer = self.console.knows(token);
        let pass = self.gate.admit(token, is_observer).await?;
        let Some(webhooks) = self.webhooks.as_ref().filter(|_| !is_observer) else { return Ok(pass) };
        match webhooks.connect(&who(&pass), &pass, token).await? {
            Word::Granted(allowed) => self.gate.grant(pass, *allowed),
            Word::Down => Ok(match held {
                Some(held) => Gate::keep(pass, held),
                None => pass,
            }),
            Word::Unasked => Ok(pass),
        }
    }
}

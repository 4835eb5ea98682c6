//! Asks the backend about connections.

use super::{
    Allowed, Webhooks,
    request::{self, Who},
};
use crate::{auth::Pass, config::Asked, session::Session};
use dunlin_proto::frame::{Refusal, control::Hello};
use dunlin_transport::Connection;

impl Who {
    /// A client that has said hello.
    pub(crate) fn greeting(hello: &Hello, connection: &Connection, pass: &Pass) -> Self {
        Self {
            session: None,
            user: pass.user().map(Into::into),
            agent: hello.agent.clone(),
            address: connection.remote_address(),
            transport: connection.kind(),
        }
    }

    /// The client of a session that presents another token.
    pub(crate) fn refreshing(session: &Session, pass: &Pass) -> Self {
        Self { user: pass.user().map(Into::into), ..Self::of(session) }
    }
}

impl Webhooks {
    /// Whether a client may connect, and what the backend grants it; `None` if the backend is not to be asked. The token is told
    /// only where the server does not check it.
    pub(crate) async fn connect(
        &self,
        who: &Who,
        pass: &Pass,
        token: Option<&str>,
    ) -> Result<Option<Allowed>, Refusal> {
        if !self.config.wants(Asked::Connect) {
            return Ok(None);
        }
        let has_token = pass.fingerprint().is_some();
        let token = token.filter(|_| !has_token);
        self.decide(request::connect(who, token, pass.claims()), has_token).await.map(Some)
    }
}

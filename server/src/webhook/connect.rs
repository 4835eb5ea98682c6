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
            resumes: hello.resume.is_some(),
        }
    }

    /// The client of a session that presents another token.
    pub(crate) fn refreshing(session: &Session, pass: &Pass) -> Self {
        Self { user: pass.user().map(Into::into), ..Self::of(session) }
    }
}

/// The backend's word about a connection that may be.
pub(crate) enum Word {
    /// It is not to be asked.
    Unasked,
    /// It grants this.
    Granted(Box<Allowed>),
    /// It could not be asked, and the policy allows it.
    Down,
}

impl Webhooks {
    /// Whether a client may connect, and what the backend grants it. The token is told only where the server does not check it.
    pub(crate) async fn connect(&self, who: &Who, pass: &Pass, token: Option<&str>) -> Result<Word, Refusal> {
        if !self.config.wants(Asked::Connect) {
            return Ok(Word::Unasked);
        }
        let has_token = pass.fingerprint().is_some();
        let token = token.filter(|_| !has_token);
        let allowed = self.decide(request::connect(who, token, pass.claims()), has_token).await?;
        Ok(allowed.map_or(Word::Down, |allowed| Word::Granted(Box::new(allowed))))
    }
}

//! The application's word about who may connect.

use crate::channel::Assigns;
use dunlin_proto::{
    Code,
    frame::{
        Refusal,
        control::{ClientId, Hello},
    },
};
use futures_util::FutureExt;
use std::{net::SocketAddr, panic::AssertUnwindSafe, pin::Pin, sync::Arc, time::Duration};

/// A client that asks to connect, as [`Builder::connect`](crate::Builder::connect) sees it.
#[derive(Clone)]
pub struct Connecting {
    /// Name and version of the client library.
    pub agent: String,
    /// Where it connects from.
    pub address: SocketAddr,
    /// Chosen by the client at random when it started: the same on all its connections, and proof of nothing.
    pub client: ClientId,
    /// Whether it asks to go on with an earlier session.
    pub resumes: bool,
    /// The user, if its token names one (`sub`).
    pub user: Option<String>,
    token: Option<String>,
}

impl Connecting {
    pub(crate) fn new(hello: &Hello, address: SocketAddr, user: Option<&str>, token: Option<String>) -> Self {
        let Hello { agent, client, resume, .. } = hello;
        Self {
            agent: agent.clone(),
            address,
            client: *client,
            resumes: resume.is_some(),
            user: user.map(Into::into),
            token,
        }
    }

    /// The token that it presents; a secret.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }
}

impl std::fmt::Debug for Connecting {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connecting")
            .field("agent", &self.agent)
            .field("address", &self.address)
            .field("resumes", &self.resumes)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<Assigns, Refusal>> + Send>>;

/// Asks the application about each connection, if it wants to be asked.
#[derive(Default)]
pub(crate) struct Hook(Option<Box<dyn Fn(Connecting) -> Answer + Send + Sync>>);

impl Hook {
    pub(crate) fn new<F>(ask: impl Fn(Connecting) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Assigns, Refusal>> + Send + 'static,
    {
        Self(Some(Box::new(move |connecting| Box::pin(ask(connecting)))))
    }

    /// What the application knows of the client, or why it is refused. An application that fails, or does not answer in
    /// time, lets nobody in.
    pub(crate) async fn ask(
        &self,
        connecting: Connecting,
        deadline: Duration,
    ) -> Result<Arc<Assigns>, Refusal> {
        let Some(ask) = &self.0 else { return Ok(Arc::default()) };
        let answer = AssertUnwindSafe(async { ask(connecting).await }).catch_unwind();
        match tokio::time::timeout(deadline, answer).await {
            Ok(Ok(answer)) => answer.map(Arc::new),
            Ok(Err(_)) => {
                tracing::error!("the application panicked when it was asked about a connection");
                Err(Refusal::new(Code::INTERNAL))
            }
            Err(_) => {
                tracing::error!("the application did not say in time whether a client may connect");
                Err(Refusal::because(Code::UNAVAILABLE, "the application does not answer"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(hook: Hook) -> Result<Arc<Assigns>, Code> {
        let hello =
            Hello { versions: vec![1], agent: "a".into(), client: [7; 16], resume: None, token: None };
        let connecting = Connecting::new(&hello, SocketAddr::from(([127, 0, 0, 1], 1)), None, None);
        hook.ask(connecting, Duration::from_secs(10)).await.map_err(|refusal| refusal.code)
    }

    #[tokio::test(start_paused = true)]
    async fn an_application_that_fails_lets_nobody_in() {
        assert!(asked(Hook::default()).await.is_ok());
        let yes = Hook::new(|_| async { Ok(Assigns::default().with(7_u32)) });
        assert_eq!(asked(yes).await.unwrap().get::<u32>(), Some(&7));
        let no = Hook::new(|_| async { Err(Refusal::new(Code::FORBIDDEN)) });
        assert_eq!(asked(no).await.unwrap_err(), Code::FORBIDDEN);
        let panics = Hook::new(|_| async { panic!("as told") });
        assert_eq!(asked(panics).await.unwrap_err(), Code::INTERNAL);
        let silent = Hook::new(|_| std::future::pending());
        assert_eq!(asked(silent).await.unwrap_err(), Code::UNAVAILABLE);
    }

    #[test]
    fn a_token_is_not_shown() {
        let hello =
            Hello { versions: vec![1], agent: "a".into(), client: [7; 16], resume: None, token: None };
        let token = Some("a secret".into());
        let connecting = Connecting::new(&hello, SocketAddr::from(([127, 0, 0, 1], 1)), Some("ada"), token);
        assert_eq!(connecting.token(), Some("a secret"));
        assert!(!format!("{connecting:?}").contains("secret"));
    }
}

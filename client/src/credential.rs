//! The token that this client presents, and where the next one comes from.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use dunlin_proto::frame::Refusal;
use tokio::time::{Instant, timeout};

use crate::{backoff, ending::Ending};

/// How long the application may take to find a token.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long before its end a token is replaced: a fifth of its time, at most this.
const MARGIN: Duration = Duration::from_secs(60);

/// The shortest time between two tokens.
const AT_LEAST: Duration = Duration::from_secs(1);

/// After an attempt to get a token that failed, while the one in use is still good.
pub(crate) const ASK_AGAIN: Duration = Duration::from_secs(5);

/// A token on its way from the application, or why there is none.
pub(crate) type Asked = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;

/// Where tokens come from.
#[derive(Clone, Default)]
pub(crate) enum Tokens {
    /// There are none.
    #[default]
    None,
    /// There is one.
    Fixed(String),
    /// The application finds one when it is asked.
    Ask(Arc<dyn Fn() -> Asked + Send + Sync>),
}

/// Tokens are not shown.
impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Fixed(_) => "Fixed(…)",
            Self::Ask(_) => "Ask(…)",
        })
    }
}

/// The token in use.
pub(crate) struct Credential {
    tokens: Tokens,
    token: Option<String>,
    /// When it is to be replaced, as far as the server has told when it expires.
    renew_at: Option<Instant>,
    /// Why the server does not take it any more.
    refused: Option<Refusal>,
    /// The application has no other: what the server said is final.
    is_last: bool,
}

/// The token is not shown.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("tokens", &self.tokens)
            .field("renew_at", &self.renew_at)
            .finish_non_exhaustive()
    }
}

impl Credential {
    pub(crate) fn new(tokens: Tokens) -> Self {
        let token = match &tokens {
            Tokens::Fixed(token) => Some(token.clone()),
            Tokens::None | Tokens::Ask(_) => None,
        };
        Self { tokens, token, renew_at: None, refused: None, is_last: false }
    }

    /// The token to present.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Asks the application if there is no token yet, or none that is still good.
    pub(crate) async fn prepare(&mut self) -> Result<(), Ending> {
        let is_old = self.refused.is_some() || self.renew_at.is_some_and(|at| at <= Instant::now());
        if self.token.is_some() && !is_old {
            return Ok(());
        }
        let Some(asked) = self.ask() else { return Ok(()) };
        let token = asked.await.map_err(|problem| Ending::Lost(format!("there is no token: {problem}")))?;
        if let Some(refusal) = self.refused.take()
            && self.token.as_ref() == Some(&token)
        {
            self.is_last = true;
            return Err(Ending::Refused(refusal));
        }
        self.replace(token);
        Ok(())
    }

    /// Asks the application for a token, if it can be asked.
    pub(crate) fn ask(&self) -> Option<Asked> {
        let Tokens::Ask(ask) = &self.tokens else { return None };
        let asked = ask();
        Some(Box::pin(async {
            let silent = || Err(format!("the application found none within {} s", PATIENCE.as_secs()));
            timeout(PATIENCE, asked).await.unwrap_or_else(|_| silent())
        }))
    }

    /// Another token is to be presented from now on.
    pub(crate) fn replace(&mut self, token: String) {
        (self.token, self.renew_at, self.refused) = (Some(token), None, None);
    }

    /// The server has taken the token, and said how long it is good.
    pub(crate) fn accepted(&mut self, expires_in_ms: Option<u64>) {
        self.renew_at = expires_in_ms.filter(|_| matches!(self.tokens, Tokens::Ask(_))).and_then(|millis| {
            let left = Duration::from_millis(millis);
            let margin = (left / 5).min(MARGIN);
            // Not in step with others whose tokens are as old.
            let margin = margin + backoff::up_to(margin / 4, &mut rand::rng());
            // An application that has no newer one is not asked without pause.
            Instant::now().checked_add(left.saturating_sub(margin).max(AT_LEAST))
        });
    }

    /// When to ask for the next one.
    pub(crate) fn renew_at(&self) -> Option<Instant> {
        self.renew_at
    }

    /// The server wants another token. Whether there may be one.
    pub(crate) fn refused(&mut self, refusal: &Refusal) -> bool {
        self.refused = Some(refusal.clone());
        matches!(self.tokens, Tokens::Ask(_)) && !self.is_last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin_proto::Code;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn counting(from: &'static [&'static str]) -> (Tokens, Arc<AtomicU32>) {
        let asked = Arc::<AtomicU32>::default();
        let count = asked.clone();
        let ask = move || -> Asked {
            let n = count.fetch_add(1, Ordering::Relaxed) as usize;
            Box::pin(async move { from.get(n).map(|token| (*token).into()).ok_or("no more".into()) })
        };
        (Tokens::Ask(Arc::new(ask)), asked)
    }

    #[tokio::test(start_paused = true)]
    async fn the_application_is_asked_when_the_token_is_old_and_not_before() {
        let (tokens, asked) = counting(&["one", "two"]);
        let mut credential = Credential::new(tokens);
        credential.prepare().await.unwrap();
        credential.accepted(Some(100_000));
        credential.prepare().await.unwrap();
        assert_eq!((credential.token(), asked.load(Ordering::Relaxed)), (Some("one"), 1));
        let left = credential.renew_at().unwrap() - Instant::now();
        assert!((Duration::from_secs(75)..=Duration::from_secs(80)).contains(&left), "{left:?}");
        tokio::time::advance(left).await;
        credential.prepare().await.unwrap();
        assert_eq!((credential.token(), credential.renew_at()), (Some("two"), None));
        assert!(matches!(
            Credential { renew_at: Some(Instant::now()), ..credential }.prepare().await,
            Err(Ending::Lost(_))
        ));
    }

    #[tokio::test]
    async fn a_refused_token_that_is_all_there_is_is_final() {
        let (tokens, _) = counting(&["one", "one", "two"]);
        let mut credential = Credential::new(tokens);
        credential.prepare().await.unwrap();
        let refusal = Refusal::new(Code::TOKEN_EXPIRED);
        assert!(credential.refused(&refusal));
        assert_eq!(credential.prepare().await, Err(Ending::Refused(refusal.clone())));
        assert!(!credential.refused(&refusal));
    }

    #[tokio::test]
    async fn a_fixed_token_is_never_renewed() {
        let mut credential = Credential::new(Tokens::Fixed("secret".into()));
        credential.accepted(Some(0));
        credential.prepare().await.unwrap();
        assert_eq!((credential.token(), credential.renew_at()), (Some("secret"), None));
        assert!(!credential.refused(&Refusal::new(Code::TOKEN_EXPIRED)));
        assert!(!format!("{credential:?}").contains("secret"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_application_that_finds_none_is_not_waited_for_for_ever() {
        let never: Arc<dyn Fn() -> Asked + Send + Sync> = Arc::new(|| Box::pin(std::future::pending()));
        let mut credential = Credential::new(Tokens::Ask(never));
        assert!(matches!(credential.prepare().await, Err(Ending::Lost(_))));
    }
}

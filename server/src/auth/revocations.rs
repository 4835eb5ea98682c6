//! What was revoked, for as long as it could come again: pure.

use super::Pass;
use dunlin_auth::Seconds;
use std::{collections::HashMap, time::Duration};

/// What is to be revoked. Live sessions that it concerns end at once, with `TOKEN_EXPIRED`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revoke {
    /// All tokens of a user (`sub`) that were issued (`iat`) up to now. Those without `iat` are revoked as long as the
    /// revocation is remembered.
    User(String),
    /// One session, by its public name, and the token that it has presented last.
    Session(String),
    /// One token, by its id (`jti`).
    Token(String),
}

/// As many revocations are remembered as can be: 100,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("as many revocations are remembered as can be")]
pub struct Full;

/// Most revocations that are remembered; each costs some 100 bytes.
const MOST: usize = 100_000;

/// Revocations, each kept until every token that it concerns has expired.
#[derive(Debug)]
pub(super) struct Revocations {
    /// How long a token can live from now on.
    longest: Seconds,
    /// When, by user: of tokens issued up to then.
    users: HashMap<Box<str>, Seconds>,
    /// When, by token id.
    ids: HashMap<Box<str>, Seconds>,
    /// When, by the token's fingerprint.
    tokens: HashMap<[u8; 32], Seconds>,
}

impl Revocations {
    pub(super) fn new(longest: Duration) -> Self {
        let (users, ids, tokens) = Default::default();
        Self { longest: longest.as_secs() + 1, users, ids, tokens }
    }

    pub(super) fn user(&mut self, user: &str, now: Seconds) -> Result<(), Full> {
        self.make_room(now)?;
        self.users.insert(user.into(), now);
        Ok(())
    }

    pub(super) fn id(&mut self, id: &str, now: Seconds) -> Result<(), Full> {
        self.make_room(now)?;
        self.ids.insert(id.into(), now);
        Ok(())
    }

    pub(super) fn token(&mut self, fingerprint: [u8; 32], now: Seconds) -> Result<(), Full> {
        self.make_room(now)?;
        self.tokens.insert(fingerprint, now);
        Ok(())
    }

    /// Whether the token of a pass was revoked.
    pub(super) fn cover(&self, pass: &Pass) -> bool {
        let by_user = pass.user().and_then(|user| self.users.get(user));
        by_user.is_some_and(|at| pass.issued().is_none_or(|issued| issued <= *at))
            || pass.token_id().is_some_and(|id| self.ids.contains_key(id))
            || pass.token.is_some_and(|token| self.tokens.contains_key(&token))
    }

    /// Forgets what can no longer come.
    pub(super) fn sweep(&mut self, now: Seconds) {
        let is_live = |at: Seconds| at + self.longest > now;
        self.users.retain(|_, at| is_live(*at));
        self.ids.retain(|_, at| is_live(*at));
        self.tokens.retain(|_, at| is_live(*at));
    }

    pub(super) fn len(&self) -> usize {
        self.users.len() + self.ids.len() + self.tokens.len()
    }

    fn make_room(&mut self, now: Seconds) -> Result<(), Full> {
        if self.len() >= MOST {
            self.sweep(now);
        }
        if self.len() >= MOST { Err(Full) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::pass::tests::pass, *};
    use serde_json::json;

    fn revocations() -> Revocations {
        Revocations::new(Duration::from_secs(100))
    }

    #[test]
    fn a_user_is_revoked_up_to_now() {
        let mut revocations = revocations();
        revocations.user("ada", 50).unwrap();
        let of = |claims| pass(claims);
        assert!(revocations.cover(&of(json!({"sub": "ada", "iat": 50}))));
        assert!(revocations.cover(&of(json!({"sub": "ada"}))));
        assert!(!revocations.cover(&of(json!({"sub": "ada", "iat": 51}))));
        assert!(!revocations.cover(&of(json!({"sub": "bob", "iat": 1}))));
        assert!(!revocations.cover(&Pass::everybody()));
    }

    #[test]
    fn a_token_is_revoked_by_its_id_or_by_itself() {
        let mut revocations = revocations();
        let (named, nameless) = (pass(json!({"jti": "t1"})), pass(json!({"sub": "x"})));
        revocations.id("t1", 0).unwrap();
        assert!(revocations.cover(&named) && !revocations.cover(&nameless));
        revocations.token(nameless.token.unwrap(), 0).unwrap();
        assert!(revocations.cover(&nameless));
    }

    #[test]
    fn what_has_expired_is_forgotten() {
        let mut revocations = revocations();
        revocations.id("old", 0).unwrap();
        revocations.id("new", 50).unwrap();
        revocations.sweep(101);
        assert_eq!(revocations.len(), 1);
        assert!(revocations.cover(&pass(json!({"jti": "new"}))));
    }

    #[test]
    fn memory_is_bounded() {
        let mut revocations = revocations();
        for n in 0..MOST {
            revocations.id(&n.to_string(), 0).unwrap();
        }
        assert_eq!(revocations.user("one more", 1), Err(Full));
        assert_eq!(revocations.user("one more", 200), Ok(()));
        assert_eq!(revocations.len(), 1);
    }
}

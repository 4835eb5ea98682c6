//! What one session may do.

use crate::webhook::Allowed;
use dunlin_auth::{Capabilities, Claims, Grant, Right, Seconds};
use dunlin_proto::{
    Code, Position, Topic,
    frame::{
        Refusal,
        channel::{Delivery, Join},
        presence::Ask,
    },
};
use serde_json::{Map, Value};
use std::{fmt, sync::Arc};

/// What a session may do, by the token that it has presented last. Never holds the token itself.
#[derive(Clone)]
pub struct Pass {
    claims: Option<Claims>,
    capabilities: Capabilities,
    /// SHA-256 of the token.
    pub(super) token: Option<[u8; 32]>,
    /// What a backend has granted beside the token, or without one.
    granted: Granted,
}

/// What a backend grants.
#[derive(Clone, Default)]
struct Granted {
    user: Option<Box<str>>,
    /// In place of what the token allows.
    capabilities: Option<Capabilities>,
    expires: Option<Seconds>,
    /// What the backend is told with each request of the session.
    state: Option<Arc<Value>>,
}

impl Pass {
    /// Of everybody, where no token is asked for.
    pub(crate) fn everybody() -> Self {
        Self {
            claims: None,
            capabilities: Capabilities::everything(),
            token: None,
            granted: Granted::default(),
        }
    }

    /// Of who may see the server's own topics and nothing else.
    pub(crate) fn observer() -> Self {
        Self { claims: None, capabilities: Capabilities::default(), token: None, granted: Granted::default() }
    }

    /// Of who has presented this token.
    pub(super) fn of(mut claims: Claims, token: [u8; 32]) -> Self {
        let capabilities = std::mem::take(&mut claims.capabilities);
        Self { claims: Some(claims), capabilities, token: Some(token), granted: Granted::default() }
    }

    /// This pass with what a backend grants in place of what the token allows.
    pub(super) fn grant_more(mut self, allowed: Allowed, now: Seconds) -> Self {
        let Allowed { user, capabilities, expires_in, data, .. } = allowed;
        let expires = expires_in.map(|time| now.saturating_add(time.as_secs()));
        self.granted = Granted { user, capabilities, expires, state: data.map(Arc::new) };
        self
    }

    /// This pass with what a backend has granted to the one before, for as long as it has: the backend could not be asked again.
    /// What was granted to one user is not another's.
    pub(super) fn keep_granted(self, before: &Self, now: Seconds) -> Self {
        let kept = Self { granted: before.granted.clone(), ..self.clone() };
        let is_over = before.granted.expires.is_some_and(|end| end <= now);
        if kept.user() == before.user() && !is_over { kept } else { self }
    }

    /// What the backend wants to be told with each request of the session.
    pub(crate) fn state(&self) -> Option<&Value> {
        self.granted.state.as_deref()
    }

    /// The user, if the token (`sub`) or a backend names one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        let token = self.claims.as_ref().and_then(|claims| claims.user.as_deref());
        token.or(self.granted.user.as_deref())
    }

    /// The token's own name (`jti`), if it has one.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.claims.as_ref()?.id.as_deref()
    }

    /// When the token was issued, in seconds since the Unix epoch.
    pub(super) fn issued(&self) -> Option<Seconds> {
        self.claims.as_ref()?.issued
    }

    /// Knows the token again, without being it.
    pub(crate) fn fingerprint(&self) -> Option<[u8; 32]> {
        self.token
    }

    /// When the token expires, or what a backend has granted, in seconds since the Unix epoch; `None` for never.
    #[must_use]
    pub fn expires(&self) -> Option<u64> {
        let token = self.claims.as_ref().map(|claims| claims.expires);
        token.into_iter().chain(self.granted.expires).min()
    }

    /// A claim of the token that means nothing to the server: for the application.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.claims()?.get(name)
    }

    /// All such claims.
    #[must_use]
    pub fn claims(&self) -> Option<&Map<String, Value>> {
        Some(&self.claims.as_ref()?.others)
    }

    /// Whether a right is given on a topic.
    #[must_use]
    pub fn may(&self, right: Right, topic: &Topic) -> bool {
        self.grant(topic).is_some_and(|grant| grant.may(right))
    }

    /// What is allowed on a topic.
    #[must_use]
    pub fn grant(&self, topic: &Topic) -> Option<&Grant> {
        self.granted.capabilities.as_ref().unwrap_or(&self.capabilities).on(topic)
    }

    /// Refuses a join that is not allowed, with this delivery. The server's own topics are not a token's to allow: their channel decides.
    pub(crate) fn check_join(&self, join: &Join, delivery: Delivery) -> Result<(), Refusal> {
        if join.topic.is_reserved() {
            return Ok(());
        }
        let forbidden = |text| Err(Refusal::because(Code::FORBIDDEN, text));
        let Some(grant) = self.grant(&join.topic) else {
            return forbidden("the token does not allow this topic");
        };
        allows(grant, delivery, join.presence).or_else(forbidden)?;
        // Any other position may be that of a member who was away, and is looked at by its membership.
        if join.since == Some(Position::OLDEST) && !grant.may(Right::History) {
            return forbidden("the token does not allow to read this topic's history");
        }
        Ok(())
    }
}

/// Whether a member may be in a topic like this, or why not, in words. Who may only push gets no events.
pub(crate) fn allows(grant: &Grant, delivery: Delivery, ask: Ask) -> Result<(), &'static str> {
    let only_pushes = delivery == Delivery::None && grant.may(Right::Push);
    if !grant.may(Right::Join) && !only_pushes {
        return Err("the token does not allow to join this topic");
    }
    if !grant.delivers(delivery) {
        return Err("the token does not allow this delivery");
    }
    if ask != Ask::None && !grant.may(Right::Presence) {
        return Err("the token does not allow to see who is in this topic");
    }
    Ok(())
}

/// Without the claims, which are between the issuer and the application.
impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass")
            .field("user", &self.user())
            .field("expires", &self.expires())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(clippy::needless_pass_by_value, reason = "tests read better without ampersands")]
pub(super) mod tests {
    use super::*;
    use dunlin_auth::{Algorithm, Key, Policy, SigningKey, sign, verify};
    use serde_json::json;
    use std::time::Duration;

    /// A pass of a token with these claims, in the year 1970.
    pub(crate) fn pass(claims: Value) -> Pass {
        const SECRET: &str = "a secret of thirty-two bytes, or more";
        let policy = Policy {
            issuer: None,
            audience: Vec::new(),
            leeway: Duration::ZERO,
            longest: Duration::from_secs(1_000_000),
        };
        let mut all = json!({"exp": 3600});
        all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
        let key = SigningKey::secret(SECRET, Algorithm::Hs256).unwrap();
        let token = sign(all.as_object().unwrap(), &key, None).unwrap();
        let claims = verify(&token, &Key::secret(SECRET).unwrap().into(), &policy, 0).unwrap();
        Pass::of(claims, dunlin_auth::fingerprint(&token))
    }

    fn refused(pass: &Pass, join: Join) -> Option<Code> {
        pass.check_join(&join, join.delivery.unwrap_or_default()).err().map(|refusal| refusal.code)
    }

    fn join(topic: &str) -> Join {
        Join::new(topic.parse().unwrap())
    }

    #[test]
    fn a_join_needs_its_rights() {
        let pass = pass(json!({"sub": "ada", "dunlin": [
            {"topics": "room:*", "may": ["join"], "delivery": ["latest"]},
            {"topics": "in:*", "may": ["push"]},
            {"topics": "log", "may": ["join", "history"]},
        ]}));
        let latest = Join { delivery: Some(Delivery::Latest), ..join("room:1") };
        let oldest = |join: Join| Join { since: Some(Position::OLDEST), ..join };
        assert_eq!(refused(&pass, latest.clone()), None);
        assert_eq!(refused(&pass, join("room:1")), Some(Code::FORBIDDEN));
        assert_eq!(refused(&pass, join("other")), Some(Code::FORBIDDEN));
        assert_eq!(refused(&pass, oldest(latest)), Some(Code::FORBIDDEN));
        assert_eq!(refused(&pass, oldest(join("log"))), None);
        assert_eq!(refused(&pass, join("in:1")), Some(Code::FORBIDDEN));
        assert_eq!(refused(&pass, Join { delivery: Some(Delivery::None), ..join("in:1") }), None);
        assert_eq!(refused(&pass, join("$server/stats")), None);
        assert!(pass.may(Right::Push, &"in:1".parse().unwrap()));
    }

    #[test]
    fn everybody_may_everything_and_an_observer_nothing() {
        let oldest = Join { since: Some(Position::OLDEST), ..join("any") };
        assert_eq!(refused(&Pass::everybody(), oldest), None);
        assert_eq!(refused(&Pass::observer(), join("any")), Some(Code::FORBIDDEN));
    }

    #[test]
    fn what_a_backend_has_granted_is_kept_and_not_prolonged() {
        let all = json!([{"topics": "*", "may": ["join"]}]);
        let room = Capabilities::from_claim(&json!([{"topics": "room:*", "may": ["join"]}])).unwrap();
        let mut allowed = Allowed::default();
        allowed.capabilities = Some(room);
        allowed.expires_in = Some(Duration::from_secs(60));
        allowed.data = Some(json!(7));
        let before = pass(json!({"sub": "ada"})).grant_more(allowed, 100);
        let after = pass(json!({"sub": "ada", "dunlin": all})).keep_granted(&before, 100);
        assert_eq!(refused(&after, join("room:1")), None);
        assert_eq!(refused(&after, join("other")), Some(Code::FORBIDDEN));
        assert_eq!((after.expires(), after.state()), (Some(160), Some(&json!(7))));
        let another = pass(json!({"sub": "bob", "dunlin": []})).keep_granted(&before, 100);
        assert_eq!((another.expires(), another.state()), (Some(3600), None));
        assert_eq!(refused(&another, join("room:1")), Some(Code::FORBIDDEN));
        let late = pass(json!({"sub": "ada", "dunlin": all})).keep_granted(&before, 160);
        assert_eq!(refused(&late, join("other")), None);
        // Where the backend has left rights to the token, the new one counts.
        let before = pass(json!({"sub": "ada"})).grant_more(Allowed::default(), 100);
        let after = pass(json!({"sub": "ada", "dunlin": all})).keep_granted(&before, 100);
        assert_eq!(refused(&after, join("other")), None);
    }

    #[test]
    fn a_pass_is_shown_without_claims() {
        let pass = pass(json!({"sub": "ada", "card": "4711"}));
        assert_eq!((pass.user(), pass.claim("card")), (Some("ada"), Some(&json!("4711"))));
        assert!(!format!("{pass:?}").contains("4711"));
    }
}

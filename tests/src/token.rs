//! Tokens for the stories.

use dunlin_auth::{Algorithm, SigningKey, sign};
use serde_json::{Map, Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// What servers of the stories check tokens with.
pub const SECRET: &str = "what only the issuer and the server know";

/// Seconds since the Unix epoch.
///
/// # Panics
/// In the sixties.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("later than 1970").as_secs()
}

/// Claims of a token that is good for an hour, with some changed.
///
/// # Panics
/// If the changes are no map.
#[must_use]
pub fn claims(changes: &Value) -> Map<String, Value> {
    let mut claims = Map::from_iter([("exp".into(), json!(now() + 3600)), ("iat".into(), json!(now()))]);
    claims.extend(changes.as_object().expect("a map").clone());
    claims
}

/// A token with such claims.
///
/// # Panics
/// Never: the secret is long enough.
#[must_use]
pub fn token(changes: &Value) -> String {
    let key = SigningKey::secret(SECRET, Algorithm::Hs256).expect("a secret");
    sign(&claims(changes), &key, None).expect("a token")
}

/// A token of a user who may do everything.
#[must_use]
pub fn of(user: &str) -> String {
    token(&json!({"sub": user, "dunlin": [{"topics": "*", "may": ["join", "push", "history", "presence"]}]}))
}

//! What a backend answers. Pure.

use super::fault::Fault;
use axum::http::StatusCode;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use dunlin_auth::{Capabilities, MAX_NAME_LEN};
use dunlin_proto::{Code, frame::Refusal};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// What is granted beside the bare permission. Which of it means something depends on the request.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Allowed {
    /// Whose session it is.
    pub(crate) user: Option<Box<str>>,
    /// What the session may do.
    pub(crate) capabilities: Option<Capabilities>,
    /// How long.
    pub(crate) expires_in: Option<Duration>,
    /// Of a connect: what the backend is told with every later request of the session.
    pub(crate) data: Option<Value>,
    /// Of a push: what is published in place of it.
    pub(super) event: Option<Box<str>>,
    pub(super) payload: Option<Bytes>,
    pub(super) key: Option<Box<str>>,
    /// Of a push: whether nothing is to be published.
    pub(super) is_handled: bool,
    /// What the client is told.
    pub(super) reply: Option<Bytes>,
    /// Of a join: what the member is shown with.
    pub(super) presence: Option<Bytes>,
}

/// A decision.
#[derive(Debug, PartialEq)]
pub(super) enum Decision {
    Allow(Box<Allowed>),
    Deny(Refusal),
}

/// The answer as it stands in JSON. A name that is not known is a mistake: it could have been a limit.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    allow: bool,
    code: Option<u32>,
    message: Option<String>,
    user: Option<Box<str>>,
    dunlin: Option<Value>,
    expires_in: Option<u64>,
    event: Option<Box<str>>,
    key: Option<Box<str>>,
    data: Option<Value>,
    binary: Option<String>,
    #[serde(default)]
    handled: bool,
    reply: Option<Value>,
    reply_binary: Option<String>,
    presence: Option<Value>,
}

/// Reads an answer, or says that it is none. A client's error (4xx) is one: the backend refuses.
pub(super) fn read(status: StatusCode, is_json: bool, body: &[u8]) -> Result<Decision, Fault> {
    match status {
        StatusCode::OK | StatusCode::NO_CONTENT if body.is_empty() => Ok(Decision::Allow(Box::default())),
        StatusCode::OK if is_json => {
            serde_json::from_slice::<Raw>(body).map_err(|_| Fault::Garbage)?.decide()
        }
        StatusCode::OK => Err(Fault::Garbage),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Err(Fault::Status)
        }
        _ if status.is_client_error() => Ok(Decision::Deny(Refusal::new(Code::FORBIDDEN))),
        _ => Err(Fault::Status),
    }
}

/// Most bytes of JSON that a backend is told with each request of a session.
const MOST_STATE: usize = 4 * 1024;

impl Decision {
    /// Checks what is bound more closely in a connect: its data stay as long as the session.
    pub(super) fn check_connect(self) -> Result<Self, Fault> {
        let is_long = matches!(&self, Self::Allow(allowed)
            if allowed.data.as_ref().is_some_and(|data| data.to_string().len() > MOST_STATE));
        if is_long { Err(Fault::Data) } else { Ok(self) }
    }
}

impl Raw {
    fn decide(self) -> Result<Decision, Fault> {
        if !self.allow {
            let code = self.code.map(Code).filter(|code| *code != Code::OK && code.row().is_some());
            let code = code.unwrap_or(if self.code.is_none() { Code::FORBIDDEN } else { Code::REJECTED });
            // Cut to the limit of a refusal's text.
            let refusal =
                self.message.map_or_else(|| Refusal::new(code), |text| Refusal::because(code, &text));
            return Ok(Decision::Deny(refusal));
        }
        if self.user.as_ref().is_some_and(|user| !(1..=MAX_NAME_LEN).contains(&user.len())) {
            return Err(Fault::Garbage);
        }
        let capabilities = self.dunlin.as_ref().map(Capabilities::from_claim).transpose();
        let data = bytes(self.data.as_ref(), self.binary.as_deref())?;
        Ok(Decision::Allow(Box::new(Allowed {
            user: self.user,
            capabilities: capabilities.map_err(|_| Fault::Garbage)?,
            expires_in: self.expires_in.map(Duration::from_secs),
            data: self.data,
            event: self.event,
            payload: data,
            key: self.key,
            is_handled: self.handled,
            reply: bytes(self.reply.as_ref(), self.reply_binary.as_deref())?,
            presence: self.presence.as_ref().map(crate::payload::pack),
        })))
    }
}

fn bytes(json: Option<&Value>, binary: Option<&str>) -> Result<Option<Bytes>, Fault> {
    match (json, binary) {
        (Some(_), Some(_)) => Err(Fault::Garbage),
        (Some(value), None) => Ok(Some(crate::payload::pack(value))),
        (None, Some(text)) => Ok(Some(STANDARD.decode(text).map_err(|_| Fault::Garbage)?.into())),
        (None, None) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(json: &Value) -> Result<Decision, Fault> {
        read(StatusCode::OK, true, json.to_string().as_bytes())
    }

    fn denied(json: &Value) -> Code {
        match answer(json) {
            Ok(Decision::Deny(refusal)) => refusal.code,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nothing_is_yes_and_a_clients_error_is_no() {
        let yes = Ok(Decision::Allow(Box::default()));
        assert_eq!(read(StatusCode::OK, false, b""), yes);
        assert_eq!(read(StatusCode::NO_CONTENT, false, b""), yes);
        let no = read(StatusCode::NOT_FOUND, false, b"a page that is nobody's business");
        assert_eq!(no, Ok(Decision::Deny(Refusal::new(Code::FORBIDDEN))));
    }

    #[test]
    fn codes_are_the_tables() {
        assert_eq!(denied(&json!({"allow": false})), Code::FORBIDDEN);
        assert_eq!(denied(&json!({"allow": false, "code": 205})), Code::RATE_LIMITED);
        assert_eq!(denied(&json!({"allow": false, "code": 7777})), Code::REJECTED);
        assert_eq!(denied(&json!({"allow": false, "code": 0})), Code::REJECTED);
        let Ok(Decision::Deny(refusal)) = answer(&json!({"allow": false, "message": "x".repeat(5000)}))
        else {
            panic!("not denied")
        };
        assert_eq!(refusal.message.len(), 512);
    }

    #[test]
    fn what_is_no_answer_is_a_fault() {
        for wrong in [
            json!({}),
            json!([]),
            json!({"allow": "yes"}),
            json!({"alow": false, "allow": true}),
            json!({"allow": true, "dunlin": [{"topics": "$server", "may": []}]}),
            json!({"allow": true, "user": ""}),
            json!({"allow": true, "data": 1, "binary": "AA=="}),
            json!({"allow": true, "reply_binary": "?"}),
        ] {
            assert_eq!(answer(&wrong), Err(Fault::Garbage), "{wrong}");
        }
        assert_eq!(read(StatusCode::OK, false, br#"{"allow":true}"#), Err(Fault::Garbage));
        assert_eq!(read(StatusCode::FOUND, true, b""), Err(Fault::Status));
        assert_eq!(read(StatusCode::BAD_GATEWAY, true, b""), Err(Fault::Status));
        assert_eq!(read(StatusCode::TOO_MANY_REQUESTS, true, b""), Err(Fault::Status));
    }

    #[test]
    fn what_stays_with_a_session_is_bounded() {
        let connect = |len| answer(&json!({"allow": true, "data": "x".repeat(len)})).unwrap().check_connect();
        // The quotes count.
        assert!(connect(MOST_STATE - 2).is_ok());
        assert_eq!(connect(MOST_STATE - 1), Err(Fault::Data));
    }

    #[test]
    fn a_grant_is_read_as_a_tokens() {
        let dunlin = json!([{"topics": "room:*", "may": ["join"]}]);
        let granted = answer(&json!({"allow": true, "user": "ada", "dunlin": dunlin, "expires_in": 60}));
        let Ok(Decision::Allow(allowed)) = granted else { panic!("{granted:?}") };
        assert_eq!(allowed.capabilities, Some(Capabilities::from_claim(&dunlin).unwrap()));
        assert_eq!(
            (allowed.user.as_deref(), allowed.expires_in),
            (Some("ada"), Some(Duration::from_secs(60)))
        );
    }
}

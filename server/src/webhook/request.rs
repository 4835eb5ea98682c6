//! What the backend is asked and told, as JSON objects. Pure, but for the time.

use super::payload;
use crate::{
    channel::{Context, End},
    clock,
    session::Session,
};
use bytes::Bytes;
use dunlin_hub::presence::{Diff, Entry};
use dunlin_proto::{Topic, frame::channel::Push};
use dunlin_transport::Kind;
use serde_json::{Map, Value, json};
use std::net::SocketAddr;

/// The client of a request.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    /// The session's public name; `None` before there is one.
    pub(super) session: Option<String>,
    pub(super) user: Option<String>,
    pub(super) agent: String,
    pub(super) address: SocketAddr,
    pub(super) transport: Kind,
    /// Whether it says hello with a ticket of a session that it had.
    pub(super) resumes: bool,
}

impl Who {
    pub(crate) fn of(session: &Session) -> Self {
        let seen = session.whereabouts().seen;
        Self {
            session: Some(session.name.to_string()),
            user: session.user().map(Into::into),
            agent: session.agent.to_string(),
            address: seen.address,
            transport: seen.transport,
            resumes: false,
        }
    }

    fn json(&self) -> Value {
        json!({
            "name": self.session, "user": self.user, "agent": self.agent,
            "address": self.address.ip().to_string(), "transport": self.transport.to_string(),
        })
    }
}

/// The type of a request, for metrics.
pub(super) fn kind(request: &Map<String, Value>) -> &'static str {
    match request.get("type").and_then(Value::as_str) {
        Some("connect") => "connect",
        Some("join") => "join",
        _ => "push",
    }
}

/// Somebody connects, or a session goes on with another token. A token that the server does not check is the backend's to check.
pub(super) fn connect(
    who: &Who,
    token: Option<&str>,
    claims: Option<&Map<String, Value>>,
) -> Map<String, Value> {
    let mut request = begin("connect");
    request.insert("session".into(), who.json());
    request.insert("resumes".into(), who.resumes.into());
    if let Some(token) = token {
        request.insert("token".into(), token.into());
    }
    if let Some(claims) = claims.filter(|claims| !claims.is_empty()) {
        request.insert("claims".into(), claims.clone().into());
    }
    request
}

/// Somebody joins.
pub(super) fn join(who: &Who, context: &Context, params: &Bytes) -> Map<String, Value> {
    let mut request = of_member("join", who, context);
    payload::put(&mut request, "params", params);
    request
}

/// A member pushes.
pub(super) fn push(who: &Who, context: &Context, push: &Push) -> Map<String, Value> {
    let mut request = of_member("push", who, context);
    request.insert("event".into(), (*push.event).into());
    if let Some(key) = &push.key {
        request.insert("key".into(), (**key).into());
    }
    payload::put(&mut request, "data", &push.payload);
    request
}

/// A membership is over.
pub(super) fn leave(who: &Who, context: &Context, why: End) -> Map<String, Value> {
    let why = match why {
        End::Left => "left",
        End::Expired => "expired",
        End::SessionEnded => "session_ended",
        End::Evicted => "evicted",
        End::Closed => "closed",
        End::Violation => "violation",
        End::Forbidden => "forbidden",
        End::Overrun => "overrun",
        End::Failed => "failed",
    };
    let mut notice = of_member("leave", who, context);
    notice.insert("why".into(), why.into());
    notice
}

/// A session is over.
pub(super) fn end(who: &Who) -> Map<String, Value> {
    let mut notice = begin("end");
    notice.insert("session".into(), who.json());
    notice
}

/// Who has come to a topic, changed, and gone.
pub(super) fn presence(topic: &Topic, diff: &Diff) -> Map<String, Value> {
    let mut notice = begin("presence");
    let entries = |entries: &[Entry]| -> Value { entries.iter().map(entry).collect() };
    let leaves: Value = diff.leaves.iter().map(|(key, id)| json!({"key": **key, "id": id})).collect();
    notice.extend([
        ("topic".into(), topic.to_string().into()),
        ("joins".into(), entries(&diff.joins)),
        ("updates".into(), entries(&diff.updates)),
        ("leaves".into(), leaves),
        ("keys".into(), diff.occupancy.keys.into()),
        ("entries".into(), diff.occupancy.entries.into()),
    ]);
    notice
}

fn entry(entry: &Entry) -> Value {
    let mut object = Map::new();
    object.insert("key".into(), (*entry.key).into());
    object.insert("id".into(), entry.id.into());
    object.insert("away".into(), entry.away.into());
    payload::put(&mut object, "data", &entry.data);
    object.into()
}

fn of_member(kind: &str, who: &Who, context: &Context) -> Map<String, Value> {
    let mut request = begin(kind);
    request.insert("session".into(), who.json());
    request.insert("topic".into(), context.topic().to_string().into());
    if let Some(state) = context.pass().state() {
        request.insert("state".into(), state.clone());
    }
    request
}

fn begin(kind: &str) -> Map<String, Value> {
    Map::from_iter([("type".into(), kind.into()), ("at".into(), clock::now_ms().into())])
}

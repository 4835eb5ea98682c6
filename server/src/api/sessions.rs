//! Sessions: who is connected, and what a backend does to them.

use super::{
    Api, Problem,
    access::Caller,
    body::{Format, Given, Value},
    document::Refused,
    event::NewEvent,
    params::{self, TopicName},
};
use crate::{config::Scope, session::Session};
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use dunlin_proto::{
    Code, Topic,
    frame::{Refusal, channel::FromServer},
};
use serde::{Deserialize, Serialize};
use std::{sync::Arc, time::Instant};
use utoipa::{IntoParams, ToSchema};

/// Which sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Those of this user.
    user: Option<String>,
    /// Those whose names come after this one.
    after: Option<String>,
    /// Most sessions, 1 to 1000; 100 unless given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Sessions, by their names.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sessions {
    sessions: Vec<Row>,
    /// Ask for what comes `after` this name; missing at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A client's session, which outlives its connections.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct Row {
    /// Its public name, as the client library and the logs have it.
    session: String,
    /// The user that its token names.
    user: Option<String>,
    /// Name and version of the client software.
    agent: String,
    /// What carries it: quic, webtransport or websocket; null while it has no connection.
    transport: Option<String>,
    /// Where its client is, or was last.
    address: String,
    /// When the client connected last, in milliseconds before now.
    connected_ms: u64,
    /// How many times it came back.
    resumed: u64,
    /// The topics that it has joined.
    topics: Vec<String>,
}

impl Row {
    fn of(session: &Session) -> Self {
        let at = session.whereabouts();
        Self {
            session: session.name.to_string(),
            user: session.user().map(Into::into),
            agent: session.agent.to_string(),
            transport: session.transport().map(|kind| kind.to_string()),
            address: at.seen.address.to_string(),
            connected_ms: Instant::now().saturating_duration_since(at.connected).as_millis() as u64,
            resumed: at.resumed,
            topics: session.topics().iter().map(ToString::to_string).collect(),
        }
    }
}

/// How a session is to end.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Farewell {
    /// Whether the client may come back with a new session. If not, it is told FORBIDDEN, and stays away until its application
    /// connects it again.
    #[serde(default)]
    reconnect: bool,
    /// What it is told besides, at most 512 characters, of which it is told 512 bytes.
    #[serde(default)]
    #[param(max_length = 512)]
    reason: String,
}

/// Longest reason in characters.
const MOST_REASON: usize = 512;

impl Farewell {
    pub(super) fn refusal(&self) -> Result<Refusal, Problem> {
        if self.reason.chars().count() > MOST_REASON {
            return Err(Problem::illegal("a reason has at most 512 characters"));
        }
        let code = if self.reconnect { Code::SESSION_ENDED } else { Code::FORBIDDEN };
        Ok(if self.reason.is_empty() { Refusal::new(code) } else { Refusal::because(code, &self.reason) })
    }
}

/// How many sessions something was done to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    pub(super) sessions: u64,
}

/// A message for clients, past all logs.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Direct {
    /// The topic in which they get it; in every topic that they have joined unless given.
    #[schema(inline)]
    topic: Option<TopicName>,
    /// The message; without a key.
    event: NewEvent,
}

impl Direct {
    /// The frame, and the topic it is for.
    pub(super) fn frame(self, api: &Api) -> Result<(bytes::Bytes, Option<Topic>), Problem> {
        let topic = self.topic.as_ref().map(TopicName::legal).transpose()?;
        let event = self.event.check(api.node.shared.bounds.limits.payload)?;
        if event.key.is_some() {
            return Err(Problem::illegal("a direct message has no key"));
        }
        Ok((FromServer::Direct { event: event.event, payload: event.payload }.encode(), topic))
    }
}

/// Lists the sessions
#[utoipa::path(
    get, path = "/v1/sessions", tag = "sessions", operation_id = "listSessions", params(Which),
    responses((status = 200, description = "Some of them, by name", body = Sessions), Refused),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Given(Query(Which { user, after, limit })): Given<Query<Which>>,
    format: Format,
) -> Result<Response, Problem> {
    caller.may_all(Scope::Sessions)?;
    let limit = params::limit(limit, 100)?;
    let mut found = api.node.registry.all();
    found.retain(|session| {
        let is_theirs = user.as_deref().is_none_or(|user| session.user() == Some(user));
        is_theirs && after.as_deref().is_none_or(|after| &*session.name > after)
    });
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| last.name.to_string());
    let sessions = found.iter().map(|session| Row::of(session)).collect();
    Ok(format.reply(&Sessions { sessions, next }))
}

/// Tells about one session
#[utoipa::path(
    get, path = "/v1/sessions/{session}", tag = "sessions", operation_id = "session",
    params(("session" = String, Path, description = "Its public name")),
    responses((status = 200, description = "The session", body = Row), Refused),
)]
pub(super) async fn one(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Given(Path(name)): Given<Path<String>>,
    format: Format,
) -> Result<Response, Problem> {
    caller.may_all(Scope::Sessions)?;
    Ok(format.reply(&Row::of(&*named(&api, &name)?)))
}

/// Ends a session
///
/// Its client is told why, its memberships end, and nobody can resume it. Its token stays good: see `/v1/revocations`.
#[utoipa::path(
    delete, path = "/v1/sessions/{session}", tag = "sessions", operation_id = "disconnect",
    params(("session" = String, Path, description = "Its public name"), Farewell),
    responses((status = 200, description = "It has ended", body = Done), Refused),
)]
pub(super) async fn disconnect(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Given(Path(name)): Given<Path<String>>,
    Given(Query(farewell)): Given<Query<Farewell>>,
    format: Format,
) -> Result<Response, Problem> {
    caller.may_all(Scope::Control)?;
    named(&api, &name)?.finish(&farewell.refusal()?);
    Ok(format.reply(&Done { sessions: 1 }))
}

/// Ends a session's membership in a topic
///
/// The client is told FORBIDDEN, and does not join again by itself. 404 if it has not joined the topic.
#[utoipa::path(
    delete, path = "/v1/sessions/{session}/topics/{topic}", tag = "sessions", operation_id = "unsubscribe",
    params(
        ("session" = String, Path, description = "Its public name"),
        ("topic" = inline(TopicName), Path, description = "The topic; `/` as `%2F`"),
    ),
    responses((status = 200, description = "The membership has ended", body = Done), Refused),
)]
pub(super) async fn unsubscribe(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Given(Path((name, topic))): Given<Path<(String, TopicName)>>,
    format: Format,
) -> Result<Response, Problem> {
    let topic = topic.legal()?;
    caller.may(Scope::Control, Some(&topic))?;
    if named(&api, &name)?.evict(&topic, evicted()) {
        Ok(format.reply(&Done { sessions: 1 }))
    } else {
        Err(Problem::missing("the session has not joined this topic"))
    }
}

/// What a client is told whose membership the backend has ended.
pub(super) fn evicted() -> Refusal {
    Refusal::because(Code::FORBIDDEN, "the backend has ended this membership")
}

/// Sends a message to one client
///
/// It is in no log and has no position: what is on its way when a connection breaks is lost.
#[utoipa::path(
    post, path = "/v1/sessions/{session}/events", tag = "sessions", operation_id = "pushToSession",
    params(("session" = String, Path, description = "Its public name")),
    request_body(content((Direct = "application/json"), (Direct = "application/msgpack"))),
    responses((status = 200, description = "It is on its way", body = Done), Refused),
)]
pub(super) async fn push(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Given(Path(name)): Given<Path<String>>,
    format: Format,
    Value(direct): Value<Direct>,
) -> Result<Response, Problem> {
    caller.may_all(Scope::Control)?;
    let (frame, topic) = direct.frame(&api)?;
    let session = named(&api, &name)?;
    match session.tell(topic.as_ref(), &frame) {
        Some(Ok(())) => Ok(format.reply(&Done { sessions: 1 })),
        Some(Err(_)) => Err(Refusal::because(Code::CHANNEL_OVERRUN, "too much waits for this client").into()),
        None => Err(Problem::missing("the session has not joined this topic")),
    }
}

/// The session of a public name.
pub(super) fn named(api: &Api, name: &str) -> Result<Arc<Session>, Problem> {
    let session = api.node.registry.named(name).filter(|session| !session.is_over());
    session.ok_or_else(|| Refusal::because(Code::SESSION_ENDED, "there is no such session").into())
}

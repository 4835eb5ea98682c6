//! What a backend does to all sessions of a user.

use super::{
    Api, Problem,
    access::Caller,
    body::{Format, Given, Value},
    document::Refused,
    params::TopicName,
    sessions::{Direct, Done, Farewell, evicted},
};
use crate::{config::Scope, session::Session};
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use std::sync::Arc;

/// Sends a message to all clients of a user
///
/// Says how many got it. It is in no log and has no position.
#[utoipa::path(
    post, path = "/v1/users/{user}/events", tag = "users", operation_id = "pushToUser",
    params(("user" = String, Path, description = "The user, as tokens name it")),
    request_body(content((Direct = "application/json"), (Direct = "application/msgpack"))),
    responses((status = 200, description = "It is on its way", body = Done), Refused),
)]
pub(super) async fn push(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Given(Path(user)): Given<Path<String>>,
    format: Format,
    Value(direct): Value<Direct>,
) -> Result<Response, Problem> {
    caller.may_all(Scope::Control)?;
    let (frame, topic) = direct.frame(&api)?;
    let told = of(&api, &user).filter(|session| matches!(session.tell(topic.as_ref(), &frame), Some(Ok(()))));
    Ok(format.reply(&Done { sessions: told.count() as u64 }))
}

/// Ends all sessions of a user
///
/// Says how many there were. The user's tokens stay good: see `/v1/revocations`.
#[utoipa::path(
    delete, path = "/v1/users/{user}/sessions", tag = "users", operation_id = "disconnectUser",
    params(("user" = String, Path, description = "The user, as tokens name it"), Farewell),
    responses((status = 200, description = "They have ended", body = Done), Refused),
)]
pub(super) async fn disconnect(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Given(Path(user)): Given<Path<String>>,
    Given(Query(farewell)): Given<Query<Farewell>>,
    format: Format,
) -> Result<Response, Problem> {
    caller.may_all(Scope::Control)?;
    let why = farewell.refusal()?;
    let ended = of(&api, &user).inspect(|session| session.finish(&why));
    Ok(format.reply(&Done { sessions: ended.count() as u64 }))
}

/// Ends all memberships of a user in a topic
///
/// Says how many there were.
#[utoipa::path(
    delete, path = "/v1/users/{user}/topics/{topic}", tag = "users", operation_id = "unsubscribeUser",
    params(
        ("user" = String, Path, description = "The user, as tokens name it"),
        ("topic" = inline(TopicName), Path, description = "The topic; `/` as `%2F`"),
    ),
    responses((status = 200, description = "They have ended", body = Done), Refused),
)]
pub(super) async fn unsubscribe(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Given(Path((user, topic))): Given<Path<(String, TopicName)>>,
    format: Format,
) -> Result<Response, Problem> {
    let topic = topic.legal()?;
    caller.may(Scope::Control, Some(&topic))?;
    let ended = of(&api, &user).filter(|session| session.evict(&topic, evicted()));
    Ok(format.reply(&Done { sessions: ended.count() as u64 }))
}

fn of(api: &Api, user: &str) -> impl Iterator<Item = Arc<Session>> {
    let all = api.node.registry.all();
    all.into_iter().filter(move |session| session.user() == Some(user) && !session.is_over())
}

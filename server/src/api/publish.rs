//! Publishing: one event to a topic, or many events to many.

use super::{
    Api, Problem,
    access::Caller,
    body::{Format, Given, Value},
    document::Refused,
    event::{Checked, NewEvent},
    params::{MOST_ITEMS, TopicName, legal},
};
use crate::{channel::BroadcastError, clock, config::Scope};
use axum::{
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use dunlin_hub::{Message, MessageId};
use dunlin_proto::{Code, Topic, frame::Refusal};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use utoipa::ToSchema;

/// A place in a topic's log.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
pub(super) struct Position {
    /// Which life of the log.
    pub(super) epoch: u64,
    /// The event's number in it.
    pub(super) offset: u64,
}

/// Where an event stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Published {
    /// Which life of the topic's log.
    epoch: u64,
    /// The event's number in it.
    offset: u64,
    /// Whether the same `Idempotency-Key` has published it before, so that nothing happened now.
    duplicate: bool,
}

/// Longest `Idempotency-Key` in bytes.
const MOST_KEY: usize = 255;

/// Publishes an event to a topic
///
/// With an `Idempotency-Key`, a repeated request publishes nothing and is answered with the place of the first one's event, for
/// as long as the topic remembers: two minutes by default.
#[utoipa::path(
    post, path = "/v1/topics/{topic}/events", tag = "topics", operation_id = "publish",
    params(
        ("topic" = inline(TopicName), Path, description = "The topic; `/` as `%2F`"),
        ("Idempotency-Key" = Option<String>, Header, description = "1 to 255 bytes", min_length = 1, max_length = 255),
    ),
    request_body(content((NewEvent = "application/json"), (NewEvent = "application/msgpack"))),
    responses((status = 200, description = "It has its place", body = Published), Refused),
)]
pub(super) async fn one(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Given(Path(topic)): Given<Path<TopicName>>,
    headers: HeaderMap,
    format: Format,
    Value(event): Value<NewEvent>,
) -> Result<Response, Problem> {
    let topic = topic.legal()?;
    caller.may(Scope::Publish, Some(&topic))?;
    let event = event.check(api.node.shared.namespaces.of(&topic).payload)?;
    let id = id(&caller, &headers, 0)?;
    let published = publish(&api, &topic, &event, id).await?;
    Ok(format.reply(&published))
}

/// Events and the topics that each is for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    /// All of them together for at most 1000 topics.
    #[schema(max_items = 1000)]
    events: Vec<Addressed>,
}

/// An event and its topics.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Addressed {
    /// The topics that it is published to.
    #[schema(max_items = 1000, example = json!(["room:1", "room:2"]))]
    topics: Vec<String>,
    /// What is published.
    event: NewEvent,
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Outcomes {
    /// For each event, one for each of its topics, in the same order.
    results: Vec<Vec<Outcome>>,
}

/// What became of one event in one topic.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Outcome {
    /// It has its place.
    Published(Published),
    /// It has not.
    Failed(Problem),
}

/// Publishes many events, each to some topics
///
/// If an event is not legal in itself, none is published. What fails for other reasons does not hold up the rest; each has an answer
/// of its own. An `Idempotency-Key` holds for every one of them, by its
/// number in the list and its topic.
#[utoipa::path(
    post, path = "/v1/events", tag = "topics", operation_id = "publishMany",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 bytes", min_length = 1, max_length = 255)),
    request_body(content((Batch = "application/json"), (Batch = "application/msgpack"))),
    responses((status = 200, description = "What became of each", body = Outcomes), Refused),
)]
pub(super) async fn batch(
    State(api): State<Arc<Api>>,
    caller: Caller,
    headers: HeaderMap,
    format: Format,
    Value(Batch { events }): Value<Batch>,
) -> Result<Response, Problem> {
    caller.may(Scope::Publish, None)?;
    if events.iter().map(|event| event.topics.len().max(1)).sum::<usize>() > MOST_ITEMS {
        return Err(Problem::illegal("at most 1000 events and topics at a time"));
    }
    // The header is checked also where there is nothing to publish.
    id(&caller, &headers, 0)?;
    // All of them are looked at before any is published: a request is refused as a whole, or not.
    let most = api.node.shared.bounds.limits.payload;
    let checked = |(number, Addressed { topics, event }): (usize, Addressed)| {
        Ok((topics, event.check(most)?, id(&caller, &headers, number)?))
    };
    let events = events.into_iter().enumerate().map(checked).collect::<Result<Vec<_>, Problem>>()?;
    let mut results = Vec::with_capacity(events.len());
    for (topics, event, id) in events {
        let mut outcomes = Vec::with_capacity(topics.len());
        for topic in &topics {
            let outcome = match legal(topic)
                .and_then(|topic| caller.may(Scope::Publish, Some(&topic)).map(|()| topic))
            {
                Ok(topic) => publish(&api, &topic, &event, id.clone()).await,
                Err(problem) => Err(problem),
            };
            outcomes.push(outcome.map_or_else(Outcome::Failed, Outcome::Published));
        }
        results.push(outcomes);
    }
    Ok(format.reply(&Outcomes { results }))
}

/// The one way of an event from a backend into a topic.
async fn publish(
    api: &Api,
    topic: &Topic,
    Checked { event, payload, key }: &Checked,
    id: Option<MessageId>,
) -> Result<Published, Problem> {
    if topic.is_reserved() {
        return Err(
            Refusal::because(Code::FORBIDDEN, "topics that begin with `$` are the server's own").into()
        );
    }
    let limit = api.node.shared.namespaces.of(topic).payload;
    if payload.len() > limit {
        return Err(Refusal::from(BroadcastError::TooLarge { len: payload.len(), limit }).into());
    }
    let message =
        Message { id, event: event.clone(), payload: payload.clone(), key: key.clone(), origin: None };
    let published = api.node.shared.hub.publish(topic, message, clock::now_ms()).await;
    let published = published.map_err(|error| Refusal::from(BroadcastError::from(error)))?;
    let dunlin_proto::Position { epoch, offset } = published.position;
    Ok(Published { epoch, offset, duplicate: published.duplicate })
}

/// What makes a repeated request harmless: of one caller's key, and the event's number in the request.
fn id(caller: &Caller, headers: &HeaderMap, number: usize) -> Result<Option<MessageId>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.as_bytes();
    if key.is_empty() || key.len() > MOST_KEY {
        return Err(Problem::illegal("an Idempotency-Key has 1 to 255 bytes"));
    }
    let mut digest = Sha256::new();
    for part in [caller.name().as_bytes(), key, &number.to_be_bytes()] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    // Longer than those of clients, whose ids they must not meet.
    Ok(Some(MessageId::new(&digest.finalize()).expect("32 bytes are an id")))
}

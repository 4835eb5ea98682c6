//! The topics that exist.

use super::{
    Api, Problem,
    access::Caller,
    body::{Format, Given},
    document::Refused,
    params::{self, TopicName},
    publish::Position,
};
use crate::config::Scope;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use dunlin_hub::TopicUsage;
use dunlin_proto::{Code, frame::Refusal};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Which topics.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Those whose names begin so.
    #[serde(default)]
    prefix: String,
    /// Those whose names come after this one.
    after: Option<String>,
    /// Most topics, 1 to 1000; 100 unless given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Topics, by their names.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Topics {
    topics: Vec<Row>,
    /// Ask for what comes `after` this name; missing at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// A topic in use: somebody reads it, or it holds events.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Topic)]
pub(super) struct Row {
    name: String,
    /// Subscriptions at this moment.
    subscribers: u64,
    /// The newest position; null if the topic is not in use.
    position: Option<Position>,
    /// Events that it holds.
    events: u64,
    /// Bytes that they take.
    bytes: u64,
    /// How many users it shows as present.
    present: u64,
}

impl Row {
    fn of(api: &Api, usage: &TopicUsage) -> Self {
        Self {
            present: api.node.shared.presence.occupancy(&usage.name).keys as u64,
            name: usage.name.to_string(),
            subscribers: usage.readers as u64,
            position: Some(usage.position.into()),
            events: usage.held as u64,
            bytes: usage.bytes as u64,
        }
    }
}

/// Lists the topics in use
#[utoipa::path(
    get, path = "/v1/topics", tag = "topics", operation_id = "listTopics", params(Which),
    responses((status = 200, description = "Some of them, by name", body = Topics), Refused),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Given(Query(Which { prefix, after, limit })): Given<Query<Which>>,
    format: Format,
) -> Result<Response, Problem> {
    caller.may_all(Scope::Topics)?;
    let limit = params::limit(limit, 100)?;
    let hub = api.node.shared.hub.clone();
    // With very many topics this takes a while, in which a worker would serve nobody.
    let found = tokio::task::spawn_blocking(move || {
        let is_wanted = |usage: &TopicUsage| {
            let name = usage.name.as_str();
            name.starts_with(&prefix) && after.as_deref().is_none_or(|after| name > after)
        };
        let mut found: Vec<_> = hub.survey().filter(is_wanted).collect();
        found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let more = found.len() > limit;
        found.truncate(limit);
        (found, more)
    });
    let (found, more) = found.await.map_err(|_| Refusal::new(Code::INTERNAL))?;
    let next = found.last().filter(|_| more).map(|last| last.name.to_string());
    let topics = found.iter().map(|usage| Row::of(&api, usage)).collect();
    Ok(format.reply(&Topics { topics, next }))
}

/// Tells about one topic
///
/// One that is not in use is as good as any other, only that nobody reads it and it holds nothing.
#[utoipa::path(
    get, path = "/v1/topics/{topic}", tag = "topics", operation_id = "topic",
    params(("topic" = inline(TopicName), Path, description = "The topic; `/` as `%2F`")),
    responses((status = 200, description = "What there is of it", body = Row), Refused),
)]
pub(super) async fn one(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Given(Path(topic)): Given<Path<TopicName>>,
    format: Format,
) -> Result<Response, Problem> {
    let topic = topic.legal()?;
    caller.may(Scope::Topics, Some(&topic))?;
    let row = match api.node.shared.hub.topic(&topic) {
        Some(usage) => Row::of(&api, &usage),
        None => Row {
            present: api.node.shared.presence.occupancy(&topic).keys as u64,
            name: topic.to_string(),
            subscribers: 0,
            position: None,
            events: 0,
            bytes: 0,
        },
    };
    Ok(format.reply(&row))
}

//! A topic's history.

use super::{
    Api, Problem,
    access::Caller,
    body::{Format, Given},
    document::Refused,
    event::Event,
    params::{self, TopicName},
    publish::Position,
};
use crate::{clock, config::Scope};
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use dunlin_hub::{Limit, Outcome, Start};
use dunlin_proto::{Code, frame::Refusal};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// Which part of history.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    /// The position to go on from, as `EPOCH:OFFSET`; `oldest`, or nothing, for all that there is.
    #[param(pattern = "^(oldest|(0|[1-9][0-9]{0,14}|[1-8][0-9]{15}):(0|[1-9][0-9]{0,14}|[1-8][0-9]{15}))$")]
    since: Option<String>,
    /// Most events, 1 to 1000; 100 unless given. An answer may have fewer, and say that there are more.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// A part of a topic's history.
#[derive(Serialize, ToSchema)]
pub(super) struct History {
    /// Whether everything since the position follows.
    start: Began,
    /// The events, oldest first; none if the position was lost.
    events: Vec<Event>,
    /// Ask `since` this position for what comes next; null if there is no such topic.
    next: Option<Position>,
    /// The newest position.
    head: Option<Position>,
}

/// How history goes on from the position that was asked for.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Began {
    /// None was asked for: this is all that there is.
    Oldest,
    /// Everything since then follows.
    Recovered,
    /// History does not reach back so far, or the topic has started over: fetch the present state by other means.
    Lost,
}

/// Most bytes of events in one answer, unless it is one event alone.
const MOST_BYTES: usize = 1024 * 1024;

/// Reads a topic's history
#[utoipa::path(
    get, path = "/v1/topics/{topic}/events", tag = "topics", operation_id = "history",
    params(("topic" = inline(TopicName), Path, description = "The topic; `/` as `%2F`"), Part),
    responses((status = 200, description = "What there is", body = History), Refused),
)]
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Given(Path(topic)): Given<Path<TopicName>>,
    Given(Query(Part { since, limit })): Given<Query<Part>>,
    format: Format,
) -> Result<Response, Problem> {
    let topic = topic.legal()?;
    caller.may(Scope::History, Some(&topic))?;
    let start = match since.as_deref() {
        None | Some("oldest") => Start::Oldest,
        Some(position) => match position.parse() {
            Ok(position) => Start::After(position),
            Err(_) => return Err(Problem::illegal("`since` is EPOCH:OFFSET or oldest")),
        },
    };
    let frames = params::limit(limit, 100)?;
    let limit = Limit { frames, bytes: MOST_BYTES };
    let found = api.node.shared.hub.history(&topic, start, limit, clock::now_ms()).await;
    let found = found.map_err(|error| Refusal::because(Code::UNAVAILABLE, &error.to_string()))?;
    let lost =
        found.as_ref().map_or(matches!(start, Start::After(_)), |found| found.outcome == Outcome::Lost);
    let start = match start {
        _ if lost => Began::Lost,
        Start::After(_) => Began::Recovered,
        _ => Began::Oldest,
    };
    let history = match found {
        None => History { start, events: Vec::new(), next: None, head: None },
        Some(found) => History {
            start,
            events: found.frames.iter().filter_map(|frame| Event::of(frame, format)).collect(),
            next: Some(found.next.into()),
            head: Some(found.head.into()),
        },
    };
    Ok(format.reply(&history))
}

//! Who is in a topic.

use super::{
    Api, Problem,
    access::Caller,
    body::{Format, Given},
    document::Refused,
    event::Shown,
    params::{self, MOST_ITEMS, TopicName},
};
use crate::config::Scope;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// How much is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Only the numbers.
    #[serde(default)]
    counts: bool,
    /// Entries with an id above this one.
    #[param(maximum = 9_007_199_254_740_991_u64)]
    after: Option<u64>,
    /// Most entries, 1 to 1000; 1000 unless given.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// Who is in a topic.
#[derive(Serialize, ToSchema)]
pub(super) struct Presence {
    /// How many keys, which usually are users.
    keys: u64,
    /// How many entries, which usually are devices.
    entries: u64,
    /// By their ids; missing if only the numbers were wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    list: Option<Vec<Entry>>,
    /// Ask for what is `after` this id; missing at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<u64>,
}

/// One device of a user.
#[derive(Serialize, ToSchema)]
#[schema(as = PresenceEntry)]
pub(super) struct Entry {
    /// The user.
    key: String,
    /// Its number in the topic.
    id: u64,
    /// Whether its client is paused or has no connection.
    away: bool,
    /// What it says of itself, as a value if the answer's format can say it exactly.
    #[schema(value_type = Option<serde_json::Value>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Shown>,
    /// What it says of itself otherwise.
    #[schema(value_type = Option<String>, format = Byte)]
    #[serde(skip_serializing_if = "Option::is_none")]
    binary: Option<Shown>,
}

/// Tells who is in a topic
#[utoipa::path(
    get, path = "/v1/topics/{topic}/presence", tag = "topics", operation_id = "presence",
    params(("topic" = inline(TopicName), Path, description = "The topic; `/` as `%2F`"), Wanted),
    responses((status = 200, description = "Who is there", body = Presence), Refused),
)]
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Given(Path(topic)): Given<Path<TopicName>>,
    Given(Query(Wanted { counts, after, limit })): Given<Query<Wanted>>,
    format: Format,
) -> Result<Response, Problem> {
    let topic = topic.legal()?;
    caller.may(Scope::Presence, Some(&topic))?;
    let limit = params::limit(limit, MOST_ITEMS)?;
    if after.is_some_and(|after| after > dunlin_proto::position::MAX) {
        return Err(Problem::illegal("`after` is less than 2^53"));
    }
    let present = &api.node.shared.presence;
    let occupancy = present.occupancy(&topic);
    let mut presence =
        Presence { keys: occupancy.keys as u64, entries: occupancy.entries as u64, list: None, next: None };
    if !counts {
        let mut entries = present.list(&topic);
        entries.retain(|entry| after.is_none_or(|after| entry.id > after));
        entries.sort_unstable_by_key(|entry| entry.id);
        let more = entries.len() > limit;
        entries.truncate(limit);
        presence.next = entries.last().filter(|_| more).map(|last| last.id);
        let shown = entries.iter().map(|entry| {
            let (data, binary) = Shown::fields(&entry.data, format);
            Entry { key: entry.key.to_string(), id: entry.id, away: entry.away, data, binary }
        });
        presence.list = Some(shown.collect());
    }
    Ok(format.reply(&presence))
}

//! Facts about this node.

use super::{Api, Problem, access::Caller, body::Format, document::Refused};
use crate::{AGENT, config::Scope, statistics::process};
use axum::{extract::State, response::Response};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// A node.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Node {
    /// Name and version of the server.
    agent: String,
    /// How long it has been running, in milliseconds.
    uptime_ms: u64,
    /// Sessions, connected and waiting.
    sessions: u64,
    /// Topics in use.
    topics: u64,
    /// Subscriptions.
    subscribers: u64,
    /// Events published since the start.
    published: u64,
    /// Bytes in all topic logs.
    history_bytes: u64,
    /// Bytes of memory in use, as the operating system counts; null where it does not say.
    rss_bytes: Option<u64>,
    /// Processor time since the start, in seconds; null where the operating system does not say.
    cpu_seconds: Option<f64>,
}

/// Tells about this node
#[utoipa::path(
    get, path = "/v1/node", tag = "node", operation_id = "node",
    responses((status = 200, description = "The node", body = Node), Refused),
)]
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    caller: Caller,
    format: Format,
) -> Result<Response, Problem> {
    caller.may_all(Scope::Node)?;
    let usage = api.node.shared.hub.usage();
    let process = process::look();
    Ok(format.reply(&Node {
        agent: AGENT.into(),
        uptime_ms: api.started.elapsed().as_millis() as u64,
        sessions: api.node.registry.len() as u64,
        topics: usage.topics as u64,
        subscribers: usage.readers as u64,
        published: usage.published,
        history_bytes: usage.bytes as u64,
        rss_bytes: process.as_ref().map(|process| process.rss_bytes),
        cpu_seconds: process.as_ref().map(|process| process.cpu_seconds),
    }))
}

//! HTTP: health and metrics for machines, the way in for browsers, and the console.
//!
//! | path | plain | TLS, HTTP/3 | |
//! |---|---|---|---|
//! | `/healthz` | yes | yes | 200 while the server takes sessions, 503 otherwise |
//! | `/metrics` | yes | no | Prometheus' text format |
//! | `/v1/connect` | yes | yes | how browsers reach the server (`connect.rs`) |
//! | `/` and below | yes | yes | the console (`page.rs`) |
//! | `/dunlin` | yes | yes | sessions, served by the transport |

mod connect;
mod page;

use crate::{
    api::{Api, Door},
    config::Console,
    health::{self, Health},
};
use axum::{
    Router,
    extract::State,
    http::{StatusCode, Uri},
    routing::get,
};
use dunlin_certs::Live;
use dunlin_transport::Origins;
use metrics_exporter_prometheus::PrometheusHandle;
pub(crate) use page::is_built;
use std::sync::{Arc, OnceLock};

/// What answers are made of.
pub(crate) struct Facts {
    pub(crate) health: Arc<Health>,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) certificate: Arc<Live>,
    pub(crate) origins: Origins,
    pub(crate) console: Console,
    pub(crate) api: Arc<Api>,
    /// Known as soon as all sockets are bound, which is before the first request is read.
    pub(crate) ports: OnceLock<Ports>,
}

/// Where browsers find what; `None` where there is nothing.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ports {
    /// UDP.
    pub(crate) udp: Option<u16>,
    /// TCP with TLS.
    pub(crate) tcp: Option<u16>,
    /// Plain TCP.
    pub(crate) plain: Option<u16>,
}

/// What is served on the plain port, which is the machine's own.
pub(crate) fn plain(facts: &Arc<Facts>) -> Router {
    let metrics = Router::new().route("/metrics", get(render)).with_state(facts.clone());
    everywhere(facts).merge(metrics).merge(facts.api.router(Door::Plain))
}

/// What is served to the world: over TLS and over HTTP/3.
pub(crate) fn public(facts: &Arc<Facts>) -> Router {
    everywhere(facts).merge(facts.api.router(Door::Public))
}

fn everywhere(facts: &Arc<Facts>) -> Router {
    Router::new()
        .route("/healthz", get(health))
        .with_state(facts.clone())
        .merge(connect::router(facts))
        .merge(page::router(&facts.console))
        .fallback(unknown)
}

async fn health(State(facts): State<Arc<Facts>>) -> (StatusCode, &'static str) {
    match facts.health.state() {
        health::State::Serving => (StatusCode::OK, "ok\n"),
        health::State::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        health::State::Failed => (StatusCode::SERVICE_UNAVAILABLE, "failed\n"),
    }
}

async fn render(State(facts): State<Arc<Facts>>) -> String {
    facts.metrics.run_upkeep();
    facts.metrics.render()
}

async fn unknown(uri: Uri) -> (StatusCode, String) {
    (StatusCode::NOT_FOUND, format!("there is nothing at {}\n", uri.path()))
}

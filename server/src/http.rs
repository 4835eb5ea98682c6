//! Plain HTTP for the machine's own: health and metrics.

use axum::{Router, extract::State, http::StatusCode, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::task::AbortOnDropHandle;

/// The HTTP server; it ends when this is dropped.
pub(crate) struct Http {
    pub(crate) address: SocketAddr,
    _task: AbortOnDropHandle<()>,
}

#[derive(Clone)]
struct Facts {
    draining: Arc<AtomicBool>,
    metrics: PrometheusHandle,
}

/// Serves `GET /healthz` (200, or 503 while draining) and `GET /metrics` (Prometheus text format).
pub(crate) async fn serve(
    address: SocketAddr,
    draining: Arc<AtomicBool>,
    metrics: PrometheusHandle,
) -> std::io::Result<Http> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let router = Router::new()
        .route("/healthz", get(health))
        .route("/metrics", get(render))
        .with_state(Facts { draining, metrics });
    let task: JoinHandle<()> = tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "http server ended");
        }
    });
    Ok(Http { address, _task: AbortOnDropHandle::new(task) })
}

async fn health(State(facts): State<Facts>) -> (StatusCode, &'static str) {
    if facts.draining.load(Ordering::Relaxed) {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        (StatusCode::OK, "ok\n")
    }
}

async fn render(State(facts): State<Facts>) -> String {
    facts.metrics.run_upkeep();
    facts.metrics.render()
}

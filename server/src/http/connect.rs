//! `GET /v1/connect`: how a browser reaches the server (PROTOCOL.md, "Finding the way").

use super::{Facts, Ports};
use crate::AGENT;
use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, Method, header, request::Parts},
    routing::get,
};
use dunlin_transport::{Origins, PATH, SUBPROTOCOL};
use serde::Serialize;
use std::sync::Arc;
use tower_http::cors::{AllowOrigin, CorsLayer};

/// The answer.
#[derive(Serialize)]
struct Way {
    protocol: &'static str,
    path: &'static str,
    /// UDP, and TCP with TLS.
    port: Option<u16>,
    /// TCP with TLS, where it has not the port of UDP.
    #[serde(skip_serializing_if = "Option::is_none")]
    tcp_port: Option<Option<u16>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plain_websocket: Option<u16>,
    /// SHA-256 of a development certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_hashes: Option<[String; 1]>,
    agent: &'static str,
}

pub(super) fn router(facts: &Arc<Facts>) -> Router {
    Router::new().route("/v1/connect", get(way).layer(cors(facts.origins.clone()))).with_state(facts.clone())
}

async fn way(State(facts): State<Arc<Facts>>) -> ([(header::HeaderName, &'static str); 1], Json<Way>) {
    let Ports { udp, tcp, plain } = facts.ports.get().copied().unwrap_or_default();
    let certificate = &facts.certificate;
    let way = Way {
        protocol: SUBPROTOCOL,
        path: PATH,
        port: udp,
        tcp_port: (tcp != udp).then_some(tcp),
        plain_websocket: plain,
        certificate_hashes: certificate.is_development().then(|| [certificate.fingerprint().to_string()]),
        agent: AGENT,
    };
    // A certificate's hash must not outlive the certificate.
    ([(header::CACHE_CONTROL, "no-store")], Json(way))
}

/// Lets pages read the answer that may also connect.
fn cors(origins: Origins) -> CorsLayer {
    let is_welcome = move |origin: &HeaderValue, request: &Parts| {
        origin.to_str().is_ok_and(|origin| origins.allow(Some(origin), authority(request)))
    };
    CorsLayer::new().allow_methods([Method::GET]).allow_origin(AllowOrigin::predicate(is_welcome))
}

/// What the client calls this server: in the target of HTTP/2 and 3, in a header of HTTP/1.1.
fn authority(request: &Parts) -> &str {
    let host = || request.headers.get(header::HOST)?.to_str().ok();
    request.uri.authority().map(axum::http::uri::Authority::as_str).or_else(host).unwrap_or_default()
}

//! The server's handshake: from an HTTP request to a WebSocket (RFC 6455, 4.2; over HTTP/2 RFC 8441).

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::body::Body;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode,
    header::{
        CONNECTION, HOST, ORIGIN, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use hyper::{body::Incoming, ext::Protocol, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{handshake::derive_accept_key, protocol},
};

use super::{
    Handle, Shared,
    driver::{self, Times},
    gate::{Accepted, Gate},
    mux::{Mux, Role},
};
use crate::{Origins, SUBPROTOCOL, origins::Page};

/// What a port needs to make WebSockets of requests.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) gate: Arc<Gate>,
    pub(crate) origins: Origins,
    pub(crate) idle_timeout: Duration,
    pub(crate) handshake_timeout: Duration,
    pub(crate) initial_streams: u32,
    pub(crate) stream_window: u32,
}

/// Why a request does not become a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    NoUpgrade,
    Malformed,
    Origin,
    Subprotocol,
    Unavailable,
}

impl Door {
    /// Answers a request for [`PATH`](crate::PATH). What the client holds is dropped with the connection.
    pub(crate) async fn answer(
        &self,
        mut request: Request<Incoming>,
        client: SocketAddr,
        holds: impl Send + 'static,
    ) -> Response<Body> {
        let answer = match self.check(&request) {
            Ok(answer) => answer,
            Err(refusal) => return refusal.response(),
        };
        let knock = timeout(self.handshake_timeout, self.gate.knock(client));
        let Ok(Some(accepted)) = knock.await else { return Refusal::Unavailable.response() };
        let page = Page::of(origin(request.headers()));
        let shared = Arc::new(Shared::new(client, page, self.mux()));
        self.open(hyper::upgrade::on(&mut request), accepted, shared, holds);
        answer
    }

    /// The answer that makes a WebSocket of the request, if it asks for one as it should.
    fn check(&self, request: &Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let headers = request.headers();
        let mut response = Response::new(Body::empty());
        if request.method() == Method::CONNECT {
            let websocket = request.extensions().get::<Protocol>().is_some_and(|p| p.as_str() == "websocket");
            if !websocket {
                return Err(Refusal::NoUpgrade);
            }
        } else {
            if request.method() != Method::GET
                || !lists(headers, CONNECTION, "upgrade")
                || !lists(headers, UPGRADE, "websocket")
            {
                return Err(Refusal::NoUpgrade);
            }
            let key = headers.get(SEC_WEBSOCKET_KEY).ok_or(Refusal::Malformed)?;
            let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).expect("Base64 is legal");
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
            response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
            response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(Refusal::Malformed);
        }
        if !self.origins.allow(origin(headers), authority(request)) {
            return Err(Refusal::Origin);
        }
        if !lists(headers, SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
            return Err(Refusal::Subprotocol);
        }
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        Ok(response)
    }

    fn mux(&self) -> Mux {
        Mux::new(Role::Server, self.stream_window, self.initial_streams)
    }

    /// Waits for the answer to be sent and the socket to be ours, and drives the connection to its end.
    fn open(&self, upgrade: OnUpgrade, accepted: Accepted, shared: Arc<Shared>, holds: impl Send + 'static) {
        let entry = self.gate.enter(Arc::clone(&shared));
        let times = Times { idle: self.idle_timeout, ping: self.idle_timeout / 2 };
        let patience = self.handshake_timeout;
        tokio::spawn(async move {
            let Ok(Ok(upgraded)) = timeout(patience, upgrade).await else { return };
            let (io, config) = (TokioIo::new(upgraded), Some(driver::config()));
            let socket = WebSocketStream::from_raw_socket(io, protocol::Role::Server, config).await;
            // Whoever accepted may be gone; then so is the handle, and the connection closes.
            let _ = accepted.send(Handle::new(Arc::clone(&shared)));
            driver::run(socket, shared, times).await;
            drop((entry, holds));
        });
    }
}

impl Refusal {
    fn response(self) -> Response<Body> {
        let (reason, status, words) = match self {
            Self::NoUpgrade => ("no_upgrade", StatusCode::UPGRADE_REQUIRED, "this is a WebSocket\n"),
            Self::Malformed => ("malformed", StatusCode::BAD_REQUEST, "not a WebSocket of version 13\n"),
            Self::Origin => ("origin", StatusCode::FORBIDDEN, "this origin is not welcome\n"),
            Self::Subprotocol => {
                ("subprotocol", StatusCode::BAD_REQUEST, "the subprotocol dunlin.v1 is required\n")
            }
            Self::Unavailable => {
                ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "no connections are taken at the moment\n")
            }
        };
        metrics::counter!("dunlin_websocket_refused_total", "reason" => reason).increment(1);
        let mut response = Response::new(Body::from(words));
        *response.status_mut() = status;
        if self == Self::NoUpgrade {
            response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
        if matches!(self, Self::NoUpgrade | Self::Malformed) {
            response.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        }
        response
    }
}

/// Whether a header that is a list has this entry, in any case.
fn lists(headers: &HeaderMap, name: HeaderName, entry: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|listed| listed.trim().eq_ignore_ascii_case(entry))
}

/// The page that asks, if it is one. What is not even text is no origin that could be welcome.
fn origin(headers: &HeaderMap) -> Option<&str> {
    Some(headers.get(ORIGIN)?.to_str().unwrap_or_default())
}

/// What the client calls the server.
fn authority(request: &Request<Incoming>) -> &str {
    let host = || request.headers().get(HOST).and_then(|host| host.to_str().ok());
    request.uri().authority().map(http::uri::Authority::as_str).or_else(host).unwrap_or_default()
}

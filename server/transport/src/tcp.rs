//! The TCP side: HTTP/1.1 and HTTP/2 for a router's pages and for WebSockets, with or without TLS.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use http::HeaderValue;
use hyper_util::{
    rt::{TokioExecutor, TokioTimer},
    server::conn::auto,
};
use rustls::server::ResolvesServerCert;
use tokio::{net::TcpListener, task::JoinSet, time::sleep};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    BindError, Origins,
    quic::canonical,
    socket, tls,
    websocket::{Door, Gate},
};

mod places;
mod requests;
mod serve;

use places::Places;

/// How a worker serves HTTP. Sizes are in bytes.
///
/// ```
/// # use dunlin_transport::HttpConfig;
/// let router = axum::Router::new().route("/healthz", axum::routing::get(async || "ok\n"));
/// let config = HttpConfig { max_connections: 1000, ..HttpConfig::new(([127, 0, 0, 1], 8080).into(), router) };
/// ```
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Where to listen. `[::]` takes IPv4 too.
    pub listen: SocketAddr,
    /// Who the server is, asked for at each handshake; `None` serves without TLS. Default `None`.
    pub certificate: Option<Arc<dyn ResolvesServerCert>>,
    /// What is served beside the WebSocket, which takes [`PATH`](crate::PATH) for itself. Its handlers find the
    /// client's address in `ConnectInfo<SocketAddr>`.
    pub router: axum::Router,
    /// The web pages that may open a WebSocket. Default: those that are always welcome.
    pub origins: Origins,
    /// The UDP port where the same server speaks HTTP/3, announced in answers over TLS (RFC 7838). Default `None`.
    pub alt_svc: Option<u16>,
    /// WebSockets from which nothing was heard for this long are given up, as are clients that do not read the answers
    /// to their requests. Default 60 s.
    pub idle_timeout: Duration,
    /// HTTP connections without a request are closed after this time. Default 30 s.
    pub keep_alive: Duration,
    /// TLS handshakes, and then the first request, that take longer are given up. Default 10 s.
    pub handshake_timeout: Duration,
    /// Streams that a client may open on a WebSocket before it is
    /// [granted](crate::Connection::grant_streams) more. Default 16, which is also the least.
    pub initial_streams: u32,
    /// What a client may send on a stream of a WebSocket before it is read. Default 64 KiB, which is also the least.
    pub stream_window: u32,
    /// TCP connections beyond this number are closed at once. Default 100,000.
    pub max_connections: usize,
    /// TCP connections from one IPv4 address or IPv6 /64 network beyond this number, too. Default 10,000.
    pub max_per_network: usize,
}

impl HttpConfig {
    /// The defaults for this address and router.
    #[must_use]
    pub fn new(listen: SocketAddr, router: axum::Router) -> Self {
        Self {
            listen,
            certificate: None,
            router,
            origins: Origins::default(),
            alt_svc: None,
            idle_timeout: Duration::from_secs(60),
            keep_alive: Duration::from_secs(30),
            handshake_timeout: Duration::from_secs(10),
            initial_streams: 16,
            stream_window: 64 * 1024,
            max_connections: 100_000,
            max_per_network: 10_000,
        }
    }
}

/// The head of a request: its size in bytes, and its number of headers. More is answered with 431.
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 100;

/// Requests that an HTTP/2 client may have under way at once.
const MAX_REQUESTS: u32 = 100;

/// What an HTTP/2 client may send before it is read, on a request and in all; and what waits to be sent on each.
const REQUEST_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
const SEND_BUFFER: usize = 64 * 1024;

/// How long nothing is accepted when the system has no more sockets to give.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// One port that is served. Dropped, it takes no connections and no requests any more; those that it has go on to
/// their ends.
#[derive(Debug)]
pub(crate) struct Server {
    _stop: DropGuard,
}

/// What all connections of a port share.
struct Site {
    router: axum::Router,
    websockets: Door,
    tls: Option<TlsAcceptor>,
    alt_svc: Option<HeaderValue>,
    http: auto::Builder<TokioExecutor>,
    keep_alive: Duration,
    handshake_timeout: Duration,
}

impl Server {
    pub(crate) fn bind(config: HttpConfig, gate: Arc<Gate>) -> Result<(Self, SocketAddr), BindError> {
        let address = config.listen;
        let failed = |source| BindError::Tcp { address, source };
        let listener = socket::listen(address).and_then(TcpListener::from_std).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let stop = CancellationToken::new();
        let places = Places::new(config.max_connections, config.max_per_network);
        tokio::spawn(accept(listener, Arc::new(site(config, gate)), places, stop.clone()));
        Ok((Self { _stop: stop.drop_guard() }, address))
    }
}

fn site(config: HttpConfig, gate: Arc<Gate>) -> Site {
    let tls =
        config.certificate.map(|certificate| TlsAcceptor::from(Arc::new(tls::http_server(certificate))));
    let announced = config.alt_svc.filter(|_| tls.is_some());
    Site {
        router: config.router,
        websockets: Door {
            gate,
            origins: config.origins,
            idle_timeout: config.idle_timeout,
            handshake_timeout: config.handshake_timeout,
            initial_streams: config.initial_streams,
            stream_window: config.stream_window,
        },
        tls,
        alt_svc: announced.map(|port| {
            HeaderValue::from_str(&format!("h3=\":{port}\"; ma=86400")).expect("digits are legal in a header")
        }),
        http: http(),
        keep_alive: config.keep_alive,
        handshake_timeout: config.handshake_timeout,
    }
}

fn http() -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS);
    http.http2()
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(MAX_REQUESTS)
        .max_header_list_size(MAX_HEAD as u32)
        .initial_stream_window_size(REQUEST_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER);
    http
}

/// Takes connections until it is told to stop, and sees the last of them out.
async fn accept(listener: TcpListener, site: Arc<Site>, places: Arc<Places>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
            () = stop.cancelled() => break,
        };
        match accepted {
            Ok((tcp, peer)) => match places.take(peer.ip()) {
                Some(place) => {
                    let (site, stop) = (Arc::clone(&site), stop.clone());
                    connections.spawn(serve::connection(site, tcp, canonical(peer), place, stop));
                }
                None => metrics::counter!("dunlin_tcp_refused_total").increment(1),
            },
            Err(error) => {
                metrics::counter!("dunlin_tcp_accept_errors_total").increment(1);
                tracing::warn!(%error, "cannot accept a TCP connection");
                // Most likely file descriptors have run out: trying again at once would spin.
                sleep(EXHAUSTED).await;
            }
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

/// A panic in a handler is a bug, but no other connection's problem.
fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "an HTTP connection's task panicked");
        metrics::counter!("dunlin_connection_panics_total").increment(1);
    }
}

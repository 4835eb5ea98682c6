//! The server's side: plain requests go to a router, until one opens a WebTransport session.

use std::{sync::Arc, time::Duration};

use http::{Request, Response};
use tokio::{
    pin, select,
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use super::{MAX_FIELDS, RecvHalf, SendHalf, Server, Side, Stream, Upgraded, bounded, request};
use crate::{
    ConnectionError, Origins,
    origins::Page,
    quic::{self, canonical},
    webtransport::{self, Close, H3_NO_ERROR, Refusal},
};

/// What a connection may still ask once the server takes no more: those on their way are told so.
const GRACE: Duration = Duration::from_secs(1);

/// What all connections of an endpoint are served with.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) router: axum::Router,
    pub(crate) origins: Origins,
    pub(crate) header_timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) initial_streams: u32,
    pub(crate) accepting: watch::Sender<bool>,
    /// Set when the endpoint closes. Each connection holds a receiver while it has a session to take leave of.
    pub(crate) closing: watch::Sender<Option<Close>>,
}

/// A CONNECT request.
pub(crate) struct Connect {
    pub(super) request: Request<()>,
    pub(super) stream: Stream,
}

/// Answers requests until there is a session.
///
/// A connection that asks for nothing is closed after the idle timeout, for a client that keeps it alive holds its
/// place in vain.
pub(crate) async fn serve(
    quic: quic::Connection,
    site: Arc<Site>,
) -> Result<webtransport::Connection, ConnectionError> {
    let quinn = &quic.quinn;
    let mut h3: Server =
        timeout(site.header_timeout, builder().build(bounded::Connection::new(quinn.clone())))
            .await
            .map_err(|_| ConnectionError::TimedOut)?
            .map_err(|error| ended(quinn, &error))?;
    let peer = canonical(quinn.remote_address());
    let mut accepting = site.accepting.subscribe();
    let mut stopping = false;
    let mut requests = JoinSet::new();
    let idle = sleep(site.header_timeout);
    pin!(idle);
    loop {
        let connect = select! {
            request = h3.accept() => match request {
                Ok(Some(request)) => {
                    requests.spawn(request::answer(request, site.clone(), peer));
                    continue;
                }
                Ok(None) => return Err(ConnectionError::NoSession),
                Err(error) => return Err(ended(quinn, &error)),
            },
            Some(answered) = requests.join_next() => {
                if !stopping {
                    idle.as_mut().reset(Instant::now() + site.idle_timeout);
                }
                match answered {
                    Ok(Some(connect)) => connect,
                    // Without a session to open, or with a panic, which is the handler's problem.
                    Ok(None) | Err(_) => continue,
                }
            }
            () = &mut idle, if requests.is_empty() => {
                quinn.close(H3_NO_ERROR, b"idle");
                return Err(ConnectionError::NoSession);
            }
            Ok(_) = accepting.wait_for(|accepting| !accepting), if !stopping => {
                stopping = true;
                idle.as_mut().reset(Instant::now() + GRACE);
                continue;
            }
        };
        match grant(&connect.request, &site) {
            Ok(response) => return open(quic, site, h3, requests, connect, response).await,
            Err(refusal) => {
                requests.spawn(request::refuse(connect.stream, refusal.response(), site.header_timeout));
            }
        }
    }
}

fn builder() -> h3::server::Builder {
    let mut builder = h3::server::builder();
    builder
        .enable_webtransport(true)
        .enable_extended_connect(true)
        .enable_datagram(true)
        .max_webtransport_sessions(1)
        .max_field_section_size(MAX_FIELDS)
        .send_grease(false);
    builder
}

fn grant(request: &Request<()>, site: &Site) -> Result<Response<()>, Refusal> {
    if !*site.accepting.borrow() {
        return Err(Refusal::Stopping);
    }
    webtransport::accept(request, &site.origins)
}

async fn open(
    quic: quic::Connection,
    site: Arc<Site>,
    h3: Server,
    requests: JoinSet<Option<Connect>>,
    Connect { request, mut stream }: Connect,
    response: Response<()>,
) -> Result<webtransport::Connection, ConnectionError> {
    let session_id = stream.id().into_inner();
    timeout(site.header_timeout, stream.send_response(response))
        .await
        .map_err(|_| ConnectionError::TimedOut)?
        .map_err(|error| ended(&quic.quinn, &error))?;
    let (send, recv) = stream.split();
    let upgraded = Upgraded {
        session_id,
        send: SendHalf::Server(send),
        recv: RecvHalf::Server(recv),
        http: Box::new(h3),
        requests,
        closing: site.closing.subscribe(),
        header_timeout: site.header_timeout,
        side: Side::Server {
            initial_streams: site.initial_streams,
            page: Page::of(webtransport::origin(request.headers())),
        },
    };
    Ok(webtransport::begin(quic, upgraded))
}

/// What the end of a connection means that had no session: nothing, if it was orderly.
fn ended(quinn: &quinn::Connection, error: &dyn std::error::Error) -> ConnectionError {
    match quinn.close_reason() {
        Some(quinn::ConnectionError::ApplicationClosed(_) | quinn::ConnectionError::TimedOut) => {
            ConnectionError::NoSession
        }
        Some(reason) => reason.into(),
        None => ConnectionError::Transport(format!("HTTP/3: {error}")),
    }
}

impl Connect {
    /// For a connection that has its session already.
    pub(crate) fn reject(mut self) {
        self.stream.stop_stream(h3::error::Code::H3_REQUEST_REJECTED);
    }
}

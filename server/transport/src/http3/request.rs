//! One request from its headers to the end of its answer.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{body::Body, extract::ConnectInfo};
use bytes::{Buf, Bytes};
use futures_util::stream;
use h3::{
    error::{Code, StreamError},
    server::RequestResolver,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use tokio::time::timeout;
use tower::ServiceExt;

use super::{Connect, RecvStream, SendStream, Site, Stream, bounded};

/// The body of a request, in bytes. More is answered with 413.
pub(super) const MAX_BODY: usize = 1024 * 1024;

/// Headers that belong to a connection of HTTP/1.1, and must not stand in an answer (RFC 9114, 4.2).
const OF_CONNECTIONS: [&str; 5] =
    ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];

/// Answers a plain request; CONNECT is returned, for it is the connection's affair.
pub(super) async fn answer(
    request: RequestResolver<bounded::Connection, Bytes>,
    site: Arc<Site>,
    peer: SocketAddr,
) -> Option<Connect> {
    // Dropped, what is too slow is reset; what is malformed `h3` has answered.
    let resolved = timeout(site.header_timeout, request.resolve_request()).await;
    let (request, stream) = resolved.ok()?.ok()?;
    if request.method() == Method::CONNECT {
        return Some(Connect { request, stream });
    }
    let (mut send, recv) = stream.split();
    let bodiless = request.method() == Method::HEAD;
    let response = route(&site, request, recv, peer).await;
    if let Err(error) = respond(&mut send, response, bodiless, site.idle_timeout).await {
        tracing::debug!(%peer, %error, "an answer over HTTP/3 was not delivered");
        send.stop_stream(Code::H3_INTERNAL_ERROR);
    }
    None
}

/// Answers a CONNECT request that opens no session, and gives the client time to read the answer: Chromium takes a
/// stream that is stopped for a broken protocol.
pub(super) async fn refuse(
    mut stream: Stream,
    response: Response<()>,
    patience: Duration,
) -> Option<Connect> {
    let answered = async {
        stream.send_response(response).await?;
        stream.finish().await?;
        while stream.recv_data().await?.is_some() {}
        Ok::<_, StreamError>(())
    };
    // If it cannot be delivered, nothing is left to be done.
    let _ = timeout(patience, answered).await;
    None
}

async fn route(site: &Site, request: Request<()>, recv: RecvStream, peer: SocketAddr) -> Response<Body> {
    if announced(request.headers()).is_some_and(|len| len > MAX_BODY as u64) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return response;
    }
    let mut request = request.map(|()| Body::new(Limited::new(body(recv), MAX_BODY)));
    request.extensions_mut().insert(ConnectInfo(peer));
    site.router.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// What the client sends after the headers, as it comes.
fn body(recv: RecvStream) -> Body {
    Body::from_stream(stream::try_unfold(recv, async |mut recv| {
        let piece = recv.recv_data().await?.map(|mut piece| piece.copy_to_bytes(piece.remaining()));
        Ok::<_, StreamError>(piece.map(|piece| (piece, recv)))
    }))
}

/// Why an answer was not delivered.
#[derive(Debug, thiserror::Error)]
enum Undelivered {
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error("the handler's body broke off: {0}")]
    Body(#[from] axum::Error),
    #[error("the client does not read it")]
    Stalled(#[from] tokio::time::error::Elapsed),
}

/// Sends an answer as fast as the client takes it; each piece within `patience`.
async fn respond(
    send: &mut SendStream,
    response: Response<Body>,
    bodiless: bool,
    patience: Duration,
) -> Result<(), Undelivered> {
    let (mut head, mut body) = response.into_parts();
    for name in OF_CONNECTIONS {
        head.headers.remove(name);
    }
    timeout(patience, send.send_response(Response::from_parts(head, ()))).await??;
    while !bodiless && let Some(frame) = body.frame().await {
        // Trailers are nothing that our handlers send.
        if let Ok(piece) = frame?.into_data() {
            timeout(patience, send.send_data(piece)).await??;
        }
    }
    Ok(timeout(patience, send.finish()).await??)
}

//! One TCP connection: its handshake, its requests, its end.

use std::{convert::Infallible, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::{body::Body, extract::ConnectInfo};
use http::{Request, Response, header};
use http_body_util::BodyExt;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::{
    Site,
    places::Place,
    requests::{Patience, Requests},
};
use crate::{PATH, socket};

/// How long a connection that is told to end may take to say so.
const FAREWELL: Duration = Duration::from_secs(1);

pub(super) async fn connection(
    site: Arc<Site>,
    tcp: TcpStream,
    peer: SocketAddr,
    place: Place,
    stop: CancellationToken,
) {
    if let Err(error) = socket::tune(&tcp) {
        tracing::debug!(%peer, %error, "TCP options");
    }
    let visit = Visit { site, peer, requests: Requests::new(), place: Arc::new(place) };
    let Some(tls) = &visit.site.tls else { return visit.serve(tcp, stop).await };
    match timeout(visit.site.handshake_timeout, tls.accept(tcp)).await {
        Ok(Ok(mut stream)) => {
            stream.get_mut().1.set_buffer_limit(Some(socket::TLS_BUFFER));
            visit.clone().serve(stream, stop).await;
        }
        failed => {
            metrics::counter!("dunlin_tls_handshakes_failed_total").increment(1);
            let error = failed.map_or_else(
                |_| "too slow".to_owned(),
                |failed| failed.err().map_or_else(String::new, |error| error.to_string()),
            );
            tracing::debug!(%peer, error, "TLS handshake failed");
        }
    }
}

/// One client's connection.
#[derive(Clone)]
struct Visit {
    site: Arc<Site>,
    peer: SocketAddr,
    requests: Requests,
    place: Arc<Place>,
}

impl Visit {
    async fn serve<S>(self, stream: S, stop: CancellationToken)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let respond = |request| {
            let visit = self.clone();
            async move { Ok::<_, Infallible>(visit.respond(request).await) }
        };
        let mut connection =
            pin!(self.site.http.serve_connection_with_upgrades(TokioIo::new(stream), service_fn(respond)));
        let mut idle = pin!(self.requests.idle(Patience {
            first: self.site.handshake_timeout,
            next: self.site.keep_alive,
            stalled: self.site.websockets.idle_timeout,
        }));
        let mut stopping = false;
        loop {
            tokio::select! {
                ended = connection.as_mut() => return log(self.peer, ended),
                () = idle.as_mut() => break,
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    // Requests that are under way go on to their ends.
                    connection.as_mut().graceful_shutdown();
                }
            }
        }
        connection.as_mut().graceful_shutdown();
        if let Ok(ended) = timeout(FAREWELL, connection).await {
            log(self.peer, ended);
        }
    }

    async fn respond(&self, mut request: Request<Incoming>) -> Response<Body> {
        let under_way = self.requests.begin();
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let mut response = if request.uri().path() == PATH {
            let holds = (self.requests.begin_socket(), Arc::clone(&self.place));
            self.site.websockets.answer(request, self.peer, holds).await
        } else {
            let answer = self.site.router.clone().oneshot(request.map(Body::new)).await;
            answer.unwrap_or_else(|never| match never {})
        };
        if let Some(alt_svc) = &self.site.alt_svc {
            response.headers_mut().insert(header::ALT_SVC, alt_svc.clone());
        }
        // The answer ends with its body.
        response.map(|body| {
            Body::new(body.map_frame(move |frame| {
                let _held = &under_way;
                frame
            }))
        })
    }
}

fn log(peer: SocketAddr, ended: Result<(), Box<dyn std::error::Error + Send + Sync>>) {
    if let Err(error) = ended {
        tracing::debug!(%peer, %error, "an HTTP connection ended early");
    }
}

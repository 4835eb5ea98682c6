//! The client's side: one CONNECT request, for a WebTransport session.

use std::{future::poll_fn, time::Duration};

use h3::ext::Protocol;
use http::{Method, Request, StatusCode};
use tokio::{select, sync::watch, task::JoinSet};

use super::{MAX_FIELDS, RecvHalf, SendHalf, Side, Upgraded, bounded};
use crate::{
    ConnectionError, PATH, quic,
    webtransport::{self, OFFERED, quoted},
};

/// Asks for a session; headers of streams may take as long as `header_timeout`.
pub(crate) async fn open(
    quic: quic::Connection,
    server_name: &str,
    header_timeout: Duration,
) -> Result<webtransport::Connection, ConnectionError> {
    let quinn = &quic.quinn;
    let failed = |error: &dyn std::error::Error| match quinn.close_reason() {
        Some(reason) => webtransport::why(reason),
        None => ConnectionError::Transport(format!("HTTP/3: {error}")),
    };
    let (mut connection, mut requests) = h3::client::builder()
        .enable_datagram(true)
        .enable_extended_connect(true)
        .max_field_section_size(MAX_FIELDS)
        .send_grease(false)
        .build(bounded::Connection::new(quinn.clone()))
        .await
        .map_err(|error| failed(&error))?;
    let request = request(quinn, server_name)?;
    let answered = async {
        let mut stream = requests.send_request(request).await?;
        let response = stream.recv_response().await?;
        Ok::<_, h3::error::StreamError>((stream, response))
    };
    let (stream, response) = select! {
        answered = answered => answered.map_err(|error| failed(&error))?,
        // It reads the server's settings, and would take its streams: so it stops with the answer.
        error = poll_fn(|cx| connection.poll_close(cx)) => return Err(failed(&error)),
    };
    if response.status() != StatusCode::OK {
        quinn.close(webtransport::H3_NO_ERROR, b"");
        return Err(refused(response.status()));
    }
    let session_id = stream.id().into_inner();
    let (send, recv) = stream.split();
    let upgraded = Upgraded {
        session_id,
        send: SendHalf::Client(send),
        recv: RecvHalf::Client(recv),
        http: Box::new((connection, requests)),
        requests: JoinSet::new(),
        closing: watch::channel(None).1,
        header_timeout,
        side: Side::Client,
    };
    Ok(webtransport::begin(quic, upgraded))
}

fn refused(status: StatusCode) -> ConnectionError {
    match status {
        StatusCode::SERVICE_UNAVAILABLE => ConnectionError::Refused,
        status => {
            ConnectionError::Transport(format!("the server answers {status} to a WebTransport session"))
        }
    }
}

fn request(quinn: &quinn::Connection, server_name: &str) -> Result<Request<()>, ConnectionError> {
    let port = quinn.remote_address().port();
    let host = if server_name.contains(':') { format!("[{server_name}]") } else { server_name.to_owned() };
    Request::builder()
        .method(Method::CONNECT)
        .uri(format!("https://{host}:{port}{PATH}"))
        .header(OFFERED, quoted())
        .extension(Protocol::WEB_TRANSPORT)
        .body(())
        .map_err(|error| ConnectionError::Transport(error.to_string()))
}

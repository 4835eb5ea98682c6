//! A client of QUIC or HTTP/3 that may get things wrong: built of `quinn` and `h3` alone.

use std::{future::poll_fn, net::SocketAddr, sync::Arc};

use bytes::{Buf, Bytes};
use dunlin_transport::provider;
use h3::{
    client::{RequestStream, SendRequest},
    error::StreamError,
    ext::Protocol,
};
use h3_quinn::OpenStreams;
use http::{Method, Request, Response, StatusCode};
use quinn::{ReadExactError, RecvStream, SendStream, VarInt};
use tokio::task::JoinSet;

use crate::support::{NAME, Pinned, certificate, loopback};

/// Codes of RFC 9114, 8.1.
pub(crate) const H3_NO_ERROR: u32 = 0x100;
pub(crate) const H3_FRAME_UNEXPECTED: u32 = 0x105;
pub(crate) const H3_EXCESSIVE_LOAD: u32 = 0x107;
pub(crate) const H3_REQUEST_REJECTED: u32 = 0x10b;
pub(crate) const H3_REQUEST_CANCELLED: u32 = 0x10c;
/// And of WebTransport.
pub(crate) const BUFFERED_STREAM_REJECTED: u32 = 0x3994_bd84;
pub(crate) const SESSION_GONE: u32 = 0x170d_7b68;

/// Dials with an application protocol of the test's choice.
pub(crate) async fn connect(
    server: SocketAddr,
    protocol: &[u8],
) -> Result<quinn::Connection, quinn::ConnectionError> {
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned(certificate())))
        .with_no_client_auth();
    tls.alpn_protocols = vec![protocol.to_vec()];
    let tls = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    let endpoint = quinn::Endpoint::client(loopback(0)).unwrap();
    endpoint.connect_with(quinn::ClientConfig::new(Arc::new(tls)), server, NAME).unwrap().await
}

/// A well-behaved HTTP/3 client, as far as the test lets it.
pub(crate) struct Client {
    pub(crate) quinn: quinn::Connection,
    requests: SendRequest<OpenStreams, Bytes>,
    driver: JoinSet<()>,
}

/// What reads the server's settings.
pub(crate) type Connection = h3::client::Connection<h3_quinn::Connection, Bytes>;

/// The stream of a request.
pub(crate) type Stream = RequestStream<h3_quinn::BidiStream<Bytes>, Bytes>;

impl Client {
    pub(crate) async fn new(server: SocketAddr) -> Self {
        let (mut client, mut connection) = Self::heedless(server).await;
        client.driver.spawn(async move {
            poll_fn(|cx| connection.poll_close(cx)).await;
        });
        client
    }

    /// One that does not look at the server's settings.
    pub(crate) async fn heedless(server: SocketAddr) -> (Self, Connection) {
        let quinn = connect(server, b"h3").await.unwrap();
        let (connection, requests) = h3::client::builder()
            .enable_datagram(true)
            .enable_extended_connect(true)
            .build(h3_quinn::Connection::new(quinn.clone()))
            .await
            .unwrap();
        (Self { quinn, requests, driver: JoinSet::new() }, connection)
    }

    pub(crate) async fn send(&self, request: Request<()>) -> Stream {
        self.requests.clone().send_request(request).await.unwrap()
    }

    /// The status and the body of the answer.
    pub(crate) async fn ask(
        &self,
        request: Request<()>,
        body: Bytes,
    ) -> Result<(StatusCode, Vec<u8>), StreamError> {
        let mut stream = self.send(request).await;
        // Fails when the server has answered before it has read all.
        let _ = stream.send_data(body).await;
        let _ = stream.finish().await;
        let status = stream.recv_response().await?.status();
        let mut body = Vec::new();
        while let Some(mut piece) = stream.recv_data().await? {
            body.extend_from_slice(&piece.copy_to_bytes(piece.remaining()));
        }
        Ok((status, body))
    }
}

/// What opens a session.
pub(crate) fn request(path: &str) -> Request<()> {
    let request = Request::builder().method(Method::CONNECT).uri(format!("https://{NAME}{path}"));
    request.extension(Protocol::WEB_TRANSPORT).body(()).unwrap()
}

/// A session whose streams the test writes itself.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) connect: Stream,
    pub(crate) answer: Response<()>,
}

impl Session {
    pub(crate) async fn open(server: SocketAddr) -> Self {
        let client = Client::new(server).await;
        let mut connect = client.send(request("/dunlin")).await;
        let answer = connect.recv_response().await.unwrap();
        Self { client, connect, answer }
    }

    /// A stream that begins with these bytes.
    pub(crate) async fn bidirectional(&self, bytes: &[u8]) -> (SendStream, RecvStream) {
        let mut stream = self.client.quinn.open_bi().await.unwrap();
        stream.0.write_all(bytes).await.unwrap();
        stream
    }

    pub(crate) async fn unidirectional(&self, bytes: &[u8]) -> SendStream {
        let mut stream = self.client.quinn.open_uni().await.unwrap();
        stream.write_all(bytes).await.unwrap();
        stream
    }

    /// Closes the whole connection.
    pub(crate) fn cut(&self, code: u32) {
        self.client.quinn.close(code.into(), b"cut");
    }
}

/// Both halves end with this code.
pub(crate) async fn refused(mut stream: (SendStream, RecvStream)) -> u32 {
    let stopped = stream.0.stopped().await.unwrap().unwrap();
    let reset = stream.1.read_exact(&mut [0]).await.unwrap_err();
    assert_eq!(reset, ReadExactError::ReadError(quinn::ReadError::Reset(stopped)));
    code(stopped)
}

pub(crate) fn code(code: VarInt) -> u32 {
    u32::try_from(code.into_inner()).unwrap()
}

/// A frame of HTTP/3 (RFC 9114, 7.1).
pub(crate) fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap() | 0x8000_0000;
    [&[kind][..], &len.to_be_bytes(), payload].concat()
}

//! HTTP requests, byte by byte, and what is answered.

use crate::{server::Running, soon};
use bytes::{Buf, Bytes};
use rustls::pki_types::{CertificateDer, ServerName};
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::task::AbortOnDropHandle;

/// Which of a server's ports is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Plain HTTP.
    Plain,
    /// HTTP/1.1 over TLS.
    Tls,
    /// HTTP/2 over TLS, on the same port.
    Http2,
    /// HTTP/3.
    Http3,
}

/// A request.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// GET or another.
    pub method: &'a str,
    /// Path and query.
    pub path: &'a str,
    /// Those beside the host's name and the body's length.
    pub headers: &'a [(&'a str, &'a str)],
    /// What it carries; with nothing, no length is told either.
    pub body: &'a [u8],
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its number.
    pub status: u16,
    /// Status line and headers, as they came.
    pub head: String,
    /// What follows them, as text.
    pub body: String,
    /// The same, byte by byte.
    pub bytes: Bytes,
}

impl Answer {
    fn new(status: u16, head: String, bytes: Bytes) -> Self {
        Self { status, head, body: String::from_utf8_lossy(&bytes).into(), bytes }
    }

    /// What came over HTTP/2 or HTTP/3.
    fn of(response: &http::Response<()>, bytes: Bytes) -> anyhow::Result<Self> {
        let mut head = format!("{:?} {}", response.version(), response.status());
        for (name, value) in response.headers() {
            head += &format!("\r\n{name}: {}", value.to_str()?);
        }
        Ok(Self::new(response.status().as_u16(), head, bytes))
    }

    /// The value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// A server's ports, also while it shuts down.
pub struct Site {
    plain: Option<SocketAddr>,
    tls: Option<SocketAddr>,
    config: rustls::ClientConfig,
    quic: SocketAddr,
    certificate: CertificateDer<'static>,
}

impl Site {
    /// Those of this server.
    ///
    /// # Panics
    /// Never: TLS is there.
    #[must_use]
    pub fn of(server: &Running) -> Self {
        let config = rustls::ClientConfig::builder_with_provider(dunlin_transport::provider())
            .with_safe_default_protocol_versions()
            .expect("ring has cipher suites")
            .with_root_certificates(crate::raw::roots(server.certificate()))
            .with_no_client_auth();
        Self {
            plain: server.http_address(),
            tls: server.tcp_address(),
            config,
            quic: server.address(),
            certificate: server.certificate(),
        }
    }

    /// Asks for a path.
    ///
    /// # Panics
    /// If the server does not answer.
    pub async fn get(&self, port: Port, path: &str) -> Answer {
        self.request(port, "GET", path, &[]).await
    }

    /// Asks for a path with some more headers.
    ///
    /// # Panics
    /// If the server does not answer.
    pub async fn request(&self, port: Port, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(port, Request { method, path, headers, body: &[] }).await
    }

    /// Sends a request on a connection of its own.
    ///
    /// # Panics
    /// If the server does not answer.
    pub async fn send(&self, port: Port, request: Request<'_>) -> Answer {
        match port {
            Port::Plain => {
                talk(tcp(self.plain.expect("plain HTTP is on")).await, &request.on_one_one()).await
            }
            Port::Tls => talk(self.tls(&[]).await, &request.on_one_one()).await,
            Port::Http2 => soon("an answer", self.http2(request)).await.expect("the server answers"),
            Port::Http3 => soon("an answer", self.http3(request)).await.expect("the server answers"),
        }
    }

    async fn tls(&self, alpn: &[&[u8]]) -> TlsStream<TcpStream> {
        let mut config = self.config.clone();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        let stream = tcp(self.tls.expect("TLS is on")).await;
        let name = ServerName::try_from("localhost").expect("a legal name");
        soon("TLS", TlsConnector::from(Arc::new(config)).connect(name, stream)).await.expect("TLS")
    }

    async fn http2(&self, request: Request<'_>) -> anyhow::Result<Answer> {
        let (mut sender, connection) = h2::client::handshake(self.tls(&[b"h2"]).await).await?;
        let _driving = AbortOnDropHandle::new(tokio::spawn(connection));
        let (response, mut stream) = sender.send_request(request.message()?, false)?;
        stream.send_data(Bytes::copy_from_slice(request.body), true)?;
        let (parts, mut incoming) = response.await?.into_parts();
        let mut bytes = Vec::new();
        while let Some(data) = incoming.data().await {
            let data = data?;
            incoming.flow_control().release_capacity(data.len())?;
            bytes.extend_from_slice(&data);
        }
        Answer::of(&http::Response::from_parts(parts, ()), bytes.into())
    }

    async fn http3(&self, request: Request<'_>) -> anyhow::Result<Answer> {
        let quic = crate::raw::dial_with_alpn(self.quic, self.certificate.clone(), b"h3").await?;
        let (mut driver, mut sender) = h3::client::new(h3_quinn::Connection::new(quic)).await?;
        let _driving = AbortOnDropHandle::new(tokio::spawn(async move {
            std::future::poll_fn(|context| driver.poll_close(context)).await;
        }));
        let mut stream = sender.send_request(request.message()?).await?;
        if !request.body.is_empty() {
            stream.send_data(Bytes::copy_from_slice(request.body)).await?;
        }
        stream.finish().await?;
        let response = stream.recv_response().await?;
        let mut bytes = Vec::new();
        while let Some(data) = stream.recv_data().await? {
            bytes.extend_from_slice(data.chunk());
        }
        Answer::of(&response, bytes.into())
    }
}

impl Request<'_> {
    /// The bytes of HTTP/1.1. A host that the headers name is the only one.
    fn on_one_one(&self) -> Vec<u8> {
        let Self { method, path, headers, body } = self;
        let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            text += "Host: localhost\r\n";
        }
        if !body.is_empty() {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        for (name, value) in *headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        [text.as_bytes(), body].concat()
    }

    /// Method, path and headers, as HTTP/2 and HTTP/3 have them.
    fn message(&self) -> anyhow::Result<http::Request<()>> {
        let uri = format!("https://localhost{}", self.path);
        let mut request = http::Request::builder().method(self.method).uri(uri);
        for (name, value) in self.headers {
            request = request.header(*name, *value);
        }
        Ok(request.body(())?)
    }
}

async fn tcp(address: SocketAddr) -> TcpStream {
    soon("TCP", TcpStream::connect(address)).await.expect("the server accepts")
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &[u8]) -> Answer {
    // A server that has heard enough answers, and reads no further.
    let _ = stream.write_all(request).await;
    let mut bytes = Vec::new();
    soon("an answer", stream.read_to_end(&mut bytes)).await.expect("an answer");
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("headers end");
    let body = Bytes::from(bytes.split_off(end + 4));
    let head = std::str::from_utf8(&bytes[..end]).expect("headers are text");
    let status = head.split(' ').nth(1).expect("a status line").parse().expect("a number");
    Answer::new(status, head.into(), body)
}

//! HTTP requests, byte by byte, and what is answered.

use crate::{server::Running, soon};
use bytes::Buf;
use rustls::pki_types::{CertificateDer, ServerName};
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

/// Which of a server's ports is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Plain HTTP.
    Plain,
    /// HTTP over TLS.
    Tls,
    /// HTTP/3.
    Http3,
}

/// An answer of HTTP/1.1.
#[derive(Debug)]
pub struct Answer {
    /// Its number.
    pub status: u16,
    /// Status line and headers, as they came.
    pub head: String,
    /// What follows them.
    pub body: String,
}

impl Answer {
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
    connector: TlsConnector,
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
            connector: TlsConnector::from(Arc::new(config)),
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
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += "\r\n";
        match port {
            Port::Http3 => {
                soon("an answer", self.http3(method, path, headers)).await.expect("the server answers")
            }
            Port::Plain => talk(tcp(self.plain.expect("plain HTTP is on")).await, &text).await,
            Port::Tls => {
                let stream = tcp(self.tls.expect("TLS is on")).await;
                let name = ServerName::try_from("localhost").expect("a legal name");
                let tls = soon("TLS", self.connector.connect(name, stream)).await.expect("TLS");
                talk(tls, &text).await
            }
        }
    }

    async fn http3(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> anyhow::Result<Answer> {
        let quic = crate::raw::dial_with_alpn(self.quic, self.certificate.clone(), b"h3").await?;
        let (mut driver, mut sender) = h3::client::new(h3_quinn::Connection::new(quic)).await?;
        let _driving = AbortOnDropHandle::new(tokio::spawn(async move {
            std::future::poll_fn(|context| driver.poll_close(context)).await;
        }));
        let mut request = http::Request::builder().method(method).uri(format!("https://localhost{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut stream = sender.send_request(request.body(())?).await?;
        stream.finish().await?;
        let response = stream.recv_response().await?;
        let mut head = format!("HTTP/3 {}", response.status());
        for (name, value) in response.headers() {
            head += &format!("\r\n{name}: {}", value.to_str()?);
        }
        let mut body = Vec::new();
        while let Some(data) = stream.recv_data().await? {
            body.extend_from_slice(data.chunk());
        }
        Ok(Answer { status: response.status().as_u16(), head, body: String::from_utf8(body)? })
    }
}

async fn tcp(address: SocketAddr) -> TcpStream {
    soon("TCP", TcpStream::connect(address)).await.expect("the server accepts")
}

async fn talk(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).await.expect("the server reads");
    let mut text = String::new();
    soon("an answer", stream.read_to_string(&mut text)).await.expect("an answer");
    let (head, body) = text.split_once("\r\n\r\n").expect("headers end");
    let status = head.split(' ').nth(1).expect("a status line").parse().expect("a number");
    Answer { status, head: head.into(), body: body.into() }
}

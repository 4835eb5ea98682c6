//! A peer that says exactly what a test tells it to, right or wrong.

use crate::soon;
use bytes::Bytes;
use dunlin_proto::{
    Decoder, Topic,
    frame::{
        channel,
        control::{self, Hello, Welcome},
    },
};
use dunlin_transport::{ClientConfig, Connection, ConnectionError, RecvStream, SendStream, provider};
use rustls::{RootCertStore, client::WebPkiServerVerifier, pki_types::CertificateDer};
use std::{net::SocketAddr, sync::Arc};

/// How clients dial that trust this certificate.
///
/// # Panics
/// If the certificate is not one.
#[must_use]
pub fn trusting(certificate: CertificateDer<'static>) -> ClientConfig {
    let verifier =
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots(certificate)), provider()).build();
    ClientConfig::new(verifier.expect("a root"))
}

pub(crate) fn roots(certificate: CertificateDer<'static>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a certificate");
    roots
}

/// Tries to connect with a protocol of the test's choice.
///
/// # Errors
/// The handshake fails.
///
/// # Panics
/// If there is no socket.
pub async fn dial_with_alpn(
    server: SocketAddr,
    certificate: CertificateDer<'static>,
    alpn: &[u8],
) -> Result<quinn::Connection, quinn::ConnectionError> {
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots(certificate))
        .with_no_client_auth();
    tls.alpn_protocols = vec![alpn.to_vec()];
    let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls).expect("an initial cipher suite");
    let mut endpoint = quinn::Endpoint::client(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a socket");
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(crypto)));
    endpoint.connect(server, "localhost").expect("a legal name").await
}

/// One stream, frame by frame.
pub struct Stream {
    /// The way up.
    pub send: SendStream,
    /// The way down.
    pub recv: RecvStream,
    decoder: Decoder,
}

impl Stream {
    /// Opens a stream.
    ///
    /// # Panics
    /// If the connection is gone.
    pub async fn open(connection: &Connection) -> Self {
        let (send, recv) = soon("a stream", connection.open_bi()).await.expect("a stream");
        Self { send, recv, decoder: Decoder::new(4 << 20) }
    }

    /// Sends bytes as they are.
    pub async fn send(&mut self, bytes: impl Into<Bytes>) -> &mut Self {
        // What a server does about it is seen on the way down, or at the connection.
        let _ = soon("a write", self.send.write(bytes.into())).await;
        self
    }

    /// The next frame's body; `None` when the stream has ended, however it ended.
    ///
    /// # Panics
    /// If nothing comes.
    pub async fn frame(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.decoder.next_frame().expect("servers send legal lengths") {
                return Some(frame);
            }
            match soon("a frame", self.recv.read(64 * 1024)).await {
                Ok(Some(chunk)) => self.decoder.push(chunk),
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// The next frame of a channel stream.
    ///
    /// # Panics
    /// If it is none.
    pub async fn channel(&mut self) -> Option<channel::FromServer> {
        Some(channel::FromServer::decode(&self.frame().await?).expect("a legal frame"))
    }

    /// The next frame of the control stream.
    ///
    /// # Panics
    /// If it is none.
    pub async fn control(&mut self) -> Option<control::FromServer> {
        Some(control::FromServer::decode(&self.frame().await?).expect("a legal frame"))
    }
}

/// A legal hello.
#[must_use]
pub fn hello() -> Hello {
    Hello { versions: vec![1], agent: "raw".into(), client: [7; 16], resume: None, token: None }
}

/// Says hello on a new connection's first stream.
///
/// # Panics
/// If it is not welcomed.
pub async fn greet(connection: &Connection, hello: Hello) -> (Stream, Welcome) {
    let mut control = Stream::open(connection).await;
    control.send(control::FromClient::Hello(hello).encode()).await;
    match control.control().await {
        Some(control::FromServer::Welcome(welcome)) => (control, welcome),
        other => panic!("expected Welcome, got {other:?}"),
    }
}

/// The frame that joins a topic.
///
/// # Panics
/// If the topic is illegal.
#[must_use]
pub fn join(topic: &str) -> channel::Join {
    channel::Join::new(Topic::new(topic).expect("a legal topic"))
}

/// Joins a topic on a stream of its own.
///
/// # Panics
/// If the join is refused.
pub async fn joined(connection: &Connection, join: channel::Join) -> (Stream, channel::Joined) {
    let mut stream = Stream::open(connection).await;
    stream.send(channel::FromClient::Join(join).encode()).await;
    match stream.channel().await {
        Some(channel::FromServer::Joined(joined)) => (stream, joined),
        other => panic!("expected Joined, got {other:?}"),
    }
}

/// A push.
#[must_use]
pub fn push(reference: u64, payload: impl Into<Bytes>) -> Bytes {
    let push = channel::Push { reference, event: "e".into(), payload: payload.into(), key: None };
    channel::FromClient::Push(push).encode()
}

/// The code with which the server closed the connection.
///
/// # Panics
/// If it ends otherwise.
pub async fn close_code(connection: &Connection) -> u32 {
    match soon("the connection's end", connection.closed()).await {
        ConnectionError::Closed { code, .. } => code,
        other => panic!("expected a close with a code, got {other:?}"),
    }
}

//! Servers, clients and small steps for the stories beside this file.

use std::{
    net::SocketAddr,
    pin::pin,
    sync::{Arc, LazyLock},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use dunlin_transport::{
    ClientConfig, Connection, ConnectionError, Dialer, EarlyData, HttpConfig, Keys, Listener, ReadError,
    RecvStream, SendStream, ServerConfig, provider,
};
use rustls::{
    DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, UnixTime},
    server::ResolvesServerCert,
    sign::{CertifiedKey, SingleCertAndKey},
};

pub(crate) const NAME: &str = "dunlin.test";

/// Runs each story over every transport, beginning with what `support::TRANSPORT::START` gives. A story that hangs
/// fails.
#[macro_export]
macro_rules! over_every_transport {
    ($start:ident $stories:tt) => {
        $crate::over! { [quic webtransport memory websocket] $start $stories }
    };
}

/// Runs each story over the transports listed.
#[macro_export]
macro_rules! over {
    ([$($transport:ident)*] $start:ident $stories:tt) => {
        $($crate::over! { @ $transport $start $stories })*
    };
    (@ memory $start:ident $stories:tt) => {
        $crate::over! { @ memory $start #[tokio::test(start_paused = true)] $stories }
    };
    (@ $transport:ident $start:ident $stories:tt) => {
        $crate::over! { @ $transport $start #[tokio::test] $stories }
    };
    (@ $transport:ident $start:ident #[$test:meta] { $($story:ident)* }) => {
        mod $transport {
            $($crate::over! { @ $transport $start #[$test] $story })*
        }
    };
    (@ $transport:ident $start:ident #[$test:meta] $story:ident) => {
        #[$test]
        async fn $story() {
            let story = async { super::$story($crate::support::$transport::$start().await).await };
            $crate::support::in_time(story).await;
        }
    };
}

pub(crate) async fn in_time<T>(story: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), story).await.expect("the story does not hang")
}

/// A client's and a server's end of one connection.
pub(crate) struct Pair {
    pub(crate) client: Connection,
    pub(crate) server: Connection,
}

/// A listener, and a dialer that reaches it at an address.
pub(crate) struct Site {
    pub(crate) listener: Listener,
    pub(crate) dialer: Dialer,
    pub(crate) address: SocketAddr,
}

pub(crate) mod quic {
    use super::{Listener, Pair, Site, dialer, server_config};

    pub(crate) async fn pair() -> Pair {
        site().await.connect().await
    }

    pub(crate) async fn site() -> Site {
        Site::new(Listener::bind(server_config()).unwrap(), dialer())
    }
}

pub(crate) mod webtransport {
    use super::{Dialer, Listener, Pair, Site, client_config, server_config};

    pub(crate) async fn pair() -> Pair {
        site().await.connect().await
    }

    pub(crate) async fn site() -> Site {
        let dialer = Dialer::webtransport(client_config()).unwrap();
        Site::new(Listener::bind(server_config()).unwrap(), dialer)
    }
}

/// With a paused clock.
pub(crate) mod memory {
    use super::{Listener, Pair, Site};

    pub(crate) async fn pair() -> Pair {
        let (client, server) = dunlin_transport::pair();
        Pair { client, server }
    }

    pub(crate) async fn site() -> Site {
        let (listener, dialer) = Listener::memory();
        Site::new(listener, dialer.into())
    }
}

/// Over TLS.
pub(crate) mod websocket {
    use dunlin_transport::HttpConfig;

    use super::{Dialer, Listener, Pair, Site, client_config, http_config, resolver};

    pub(crate) async fn pair() -> Pair {
        site().await.connect().await
    }

    pub(crate) async fn site() -> Site {
        let (mut listener, _) = Listener::memory();
        let config = HttpConfig { certificate: Some(resolver()), ..http_config() };
        let address = listener.serve_http(config).unwrap();
        Site { listener, dialer: Dialer::websocket(client_config()).unwrap(), address }
    }
}

impl Site {
    pub(crate) fn new(listener: Listener, dialer: Dialer) -> Self {
        Self { address: listener.local_address(), listener, dialer }
    }

    pub(crate) async fn dial(&self) -> Result<Connection, ConnectionError> {
        self.dialer.dial(self.address, NAME).await
    }

    /// Dials, and waits for the answer even if early data does not.
    pub(crate) async fn dial_through(&self) -> Result<EarlyData, ConnectionError> {
        self.dial().await?.handshake_complete().await
    }

    /// Dials, accepts on the other side, and waits until both are done with the handshake.
    pub(crate) async fn connect(&self) -> Pair {
        let accept = async { self.listener.accept().await.unwrap().accept().await.unwrap() };
        let (client, server) = tokio::join!(self.dial(), accept);
        server.handshake_complete().await.unwrap();
        Pair { client: client.unwrap(), server }
    }
}

/// A server's and a client's certificate is the same one; only it is trusted.
static CERTIFICATE: LazyLock<(CertificateDer<'static>, Arc<SingleCertAndKey>)> = LazyLock::new(|| {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let key = CertifiedKey::from_der(vec![made.cert.der().clone()], key.into(), &provider()).unwrap();
    (made.cert.der().clone(), Arc::new(SingleCertAndKey::from(key)))
});

pub(crate) fn certificate() -> CertificateDer<'static> {
    CERTIFICATE.0.clone()
}

pub(crate) fn resolver() -> Arc<dyn ResolvesServerCert> {
    CERTIFICATE.1.clone()
}

pub(crate) fn server_config() -> ServerConfig {
    ServerConfig::new(loopback(0), resolver(), Keys::random())
}

pub(crate) fn loopback(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

pub(crate) fn http_config() -> HttpConfig {
    HttpConfig::new(loopback(0), axum::Router::new())
}

pub(crate) fn client_config() -> ClientConfig {
    ClientConfig::new(Arc::new(Pinned(certificate())))
}

pub(crate) fn dialer() -> Dialer {
    Dialer::quic(client_config()).unwrap()
}

/// Trusts one certificate, whatever name it bears.
#[derive(Debug)]
pub(crate) struct Pinned(pub(crate) CertificateDer<'static>);

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *certificate == self.0 {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::CertificateError::UnknownIssuer.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Sends words in a new stream, and waits for the other side to say them back.
pub(crate) async fn echo(pair: &Pair) {
    let (mut send, mut recv) = pair.client.open_bi().await.unwrap();
    send.write(Bytes::from_static(b"are you there?")).await.unwrap();
    send.finish();
    echo_next(&pair.server).await;
    assert_eq!(read_all(&mut recv).await.unwrap(), b"are you there?");
}

/// Accepts a stream and says back what it says.
pub(crate) async fn echo_next(server: &Connection) {
    let (mut send, mut recv) = server.accept_bi().await.unwrap();
    send.write(read_all(&mut recv).await.unwrap().into()).await.unwrap();
    send.finish();
}

pub(crate) async fn read_all(recv: &mut RecvStream) -> Result<Vec<u8>, ReadError> {
    let mut all = Vec::new();
    while let Some(chunk) = recv.read(usize::MAX).await? {
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

/// A stream's two ends; the client has opened it and said one byte, which the server has read.
pub(crate) struct Stream {
    pub(crate) client: (SendStream, RecvStream),
    pub(crate) server: (SendStream, RecvStream),
}

pub(crate) async fn stream(pair: &Pair) -> Stream {
    let mut client = pair.client.open_bi().await.unwrap();
    client.0.write(Bytes::from_static(b"!")).await.unwrap();
    let mut server = pair.server.accept_bi().await.unwrap();
    assert_eq!(server.1.read(8).await.unwrap().unwrap(), "!");
    Stream { client, server }
}

/// Polls once: whether the future has its value already.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Bytes in which a lost, doubled or misplaced piece shows.
pub(crate) fn pattern(len: usize) -> Bytes {
    (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

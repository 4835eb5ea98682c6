//! TLS: for QUIC version 1.3 with our protocol's name and tickets for 0-RTT, for HTTP over TCP as browsers have it.

use std::sync::Arc;

use quinn::crypto::rustls::QuicClientConfig;
use rustls::{
    client::{Resumption, danger::ServerCertVerifier},
    crypto::CryptoProvider,
    server::ResolvesServerCert,
};

use crate::http3;

mod session;
mod tickets;

pub use tickets::SharedTicketStore;

/// The application protocol (RFC 7301) of native QUIC connections.
pub const ALPN: &[u8] = b"dunlin/1";

/// The cryptography that all of Dunlin uses (ring), passed explicitly: no process-wide default is relied upon.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// What a client does with the tickets that servers give it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tickets {
    /// They are kept: a later connection resumes the TLS session, and over QUIC can send early data.
    #[default]
    Kept,
    /// They are dropped: each handshake is a full one, as of a client that was never here before.
    Dropped,
}

impl Tickets {
    fn resumption(self) -> Resumption {
        match self {
            Self::Kept => Resumption::default(),
            Self::Dropped => Resumption::disabled(),
        }
    }
}

/// The server's side; the certificate is asked for at each handshake, so it can be replaced while running.
pub(crate) fn server(
    certificate: Arc<dyn ResolvesServerCert>,
    tickets: SharedTicketStore,
) -> session::Config {
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring has TLS 1.3 cipher suites")
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    tls.session_storage = tickets.storage();
    tls.send_tls13_tickets = 2;
    // QUIC knows only this value and 0 (RFC 9001, 4.6.1); flow control is what bounds early data.
    tls.max_early_data_size = u32::MAX;
    // The first protocol that a client offers as well is taken.
    session::Config::new(tls, &[ALPN, http3::ALPN]).expect("ring has QUIC's initial cipher suite")
}

/// The server's side of HTTP over TCP, version 1.2 or 1.3, with HTTP/2 or 1.1.
pub(crate) fn http_server(certificate: Arc<dyn ResolvesServerCert>) -> rustls::ServerConfig {
    let mut tls = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("ring has cipher suites for both versions")
        .with_no_client_auth()
        .with_cert_resolver(certificate);
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    tls
}

/// The client's side of native QUIC; it keeps tickets of the last 256 server names in memory.
pub(crate) fn client(verifier: Arc<dyn ServerCertVerifier>, tickets: Tickets) -> QuicClientConfig {
    let mut tls = quic_client(verifier, ALPN, tickets);
    tls.enable_early_data = true;
    QuicClientConfig::try_from(tls).expect("ring has QUIC's initial cipher suite")
}

/// The client's side of HTTP/3, without early data: a session is opened once the server is known to be there.
pub(crate) fn http3_client(verifier: Arc<dyn ServerCertVerifier>, tickets: Tickets) -> QuicClientConfig {
    let tls = quic_client(verifier, http3::ALPN, tickets);
    QuicClientConfig::try_from(tls).expect("ring has QUIC's initial cipher suite")
}

fn quic_client(
    verifier: Arc<dyn ServerCertVerifier>,
    protocol: &[u8],
    tickets: Tickets,
) -> rustls::ClientConfig {
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring has TLS 1.3 cipher suites")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    tls.alpn_protocols = vec![protocol.to_vec()];
    tls.resumption = tickets.resumption();
    tls
}

/// The client's side of a WebSocket, version 1.2 or 1.3.
pub(crate) fn http_client(verifier: Arc<dyn ServerCertVerifier>, tickets: Tickets) -> rustls::ClientConfig {
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("ring has cipher suites for both versions")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    tls.resumption = tickets.resumption();
    tls
}

//! Where a worker can be reached: UDP, TCP with TLS on a port of the same number, and plain HTTP.

use crate::{
    config::Tcp,
    http::{self, Facts, Ports},
    worker::StartError,
};
use dunlin_transport::{BindError, HttpConfig, Listener, ServerConfig};
use std::{io::ErrorKind, net::SocketAddr, sync::Arc};

/// A listener with all its ports.
pub(crate) struct Bound {
    pub(crate) listener: Listener,
    pub(crate) addresses: Addresses,
}

/// Where it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    /// UDP, or what stands for it in memory.
    pub(crate) listen: SocketAddr,
    /// TCP with TLS.
    pub(crate) tcp: Option<SocketAddr>,
    /// Plain HTTP.
    pub(crate) http: Option<SocketAddr>,
}

/// What is served over TCP.
pub(crate) struct Http {
    pub(crate) facts: Arc<Facts>,
    /// Both ports are made of this; addresses, certificate and router differ.
    pub(crate) base: HttpConfig,
    pub(crate) tcp: Tcp,
    pub(crate) plain: Option<SocketAddr>,
}

/// Pairs of ports that are tried when the system chooses: TCP may have no room where UDP has.
const ATTEMPTS: usize = 16;

impl Http {
    /// Binds UDP, and TCP beside it.
    pub(crate) fn bind(self, quic: &ServerConfig) -> Result<Bound, StartError> {
        let quic = ServerConfig {
            http: http::public(&self.facts),
            origins: self.base.origins.clone(),
            ..quic.clone()
        };
        let mut attempts = if quic.listen.port() == 0 { ATTEMPTS } else { 1 };
        loop {
            attempts -= 1;
            let mut listener = Listener::bind(quic.clone())?;
            let udp = listener.local_address();
            match self.serve_tls(&mut listener, udp, Some(udp.port())) {
                Err(BindError::Tcp { source, .. })
                    if source.kind() == ErrorKind::AddrInUse && self.tcp == Tcp::Beside && attempts > 0 => {}
                tcp => return self.bound(listener, Some(udp.port()), tcp.map_err(StartError::Tcp)?),
            }
        }
    }

    /// Serves HTTP beside a listener without a port of its own.
    pub(crate) fn beside(self, mut listener: Listener) -> Result<Bound, StartError> {
        let tcp = match self.tcp {
            Tcp::Beside | Tcp::Off => None,
            Tcp::At(address) => self.serve_tls(&mut listener, address, None).map_err(StartError::Tcp)?,
        };
        self.bound(listener, None, tcp)
    }

    fn serve_tls(
        &self,
        listener: &mut Listener,
        beside: SocketAddr,
        alt_svc: Option<u16>,
    ) -> Result<Option<SocketAddr>, BindError> {
        let listen = match self.tcp {
            Tcp::Beside => beside,
            Tcp::At(address) => address,
            Tcp::Off => return Ok(None),
        };
        let config = HttpConfig {
            listen,
            certificate: Some(self.facts.certificate.clone()),
            router: http::public(&self.facts),
            alt_svc,
            ..self.base.clone()
        };
        listener.serve_http(config).map(Some)
    }

    fn bound(
        self,
        mut listener: Listener,
        udp: Option<u16>,
        tcp: Option<SocketAddr>,
    ) -> Result<Bound, StartError> {
        let serve = |listen| {
            let config = HttpConfig { listen, router: http::plain(&self.facts), ..self.base.clone() };
            listener.serve_http(config).map_err(StartError::Http)
        };
        let http = self.plain.map(serve).transpose()?;
        let port = |address: Option<SocketAddr>| address.map(|address| address.port());
        let ports = Ports { udp, tcp: port(tcp), plain: port(http) };
        self.facts.ports.set(ports).expect("sockets are bound once");
        let addresses = Addresses { listen: listener.local_address(), tcp, http };
        Ok(Bound { listener, addresses })
    }
}

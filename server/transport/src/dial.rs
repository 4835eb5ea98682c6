//! The client's side: one UDP socket, and the tickets of servers met before.

use std::{
    io,
    net::{Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use quinn::{EndpointConfig, TokioRuntime, VarInt, crypto::rustls::QuicClientConfig};
use rustls::client::danger::ServerCertVerifier;
use tokio::time::timeout;

use crate::{
    Buffers, Congestion, Connection, ConnectionError, Interface, MemoryDialer, Tickets,
    congestion::INITIAL_WINDOW,
    connection::Inner,
    endpoint::idle,
    handshake, http3,
    quic::{self, Local, canonical},
    socket, tls,
    websocket::{self, Scheme},
    webtransport,
};

/// How to dial. Sizes are in bytes.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Decides whether the server is who it should be.
    pub verifier: Arc<dyn ServerCertVerifier>,
    /// A packet goes out after this much silence, so that NATs keep the way open (RFC 9000, 10.1.2). Default 25 s.
    pub keep_alive: Duration,
    /// A server from which nothing was heard for this long is given up; its own limit counts too. Default 60 s.
    pub idle_timeout: Duration,
    /// Handshakes without early data that take longer are given up. Default 10 s.
    pub handshake_timeout: Duration,
    /// The round trip time assumed at first. Default 100 ms.
    pub initial_rtt: Duration,
    /// How much may be in flight of what this side sends. Default BBR.
    pub congestion: Congestion,
    /// Bytes in flight at first, on each new path; two packets at least. Default 32,000.
    pub initial_window: u64,
    /// What the server may send on a stream before it is read. Default 256 KiB. There is no such limit for the
    /// connection: it would let a stream that nobody reads stall the others.
    pub stream_window: u32,
    /// What is kept of sent data until the server acknowledges it; writers wait beyond it. Default 1 MiB.
    pub send_window: u64,
    /// Datagrams that wait to be read. Default 256 KiB.
    pub datagram_buffer: usize,
    /// The interface that all goes through, whatever the routes say; on Linux, Android and Apple's systems. Default none:
    /// the system chooses.
    pub interface: Option<Interface>,
    /// Asked of the kernel for each direction of the socket. Default 1 MiB; less is taken without complaint.
    pub socket_buffer: usize,
    /// What is done with servers' tickets. Default kept.
    pub tickets: Tickets,
}

impl ClientConfig {
    /// The defaults, with this judge of servers.
    #[must_use]
    pub fn new(verifier: Arc<dyn ServerCertVerifier>) -> Self {
        Self {
            verifier,
            keep_alive: Duration::from_secs(25),
            idle_timeout: Duration::from_secs(60),
            handshake_timeout: Duration::from_secs(10),
            initial_rtt: Duration::from_millis(100),
            congestion: Congestion::default(),
            initial_window: INITIAL_WINDOW,
            stream_window: 256 * 1024,
            send_window: 1024 * 1024,
            datagram_buffer: 256 * 1024,
            interface: None,
            socket_buffer: 1024 * 1024,
            tickets: Tickets::default(),
        }
    }

    fn native(self) -> quinn::ClientConfig {
        let tls = tls::client(self.verifier.clone(), self.tickets);
        self.quinn(tls, 0)
    }

    fn http3(self) -> quinn::ClientConfig {
        let tls = tls::http3_client(self.verifier.clone(), self.tickets);
        self.quinn(tls, http3::UNIDIRECTIONAL)
    }

    fn quinn(self, tls: QuicClientConfig, unidirectional: u32) -> quinn::ClientConfig {
        let mut transport = quinn::TransportConfig::default();
        transport
            .keep_alive_interval(Some(self.keep_alive))
            .max_idle_timeout(Some(idle(self.idle_timeout)))
            // Clients open all streams; a server that tries breaks the protocol.
            .max_concurrent_bidi_streams(0u32.into())
            .max_concurrent_uni_streams(unidirectional.into())
            .stream_receive_window(self.stream_window.into())
            .receive_window(VarInt::MAX)
            .send_window(self.send_window)
            .datagram_receive_buffer_size(Some(self.datagram_buffer))
            .initial_rtt(self.initial_rtt)
            .congestion_controller_factory(self.congestion.factory(self.initial_window));
        let mut config = quinn::ClientConfig::new(Arc::new(tls));
        config.transport_config(Arc::new(transport));
        config
    }
}

/// Why there is no socket to dial from.
#[derive(Debug, thiserror::Error)]
#[error("cannot open a UDP socket")]
pub struct DialError(#[from] io::Error);

/// Dials servers from one UDP socket, and remembers their tickets for early data.
///
/// Connections outlive it. Those that must move between networks on their own need a dialer each, for
/// [`rebind`](Self::rebind) moves all.
#[derive(Debug)]
pub struct Dialer(Way);

#[derive(Debug)]
enum Way {
    Quic(Quic),
    WebTransport(Quic),
    Memory(MemoryDialer),
    WebSocket(websocket::Dialer),
}

#[derive(Debug)]
struct Quic {
    endpoint: quinn::Endpoint,
    local: Local,
    handshake_timeout: Duration,
    interface: Option<Interface>,
    socket_buffer: usize,
    /// Of the first socket.
    buffers: Buffers,
}

impl Dialer {
    /// Opens a UDP socket for native QUIC, for IPv6 and IPv4. Must be called in the runtime that will drive the connections.
    ///
    /// # Errors
    /// The system gives no socket.
    pub fn quic(config: ClientConfig) -> Result<Self, DialError> {
        Ok(Self(Way::Quic(Quic::new(config, ClientConfig::native)?)))
    }

    /// Opens a UDP socket for WebTransport, as above. There is no early data: dialling takes two round trips.
    ///
    /// # Errors
    /// The system gives no socket.
    pub fn webtransport(config: ClientConfig) -> Result<Self, DialError> {
        Ok(Self(Way::WebTransport(Quic::new(config, ClientConfig::http3)?)))
    }

    /// Dials WebSockets over TLS, each from a TCP socket of its own.
    ///
    /// # Errors
    /// None today; other dialers open their socket here.
    pub fn websocket(config: ClientConfig) -> Result<Self, DialError> {
        Ok(Self(Way::WebSocket(websocket::Dialer::new(config, Scheme::Wss))))
    }

    /// Dials WebSockets without TLS: whoever is on the way reads along, and the server proves nothing.
    ///
    /// # Errors
    /// None today, as above.
    pub fn websocket_plain(config: ClientConfig) -> Result<Self, DialError> {
        Ok(Self(Way::WebSocket(websocket::Dialer::new(config, Scheme::Ws))))
    }

    /// Connects to a server, which must prove to be `server_name`.
    ///
    /// Returns at once when it holds a ticket of that name: what is sent before
    /// [`handshake_complete`](Connection::handshake_complete) is early data, which saves a round trip, but can be
    /// replayed by an attacker and rejected by the server. A server that does not answer then shows there.
    ///
    /// # Errors
    /// The server cannot be reached, refuses, or is not who it should be.
    pub async fn dial(&self, address: SocketAddr, server_name: &str) -> Result<Connection, ConnectionError> {
        match &self.0 {
            Way::Quic(quic) => Ok(Connection(Inner::Quic(quic.dial(address, server_name).await?))),
            Way::WebTransport(quic) => {
                Ok(Connection(Inner::WebTransport(quic.dial_session(address, server_name).await?)))
            }
            Way::Memory(memory) => memory.dial().await,
            Way::WebSocket(websocket) => {
                Ok(Connection(Inner::WebSocket(websocket.dial(address, server_name).await?)))
            }
        }
    }

    /// What the kernel gave the UDP socket that was opened first; `None` where there is no such socket.
    #[must_use]
    pub fn buffers(&self) -> Option<Buffers> {
        match &self.0 {
            Way::Quic(quic) | Way::WebTransport(quic) => Some(quic.buffers),
            Way::Memory(_) | Way::WebSocket(_) => None,
        }
    }

    /// Moves all connections to a new socket, from which they probe at once, and returns its address; the way to
    /// follow a change of networks. On error the old socket stays, and trying again later is fine. In memory and over
    /// WebSocket there is nothing to move: TCP connections end with their network. Must be called in a tokio runtime.
    ///
    /// # Errors
    /// The system gives no socket.
    pub fn rebind(&self) -> io::Result<SocketAddr> {
        self.rebind_through(None)
    }

    /// As [`rebind`](Self::rebind), to a socket that sends through this interface only; new connections go through it too,
    /// until the next move.
    ///
    /// # Errors
    /// The interface is gone, it may not be chosen (Linux before 5.7, some sandboxes), or this system has no way to
    /// choose one ([`Unsupported`](io::ErrorKind::Unsupported)).
    pub fn rebind_to(&self, interface: &Interface) -> io::Result<SocketAddr> {
        self.rebind_through(Some(interface))
    }

    fn rebind_through(&self, interface: Option<&Interface>) -> io::Result<SocketAddr> {
        match &self.0 {
            Way::Quic(quic) | Way::WebTransport(quic) => quic.rebind(interface),
            Way::Memory(_) => Ok(crate::memory::CLIENT),
            Way::WebSocket(_) => Ok(SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))),
        }
    }
}

impl Quic {
    fn new(config: ClientConfig, quinn: fn(ClientConfig) -> quinn::ClientConfig) -> Result<Self, DialError> {
        let (handshake_timeout, socket_buffer) = (config.handshake_timeout, config.socket_buffer);
        let interface = config.interface.clone();
        let (socket, buffers) = socket::bind_any(socket_buffer, interface.as_ref())?;
        let local = Local::new(socket.local_addr()?);
        let runtime = Arc::new(TokioRuntime);
        let mut endpoint = quinn::Endpoint::new(EndpointConfig::default(), None, socket, runtime)?;
        endpoint.set_default_client_config(quinn(config));
        Ok(Self { endpoint, local, handshake_timeout, interface, socket_buffer, buffers })
    }

    fn connect(&self, address: SocketAddr, server_name: &str) -> Result<quinn::Connecting, ConnectionError> {
        let connecting = self.endpoint.connect(address, server_name);
        connecting.map_err(|error| ConnectionError::Transport(error.to_string()))
    }

    async fn dial(
        &self,
        address: SocketAddr,
        server_name: &str,
    ) -> Result<quic::Connection, ConnectionError> {
        match self.connect(address, server_name)?.into_0rtt() {
            Ok((connection, accepted)) => {
                let handshake = handshake::dial(connection.clone(), accepted);
                Ok(quic::Connection::new(connection, handshake, self.local.clone()))
            }
            Err(connecting) => {
                let connection = timeout(self.handshake_timeout, connecting)
                    .await
                    .map_err(|_| ConnectionError::TimedOut)??;
                Ok(quic::Connection::established(connection, self.local.clone()))
            }
        }
    }

    async fn dial_session(
        &self,
        address: SocketAddr,
        server_name: &str,
    ) -> Result<webtransport::Connection, ConnectionError> {
        let session = async {
            let connection = self.connect(address, server_name)?.await?;
            let connection = quic::Connection::established(connection, self.local.clone());
            http3::open(connection, server_name, self.handshake_timeout).await
        };
        timeout(self.handshake_timeout, session).await.map_err(|_| ConnectionError::TimedOut)?
    }

    fn rebind(&self, interface: Option<&Interface>) -> io::Result<SocketAddr> {
        // A socket of the other family could not reach the servers, whose addresses are written for this one.
        let family = self.local.get().ip();
        let through = interface.or(self.interface.as_ref());
        let (socket, _) = socket::bind_like(family, self.socket_buffer, through)?;
        let address = socket.local_addr()?;
        self.endpoint.rebind(socket)?;
        self.local.set(address);
        Ok(canonical(address))
    }
}

impl From<MemoryDialer> for Dialer {
    /// A dialer that reaches one listener of this process, whatever the address and name, so that a client can be
    /// tested without sockets.
    fn from(memory: MemoryDialer) -> Self {
        Self(Way::Memory(memory))
    }
}

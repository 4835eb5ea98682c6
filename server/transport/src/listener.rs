//! Where connections come from: one listener a worker.

use std::{net::SocketAddr, sync::Arc};

use crate::{
    BindError, Buffers, Connection, ConnectionError, HttpConfig, MemoryDialer, ServerConfig,
    connection::Inner,
    endpoint,
    memory::{self, MemoryListener},
    tcp,
    websocket::{self, Gate},
};

/// Accepts connections, over QUIC or in memory, and over WebSocket beside either.
///
/// Dropping it leaves the connections alive; it must be made in the runtime that will drive them.
#[derive(Debug)]
pub struct Listener {
    way: Way,
    http: Vec<tcp::Server>,
    websockets: Arc<Gate>,
}

#[derive(Debug)]
enum Way {
    Quic(endpoint::Endpoint),
    Memory(MemoryListener),
}

/// An attempt to connect, not answered yet; refused when dropped.
#[derive(Debug)]
pub struct Incoming(Attempt);

#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "it moves once, from accept to its answer; a box would cost more"
)]
enum Attempt {
    Quic(endpoint::Incoming),
    Memory(memory::Incoming),
    WebSocket(websocket::Incoming),
}

impl Listener {
    /// Listens for native QUIC and HTTP/3 on one UDP port. Warns in the log when the kernel grants small socket buffers.
    ///
    /// # Errors
    /// The address is taken, or not of this host.
    pub fn bind(config: ServerConfig) -> Result<Self, BindError> {
        Ok(Self::new(Way::Quic(endpoint::Endpoint::bind(config)?)))
    }

    /// Listens in memory, where only the dialer reaches it. Its clones are as many clients.
    #[must_use]
    pub fn memory() -> (Self, MemoryDialer) {
        let (listener, dialer) = MemoryListener::new();
        (Self::new(Way::Memory(listener)), dialer)
    }

    fn new(way: Way) -> Self {
        Self { way, http: Vec::new(), websockets: Gate::new() }
    }

    /// Serves HTTP over TCP as well, and returns the address; as often as there are ports to serve. Must be called
    /// in the runtime that will drive the connections.
    ///
    /// WebSockets become connections like the others. Everything else goes to the router, also when the listener
    /// accepts no more, until it is dropped.
    ///
    /// # Errors
    /// The address is taken, or not of this host.
    pub fn serve_http(&mut self, config: HttpConfig) -> Result<SocketAddr, BindError> {
        let (server, address) = tcp::Server::bind(config, Arc::clone(&self.websockets))?;
        self.http.push(server);
        Ok(address)
    }

    /// The next attempt to connect, or `None` once the listener accepts no more or is closed. Cancel-safe.
    ///
    /// Attempts that must first prove their address, and those beyond the limit, are answered here and not seen.
    pub async fn accept(&self) -> Option<Incoming> {
        tokio::select! {
            incoming = self.way.accept() => incoming,
            incoming = self.websockets.accept() => Some(Incoming(Attempt::WebSocket(incoming?))),
        }
    }

    /// The address it listens on, with the port that the system chose if 0 was asked for.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        match &self.way {
            Way::Quic(endpoint) => endpoint.local_address(),
            Way::Memory(_) => memory::SERVER,
        }
    }

    /// The kernel's buffers in force, or `None` in memory.
    #[must_use]
    pub fn buffers(&self) -> Option<Buffers> {
        match &self.way {
            Way::Quic(endpoint) => Some(endpoint.buffers()),
            Way::Memory(_) => None,
        }
    }

    /// Refuses new attempts from now on; connections live on.
    pub fn stop_accepting(&self) {
        self.websockets.stop_accepting();
        match &self.way {
            Way::Quic(endpoint) => endpoint.stop_accepting(),
            Way::Memory(listener) => listener.stop_accepting(),
        }
    }

    /// Closes all connections with this code, and refuses new attempts.
    pub fn close(&self, code: u32, reason: &str) {
        self.websockets.close(code, reason);
        match &self.way {
            Way::Quic(endpoint) => endpoint.close(code, reason),
            Way::Memory(listener) => listener.close(code, reason),
        }
    }

    /// Waits until no connection is left. After [`close`](Self::close), awaiting this before the process exits is
    /// what gives clients a chance to hear of it.
    pub async fn wait_idle(&self) {
        let way = async {
            match &self.way {
                Way::Quic(endpoint) => endpoint.wait_idle().await,
                Way::Memory(listener) => listener.wait_idle().await,
            }
        };
        tokio::join!(way, self.websockets.wait_idle());
    }

    /// Connections that are open, shaking hands, or closing (QUIC keeps those for three probe timeouts).
    #[must_use]
    pub fn open_connections(&self) -> usize {
        let way = match &self.way {
            Way::Quic(endpoint) => endpoint.open_connections(),
            Way::Memory(listener) => listener.open_connections(),
        };
        way + self.websockets.open_connections()
    }
}

impl Way {
    async fn accept(&self) -> Option<Incoming> {
        Some(Incoming(match self {
            Self::Quic(endpoint) => Attempt::Quic(endpoint.accept().await?),
            Self::Memory(listener) => Attempt::Memory(listener.accept().await?),
        }))
    }
}

impl Incoming {
    /// The client's address, which may be forged unless it is [validated](Self::address_validated).
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        match &self.0 {
            Attempt::Quic(incoming) => incoming.remote_address(),
            Attempt::Memory(incoming) => incoming.remote_address(),
            Attempt::WebSocket(incoming) => incoming.remote_address(),
        }
    }

    /// Whether the client has proved that it receives what is sent to its address (RFC 9000, 8.1).
    #[must_use]
    pub fn address_validated(&self) -> bool {
        match &self.0 {
            Attempt::Quic(incoming) => incoming.address_validated(),
            Attempt::Memory(_) | Attempt::WebSocket(_) => true,
        }
    }

    /// Accepts; the connection can be used before its handshake is complete, and early data is read at once.
    ///
    /// With native QUIC it waits only for the client's first flight. A client that comes with HTTP/3 is served its plain
    /// requests here, until it opens a WebTransport session or leaves. So this can last: call it in a task of its own.
    ///
    /// # Errors
    /// The client speaks another protocol, its handshake is broken or too slow, or it opened no session, which is
    /// [`ConnectionError::NoSession`] and no failure.
    pub async fn accept(self) -> Result<Connection, ConnectionError> {
        Ok(Connection(match self.0 {
            Attempt::Quic(incoming) => incoming.accept().await?,
            Attempt::Memory(incoming) => Inner::Memory(incoming.accept()?),
            Attempt::WebSocket(incoming) => Inner::WebSocket(incoming.accept().await?),
        }))
    }

    /// Turns the client away; it learns [`ConnectionError::Refused`].
    pub fn refuse(self) {
        match self.0 {
            Attempt::Quic(incoming) => incoming.refuse(),
            Attempt::Memory(incoming) => incoming.refuse(),
            Attempt::WebSocket(incoming) => incoming.refuse(),
        }
    }
}

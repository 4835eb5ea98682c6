//! The server's QUIC endpoint: one UDP socket of one worker.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use quinn::{TokioRuntime, crypto::rustls::HandshakeData};
use rustls::server::ResolvesServerCert;
use tokio::{
    select,
    sync::watch,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    BindError, Buffers, Congestion, ConnectionError, Keys, Origins, SharedTicketStore,
    congestion::INITIAL_WINDOW,
    connection::Inner,
    handshake::{self, Counter, UnderWay},
    http3,
    quic::{self, Local, canonical},
    socket, tls,
    webtransport::Close,
};

/// How a worker accepts QUIC connections. Sizes are in bytes.
///
/// ```
/// # use std::{net::SocketAddr, sync::Arc};
/// # use dunlin_transport::{Keys, ServerConfig};
/// # fn config(certificate: Arc<dyn rustls::server::ResolvesServerCert>) -> ServerConfig {
/// let listen: SocketAddr = "[::]:4433".parse().unwrap();
/// ServerConfig { initial_streams: 8, ..ServerConfig::new(listen, certificate, Keys::random()) }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where to listen. `[::]` takes IPv4 too; quinn then treats an IPv4 client's new port as a new path, and starts
    /// over with its round trip time and window, which it does not on an IPv4 socket.
    pub listen: SocketAddr,
    /// Who the server is; asked for at each handshake.
    pub certificate: Arc<dyn ResolvesServerCert>,
    /// The secret that survives restarts; the same for all workers.
    pub keys: Keys,
    /// What answers the plain HTTP/3 requests that come on the same port. Its handlers find the client's address in
    /// `ConnectInfo<SocketAddr>`. Default empty: 404.
    pub http: axum::Router,
    /// The web pages that may open a WebTransport session. Default: those that are always welcome.
    pub origins: Origins,
    /// Tickets for 0-RTT; the same for all workers, or clients that come to another one lose their round trip.
    pub sessions: SharedTicketStore,
    /// Connections from which nothing was heard for this long are given up; the client's own limit counts too.
    /// Servers send no keep-alives: clients do, at a fifth of the cost. Default 60 s.
    pub idle_timeout: Duration,
    /// Bidirectional streams that a client may open before it is
    /// [granted](crate::Connection::grant_streams) more. Default 16: room for 100 would cost 8 KB a connection, for
    /// 256 it would cost 26 KB.
    pub initial_streams: u32,
    /// What a client may send on a stream before it is read. Default 128 KiB.
    pub stream_window: u32,
    /// What a client may send on all streams of a connection before it is read. Default 4 MiB.
    pub receive_window: u32,
    /// What is kept of sent data until the client acknowledges it, over all streams of a connection; writers wait
    /// beyond it. Default 1 MiB.
    pub send_window: u64,
    /// Datagrams that wait to be read, of one connection, in bytes. Default 64 KiB.
    pub datagram_buffer: usize,
    /// The round trip time assumed for a new path. Default 100 ms.
    pub initial_rtt: Duration,
    /// How much may be in flight of what this side sends. Default BBR.
    pub congestion: Congestion,
    /// Bytes in flight at first, on each new path; two packets at least. Default 32,000.
    pub initial_window: u64,
    /// Handshakes under way from which on clients must first prove their address (Retry, RFC 9000, 8.1.2), which
    /// costs them a round trip. Default 256; at 0 all must.
    pub retry_above: usize,
    /// Handshakes that take longer are given up. Default 10 s.
    pub handshake_timeout: Duration,
    /// Connections and handshakes beyond this number are refused. Default 100,000, at 40 KB each.
    pub max_connections: usize,
    /// Asked of the kernel for each direction of the socket. Default 32 MiB; see [`Buffers`].
    pub socket_buffer: usize,
}

impl ServerConfig {
    /// The defaults for this address, certificate and secret.
    #[must_use]
    pub fn new(listen: SocketAddr, certificate: Arc<dyn ResolvesServerCert>, keys: Keys) -> Self {
        Self {
            listen,
            certificate,
            keys,
            http: axum::Router::new(),
            origins: Origins::default(),
            sessions: SharedTicketStore::default(),
            idle_timeout: Duration::from_secs(60),
            initial_streams: 16,
            stream_window: 128 * 1024,
            receive_window: 4 * 1024 * 1024,
            send_window: 1024 * 1024,
            datagram_buffer: 64 * 1024,
            initial_rtt: Duration::from_millis(100),
            congestion: Congestion::default(),
            initial_window: INITIAL_WINDOW,
            retry_above: 256,
            handshake_timeout: Duration::from_secs(10),
            max_connections: 100_000,
            socket_buffer: 32 * 1024 * 1024,
        }
    }

    fn quinn(self) -> quinn::ServerConfig {
        let mut transport = quinn::TransportConfig::default();
        transport
            .max_idle_timeout(Some(idle(self.idle_timeout)))
            .max_concurrent_bidi_streams(quic::stream_limit(self.initial_streams))
            .max_concurrent_uni_streams(http3::UNIDIRECTIONAL.into())
            .stream_receive_window(self.stream_window.into())
            .receive_window(self.receive_window.into())
            .send_window(self.send_window)
            .datagram_receive_buffer_size(Some(self.datagram_buffer))
            .initial_rtt(self.initial_rtt)
            .congestion_controller_factory(self.congestion.factory(self.initial_window));
        let tls = tls::server(self.certificate, self.sessions);
        let mut config = quinn::ServerConfig::new(Arc::new(tls), Arc::new(self.keys.retry()));
        config.transport_config(Arc::new(transport)).migration(true);
        config
    }
}

/// Receive buffers below this, as the kernel counts, lose packets when many clients connect at once.
const SMALL_BUFFER: usize = 4 * 1024 * 1024;

/// After a restart each client is told by a stateless reset. quinn's default spacing of 20 ms would take 1,000 s for
/// 50,000 clients; this takes 5 s. A reset is smaller than the packet it answers, so it amplifies nothing.
const RESET_INTERVAL: Duration = Duration::from_micros(100);

/// How long WebTransport clients may take to leave before an endpoint that closes cuts everyone off.
const FAREWELL: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(crate) struct Endpoint {
    quinn: quinn::Endpoint,
    local: Local,
    buffers: Buffers,
    handshakes: Counter,
    retry_above: usize,
    handshake_timeout: Duration,
    max_connections: usize,
    site: Arc<http3::Site>,
    /// Answers new attempts once the endpoint accepts no more, and closes it when all was said; ends with it.
    ending: Mutex<JoinSet<()>>,
}

impl Endpoint {
    pub(crate) fn bind(config: ServerConfig) -> Result<Self, BindError> {
        let address = config.listen;
        let failed = |source| BindError::Udp { address, source };
        let (socket, buffers) = socket::bind(address, config.socket_buffer, None).map_err(failed)?;
        if buffers.receive < SMALL_BUFFER {
            tracing::warn!(
                receive = buffers.receive,
                send = buffers.send,
                "the kernel grants small UDP buffers, so packets will be lost when many clients connect at once; \
                 raise them with: sysctl -w net.core.rmem_max={bytes} net.core.wmem_max={bytes}",
                bytes = config.socket_buffer,
            );
        }
        let mut keyed = config.keys.endpoint();
        keyed.min_reset_interval(RESET_INTERVAL);
        Ok(Self {
            local: Local::new(socket.local_addr().map_err(failed)?),
            buffers,
            handshakes: Counter::default(),
            retry_above: config.retry_above,
            handshake_timeout: config.handshake_timeout,
            max_connections: config.max_connections,
            site: Arc::new(http3::Site {
                router: config.http.clone(),
                origins: config.origins.clone(),
                header_timeout: config.handshake_timeout,
                idle_timeout: config.idle_timeout,
                initial_streams: config.initial_streams,
                accepting: watch::Sender::new(true),
                closing: watch::Sender::new(None),
            }),
            ending: Mutex::default(),
            quinn: quinn::Endpoint::new(keyed, Some(config.quinn()), socket, Arc::new(TokioRuntime))
                .map_err(failed)?,
        })
    }

    pub(crate) async fn accept(&self) -> Option<Incoming> {
        let mut accepting = self.site.accepting.subscribe();
        loop {
            let incoming = select! {
                incoming = self.quinn.accept() => incoming?,
                _ = accepting.wait_for(|accepting| !accepting) => return None,
            };
            if !*self.site.accepting.borrow() || self.quinn.open_connections() >= self.max_connections {
                incoming.refuse();
            } else if self.handshakes.under_way() >= self.retry_above && !incoming.remote_address_validated()
            {
                // Fails only for an address that was validated.
                let _ = incoming.retry();
            } else {
                let under_way = self.handshakes.begin();
                return Some(Incoming {
                    quinn: incoming,
                    under_way,
                    timeout: self.handshake_timeout,
                    site: self.site.clone(),
                    local: self.local.clone(),
                });
            }
        }
    }

    pub(crate) fn stop_accepting(&self) {
        if self.site.accepting.send_replace(false) {
            let endpoint = self.quinn.clone();
            // quinn itself would leave attempts unanswered, and clients waiting.
            self.ending().spawn(async move {
                while let Some(incoming) = endpoint.accept().await {
                    incoming.refuse();
                }
            });
        }
    }

    pub(crate) fn close(&self, code: u32, reason: &str) {
        self.site.closing.send_replace(Some(Close { code, reason: reason.to_owned() }));
        if self.site.closing.receiver_count() == 0 {
            self.quinn.close(code.into(), reason.as_bytes());
            return;
        }
        self.stop_accepting();
        // A browser hears of the code within its session only, and not in the close of the connection beneath it.
        let (site, quinn, reason) = (self.site.clone(), self.quinn.clone(), reason.to_owned());
        self.ending().spawn(async move {
            let _ = timeout(FAREWELL, site.closing.closed()).await;
            quinn.close(code.into(), reason.as_bytes());
        });
    }

    fn ending(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.ending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn wait_idle(&self) {
        self.quinn.wait_idle().await;
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.quinn.open_connections()
    }

    pub(crate) fn local_address(&self) -> SocketAddr {
        self.local.get()
    }

    pub(crate) fn buffers(&self) -> Buffers {
        self.buffers
    }
}

#[derive(Debug)]
pub(crate) struct Incoming {
    quinn: quinn::Incoming,
    under_way: UnderWay,
    timeout: Duration,
    site: Arc<http3::Site>,
    local: Local,
}

impl Incoming {
    pub(crate) fn remote_address(&self) -> SocketAddr {
        canonical(self.quinn.remote_address())
    }

    pub(crate) fn address_validated(&self) -> bool {
        self.quinn.remote_address_validated()
    }

    /// Native QUIC returns as soon as the client's first flight is read, so that early data in it is served at once. With
    /// HTTP/3 all waits for the end of the handshake: early data could be a request that is replayed. rustls refuses
    /// clients that speak neither.
    pub(crate) async fn accept(self) -> Result<Inner, ConnectionError> {
        let deadline = Instant::now() + self.timeout;
        let mut connecting = self.quinn.accept()?;
        let greeting = timeout_at(deadline, connecting.handshake_data());
        let greeting = greeting.await.map_err(|_| ConnectionError::TimedOut)??;
        if greeting.downcast::<HandshakeData>().is_ok_and(|tls| tls.protocol.as_deref() == Some(http3::ALPN))
        {
            let connection =
                timeout_at(deadline, connecting).await.map_err(|_| ConnectionError::TimedOut)??;
            drop(self.under_way);
            let connection = quic::Connection::established(connection, self.local);
            return Ok(Inner::WebTransport(http3::serve(connection, self.site).await?));
        }
        let (connection, complete) = connecting.into_0rtt().unwrap_or_else(|_| {
            unreachable!("a server can always send before the handshake is complete");
        });
        // Those that it has from before it was known what it speaks are all that it gets.
        connection.set_max_concurrent_uni_streams(0u32.into());
        let handshake = handshake::serve(connection.clone(), complete, self.under_way, deadline);
        Ok(Inner::Quic(quic::Connection::new(connection, handshake, self.local)))
    }

    pub(crate) fn refuse(self) {
        self.quinn.refuse();
    }
}

/// What quinn takes for an idle timeout: milliseconds below 2^62, far more than anyone means.
pub(crate) fn idle(timeout: Duration) -> quinn::IdleTimeout {
    let millis = quinn::VarInt::try_from(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
    millis.unwrap_or(quinn::VarInt::MAX).into()
}

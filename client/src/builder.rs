//! Setting up a client.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use dunlin_transport::{ClientConfig, Congestion, Dialer, Kind as Transport};

use crate::{
    Backoff, Client, Closed, Code, Trust,
    address::{Address, UrlError},
    client,
    credential::Tokens,
    dial::{self, Dialers},
    networks::{HEAD_START, Networks},
    route::Route,
};

/// The settings of a client, and the ways to start it.
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing until `connect` or `open`"]
pub struct Builder {
    pub(crate) address: Address,
    pub(crate) trust: Trust,
    pub(crate) keep_alive: Duration,
    pub(crate) park_after: Duration,
    pub(crate) agent: String,
    pub(crate) congestion: Congestion,
    pub(crate) initial_window: Option<u64>,
    pub(crate) connect_timeout: Duration,
    pub(crate) tokens: Tokens,
    pub(crate) backoff: Backoff,
    pub(crate) only: Option<Transport>,
    pub(crate) any_network: bool,
    pub(crate) head_start: Duration,
    pub(crate) retry_quic: Duration,
    pub(crate) dialer: Option<Arc<Dialer>>,
    pub(crate) fallback_dialer: Option<Arc<Dialer>>,
    /// Sockets and tickets, once they are shared.
    pub(crate) dialers: Option<Arc<Dialers>>,
    /// Of all clients of this builder and its clones.
    pub(crate) networks: Arc<Mutex<Networks>>,
}

/// Why a client could not be connected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The URL is not one that can be dialled.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The server, or its certificate's check, said no for good.
    #[error("cannot connect: {0}")]
    Closed(#[from] Closed),
    /// No server answered in time.
    #[error("no server answered at {url} within {} s: {problem}", after.as_secs())]
    Unreachable {
        /// Where one was looked for.
        url: String,
        /// How long, in all attempts together.
        after: Duration,
        /// Why the last attempt failed, and what to look at.
        problem: String,
    },
}

impl ConnectError {
    /// The server's code, if it was the server that said no.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Closed(closed) => closed.code,
            _ => None,
        }
    }
}

impl Builder {
    pub(crate) fn new(url: &str) -> Result<Self, UrlError> {
        Ok(Self {
            address: url.parse()?,
            trust: Trust::default(),
            keep_alive: Duration::from_secs(25),
            park_after: Duration::from_secs(10),
            agent: concat!("dunlin-client/", env!("CARGO_PKG_VERSION")).into(),
            congestion: Congestion::default(),
            initial_window: None,
            connect_timeout: Duration::from_secs(10),
            tokens: Tokens::None,
            backoff: Backoff::default(),
            only: None,
            any_network: false,
            head_start: HEAD_START,
            retry_quic: Duration::from_secs(60),
            dialer: None,
            fallback_dialer: None,
            dialers: None,
            networks: Arc::default(),
        })
    }

    /// What the server's certificate is checked against; [`Trust::Auto`] unless set.
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// How often a quiet connection is kept awake in the NATs on its way, and checked for life; 25 s unless set.
    pub fn keep_alive(mut self, every: Duration) -> Self {
        self.keep_alive = every;
        self
    }

    /// How long a [pause](Client::pause) lasts before the connection is let go, to come back to the session at
    /// [`Client::resume`]; 10 s unless set, [`Duration::MAX`] for never.
    pub fn park_after(mut self, pause: Duration) -> Self {
        self.park_after = pause;
        self
    }

    /// Name and version of the application, for the server's logs.
    pub fn agent(mut self, agent: impl Into<String>) -> Self {
        self.agent = agent.into();
        self
    }

    /// What decides how much may be in flight to the server over QUIC and WebTransport; the default of [`Congestion`] unless
    /// set. Over WebSocket the kernel decides.
    pub fn congestion(mut self, congestion: Congestion) -> Self {
        self.congestion = congestion;
        self
    }

    /// How many bytes may be in flight to the server before it has acknowledged anything, on each new path; 32,000 unless
    /// set.
    pub fn initial_window(mut self, bytes: u64) -> Self {
        self.initial_window = Some(bytes);
        self
    }

    /// How long [`Builder::connect`] waits for a server; 10 s unless set.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// The token to present, where the server asks for one. When it has expired, the client ends with
    /// [`Code::TOKEN_EXPIRED`]; see [`token_callback`](Self::token_callback) for one that goes on.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.tokens = Tokens::Fixed(token.into());
        self
    }

    /// Asks the application for a token: before the client connects, before the token in use expires, and when the server
    /// wants another. A session then outlives its tokens. Whoever is asked should answer within 30 s; after an error it is asked
    /// again, as after an attempt to connect that failed. One that answers with a token that the server has just refused is
    /// taken to have no other, and the client ends with the server's code.
    ///
    /// ```no_run
    /// # async fn fetch_token() -> Result<String, std::io::Error> { Ok(String::new()) }
    /// # async fn story() -> Result<(), Box<dyn std::error::Error>> {
    /// let client = dunlin_client::Client::builder("dunlin://localhost")?.token_callback(fetch_token).connect().await?;
    /// # Ok(()) }
    /// ```
    pub fn token_callback<F, E>(mut self, find: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<String, E>> + Send + 'static,
        E: std::fmt::Display,
    {
        self.tokens = Tokens::Ask(Arc::new(move || {
            let found = find();
            Box::pin(async { found.await.map_err(|error| error.to_string()) })
        }));
        self
    }

    /// How attempts are spaced.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// Connects by this transport and no other, on the host and port of the URL, whatever its scheme says. Unless this
    /// is set, `dunlin://` and `https://` fall back to WebSocket.
    ///
    /// # Errors
    /// It is not to be had at such an address: at `ws://` there is plain WebSocket only.
    pub fn only(mut self, transport: Transport) -> Result<Self, UrlError> {
        Route::of(self.address.scheme, Some(transport))?;
        self.only = Some(transport);
        Ok(self)
    }

    /// Whether the other networks of this device are tried too when nothing comes by the one that the system prefers, as when
    /// Wi-Fi is still there but leads nowhere. Not unless set: they may cost money, and a VPN would be passed by.
    pub fn any_network(mut self, any: bool) -> Self {
        self.any_network = any;
        self
    }

    /// How long QUIC is tried alone before WebSocket is tried beside it; 500 ms unless set. On a network where QUIC got
    /// no answer lately there is no head start.
    pub fn head_start(mut self, head_start: Duration) -> Self {
        self.head_start = head_start;
        self
    }

    /// How long after falling back to WebSocket QUIC is tried again, beside the session; 1 minute unless set. The pause
    /// doubles with each failure up to 30 times this, and up to a quarter is added at random.
    pub fn retry_quic(mut self, after: Duration) -> Self {
        self.retry_quic = after;
        self
    }

    /// Dials with this dialer and never another way, as one in memory; the settings of trust and keep-alive are then
    /// its own affair.
    pub fn dialer(mut self, dialer: impl Into<Dialer>) -> Self {
        self.dialer = Some(Arc::new(dialer.into()));
        self
    }

    /// Falls back to this dialer where the one that was [given](Self::dialer) gets no answer, as from QUIC to WebSocket.
    pub fn fallback_dialer(mut self, dialer: impl Into<Dialer>) -> Self {
        self.fallback_dialer = Some(Arc::new(dialer.into()));
        self
    }

    /// Opens the sockets now. Clients that are started from clones of this builder share them, and the tickets with which
    /// a later one can send early data; a change of trust, keep-alive or congestion control after this has no effect. Must
    /// be called in the tokio runtime in which the clients will run.
    ///
    /// # Errors
    /// What is to be trusted cannot be read, or the system gives no socket.
    pub fn shared(mut self) -> Result<Self, ConnectError> {
        self.dialers = Some(Arc::new(Dialers::open(&self).map_err(|ending| ending.closed())?));
        Ok(self)
    }

    /// Opens `n` sockets by which peers that speak raw frames can reach this server, and finds its addresses: for load
    /// generators, whose many connections share few sockets. It is the first way that a client would try, with the same
    /// trust; `change` has the last word on the configuration. Must be called in the tokio runtime that will drive the
    /// connections.
    ///
    /// # Errors
    /// What is to be trusted cannot be read, the server's name has no address, or the system gives no socket.
    pub async fn dialers(
        &self,
        n: usize,
        change: impl FnOnce(&mut ClientConfig),
    ) -> Result<(Vec<Dialer>, Vec<SocketAddr>), ConnectError> {
        Ok(dial::open_many(self, n, change).await.map_err(|ending| ending.closed())?)
    }

    /// Starts the client without waiting for a connection. Must be called in a tokio runtime.
    #[must_use]
    pub fn open(self) -> Client {
        client::start(self)
    }

    /// Starts the client and waits for the server's welcome.
    ///
    /// # Errors
    /// If the server says no for good, or none is reached in time.
    pub async fn connect(self) -> Result<Client, ConnectError> {
        let (url, after) = (self.address.to_string(), self.connect_timeout);
        let client = self.open();
        if let Ok(answer) = tokio::time::timeout(after, client.online()).await {
            answer?;
        } else {
            let problem = client.problem().unwrap_or_else(|| "no answer to any packet".into());
            return Err(ConnectError::Unreachable { url, after, problem });
        }
        Ok(client)
    }
}

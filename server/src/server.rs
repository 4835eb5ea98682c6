//! The server put together: hub, channels, workers, HTTP, and the clock that keeps them tidy.

use crate::{
    admission::Admission,
    api::Api,
    auth::{Fault, Full, Gate, Revoke, keyring::Keyring},
    certificate::Watched,
    channel::{
        Assigns, Channel, Connecting, PubSub,
        presence::{self, ENCODE},
        router::Router,
    },
    clock,
    config::{Auth, Config, Console},
    drain::Drain,
    health::{self, Health},
    http::{self, Facts},
    metrics,
    node::Node,
    rates::Rates,
    session::{Shared, hook::Hook, registry::Registry},
    sockets::{Bound, Http},
    statistics::{self, Figures},
    tally::Tally,
    webhook::{self, Webhooks, channel::Hooked},
    worker::{StartError, Work, Worker},
};
use dunlin_certs::{Fingerprint, Live};
use dunlin_hub::{Hub, Message, Presence};
use dunlin_proto::{
    Pattern, Position,
    frame::{Refusal, channel::encode_event},
};
use dunlin_transport::{self as transport, HttpConfig, Keys, Listener};
use std::{
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::{Duration, Instant, SystemTime},
};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

/// A running server. [`Server::shut_down`] drains it; dropping it cuts everybody off.
pub struct Server {
    node: Arc<Node>,
    workers: Vec<Worker>,
    certificate: Arc<Live>,
    health: Arc<Health>,
    drain: Duration,
    _keys: Option<AbortOnDropHandle<()>>,
    _housekeeping: AbortOnDropHandle<()>,
    _statistics: AbortOnDropHandle<()>,
    _presence: AbortOnDropHandle<()>,
    _notices: Option<AbortOnDropHandle<()>>,
}

/// Connections beyond those that are admitted: they are told so, with a code.
const SPARE_CONNECTIONS: usize = 1000;

/// The same of those from one address; over TCP, where what has not become a session yet is not admitted.
const SPARE_PER_ADDRESS: usize = 100;

/// How long the backend is told about the last memberships at least, however short the drain.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What there is at `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// The console.
    Served,
    /// A word about why it is missing from this build.
    Absent,
    /// Nothing: the console is off.
    Off,
}

/// Why a server could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The certificate cannot be had.
    #[error("certificate: {0}")]
    Certificate(#[from] dunlin_certs::Error),
    /// The keys in the data directory cannot be had.
    #[error("data directory: {0}")]
    Keys(#[from] transport::KeyError),
    /// The keys for tokens cannot be had.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Auth(Vec<Fault>),
    /// The backend cannot be dealt with.
    #[error("{0}")]
    Webhook(String),
    /// The network side cannot start.
    #[error(transparent)]
    Worker(#[from] StartError),
}

/// A server in the making: its configuration, and which channel serves which topics.
pub struct Builder {
    config: Config,
    router: Router,
    hook: Hook,
}

impl Builder {
    /// Serves the topics of a pattern with channels that `new` makes, one for each membership. Topics that several
    /// patterns match go to the closest one; those that none matches, to the built-in publish/subscribe channel.
    #[must_use]
    pub fn channel<C: Channel>(
        mut self,
        pattern: Pattern,
        new: impl Fn() -> C + Send + Sync + 'static,
    ) -> Self {
        self.router.add(pattern, new);
        self
    }

    /// Asks this about every client that connects, a known one that comes back included. It may refuse with a code, or set what
    /// the client's channels find in [`Context::assigns`](crate::channel::Context::assigns): those that begin from then on.
    ///
    /// It has as long as a handshake may take (`limits.deadline`). If it takes longer or panics, the client is refused and may try
    /// again.
    ///
    /// ```
    /// # use dunlin_proto::{Code, frame::Refusal};
    /// # use dunlin_server::{Config, Server, channel::{Assigns, Connecting}};
    /// struct User(String);
    ///
    /// # let config = Config::check(&Default::default())?;
    /// let builder = Server::builder(config).connect(|connecting: Connecting| async move {
    ///     let token = connecting.token().ok_or(Refusal::new(Code::TOKEN_REQUIRED))?;
    ///     Ok(Assigns::default().with(User(token.to_owned())))
    /// });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn connect<F>(mut self, ask: impl Fn(Connecting) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Assigns, Refusal>> + Send + 'static,
    {
        self.hook = Hook::new(ask);
        self
    }

    /// Starts the server.
    ///
    /// # Errors
    /// An address is taken, or the data directory or the certificate cannot be used.
    pub async fn start(self) -> Result<Server, Error> {
        let config = &self.config;
        let certificate = Live::open(config.certificate.clone(), SystemTime::now())?;
        let keys = Keys::load_or_create(&config.data_dir)?;
        let listen = transport::ServerConfig {
            idle_timeout: config.idle_timeout,
            socket_buffer: config.socket_buffer,
            retry_above: config.retry_above,
            congestion: config.congestion,
            initial_window: config.initial_window,
            max_connections: config.session.total.saturating_add(SPARE_CONNECTIONS),
            ..transport::ServerConfig::new(config.listen, certificate.clone(), keys)
        };
        self.run(certificate, move |http| http.bind(&listen)).await
    }

    /// Starts the server on a listener of the caller's making, such as an in-memory one.
    ///
    /// # Errors
    /// As [`Builder::start`].
    pub async fn start_on(
        self,
        certificate: Arc<Live>,
        bind: impl FnOnce() -> Result<Listener, transport::BindError> + Send + 'static,
    ) -> Result<Server, Error> {
        self.run(certificate, move |http| http.beside(bind()?)).await
    }

    /// What connections are served with.
    pub(crate) fn node(
        self,
        keyring: Option<Arc<Keyring>>,
        webhooks: Option<Arc<Webhooks>>,
    ) -> (Config, Node) {
        let Self { config, mut router, hook } = self;
        match webhooks.clone() {
            Some(webhooks) => router.fall_back(move || Hooked::new(webhooks.clone())),
            None => router.fall_back(|| PubSub),
        }
        for name in statistics::OWN {
            router.add(name.parse().expect("a legal pattern"), || Figures);
        }
        let mut node = node(&config, router, hook, Gate::new(&config.auth, keyring));
        if let Some(webhooks) = webhooks.clone() {
            node.shared.presence.observe(move |topic, diff| webhooks.present(topic, diff));
        }
        node.webhooks = webhooks;
        (config, node)
    }

    async fn run(
        self,
        certificate: Arc<Live>,
        bind: impl FnOnce(Http) -> Result<Bound, StartError> + Send + 'static,
    ) -> Result<Server, Error> {
        let keyring = match &self.config.auth {
            Auth::On(trust) => Some(Arc::new(Keyring::open((**trust).clone()).map_err(Error::Auth)?)),
            Auth::Off | Auth::Development => None,
        };
        let keys = keyring.clone().map(|keyring| AbortOnDropHandle::new(tokio::spawn(keyring.keep())));
        let webhooks = self.config.webhook.as_deref().map(Webhooks::open).transpose();
        let webhooks = webhooks.map_err(|error: webhook::OpenError| Error::Webhook(error.to_string()))?;
        let notices = webhooks.clone().map(|webhooks| AbortOnDropHandle::new(tokio::spawn(webhooks.tell())));
        let (config, node) = self.node(keyring, webhooks);
        let node = Arc::new(node);
        let health = Arc::<Health>::default();
        let api = Arc::new(Api::new(node.clone(), config.api.clone()));
        let http = http(&config, certificate.clone(), health.clone(), api.clone());
        let admission = Admission::new(config.session.total, config.session.per_address);
        let work = Work { node: node.clone(), admission, health: health.clone() };
        let worker = Worker::start(0, work, move || bind(http)).await?;
        let watched = Watched::new(certificate.clone(), worker.addresses.listen.port());
        let housekeeping = tokio::spawn(keep_house(node.clone(), api, watched));
        let presence = tokio::spawn(presence::tell(node.shared.presence.clone()));
        let statistics = tokio::spawn(statistics::publish(node.clone()));
        Ok(Server {
            node,
            workers: vec![worker],
            certificate,
            health,
            drain: config.drain,
            _keys: keys,
            _housekeeping: AbortOnDropHandle::new(housekeeping),
            _statistics: AbortOnDropHandle::new(statistics),
            _presence: AbortOnDropHandle::new(presence),
            _notices: notices,
        })
    }
}

impl Server {
    /// A server with this configuration, to add channels to.
    #[must_use]
    pub fn builder(config: Config) -> Builder {
        Builder { config, router: Router::default(), hook: Hook::default() }
    }

    /// The UDP address it serves.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.workers[0].addresses.listen
    }

    /// The address of HTTP and WebSocket over TLS, if any.
    #[must_use]
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.workers[0].addresses.tcp
    }

    /// The address of plain HTTP, if any.
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.workers[0].addresses.http
    }

    /// Whether there is a console at `/`, and if not, why.
    #[must_use]
    pub fn console(&self) -> Page {
        match (&self.node.console, http::is_built()) {
            (Console::Off, _) => Page::Off,
            (_, false) => Page::Absent,
            (_, true) => Page::Served,
        }
    }

    /// How many sessions there are, those included that wait for their client.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.node.registry.len()
    }

    /// The certificate in force.
    #[must_use]
    pub fn certificate(&self) -> &Live {
        &self.certificate
    }

    /// SHA-256 of the certificate in force.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.certificate.fingerprint()
    }

    /// Revokes a user's tokens, a session or a token. Live sessions that it concerns end at once, with `TOKEN_EXPIRED`, and are
    /// not resumed; the tokens are refused for as long as they could come again. Says how many sessions there were.
    ///
    /// # Errors
    /// As many revocations are remembered as can be. The sessions have ended all the same.
    pub fn revoke(&self, what: &Revoke) -> Result<usize, Full> {
        self.node.revoke(what)
    }

    /// Refuses new connections, asks clients to leave within the configured time, cuts off those who have not, and ends.
    pub async fn shut_down(self) {
        self.health.worsen(health::State::Draining);
        self.node.drain.begin(self.drain);
        let end = Instant::now() + self.drain.max(LAST_WORDS);
        for worker in self.workers {
            worker.stop(self.drain).await;
        }
        if let Some(webhooks) = &self.node.webhooks {
            webhooks.finish(end.saturating_duration_since(Instant::now()).max(LAST_WORDS)).await;
        }
    }
}

fn http(config: &Config, certificate: Arc<Live>, health: Arc<Health>, api: Arc<Api>) -> Http {
    let facts = Facts {
        health,
        metrics: metrics::recorder(),
        certificate,
        origins: config.origins.clone(),
        console: config.console.clone(),
        api,
        ports: OnceLock::new(),
    };
    let base = HttpConfig {
        origins: config.origins.clone(),
        idle_timeout: config.idle_timeout,
        max_connections: config.session.total.saturating_add(SPARE_CONNECTIONS),
        max_per_network: config.session.per_address.saturating_add(SPARE_PER_ADDRESS),
        ..HttpConfig::new(config.listen, axum::Router::new())
    };
    Http { facts: Arc::new(facts), base, tcp: config.tcp, plain: config.http }
}

fn node(config: &Config, router: Router, hook: Hook, gate: Gate) -> Node {
    let tally = Arc::<Tally>::default();
    let rates = Arc::new(Rates::new(config.rates, &config.namespaces));
    // Above 0 and far enough below 2^53 that it never gets there, one new log or entry at a time.
    let first = || rand::random_range(1..1 << 52);
    Node {
        shared: Shared {
            hub: Hub::new(config.hub.clone(), encode, first()),
            router,
            bounds: config.session,
            channels: config.channels,
            namespaces: Arc::new(config.namespaces.clone()),
            presence: Presence::new(config.presence.bounds, ENCODE, first()),
            shows: config.presence,
            tally: tally.clone(),
            rates: rates.clone(),
            memberships: TaskTracker::new(),
            witness: None,
        },
        registry: Registry::new(config.session, tally, rates),
        hook,
        webhooks: None,
        drain: Drain::new(),
        idle_timeout: config.idle_timeout,
        gate,
        console: config.console.clone(),
        history_limit: config.hub.memory,
    }
}

/// The frame that every subscriber's stream will carry.
fn encode(position: Position, at: u64, message: &Message) -> bytes::Bytes {
    encode_event(position.offset, at, &message.event, &message.payload, message.key.as_deref())
}

/// Once a second: history expires, parked sessions end, the certificate is looked at.
async fn keep_house(node: Arc<Node>, api: Arc<Api>, mut certificate: Watched) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        second.tick().await;
        node.shared.hub.sweep(clock::now_ms());
        node.registry.sweep(Instant::now());
        node.gate.sweep();
        api.sweep();
        node.shared.rates.sweep();
        metrics::hub(&node.shared.hub.usage());
        metrics::presence(&node.shared.presence.usage());
        certificate.look();
    }
}

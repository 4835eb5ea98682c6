//! Dialling by one way, and what is kept for the next time: sockets, tickets, what is trusted, what worked.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use dunlin_certs::{Fingerprint, local};
use dunlin_transport::{ClientConfig, Connection, Dialer};
use tokio::{task::JoinSet, time::timeout};

use crate::{
    Builder,
    address::{Address, Scheme, UrlError},
    ending::Ending,
    networks::Networks,
    route::{Route, Way},
    trust::{Trust, Verifier},
};

/// How long an address may not answer before the next one is tried beside it (RFC 8305, 8: Connection Attempt Delay).
const STAGGER: Duration = Duration::from_millis(250);

/// Dials for one client.
#[derive(Debug, Clone)]
pub(crate) struct Dial {
    settings: Builder,
    dialers: Arc<Dialers>,
    /// The address that answered last.
    good: Option<SocketAddr>,
}

/// One dialer for each way: one socket and one store of tickets as long as what is trusted stays the same.
#[derive(Debug, Default)]
pub(crate) struct Dialers(Mutex<Option<Ready>>);

#[derive(Debug)]
struct Ready {
    /// The local server's certificate that is trusted.
    local: Option<Fingerprint>,
    config: ClientConfig,
    open: Vec<(Way, Arc<Dialer>)>,
}

impl Dial {
    pub(crate) fn new(settings: Builder) -> Self {
        let dialers = settings.dialers.clone().unwrap_or_default();
        Self { settings, dialers, good: None }
    }

    /// The ways to a server.
    pub(crate) fn route(&self, to: &Address) -> Result<Route, UrlError> {
        let mut route = Route::of(to.scheme, self.settings.only)?;
        if self.settings.dialer.is_some() && self.settings.fallback_dialer.is_none() {
            route.fallback = None;
        }
        Ok(route)
    }

    /// Whether to go where a server sends this client. A server that was reached over TLS is not followed to where
    /// others could read the ticket and the token.
    pub(crate) fn may_follow(&self, to: &Address) -> bool {
        let is_as_safe = to.scheme != Scheme::Ws || self.settings.address.scheme == Scheme::Ws;
        is_as_safe && self.route(to).is_ok()
    }

    /// The addresses of the server's host, one at least, beginning with the one that answered the last time. `turn`
    /// rotates them: where early data is possible a connection is here before there is an answer, and another attempt
    /// should try another address.
    pub(crate) async fn resolve(&self, to: &Address, turn: u32) -> Result<Vec<SocketAddr>, Ending> {
        let found = tokio::net::lookup_host((to.host.as_str(), to.port)).await;
        let mut addresses: Vec<_> = found
            .map_err(|error| Ending::Lost(format!("cannot find the address of {}: {error}", to.host)))?
            .collect();
        if addresses.is_empty() {
            return Err(Ending::Lost(format!("{} has no address", to.host)));
        }
        if let Some(good) = addresses.iter().position(|address| Some(*address) == self.good) {
            addresses.swap(0, good);
        }
        let turn = turn as usize % addresses.len();
        addresses.rotate_left(turn);
        Ok(addresses)
    }

    /// Connects by one way to the first of these addresses that answers.
    pub(crate) async fn reach(
        &self,
        to: &Address,
        way: Way,
        addresses: &[SocketAddr],
    ) -> Result<Connection, Ending> {
        let Builder { dialer, fallback_dialer, .. } = &self.settings;
        let given = if way.is_udp() { dialer.as_ref() } else { fallback_dialer.as_ref().or(dialer.as_ref()) };
        let dialer = match given {
            Some(given) => given.clone(),
            None => self.dialers.get(&self.settings, to, way)?,
        };
        stagger(&dialer, addresses, &to.host).await
    }

    /// Remembers an address at which the server has answered.
    pub(crate) fn answered(&mut self, address: SocketAddr) {
        self.good = Some(address);
    }

    /// How long the first way is tried alone.
    pub(crate) fn head_start(&self) -> Duration {
        self.settings.head_start
    }

    /// The networks that clients of these settings have met.
    pub(crate) fn networks(&self) -> MutexGuard<'_, Networks> {
        // Nothing panics while it is locked; and if it did, the worst is a head start more or less.
        self.settings.networks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Dialers {
    /// Opens what a client of these settings dials first, now.
    pub(crate) fn open(settings: &Builder) -> Result<Self, Ending> {
        let dialers = Self::default();
        let route = Route::of(settings.address.scheme, settings.only);
        let ways = route.into_iter().flat_map(|route| [Some(route.first), route.fallback]);
        for way in ways.flatten() {
            dialers.get(settings, &settings.address, way)?;
        }
        Ok(dialers)
    }

    /// The dialer in use, or a new one if a local server has announced another certificate. An announcement that is
    /// gone, as while the server restarts, changes nothing: what it said is still true.
    fn get(&self, settings: &Builder, to: &Address, way: Way) -> Result<Arc<Dialer>, Ending> {
        let looks = settings.trust == Trust::Auto && to.is_loopback();
        let announced = looks.then(|| local::find(to.port)).flatten();
        let mut ready = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = match &mut *ready {
            Some(ready) if announced.is_none() || announced == ready.local => ready,
            outdated => outdated.insert(Ready::new(settings, announced)?),
        };
        if let Some((_, dialer)) = ready.open.iter().find(|(open, _)| *open == way) {
            return Ok(dialer.clone());
        }
        let dialer = Arc::new(open(way, ready.config.clone())?);
        ready.open.push((way, dialer.clone()));
        Ok(dialer)
    }
}

impl Ready {
    fn new(settings: &Builder, local: Option<Fingerprint>) -> Result<Self, Ending> {
        let verifier =
            Verifier::new(&settings.trust, local).map_err(|error| Ending::Untrusted(error.to_string()))?;
        let mut config = ClientConfig::new(Arc::new(verifier));
        config.keep_alive = settings.keep_alive;
        Ok(Self { local, config, open: Vec::new() })
    }
}

fn open(way: Way, config: ClientConfig) -> Result<Dialer, Ending> {
    let dialer = match way {
        Way::Quic => Dialer::quic(config),
        Way::WebTransport => Dialer::webtransport(config),
        Way::WebSocket => Dialer::websocket(config),
        Way::PlainWebSocket => Dialer::websocket_plain(config),
    };
    dialer.map_err(|error| Ending::Lost(error.to_string()))
}

/// Dials one address after the other, without waiting long for any, and takes the first that answers.
async fn stagger(dialer: &Arc<Dialer>, addresses: &[SocketAddr], host: &str) -> Result<Connection, Ending> {
    let mut attempts = JoinSet::new();
    let mut last = None;
    for address in addresses.iter().copied() {
        let (dialer, host) = (dialer.clone(), host.to_owned());
        attempts.spawn(async move { dialer.dial(address, &host).await });
        match timeout(STAGGER, attempts.join_next()).await {
            Ok(Some(Ok(Ok(connection)))) => return Ok(connection),
            Ok(Some(Ok(Err(error)))) => last = Some(error),
            Ok(Some(Err(_)) | None) | Err(_) => {}
        }
    }
    while let Some(attempt) = attempts.join_next().await {
        match attempt {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => last = Some(error),
            Err(_) => {}
        }
    }
    Err(last.map_or_else(|| Ending::Lost("no address could be dialled".into()), Ending::from))
}

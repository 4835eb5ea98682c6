//! Dialling by one way, and what is kept for the next time: sockets, tickets, what is trusted, what worked.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use dunlin_certs::{Fingerprint, local};
use dunlin_transport::{ClientConfig, Dialer, Interface};

use crate::{
    Builder,
    address::{Address, Scheme, UrlError},
    ending::Ending,
    networks::Networks,
    route::{Route, Way},
    trust::{Trust, Verifier},
};

/// Dials for one client.
#[derive(Debug, Clone)]
pub(crate) struct Dial {
    settings: Builder,
    dialers: Arc<Dialers>,
    /// The address that answered last.
    good: Option<SocketAddr>,
    /// What the server's name stood for the last time.
    known: Vec<SocketAddr>,
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
        Self { settings, dialers, good: None, known: Vec::new() }
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

    /// The server's addresses as they were found the last time; none before.
    pub(crate) fn known(&self) -> &[SocketAddr] {
        &self.known
    }

    /// The addresses of the server's host, one at least, in the order in which they are to be tried.
    ///
    /// With `again` what is known is not believed. Otherwise nobody is asked who may be as far away as the server.
    pub(crate) async fn resolve(&self, to: &Address, again: bool) -> Result<Vec<SocketAddr>, Ending> {
        if !again && !self.known.is_empty() && *to == self.settings.address {
            return Ok(in_order(self.known.clone(), self.good));
        }
        let found = tokio::net::lookup_host((to.host.as_str(), to.port)).await;
        let addresses: Vec<_> = found
            .map_err(|error| Ending::Lost(format!("cannot find the address of {}: {error}", to.host)))?
            .collect();
        if addresses.is_empty() {
            return Err(Ending::Lost(format!("{} has no address", to.host)));
        }
        Ok(in_order(addresses, self.good))
    }

    /// What connects by one way.
    pub(crate) fn dialer(&self, to: &Address, way: Way) -> Result<Arc<Dialer>, Ending> {
        let Builder { dialer, fallback_dialer, .. } = &self.settings;
        let given = if way.is_udp() { dialer.as_ref() } else { fallback_dialer.as_ref().or(dialer.as_ref()) };
        match given {
            Some(given) => Ok(given.clone()),
            None => self.dialers.get(&self.settings, to, way),
        }
    }

    /// What connects by one way through one interface, whatever the system prefers; it moves with the system's choice.
    pub(crate) fn dialer_through(
        &self,
        to: &Address,
        way: Way,
        interface: &Interface,
    ) -> Result<Arc<Dialer>, Ending> {
        let config = self.dialers.config(&self.settings, to)?;
        let through =
            open(way, ClientConfig { interface: (!way.is_udp()).then(|| interface.clone()), ..config })?;
        if way.is_udp() {
            through.rebind_to(interface).map_err(|error| Ending::Lost(error.to_string()))?;
        }
        Ok(Arc::new(through))
    }

    /// Remembers the addresses of a server, and the one at which it has answered.
    pub(crate) fn answered(&mut self, to: &Address, addresses: Vec<SocketAddr>, at: SocketAddr) {
        if *to == self.settings.address {
            self.known = addresses;
        }
        self.good = Some(at);
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
        let mut ready = self.ready(settings, to)?;
        let ready = ready.as_mut().expect("it was just made ready");
        if let Some((_, dialer)) = ready.open.iter().find(|(open, _)| *open == way) {
            return Ok(dialer.clone());
        }
        let dialer = Arc::new(open(way, ready.config.clone())?);
        ready.open.push((way, dialer.clone()));
        Ok(dialer)
    }

    /// How to dial now.
    fn config(&self, settings: &Builder, to: &Address) -> Result<ClientConfig, Ending> {
        let ready = self.ready(settings, to)?;
        Ok(ready.as_ref().expect("it was just made ready").config.clone())
    }

    fn ready(&self, settings: &Builder, to: &Address) -> Result<MutexGuard<'_, Option<Ready>>, Ending> {
        let looks = settings.trust == Trust::Auto && to.is_loopback();
        let announced = looks.then(|| local::find(to.port)).flatten();
        let mut ready = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !ready.as_ref().is_some_and(|ready| announced.is_none() || announced == ready.local) {
            *ready = Some(Ready::new(settings, announced)?);
        }
        Ok(ready)
    }
}

/// So many dialers for the first way to a server, each with a socket of its own, and the server's addresses.
pub(crate) async fn open_many(
    settings: &Builder,
    n: usize,
    change: impl FnOnce(&mut ClientConfig),
) -> Result<(Vec<Dialer>, Vec<SocketAddr>), Ending> {
    let dial = Dial::new(settings.clone());
    let to = &settings.address;
    let addresses = dial.resolve(to, false).await?;
    let route = dial.route(to).map_err(|error| Ending::Lost(error.to_string()))?;
    let mut config = dial.dialers.config(settings, to)?;
    change(&mut config);
    let dialers = (0..n).map(|_| open(route.first, config.clone())).collect::<Result<_, _>>()?;
    Ok((dialers, addresses))
}

impl Ready {
    fn new(settings: &Builder, local: Option<Fingerprint>) -> Result<Self, Ending> {
        let verifier =
            Verifier::new(&settings.trust, local).map_err(|error| Ending::Untrusted(error.to_string()))?;
        let mut config = ClientConfig::new(Arc::new(verifier));
        config.keep_alive = settings.keep_alive;
        config.congestion = settings.congestion;
        if let Some(window) = settings.initial_window {
            config.initial_window = window;
        }
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

/// The one that was good the last time first, and then by turns of each family: one of them may not get through at all
/// (RFC 8305, 4). Otherwise in the order of the resolver, which knows what is preferred here (RFC 6724).
fn in_order(addresses: Vec<SocketAddr>, good: Option<SocketAddr>) -> Vec<SocketAddr> {
    let is_first = |address: &SocketAddr| Some(*address) == good;
    let (mut ordered, rest): (Vec<_>, Vec<_>) = addresses.into_iter().partition(is_first);
    ordered.truncate(1);
    let Some(first) = ordered.first().or(rest.first()).copied() else { return ordered };
    let is_other = |address: &SocketAddr| address.is_ipv4() != first.is_ipv4();
    let (others, same): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_other);
    let (mut others, mut same) = (others.into_iter(), same.into_iter());
    if ordered.is_empty() {
        ordered.extend(same.next());
    }
    loop {
        let turn = [others.next(), same.next()];
        if turn == [None, None] {
            return ordered;
        }
        ordered.extend(turn.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns_and_what_was_good_is_first() {
        let address = |text: &str| -> SocketAddr { text.parse().unwrap() };
        let [a6, b6, c6] = ["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1"].map(address);
        let [a4, b4] = ["192.0.2.1:1", "192.0.2.2:1"].map(address);
        let found = vec![a6, b6, c6, a4, b4];
        assert_eq!(in_order(found.clone(), None), [a6, a4, b6, b4, c6]);
        assert_eq!(in_order(found.clone(), Some(b4)), [b4, a6, a4, b6, c6]);
        assert_eq!(in_order(found, Some(address("192.0.2.9:1"))), [a6, a4, b6, b4, c6]);
        assert_eq!(in_order(vec![a4], Some(a4)), [a4]);
    }
}

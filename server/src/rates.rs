//! How much may come in a second: from one address, in one session, to one topic (GCRA, by the `governor` crate).
//!
//! What is not bounded costs a branch; a push that is bounded by session and topic, a quarter of a microsecond. Nobody is delayed: what is too much is refused with
//! `RATE_LIMITED` and the time after which it would not be.

use crate::config;
use dunlin_proto::{Code, Patterns, Topic, frame::Refusal};
use dunlin_transport::network;
use governor::{
    DefaultDirectRateLimiter, NotUntil, Quota, RateLimiter,
    clock::{Clock, DefaultClock, Reference},
    state::keyed::HashMapStateStore,
};
use std::{hash::Hash, net::IpAddr, num::NonZeroU32, sync::Arc, time::Duration};

/// The bounds of one server.
pub(crate) struct Rates {
    connections: Option<Connections>,
    joins: Option<NonZeroU32>,
    pushes: Option<NonZeroU32>,
    publishes: Option<Arc<Keyed<Topic>>>,
    /// Those of namespaces, in place of it.
    by_pattern: Patterns<Option<Arc<Keyed<Topic>>>>,
}

/// A bound for each address, and one on how often each is told of it.
struct Connections {
    admitted: Keyed<IpAddr>,
    told: Keyed<IpAddr>,
}

/// Why a connection is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excess {
    /// It is to be told so, with a code.
    Told,
    /// Too many were told already: telling this one would cost a handshake.
    Flood,
}

/// The bounds of one session.
pub(crate) struct SessionRates {
    joins: Option<DefaultDirectRateLimiter>,
    pushes: Option<DefaultDirectRateLimiter>,
}

/// The bound on pushes to one topic, which all who push to it share.
pub(crate) struct TopicRate {
    topic: Topic,
    pushes: Option<Arc<Keyed<Topic>>>,
}

/// Most keys of which something is remembered. With more, those that are new share one bound.
const MOST_KEYS: usize = 100_000;

pub(crate) struct Keyed<K: Clone + Hash + Eq> {
    each: RateLimiter<K, HashMapStateStore<K>, DefaultClock>,
    rest: DefaultDirectRateLimiter,
}

impl Rates {
    pub(crate) fn new(bounds: config::Rates, namespaces: &config::Namespaces) -> Self {
        let keyed = |most| NonZeroU32::new(most).map(Keyed::new).map(Arc::new);
        Self {
            connections: NonZeroU32::new(bounds.connections)
                .map(|most| Connections { admitted: Keyed::new(most), told: Keyed::new(most) }),
            joins: NonZeroU32::new(bounds.joins),
            pushes: NonZeroU32::new(bounds.pushes),
            publishes: keyed(bounds.publishes),
            by_pattern: namespaces.by_pattern().map(|namespace| keyed(namespace.publishes)),
        }
    }

    /// Counts an attempt to connect.
    pub(crate) fn connect(&self, address: IpAddr) -> Result<(), Excess> {
        let Some(connections) = &self.connections else { return Ok(()) };
        let place = network(address);
        match connections.admitted.check(&place) {
            Ok(()) => Ok(()),
            Err(_) if connections.told.check(&place).is_ok() => Err(Excess::Told),
            Err(_) => Err(Excess::Flood),
        }
    }

    /// The bound of a topic: that of its namespace, or the one for all.
    pub(crate) fn topic(&self, topic: Topic) -> TopicRate {
        let pushes = self.by_pattern.get(&topic).unwrap_or(&self.publishes).clone();
        TopicRate { topic, pushes }
    }

    /// The bounds of a session that begins.
    pub(crate) fn session(&self) -> SessionRates {
        SessionRates { joins: self.joins.map(direct), pushes: self.pushes.map(direct) }
    }

    /// Forgets what no longer matters: to be called every second or so.
    pub(crate) fn sweep(&self) {
        if let Some(Connections { admitted, told }) = &self.connections {
            admitted.sweep();
            told.sweep();
        }
        let by_pattern = self.by_pattern.iter().filter_map(|(_, publishes)| publishes.as_ref());
        by_pattern.chain(&self.publishes).for_each(|publishes| publishes.sweep());
    }
}

impl SessionRates {
    /// Counts a join, or a new token.
    pub(crate) fn join(&self) -> Result<(), Refusal> {
        check(self.joins.as_ref(), "too many joins")
    }

    /// Counts a push.
    pub(crate) fn push(&self) -> Result<(), Refusal> {
        check(self.pushes.as_ref(), "too many pushes")
    }
}

impl TopicRate {
    /// Counts a push.
    pub(crate) fn push(&self) -> Result<(), Refusal> {
        let Some(pushes) = &self.pushes else { return Ok(()) };
        pushes.check(&self.topic).map_err(|wait| limited("too many pushes to this topic", wait))
    }
}

/// A bound with a burst of as many.
pub(crate) fn direct(most: NonZeroU32) -> DefaultDirectRateLimiter {
    RateLimiter::direct(Quota::per_second(most))
}

/// Counts one, where there is a bound.
pub(crate) fn check(limiter: Option<&DefaultDirectRateLimiter>, what: &str) -> Result<(), Refusal> {
    match limiter.map(RateLimiter::check) {
        None | Some(Ok(())) => Ok(()),
        Some(Err(until)) => Err(limited(what, wait(&until))),
    }
}

impl<K: Clone + Hash + Eq> Keyed<K> {
    pub(crate) fn new(most: NonZeroU32) -> Self {
        Self { each: RateLimiter::hashmap(Quota::per_second(most)), rest: direct(most) }
    }

    pub(crate) fn check(&self, key: &K) -> Result<(), Duration> {
        let checked = if self.each.len() < MOST_KEYS { self.each.check_key(key) } else { self.rest.check() };
        checked.map_err(|until| wait(&until))
    }

    pub(crate) fn sweep(&self) {
        self.each.retain_recent();
        self.each.shrink_to_fit();
    }
}

fn wait<P: Reference>(until: &NotUntil<P>) -> Duration
where
    DefaultClock: Clock<Instant = P>,
{
    until.wait_time_from(DefaultClock::default().now())
}

pub(crate) fn limited(what: &str, wait: Duration) -> Refusal {
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
    let text = format!("{what} in a short time; the next in {millis} ms");
    Refusal { retry_after_ms: Some(millis), ..Refusal::because(Code::RATE_LIMITED, &text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(bounds: config::Rates) -> Rates {
        Rates::new(bounds, &config::Namespaces::default())
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_not_bounded_is_not_counted() {
        let rates = rates(config::Rates::default());
        let (session, topic) = (rates.session(), rates.topic("a".parse().unwrap()));
        for _ in 0..10_000 {
            assert!(rates.connect(ip("192.0.2.1")).is_ok() && topic.push().is_ok());
            assert!(session.join().is_ok() && session.push().is_ok());
        }
    }

    #[test]
    fn an_address_is_told_and_then_ignored_and_no_other_notices() {
        let rates = rates(config::Rates { connections: 2, ..config::Rates::default() });
        let connect = |address| rates.connect(ip(address));
        let here = [(); 5].map(|()| connect("192.0.2.1"));
        let told = Err(Excess::Told);
        assert_eq!(here, [Ok(()), Ok(()), told, told, Err(Excess::Flood)]);
        assert_eq!(connect("192.0.2.2"), Ok(()));
        // An IPv6 network is one place.
        assert_eq!((connect("2001:db8::1"), connect("2001:db8::2")), (Ok(()), Ok(())));
        assert_eq!(connect("2001:db8::3"), told);
    }

    #[test]
    fn a_session_and_a_topic_have_bounds_of_their_own_and_say_when() {
        let rates = rates(config::Rates { joins: 1, pushes: 1, publishes: 1, connections: 0 });
        let (one, other) = (rates.session(), rates.session());
        let (a, b) = (rates.topic("a".parse().unwrap()), rates.topic("b".parse().unwrap()));
        assert!(one.push().is_ok() && other.push().is_ok() && one.join().is_ok());
        assert!(a.push().is_ok() && b.push().is_ok());
        for refused in [one.push(), one.join(), rates.topic("a".parse().unwrap()).push()] {
            let refusal = refused.unwrap_err();
            assert_eq!(refusal.code, Code::RATE_LIMITED);
            assert!((1..=1000).contains(&refusal.retry_after_ms.unwrap()), "{refusal:?}");
        }
    }

    #[test]
    fn memory_is_bounded_and_the_rest_shares() {
        let rates = rates(config::Rates { connections: 1, ..config::Rates::default() });
        for n in 0..u32::try_from(MOST_KEYS).unwrap() {
            let _ = rates.connect(std::net::Ipv4Addr::from(n).into());
        }
        let connections = rates.connections.as_ref().unwrap();
        assert_eq!(connections.admitted.each.len(), MOST_KEYS);
        let strangers = [ip("203.0.113.1"), ip("203.0.113.2")].map(|address| rates.connect(address).is_ok());
        assert_eq!(strangers, [true, false]);
        assert_eq!(connections.admitted.each.len(), MOST_KEYS);
    }

    /// `cargo test --release -p dunlin-server --lib rates -- --ignored --nocapture` says what a push costs more.
    #[test]
    #[ignore = "a measurement"]
    fn what_a_check_costs() {
        for most in [0, 1_000_000] {
            let rates = rates(config::Rates { pushes: most, publishes: most, ..config::Rates::default() });
            let (session, topic) = (rates.session(), rates.topic("room:42".parse().unwrap()));
            let start = std::time::Instant::now();
            for _ in 0..1_000_000 {
                let _ = std::hint::black_box((session.push(), topic.push()));
            }
            println!("at most {most}: {:?} a push", start.elapsed() / 1_000_000);
        }
    }
}

//! What is remembered of the networks this device has been on: whether QUIC gets through.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

/// The head start of QUIC before WebSocket is tried beside it, unless set otherwise: two round trips on a slow mobile
/// network, in which QUIC answers where it gets through at all, and no more than a user bears.
pub(crate) const HEAD_START: Duration = Duration::from_millis(500);

/// How long a memory counts: the café may have mended its network, and the address may be another café's.
const LIFETIME: Duration = Duration::from_secs(60 * 60);

/// Networks remembered at most; the one that was heard of least recently is forgotten for another.
const MOST: usize = 32;

/// A network, by the addresses this device has there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Name(Vec<IpAddr>);

impl Name {
    /// The network in which a server is reached from these addresses, one for each family; none if from none.
    pub(crate) fn from_local(addresses: impl IntoIterator<Item = IpAddr>) -> Option<Self> {
        let mut name: Vec<_> = addresses.into_iter().map(stable).collect();
        name.sort_unstable();
        name.dedup();
        if name.is_empty() { None } else { Some(Self(name)) }
    }
}

/// Without the half of an IPv6 address that devices change every day (RFC 8981): the rest is the network's.
fn stable(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// Whether QUIC got through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quic {
    /// The server answered.
    Works,
    /// The server answered over TCP only.
    Blocked,
}

/// A bounded memory of networks. The time comes in with each call.
#[derive(Debug, Default)]
pub(crate) struct Networks(HashMap<Name, (Quic, Instant)>);

impl Networks {
    /// Takes note of what has just been found out.
    pub(crate) fn remember(&mut self, name: Name, quic: Quic, now: Instant) {
        self.0.retain(|_, (_, at)| is_fresh(*at, now));
        if self.0.len() >= MOST && !self.0.contains_key(&name) {
            let oldest = self.0.iter().min_by_key(|(_, (_, at))| *at).map(|(name, _)| name.clone());
            oldest.map(|name| self.0.remove(&name));
        }
        self.0.insert(name, (quic, now));
    }

    /// What was found out lately.
    pub(crate) fn recall(&self, name: &Name, now: Instant) -> Option<Quic> {
        self.0.get(name).filter(|(_, at)| is_fresh(*at, now)).map(|(quic, _)| *quic)
    }
}

fn is_fresh(at: Instant, now: Instant) -> bool {
    now.saturating_duration_since(at) < LIFETIME
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn network(n: u8) -> Name {
        Name::from_local([IpAddr::from([10, 0, 0, n])]).unwrap()
    }

    #[test]
    fn the_latest_finding_counts_for_an_hour() {
        let start = Instant::now();
        let mut networks = Networks::default();
        assert_eq!(networks.recall(&network(1), start), None);
        networks.remember(network(1), Quic::Works, start);
        networks.remember(network(1), Quic::Blocked, start);
        assert_eq!(networks.recall(&network(1), start + LIFETIME / 2), Some(Quic::Blocked));
        assert_eq!(networks.recall(&network(2), start), None);
        assert_eq!(networks.recall(&network(1), start + LIFETIME), None);
    }

    #[test]
    fn a_network_keeps_its_name_when_a_temporary_address_changes() {
        let name = |texts: &[&str]| Name::from_local(texts.iter().map(|text| text.parse().unwrap()));
        assert_eq!(name(&["192.0.2.7", "2001:db8::1"]), name(&["2001:db8::beef:1", "192.0.2.7"]));
        assert_ne!(name(&["192.0.2.7", "2001:db8::1"]), name(&["192.0.2.7", "2001:db8:0:1::1"]));
        assert_ne!(name(&["192.0.2.7"]), name(&["192.0.2.8"]));
        assert_eq!(name(&[]), None);
    }

    proptest! {
        #[test]
        fn the_memory_is_bounded_and_keeps_the_most_recent(
            visits in prop::collection::vec((any::<u8>(), any::<bool>(), 0..600_u64), 1..200),
        ) {
            let mut now = Instant::now();
            let mut networks = Networks::default();
            let mut last = HashMap::new();
            for (n, works, seconds) in visits {
                now += Duration::from_secs(seconds);
                let quic = if works { Quic::Works } else { Quic::Blocked };
                networks.remember(network(n), quic, now);
                last.insert(n, (quic, now));
                prop_assert!(networks.0.len() <= MOST);
                prop_assert_eq!(networks.recall(&network(n), now), Some(quic));
            }
            // What is recalled at all is what was found out last, and lately.
            for (n, (quic, at)) in last {
                if let Some(recalled) = networks.recall(&network(n), now) {
                    prop_assert_eq!(recalled, quic);
                    prop_assert!(now - at < LIFETIME);
                }
            }
        }
    }
}

//! Where a client's packets come from, and came from before. Pure: addresses and times come in.
//!
//! QUIC follows a client that changes its address, and has no word about it; so somebody looks now and then. An address counts
//! from its first packet on, before the client has proved that it is there (RFC 9000, 9.3): what is written here is for
//! people, and gives nobody a right.

use std::{collections::VecDeque, net::SocketAddr, time::Instant};

/// Changes that are remembered.
const REMEMBERED: usize = 8;

/// The path of one session's client.
#[derive(Debug, Clone)]
pub(crate) struct Path {
    address: SocketAddr,
    changes: u64,
    last: VecDeque<Change>,
}

/// One change of address of a connection that lived on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) at: Instant,
    pub(crate) kind: Kind,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
}

/// What is different about an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The port alone: most often a NAT that has forgotten the client.
    Port,
    /// The IP address: most often another network.
    Address,
    /// From IPv4 to IPv6, or back.
    Family,
}

impl Path {
    /// A path that begins here.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, changes: 0, last: VecDeque::new() }
    }

    /// Looks at where the connection's packets come from now; what has changed since the last look, if anything.
    pub(crate) fn look(&mut self, address: SocketAddr, at: Instant) -> Option<Change> {
        let kind = Kind::between(self.address, address)?;
        let change = Change { at, kind, from: self.address, to: address };
        self.address = address;
        self.changes += 1;
        if self.last.len() == REMEMBERED {
            self.last.pop_front();
        }
        self.last.push_back(change);
        Some(change)
    }

    /// The client goes on from here on another connection, which is no change of a path.
    pub(crate) fn begin(&mut self, address: SocketAddr) {
        self.address = address;
    }

    /// How many changes there were in all.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// The last of them, newest first.
    pub(crate) fn last(&self) -> impl Iterator<Item = &Change> {
        self.last.iter().rev()
    }
}

impl Kind {
    /// The name in metrics and figures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Port => "port",
            Self::Address => "address",
            Self::Family => "family",
        }
    }

    fn between(from: SocketAddr, to: SocketAddr) -> Option<Self> {
        let (old, new) = (from.ip().to_canonical(), to.ip().to_canonical());
        if old.is_ipv4() != new.is_ipv4() {
            Some(Self::Family)
        } else if old != new {
            Some(Self::Address)
        } else {
            (from.port() != to.port()).then_some(Self::Port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_change_says_what_is_different() {
        let now = Instant::now();
        let mut path = Path::new(address("192.0.2.1:1000"));
        let steps = [
            ("192.0.2.1:1000", None),
            ("[::ffff:192.0.2.1]:1000", None),
            ("192.0.2.1:1001", Some(Kind::Port)),
            ("198.51.100.1:1001", Some(Kind::Address)),
            ("198.51.100.2:7", Some(Kind::Address)),
            ("[2001:db8::1]:7", Some(Kind::Family)),
            ("[2001:db8::1]:8", Some(Kind::Port)),
        ];
        for (to, kind) in steps {
            assert_eq!(path.look(address(to), now).map(|change| change.kind), kind, "{to}");
        }
        let newest = path.last().next().copied();
        let (from, to) = (address("[2001:db8::1]:7"), address("[2001:db8::1]:8"));
        assert_eq!(newest, Some(Change { at: now, kind: Kind::Port, from, to }));
        assert_eq!(path.changes(), 5);
    }

    #[test]
    fn the_history_is_short_and_the_count_is_not() {
        let now = Instant::now();
        let mut path = Path::new(address("192.0.2.1:1"));
        for port in 2..=20 {
            path.look(SocketAddr::from(([192, 0, 2, 1], port)), now);
        }
        let ports: Vec<_> = path.last().map(|change| change.to.port()).collect();
        assert_eq!((path.changes(), ports), (19, (13..=20).rev().collect()));
    }

    #[test]
    fn another_connection_is_no_change() {
        let now = Instant::now();
        let mut path = Path::new(address("192.0.2.1:1"));
        path.begin(address("198.51.100.1:1"));
        assert_eq!(path.look(address("198.51.100.1:1"), now), None);
        assert_eq!(path.changes(), 0);
    }
}

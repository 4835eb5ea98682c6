//! Who shares an address.

use std::net::{IpAddr, Ipv6Addr};

/// One customer: an IPv4 address, or the /64 network that an IPv6 host can pick addresses from at will. IPv4 addresses
/// in IPv6 clothes stand as such.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

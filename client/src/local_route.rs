//! From which of this device's addresses a server would be reached now.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use crate::networks::Name;

/// The local addresses that the system would use to reach a server, one of a family at least. Another route is a reason
/// to move: connections that stay would be sent from an address that the device no longer has, or by the slower way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LocalRoute {
    v4: Option<IpAddr>,
    v6: Option<IpAddr>,
}

impl LocalRoute {
    /// The route to a server, by its first address of each family; none if there is no way. No packet goes out:
    /// connecting a UDP socket only asks for the route.
    pub(crate) fn to(addresses: &[SocketAddr]) -> Option<Self> {
        let from = |is_family: fn(&SocketAddr) -> bool| {
            addresses.iter().find(|address| is_family(address)).and_then(|to| source(*to).ok())
        };
        let route = Self { v4: from(SocketAddr::is_ipv4), v6: from(SocketAddr::is_ipv6) };
        route.addresses().next().is_some().then_some(route)
    }

    /// The local addresses.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.v4.into_iter().chain(self.v6)
    }
}

/// The network through which the system would send to these addresses; none if there is no route.
pub(crate) fn network(addresses: &[SocketAddr]) -> Option<Name> {
    Name::from_local(LocalRoute::to(addresses)?.addresses())
}

fn source(to: SocketAddr) -> io::Result<IpAddr> {
    let any: IpAddr = if to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(to)?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_reached_from_itself() {
        let server = SocketAddr::from(([127, 0, 0, 1], 4433));
        assert_eq!(network(&[server]), Name::from_local([server.ip()]));
        let route = LocalRoute::to(&[server]).unwrap();
        assert!(route.addresses().eq([server.ip()]));
        assert_eq!(network(&[]), None);
        assert_eq!(LocalRoute::to(&[]), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_route_follows_the_network() {
        use crate::namespace::{in_a_namespace, ip};

        in_a_namespace(async || {
            let server = [SocketAddr::from(([192, 0, 2, 9], 4433)), "[2001:db8::9]:4433".parse().unwrap()];
            let from = |local: &[&str]| {
                let route = LocalRoute::to(&server).unwrap();
                assert!(
                    route.addresses().eq(local.iter().map(|text| text.parse::<IpAddr>().unwrap())),
                    "{route:?}"
                );
            };
            assert_eq!(LocalRoute::to(&server), None);
            ip("address add 10.0.0.1/32 dev lo");
            ip("address add 10.0.0.2/32 dev lo");
            ip("route add default dev lo src 10.0.0.1");
            from(&["10.0.0.1"]);
            ip("route change default dev lo src 10.0.0.2");
            from(&["10.0.0.2"]);
            ip("address add 2001:db8:1::1/128 dev lo nodad");
            ip("-6 route add default dev lo");
            from(&["10.0.0.2", "2001:db8:1::1"]);
            ip("link set lo down");
            assert_eq!(LocalRoute::to(&server), None);
        });
    }
}

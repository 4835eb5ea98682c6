//! From which of this device's addresses a server would be reached now.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use dunlin_transport::Connection;

use crate::networks::Name;

/// The addresses of this device from which a server would be reached now, one for each family.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route(Vec<IpAddr>);

impl Route {
    pub(crate) fn from_local(addresses: impl IntoIterator<Item = IpAddr>) -> Option<Self> {
        let addresses: Vec<_> = addresses.into_iter().collect();
        if addresses.is_empty() { None } else { Some(Self(addresses)) }
    }
}

pub(crate) fn route(addresses: &[SocketAddr]) -> Option<Route> {
    let first = |is_family: fn(&SocketAddr) -> bool| addresses.iter().find(|address| is_family(address));
    let families = [first(SocketAddr::is_ipv4), first(SocketAddr::is_ipv6)];
    Route::from_local(families.into_iter().flatten().filter_map(|to| source(*to).ok()))
}

/// The network through which the system would send to these addresses, by the first one of each family. No packet goes
/// out: connecting a UDP socket only asks for the route. None if there is no route.
pub(crate) fn network(addresses: &[SocketAddr]) -> Option<Name> {
    let first = |is_family: fn(&SocketAddr) -> bool| addresses.iter().find(|address| is_family(address));
    let families = [first(SocketAddr::is_ipv4), first(SocketAddr::is_ipv6)];
    Name::from_local(families.into_iter().flatten().filter_map(|to| source(*to).ok()))
}

/// This side's address of a connection, with the one that the system chooses now where the transport leaves it open.
pub(crate) fn address(connection: &Connection) -> Option<SocketAddr> {
    let local = connection.local_address()?;
    let chosen = local.ip().is_unspecified().then(|| source(connection.remote_address()).ok()).flatten();
    Some(SocketAddr::new(chosen.unwrap_or(local.ip()), local.port()))
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
        assert_eq!(network(&[]), None);
    }
}

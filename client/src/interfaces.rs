//! The network interfaces over which a server might be reached, for when the way that the system would take is dead.

use std::{io, net::IpAddr};

use dunlin_transport::Interface;

use crate::local_route::LocalRoute;

/// An interface that is up, and its addresses beyond the link: one at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Usable {
    pub(crate) interface: Interface,
    addresses: Vec<IpAddr>,
}

/// The interfaces over which something beyond this device could be reached, in the system's order. Whether they lead anywhere
/// shows when it is tried.
///
/// # Errors
/// The system does not list them.
pub(crate) fn usable() -> io::Result<Vec<Usable>> {
    Ok(select(if_addrs::get_if_addrs()?))
}

impl Usable {
    /// Whether it has an address of the family of this one, without which it cannot lead there.
    pub(crate) fn speaks(&self, to: IpAddr) -> bool {
        self.addresses.iter().any(|address| address.is_ipv4() == to.is_ipv4())
    }

    /// Whether the system would take it anyway.
    pub(crate) fn carries(&self, route: &LocalRoute) -> bool {
        route.addresses().any(|address| self.addresses.contains(&address))
    }
}

/// One for each interface, of a list with an entry for each address.
fn select(listed: Vec<if_addrs::Interface>) -> Vec<Usable> {
    // The loopback interface may have other addresses beside.
    let loopback: Vec<_> =
        listed.iter().filter(|entry| entry.is_loopback()).map(|entry| entry.index).collect();
    let mut usable: Vec<Usable> = Vec::new();
    for entry in listed {
        let address = entry.ip();
        let is_local = entry.is_link_local() || address.is_unspecified() || loopback.contains(&entry.index);
        if is_local || !entry.is_oper_up() {
            continue;
        }
        // It may have gone while the list was made, and has no index then.
        let Ok(interface) = Interface::new(entry.name, entry.index.unwrap_or(0)) else { continue };
        match usable.iter_mut().find(|known| known.interface == interface) {
            Some(known) => known.addresses.push(address),
            None => usable.push(Usable { interface, addresses: vec![address] }),
        }
    }
    usable
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use if_addrs::{IfAddr, IfOperStatus, Ifv4Addr, Ifv6Addr};

    use super::*;

    fn entry(name: &str, index: u32, address: &str) -> if_addrs::Interface {
        let addr = match address.parse().unwrap() {
            IpAddr::V4(ip) => {
                IfAddr::V4(Ifv4Addr { ip, netmask: [0; 4].into(), prefixlen: 0, broadcast: None })
            }
            IpAddr::V6(ip) => {
                IfAddr::V6(Ifv6Addr { ip, netmask: [0; 16].into(), prefixlen: 0, broadcast: None })
            }
        };
        let oper_status = IfOperStatus::Up;
        if_addrs::Interface { name: name.into(), addr, index: Some(index), oper_status, is_p2p: false }
    }

    #[test]
    fn only_what_leads_away_from_this_device_is_usable() {
        let down = if_addrs::Interface { oper_status: IfOperStatus::Unknown, ..entry("eth0", 2, "10.0.0.1") };
        let gone = if_addrs::Interface { index: None, ..entry("usb0", 9, "10.0.9.1") };
        let usable = select(vec![
            entry("lo", 1, "127.0.0.1"),
            entry("wlan0", 3, "10.0.1.1"),
            down,
            gone,
            entry("lo", 1, "192.0.2.1"),
            entry("eth1", 4, "169.254.7.7"),
            entry("eth1", 4, "fe80::1"),
            entry("wlan0", 3, "2001:db8::1"),
            entry("wlan0", 3, "fe80::2"),
            entry("wwan0", 5, "10.0.2.1"),
        ]);
        let names: Vec<_> = usable.iter().map(|usable| usable.interface.name()).collect();
        assert_eq!(names, ["wlan0", "wwan0"]);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(usable[0].addresses, [address("10.0.1.1"), address("2001:db8::1")]);
        let v6 = address("2001:db8::9");
        assert!(usable[0].speaks(v6) && !usable[1].speaks(v6));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_way_in_use_and_the_others_are_told_apart() {
        use crate::namespace::{in_a_namespace, ip};

        in_a_namespace(async || {
            ip("link add wifi type veth peer wifi-far");
            ip("link add cell type veth peer cell-far");
            for (link, address) in [("wifi", "10.1.0.2/24"), ("cell", "10.2.0.2/24")] {
                ip(&format!("address add {address} dev {link}"));
                ip(&format!("link set {link} up"));
                ip(&format!("link set {link}-far up"));
            }
            ip("route add default via 10.1.0.1 dev wifi metric 100");
            ip("route add default via 10.2.0.1 dev cell metric 600");
            let route = LocalRoute::to(&[([192, 0, 2, 9], 4433).into()]).unwrap();
            let found = usable().unwrap();
            let others = found.iter().filter(|usable| !usable.carries(&route));
            assert_eq!(found.len(), 2, "{found:?}");
            assert!(others.map(|usable| usable.interface.name()).eq(["cell"]));
            ip("link set cell down");
            assert_eq!(usable().unwrap().len(), 1);
        });
    }
}

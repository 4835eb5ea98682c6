//! Linux's own notices of changes (rtnetlink(7)).

use std::{io, os::fd::OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, netlink::SocketAddrNetlink, socket_with};

/// The groups to hear: `RTNLGRP_*` of `linux/rtnetlink.h`, as bits. Links alone would miss an address that comes and goes on
/// a link that stays, addresses alone an IPv4 link that goes down and keeps its address, and neither hears of the
/// other default route. Rules are how VPNs and Android choose among tables of routes.
const GROUPS: u32 = group(1) // LINK
    | group(5) // IPV4_IFADDR
    | group(7) // IPV4_ROUTE
    | group(8) // IPV4_RULE
    | group(9) // IPV6_IFADDR
    | group(11) // IPV6_ROUTE
    | group(19); // IPV6_RULE

const fn group(number: u32) -> u32 {
    1 << (number - 1)
}

/// A socket that hears all of them, in the network namespace of the calling thread.
pub(in super::super) fn open() -> io::Result<OwnedFd> {
    // Protocol 0 of netlink is NETLINK_ROUTE.
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    bind(&socket, &SocketAddrNetlink::new(0, GROUPS))?;
    Ok(socket)
}

//! Sockets: UDP for both address families, with buffers that survive a storm of handshakes; TCP that holds little back.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpSocket, TcpStream};

use crate::Interface;

/// The kernel's buffers of a socket in bytes, as the kernel counts them: Linux doubles what it is asked for, and
/// charges its own bookkeeping to them.
///
/// With Linux's default of 212,992, 2,000 handshakes at once took 60 s with failures; with 32 MiB, 2 s without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Buffers {
    /// For datagrams that wait to be read.
    pub receive: usize,
    /// For datagrams that wait to be sent.
    pub send: usize,
}

/// Binds a socket; an IPv6 wildcard takes IPv4 as well.
pub(crate) fn bind(
    address: SocketAddr,
    buffer: usize,
    through: Option<&Interface>,
) -> io::Result<(UdpSocket, Buffers)> {
    let domain = Domain::for_address(address);
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    if let Some(interface) = through {
        confine(&socket, domain, interface)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    grow(&socket, buffer)?;
    socket.bind(&address.into())?;
    let buffers = Buffers { receive: socket.recv_buffer_size()?, send: socket.send_buffer_size()? };
    Ok((socket.into(), buffers))
}

/// Binds any port on all addresses: of both families, or of IPv4 where there is no IPv6.
pub(crate) fn bind_any(buffer: usize, through: Option<&Interface>) -> io::Result<(UdpSocket, Buffers)> {
    bind_like(Ipv6Addr::UNSPECIFIED.into(), buffer, through)
        .or_else(|_| bind_like(Ipv4Addr::UNSPECIFIED.into(), buffer, through))
}

/// Binds any port on all addresses that a socket of this address's family can have.
pub(crate) fn bind_like(
    like: IpAddr,
    buffer: usize,
    through: Option<&Interface>,
) -> io::Result<(UdpSocket, Buffers)> {
    let any = if like.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    bind(SocketAddr::new(any, 0), buffer, through)
}

/// Connects over TCP, to hold little back.
pub(crate) async fn connect(to: SocketAddr, through: Option<&Interface>) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if let Some(interface) = through {
        confine(&SockRef::from(&socket), Domain::for_address(to), interface)?;
    }
    let tcp = socket.connect(to).await?;
    tune(&tcp)?;
    Ok(tcp)
}

/// Connections that the kernel completes before they are accepted.
const BACKLOG: i32 = 1024;

/// Listens for TCP, at once on a port that was just left; an IPv6 wildcard takes IPv4 as well.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    // Elsewhere it would let two processes share the port.
    if cfg!(unix) {
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// What the kernel may hold beyond what is on its way to the peer.
#[cfg(target_os = "linux")]
const UNSENT: u32 = 16 * 1024;

/// What TLS may hold besides, in bytes.
pub(crate) const TLS_BUFFER: usize = 16 * 1024;

/// Sends small messages at once, and keeps the kernel from queueing what the path cannot take yet: whoever writes
/// last would wait behind seconds of old data, with no say in the order.
pub(crate) fn tune(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    SockRef::from(tcp).set_tcp_notsent_lowat(UNSENT)?;
    Ok(())
}

/// Makes a socket send through one interface only, and hear nothing from others. By name, for Linux takes any number.
/// Needs no privilege since Linux 5.7.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn confine(socket: &Socket, _: Domain, interface: &Interface) -> io::Result<()> {
    socket.bind_device(Some(interface.name().as_bytes()))
}

#[cfg(target_vendor = "apple")]
fn confine(socket: &Socket, domain: Domain, interface: &Interface) -> io::Result<()> {
    if domain == Domain::IPV6 {
        socket.bind_device_by_index_v6(Some(interface.index()))
    } else {
        socket.bind_device_by_index_v4(Some(interface.index()))
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn confine(_: &Socket, _: Domain, interface: &Interface) -> io::Result<()> {
    let words = format!("sockets cannot be bound to an interface here, nor to {interface}");
    Err(io::Error::new(io::ErrorKind::Unsupported, words))
}

/// Asks for buffers past the system's limit, which takes `CAP_NET_ADMIN`, and else for what the limit allows.
#[cfg(target_os = "linux")]
fn grow(socket: &Socket, bytes: usize) -> io::Result<()> {
    use rustix::net::sockopt::{set_socket_recv_buffer_size_force, set_socket_send_buffer_size_force};
    set_socket_recv_buffer_size_force(socket, bytes).or_else(|_| socket.set_recv_buffer_size(bytes))?;
    set_socket_send_buffer_size_force(socket, bytes).or_else(|_| socket.set_send_buffer_size(bytes))
}

#[cfg(not(target_os = "linux"))]
fn grow(socket: &Socket, bytes: usize) -> io::Result<()> {
    // Elsewhere a size past the limit is an error, not cut down to it.
    let _ = socket.set_recv_buffer_size(bytes);
    let _ = socket.set_send_buffer_size(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_what_it_gave() {
        let (_socket, buffers) = bind("127.0.0.1:0".parse().unwrap(), 64 * 1024, None).unwrap();
        assert!((64 * 1024..=2 * 64 * 1024).contains(&buffers.receive), "{buffers:?}");
        assert!((64 * 1024..=2 * 64 * 1024).contains(&buffers.send), "{buffers:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_socket_is_confined_to_an_interface_that_is_there() {
        let loopback = Interface::new("lo", 1).unwrap();
        let (socket, _) = bind_any(64 * 1024, Some(&loopback)).unwrap();
        assert_eq!(SockRef::from(&socket).device().unwrap().as_deref(), Some(&b"lo"[..]));
        let gone = Interface::new("gone0", 4711).unwrap();
        assert!(bind_any(64 * 1024, Some(&gone)).is_err());
    }

    #[test]
    fn a_wildcard_hears_both_families() {
        let Ok((socket, _)) = bind("[::]:0".parse().unwrap(), 64 * 1024, None) else {
            return; // This machine has no IPv6.
        };
        let from = UdpSocket::bind("127.0.0.1:0").unwrap();
        from.send_to(b"v4", ("127.0.0.1", socket.local_addr().unwrap().port())).unwrap();
        let mut buffer = [0; 8];
        assert_eq!(socket.recv(&mut buffer).unwrap(), 2);
    }
}

//! Sockets: UDP for both address families, with buffers that survive a storm of handshakes; TCP that holds little back.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket},
};

#[cfg(target_os = "linux")]
use socket2::SockRef;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpStream;

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
pub(crate) fn bind(address: SocketAddr, buffer: usize) -> io::Result<(UdpSocket, Buffers)> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    grow(&socket, buffer)?;
    socket.bind(&address.into())?;
    let buffers = Buffers { receive: socket.recv_buffer_size()?, send: socket.send_buffer_size()? };
    Ok((socket.into(), buffers))
}

/// Binds any port on all addresses: of both families, or of IPv4 where there is no IPv6.
pub(crate) fn bind_any(buffer: usize) -> io::Result<UdpSocket> {
    bind((Ipv6Addr::UNSPECIFIED, 0).into(), buffer)
        .or_else(|_| bind((Ipv4Addr::UNSPECIFIED, 0).into(), buffer))
        .map(|(socket, _)| socket)
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
        let (_socket, buffers) = bind("127.0.0.1:0".parse().unwrap(), 64 * 1024).unwrap();
        assert!((64 * 1024..=2 * 64 * 1024).contains(&buffers.receive), "{buffers:?}");
        assert!((64 * 1024..=2 * 64 * 1024).contains(&buffers.send), "{buffers:?}");
    }

    #[test]
    fn a_wildcard_hears_both_families() {
        let Ok((socket, _)) = bind("[::]:0".parse().unwrap(), 64 * 1024) else {
            return; // This machine has no IPv6.
        };
        let from = UdpSocket::bind("127.0.0.1:0").unwrap();
        from.send_to(b"v4", ("127.0.0.1", socket.local_addr().unwrap().port())).unwrap();
        let mut buffer = [0; 8];
        assert_eq!(socket.recv(&mut buffer).unwrap(), 2);
    }
}

//! UDP sockets: for both address families, with buffers that survive a storm of handshakes.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
};

use socket2::{Domain, Protocol, Socket, Type};

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

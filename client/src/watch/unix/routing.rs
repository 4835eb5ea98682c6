//! The routing socket of the BSDs (route(4)), which tells of links, addresses and routes.

use std::{io, os::fd::OwnedFd};

use rustix::{
    io::{FdFlags, fcntl_setfd},
    net::{AddressFamily, SocketType, socket},
};

/// A socket that hears all of them.
pub(in super::super) fn open() -> io::Result<OwnedFd> {
    let socket = socket(AddressFamily::ROUTE, SocketType::RAW, None)?;
    fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
    Ok(socket)
}

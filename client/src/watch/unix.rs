//! Listening to the kernel: netlink on Linux, a routing socket on Apple's systems and the BSDs.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixStream},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{RecvFlags, recv},
};
use tokio::sync::watch::Sender;

use super::burst::Burst;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod netlink;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod routing;

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) use netlink::open;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) use routing::open;

/// How long to wait before a socket that failed is opened again.
const RETRY: Duration = Duration::from_secs(1);

/// The thread that listens; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Thread(Option<(UnixStream, JoinHandle<()>)>);

impl Thread {
    /// Listens from now on: what changes once this has returned is heard.
    pub(super) fn start(changes: Sender<()>) -> io::Result<Self> {
        let socket = open()?;
        let (stop, stopped) = UnixStream::pair()?;
        let listen = move || listen_on(socket, &stopped, &changes);
        let thread = thread::Builder::new().name("dunlin-watch".into()).spawn(listen)?;
        Ok(Self(Some((stop, thread))))
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.0.take() {
            drop(stop);
            // It does nothing but listen, so it ends at once; had it panicked, there is nobody left whom it concerns.
            let _ = thread.join();
        }
    }
}

/// Listens until it is stopped, through failures of the socket.
fn listen_on(mut socket: OwnedFd, stopped: &UnixStream, changes: &Sender<()>) {
    while let Err(error) = listen(&socket, stopped, changes) {
        tracing::debug!(%error, "changes of the network are not heard for a while");
        socket = loop {
            if matches!(wait(&mut [PollFd::new(stopped, PollFlags::IN)], Some(RETRY)), Ok(1..)) {
                return;
            }
            if let Ok(socket) = open() {
                break socket;
            }
        };
        // There is no telling what happened meanwhile.
        changes.send_replace(());
    }
}

/// Listens until it is stopped.
pub(super) fn listen(socket: &OwnedFd, stopped: &UnixStream, changes: &Sender<()>) -> Result<(), Errno> {
    let mut burst = Burst::default();
    loop {
        let patience = burst.due().map(|due| due.saturating_duration_since(Instant::now()));
        let mut sockets = [PollFd::new(socket, PollFlags::IN), PollFd::new(stopped, PollFlags::IN)];
        wait(&mut sockets, patience)?;
        let [heard, stopped] = sockets.map(|socket| !socket.revents().is_empty());
        if stopped {
            return Ok(());
        }
        if heard && take(socket)? {
            burst.heard(Instant::now());
        }
        if burst.end(Instant::now()) {
            changes.send_replace(());
        }
    }
}

/// Takes a message unread, if one is there.
pub(super) fn take(socket: &OwnedFd) -> Result<bool, Errno> {
    match recv(socket, &mut [0; 16], RecvFlags::DONTWAIT) {
        // Messages were dropped for want of room, which the kernel says once, and goes on.
        Ok(_) | Err(Errno::NOBUFS) => Ok(true),
        Err(Errno::AGAIN | Errno::INTR) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Waits until one of the sockets has something to say; returns how many have.
fn wait(sockets: &mut [PollFd<'_>], patience: Option<Duration>) -> Result<usize, Errno> {
    let patience = patience.map(|patience| Timespec {
        tv_sec: patience.as_secs().try_into().unwrap_or(i64::MAX),
        tv_nsec: patience.subsec_nanos().into(),
    });
    match poll(sockets, patience.as_ref()) {
        Err(Errno::INTR) => Ok(0),
        result => result,
    }
}

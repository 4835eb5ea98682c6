//! Connections in memory, for tests: what a QUIC connection does, without sockets, loss or time.
//!
//! Nothing here sleeps, so tests may pause tokio's clock. Windows, stream credit and queues are bounded as over
//! QUIC, and a stream is seen by the peer only once it is used.

use std::{
    collections::VecDeque,
    net::{Ipv6Addr, SocketAddr, SocketAddrV6},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::{
    select,
    sync::{Notify, watch},
};

use crate::{Connection, ConnectionError, SendDatagramError, Stats, connection::Inner};

mod listener;
mod pipe;
mod stream;

pub use listener::MemoryDialer;
pub(crate) use listener::{Incoming, MemoryListener};
pub(crate) use stream::{RecvStream, SendStream};

use pipe::Pipe;

/// The largest datagram in bytes: what fits the smallest path that QUIC allows.
pub(crate) const MAX_DATAGRAM_SIZE: usize = 1200;

/// Datagrams that wait to be read.
const DATAGRAM_QUEUE: usize = 64;

/// Streams that a client may open before it is granted more, as over QUIC; servers may open none.
const CLIENT_STREAMS: u32 = 16;

/// The address that clients see.
pub(crate) const SERVER: SocketAddr = SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 1, 0, 0));

/// The address that the first client seems to have.
pub(crate) const CLIENT: SocketAddr = SocketAddr::V6(SocketAddrV6::new(Ipv6Addr::LOCALHOST, 2, 0, 0));

/// Two connected ends: the client's, which may open 16 streams at first, and the server's, which may open none
/// until the client [grants](Connection::grant_streams) it some.
#[must_use]
pub fn pair() -> (Connection, Connection) {
    let (client, server) = Handle::pair(CLIENT);
    (Connection(Inner::Memory(client)), Connection(Inner::Memory(server)))
}

/// One end of a connection; streams hold it too, and the connection closes with code 0 when the last is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Handle(Arc<End>);

#[derive(Debug)]
struct End {
    link: Arc<Link>,
    me: Side,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

impl Side {
    fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// What the two ends share.
#[derive(Debug)]
struct Link {
    client: SocketAddr,
    inboxes: [Inbox; 2],
    closed: watch::Sender<Option<Closed>>,
}

#[derive(Debug)]
struct Closed {
    by: Side,
    code: u32,
    reason: String,
}

/// What has arrived at one end, and what it grants.
#[derive(Debug, Default)]
struct Inbox {
    state: Mutex<Arrived>,
    /// A stream or datagram has arrived here.
    arrived: Notify,
    /// The peer may open another stream.
    credit: Notify,
}

#[derive(Debug, Default)]
struct Arrived {
    /// Opened by the peer and not used yet, which QUIC does not show; the first has the number `seen`.
    unseen: VecDeque<Pipes>,
    seen: u64,
    /// Used, and not accepted yet. Bounded by the streams that are granted, as is `unseen`.
    streams: VecDeque<Pipes>,
    open: u32,
    granted: u32,
    datagrams: VecDeque<Bytes>,
    stats: Stats,
}

/// A stream as the end sees it that did not open it.
#[derive(Debug)]
struct Pipes {
    send: Arc<Pipe>,
    recv: Arc<Pipe>,
}

impl Handle {
    fn pair(client: SocketAddr) -> (Self, Self) {
        let link = Arc::new(Link { client, inboxes: Default::default(), closed: watch::Sender::new(None) });
        let end = |me| Self(Arc::new(End { link: Arc::clone(&link), me }));
        let (client, server) = (end(Side::Client), end(Side::Server));
        server.grant_streams(CLIENT_STREAMS);
        (client, server)
    }

    pub(crate) async fn open_bi(&self) -> Result<(SendStream, RecvStream), ConnectionError> {
        self.alive()?;
        let peer = self.peer();
        let opened = || {
            let mut theirs = peer.lock();
            if theirs.open >= theirs.granted {
                return None;
            }
            theirs.open += 1;
            let (send, recv) = (Arc::new(Pipe::default()), Arc::new(Pipe::default()));
            theirs.unseen.push_back(Pipes { send: Arc::clone(&recv), recv: Arc::clone(&send) });
            let number = theirs.seen + theirs.unseen.len() as u64 - 1;
            Some((SendStream::opened(self, send, number), RecvStream::opened(self, recv, number)))
        };
        self.wait(&peer.credit, opened).await
    }

    pub(crate) async fn accept_bi(&self) -> Result<(SendStream, RecvStream), ConnectionError> {
        let Pipes { send, recv } =
            self.wait(&self.inbox().arrived, || self.inbox().lock().streams.pop_front()).await?;
        let slot = Arc::new(Slot(self.clone()));
        Ok((SendStream::accepted(self, send, Arc::clone(&slot)), RecvStream::accepted(self, recv, slot)))
    }

    pub(crate) fn send_datagram(&self, data: Bytes) -> Result<(), SendDatagramError> {
        self.alive()?;
        let bytes = data.len();
        if bytes > MAX_DATAGRAM_SIZE {
            return Err(SendDatagramError::TooLarge);
        }
        let lost = {
            let mut theirs = self.peer().lock();
            theirs.datagrams.push_back(data);
            theirs.datagrams.len() > DATAGRAM_QUEUE && theirs.datagrams.pop_front().is_some()
        };
        self.count(bytes as u64);
        let mut ours = self.inbox().lock();
        ours.stats.sent_packets += 1;
        ours.stats.lost_packets += u64::from(lost);
        drop(ours);
        self.peer().arrived.notify_waiters();
        Ok(())
    }

    pub(crate) async fn read_datagram(&self) -> Result<Bytes, ConnectionError> {
        self.wait(&self.inbox().arrived, || self.inbox().lock().datagrams.pop_front()).await
    }

    pub(crate) fn close(&self, code: u32, reason: &str) {
        self.0.link.close(self.0.me, code, reason);
    }

    pub(crate) async fn closed(&self) -> ConnectionError {
        self.0.link.closed().await;
        self.close_reason().expect("what is closed stays closed")
    }

    pub(crate) fn close_reason(&self) -> Option<ConnectionError> {
        self.0.link.closed.borrow().as_ref().map(|closed| closed.seen_by(self.0.me))
    }

    pub(crate) fn remote_address(&self) -> SocketAddr {
        match self.0.me {
            Side::Client => SERVER,
            Side::Server => self.0.link.client,
        }
    }

    pub(crate) fn local_address(&self) -> SocketAddr {
        match self.0.me {
            Side::Client => self.0.link.client,
            Side::Server => SERVER,
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        self.inbox().lock().stats
    }

    pub(crate) fn grant_streams(&self, n: u32) {
        self.inbox().lock().granted = n;
        self.inbox().credit.notify_waiters();
    }

    fn link(&self) -> &Arc<Link> {
        &self.0.link
    }

    fn alive(&self) -> Result<(), ConnectionError> {
        self.close_reason().map_or(Ok(()), Err)
    }

    fn inbox(&self) -> &Inbox {
        self.0.link.inbox(self.0.me)
    }

    fn peer(&self) -> &Inbox {
        self.0.link.inbox(self.0.me.other())
    }

    /// Shows the peer a stream that this side opened, and all before it.
    fn show(&self, number: u64) {
        let mut theirs = self.peer().lock();
        while theirs.seen <= number {
            let pipes = theirs.unseen.pop_front().expect("a stream that was not seen waits to be");
            theirs.streams.push_back(pipes);
            theirs.seen += 1;
        }
        drop(theirs);
        self.peer().arrived.notify_waiters();
    }

    /// Counts bytes that this side sent.
    fn count(&self, bytes: u64) {
        self.inbox().lock().stats.sent_bytes += bytes;
        self.peer().lock().stats.received_bytes += bytes;
    }

    /// Waits until something is ready, and looks again at each change; what is ready comes before the end of the
    /// connection.
    async fn wait<T>(
        &self,
        changed: &Notify,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Result<T, ConnectionError> {
        let mut closed = self.0.link.closed.subscribe();
        loop {
            let mut change = pin!(changed.notified());
            // From here on no change is missed.
            change.as_mut().enable();
            if let Some(value) = ready() {
                return Ok(value);
            }
            self.alive()?;
            select! {
                () = change => {}
                _ = closed.wait_for(Option::is_some) => {}
            }
        }
    }
}

impl Link {
    fn inbox(&self, side: Side) -> &Inbox {
        &self.inboxes[side as usize]
    }

    fn close(&self, by: Side, code: u32, reason: &str) {
        self.closed.send_if_modified(|closed| {
            let first = closed.is_none();
            closed.get_or_insert_with(|| Closed { by, code, reason: reason.to_owned() });
            first
        });
    }

    async fn closed(&self) {
        let closed = self.closed.subscribe().wait_for(Option::is_some).await.is_ok();
        debug_assert!(closed, "the sender is in the link that we hold");
    }
}

impl Inbox {
    fn lock(&self) -> MutexGuard<'_, Arrived> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Closed {
    fn seen_by(&self, side: Side) -> ConnectionError {
        if self.by == side {
            ConnectionError::LocallyClosed
        } else {
            ConnectionError::Closed { code: self.code, reason: self.reason.clone() }
        }
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.link.close(self.me, 0, "");
    }
}

/// The place that a stream of the peer takes among those it was granted, until both halves are done with.
#[derive(Debug)]
struct Slot(Handle);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.inbox().lock().open -= 1;
        self.0.inbox().credit.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_waits_quietly() {
        // The paused clock moves only when nothing is left to do.
        const LONG: Duration = Duration::from_secs(3600);
        let (client, server) = pair();
        let (mut send, mut recv) = client.open_bi().await.unwrap();
        timeout(LONG, send.write(vec![0; pipe::WINDOW + 1].into())).await.unwrap_err();
        timeout(LONG, recv.read(1)).await.unwrap_err();
        timeout(LONG, server.open_bi()).await.unwrap_err();
        timeout(LONG, server.read_datagram()).await.unwrap_err();
        timeout(LONG, server.closed()).await.unwrap_err();
    }
}

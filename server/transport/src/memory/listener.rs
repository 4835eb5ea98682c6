//! A listener that clients of this process dial.

use std::{
    net::{Ipv6Addr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU16, Ordering},
    },
};

use tokio::{
    select,
    sync::{mpsc, oneshot, watch},
};

use super::{CLIENT, Handle, Link, Side};
use crate::{Connection, ConnectionError, connection::Inner};

/// Attempts that wait to be answered; dialling waits beyond it.
const ATTEMPTS: usize = 64;

#[derive(Debug)]
pub(crate) struct MemoryListener {
    shared: Arc<Shared>,
    attempts: tokio::sync::Mutex<mpsc::Receiver<Incoming>>,
    /// Held so that it goes on listening when there is no dialer: more than memory may lead to it.
    _dialer: mpsc::Sender<Incoming>,
}

/// Dials a [`Listener::memory`](crate::Listener::memory); each connection has a client address of its own.
#[derive(Clone, Debug)]
pub struct MemoryDialer {
    shared: Arc<Shared>,
    attempts: mpsc::Sender<Incoming>,
}

#[derive(Debug)]
struct Shared {
    accepting: watch::Sender<bool>,
    next_port: AtomicU16,
    /// The connections that were open when one was last added or counted.
    links: Mutex<Vec<Weak<Link>>>,
}

#[derive(Debug)]
pub(crate) struct Incoming {
    server: Handle,
    shared: Arc<Shared>,
    accepted: oneshot::Sender<()>,
}

impl MemoryDialer {
    /// Connects, as a client.
    ///
    /// # Errors
    /// The listener refuses, accepts no more, or is gone.
    pub async fn dial(&self) -> Result<Connection, ConnectionError> {
        let port = self.shared.next_port.fetch_add(1, Ordering::Relaxed);
        let (client, server) = Handle::pair(SocketAddr::from((Ipv6Addr::LOCALHOST, port)));
        let (accepted, answer) = oneshot::channel();
        let attempt = Incoming { server, shared: Arc::clone(&self.shared), accepted };
        let mut accepting = self.shared.accepting.subscribe();
        let dial = async {
            self.attempts.send(attempt).await.map_err(|_| ConnectionError::Refused)?;
            answer.await.map_err(|_| ConnectionError::Refused)
        };
        select! {
            biased;
            _ = accepting.wait_for(|accepting| !accepting) => Err(ConnectionError::Refused),
            answer = dial => answer.map(|()| Connection(Inner::Memory(client))),
        }
    }
}

impl MemoryListener {
    pub(crate) fn new() -> (Self, MemoryDialer) {
        let (sender, receiver) = mpsc::channel(ATTEMPTS);
        let shared = Arc::new(Shared {
            accepting: watch::Sender::new(true),
            next_port: AtomicU16::new(CLIENT.port()),
            links: Mutex::default(),
        });
        let listener = Self {
            shared: Arc::clone(&shared),
            attempts: tokio::sync::Mutex::new(receiver),
            _dialer: sender.clone(),
        };
        (listener, MemoryDialer { shared, attempts: sender })
    }

    pub(crate) async fn accept(&self) -> Option<Incoming> {
        let mut accepting = self.shared.accepting.subscribe();
        select! {
            biased;
            _ = accepting.wait_for(|accepting| !accepting) => None,
            attempt = async { self.attempts.lock().await.recv().await } => attempt,
        }
    }

    pub(crate) fn stop_accepting(&self) {
        self.shared.accepting.send_replace(false);
    }

    pub(crate) fn close(&self, code: u32, reason: &str) {
        self.stop_accepting();
        for link in self.shared.open() {
            link.close(Side::Server, code, reason);
        }
    }

    pub(crate) async fn wait_idle(&self) {
        while let Some(link) = self.shared.open().pop() {
            link.closed().await;
        }
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.shared.open().len()
    }
}

impl Incoming {
    pub(crate) fn remote_address(&self) -> SocketAddr {
        self.server.remote_address()
    }

    pub(crate) fn accept(self) -> Result<Handle, ConnectionError> {
        self.shared.add(self.server.link());
        // Whoever gave up dialling has dropped its end.
        self.accepted
            .send(())
            .map_err(|()| self.server.close_reason().unwrap_or(ConnectionError::TimedOut))?;
        Ok(self.server)
    }

    pub(crate) fn refuse(self) {
        drop(self);
    }
}

impl Shared {
    fn add(&self, link: &Arc<Link>) {
        let mut links = self.lock();
        links.retain(is_open);
        links.push(Arc::downgrade(link));
    }

    fn open(&self) -> Vec<Arc<Link>> {
        let mut links = self.lock();
        links.retain(is_open);
        links.iter().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Link>>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_open(link: &Weak<Link>) -> bool {
    link.upgrade().is_some_and(|link| link.closed.borrow().is_none())
}

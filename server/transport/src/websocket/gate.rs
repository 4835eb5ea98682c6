//! Where WebSockets come in: attempts that wait to be answered, and the connections that came of them.

use std::{
    collections::HashMap,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{
    select,
    sync::{Notify, mpsc, oneshot, watch},
};

use super::{Handle, Shared};
use crate::ConnectionError;

/// Attempts that wait to be accepted; those after them wait to wait.
const ATTEMPTS: usize = 64;

/// A listener's gate, which all of its ports share.
#[derive(Debug)]
pub(crate) struct Gate {
    accepting: watch::Sender<bool>,
    attempts: mpsc::Sender<Incoming>,
    arriving: tokio::sync::Mutex<mpsc::Receiver<Incoming>>,
    open: Mutex<Open>,
    /// A connection has gone.
    gone: Notify,
}

#[derive(Debug, Default)]
struct Open {
    connections: HashMap<u64, Arc<Shared>>,
    next: u64,
}

/// An attempt to connect, not answered yet; refused when dropped.
#[derive(Debug)]
pub(crate) struct Incoming {
    peer: SocketAddr,
    answer: oneshot::Sender<Accepted>,
}

/// Where to bring the connection once it is there.
pub(super) type Accepted = oneshot::Sender<Handle>;

/// A connection among the open ones, until dropped.
pub(super) struct Entry {
    gate: Arc<Gate>,
    number: u64,
}

impl Gate {
    pub(crate) fn new() -> Arc<Self> {
        let (attempts, arriving) = mpsc::channel(ATTEMPTS);
        Arc::new(Self {
            accepting: watch::Sender::new(true),
            attempts,
            arriving: tokio::sync::Mutex::new(arriving),
            open: Mutex::default(),
            gone: Notify::new(),
        })
    }

    pub(crate) async fn accept(&self) -> Option<Incoming> {
        select! {
            biased;
            () = self.shut() => None,
            attempt = async { self.arriving.lock().await.recv().await } => attempt,
        }
    }

    pub(crate) fn stop_accepting(&self) {
        self.accepting.send_replace(false);
    }

    pub(crate) fn close(&self, code: u32, reason: &str) {
        self.stop_accepting();
        let connections: Vec<_> = self.lock().connections.values().cloned().collect();
        for connection in connections {
            connection.close(code, reason);
        }
    }

    pub(crate) async fn wait_idle(&self) {
        loop {
            let mut gone = pin!(self.gone.notified());
            gone.as_mut().enable();
            if self.open_connections() == 0 {
                return;
            }
            gone.await;
        }
    }

    pub(crate) fn open_connections(&self) -> usize {
        self.lock().connections.len()
    }

    /// Has the attempt answered: with where to bring the connection, or not at all if it is refused.
    pub(super) async fn knock(&self, peer: SocketAddr) -> Option<Accepted> {
        let (answer, answered) = oneshot::channel();
        let knock = async {
            self.attempts.send(Incoming { peer, answer }).await.ok()?;
            answered.await.ok()
        };
        select! {
            biased;
            () = self.shut() => None,
            answer = knock => answer,
        }
    }

    pub(super) fn enter(self: &Arc<Self>, connection: Arc<Shared>) -> Entry {
        let mut open = self.lock();
        let number = open.next;
        open.next += 1;
        open.connections.insert(number, connection);
        Entry { gate: Arc::clone(self), number }
    }

    async fn shut(&self) {
        let shut = self.accepting.subscribe().wait_for(|accepting| !accepting).await.is_ok();
        debug_assert!(shut, "the sender is in `self`");
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Incoming {
    pub(crate) fn remote_address(&self) -> SocketAddr {
        self.peer
    }

    /// Lets the client in, and waits until its HTTP connection has become a WebSocket.
    pub(crate) async fn accept(self) -> Result<Handle, ConnectionError> {
        let (bring, brought) = oneshot::channel();
        // Fails when the client has not waited.
        self.answer.send(bring).map_err(|_| ConnectionError::TimedOut)?;
        brought.await.map_err(|_| ConnectionError::TimedOut)
    }

    pub(crate) fn refuse(self) {
        drop(self);
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.gate.lock().connections.remove(&self.number);
        self.gate.gone.notify_waiters();
    }
}

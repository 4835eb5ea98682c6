//! A worker: one thread, one runtime, one UDP socket, and the connections that arrive on it.

use crate::{
    admission::{Admission, Permit},
    health::{self, Health},
    node::Node,
    rates::Excess,
    session::connection,
    sockets::{Addresses, Bound},
};
use dunlin_proto::Code;
use dunlin_transport::{BindError, Connection, ConnectionError, Incoming, Listener};
use metrics::counter;
use std::{sync::Arc, thread, time::Duration};
use tokio::{sync::oneshot, task::JoinSet, time::timeout};

/// What a worker serves with.
#[derive(Clone)]
pub(crate) struct Work {
    pub(crate) node: Arc<Node>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) health: Arc<Health>,
}

/// A running worker.
pub(crate) struct Worker {
    pub(crate) addresses: Addresses,
    stop: oneshot::Sender<Stop>,
    ended: oneshot::Receiver<()>,
}

/// How a worker is to end: connections have this long to leave, then they are cut off.
struct Stop(Duration);

impl Worker {
    /// Starts a thread that binds a listener and serves it.
    pub(crate) async fn start(
        index: usize,
        work: Work,
        bind: impl FnOnce() -> Result<Bound, StartError> + Send + 'static,
    ) -> Result<Self, StartError> {
        let (bound, binding) = oneshot::channel::<Result<Addresses, StartError>>();
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(bound.send(Err(error.into()))),
            };
            runtime.block_on(async {
                let Bound { listener, addresses } = match bind() {
                    Ok(bound) => bound,
                    Err(error) => return drop(bound.send(Err(error))),
                };
                if bound.send(Ok(addresses)).is_ok() {
                    run(&work, &listener, stopped).await;
                }
            });
            // With it goes the socket, which whoever waits may want to bind again.
            drop(runtime);
            let _ = end.send(());
        })?;
        let addresses = binding.await.map_err(|_| StartError::Gone)??;
        Ok(Self { addresses, stop, ended })
    }

    /// Ends the worker: no new connections from now on, and after `patience` no old ones.
    pub(crate) async fn stop(self, patience: Duration) {
        if self.stop.send(Stop(patience)).is_ok() {
            let _ = self.ended.await;
        }
    }
}

/// Why a worker could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// UDP could not be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// TCP with TLS could not be had.
    #[error("{0}; choose another address with --tcp, or none with --tcp off")]
    Tcp(#[source] BindError),
    /// Plain HTTP could not be had.
    #[error("{0} for plain HTTP; choose another address with --http, or none with --http off")]
    Http(#[source] BindError),
    /// The thread or its runtime could not be had.
    #[error("cannot start a worker: {0}")]
    Thread(#[from] std::io::Error),
    /// The thread ended before it had begun.
    #[error("a worker ended while it started")]
    Gone,
}

async fn run(work: &Work, listener: &Listener, mut stopped: oneshot::Receiver<Stop>) {
    let mut connections = JoinSet::new();
    let node = &work.node;
    connections.spawn(node.shared.wake());
    let Stop(patience) = loop {
        tokio::select! {
            incoming = listener.accept() => match incoming {
                Some(incoming) => { connections.spawn(admit(work.clone(), Box::new(incoming))); }
                None => {
                    tracing::error!("the listener has failed");
                    work.health.worsen(health::State::Failed);
                    break Stop(Duration::ZERO);
                }
            },
            Some(ended) = connections.join_next() => report(ended),
            stop = &mut stopped => break stop.unwrap_or(Stop(Duration::ZERO)),
        }
    };
    listener.stop_accepting();
    let left = async {
        // One task is left when all connections are gone: that which wakes readers.
        while connections.len() > 1 {
            if let Some(ended) = connections.join_next().await {
                report(ended);
            }
        }
    };
    let _ = timeout(patience, left).await;
    listener.close(Code::GOING_AWAY.0, "the server is shutting down");
    // Memberships run here: this is the last time that their channels can hear of the end.
    node.registry.end_all();
    node.shared.memberships.close();
    let last = async { tokio::join!(listener.wait_idle(), node.shared.memberships.wait()) };
    let _ = timeout(FAREWELL, last).await;
}

/// How long the last packets of closed connections, and the last words of channels, are waited for.
const FAREWELL: Duration = Duration::from_millis(500);

/// A panic in a connection's task is a bug, but nobody else's problem.
fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "a connection's task panicked");
        counter!("dunlin_connection_panics_total").increment(1);
    }
}

async fn admit(work: Work, incoming: Box<Incoming>) {
    // A handshake takes ten times the memory of the connection that comes of it, and gives it back.
    if let Some((connection, permit)) = Box::pin(accept(&work, *incoming)).await {
        work.node.shared.tally.connected(connection.kind());
        connection::serve(work.node, connection, permit).await;
    }
}

/// Goes through the handshake. `None` if that fails, or there is no room for another connection.
async fn accept(work: &Work, incoming: Incoming) -> Option<(Connection, Permit)> {
    let peer = incoming.remote_address();
    let permit = match work.node.shared.rates.connect(peer.ip()) {
        Ok(()) => work.admission.admit(peer.ip()),
        Err(Excess::Told) => Err(Code::RATE_LIMITED),
        Err(Excess::Flood) => {
            work.node.shared.tally.refused(Code::RATE_LIMITED);
            incoming.refuse();
            return None;
        }
    };
    let accepting = Box::pin(incoming.accept());
    let accepted = match &permit {
        Ok(_) => accepting.await,
        // Plain HTTP/3 is served here, which must not go on without a permit.
        Err(code) => match timeout(work.node.shared.bounds.deadline, accepting).await {
            Ok(accepted) => accepted,
            Err(_) => {
                work.node.shared.tally.refused(*code);
                return None;
            }
        },
    };
    let connection = match accepted {
        Ok(connection) => connection,
        Err(ConnectionError::NoSession) => return None,
        Err(error) => {
            counter!("dunlin_handshakes_failed_total").increment(1);
            tracing::debug!(%peer, %error, "handshake failed");
            return None;
        }
    };
    match permit {
        Ok(permit) => Some((connection, permit)),
        Err(code) => {
            refuse(&work.node, &connection, code).await;
            None
        }
    }
}

async fn refuse(node: &Node, connection: &Connection, code: Code) {
    // Within the handshake a close cannot carry a code (RFC 9000, 10.2.3).
    let _ = connection.handshake_complete().await;
    node.shared.tally.refused(code);
    tracing::info!(peer = %connection.remote_address(), %code, "refused");
    connection.close(code.0, code.row().map_or("", |row| row.meaning));
}

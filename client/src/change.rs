//! How a client came through an interruption, as the application is told.

use std::{net::SocketAddr, time::Duration};

use dunlin_transport::Kind as Transport;
use tokio::sync::broadcast;

/// How a session goes on after its network has changed: the higher, the less has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Rung {
    /// The connection moved with this client: same streams, nothing repeated.
    Migrated,
    /// Another connection took over, and history held everything that was missed.
    Resumed,
    /// Another connection took over, and history did not reach back: something is missing.
    Resync,
}

/// What made a client look for another way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The system, or the host by [`Client::network_changed`](crate::Client::network_changed), told of another network.
    NetworkChanged,
    /// Nothing came from the server any more, and nobody said why.
    Silence,
    /// This device slept.
    Slept,
    /// The connection ended.
    Lost,
    /// A better transport than the one in use was to be had, as QUIC again.
    BetterWay,
    /// The application asked to go on after a pause for which the connection was let go.
    Resumed,
}

/// One interruption that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// How the session goes on.
    pub rung: Rung,
    /// What it was.
    pub cause: Cause,
    /// How long nothing came: for [`Rung::Migrated`] the longest silence until the server had answered on the new path;
    /// otherwise from the last sign of life until every channel was joined again.
    pub gap: Duration,
    /// Events that were published meanwhile and follow now, over all channels: each comes once.
    pub recovered: u64,
    /// Events that history no longer holds, over all channels. `None` if a log started over, as when the server was restarted:
    /// then nobody can count them.
    pub lost: Option<u64>,
    /// This device's address before, as far as it is known.
    pub from: Option<SocketAddr>,
    /// This device's address now, as far as it is known.
    pub to: Option<SocketAddr>,
    /// What carries the session now.
    pub transport: Transport,
}

/// The interruptions of one client, as they end. Who does not look for a long time is told of the latest ones.
#[derive(Debug)]
pub struct Changes(pub(crate) broadcast::Receiver<Change>);

impl Changes {
    /// The next one; `None` when the client has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Change> {
        loop {
            match self.0.recv().await {
                Ok(change) => return Some(change),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}

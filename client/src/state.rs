//! Whether the client is connected, in the application's words.

use std::time::{Duration, Instant};

use dunlin_proto::Code;
use dunlin_transport::Kind as Transport;

/// How long the server may be unreachable before the client calls itself [`State::Offline`].
pub const OFFLINE_AFTER: Duration = Duration::from_secs(30);

/// Whether the client is connected. Only the latest state matters: a quick change may go unseen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The first connection is being made.
    Connecting,
    /// The session works. It may move from one connection to another, as from WebSocket to QUIC, and stay online.
    Online {
        /// Public name of the session, for logs.
        session: String,
        /// Whether an earlier session of this client was resumed.
        resumed: bool,
        /// What carries it.
        transport: Transport,
    },
    /// The connection was lost and another one is being made. Pushes wait meanwhile.
    Recovering {
        /// How many attempts have failed since.
        attempt: u32,
        /// When the connection was lost.
        since: Instant,
    },
    /// As recovering, but for [`OFFLINE_AFTER`] and more: tell the user. The client goes on trying.
    Offline {
        /// When the connection was lost, or first tried.
        since: Instant,
    },
    /// The application has paused for so long ([`Builder::park_after`](crate::Builder::park_after)) that the connection
    /// was let go. [`Client::resume`](crate::Client::resume) brings it back; pushes wait for that.
    Paused,
    /// The end: the client was closed, or the server's answer is final.
    Closed(Closed),
}

/// Why a client or a channel has ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("closed: {message}")]
pub struct Closed {
    /// The server's code, or `None` if this side ended it.
    pub code: Option<Code>,
    /// For people.
    pub message: String,
}

impl Closed {
    /// The end by the application's own will.
    pub(crate) fn by_us() -> Self {
        Self { code: None, message: "closed by this client".into() }
    }
}

/// The time without a connection, from which the state follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Outage {
    since: Instant,
    /// Whether the client was online before.
    lost: bool,
    /// Attempts that failed.
    pub(crate) failures: u32,
}

impl Outage {
    /// The time before the first connection.
    pub(crate) fn at_start(now: Instant) -> Self {
        Self { since: now, lost: false, failures: 0 }
    }

    /// The time after a connection that `lasted` so long was lost.
    pub(crate) fn after(lasted: Duration, failures_before: u32, now: Instant) -> Self {
        Self { since: now, lost: true, failures: failures_after(lasted, failures_before) }
    }

    /// The state to show.
    pub(crate) fn state(&self, now: Instant) -> State {
        if now.saturating_duration_since(self.since) >= OFFLINE_AFTER {
            State::Offline { since: self.since }
        } else if self.lost {
            State::Recovering { attempt: self.failures, since: self.since }
        } else {
            State::Connecting
        }
    }
}

/// The failures in a row after something worked for a time. If that was too short to count as success, they carry
/// over: a server that accepts and then fails is not to be asked without pause.
pub(crate) fn failures_after(lasted: Duration, before: u32) -> u32 {
    const SUCCESS: Duration = Duration::from_secs(5);
    if lasted < SUCCESS { before.saturating_add(1) } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_connection_is_connecting_until_it_takes_too_long() {
        let start = Instant::now();
        let outage = Outage::at_start(start);
        assert_eq!(outage.state(start), State::Connecting);
        assert_eq!(outage.state(start + OFFLINE_AFTER), State::Offline { since: start });
    }

    #[test]
    fn a_lost_connection_is_recovering_until_it_takes_too_long() {
        let lost = Instant::now();
        let outage = Outage { failures: 3, ..Outage::after(Duration::from_secs(60), 0, lost) };
        assert_eq!(outage.state(lost), State::Recovering { attempt: 3, since: lost });
        assert_eq!(outage.state(lost + OFFLINE_AFTER), State::Offline { since: lost });
    }

    #[test]
    fn failures_are_forgiven_only_by_a_connection_that_lasts() {
        let now = Instant::now();
        assert_eq!(Outage::after(Duration::from_secs(60), 7, now).failures, 0);
        assert_eq!(Outage::after(Duration::from_millis(10), 7, now).failures, 8);
    }
}

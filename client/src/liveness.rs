//! Noticing that the other side is gone when nothing says so.

use std::time::Duration;

use tokio::time::Instant;

/// How long a `Ping` may go without any sign of life.
const PATIENCE: Duration = Duration::from_secs(5);

/// When to ask for a sign of life, and when to stop hoping for one.
///
/// A transport's own idle timeout is longer than people wait, and a QUIC connection whose path is gone calls itself
/// alive until then. Any byte received counts as a sign: a `Pong` may be late behind a burst of events.
#[derive(Debug)]
pub(crate) struct Liveness {
    every: Duration,
    due: Instant,
    /// Bytes received in all when a `Ping` was sent that waits for a sign.
    asked: Option<u64>,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Send a `Ping`.
    Ping,
    /// There was a sign of life: nothing.
    Rest,
    /// There was none: give the connection up.
    GiveUp,
}

impl Liveness {
    pub(crate) fn new(every: Duration, now: Instant) -> Self {
        Self { every, due: now + every, asked: None }
    }

    /// When to call [`Liveness::act`].
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Decides at the time that was due, by the bytes received so far.
    pub(crate) fn act(&mut self, now: Instant, received: u64) -> Act {
        match self.asked.take() {
            None => {
                self.asked = Some(received);
                self.due = now + PATIENCE;
                Act::Ping
            }
            Some(before) if received > before => {
                self.due = now + self.every.saturating_sub(PATIENCE);
                Act::Rest
            }
            Some(_) => Act::GiveUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ping_goes_out_once_in_each_interval_while_there_is_life() {
        let every = Duration::from_secs(25);
        let start = Instant::now();
        let mut liveness = Liveness::new(every, start);
        for round in 1..4 {
            assert_eq!(liveness.due(), start + every * round);
            assert_eq!(liveness.act(liveness.due(), 100 * u64::from(round)), Act::Ping);
            assert_eq!(liveness.due(), start + every * round + PATIENCE);
            assert_eq!(liveness.act(liveness.due(), 100 * u64::from(round) + 1), Act::Rest);
        }
    }

    #[test]
    fn silence_after_a_ping_is_the_end() {
        let mut liveness = Liveness::new(Duration::from_secs(25), Instant::now());
        assert_eq!(liveness.act(liveness.due(), 7), Act::Ping);
        assert_eq!(liveness.act(liveness.due(), 7), Act::GiveUp);
    }
}

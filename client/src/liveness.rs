//! Noticing that the other side is gone when nothing says so.

use std::time::Duration;

use tokio::time::Instant;

/// How long there may be no sign of life after a `Ping`.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often to ask again meanwhile. Each `Ping` is a new packet, while the transport repeats a lost one at growing
/// intervals: so a server that was restarted says within this time that it has forgotten the connection.
const AGAIN: Duration = Duration::from_secs(1);

/// When to ask for a sign of life, and when to stop hoping for one.
///
/// A transport's own idle timeout is longer than people wait, and a QUIC connection whose path is gone calls itself
/// alive until then. Any byte received counts as a sign: a `Pong` may be late behind a burst of events.
#[derive(Debug)]
pub(crate) struct Liveness {
    every: Duration,
    due: Instant,
    asked: Option<Asked>,
}

/// A `Ping` that waits for a sign.
#[derive(Debug)]
struct Asked {
    at: Instant,
    /// Bytes received in all by then.
    received: u64,
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
        match &self.asked {
            None => {
                self.asked = Some(Asked { at: now, received });
                self.due = now + AGAIN;
                Act::Ping
            }
            Some(asked) if received > asked.received => {
                self.due = (asked.at + self.every).max(now);
                self.asked = None;
                Act::Rest
            }
            Some(asked) if now >= asked.at + PATIENCE => Act::GiveUp,
            Some(_) => {
                self.due = now + AGAIN;
                Act::Ping
            }
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
            assert_eq!(liveness.due(), start + every * round + AGAIN);
            assert_eq!(liveness.act(liveness.due(), 100 * u64::from(round) + 1), Act::Rest);
        }
    }

    #[test]
    fn silence_is_asked_again_and_is_the_end_when_patience_is_over() {
        let start = Instant::now();
        let mut liveness = Liveness::new(Duration::from_secs(25), start);
        for _ in 0..5 {
            assert_eq!(liveness.act(liveness.due(), 7), Act::Ping);
        }
        assert_eq!(liveness.due(), start + Duration::from_secs(25) + PATIENCE);
        assert_eq!(liveness.act(liveness.due(), 7), Act::GiveUp);
    }

    #[test]
    fn a_late_sign_of_life_is_one_all_the_same() {
        let mut liveness = Liveness::new(Duration::from_secs(1), Instant::now());
        assert_eq!(liveness.act(liveness.due(), 7), Act::Ping);
        assert_eq!(liveness.act(liveness.due(), 7), Act::Ping);
        assert_eq!(liveness.act(liveness.due(), 8), Act::Rest);
        assert_eq!(liveness.act(liveness.due(), 8), Act::Ping);
    }
}

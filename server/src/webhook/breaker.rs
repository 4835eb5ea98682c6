//! A circuit breaker: a backend that has failed some times in a row is left alone for a while. Pure.

use std::time::{Duration, Instant};

/// Failures in a row after which nobody asks any more.
const FAILURES: u32 = 5;

/// How long nobody asks then.
const PAUSE: Duration = Duration::from_secs(5);

/// Whether the backend is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breaker {
    /// It is; so often in a row it has failed.
    Closed { failures: u32 },
    /// It is not, until then.
    Open { until: Instant },
    /// One request is on its way to find out. It may be lost, so that another may go then.
    HalfOpen { until: Instant },
}

/// What a change is for those who watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    None,
    Opened,
    Closed,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self::Closed { failures: 0 }
    }

    /// Whether a request may go now.
    pub(super) fn may_ask(&mut self, now: Instant) -> bool {
        match *self {
            Self::Closed { .. } => true,
            Self::Open { until } | Self::HalfOpen { until } if now < until => false,
            Self::Open { .. } | Self::HalfOpen { .. } => {
                *self = Self::HalfOpen { until: now + PAUSE };
                true
            }
        }
    }

    pub(super) fn succeeded(&mut self) -> Change {
        let change = if matches!(self, Self::Closed { .. }) { Change::None } else { Change::Closed };
        *self = Self::new();
        change
    }

    pub(super) fn failed(&mut self, now: Instant) -> Change {
        let open = Self::Open { until: now + PAUSE };
        match self {
            Self::Closed { failures } if *failures + 1 < FAILURES => {
                *failures += 1;
                Change::None
            }
            Self::Closed { .. } => {
                *self = open;
                Change::Opened
            }
            Self::HalfOpen { .. } => {
                *self = open;
                Change::None
            }
            // Of a request that was on its way before: it does not make the pause longer.
            Self::Open { .. } => Change::None,
        }
    }

    pub(super) fn is_open(self) -> bool {
        !matches!(self, Self::Closed { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_request_find_out() {
        let (mut breaker, now) = (Breaker::new(), Instant::now());
        for _ in 1..FAILURES {
            assert_eq!(breaker.failed(now), Change::None);
        }
        assert_eq!(breaker.succeeded(), Change::None);
        let changes: Vec<_> = (0..FAILURES).map(|_| breaker.failed(now)).collect();
        assert_eq!(changes.iter().filter(|change| **change == Change::Opened).count(), 1);
        assert_eq!(changes.last(), Some(&Change::Opened));
        assert!(!breaker.may_ask(now + PAUSE / 2));
        let later = now + PAUSE;
        assert!(breaker.may_ask(later) && !breaker.may_ask(later), "one at a time");
        assert_eq!(breaker.failed(later), Change::None);
        assert!(!breaker.may_ask(later + PAUSE / 2) && breaker.is_open());
        assert!(breaker.may_ask(later + PAUSE));
        assert_eq!(breaker.succeeded(), Change::Closed);
        assert!(breaker.may_ask(later + PAUSE) && !breaker.is_open());
    }

    #[test]
    fn a_lost_probe_is_followed_by_another() {
        let now = Instant::now();
        let mut breaker = Breaker::Open { until: now };
        assert!(breaker.may_ask(now) && !breaker.may_ask(now));
        assert!(breaker.may_ask(now + PAUSE));
    }

    #[test]
    fn failures_of_requests_that_were_under_way_do_not_lengthen_the_pause() {
        let now = Instant::now();
        let mut breaker = Breaker::Open { until: now + PAUSE };
        assert_eq!(breaker.failed(now + PAUSE / 2), Change::None);
        assert!(breaker.may_ask(now + PAUSE));
    }
}

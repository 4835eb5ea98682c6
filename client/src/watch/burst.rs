//! Changes come in bursts: a link that goes down takes its addresses and routes along.

use std::time::{Duration, Instant};

/// A burst has ended when nothing more comes for this long. The kernel tells of a link's end within a fraction of it.
const QUIET: Duration = Duration::from_millis(5);

/// A burst that goes on is told of all the same after this long: it is time in which a client could be on its way.
const LIMIT: Duration = Duration::from_millis(20);

/// The burst under way, if there is one. The time comes in with each call.
#[derive(Debug, Default)]
pub(super) struct Burst(Option<Span>);

#[derive(Debug, Clone, Copy)]
struct Span {
    first: Instant,
    last: Instant,
}

impl Burst {
    /// Something has changed.
    pub(super) fn heard(&mut self, now: Instant) {
        let first = self.0.map_or(now, |span| span.first);
        self.0 = Some(Span { first, last: now });
    }

    /// When to tell of it.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.map(|Span { first, last }| (last + QUIET).min(first + LIMIT))
    }

    /// Whether to tell of it now; if so, it is over.
    pub(super) fn end(&mut self, now: Instant) -> bool {
        let over = self.due().is_some_and(|due| due <= now);
        if over {
            self.0 = None;
        }
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_heard_is_nothing_to_tell() {
        let mut burst = Burst::default();
        assert_eq!(burst.due(), None);
        assert!(!burst.end(Instant::now()));
    }

    #[test]
    fn a_burst_is_told_of_once_when_it_is_quiet() {
        let start = Instant::now();
        let mut burst = Burst::default();
        burst.heard(start);
        burst.heard(start + QUIET / 2);
        let due = start + QUIET / 2 + QUIET;
        assert_eq!(burst.due(), Some(due));
        assert!(!burst.end(start + QUIET));
        assert!(burst.end(due));
        assert!(!burst.end(due));
    }

    #[test]
    fn a_burst_without_end_is_told_of_in_time() {
        let start = Instant::now();
        let mut burst = Burst::default();
        let mut told = None;
        for millis in 0..100 {
            let now = start + Duration::from_millis(millis);
            burst.heard(now);
            if burst.end(now) {
                told.get_or_insert(now);
            }
        }
        assert_eq!(told, Some(start + LIMIT));
    }
}

//! What a channel has told itself to do later.

use std::collections::{BTreeMap, btree_map::OccupiedEntry};
use tokio::time::Instant;

/// Messages by the time at which they are due; those of the same time in the order in which they were scheduled.
pub(crate) struct Timers<I> {
    waiting: BTreeMap<Timer, I>,
    scheduled: u64,
    most: usize,
}

/// Names one scheduled message of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timer {
    due: Instant,
    number: u64,
}

/// A channel has as many timers as it may have: as many as its mailbox holds messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the channel has as many timers as it may have")]
pub struct TooManyTimers;

impl<I> Timers<I> {
    pub(crate) fn new(most: usize) -> Self {
        Self { waiting: BTreeMap::new(), scheduled: 0, most }
    }

    pub(crate) fn schedule(&mut self, due: Instant, info: I) -> Result<Timer, TooManyTimers> {
        if self.waiting.len() >= self.most {
            return Err(TooManyTimers);
        }
        self.scheduled += 1;
        let timer = Timer { due, number: self.scheduled };
        self.waiting.insert(timer, info);
        Ok(timer)
    }

    pub(crate) fn cancel(&mut self, timer: Timer) -> Option<I> {
        self.waiting.remove(&timer)
    }

    /// When the next one is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.waiting.keys().next().map(|timer| timer.due)
    }

    /// The next one, if it is due.
    pub(crate) fn take(&mut self, now: Instant) -> Option<I> {
        self.waiting.first_entry().filter(|entry| entry.key().due <= now).map(OccupiedEntry::remove)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn they_are_taken_when_due_in_order() {
        let now = Instant::now();
        let later = |n| now + Duration::from_secs(n);
        let mut timers = Timers::new(9);
        timers.schedule(later(2), "c").unwrap();
        timers.schedule(later(1), "a").unwrap();
        timers.schedule(later(1), "b").unwrap();
        assert_eq!((timers.due(), timers.take(now)), (Some(later(1)), None));
        let taken: Vec<_> = std::iter::from_fn(|| timers.take(later(5))).collect();
        assert_eq!((taken, timers.due()), (vec!["a", "b", "c"], None));
    }

    #[test]
    fn one_can_be_taken_back_once() {
        let now = Instant::now();
        let mut timers = Timers::new(9);
        let timer = timers.schedule(now, "a").unwrap();
        assert_eq!((timers.cancel(timer), timers.cancel(timer), timers.take(now)), (Some("a"), None, None));
    }

    #[test]
    fn there_are_no_more_than_there_may_be() {
        let now = Instant::now();
        let mut timers = Timers::new(1);
        timers.schedule(now, "a").unwrap();
        assert_eq!(timers.schedule(now, "b"), Err(TooManyTimers));
        timers.take(now);
        timers.schedule(now, "b").unwrap();
    }
}

//! What was published, who has read it, and how long that took. One thread, so nothing is locked.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::{sync::Notify, time::timeout};

use crate::payload::Stamp;

/// Longest time that is told apart, in nanoseconds.
const LONGEST: u64 = 600_000_000_000;

pub(super) struct Tally {
    began: Instant,
    readers: u64,
    /// The first message of the work that is measured.
    first: Cell<u64>,
    published: Cell<u64>,
    /// Of the messages since then, each once for each reader.
    arrived: Cell<u64>,
    /// What came twice, or not in its order.
    wrong: Cell<u64>,
    /// Messages that somebody has yet to read, from the oldest on: its number, and how many have read each.
    window: RefCell<(u64, VecDeque<u64>)>,
    times: RefCell<Histogram<u64>>,
    failures: RefCell<Vec<String>>,
    moved: Notify,
}

impl Tally {
    pub(super) fn new(readers: usize) -> Self {
        Self {
            began: Instant::now(),
            readers: readers as u64,
            first: Cell::default(),
            published: Cell::default(),
            arrived: Cell::default(),
            wrong: Cell::default(),
            window: RefCell::default(),
            times: RefCell::new(Histogram::new_with_bounds(1, LONGEST, 3).expect("legal bounds")),
            failures: RefCell::default(),
            moved: Notify::new(),
        }
    }

    /// Nanoseconds of the load's clock.
    pub(super) fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Begins a new count with the next message.
    pub(super) fn begin(&self) {
        let next = self.published.get();
        self.first.set(next);
        self.arrived.set(0);
        self.wrong.set(0);
        *self.window.borrow_mut() = (next, VecDeque::new());
        self.forget_times();
    }

    /// Times are those of what arrives from now on.
    pub(super) fn forget_times(&self) {
        self.times.borrow_mut().reset();
    }

    /// The number of the next message.
    pub(super) fn publish(&self) -> u64 {
        self.window.borrow_mut().1.push_back(0);
        self.published.replace(self.published.get() + 1)
    }

    /// Counts a message that one reader, who expects this number next, has read.
    pub(super) fn arrive(&self, stamp: Stamp, now: u64, expected: &mut u64) {
        let in_order = stamp.number >= *expected;
        *expected = stamp.number + 1;
        if stamp.number < self.first.get() {
            return;
        }
        if !in_order {
            self.wrong.set(self.wrong.get() + 1);
        }
        self.arrived.set(self.arrived.get() + 1);
        let time = now.saturating_sub(stamp.due).clamp(1, LONGEST);
        self.times.borrow_mut().record(time).expect("within the bounds");
        let mut window = self.window.borrow_mut();
        let (oldest, readers) = &mut *window;
        let Some(count) = stamp.number.checked_sub(*oldest).and_then(|place| readers.get_mut(place as usize))
        else {
            return;
        };
        *count += 1;
        while readers.front().is_some_and(|count| *count >= self.readers) {
            readers.pop_front();
            *oldest += 1;
            self.moved.notify_one();
        }
    }

    pub(super) fn fail(&self, error: &anyhow::Error) {
        self.failures.borrow_mut().push(format!("{error:#}"));
        self.moved.notify_one();
    }

    /// Waits until everybody has read all but the newest `window` - 1 messages; false if nothing has moved for so long.
    pub(super) async fn room(&self, window: usize, patience: Duration) -> bool {
        while self.window.borrow().1.len() >= window {
            if timeout(patience, self.moved.notified()).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Waits until everything has arrived, or for so long.
    pub(super) async fn settle(&self, patience: Duration) {
        let until = Instant::now() + patience;
        while self.missing() > 0 && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Deliveries that should have been.
    pub(super) fn expected(&self) -> u64 {
        (self.published.get() - self.first.get()) * self.readers
    }

    pub(super) fn missing(&self) -> u64 {
        self.expected().saturating_sub(self.arrived.get())
    }

    pub(super) fn arrived(&self) -> u64 {
        self.arrived.get()
    }

    pub(super) fn wrong(&self) -> u64 {
        self.wrong.get()
    }

    pub(super) fn failures(&self) -> Vec<String> {
        self.failures.borrow().clone()
    }

    /// In microseconds.
    pub(super) fn quantile(&self, quantile: f64) -> f64 {
        self.times.borrow().value_at_quantile(quantile) as f64 / 1e3
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_doubled_or_late_shows() {
        let tally = Tally::new(2);
        tally.begin();
        let stamps: Vec<_> = (0..3).map(|_| Stamp { number: tally.publish(), due: 0 }).collect();
        let mut expected = [0; 2];
        for (reader, message) in [(0, 0), (0, 1), (0, 2), (1, 1), (1, 0)] {
            tally.arrive(stamps[message], 5000, &mut expected[reader]);
        }
        assert_eq!((tally.expected(), tally.missing(), tally.wrong()), (6, 1, 1));
        assert_eq!(tally.window.borrow().0, 2);
        assert!((tally.quantile(0.5) - 5.0).abs() < 0.01);
        // The next work does not count what comes late of this one.
        tally.begin();
        tally.arrive(stamps[2], 5000, &mut expected[1]);
        assert_eq!((tally.expected(), tally.arrived()), (0, 0));
    }
}

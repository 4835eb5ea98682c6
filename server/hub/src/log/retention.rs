//! What a log lets go of, and when.

use super::{Entry, Log};
use crate::config::{Full, Retention, is_younger};

impl Log {
    /// Lets go of what is beyond the retention and, if there are live readers, beyond their window as well.
    pub(crate) fn trim(&mut self, now: u64, window: Option<Retention>) {
        while let Some(oldest) = self.entries.front() {
            let kept_for_readers = |window: Retention| {
                let only = self.entries.len() == 1 && is_younger(oldest.record.at, now, window.age);
                only || self.is_within(0, &window, now)
            };
            if self.is_within(0, &self.retention, now) || window.is_some_and(kept_for_readers) {
                break;
            }
            if self.entries.len() == 1 && self.has_newest(now) {
                break;
            }
            self.pop();
        }
        self.shrink();
    }

    /// Lets go of the oldest events until no more than `bytes` are taken. How many those are.
    pub(crate) fn trim_to(&mut self, bytes: usize) -> usize {
        let before = self.entries.len();
        while self.bytes() > bytes {
            self.pop();
        }
        self.shrink();
        before - self.entries.len()
    }

    /// Whether the newest event is kept, whatever else is.
    pub(super) fn has_newest(&self, now: u64) -> bool {
        let newest = self.entries.back();
        newest.is_some_and(|entry| is_younger(entry.record.at, now, self.retention.newest))
    }

    /// Bytes of the newest event, if it is one to be kept for longer than the others.
    pub(crate) fn kept(&self) -> usize {
        let is_kept = !self.retention.newest.is_zero();
        self.entries.back().filter(|_| is_kept).map_or(0, |newest| newest.record.cost())
    }

    /// Whether there is no room for an event of this cost, and none is made.
    pub(crate) fn is_full(&self, cost: usize, now: u64) -> bool {
        if self.retention.full == Full::Drop {
            return false;
        }
        let is_old = |entry: &Entry| !is_younger(entry.record.at, now, self.retention.age);
        let first = self.entries.partition_point(is_old);
        let held = self.entries.get(first).map_or(0, |entry| self.end.wrapping_sub(entry.start));
        self.entries.len() - first >= self.retention.count || held + cost as u64 > self.retention.bytes as u64
    }

    /// Whether the entry and all after it are within the bounds.
    fn is_within(&self, index: usize, bounds: &Retention, now: u64) -> bool {
        let entry = &self.entries[index];
        self.entries.len() - index <= bounds.count
            && self.end.wrapping_sub(entry.start) <= bounds.bytes as u64
            && is_younger(entry.record.at, now, bounds.age)
    }

    fn pop(&mut self) {
        let Some(Entry { record, superseded, .. }) = self.entries.pop_front() else { return };
        self.share.give_back(record.cost());
        self.head = record.offset;
        if !superseded {
            self.lost = record.offset;
            self.newest.remove(&record.key);
        }
    }

    /// Gives back what a burst has left behind.
    fn shrink(&mut self) {
        if self.entries.capacity() > 64 && self.entries.capacity() / 4 > self.entries.len() {
            self.entries.shrink_to(self.entries.len() * 2);
            self.newest.shrink_to(self.newest.len() * 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{OVERHEAD, tests::*};
    use super::*;
    use std::time::Duration;

    #[test]
    fn retention_by_count_bytes_and_age() {
        let all =
            Retention { count: 99, bytes: 99_999, age: Duration::from_secs(99), ..Retention::default() };
        let kept = |retention| {
            let mut log = log(retention);
            for (i, name) in ["aa", "bb", "cc"].into_iter().enumerate() {
                add(&mut log, name, None, i as u64 * 1000, None);
            }
            offsets(&log)
        };
        assert_eq!(kept(all), [1, 2, 3]);
        assert_eq!(kept(Retention { count: 2, ..all }), [2, 3]);
        assert_eq!(kept(Retention { bytes: 2 * (OVERHEAD + 2), ..all }), [2, 3]);
        assert_eq!(kept(Retention { bytes: 2 * (OVERHEAD + 2) - 1, ..all }), [3]);
        assert_eq!(kept(Retention { age: Duration::from_millis(1001), ..all }), [2, 3]);
        assert_eq!(kept(Retention { age: Duration::from_millis(1000), ..all }), [3]);
    }

    #[test]
    fn live_readers_have_a_window_however_little_is_retained() {
        let nothing = Retention { count: 0, bytes: 0, age: Duration::ZERO, ..Retention::default() };
        let window =
            Retention { count: 2, bytes: OVERHEAD + 10, age: Duration::from_secs(1), ..Retention::default() };
        let mut log = log(nothing);
        add(&mut log, "a", None, 0, Some(window));
        assert_eq!(offsets(&log), [1]);
        // Larger than the window, but the newest.
        add(&mut log, "larger than ten", None, 500, Some(window));
        assert_eq!(offsets(&log), [2]);
        log.trim(1499, Some(window));
        assert_eq!(offsets(&log), [2]);
        log.trim(1500, Some(window));
        assert!(log.is_empty());
        add(&mut log, "b", None, 1500, None);
        assert_eq!((log.is_empty(), log.head(), log.bytes()), (true, 3, 0));
    }

    #[test]
    fn the_newest_event_is_kept_for_longer_than_history() {
        let second = Duration::from_secs(1);
        let mut log = log(Retention { count: 0, newest: 9 * second, ..Retention::default() });
        for (name, now) in [("a", 0), ("b", 1000)] {
            add(&mut log, name, None, now, None);
        }
        assert_eq!(offsets(&log), [2]);
        log.trim(9999, None);
        assert_eq!(offsets(&log), [2]);
        log.trim(10_000, None);
        assert!(log.is_empty());
    }

    #[test]
    fn a_log_that_refuses_has_room_when_events_have_aged() {
        let bounds = Retention { count: 2, age: Duration::from_secs(1), ..Retention::default() };
        let mut log = log(Retention { full: Full::Refuse, ..bounds });
        add(&mut log, "a", None, 0, None);
        assert!(!log.is_full(1, 500));
        add(&mut log, "b", None, 500, None);
        assert!(log.is_full(1, 999));
        assert!(!log.is_full(1, 1000));
        let small = Retention { bytes: 2 * OVERHEAD, full: Full::Refuse, ..Retention::default() };
        let mut log = super::super::tests::log(small);
        assert!(!log.is_full(2 * OVERHEAD, 0) && log.is_full(2 * OVERHEAD + 1, 0));
        add(&mut log, "a", None, 0, None);
        assert!(log.is_full(OVERHEAD, 0));
        assert!(!super::super::tests::log(bounds).is_full(usize::MAX, 0), "the oldest go");
    }

    #[test]
    fn making_room_takes_the_oldest() {
        let mut log = log(Retention::default());
        add_all(&mut log, &[("a", None), ("b", None), ("c", None)]);
        assert_eq!(log.trim_to(log.bytes()), 0);
        assert_eq!(log.trim_to(log.bytes() - 1), 1);
        assert_eq!((offsets(&log), log.head()), (vec![2, 3], 1));
        assert_eq!(log.trim_to(0), 2);
        assert_eq!((log.head(), log.tail()), (3, at(3)));
    }

    #[test]
    fn only_a_newest_event_that_is_kept_counts_as_such() {
        let newest = Duration::from_secs(9);
        for (newest, kept) in [(newest, OVERHEAD + 3), (Duration::ZERO, 0)] {
            let mut log = log(Retention { newest, ..Retention::default() });
            assert_eq!(log.kept(), 0);
            add_all(&mut log, &[("a", None), ("bbb", None)]);
            assert_eq!(log.kept(), kept);
        }
    }

    #[test]
    fn what_a_burst_took_is_given_back() {
        let mut log = log(Retention::default());
        add_all(&mut log, &[("a", None); 1000]);
        log.trim_to(0);
        assert!(log.entries.capacity() < 100);
    }

    #[test]
    fn a_key_leaves_the_index_with_its_last_event() {
        let mut log = log(Retention { count: 2, ..Retention::default() });
        add_all(&mut log, &[("a1", Some("a")), ("b1", Some("b")), ("a2", Some("a"))]);
        assert_eq!((live(&log), log.newest.len()), (vec![2, 3], 2));
        add_all(&mut log, &[("c1", Some("c"))]);
        assert_eq!((live(&log), log.newest.len()), (vec![3, 4], 2));
    }
}

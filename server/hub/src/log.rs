//! One topic's log: the newest events as encoded frames, oldest first.

mod read;

use crate::{
    budget::Share,
    config::{Retention, is_younger},
};
use bytes::Bytes;
use dunlin_proto::Position;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

/// What an event costs beyond its frame and key: its [`Entry`], its place in the index of keys, the allocators' share.
pub(crate) const OVERHEAD: usize = 192;

/// What live readers have to catch up in, however little history is retained.
pub(crate) const LIVE: Retention = Retention { count: 256, bytes: 256 * 1024, age: Duration::from_secs(10) };

/// A log. Pure: time comes in, and who reads is known elsewhere.
///
/// Offsets rise but need not be dense. Of the events up to `tail`, the log holds exactly those after `head`.
pub(crate) struct Log {
    retention: Retention,
    /// Where the epoch began here.
    origin: Position,
    /// Where the epoch before it ended, if there was one.
    ended: Option<Position>,
    /// Events up to and including this offset are gone.
    head: u64,
    /// The last event that is gone although none of the same key had come after it.
    lost: u64,
    /// The newest event.
    tail: u64,
    entries: VecDeque<Entry>,
    /// The newest offset of each key among the entries.
    newest: HashMap<Key, u64>,
    /// Where the next [`Entry::start`] stands.
    end: u64,
    share: Share,
}

pub(crate) type Key = Option<Arc<str>>;

/// An event on its way into a log.
pub(crate) struct Record {
    pub(crate) offset: u64,
    pub(crate) at: u64,
    pub(crate) key: Key,
    pub(crate) frame: Bytes,
}

struct Entry {
    record: Record,
    /// Whether there is a newer entry of the same key.
    superseded: bool,
    /// What all events before this one cost. Only differences count: those that a broker's history puts in front
    /// continue below 0, wrapping.
    start: u64,
}

impl Record {
    /// Bytes that the event takes, as they are accounted.
    pub(crate) fn cost(&self) -> usize {
        self.frame.len() + self.key.as_ref().map_or(0, |key| key.len()) + OVERHEAD
    }
}

impl Log {
    /// A log that has yet to [`begin`](Self::begin).
    pub(crate) fn new(retention: Retention, share: Share) -> Self {
        Self {
            retention,
            origin: Position::new(0, 0),
            ended: None,
            head: 0,
            lost: 0,
            tail: 0,
            entries: VecDeque::new(),
            newest: HashMap::new(),
            end: 0,
            share,
        }
    }

    /// Starts over, in another epoch; or goes on after a hole, in the same.
    pub(crate) fn begin(&mut self, position: Position) {
        if position.epoch != self.origin.epoch {
            self.ended = (self.origin.epoch != 0).then(|| self.tail());
            self.origin = position;
        }
        self.skip_to(position.offset);
        self.tail = position.offset;
    }

    /// Adds the newest event. `previous` is the offset of the one before it in the topic: if that is not the log's
    /// tail, the events between are missing, and the log cannot hold anything before the hole.
    pub(crate) fn append(&mut self, record: Record, previous: u64, window: Option<Retention>) {
        if previous > self.tail {
            self.skip_to(previous);
        }
        self.tail = record.offset;
        let at = record.at;
        if let Some(old) = self.newest.insert(record.key.clone(), record.offset) {
            let old = self.entries.partition_point(|entry| entry.record.offset < old);
            self.entries[old].superseded = true;
        }
        let cost = record.cost();
        self.share.take(cost);
        self.entries.push_back(Entry { record, superseded: false, start: self.end });
        self.end = self.end.wrapping_add(cost as u64);
        self.trim(at, window);
    }

    /// Adds what a broker's history holds in front: all events after `after`, up to and including `to`.
    pub(crate) fn prepend(&mut self, after: u64, to: u64, records: Vec<Record>) {
        // The log may have lost more since the history was asked for, or got it from another subscriber's question.
        if to < self.head || after >= self.head {
            return;
        }
        let known = self.head;
        for mut record in records.into_iter().rev().filter(|record| record.offset <= known) {
            let cost = record.cost();
            self.share.take(cost);
            let (start, at) = match self.entries.front() {
                Some(next) => (next.start, next.record.at),
                None => (self.end, record.at),
            };
            record.at = record.at.min(at);
            let superseded = self.newest.contains_key(&record.key);
            if !superseded {
                self.newest.insert(record.key.clone(), record.offset);
            }
            self.entries.push_front(Entry { record, superseded, start: start.wrapping_sub(cost as u64) });
        }
        self.head = after;
        self.lost = self.lost.min(after);
    }

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

    /// The newest position.
    pub(crate) fn tail(&self) -> Position {
        Position::new(self.origin.epoch, self.tail)
    }

    /// Bytes taken.
    pub(crate) fn bytes(&self) -> usize {
        self.share.amount()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Events up to and including this offset are gone.
    pub(crate) fn head(&self) -> u64 {
        self.head
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

    fn skip_to(&mut self, offset: u64) {
        self.entries.clear();
        self.newest.clear();
        self.share.give_back(self.share.amount());
        self.head = offset;
        self.lost = offset;
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
pub(crate) mod tests {
    use super::*;
    use crate::budget::Budget;
    use std::mem::size_of;

    const EPOCH: u64 = 7;

    pub(crate) fn at(offset: u64) -> Position {
        Position::new(EPOCH, offset)
    }

    pub(crate) fn log(retention: Retention) -> Log {
        let mut log = Log::new(retention, Budget::new(usize::MAX).share());
        log.begin(at(0));
        log
    }

    pub(crate) fn add(
        log: &mut Log,
        name: &'static str,
        key: Option<&str>,
        now: u64,
        window: Option<Retention>,
    ) {
        let previous = log.tail().offset;
        log.append(record(previous + 1, now, name, key), previous, window);
    }

    pub(crate) fn add_all(log: &mut Log, events: &[(&'static str, Option<&str>)]) {
        for (name, key) in events {
            add(log, name, *key, 0, None);
        }
    }

    fn record(offset: u64, at: u64, name: &'static str, key: Option<&str>) -> Record {
        Record { offset, at, key: key.map(Into::into), frame: Bytes::from_static(name.as_bytes()) }
    }

    fn offsets(log: &Log) -> Vec<u64> {
        log.entries.iter().map(|entry| entry.record.offset).collect()
    }

    fn live(log: &Log) -> Vec<u64> {
        log.entries.iter().filter(|entry| !entry.superseded).map(|entry| entry.record.offset).collect()
    }

    #[test]
    fn the_overhead_covers_an_entry_and_its_place_in_the_index() {
        assert!(size_of::<Entry>() + size_of::<(Key, u64)>() < OVERHEAD);
    }

    #[test]
    fn retention_by_count_bytes_and_age() {
        let all = Retention { count: 99, bytes: 99_999, age: Duration::from_secs(99) };
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
        let nothing = Retention { count: 0, bytes: 0, age: Duration::ZERO };
        let window = Retention { count: 2, bytes: OVERHEAD + 10, age: Duration::from_secs(1) };
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
    fn a_key_leaves_the_index_with_its_last_event() {
        let mut log = log(Retention { count: 2, ..Retention::default() });
        add_all(&mut log, &[("a1", Some("a")), ("b1", Some("b")), ("a2", Some("a"))]);
        assert_eq!((live(&log), log.newest.len()), (vec![2, 3], 2));
        add_all(&mut log, &[("c1", Some("c"))]);
        assert_eq!((live(&log), log.newest.len()), (vec![3, 4], 2));
    }

    #[test]
    fn a_hole_takes_what_is_before_it() {
        let mut log = log(Retention::default());
        add_all(&mut log, &[("a", None), ("b", None)]);
        log.append(record(9, 0, "i", None), 8, None);
        assert_eq!((offsets(&log), log.head(), log.lost), (vec![9], 8, 8));
        // Sparse offsets alone are no hole.
        log.append(record(12, 0, "l", None), 9, None);
        assert_eq!(offsets(&log), [9, 12]);
    }

    #[test]
    fn history_goes_in_front_and_is_conflated() {
        let mut log = log(Retention::default());
        log.begin(at(10));
        add(&mut log, "a3", Some("a"), 5, None);
        let history = || {
            [(7, "a1", "a"), (8, "b1", "b"), (10, "a2", "a")].map(|(o, n, k)| record(o, 9, n, Some(k))).into()
        };
        log.prepend(6, 10, history());
        assert_eq!((offsets(&log), live(&log), log.head()), (vec![7, 8, 10, 11], vec![8, 11], 6));
        let bytes = log.bytes();
        // Somebody else's question for the same is answered later.
        log.prepend(6, 10, history());
        assert_eq!((offsets(&log), log.bytes()), (vec![7, 8, 10, 11], bytes));
        assert!(log.entries.iter().all(|entry| entry.record.at == 5), "time does not go back within a log");
        assert_eq!(log.end.wrapping_sub(log.entries[0].start), bytes as u64);
    }

    #[test]
    fn history_that_no_longer_meets_the_log_is_left_out() {
        let mut log = log(Retention { count: 1, ..Retention::default() });
        log.begin(at(10));
        add_all(&mut log, &[("k", None), ("l", None)]);
        log.prepend(9, 10, vec![record(10, 0, "j", None)]);
        assert_eq!(offsets(&log), [12]);
    }
}

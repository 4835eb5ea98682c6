//! One topic's log: the newest events as encoded frames, oldest first.

mod read;
mod retention;

use crate::{
    Origin,
    budget::Share,
    config::{Full, Retention},
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
pub(crate) const LIVE: Retention = Retention {
    count: 256,
    bytes: 256 * 1024,
    age: Duration::from_secs(10),
    newest: Duration::ZERO,
    full: Full::Drop,
};

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
    /// How many events were added at this end.
    events: u64,
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
    /// Who is not to read it.
    pub(crate) origin: Option<Origin>,
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
            events: 0,
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
        self.events += 1;
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

    /// The newest position.
    pub(crate) fn tail(&self) -> Position {
        Position::new(self.origin.epoch, self.tail)
    }

    /// Bytes taken.
    pub(crate) fn bytes(&self) -> usize {
        self.share.amount()
    }

    /// Events held.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Events that came in since there is a log.
    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Events up to and including this offset are gone.
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    fn skip_to(&mut self, offset: u64) {
        self.entries.clear();
        self.newest.clear();
        self.share.give_back(self.share.amount());
        self.head = offset;
        self.lost = offset;
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
        Record {
            offset,
            at,
            key: key.map(Into::into),
            origin: None,
            frame: Bytes::from_static(name.as_bytes()),
        }
    }

    pub(crate) fn offsets(log: &Log) -> Vec<u64> {
        log.entries.iter().map(|entry| entry.record.offset).collect()
    }

    pub(crate) fn live(log: &Log) -> Vec<u64> {
        log.entries.iter().filter(|entry| !entry.superseded).map(|entry| entry.record.offset).collect()
    }

    #[test]
    fn the_overhead_covers_an_entry_and_its_place_in_the_index() {
        assert!(size_of::<Entry>() + size_of::<(Key, u64)>() < OVERHEAD);
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
        assert_eq!((offsets(&log), live(&log)), (vec![7, 8, 10, 11], vec![8, 11]));
        assert_eq!((log.head, log.lost), (6, 6));
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

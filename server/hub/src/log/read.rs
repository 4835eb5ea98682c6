//! Reading a log: from where, what, and what is missing.

use super::{Entry, Log};
use crate::{
    Origin,
    config::is_younger,
    cursor::{Batch, Limit, Order},
};
use dunlin_proto::Position;

impl Log {
    /// The position from which on the log's history has everything that a new reader of this order is owed.
    pub(crate) fn oldest(&self, order: Order, now: u64) -> Position {
        let first = self.first_of_history(now);
        let before = match order {
            Order::All => first.checked_sub(1).map_or(self.head, |last| self.entries[last].record.offset),
            Order::Latest => {
                let mut hidden = self.entries.range(..first).rev();
                hidden.find(|entry| !entry.superseded).map_or(self.lost, |entry| entry.record.offset)
            }
        };
        Position::new(self.origin.epoch, before)
    }

    /// The position before the last `count` events of history (of as many keys, for [`Order::Latest`]); before the newest one at least,
    /// if the log keeps it.
    pub(crate) fn last(&self, count: usize, order: Order, now: u64) -> Position {
        let count = count.max(self.has_newest(now).into());
        let first = self.first_of_history(now);
        let wanted = |(_, entry): &(usize, &Entry)| order == Order::All || !entry.superseded;
        let begin = self.entries.iter().enumerate().skip(first).rev().filter(wanted).take(count).last();
        let before = match begin {
            None => self.tail,
            Some((index, _)) => {
                index.checked_sub(1).map_or(self.head, |before| self.entries[before].record.offset)
            }
        };
        Position::new(self.origin.epoch, before)
    }

    /// A gap over what follows the position and was published before a time, and the position after it. `None` if there is nothing, or
    /// something else comes first.
    pub(crate) fn stale(
        &self,
        from: Position,
        order: Order,
        own: Option<Origin>,
        before: u64,
    ) -> Option<(Batch, Position)> {
        if from.epoch != self.origin.epoch || from.offset < self.gone(order) {
            return None;
        }
        // Within a log, time does not go back.
        let fresh = self.entries.partition_point(|entry| entry.record.at < before);
        let is_owed = |entry: &&Entry| {
            let is_own = own.is_some() && entry.record.origin == own;
            !is_own && (order == Order::All || !entry.superseded)
        };
        let last = self.entries.range(..fresh).rev().find(is_owed)?.record.offset;
        (last > from.offset).then(|| gap(from, Position::new(from.epoch, last)))
    }

    /// Whether history has everything after the position.
    pub(crate) fn covers(&self, position: Position, order: Order, now: u64) -> bool {
        let offsets = self.oldest(order, now).offset..=self.tail;
        position.epoch == self.origin.epoch && offsets.contains(&position.offset)
    }

    /// What follows the position, and the position after it. `None` if and only if the position is the tail. What comes from
    /// the reader itself is left out, and may have been all that there was.
    pub(crate) fn read(
        &self,
        from: Position,
        order: Order,
        own: Option<Origin>,
        limit: Limit,
    ) -> Option<(Batch, Position)> {
        if from == self.tail() {
            return None;
        }
        if from.epoch != self.origin.epoch {
            return Some(match self.ended {
                // What was left of the old epoch went with it.
                Some(end) if end.epoch == from.epoch && end.offset > from.offset => gap(from, end),
                _ => (Batch::Restarted(self.origin), self.origin),
            });
        }
        let gone = self.gone(order);
        if from.offset < gone {
            return Some(gap(from, Position::new(from.epoch, gone)));
        }
        Some(self.batch(from, order, own, limit))
    }

    fn batch(&self, from: Position, order: Order, own: Option<Origin>, limit: Limit) -> (Batch, Position) {
        let first = self.entries.partition_point(|entry| entry.record.offset <= from.offset);
        let mut frames = Vec::new();
        let mut bytes = 0;
        let mut last = from;
        for entry in self.entries.range(first..) {
            if order == Order::Latest && entry.superseded {
                continue;
            }
            if own.is_some() && entry.record.origin == own {
                last.offset = entry.record.offset;
                continue;
            }
            bytes += entry.record.frame.len();
            if !frames.is_empty() && (frames.len() >= limit.frames || bytes > limit.bytes) {
                break;
            }
            frames.push(entry.record.frame.clone());
            last.offset = entry.record.offset;
        }
        // Nothing supersedes the newest event, and what is gone of it is in a gap: empty only if the rest is the reader's own.
        (Batch::Events(frames), last)
    }

    /// The last event that a reader of this order can no longer have.
    fn gone(&self, order: Order) -> u64 {
        match order {
            Order::All => self.head,
            Order::Latest => self.lost,
        }
    }

    /// The first entry that is not only there for the readers of now.
    fn first_of_history(&self, now: u64) -> usize {
        let by_count = self.entries.len().saturating_sub(self.retention.count);
        let first = by_count.max(self.first_within(now));
        if self.has_newest(now) { first.min(self.entries.len() - 1) } else { first }
    }

    /// The first entry within the retention's bytes and age.
    fn first_within(&self, now: u64) -> usize {
        self.entries.partition_point(|entry| {
            self.end.wrapping_sub(entry.start) > self.retention.bytes as u64
                || !is_younger(entry.record.at, now, self.retention.age)
        })
    }
}

fn gap(from: Position, to: Position) -> (Batch, Position) {
    (Batch::Gap { from: from.offset + 1, to: to.offset }, to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Retention, log::tests::*};
    use bytes::Bytes;

    const ANY: Limit = Limit { frames: 99, bytes: 99_999 };

    fn events(names: &[&'static str]) -> Batch {
        Batch::Events(names.iter().map(|name| Bytes::from_static(name.as_bytes())).collect())
    }

    #[test]
    fn a_batch_keeps_both_limits_but_has_at_least_one_frame() {
        let mut log = log(Retention::default());
        add_all(&mut log, &[("aaaa", None), ("bbbb", None), ("cccc", None)]);
        let read =
            |offset, frames, bytes| log.read(at(offset), Order::All, None, Limit { frames, bytes }).unwrap();
        assert_eq!(read(0, 2, 99), (events(&["aaaa", "bbbb"]), at(2)));
        assert_eq!(read(0, 9, 8), (events(&["aaaa", "bbbb"]), at(2)));
        assert_eq!(read(0, 9, 7), (events(&["aaaa"]), at(1)));
        assert_eq!(read(1, 0, 0), (events(&["bbbb"]), at(2)));
        assert_eq!(log.read(at(3), Order::All, None, ANY), None);
    }

    #[test]
    fn latest_has_the_newest_event_of_each_key_in_the_order_of_the_log() {
        let mut log = log(Retention::default());
        add_all(
            &mut log,
            &[("a1", Some("a")), ("x1", None), ("b1", Some("b")), ("a2", Some("a")), ("x2", None)],
        );
        assert_eq!(log.read(at(0), Order::Latest, None, ANY), Some((events(&["b1", "a2", "x2"]), at(5))));
        let one = Limit { frames: 1, ..ANY };
        assert_eq!(log.read(at(3), Order::Latest, None, one), Some((events(&["a2"]), at(4))));
    }

    #[test]
    fn latest_misses_only_what_nothing_has_superseded() {
        let mut log = log(Retention { count: 3, ..Retention::default() });
        add_all(
            &mut log,
            &[("a1", Some("a")), ("b1", Some("b")), ("a2", Some("a")), ("b2", Some("b")), ("b3", Some("b"))],
        );
        // a1 and b1 have left the log, but each had a successor.
        assert_eq!(log.read(at(0), Order::All, None, ANY), Some((Batch::Gap { from: 1, to: 2 }, at(2))));
        assert_eq!(log.read(at(0), Order::Latest, None, ANY), Some((events(&["a2", "b3"]), at(5))));
        // Now a2 goes, the latest of its key.
        add_all(&mut log, &[("b4", Some("b"))]);
        assert_eq!(log.read(at(1), Order::Latest, None, ANY), Some((Batch::Gap { from: 2, to: 3 }, at(3))));
        assert_eq!(log.read(at(3), Order::Latest, None, ANY), Some((events(&["b4"]), at(6))));
    }

    #[test]
    fn history_is_what_retention_says_even_where_live_readers_have_more() {
        let mut log = log(Retention { count: 2, ..Retention::default() });
        for (name, key) in [("a1", Some("a")), ("a2", Some("a")), ("b1", Some("b")), ("a3", Some("a"))] {
            add(&mut log, name, key, 0, Some(crate::log::LIVE));
        }
        assert_eq!(log.entries.len(), 4);
        assert_eq!(log.oldest(Order::All, 0), at(2));
        assert!(log.covers(at(2), Order::All, 0) && !log.covers(at(1), Order::All, 0));
        // The events that history lacks have all been superseded.
        assert!(log.covers(at(0), Order::Latest, 0));
        assert!(log.covers(at(4), Order::All, 0) && !log.covers(at(5), Order::All, 0));
        assert!(!log.covers(Position::new(8, 3), Order::All, 0));
    }

    #[test]
    fn the_last_events_are_counted_from_the_end_of_history() {
        let mut log = log(Retention { count: 3, ..Retention::default() });
        for (name, key) in [("a1", "a"), ("b1", "b"), ("a2", "a"), ("c1", "c"), ("a3", "a")] {
            add(&mut log, name, Some(key), 0, Some(crate::log::LIVE));
        }
        let last = |count, order| log.last(count, order, 0).offset;
        assert_eq!([0, 1, 2, 3, 9].map(|count| last(count, Order::All)), [5, 4, 3, 2, 2]);
        // a3 and c1; b1 is beyond history.
        assert_eq!([0, 1, 2, 9].map(|count| last(count, Order::Latest)), [5, 4, 3, 3]);
    }

    #[test]
    fn the_newest_event_is_among_the_last_if_it_is_kept() {
        let newest = std::time::Duration::from_secs(9);
        let mut log = log(Retention { count: 0, newest, ..Retention::default() });
        assert_eq!(log.last(0, Order::All, 0), at(0));
        add_all(&mut log, &[("a", None), ("b", None)]);
        assert_eq!((log.last(0, Order::All, 0), log.last(7, Order::Latest, 8999)), (at(1), at(1)));
        assert_eq!((log.last(7, Order::All, 9000), log.oldest(Order::All, 8999)), (at(2), at(1)));
    }

    #[test]
    fn what_is_stale_is_named_to_the_last_one_that_was_owed() {
        let mut log = log(Retention::default());
        for (now, (name, key)) in [("a1", "a"), ("b1", "b"), ("a2", "a"), ("b2", "b")].into_iter().enumerate()
        {
            add(&mut log, name, Some(key), now as u64 * 10, None);
        }
        let stale = |from, order, before| log.stale(at(from), order, None, before);
        assert_eq!(stale(0, Order::All, 0), None);
        assert_eq!(stale(0, Order::All, 20), Some((Batch::Gap { from: 1, to: 2 }, at(2))));
        assert_eq!(stale(1, Order::All, 99), Some((Batch::Gap { from: 2, to: 4 }, at(4))));
        assert_eq!(stale(2, Order::All, 20), None);
        // a1 and b1 have newer ones.
        assert_eq!(stale(0, Order::Latest, 20), None);
        assert_eq!(stale(0, Order::Latest, 30), Some((Batch::Gap { from: 1, to: 3 }, at(3))));
    }

    #[test]
    fn a_restart_tells_what_went_with_the_old_epoch() {
        let mut log = log(Retention::default());
        add_all(&mut log, &[("a", None), ("b", None)]);
        log.begin(Position::new(8, 40));
        let read = |from| log.read(from, Order::All, None, ANY);
        assert_eq!(read(at(0)), Some((Batch::Gap { from: 1, to: 2 }, at(2))));
        assert_eq!(read(at(2)), Some((Batch::Restarted(Position::new(8, 40)), Position::new(8, 40))));
        assert_eq!(
            read(Position::new(3, 1)),
            Some((Batch::Restarted(Position::new(8, 40)), Position::new(8, 40)))
        );
        assert_eq!(read(Position::new(8, 40)), None);
    }
}

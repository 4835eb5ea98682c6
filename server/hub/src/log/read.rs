//! Reading a log: from where, what, and what is missing.

use super::Log;
use crate::cursor::{Batch, Limit, Order};
use dunlin_proto::Position;

impl Log {
    /// The position from which on the log's history has everything that a new reader of this order is owed.
    pub(crate) fn oldest(&self, order: Order, now: u64) -> Position {
        // Entries before the first are only there for the readers of now.
        let by_count = self.entries.len().saturating_sub(self.retention.count);
        let first = by_count.max(self.first_within(now));
        let before = match order {
            Order::All => first.checked_sub(1).map_or(self.head, |last| self.entries[last].record.offset),
            Order::Latest => {
                let mut hidden = self.entries.range(..first).rev();
                hidden.find(|entry| !entry.superseded).map_or(self.lost, |entry| entry.record.offset)
            }
        };
        Position::new(self.origin.epoch, before)
    }

    /// Whether history has everything after the position.
    pub(crate) fn covers(&self, position: Position, order: Order, now: u64) -> bool {
        let offsets = self.oldest(order, now).offset..=self.tail;
        position.epoch == self.origin.epoch && offsets.contains(&position.offset)
    }

    /// What follows the position, and the position after it. `None` if and only if the position is the tail.
    pub(crate) fn read(&self, from: Position, order: Order, limit: Limit) -> Option<(Batch, Position)> {
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
        let gone = match order {
            Order::All => self.head,
            Order::Latest => self.lost,
        };
        if from.offset < gone {
            return Some(gap(from, Position::new(from.epoch, gone)));
        }
        Some(self.batch(from, order, limit))
    }

    fn batch(&self, from: Position, order: Order, limit: Limit) -> (Batch, Position) {
        let first = self.entries.partition_point(|entry| entry.record.offset <= from.offset);
        let mut frames = Vec::new();
        let mut bytes = 0;
        let mut last = from;
        for entry in self.entries.range(first..) {
            if order == Order::Latest && entry.superseded {
                continue;
            }
            bytes += entry.record.frame.len();
            if !frames.is_empty() && (frames.len() >= limit.frames || bytes > limit.bytes) {
                break;
            }
            frames.push(entry.record.frame.clone());
            last.offset = entry.record.offset;
        }
        // The newest event of a topic is superseded by none, so a batch that ends early for want of events cannot be:
        // its last frame is the tail's.
        (Batch::Events(frames), last)
    }

    /// The first entry within the retention's bytes and age.
    fn first_within(&self, now: u64) -> usize {
        self.entries.partition_point(|entry| {
            self.end.wrapping_sub(entry.start) > self.retention.bytes as u64
                || !crate::config::is_younger(entry.record.at, now, self.retention.age)
        })
    }
}

fn gap(from: Position, to: Position) -> (Batch, Position) {
    (Batch::Gap { from: from.offset + 1, to: to.offset }, to)
}

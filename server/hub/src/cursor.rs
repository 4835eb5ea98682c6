//! A subscriber: a place in a topic's log.

use crate::{Origin, lock, topic};
use bytes::Bytes;
use dunlin_proto::Position;
use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
};

/// Where a subscriber begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the next event.
    Now,
    /// With the event after this position, as one who saw everything up to it.
    After(Position),
    /// With the oldest event that history holds.
    Oldest,
}

/// Which events a subscriber wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Every one.
    All,
    /// Only those after which none of the same key has come, as far as the log knows at the time of reading: the
    /// latest state, however slow the reader. In the order of their offsets.
    Latest,
}

/// How the beginning relates to the position asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// No position was asked for.
    Live,
    /// Everything after the position is there, and is delivered to a reader that keeps up.
    Recovered,
    /// History does not cover the position, or it is of another epoch or in the future. Never a part: the cursor
    /// stands at the tail.
    Lost,
}

/// Bounds on one batch. The first frame is always taken, whatever its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Most frames.
    pub frames: usize,
    /// Most bytes, as the sum of the frames' lengths.
    pub bytes: usize,
}

/// What a reader gets next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Batch {
    /// At least one frame, oldest first.
    Events(Vec<Bytes>),
    /// The reader was slower than the log is long: these are gone, and it goes on with the next.
    ///
    /// For [`Order::All`] every event in the range is missing and no other is. For [`Order::Latest`] the last one in
    /// the range was the latest of its key when the log lost it; the others are gone too, whether or not they were.
    Gap {
        /// First missing offset.
        from: u64,
        /// Last missing offset, inclusive.
        to: u64,
    },
    /// The broker began a new epoch: what follows comes after this position.
    Restarted(Position),
}

/// A part of a topic's history ([`Hub::history`](crate::Hub::history)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// The place before the first of the frames.
    pub position: Position,
    /// How that relates to the position asked for.
    pub outcome: Outcome,
    /// Events, oldest first.
    pub frames: Vec<Bytes>,
    /// The place after the last of them, from which to read on.
    pub next: Position,
    /// The newest position.
    pub head: Position,
}

/// A reader of one topic. It has no queue: it pins the frames of the batch in hand and nothing else, and nobody waits
/// for it. Dropping it ends the subscription.
pub struct Cursor {
    topic: Arc<topic::Shared>,
    position: Position,
    order: Order,
    outcome: Outcome,
    /// The newest position when it began.
    head: Position,
    /// What it does not want to read: its own.
    own: Option<Origin>,
    /// What was asked for explicitly, up to here, is never [stale](Self::skip).
    asked: u64,
}

impl Cursor {
    /// Registers a reader. `log` is the topic's, locked while `position` is found and until the reader counts.
    pub(crate) fn new(
        topic: Arc<topic::Shared>,
        log: &crate::log::Log,
        position: Position,
        order: Order,
        outcome: Outcome,
    ) -> Self {
        topic.bell.enter();
        topic.counters.readers.fetch_add(1, Relaxed);
        Self { topic, position, order, outcome, head: log.tail(), own: None, asked: 0 }
    }

    /// Leaves out what was published with this [origin](crate::Message::origin), as if it were not there.
    #[must_use]
    pub fn passing_by(mut self, own: Origin) -> Self {
        self.own = Some(own);
        self
    }

    /// Goes back to the place before the last `count` events of history, or of as many keys for [`Order::Latest`]; before the newest one
    /// at least, if the topic keeps that ([`Retention::newest`](crate::Retention::newest)). For a cursor that has read nothing
    /// yet and has not [recovered](Outcome::Recovered). `now` is in milliseconds since the Unix epoch.
    pub fn rewind(&mut self, count: usize, now: u64) {
        let log = lock(&self.topic.log);
        self.position = log.last(count, self.order, now);
        self.head = log.tail();
        self.asked = self.head.offset;
    }

    /// Where it stands: everything up to here was read, or named in a gap.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// How the subscription began.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The log's newest position when the subscription began: what comes up to here was there before.
    #[must_use]
    pub fn head(&self) -> Position {
        self.head
    }

    /// Keeps the topic in being for whoever comes back to it later, as long as the hold lives.
    #[must_use]
    pub fn hold(&self) -> Hold {
        Hold { topic: self.topic.clone() }
    }

    /// Waits until [`read`](Self::read) has something. Safe to drop and to call again.
    ///
    /// Returns soon only while somebody runs [`Hub::drive`](crate::Hub::drive).
    pub async fn ready(&mut self) {
        self.topic.bell.wait(|| lock(&self.topic.log).tail() != self.position).await;
    }

    /// Skips what was published before a time, in milliseconds since the Unix epoch, and names it in a [`Batch::Gap`]; but nothing
    /// that [`rewind`](Self::rewind) has asked for. `None` if there is nothing to skip.
    pub fn skip(&mut self, before: u64) -> Option<Batch> {
        if self.position.offset < self.asked {
            return None;
        }
        let (gap, position) = lock(&self.topic.log).stale(self.position, self.order, self.own, before)?;
        self.position = position;
        Some(gap)
    }

    /// Takes what comes next, `None` if there is nothing yet.
    pub fn read(&mut self, limit: Limit) -> Option<Batch> {
        let (batch, position) = lock(&self.topic.log).read(self.position, self.order, self.own, limit)?;
        self.position = position;
        match batch {
            Batch::Gap { .. } => self.topic.counters.gaps.add(1),
            Batch::Events(frames) if frames.is_empty() => return None,
            Batch::Events(_) | Batch::Restarted(_) => {}
        }
        Some(batch)
    }
}

/// A topic that is in use though nobody may be reading it: it is not dropped when idle, so its epoch goes on. It costs
/// the topic's place among [`Config::topics`](crate::Config::topics); its log keeps no more than history promises.
pub struct Hold {
    topic: Arc<topic::Shared>,
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold").field("topic", &self.topic.name).finish()
    }
}

impl Drop for Cursor {
    fn drop(&mut self) {
        self.topic.bell.leave();
        self.topic.counters.readers.fetch_sub(1, Relaxed);
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor")
            .field("topic", &self.topic.name)
            .field("position", &self.position)
            .field("order", &self.order)
            .finish_non_exhaustive()
    }
}

//! How a broker's events get into a log.

use crate::{
    Hub,
    broker::Event,
    lock,
    log::{Log, Record},
    topic,
};
use dunlin_proto::Position;
use std::sync::Weak;

/// Takes a topic's events from the broker, in their order, into the log of this node.
///
/// There is one per attached topic, and it takes one event at a time (`&mut self`): that is what makes the order of
/// the log the order of the positions. Once the topic or the hub is gone, what is fed is ignored.
pub struct Feed {
    hub: Weak<Hub>,
    topic: Weak<topic::Shared>,
    position: Position,
    /// Time of the newest event.
    at: u64,
}

impl Feed {
    pub(crate) fn new(hub: Weak<Hub>, topic: Weak<topic::Shared>) -> Self {
        Self { hub, topic, position: Position::new(0, 0), at: 0 }
    }

    /// Says where the topic is: before anything else, when a new epoch begins, and after events were missed whose
    /// number is not known.
    ///
    /// In another epoch, readers are told of the restart; in the same, of the offsets that they miss. A position of
    /// the same epoch that was fed already is ignored.
    pub fn begin(&mut self, position: Position) {
        let goes_back = position.epoch == self.position.epoch && position.offset <= self.position.offset;
        let (Some(hub), Some(topic), false) = (self.hub.upgrade(), self.topic.upgrade(), goes_back) else {
            return;
        };
        self.position = position;
        lock(&topic.log).begin(position);
        hub.fanout.ring(&topic.bell);
    }

    /// Adds the topic's next event. One that was fed already is ignored.
    ///
    /// Its time is set to that of the event before it, if it is earlier: within a log, time never goes back.
    pub fn push(&mut self, event: Event) {
        self.add(event, |_, _| true);
    }

    /// The same, unless the log of this node has no room for the event and makes none ([`Full::Refuse`](crate::Full::Refuse)).
    /// False if it was refused: then it has no place, and the next event may have its offset. For brokers whose only store is this log.
    #[must_use]
    pub fn offer(&mut self, event: Event) -> bool {
        self.add(event, |log, record| !log.is_full(record.cost(), record.at))
    }

    fn add(&mut self, event: Event, admits: impl FnOnce(&Log, &Record) -> bool) -> bool {
        let (Some(hub), Some(topic)) = (self.hub.upgrade(), self.topic.upgrade()) else { return true };
        if event.offset <= self.position.offset {
            return true;
        }
        let position = Position { offset: event.offset, ..self.position };
        let at = event.at.max(self.at);
        let previous = event.previous;
        let record = hub.record(position, at, event);
        let mut log = lock(&topic.log);
        if !admits(&log, &record) {
            return false;
        }
        (self.position, self.at) = (position, at);
        log.append(record, previous, topic.window());
        drop(log);
        hub.fanout.ring(&topic.bell);
        hub.reclaim();
        true
    }
}

impl Hub {
    /// Encodes an event, once for all readers.
    pub(crate) fn record(&self, position: Position, at: u64, event: Event) -> Record {
        let frame = (self.encode)(position, at, &event.message);
        Record {
            offset: position.offset,
            at,
            key: event.message.key.map(Into::into),
            origin: event.message.origin,
            frame,
        }
    }
}

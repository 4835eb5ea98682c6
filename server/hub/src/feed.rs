//! How a broker's events get into a log.

use crate::{
    Hub, Message,
    broker::Event,
    lock,
    log::{OVERHEAD, Record},
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

    /// Whether the log of this node has no room for the message, and makes none ([`Full::Refuse`](crate::Full::Refuse)). Its frame is
    /// taken to be as long as the payload and the names.
    #[must_use]
    pub fn is_full(&self, message: &Message, now: u64) -> bool {
        let key = message.key.as_ref().map_or(0, |key| key.len());
        let cost = message.payload.len() + message.event.len() + 2 * key + OVERHEAD;
        self.topic.upgrade().is_some_and(|topic| lock(&topic.log).is_full(cost, now))
    }

    /// Adds the topic's next event. One that was fed already is ignored.
    ///
    /// Its time is set to that of the event before it, if it is earlier: within a log, time never goes back.
    pub fn push(&mut self, event: Event) {
        let (Some(hub), Some(topic)) = (self.hub.upgrade(), self.topic.upgrade()) else { return };
        if event.offset <= self.position.offset {
            return;
        }
        let position = Position { offset: event.offset, ..self.position };
        let at = event.at.max(self.at);
        let previous = event.previous;
        let record = hub.record(position, at, event);
        (self.position, self.at) = (position, at);
        let mut log = lock(&topic.log);
        log.append(record, previous, topic.window());
        drop(log);
        hub.fanout.ring(&topic.bell);
        hub.reclaim();
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

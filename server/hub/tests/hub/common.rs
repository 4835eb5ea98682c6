//! What the stories share.

use bytes::Bytes;
use dunlin_hub::{Batch, Config, Cursor, Hub, Limit, Message, MessageId, Order, Published, Retention, Start};
use dunlin_proto::{Position, Topic};
use std::{sync::Arc, time::Duration};

/// More than any story has.
pub(crate) const ANY: Limit = Limit { frames: 10_000, bytes: 10_000_000 };

/// A frame is the offset, then the payload.
pub(crate) fn encode(position: Position, _at: u64, message: &Message) -> Bytes {
    [&position.offset.to_be_bytes(), &message.payload[..]].concat().into()
}

pub(crate) fn hub(config: Config) -> Arc<Hub> {
    Hub::new(config, encode, 100)
}

pub(crate) fn retain(count: usize) -> Config {
    Config { retention: Retention { count, ..Retention::default() }, ..Config::default() }
}

pub(crate) fn topic(name: &str) -> Topic {
    name.parse().unwrap()
}

pub(crate) fn message(payload: impl Into<Bytes>) -> Message {
    Message { id: None, event: "say".into(), payload: payload.into(), key: None, origin: None }
}

pub(crate) fn with_id(id: &str) -> Message {
    Message { id: Some(MessageId::new(id.as_bytes()).unwrap()), ..message("") }
}

pub(crate) async fn publish(hub: &Hub, topic: &Topic, events: usize) -> Position {
    let mut last = None;
    for _ in 0..events {
        last = Some(hub.publish(topic, message(""), 0).await.unwrap());
    }
    last.map(|published: Published| published.position).expect("at least one event")
}

pub(crate) async fn subscribe(hub: &Arc<Hub>, topic: &Topic, start: Start) -> Cursor {
    hub.subscribe(topic, start, Order::All, 0).await.unwrap()
}

/// The offsets of the events that are there to be read.
pub(crate) fn offsets(cursor: &mut Cursor) -> Vec<u64> {
    match cursor.read(ANY) {
        None => Vec::new(),
        Some(Batch::Events(frames)) => frames.iter().map(offset).collect(),
        Some(other) => panic!("{other:?} instead of events"),
    }
}

pub(crate) fn offset(frame: &Bytes) -> u64 {
    u64::from_be_bytes(frame[..8].try_into().unwrap())
}

pub(crate) const fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

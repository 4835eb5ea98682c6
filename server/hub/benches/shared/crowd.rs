//! What is measured: a hub with one topic, and a crowd that reads it.

use std::{hint::black_box, sync::Arc};

use bytes::Bytes;
use dunlin_hub::{Batch, Config, Cursor, Hub, Limit, Message, Order, Retention, Start};
use dunlin_proto::{Position, Topic, frame::channel::encode_event};
use tokio::{sync::Semaphore, task::JoinSet};

/// A moment, in milliseconds since the Unix epoch.
pub(super) const NOW: u64 = 1_800_000_000_000;

/// Most bytes in a payload.
const LARGEST: usize = 4096;

/// Events in the history of a crowd's topic.
const HISTORY: usize = 1000;

/// A hub with a topic whose history is full: so many events, with so many bytes in each payload.
pub(super) async fn filled(events: usize, size: usize) -> (Arc<Hub>, Topic) {
    let retention = Retention { count: events, bytes: 64 * 1024 * 1024, ..Retention::default() };
    let encode = |position: Position, at, message: &Message| {
        encode_event(position.offset, at, &message.event, &message.payload, message.key.as_deref())
    };
    let hub = Hub::new(Config { retention, ..Config::default() }, encode, 1);
    let topic = "room:42".parse().unwrap();
    for _ in 0..events {
        hub.publish(&topic, message(size), NOW).await.unwrap();
    }
    (hub, topic)
}

pub(super) fn message(size: usize) -> Message {
    let payload = Bytes::from_static(&[7; LARGEST]).slice(..size);
    Message { id: None, event: "said".into(), payload, key: None, origin: None }
}

/// Readers of a topic, and the driver that wakes them: a task each.
pub(super) struct Crowd {
    hub: Arc<Hub>,
    topic: Topic,
    size: usize,
    readers: u32,
    /// A permit for each event that a reader has taken.
    read: Arc<Semaphore>,
    _tasks: JoinSet<()>,
}

impl Crowd {
    /// So many readers, of events with so many bytes in each payload, all of them waiting.
    pub(super) async fn gather(readers: u32, size: usize) -> Self {
        let (hub, topic) = filled(HISTORY, size).await;
        let read = Arc::new(Semaphore::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn({
            let hub = hub.clone();
            async move { hub.drive().await }
        });
        for _ in 0..readers {
            let cursor = hub.subscribe(&topic, Start::Now, Order::All, NOW).await.unwrap();
            tasks.spawn(read_all(cursor, read.clone()));
        }
        let crowd = Self { hub, topic, size, readers, read, _tasks: tasks };
        crowd.tell().await;
        crowd
    }

    /// A publish and all its deliveries: wake-ups in paces, and a batch of one event for each reader.
    pub(super) async fn tell(&self) {
        self.hub.publish(&self.topic, message(self.size), NOW).await.unwrap();
        self.read.acquire_many(self.readers).await.unwrap().forget();
    }
}

async fn read_all(mut cursor: Cursor, read: Arc<Semaphore>) {
    loop {
        cursor.ready().await;
        while let Some(Batch::Events(events)) = cursor.read(Limit { frames: 64, bytes: 65_536 }) {
            read.add_permits(black_box(events).len());
        }
    }
}

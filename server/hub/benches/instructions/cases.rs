//! What is counted.

use std::{hint::black_box, sync::Arc};

use bytes::Bytes;
use dunlin_hub::{Batch, Config, Cursor, Hub, Limit, Message, Order, Start};
use dunlin_proto::{
    Topic,
    frame::channel::{FromClient, FromServer, Push, encode_event},
};

/// All cases.
pub(super) const NAMES: &[&str] = &["encode_event", "decode_event", "decode_push", "publish", "deliver_100"];

/// Bytes in a payload.
const SIZE: usize = 128;

/// A moment, in milliseconds since the Unix epoch.
const NOW: u64 = 1_800_000_000_000;

/// Runs a case so many times.
pub(super) fn run(case: &str, times: u32) {
    match case {
        "encode_event" => encode(times),
        "decode_event" => decode(times),
        "decode_push" => decode_push(times),
        "publish" => block_on(publish(times)),
        "deliver_100" => block_on(deliver(times, 100)),
        other => panic!("no case is called {other}"),
    }
}

fn encode(times: u32) {
    for offset in 0..times {
        black_box(encode_event(black_box(offset.into()), NOW, "said", &[7; SIZE], None));
    }
}

fn decode(times: u32) {
    let frame = encode_event(7, NOW, "said", &[7; SIZE], None).slice(4..);
    for _ in 0..times {
        black_box(FromServer::decode(black_box(&frame)).unwrap());
    }
}

fn decode_push(times: u32) {
    let push = Push { reference: 7, event: "say".into(), payload: Bytes::from_static(&[7; SIZE]), key: None };
    let frame = FromClient::Push(push).encode().slice(4..);
    for _ in 0..times {
        black_box(FromClient::decode(black_box(&frame)).unwrap());
    }
}

async fn publish(times: u32) {
    let (hub, topic) = hub();
    for _ in 0..times {
        hub.publish(&topic, message(), NOW).await.unwrap();
    }
}

/// A publish and all its deliveries: wake-ups in paces, and a batch of one event for each reader.
async fn deliver(times: u32, readers: usize) {
    let (hub, topic) = hub();
    let driver = tokio::spawn({
        let hub = hub.clone();
        async move { hub.drive().await }
    });
    let read = Arc::new(tokio::sync::Semaphore::new(0));
    for _ in 0..readers {
        let cursor = hub.subscribe(&topic, Start::Now, Order::All, NOW).await.unwrap();
        tokio::spawn(read_all(cursor, read.clone()));
    }
    for _ in 0..times {
        hub.publish(&topic, message(), NOW).await.unwrap();
        read.acquire_many(u32::try_from(readers).unwrap()).await.unwrap().forget();
    }
    driver.abort();
}

async fn read_all(mut cursor: Cursor, read: Arc<tokio::sync::Semaphore>) {
    loop {
        cursor.ready().await;
        while let Some(Batch::Events(events)) = cursor.read(Limit { frames: 64, bytes: 65_536 }) {
            read.add_permits(black_box(events).len());
        }
    }
}

fn hub() -> (Arc<Hub>, Topic) {
    let encode = |position: dunlin_proto::Position, at, message: &Message| {
        encode_event(position.offset, at, &message.event, &message.payload, message.key.as_deref())
    };
    (Hub::new(Config::default(), encode, 1), "room:42".parse().unwrap())
}

fn message() -> Message {
    let payload = Bytes::from_static(&[7; SIZE]);
    Message { id: None, event: "said".into(), payload, key: None, origin: None }
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future);
}

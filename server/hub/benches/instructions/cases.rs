//! What is counted.

use std::hint::black_box;

use bytes::Bytes;
use dunlin_proto::frame::channel::{FromClient, FromServer, Push, encode_event};

use crate::crowd::{Crowd, NOW, filled, message};

/// All cases.
pub(super) const NAMES: &[&str] = &["encode_event", "decode_event", "decode_push", "publish", "deliver_100"];

/// Bytes in a payload.
const SIZE: usize = 128;

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
    let (hub, topic) = filled(1000, SIZE).await;
    for _ in 0..times {
        hub.publish(&topic, message(SIZE), NOW).await.unwrap();
    }
}

async fn deliver(times: u32, readers: u32) {
    let crowd = Crowd::gather(readers, SIZE).await;
    for _ in 0..times {
        crowd.tell().await;
    }
}

fn block_on(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future);
}

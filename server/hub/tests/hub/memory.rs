//! A slow reader, and too much at once: who pays, and who does not notice.

use crate::common::*;
use bytes::Bytes;
use dunlin_hub::{Batch, Config, Hub, Message, Start};

const KIB: usize = 1024;

#[tokio::test]
async fn a_slow_reader_pins_nothing_and_learns_what_it_missed() {
    // The frame is the payload itself, so that its owner can tell whether anybody holds it.
    let hub = Hub::new(retain(10), |_, _, message: &Message| message.payload.clone(), 1);
    let room = topic("room:1");
    let mut slow = subscribe(&hub, &room, Start::Now).await;
    let mut swift = subscribe(&hub, &room, Start::Now).await;
    let payloads: Vec<_> = (0..1000_u64).map(|n| Bytes::from(n.to_be_bytes().repeat(KIB / 8))).collect();
    for (n, payload) in payloads.iter().enumerate() {
        hub.publish(&room, message(payload.clone()), 0).await.unwrap();
        assert_eq!(offsets(&mut swift), [n as u64]);
    }
    let held = payloads.iter().filter(|payload| !payload.is_unique()).count();
    assert!((10..=256).contains(&held), "{held} payloads are held");
    let first_held = 1000 - held as u64;
    assert_eq!(slow.read(ANY), Some(Batch::Gap { from: 1, to: first_held }));
    assert_eq!(offsets(&mut slow), (first_held..1000).collect::<Vec<_>>());
    assert_eq!(hub.usage().gaps, 1);
}

#[tokio::test]
async fn the_longest_logs_make_room() {
    let hub = hub(Config { memory: 100 * KIB, ..Config::default() });
    let (small, large) = (topic("small"), topic("large"));
    let mut careful = subscribe(&hub, &small, Start::Now).await;
    let mut slow = subscribe(&hub, &large, Start::Now).await;
    publish(&hub, &small, 10).await;
    for _ in 0..200 {
        hub.publish(&large, message(vec![0; KIB]), 0).await.unwrap();
        assert!(hub.usage().bytes <= 100 * KIB);
    }
    assert_eq!(offsets(&mut careful), (1..=10).collect::<Vec<_>>());
    let evicted = hub.usage().evicted;
    assert_eq!(slow.read(ANY), Some(Batch::Gap { from: 1, to: evicted }));
    assert_eq!(offsets(&mut slow), (evicted + 1..=200).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_event_larger_than_the_retention_reaches_live_readers() {
    let mut config = Config { memory: 1000 * KIB, ..Config::default() };
    config.retention.bytes = 10 * KIB;
    let (hub, room) = (hub(config), topic("room:1"));
    let mut reader = subscribe(&hub, &room, Start::Now).await;
    hub.publish(&room, message(vec![0; 500 * KIB]), 0).await.unwrap();
    assert_eq!(offsets(&mut reader), [1]);
    assert_eq!(subscribe(&hub, &room, Start::Oldest).await.read(ANY), None);
}

#[tokio::test]
async fn an_event_larger_than_all_memory_is_a_gap() {
    let (hub, room) = (hub(Config { memory: 100 * KIB, ..Config::default() }), topic("room:1"));
    let mut reader = subscribe(&hub, &room, Start::Now).await;
    hub.publish(&room, message(vec![0; 500 * KIB]), 0).await.unwrap();
    assert_eq!((reader.read(ANY), hub.usage().bytes), (Some(Batch::Gap { from: 1, to: 1 }), 0));
}

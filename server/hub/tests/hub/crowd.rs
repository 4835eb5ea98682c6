//! Thousands of readers and topics on several workers, each a runtime and a driver of its own, as the server has them.
//!
//! Every event is published only when everyone has the one before. So a reader that sleeps past an event is not
//! rescued by the next one: the story would not end.

use crate::common::*;
use dunlin_hub::{Batch, Config, Hub, Limit, Start};
use dunlin_proto::Topic;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};
use tokio::{sync::Notify, task::JoinSet};

const WORKERS: usize = 4;
const EVENTS: usize = 10;

/// Lets the publisher know when all readers have an event.
#[derive(Default)]
struct Progress {
    delivered: AtomicUsize,
    complete: Notify,
}

/// Subscribes to each of the topics once, with the readers spread over the workers, and publishes to all topics that
/// are different.
fn deliver(subscriptions: &[Topic], topics: &[Topic]) {
    let hub = hub(Config::default());
    let progress = Arc::new(Progress::default());
    let readers = subscriptions.len();
    thread::scope(|scope| {
        for worker in subscriptions.chunks(readers.div_ceil(WORKERS)) {
            scope.spawn(|| run(work(hub.clone(), worker, progress.clone(), readers)));
        }
        run(publish_in_step(&hub, topics, &progress, readers));
    });
    assert_eq!((hub.usage().readers, hub.usage().gaps), (0, 0));
}

/// One worker: its share of the readers, and a driver.
async fn work(hub: Arc<Hub>, topics: &[Topic], progress: Arc<Progress>, readers: usize) {
    let mut tasks = JoinSet::new();
    for topic in topics {
        let cursor = subscribe(&hub, topic, Start::Now).await;
        tasks.spawn(read(cursor, progress.clone(), readers));
    }
    let driver = tokio::spawn(async move { hub.drive().await });
    while let Some(read) = tasks.join_next().await {
        read.expect("no reader panics");
    }
    driver.abort();
}

async fn read(mut cursor: dunlin_hub::Cursor, progress: Arc<Progress>, readers: usize) {
    let count = || {
        if (progress.delivered.fetch_add(1, SeqCst) + 1).is_multiple_of(readers) {
            progress.complete.notify_one();
        }
    };
    // Being there counts as event 0.
    count();
    let mut seen = 0;
    while seen < EVENTS as u64 {
        cursor.ready().await;
        let batch = cursor.read(Limit { frames: 4, bytes: 1000 });
        let Some(Batch::Events(frames)) = batch else { panic!("{batch:?} after ready") };
        for frame in frames {
            seen += 1;
            assert_eq!(offset(&frame), seen);
            count();
        }
    }
}

async fn publish_in_step(hub: &Hub, topics: &[Topic], progress: &Progress, readers: usize) {
    for event in 0..=EVENTS {
        while progress.delivered.load(SeqCst) < readers * (event + 1) {
            progress.complete.notified().await;
        }
        if event < EVENTS {
            for topic in topics {
                publish(hub, topic, 1).await;
            }
        }
    }
}

fn run(future: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime without I/O").block_on(future);
}

#[test]
fn ten_thousand_readers_of_one_topic() {
    let room = topic("room:1");
    deliver(&vec![room.clone(); 10_000], &[room]);
}

#[test]
fn five_thousand_topics() {
    let topics: Vec<_> = (0..5000).map(|n| topic(&format!("room:{n}"))).collect();
    deliver(&topics, &topics);
}

#[test]
fn publishers_at_once_on_one_topic() {
    let (hub, room) = (hub(Config::default()), topic("room:1"));
    run(async {
        let mut reader = subscribe(&hub, &room, Start::Now).await;
        thread::scope(|scope| {
            for _ in 0..WORKERS {
                scope.spawn(|| run(async { _ = publish(&hub, &room, 100).await }));
            }
        });
        assert_eq!(offsets(&mut reader), (1..=100 * WORKERS as u64).collect::<Vec<_>>());
    });
}

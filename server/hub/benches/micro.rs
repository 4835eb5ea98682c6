//! What a publish, a wake-up with its deliveries, and a backlog cost, in time.
//!
//! The runtime has one thread and does no input or output, so all there is to see is the hub and tokio's scheduler. On a busy
//! machine, compare within one run, and the fastest times rather than the means.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should panic")]

#[path = "shared/crowd.rs"]
mod crowd;

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use crowd::{Crowd, NOW, filled, message};
use divan::{
    Bencher,
    counter::{BytesCount, ItemsCount},
};
use dunlin_hub::{Batch, Cursor, Limit, Message, Order, Start};

/// Bytes in a payload, where their number is not what is asked.
const SIZE: usize = 128;

/// Events that a reader has missed.
const BACKLOG: usize = 10_000;

/// How often a publish runs for one look at the clock.
const TOGETHER: u32 = 100;

/// How long each case runs, so that histories turn over many times; what the command line says goes before.
const LEAST: Duration = Duration::from_millis(300);

fn main() {
    divan::Divan::default().min_time(LEAST).config_with_args().main();
}

/// Nobody reads, and history is full: each event drives one out.
#[divan::bench(args = [16, 128, 4096], sample_size = TOGETHER)]
fn publish(bencher: Bencher<'_, '_>, size: usize) {
    let (hub, topic) = at_once(filled(1000, size));
    bencher
        .counter(BytesCount::new(size))
        .counter(ItemsCount::new(1_u32))
        .with_inputs(|| message(size))
        .bench_local_values(|message| at_once(hub.publish(&topic, message, NOW)).unwrap());
}

/// The same with so many keys that take turns; the most are more than history has events, so each one comes as new and
/// leaves with its event.
#[divan::bench(args = [1, 100, 10_000], sample_size = TOGETHER)]
fn publish_with_key(bencher: Bencher<'_, '_>, keys: usize) {
    let (hub, topic) = at_once(filled(1000, SIZE));
    let mut turns = (0..keys).cycle().map(|key| format!("user:{key}").into());
    bencher
        .counter(ItemsCount::new(1_u32))
        .with_inputs(|| Message { key: turns.next(), ..message(SIZE) })
        .bench_local_values(|message| at_once(hub.publish(&topic, message, NOW)).unwrap());
}

/// A publish until all readers have it; an item is one delivery.
#[divan::bench(args = [1, 100, 10_000])]
fn wake(bencher: Bencher<'_, '_>, readers: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let crowd = runtime.block_on(Crowd::gather(readers, SIZE));
    bencher.counter(ItemsCount::new(readers)).bench_local(|| runtime.block_on(crowd.tell()));
}

/// One reader takes all that history holds.
#[divan::bench]
fn backlog(bencher: Bencher<'_, '_>) {
    let (hub, topic) = at_once(filled(BACKLOG, SIZE));
    bencher
        .counter(ItemsCount::new(BACKLOG))
        .with_inputs(|| at_once(hub.subscribe(&topic, Start::Oldest, Order::All, NOW)).unwrap())
        .bench_local_refs(|cursor| assert_eq!(read_all(cursor), BACKLOG));
}

/// How many events there were, taken in batches.
fn read_all(cursor: &mut Cursor) -> usize {
    let limit = Limit { frames: 256, bytes: usize::MAX };
    std::iter::from_fn(|| cursor.read(limit))
        .map(|batch| match divan::black_box(batch) {
            Batch::Events(events) => events.len(),
            other => panic!("history has all of it, but {other:?}"),
        })
        .sum()
}

/// The value of a future that has nothing to wait for, without a runtime's share in the time.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing here waits for anything"),
    }
}

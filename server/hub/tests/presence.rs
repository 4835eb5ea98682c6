//! What ten thousand members of one topic cost who want to know of each other.
//!
//! `cargo test --release -p dunlin-hub --test presence -- --nocapture` shows the figures.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use bytes::Bytes;
use dunlin_hub::presence::{Config, Diff, Encode, Entry, Presence, State, Wish};
use dunlin_proto::{
    Topic,
    frame::presence::{Borrowed, Head, encode_diff, encode_state},
};
use std::time::Instant;

const MEMBERS: usize = 10_000;

fn encode() -> Encode {
    fn borrowed(entry: &Entry) -> Borrowed<'_> {
        (&entry.key, entry.id, &entry.data, entry.away)
    }
    Encode {
        state: |State { version, left, list, .. }| {
            let head = Head { version: *version, keys: 0, entries: 0 };
            encode_state(head, *left as u64, list.map(|list| list.iter().map(borrowed)))
        },
        diff: |Diff { version, joins, updates, leaves, .. }| {
            let head = Head { version: *version, keys: 0, entries: 0 };
            let leaves = leaves.iter().map(|(key, id)| (&**key, *id));
            encode_diff(head, joins.iter().map(borrowed), updates.iter().map(borrowed), leaves)
        },
    }
}

/// Memory of the process in bytes, where the system tells.
fn memory() -> Option<usize> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split(' ').nth(1)?.parse::<usize>().ok()? * 4096)
}

#[test]
fn ten_thousand_members() {
    let presence = Presence::new(Config::default(), encode(), 1);
    let topic: Topic = "room:1".parse().unwrap();
    let data = || Bytes::from(b"a name and a face, 40 bytes of MessagePack".to_vec());
    let before = memory();
    let tracked: Vec<_> =
        (0..MEMBERS - 1).map(|n| presence.track(&topic, &format!("user-{n}"), data()).unwrap()).collect();
    presence.flush(0);
    if let (Some(before), Some(after)) = (before, memory()) {
        println!("{} bytes an entry", after.saturating_sub(before) / MEMBERS);
    }

    let mut watchers: Vec<_> = (0..MEMBERS).map(|_| presence.watch(&topic, Wish::List)).collect();
    let first = Instant::now();
    let mut frames: Vec<Bytes> = watchers[0].read();
    println!("the list of {} entries: made in {:?}", tracked.len(), first.elapsed());
    loop {
        match &mut watchers[0].read() {
            more if more.is_empty() => break,
            more => frames.append(more),
        }
    }
    println!("{} frames, {} bytes", frames.len(), frames.iter().map(Bytes::len).sum::<usize>());
    for watcher in &mut watchers[1..] {
        while !watcher.read().is_empty() {}
    }

    let one_more = presence.track(&topic, "one more", data()).unwrap();
    let told = Instant::now();
    presence.flush(1000);
    println!("the diff of one join: made in {:?}", told.elapsed());
    let read = Instant::now();
    let frames: Vec<_> = watchers.iter_mut().map(|watcher| watcher.read().pop().unwrap()).collect();
    println!("{} bytes, read by {MEMBERS} in {:?}", frames[0].len(), read.elapsed());
    assert!(frames[0].len() < 100, "one entry, not ten thousand");
    assert!(frames.iter().all(|frame| frame.as_ptr() == frames[0].as_ptr()), "the bytes are shared");
    drop((tracked, one_more));
}

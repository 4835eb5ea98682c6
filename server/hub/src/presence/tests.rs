//! Whatever comes, changes and goes, and however slowly a member reads: its list is the roster's in the end, and never shows anybody
//! who is not there.

use super::*;
use proptest::{collection::vec, prelude::*};
use std::{
    collections::BTreeMap,
    pin::pin,
    task::{Context, Poll, Waker},
};

/// Frames as text: a line of numbers, then a line for each entry.
fn encode() -> Encode {
    fn entry(entry: &Entry) -> String {
        format!("\n+{} {} {} {}", entry.id, entry.key, entry.away, std::str::from_utf8(&entry.data).unwrap())
    }
    Encode {
        state: |state| {
            let kind = if state.list.is_some() { "list" } else { "counts" };
            let lines: String = state.list.unwrap_or_default().iter().map(entry).collect();
            let Occupancy { keys, entries } = state.occupancy;
            format!("{kind} {} {keys} {entries} {}{lines}", state.version, state.left).into()
        },
        diff: |diff| {
            let lines: String = diff.joins.iter().chain(&diff.updates).map(entry).collect();
            let gone: String = diff.leaves.iter().map(|(_, id)| format!("\n-{id}")).collect();
            let Occupancy { keys, entries } = diff.occupancy;
            format!("diff {} {keys} {entries} 0{lines}{gone}", diff.version).into()
        },
    }
}

/// What a client makes of the frames.
#[derive(Debug, Default)]
struct Reader {
    version: u64,
    list: BTreeMap<u64, String>,
    /// Entries that are still to come.
    left: u64,
    counts: Option<(u64, u64)>,
    frames: usize,
}

impl Reader {
    fn take(&mut self, frame: &Bytes) {
        self.frames += 1;
        let text = std::str::from_utf8(frame).unwrap();
        let mut lines = text.lines();
        let head: Vec<_> = lines.next().unwrap().split(' ').collect();
        let number = |at: usize| head[at].parse::<u64>().unwrap();
        let counts = (number(2), number(3));
        match head[0] {
            "counts" => *self = Self { counts: Some(counts), frames: self.frames, ..Self::default() },
            "list" => {
                if self.version != number(1) || self.left == 0 {
                    self.list.clear();
                }
                (self.version, self.left, self.counts) = (number(1), number(4), Some(counts));
            }
            _ => {
                assert_eq!((number(1), self.left), (self.version + 1, 0), "no diff is left out");
                (self.version, self.counts) = (number(1), Some(counts));
            }
        }
        for line in lines {
            match line.split_at(1) {
                ("+", entry) => {
                    let (id, entry) = entry.split_once(' ').unwrap();
                    self.list.insert(id.parse().unwrap(), entry.into());
                }
                (_, id) => assert!(self.list.remove(&id.parse().unwrap()).is_some(), "{id} was there"),
            }
        }
        if self.left == 0 && head[0] != "counts" {
            assert_eq!(self.list.len() as u64, counts.1);
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    Track(u8),
    Update(prop::sample::Index, u8),
    Away(prop::sample::Index, bool),
    Untrack(prop::sample::Index),
    Flush,
    Watch(bool),
    Read(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        6 => (0..6_u8).prop_map(Step::Track),
        3 => (index(), 0..3_u8).prop_map(|(at, data)| Step::Update(at, data)),
        2 => (index(), any::<bool>()).prop_map(|(at, away)| Step::Away(at, away)),
        4 => index().prop_map(Step::Untrack),
        4 => Just(Step::Flush),
        1 => any::<bool>().prop_map(Step::Watch),
        4 => index().prop_map(Step::Read),
    ]
}

fn topic() -> Topic {
    "room:1".parse().unwrap()
}

fn is_ready(watcher: &Watcher) -> bool {
    pin!(watcher.ready()).poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_list_and_its_diffs_are_who_is_there(steps in vec(step(), 1..200), list in 3..12_usize) {
        let config = Config { list, devices: 3, ..Config::default() };
        let presence = Presence::new(config, encode(), 1);
        let mut tracked: Vec<(Tracked, String, String, bool)> = Vec::new();
        let mut readers: Vec<(Watcher, Reader)> = Vec::new();
        let mut now = 0;
        for step in steps {
            match step {
                Step::Track(key) => {
                    let key = format!("k{key}");
                    let there = tracked.iter().filter(|one| one.1 == key).count();
                    match presence.track(&topic(), &key, "0".into()) {
                        Ok(one) => tracked.push((one, key, "0".into(), false)),
                        Err(error) => prop_assert!(error == TrackError::Devices(3) && there == 3),
                    }
                }
                Step::Update(at, data) if !tracked.is_empty() => {
                    let one = at.get(&tracked);
                    one.0.update(data.to_string().into()).unwrap();
                    let at = at.index(tracked.len());
                    tracked[at].2 = data.to_string();
                }
                Step::Away(at, away) if !tracked.is_empty() => {
                    let at = at.index(tracked.len());
                    tracked[at].0.set_away(away);
                    tracked[at].3 = away;
                }
                Step::Untrack(at) if !tracked.is_empty() => drop(tracked.swap_remove(at.index(tracked.len()))),
                Step::Flush => {
                    now += 100;
                    prop_assert_eq!(presence.flush(now), None);
                }
                Step::Watch(list) => {
                    let wish = if list { Wish::List } else { Wish::Counts };
                    readers.push((presence.watch(&topic(), wish), Reader::default()));
                }
                Step::Read(at) if !readers.is_empty() => {
                    let at = at.index(readers.len());
                    let (watcher, reader) = &mut readers[at];
                    watcher.read().iter().for_each(|frame| reader.take(frame));
                }
                _ => {}
            }
        }
        presence.flush(now + 100);
        let expected: BTreeMap<_, _> =
            tracked.iter().map(|(one, key, data, away)| (one.id(), format!("{key} {away} {data}"))).collect();
        let keys: std::collections::BTreeSet<_> = tracked.iter().map(|one| &one.1).collect();
        for (watcher, reader) in &mut readers {
            while is_ready(watcher) {
                watcher.read().iter().for_each(|frame| reader.take(frame));
            }
            prop_assert_eq!(reader.counts, Some((keys.len() as u64, expected.len() as u64)));
            // Between the bounds, either is right.
            if watcher.wish == Wish::List && (expected.len() <= list * 3 / 4 || reader.version > 0) {
                prop_assert_eq!(&reader.list, &expected);
            }
        }
        drop((tracked, readers));
        presence.flush(now + 200);
        prop_assert_eq!(presence.usage().topics, 0);
        prop_assert_eq!(presence.usage().entries, 0);
    }
}

#[test]
fn changes_are_gathered() {
    let presence = Presence::new(Config::default(), encode(), 1);
    let mut watcher = presence.watch(&topic(), Wish::List);
    watcher.read();
    let first = presence.track(&topic(), "ada", Bytes::new()).unwrap();
    assert_eq!(presence.flush(1000), None, "the first change is told at once");
    let others: Vec<_> = (0..9).map(|n| presence.track(&topic(), &format!("u{n}"), Bytes::new())).collect();
    drop(first);
    assert_eq!(presence.flush(1050), Some(1100));
    assert_eq!(watcher.read().len(), 1);
    assert_eq!(presence.flush(1100), None);
    let frames = watcher.read();
    assert_eq!((frames.len(), others.len()), (1, 9), "nine joins and a leave in one frame");
}

#[test]
fn bounds_are_kept_and_refusals_counted() {
    let config = Config { entries: 2, devices: 1, data: 4, ..Config::default() };
    let presence = Presence::new(config, encode(), 1);
    let track = |key: &str, data: &'static str| presence.track(&topic(), key, data.into());
    let ada = track("ada", "1234").unwrap();
    assert_eq!(track("ada", "").unwrap_err(), TrackError::Devices(1));
    assert_eq!(track("bob", "12345").unwrap_err(), TrackError::TooLarge { len: 5, limit: 4 });
    assert_eq!(ada.update("12345".into()).unwrap_err(), TrackError::TooLarge { len: 5, limit: 4 });
    assert_eq!(track("", "").unwrap_err(), TrackError::Key(0));
    assert_eq!(track(&"k".repeat(129), "").unwrap_err(), TrackError::Key(129));
    let _bob = track("bob", "").unwrap();
    assert_eq!(track("eve", "").unwrap_err(), TrackError::Full);
    assert_eq!(presence.usage(), Usage { topics: 1, entries: 2, refused: 6 });
    drop(ada);
    track("eve", "").unwrap();
}

#[test]
fn a_list_comes_in_frames_of_bounded_size_and_is_made_once() {
    let presence = Presence::new(Config::default(), encode(), 1);
    let data = Bytes::from("x".repeat(1000));
    let _all: Vec<_> =
        (0..100).map(|n| presence.track(&topic(), &format!("u{n}"), data.clone()).unwrap()).collect();
    presence.flush(0);
    let read = || {
        let mut watcher = presence.watch(&topic(), Wish::List);
        let mut frames = Vec::new();
        while is_ready(&watcher) {
            frames.append(&mut watcher.read());
        }
        frames
    };
    let (one, two) = (read(), read());
    assert!(one.len() > 5 && one.iter().all(|frame| frame.len() <= 16 * 1024));
    assert!(one.iter().zip(&two).all(|(a, b)| a.as_ptr() == b.as_ptr()), "the bytes are shared");
}

#[test]
fn who_is_too_slow_for_the_diffs_gets_the_list_anew() {
    let presence = Presence::new(Config::default(), encode(), 1);
    let mut watcher = presence.watch(&topic(), Wish::List);
    let mut reader = Reader::default();
    watcher.read().iter().for_each(|frame| reader.take(frame));
    let all: Vec<_> = (0..200)
        .map(|n| {
            let one = presence.track(&topic(), &format!("u{n}"), Bytes::new()).unwrap();
            presence.flush(n * 100);
            one
        })
        .collect();
    watcher.read().iter().for_each(|frame| reader.take(frame));
    assert_eq!((reader.list.len(), reader.frames, all.len()), (200, 2, 200));
}

//! The hub against a model: whatever publishes, reads, departures, returns and evictions are interleaved, a reader
//! sees every offset once and in order, or a gap that names exactly what is missing.

use crate::{
    Batch, Config, Cursor, Dedup, Full, Hub, Limit, Message, MessageId, Order, Outcome, PublishError,
    Retention, Start, config::is_younger, lock, log::OVERHEAD,
};
use bytes::Bytes;
use dunlin_proto::{Position, Topic};
use proptest::{collection::vec, option, prelude::*};
use std::{
    collections::HashMap,
    mem,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

#[derive(Debug, Clone)]
enum Step {
    Publish { topic: usize, key: Option<u8>, size: usize, id: Option<u8> },
    Subscribe { topic: usize, order: Order, from: From, rewind: Option<usize> },
    Skip { reader: prop::sample::Index, age: u64 },
    Read { reader: prop::sample::Index, limit: Limit },
    Leave { reader: prop::sample::Index },
    Return { reader: prop::sample::Index },
    Sweep,
    Wait { millis: u64 },
}

#[derive(Debug, Clone)]
enum From {
    Now,
    Oldest,
    /// A position that somebody has seen, moved by so many offsets.
    Seen(prop::sample::Index, i64),
}

fn step() -> impl Strategy<Value = Step> {
    let any_index = any::<prop::sample::Index>;
    let order = || prop_oneof![Just(Order::All), Just(Order::Latest)];
    let from = prop_oneof![
        Just(From::Now),
        Just(From::Oldest),
        (any_index(), -3_i64..3).prop_map(|(seen, by)| From::Seen(seen, by)),
    ];
    let limit = (0_usize..6, 0_usize..3000).prop_map(|(frames, bytes)| Limit { frames, bytes });
    prop_oneof![
        8 => (0..2_usize, option::of(0..3_u8), 20..2000_usize, option::of(0..9_u8))
            .prop_map(|(topic, key, size, id)| Step::Publish { topic, key, size, id }),
        2 => (0..2_usize, order(), from, option::of(0..9_usize))
            .prop_map(|(topic, order, from, rewind)| Step::Subscribe { topic, order, from, rewind }),
        1 => (any_index(), 0..5000_u64).prop_map(|(reader, age)| Step::Skip { reader, age }),
        6 => (any_index(), limit).prop_map(|(reader, limit)| Step::Read { reader, limit }),
        1 => any_index().prop_map(|reader| Step::Leave { reader }),
        2 => any_index().prop_map(|reader| Step::Return { reader }),
        2 => Just(Step::Sweep),
        1 => (0..8000_u64).prop_map(|millis| Step::Wait { millis }),
    ]
}

fn config() -> impl Strategy<Value = Config> {
    let full = prop_oneof![4 => Just(Full::Drop), 1 => Just(Full::Refuse)];
    let newest = prop_oneof![Just(0), 0..30_000_u64];
    let retention = (0..20_usize, 0..30_000_usize, 0..15_000_u64, newest, full).prop_map(
        |(count, bytes, age, newest, full)| Retention {
            count,
            bytes,
            age: Duration::from_millis(age),
            newest: Duration::from_millis(newest),
            full,
        },
    );
    let dedup = Dedup { count: 99, age: Duration::from_secs(5), total: 999 };
    (retention, 1000..40_000_usize).prop_map(move |(retention, memory)| Config {
        retention,
        memory,
        reserved: retention,
        topics: 9,
        dedup,
        ..Config::default()
    })
}

/// An event that was published.
#[derive(Debug, Clone)]
struct Published {
    offset: u64,
    key: Option<u8>,
    frame: Bytes,
    at: u64,
}

impl Published {
    fn cost(&self) -> usize {
        self.frame.len() + usize::from(self.key.is_some()) + OVERHEAD
    }
}

/// A topic from the moment it appears until it is dropped.
struct Life {
    epoch: u64,
    events: Vec<Published>,
    /// As the log has it: all events up to here are gone.
    head: u64,
    /// The last event that nothing had superseded when it went.
    lost: u64,
}

impl Life {
    fn tail(&self) -> Position {
        Position::new(self.epoch, self.events.len() as u64)
    }

    fn after(&self, offset: u64) -> &[Published] {
        &self.events[offset as usize..]
    }

    fn is_superseded(&self, event: &Published) -> bool {
        self.after(event.offset).iter().any(|later| later.key == event.key)
    }

    fn is_in_history(&self, event: &Published, retention: &Retention, now: u64) -> bool {
        let newer = self.after(event.offset - 1);
        let bytes: usize = newer.iter().map(Published::cost).sum();
        let bounded = newer.len() <= retention.count && bytes <= retention.bytes;
        let is_kept = self.has_newest(retention, now) && event.offset == self.tail().offset;
        event.offset > self.head && (is_kept || bounded && is_younger(event.at, now, retention.age))
    }

    fn has_newest(&self, retention: &Retention, now: u64) -> bool {
        let newest = self.after(self.head).last();
        newest.is_some_and(|newest| is_younger(newest.at, now, retention.newest))
    }

    fn is_full(&self, event: &Published, retention: &Retention, now: u64) -> bool {
        let young = self.after(self.head).iter().filter(|event| is_younger(event.at, now, retention.age));
        let costs: Vec<_> = young.map(Published::cost).collect();
        let bytes = costs.iter().sum::<usize>() + event.cost();
        retention.full == Full::Refuse && (costs.len() >= retention.count || bytes > retention.bytes)
    }

    /// The place before the last so many events of history.
    fn last(&self, count: usize, order: Order, retention: &Retention, now: u64) -> Position {
        let count = count.max(self.has_newest(retention, now).into());
        let is_wanted = |event: &&Published| {
            self.is_in_history(event, retention, now) && (order == Order::All || !self.is_superseded(event))
        };
        let first = self.events.iter().rev().filter(is_wanted).take(count).last();
        first.map_or(self.tail(), |first| Position::new(self.epoch, first.offset - 1))
    }

    fn covers(&self, position: Position, order: Order, retention: &Retention, now: u64) -> bool {
        if position.epoch != self.epoch || position.offset > self.tail().offset {
            return false;
        }
        match order {
            Order::All => self.after(position.offset).iter().all(|e| self.is_in_history(e, retention, now)),
            Order::Latest => {
                let owed = |e: &&Published| e.offset > self.head && !self.is_superseded(e);
                let mut owed = self.after(position.offset).iter().filter(owed);
                self.lost <= position.offset && owed.all(|e| self.is_in_history(e, retention, now))
            }
        }
    }
}

struct Reader {
    topic: usize,
    order: Order,
    cursor: Cursor,
    /// Nothing up to here is stale.
    asked: u64,
}

struct World {
    config: Config,
    hub: Arc<Hub>,
    now: u64,
    /// The lives of each topic, the newest last.
    lives: [Vec<Life>; 2],
    readers: Vec<Reader>,
    /// Positions that readers had when they left.
    seen: Vec<Position>,
    ids: HashMap<(usize, u8), (Position, u64)>,
    /// Events that had to make room, at the last look.
    evicted: u64,
}

/// The in-process broker never makes anyone wait.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("nothing to wait for"),
    }
}

fn encode(position: Position, at: u64, message: &Message) -> Bytes {
    let mut frame = format!("{position}@{at}").into_bytes();
    frame.resize(frame.len().max(message.payload.len()), b' ');
    frame.into()
}

fn topic(index: usize) -> Topic {
    format!("topic:{index}").parse().unwrap()
}

impl World {
    fn new(config: Config) -> Self {
        let hub = Hub::new(config.clone(), encode, 1);
        Self {
            config,
            hub,
            now: 0,
            lives: Default::default(),
            readers: Vec::new(),
            seen: Vec::new(),
            ids: HashMap::new(),
            evicted: 0,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Publish { topic, key, size, id } => self.publish(topic, key, size, id),
            Step::Subscribe { topic, order, from, rewind } => {
                let start = match from {
                    From::Now => Start::Now,
                    From::Oldest => Start::Oldest,
                    From::Seen(_, _) if self.seen.is_empty() => Start::After(Position::new(1, 0)),
                    From::Seen(index, by) => {
                        let seen = index.get(&self.seen);
                        Start::After(Position { offset: seen.offset.saturating_add_signed(by), ..*seen })
                    }
                };
                self.subscribe(topic, order, start, rewind);
            }
            Step::Wait { millis } => self.now += millis,
            Step::Sweep => self.hub.sweep(self.now),
            _ if self.readers.is_empty() => {}
            Step::Read { reader, limit } => {
                self.read(reader.index(self.readers.len()), limit);
            }
            Step::Skip { reader, age } => self.skip(reader.index(self.readers.len()), age),
            Step::Leave { reader } => {
                self.leave(reader);
            }
            Step::Return { reader } => {
                let Reader { topic, order, cursor, .. } = self.leave(reader);
                let position = cursor.position();
                drop(cursor);
                self.subscribe(topic, order, Start::After(position), None);
            }
        }
        self.observe();
    }

    fn publish(&mut self, index: usize, key: Option<u8>, size: usize, id: Option<u8>) {
        let message = Message {
            id: id.map(|id| MessageId::new(&[id]).unwrap()),
            event: "e".into(),
            payload: vec![0; size].into(),
            key: key.map(|key| key.to_string().into()),
            origin: None,
        };
        let published = now(self.hub.publish(&topic(index), message.clone(), self.now));
        self.observe_epoch(index);
        let remembered = id.and_then(|id| self.ids.get(&(index, id)).copied());
        let remembered = remembered.filter(|(_, at)| is_younger(*at, self.now, self.config.dedup.age));
        let life = self.lives[index].last().unwrap();
        let position = Position::new(life.epoch, life.tail().offset + 1);
        let frame = encode(position, self.now, &message);
        let event = Published { offset: position.offset, key, frame, at: self.now };
        if remembered.is_none() && life.is_full(&event, &self.config.retention, self.now) {
            assert_eq!(published, Err(PublishError::Full));
            return;
        }
        let published = published.unwrap();
        assert_eq!(published.duplicate, remembered.is_some());
        if let Some((position, _)) = remembered {
            assert_eq!(published.position, position);
            return;
        }
        if let Some(id) = id {
            self.ids.insert((index, id), (published.position, self.now));
        }
        assert_eq!(published.position, position);
        self.lives[index].last_mut().unwrap().events.push(event);
    }

    fn subscribe(&mut self, index: usize, order: Order, start: Start, rewind: Option<usize>) {
        let mut cursor = now(self.hub.subscribe(&topic(index), start, order, self.now)).unwrap();
        self.observe_epoch(index);
        let life = self.lives[index].last().unwrap();
        let covers = |position| life.covers(position, order, &self.config.retention, self.now);
        let expected = match start {
            Start::Now => (life.tail(), Outcome::Live),
            Start::Oldest => {
                let mut offsets = (0..=life.tail().offset).map(|offset| Position::new(life.epoch, offset));
                (offsets.find(|position| covers(*position)).unwrap(), Outcome::Live)
            }
            Start::After(position) if covers(position) => (position, Outcome::Recovered),
            Start::After(_) => (life.tail(), Outcome::Lost),
        };
        assert_eq!((cursor.position(), cursor.outcome()), expected);
        let mut asked = 0;
        if let Some(count) = rewind.filter(|_| cursor.outcome() != Outcome::Recovered) {
            cursor.rewind(count, self.now);
            assert_eq!(cursor.position(), life.last(count, order, &self.config.retention, self.now));
            asked = life.tail().offset;
        }
        self.readers.push(Reader { topic: index, order, cursor, asked });
    }

    fn leave(&mut self, reader: prop::sample::Index) -> Reader {
        let reader = self.readers.swap_remove(reader.index(self.readers.len()));
        self.seen.push(reader.cursor.position());
        reader
    }

    /// Reads once, and holds what comes against what was published. False if nothing came.
    fn read(&mut self, reader: usize, limit: Limit) -> bool {
        let Reader { topic, order, cursor, .. } = &mut self.readers[reader];
        let life = self.lives[*topic].last().unwrap();
        let before = cursor.position();
        let batch = cursor.read(limit);
        let after = cursor.position();
        assert_eq!(
            (before.epoch, after.epoch),
            (life.epoch, life.epoch),
            "a topic with readers is not dropped"
        );
        let between = &life.after(before.offset)[..(after.offset - before.offset) as usize];
        match batch {
            None => assert_eq!(before, life.tail()),
            Some(Batch::Events(frames)) => {
                let is_owed = |e: &&Published| *order == Order::All || !life.is_superseded(e);
                let owed: Vec<_> = between.iter().filter(is_owed).map(|e| e.frame.clone()).collect();
                assert_eq!(frames, owed);
                assert!(!frames.is_empty() && frames.len() <= limit.frames.max(1));
                assert!(frames.len() == 1 || frames.iter().map(Bytes::len).sum::<usize>() <= limit.bytes);
            }
            Some(Batch::Gap { from, to }) => {
                let gone = if *order == Order::All { life.head } else { life.lost };
                assert_eq!((from, to), (before.offset + 1, gone));
                assert_eq!(after.offset, to);
            }
            Some(Batch::Restarted(_)) => panic!("the in-process broker does not restart a topic"),
        }
        before != after
    }

    /// Skips what is older, and sees that exactly this is named.
    fn skip(&mut self, reader: usize, age: u64) {
        let Reader { topic, order, cursor, asked } = &mut self.readers[reader];
        let life = self.lives[*topic].last().unwrap();
        let (from, limit) = (cursor.position().offset, self.now.saturating_sub(age));
        let gone = if *order == Order::All { life.head } else { life.lost };
        let is_stale = |event: &&Published| {
            event.at < limit
                && event.offset > life.head
                && (*order == Order::All || !life.is_superseded(event))
        };
        let last = life.after(from).iter().rev().find(is_stale).filter(|_| from >= gone.max(*asked));
        let expected = last.map(|last| Batch::Gap { from: from + 1, to: last.offset });
        assert_eq!(cursor.skip(limit), expected);
        assert_eq!(cursor.position().offset, last.map_or(from, |last| last.offset));
    }

    /// Follows what left the logs, and checks what must always hold.
    fn observe(&mut self) {
        let mut bytes = 0;
        let newest = self.lives.iter().filter_map(|lives| lives.last()?.events.last());
        let evicted = self.hub.usage().evicted;
        let no_room = evicted > mem::replace(&mut self.evicted, evicted);
        let may_keep = newest.map(Published::cost).sum::<usize>() <= self.config.memory / 8 * 7;
        for index in 0..2 {
            self.observe_epoch(index);
            let Some(shared) = self.hub.topics.get(&topic(index)) else { continue };
            let log = lock(&shared.log);
            let life = self.lives[index].last_mut().unwrap();
            assert_eq!(log.tail(), life.tail());
            if may_keep && log.head() > life.head && life.has_newest(&self.config.retention, self.now) {
                assert!(log.head() < life.tail().offset, "the newest event is kept");
            }
            if self.config.retention.full == Full::Refuse && log.head() > life.head {
                let is_young = |event: &Published| is_younger(event.at, self.now, self.config.retention.age);
                let went = &life.events[life.head as usize..log.head() as usize];
                assert!(no_room || !went.iter().any(is_young), "what was taken stays for its time");
            }
            let went = &life.events[life.head as usize..log.head() as usize];
            if let Some(lost) = went.iter().rfind(|event| !life.is_superseded(event)) {
                life.lost = lost.offset;
            }
            life.head = log.head();
            bytes += log.bytes();
        }
        assert_eq!(self.hub.usage().bytes, bytes);
        assert!(bytes <= self.config.memory);
        assert_eq!(self.hub.usage().readers, self.readers.len());
    }

    fn observe_epoch(&mut self, index: usize) {
        let Some(shared) = self.hub.topics.get(&topic(index)) else { return };
        let epoch = lock(&shared.log).tail().epoch;
        let last = self.lives[index].last();
        if last.is_none_or(|life| life.epoch != epoch) {
            assert!(last.is_none_or(|life| life.epoch < epoch));
            assert!(self.readers.iter().all(|reader| reader.topic != index));
            self.lives[index].push(Life { epoch, events: Vec::new(), head: 0, lost: 0 });
        }
    }
}

proptest! {
    #[test]
    fn every_offset_once_in_order_or_in_a_gap(config in config(), steps in vec(step(), 1..150)) {
        let mut world = World::new(config);
        for step in steps {
            world.take(step);
        }
        for reader in 0..world.readers.len() {
            while world.read(reader, Limit { frames: 3, bytes: 2000 }) {}
        }
    }
}

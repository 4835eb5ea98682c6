//! Presence: who is in a topic, told to those who want to know.
//!
//! An entry is tracked under a key (a user) and lives as long as its [`Tracked`]. What changes is gathered and told as a [`Diff`], at
//! most one in each [`Config::interval`]: encoded once, shared by all members. A [`Watcher`] is a member's place in it, without a
//! queue: it reads the list, in frames of bounded size, then the diffs; who is too slow for the diffs gets the list anew. Topics
//! with more entries than [`Config::list`] tell the counts alone.
//!
//! As elsewhere in this crate there is no clock and no codec: time and encoders come in. Somebody has to call
//! [`Presence::flush`] when [`Presence::changed`] and when it says so, and to run [`Presence::drive`].
//!
//! Locks, in this order: the table of topics, one topic, the queue of those that have news.

mod room;
mod roster;
#[cfg(test)]
mod tests;

use crate::{
    fanout::{Bell, Fanout},
    lock,
    usage::Counter,
};
use bytes::Bytes;
use dunlin_proto::{Topic, limits::MAX_KEY_LEN, position};
use room::{Room, Told};
pub use roster::{Diff, Entry, Occupancy};
use std::{
    collections::HashMap,
    fmt, mem,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::Notify;

/// Bounds on presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Least time between two diffs of one topic; default 100 ms.
    pub interval: Duration,
    /// Most entries of a topic of which a list is told, and not only the counts; default 10,000.
    pub list: usize,
    /// Most entries of one topic; default 100,000.
    pub entries: usize,
    /// Most entries of one key in one topic; default 32.
    pub devices: usize,
    /// Most bytes of an entry's data; default 1 KiB, at most 8 KiB.
    pub data: usize,
    /// Most entries in all topics; default 1,000,000. One costs about 500 bytes, its key and its data.
    pub total: usize,
}

/// Makes the frames.
#[derive(Clone, Copy)]
pub struct Encode {
    /// Of a list, a part of one, or the counts.
    pub state: fn(&State<'_>) -> Bytes,
    /// Of a diff.
    pub diff: fn(&Diff) -> Bytes,
}

/// Who is there, or a part of it.
#[derive(Debug, Clone, Copy)]
pub struct State<'a> {
    /// The version of which it tells.
    pub version: u64,
    /// How many are there.
    pub occupancy: Occupancy,
    /// How many entries follow in further frames.
    pub left: usize,
    /// The entries; `None` if only the counts are told.
    pub list: Option<&'a [Entry]>,
}

/// What a member wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Who is there.
    List,
    /// How many are there.
    Counts,
}

/// Why an entry is not tracked, or not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrackError {
    /// A key that is empty or too long.
    #[error("a key has 1 to {MAX_KEY_LEN} bytes, this one has {0}")]
    Key(usize),
    /// More data than an entry may have.
    #[error("an entry has at most {limit} bytes of data, this one has {len}")]
    TooLarge {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The key has as many entries as it may have.
    #[error("a key has at most {0} entries in a topic")]
    Devices(usize),
    /// The topic, or the node, has as many entries as it may have.
    #[error("there are too many entries")]
    Full,
}

/// Is shown each diff when it is told.
type Observer = Box<dyn Fn(&Topic, &Diff) + Send + Sync>;

/// The presence of all topics of this node.
pub struct Presence {
    config: Config,
    encode: Encode,
    rooms: Mutex<HashMap<Topic, Arc<Shared>>>,
    /// Topics that have something to tell.
    queue: Mutex<Vec<Arc<Shared>>>,
    changed: Notify,
    observer: OnceLock<Observer>,
    fanout: Fanout,
    total: AtomicUsize,
    ids: AtomicU64,
    refused: Counter,
}

/// One topic, as its members and entries share it.
struct Shared {
    topic: Topic,
    room: Mutex<Room>,
    bell: Arc<Bell>,
}

/// An entry; it is there as long as this is.
pub struct Tracked {
    presence: Arc<Presence>,
    shared: Arc<Shared>,
    id: u64,
}

/// A member that wants to know who is there. There is no queue: it pins the frames in hand and nothing else.
pub struct Watcher {
    presence: Arc<Presence>,
    shared: Arc<Shared>,
    wish: Wish,
    told: Told,
}

/// What presence holds and has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Topics in which somebody is present, or somebody wants to know.
    pub topics: usize,
    /// Entries in all of them.
    pub entries: usize,
    /// Entries that were refused since the start.
    pub refused: u64,
}

impl Presence {
    /// Nobody is anywhere. Entries are numbered from `first_id`, which is to be random, in 1 to 2⁵²: after a restart a client must
    /// not take an entry for another that it knows.
    ///
    /// # Panics
    /// `first_id` is outside that range.
    #[must_use]
    pub fn new(config: Config, encode: Encode, first_id: u64) -> Arc<Self> {
        assert!((1..=position::MAX / 2).contains(&first_id), "the first id {first_id} is out of range");
        Arc::new(Self {
            config,
            encode,
            rooms: Mutex::default(),
            queue: Mutex::default(),
            changed: Notify::new(),
            observer: OnceLock::new(),
            fanout: Fanout::default(),
            total: AtomicUsize::new(0),
            ids: AtomicU64::new(first_id),
            refused: Counter::default(),
        })
    }

    /// Adds an entry under a key.
    ///
    /// # Errors
    /// The entry is beyond a bound; it is counted.
    pub fn track(self: &Arc<Self>, topic: &Topic, key: &str, data: Bytes) -> Result<Tracked, TrackError> {
        self.try_track(topic, key, data).inspect_err(|_| self.refused.add(1))
    }

    fn try_track(self: &Arc<Self>, topic: &Topic, key: &str, data: Bytes) -> Result<Tracked, TrackError> {
        if !(1..=MAX_KEY_LEN).contains(&key.len()) {
            return Err(TrackError::Key(key.len()));
        }
        self.config.check(&data)?;
        let shared = self.open(topic);
        let entered = self.enter(&shared, key, data);
        if entered.is_err() {
            self.tidy(&shared, 1);
        }
        let id = entered?;
        self.enqueue(&shared);
        Ok(Tracked { presence: self.clone(), shared, id })
    }

    fn enter(&self, shared: &Shared, key: &str, data: Bytes) -> Result<u64, TrackError> {
        let mut room = lock(&shared.room);
        if room.roster.devices(key) >= self.config.devices {
            return Err(TrackError::Devices(self.config.devices));
        }
        if room.roster.len() >= self.config.entries || self.total.load(Relaxed) >= self.config.total {
            return Err(TrackError::Full);
        }
        let id = self.ids.fetch_add(1, Relaxed);
        self.total.fetch_add(1, Relaxed);
        room.roster.track(key, id, data);
        Ok(id)
    }

    /// Tells a member who is in the topic, from now on.
    #[must_use]
    pub fn watch(self: &Arc<Self>, topic: &Topic, wish: Wish) -> Watcher {
        let shared = self.open(topic);
        shared.bell.enter();
        Watcher { presence: self.clone(), shared, wish, told: Told::Nothing }
    }

    /// Has this shown each diff of every topic from now on, also of those that tell the counts alone. Only the first observer
    /// counts. It runs within [`flush`](Self::flush), and should be quick; where only one task flushes, it sees a topic's diffs
    /// in order.
    pub fn observe(&self, observer: impl Fn(&Topic, &Diff) + Send + Sync + 'static) {
        let _ = self.observer.set(Box::new(observer));
    }

    /// Who is in the topic, as was last told.
    #[must_use]
    pub fn list(&self, topic: &Topic) -> Vec<Entry> {
        self.find(topic).map_or_else(Vec::new, |shared| lock(&shared.room).roster.told().cloned().collect())
    }

    /// How many are in the topic, as was last told.
    #[must_use]
    pub fn occupancy(&self, topic: &Topic) -> Occupancy {
        self.find(topic).map_or_else(Occupancy::default, |shared| lock(&shared.room).roster.occupancy())
    }

    /// What there is.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage {
            topics: lock(&self.rooms).len(),
            entries: self.total.load(Relaxed),
            refused: self.refused.get(),
        }
    }

    /// Waits until a topic has something to tell that it had not at the last [`flush`](Self::flush).
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Has topics tell what has changed, those whose time it is. When it is the next one's time, if there is any; `now` is in
    /// milliseconds of a clock that does not go back.
    pub fn flush(&self, now: u64) -> Option<u64> {
        let interval = u64::try_from(self.config.interval.as_millis()).unwrap_or(u64::MAX);
        let mut next: Option<u64> = None;
        let mut waiting = Vec::new();
        for shared in mem::take(&mut *lock(&self.queue)) {
            let mut room = lock(&shared.room);
            let due = room.told_at.map_or(now, |told| told.saturating_add(interval));
            if due > now {
                next = Some(next.map_or(due, |next| next.min(due)));
                drop(room);
                waiting.push(shared);
                continue;
            }
            room.is_queued = false;
            room.told_at = Some(now);
            let told = room.tell(&self.config, &self.encode);
            drop(room);
            if !told.is_empty() {
                self.fanout.ring(&shared.bell);
            }
            if let Some(observer) = self.observer.get() {
                told.iter().for_each(|diff| observer(&shared.topic, diff));
            }
            self.tidy(&shared, 1);
        }
        lock(&self.queue).append(&mut waiting);
        next
    }

    /// Wakes members whose topics have something to tell, a few at a time. Never returns; any number may run at once.
    pub async fn drive(&self) {
        self.fanout.drive().await;
    }

    fn find(&self, topic: &Topic) -> Option<Arc<Shared>> {
        lock(&self.rooms).get(topic).cloned()
    }

    fn open(&self, topic: &Topic) -> Arc<Shared> {
        let mut rooms = lock(&self.rooms);
        let make = || {
            let (topic, room) = (topic.clone(), Mutex::new(Room::new()));
            Arc::new(Shared { topic, room, bell: Arc::default() })
        };
        rooms.entry(topic.clone()).or_insert_with(make).clone()
    }

    fn enqueue(&self, shared: &Arc<Shared>) {
        let was_queued = mem::replace(&mut lock(&shared.room).is_queued, true);
        if !was_queued {
            lock(&self.queue).push(shared.clone());
            self.changed.notify_one();
        }
    }

    /// Forgets a topic without entries and members. The caller holds it so many times; whoever else wants it must ask the table,
    /// which is locked here.
    fn tidy(&self, shared: &Arc<Shared>, held: usize) {
        let mut rooms = lock(&self.rooms);
        if Arc::strong_count(shared) == held + 1 && lock(&shared.room).roster.is_empty() {
            rooms.remove(&shared.topic);
        }
    }
}

impl Tracked {
    /// Names the entry among all that there ever are.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Changes what is said of it.
    ///
    /// # Errors
    /// The data are too long.
    pub fn update(&self, data: Bytes) -> Result<(), TrackError> {
        self.presence.config.check(&data).inspect_err(|_| self.presence.refused.add(1))?;
        self.change(|now| now.0 = data);
        Ok(())
    }

    /// Says whether its client is away.
    pub fn set_away(&self, away: bool) {
        self.change(|now| now.1 = away);
    }

    fn change(&self, change: impl FnOnce(&mut (Bytes, bool))) {
        lock(&self.shared.room).roster.update(self.id, change);
        self.presence.enqueue(&self.shared);
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        lock(&self.shared.room).roster.untrack(self.id);
        self.presence.total.fetch_sub(1, Relaxed);
        // The topic goes when this was told.
        self.presence.enqueue(&self.shared);
    }
}

impl Watcher {
    /// Waits until there is something to be told. Safe to drop and to call again.
    ///
    /// Returns soon only while somebody runs [`Presence::drive`].
    pub async fn ready(&self) {
        let list = self.wish == Wish::List;
        self.shared.bell.wait(|| lock(&self.shared.room).has_news(&self.told, list)).await;
    }

    /// The frames that come next; none if there is nothing new.
    pub fn read(&mut self) -> Vec<Bytes> {
        let list = self.wish == Wish::List;
        lock(&self.shared.room).read(&mut self.told, list, &self.presence.encode)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.shared.bell.leave();
        self.presence.tidy(&self.shared, 1);
    }
}

impl Config {
    fn check(&self, data: &Bytes) -> Result<(), TrackError> {
        let (len, limit) = (data.len(), self.data);
        if len > limit { Err(TrackError::TooLarge { len, limit }) } else { Ok(()) }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(100),
            list: 10_000,
            entries: 100_000,
            devices: 32,
            data: 1024,
            total: 1_000_000,
        }
    }
}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked").field("topic", &self.shared.topic).field("id", &self.id).finish()
    }
}

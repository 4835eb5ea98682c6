//! The hub: topics, publishing and subscribing.

use crate::{
    Batch, Broker, Config, Cursor, Excerpt, Feed, Limit, Message, Order, Outcome, Published, Start,
    TopicUsage, Usage,
    broker::{Event, NotPublished, Unavailable, local::Local},
    budget::{Budget, Holder, allotments},
    fanout::Fanout,
    lock,
    log::Log,
    topic,
    usage::Counters,
};
use bytes::Bytes;
use dunlin_proto::{Position, Topic};
use std::sync::{
    Arc, Mutex, Weak,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Makes the frame that every subscriber's stream will carry, from an event's position, its time in milliseconds
/// since the Unix epoch, and the message. Called once per event.
///
/// The frame is kept as it is: one that is cut out of a larger buffer keeps all of that buffer in memory.
pub type Encode = fn(Position, u64, &Message) -> Bytes;

/// All topics of this node. Times are in milliseconds since the Unix epoch; those of the caller's clock are good
/// enough, also if it jumps.
pub struct Hub {
    /// For the feeds, which must not keep the hub alive.
    me: Weak<Self>,
    config: Config,
    pub(crate) encode: Encode,
    broker: Arc<dyn Broker>,
    pub(crate) topics: topic::Table,
    memory: Arc<Budget>,
    /// Held by the one who makes room.
    reclaiming: Mutex<()>,
    pub(crate) fanout: Fanout,
    counters: Arc<Counters>,
    /// When the last sweep was.
    swept: AtomicU64,
}

/// Why a publish failed. Nothing was published, unless the broker became unavailable on the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The topic is new, and there are as many as there may be ([`Config::topics`]).
    #[error("there are too many topics")]
    TopicLimit,
    /// There is no room in the topic's log, which keeps what it has ([`Full::Refuse`](crate::Full::Refuse)).
    #[error("the topic's log is full")]
    Full,
    /// The broker did not take the event, or did not say so. Repeating it with the same id is safe.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a subscription failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// The topic is new, and there are as many as there may be ([`Config::topics`]).
    #[error("there are too many topics")]
    TopicLimit,
    /// The broker did not attach the topic, or did not answer for its history.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<NotPublished> for PublishError {
    fn from(error: NotPublished) -> Self {
        match error {
            NotPublished::Full => Self::Full,
            NotPublished::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl From<SubscribeError> for PublishError {
    fn from(error: SubscribeError) -> Self {
        match error {
            SubscribeError::TopicLimit => Self::TopicLimit,
            SubscribeError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl Hub {
    /// A hub with the in-process broker. Each log that begins takes the next epoch: `first_epoch` is to be random, in
    /// `1..2^52`, so that positions from an earlier life of the process are recognised as such.
    ///
    /// # Panics
    /// `first_epoch` is outside that range.
    #[must_use]
    pub fn new(config: Config, encode: Encode, first_epoch: u64) -> Arc<Self> {
        let broker = Local::new(config.dedup, first_epoch);
        Self::with_broker(config, encode, Arc::new(broker))
    }

    /// A hub whose events come from a broker; [`Config::dedup`] is then the broker's affair.
    #[must_use]
    pub fn with_broker(config: Config, encode: Encode, broker: Arc<dyn Broker>) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            me: me.clone(),
            encode,
            broker,
            topics: topic::Table::new(config.topics),
            memory: Budget::new(config.memory),
            config,
            reclaiming: Mutex::default(),
            fanout: Fanout::default(),
            counters: Arc::default(),
            swept: AtomicU64::new(0),
        })
    }

    /// Publishes a message. With an id that the broker remembers, this changes nothing and answers with the position
    /// of the first publish.
    ///
    /// # Errors
    /// There are too many topics, or the broker cannot be reached. If this is dropped, the message is published or
    /// not.
    pub async fn publish(
        &self,
        topic: &Topic,
        message: Message,
        now: u64,
    ) -> Result<Published, PublishError> {
        let topic = self.open(topic, now).await?;
        let line = topic.line.get().expect("an open topic is attached");
        let size = message.payload.len();
        let published = line.publish(message, now).await.inspect_err(|error| {
            self.counters.full.add(usize::from(*error == NotPublished::Full));
        })?;
        if published.duplicate {
            self.counters.duplicates.add(1);
        } else if !topic.name.is_reserved() {
            self.counters.published.add(1);
            self.counters.published_bytes.add(size);
        }
        Ok(published)
    }

    /// Subscribes to a topic. What the cursor has to say about the position asked for is its
    /// [`outcome`](Cursor::outcome).
    ///
    /// # Errors
    /// There are too many topics, or the broker cannot be reached.
    pub async fn subscribe(
        &self,
        topic: &Topic,
        start: Start,
        order: Order,
        now: u64,
    ) -> Result<Cursor, SubscribeError> {
        let topic = self.open(topic, now).await?;
        self.fetch_history(&topic, start, order, now).await?;
        let log = lock(&topic.log);
        let (position, outcome) = match start {
            Start::Now => (log.tail(), Outcome::Live),
            Start::Oldest => (log.oldest(order, now), Outcome::Live),
            Start::After(position) if log.covers(position, order, now) => (position, Outcome::Recovered),
            Start::After(_) => (log.tail(), Outcome::Lost),
        };
        Ok(Cursor::new(topic.clone(), &log, position, order, outcome))
    }

    /// What history holds after a position, a part at a time: the next one begins at [`Excerpt::next`]. `None` if there is no such
    /// topic, for a look makes none.
    ///
    /// # Errors
    /// The broker does not answer for its history.
    pub async fn history(
        &self,
        topic: &Topic,
        start: Start,
        limit: Limit,
        now: u64,
    ) -> Result<Option<Excerpt>, SubscribeError> {
        if self.topics.get(topic).is_none() {
            return Ok(None);
        }
        let mut cursor = self.subscribe(topic, start, Order::All, now).await?;
        let (position, outcome, head) = (cursor.position(), cursor.outcome(), cursor.head());
        // A gap opens only if history moves on at this very moment: the one who asks is then told so.
        let (frames, outcome) = match cursor.read(limit) {
            None => (Vec::new(), outcome),
            Some(Batch::Events(frames)) => (frames, outcome),
            Some(Batch::Gap { .. } | Batch::Restarted(_)) => (Vec::new(), Outcome::Lost),
        };
        Ok(Some(Excerpt { position, outcome, frames, next: cursor.position(), head }))
    }

    /// Wakes readers whose topics have news, a few at a time. Never returns. Each worker of the server runs one: any
    /// number may run at once, and any may be dropped at any time; with none, nobody is woken.
    pub async fn drive(&self) {
        self.fanout.drive().await;
    }

    /// Expires events by age and drops idle topics: those without readers, events, or ids to remember. Should be
    /// called about once a second. Looks at every topic, which takes somewhat under a microsecond each: with very many,
    /// a thread for blocking work is the better place than a worker.
    pub fn sweep(&self, now: u64) {
        self.swept.store(now, Relaxed);
        self.counters.dropped.add(self.topics.expire(now));
    }

    /// What the hub holds and has done.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage {
            topics: self.topics.len(),
            bytes: self.memory.used(),
            readers: self.counters.readers.load(Relaxed),
            published: self.counters.published.get(),
            published_bytes: self.counters.published_bytes.get(),
            duplicates: self.counters.duplicates.get(),
            evicted: self.counters.evicted.get(),
            gaps: self.counters.gaps.get(),
            full: self.counters.full.get(),
            dropped: self.counters.dropped.get(),
        }
    }

    /// What there is to be seen of a topic; `None` if it does not exist.
    #[must_use]
    pub fn topic(&self, topic: &Topic) -> Option<TopicUsage> {
        self.topics.get(topic).map(|topic| topic.usage())
    }

    /// How many read this topic now; `None` if it does not exist.
    #[must_use]
    pub fn readers(&self, topic: &Topic) -> Option<usize> {
        self.topics.get(topic).map(|topic| topic.bell.readers())
    }

    /// Looks at every topic of this moment, in no order. The table is locked only while the topics are listed, each log only while it
    /// is its turn; a topic is not dropped as idle while the iterator is at work.
    pub fn survey(&self) -> impl Iterator<Item = TopicUsage> + use<> {
        self.topics.all().into_iter().map(|topic| topic.usage())
    }

    /// The topic, attached to the broker.
    async fn open(&self, name: &Topic, now: u64) -> Result<Arc<topic::Shared>, SubscribeError> {
        let topic = match self.topics.get(name) {
            Some(topic) => topic,
            None => self.create(name, now).ok_or(SubscribeError::TopicLimit)?,
        };
        topic
            .line
            .get_or_try_init(|| async {
                let line =
                    self.broker.attach(name, Feed::new(self.me.clone(), Arc::downgrade(&topic))).await?;
                let has_begun = lock(&topic.log).tail().epoch != 0;
                has_begun
                    .then_some(line)
                    .ok_or_else(|| Unavailable("it did not say where the topic is".into()))
            })
            .await?;
        Ok(topic)
    }

    fn create(&self, name: &Topic, now: u64) -> Option<Arc<topic::Shared>> {
        let make = || {
            let log = Log::new(self.config.retention(name), self.memory.share());
            topic::Shared::new(name.clone(), log, self.counters.clone())
        };
        self.topics.get_or_insert(name, make).or_else(|| {
            // Looking for idle ones costs too much to do it for every topic that is refused.
            let is_due = now.abs_diff(self.swept.load(Relaxed)) >= 1000;
            if is_due {
                self.sweep(now);
            }
            is_due.then(|| self.topics.get_or_insert(name, make)).flatten()
        })
    }

    /// Asks the broker for what the log lacks, if the subscriber wants more than it has.
    async fn fetch_history(
        &self,
        topic: &topic::Shared,
        start: Start,
        order: Order,
        now: u64,
    ) -> Result<(), SubscribeError> {
        let (tail, head, after) = {
            let log = lock(&topic.log);
            let after = match start {
                Start::Oldest => Some(0),
                Start::After(p) if p.epoch == log.tail().epoch && !log.covers(p, order, now) => {
                    Some(p.offset)
                }
                Start::After(_) | Start::Now => None,
            };
            (log.tail(), log.head(), after)
        };
        let Some(after) = after.filter(|after| *after < head) else { return Ok(()) };
        let line = topic.line.get().expect("an open topic is attached");
        let history = line.history(after, head, self.config.retention(&topic.name)).await?;
        let encode = |event: Event| self.record(Position::new(tail.epoch, event.offset), event.at, event);
        let records = history.events.into_iter().map(encode).collect();
        let mut log = lock(&topic.log);
        if log.tail().epoch == tail.epoch {
            log.prepend(history.after, head, records);
            log.trim(now, topic.window());
        }
        drop(log);
        self.reclaim();
        Ok(())
    }

    /// Makes room if all logs together take too much: the longest lose their oldest events, and last of all the newest ones that
    /// topics keep.
    pub(crate) fn reclaim(&self) {
        if self.memory.used() <= self.memory.limit() {
            return;
        }
        let _only_one = lock(&self.reclaiming);
        // Whoever waited for the lock mostly finds the work done.
        if self.memory.used() <= self.memory.limit() {
            return;
        }
        let topics = self.topics.all();
        let holder = |topic: &Arc<topic::Shared>| {
            let log = lock(&topic.log);
            Holder { bytes: log.bytes(), kept: log.kept() }
        };
        let holders: Vec<_> = topics.iter().map(holder).collect();
        let left = allotments(&holders, self.memory.limit() / 8 * 7);
        let evicted = topics.iter().zip(left).map(|(topic, left)| lock(&topic.log).trim_to(left)).sum();
        self.counters.evicted.add(evicted);
    }
}

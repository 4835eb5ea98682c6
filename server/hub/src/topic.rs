//! The topics that exist.

use crate::{
    Retention, TopicUsage,
    broker::Line,
    fanout::Bell,
    lock,
    log::{LIVE, Log},
    usage::Counters,
};
use dunlin_proto::{Position, Topic};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};
use tokio::sync::OnceCell;

/// One topic, as its publishers, its readers and the hub share it.
pub(crate) struct Shared {
    pub(crate) name: Topic,
    pub(crate) log: Mutex<Log>,
    pub(crate) bell: Arc<Bell>,
    /// The way to the broker, once it is attached.
    pub(crate) line: OnceCell<Box<dyn Line>>,
    pub(crate) counters: Arc<Counters>,
}

impl Shared {
    pub(crate) fn new(name: Topic, log: Log, counters: Arc<Counters>) -> Arc<Self> {
        let (bell, line) = (Arc::default(), OnceCell::new());
        Arc::new(Self { name, log: Mutex::new(log), bell, line, counters })
    }

    /// What the log has to keep for live readers, if there are any. To be called under the log's lock.
    pub(crate) fn window(&self) -> Option<Retention> {
        (self.bell.readers() > 0).then_some(LIVE)
    }

    /// What there is to be seen of it.
    pub(crate) fn usage(&self) -> TopicUsage {
        let log = lock(&self.log);
        TopicUsage {
            name: self.name.clone(),
            readers: self.bell.readers(),
            position: log.tail(),
            events: log.events(),
            held: log.len(),
            bytes: log.bytes(),
        }
    }

    /// Forgets what is past its time. If nothing is left and nobody reads, the position at which that is so.
    fn expire(&self, now: u64) -> Option<Position> {
        // First of all: a publish after this changes the tail.
        let tail = lock(&self.log).tail();
        let forgotten = self.line.get().is_none_or(|line| line.expire(now));
        let mut log = lock(&self.log);
        log.trim(now, self.window());
        (forgotten && log.is_empty() && self.bell.readers() == 0).then_some(tail)
    }
}

/// The topics by name.
pub(crate) struct Table {
    limit: usize,
    topics: RwLock<HashMap<Topic, Arc<Shared>>>,
}

impl Table {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, topics: RwLock::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.read().len()
    }

    pub(crate) fn get(&self, name: &Topic) -> Option<Arc<Shared>> {
        self.read().get(name).cloned()
    }

    /// The topic, made if there is none yet. `None` if that would be one too many.
    pub(crate) fn get_or_insert(
        &self,
        name: &Topic,
        make: impl FnOnce() -> Arc<Shared>,
    ) -> Option<Arc<Shared>> {
        let mut topics = self.write();
        if let Some(topic) = topics.get(name) {
            return Some(topic.clone());
        }
        (topics.len() < self.limit).then(|| topics.entry(name.clone()).or_insert_with(make).clone())
    }

    /// All topics of this moment.
    pub(crate) fn all(&self) -> Vec<Arc<Shared>> {
        self.read().values().cloned().collect()
    }

    /// Expires by age, and drops the topics that nobody uses any more. How many those are.
    ///
    /// A topic in use (by a cursor, or by a publish on its way) is held by somebody besides the table. Who wants to
    /// use another one has to ask the table, which is locked here: so what is unused stays so until it is gone.
    pub(crate) fn expire(&self, now: u64) -> usize {
        let expired =
            self.all().into_iter().filter_map(|topic| Some((topic.name.clone(), topic.expire(now)?)));
        let idle: Vec<_> = expired.collect();
        if idle.is_empty() {
            return 0;
        }
        let mut topics = self.write();
        let is_unused =
            |topic: &Arc<Shared>, tail| Arc::strong_count(topic) == 1 && lock(&topic.log).tail() == tail;
        let dropped: Vec<_> = idle
            .into_iter()
            .filter_map(|(name, tail)| {
                let unused = topics.get(&name).is_some_and(|topic| is_unused(topic, tail));
                unused.then(|| topics.remove(&name))
            })
            .collect();
        // Brokers are told by dropping their lines, which is nothing to do under a lock.
        drop(topics);
        dropped.len()
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<Topic, Arc<Shared>>> {
        self.topics.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<Topic, Arc<Shared>>> {
        self.topics.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Message, Published,
        broker::{Boxed, History, NotPublished, Unavailable},
        budget::Budget,
    };
    use std::sync::Weak;

    /// A line on which something is published while the topic is being looked at.
    struct Busy(Weak<Shared>);

    impl Line for Busy {
        fn publish(&self, _: Message, _: u64) -> Boxed<'_, Result<Published, NotPublished>> {
            unreachable!("nobody calls")
        }

        fn history(&self, _: u64, _: u64, _: Retention) -> Boxed<'_, Result<History, Unavailable>> {
            unreachable!("nobody calls")
        }

        fn expire(&self, _: u64) -> bool {
            let topic = self.0.upgrade().expect("the table holds it");
            lock(&topic.log).begin(Position::new(1, 1));
            true
        }
    }

    fn table(limit: usize) -> (Table, Topic) {
        let (table, name): (_, Topic) = (Table::new(limit), "a".parse().unwrap());
        table.get_or_insert(&name, || topic(&name)).expect("there is room for one");
        (table, name)
    }

    fn topic(name: &Topic) -> Arc<Shared> {
        let log = Log::new(Retention::default(), Budget::new(0).share());
        Shared::new(name.clone(), log, Arc::default())
    }

    #[test]
    fn a_topic_that_somebody_is_about_to_use_stays() {
        let (table, name) = table(1);
        let publisher = table.get(&name);
        assert_eq!((table.expire(0), table.len()), (0, 1));
        drop(publisher);
        assert_eq!((table.expire(0), table.len()), (1, 0));
    }

    #[test]
    fn a_topic_that_somebody_has_just_used_stays() {
        let (table, name) = table(1);
        let topic = table.get(&name).expect("it was inserted");
        assert!(topic.line.set(Box::new(Busy(Arc::downgrade(&topic)))).is_ok());
        drop(topic);
        assert_eq!(table.expire(0), 0);
        // This time the tail is where it was before.
        assert_eq!(table.expire(0), 1);
    }

    #[test]
    fn the_limit_is_on_new_topics() {
        let (table, name) = table(1);
        let other = "b".parse().unwrap();
        assert!(table.get_or_insert(&other, || topic(&other)).is_none());
        assert!(table.get_or_insert(&name, || unreachable!("it is there")).is_some());
    }
}

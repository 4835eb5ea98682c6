//! The broker seam as a cluster uses it: a stream of events that all nodes share, with sequence numbers counted over all
//! topics, a history that is longer than the nodes' logs, and connections that fail.

use crate::common::*;
use dunlin_hub::{
    Batch, Broker, Config, Feed, Hub, Message, Order, Outcome, PublishError, Published, Retention, Start,
    SubscribeError,
    broker::{Boxed, Event, History, Line, NotPublished, Unavailable},
};
use dunlin_proto::{Position, Topic};
use std::sync::{Arc, Mutex, MutexGuard};

/// What the nodes share.
#[derive(Default)]
struct Stream {
    epoch: u64,
    sequence: u64,
    events: Vec<(Topic, Event)>,
    feeds: Vec<(Topic, Feed)>,
    /// Whether what is published reaches nobody's feed.
    is_silent: bool,
    is_down: bool,
}

#[derive(Clone, Default)]
struct Cluster(Arc<Mutex<Stream>>);

struct Subject(Cluster, Topic);

impl Stream {
    fn tail(&self, topic: &Topic) -> u64 {
        self.events.iter().rfind(|(of, _)| of == topic).map_or(0, |(_, event)| event.offset)
    }

    fn check(&self) -> Result<(), Unavailable> {
        if self.is_down { Err(Unavailable("no route".into())) } else { Ok(()) }
    }

    fn publish(&mut self, topic: &Topic, message: Message, at: u64) -> Position {
        let previous = self.tail(topic);
        self.sequence += 1;
        let event = Event { offset: self.sequence, previous, at, message };
        for (of, feed) in self.feeds.iter_mut().filter(|_| !self.is_silent) {
            if of == topic {
                feed.push(event.clone());
                // A cluster may deliver more than once.
                feed.push(event.clone());
            }
        }
        self.events.push((topic.clone(), event));
        Position::new(self.epoch, self.sequence)
    }

    /// Loses everything, as when the stream is deleted.
    fn restart(&mut self) {
        self.epoch += 1;
        self.sequence = 0;
        self.events.clear();
        for (_, feed) in &mut self.feeds {
            feed.begin(Position::new(self.epoch, 0));
        }
    }
}

impl Cluster {
    fn new() -> Self {
        let cluster = Self::default();
        cluster.stream().epoch = 1;
        cluster
    }

    fn stream(&self) -> MutexGuard<'_, Stream> {
        self.0.lock().unwrap()
    }

    fn node(&self, retained: usize) -> Arc<Hub> {
        Hub::with_broker(retain(retained), encode, Arc::new(self.clone()))
    }
}

impl Broker for Cluster {
    fn attach<'a>(
        &'a self,
        topic: &'a Topic,
        mut feed: Feed,
    ) -> Boxed<'a, Result<Box<dyn Line>, Unavailable>> {
        Box::pin(async move {
            let mut stream = self.stream();
            stream.check()?;
            feed.begin(Position::new(stream.epoch, stream.tail(topic)));
            stream.feeds.push((topic.clone(), feed));
            Ok(Box::new(Subject(self.clone(), topic.clone())) as Box<dyn Line>)
        })
    }
}

impl Line for Subject {
    fn publish(&self, message: Message, now: u64) -> Boxed<'_, Result<Published, NotPublished>> {
        Box::pin(async move {
            let mut stream = self.0.stream();
            stream.check()?;
            Ok(Published { position: stream.publish(&self.1, message, now), duplicate: false })
        })
    }

    fn history(&self, after: u64, to: u64, bounds: Retention) -> Boxed<'_, Result<History, Unavailable>> {
        Box::pin(async move {
            let stream = self.0.stream();
            stream.check()?;
            let wanted =
                |(of, event): &&(Topic, Event)| *of == self.1 && event.offset > after && event.offset <= to;
            let mut events: Vec<_> =
                stream.events.iter().filter(wanted).map(|(_, event)| event.clone()).collect();
            events.drain(..events.len().saturating_sub(bounds.count));
            let after = events.first().map_or(to, |first| first.previous.max(after));
            Ok(History { after, events })
        })
    }

    fn expire(&self, _: u64) -> bool {
        true
    }
}

#[tokio::test]
async fn a_client_resumes_on_another_node() {
    let (cluster, room, other) = (Cluster::new(), topic("room:1"), topic("room:2"));
    let (here, there) = (cluster.node(100), cluster.node(100));
    let mut cursor = subscribe(&here, &room, Start::Now).await;
    publish(&here, &room, 2).await;
    publish(&here, &other, 3).await;
    publish(&there, &room, 1).await;
    assert_eq!(offsets(&mut cursor), [1, 2, 6]);
    let position = cursor.position();
    drop(cursor);
    publish(&here, &room, 2).await;
    // A third node has seen nothing of all this.
    let mut resumed = subscribe(&cluster.node(100), &room, Start::After(position)).await;
    assert_eq!(resumed.outcome(), Outcome::Recovered);
    assert_eq!(offsets(&mut resumed), [7, 8]);
}

#[tokio::test]
async fn history_goes_as_far_as_retention_allows_and_no_further() {
    let (cluster, room) = (Cluster::new(), topic("room:1"));
    let tail = publish(&cluster.node(100), &room, 10).await;
    let node = cluster.node(4);
    let lost = subscribe(&node, &room, Start::After(Position { offset: 5, ..tail })).await;
    assert_eq!((lost.outcome(), lost.position()), (Outcome::Lost, tail));
    let mut recovered = subscribe(&node, &room, Start::After(Position { offset: 6, ..tail })).await;
    assert_eq!(recovered.outcome(), Outcome::Recovered);
    assert_eq!(offsets(&mut recovered), [7, 8, 9, 10]);
    let mut oldest = subscribe(&cluster.node(3), &room, Start::Oldest).await;
    assert_eq!(offsets(&mut oldest), [8, 9, 10]);
}

#[tokio::test]
async fn history_and_log_together_keep_to_the_retention() {
    let (cluster, room) = (Cluster::new(), topic("room:1"));
    publish(&cluster.node(100), &room, 10).await;
    let node = cluster.node(4);
    publish(&node, &room, 3).await;
    let three = node.usage().bytes;
    let mut oldest = subscribe(&node, &room, Start::Oldest).await;
    assert_eq!(offsets(&mut oldest), [10, 11, 12, 13]);
    assert_eq!(node.usage().bytes, three / 3 * 4);
}

#[tokio::test]
async fn history_keeps_to_the_memory() {
    let (cluster, room) = (Cluster::new(), topic("room:1"));
    publish(&cluster.node(100), &room, 100).await;
    let config = Config { memory: 2000, ..Config::default() };
    let node = Hub::with_broker(config, encode, Arc::new(cluster));
    let mut oldest = subscribe(&node, &room, Start::Oldest).await;
    assert!(node.usage().bytes <= 2000);
    assert_eq!(offsets(&mut oldest), (node.usage().evicted + 1..=100).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_broker_is_not_asked_for_what_the_log_has() {
    let (cluster, room) = (Cluster::new(), topic("room:1"));
    let node = cluster.node(2);
    let tail = publish(&node, &room, 5).await;
    cluster.stream().is_down = true;
    let after = |offset| Start::After(Position { offset, ..tail });
    assert_eq!(offsets(&mut subscribe(&node, &room, after(3)).await), [4, 5]);
    // Without keys only the newest event is owed.
    let mut latest = node.subscribe(&room, after(1), Order::Latest, 0).await.unwrap();
    assert_eq!((latest.outcome(), offsets(&mut latest)), (Outcome::Recovered, vec![5]));
    let refused = node.subscribe(&room, after(1), Order::All, 0).await;
    assert!(matches!(refused, Err(SubscribeError::Unavailable(_))));
}

#[tokio::test]
async fn a_node_that_missed_events_says_so() {
    let (cluster, room) = (Cluster::new(), topic("room:1"));
    let node = cluster.node(100);
    let mut cursor = subscribe(&node, &room, Start::Now).await;
    publish(&node, &room, 1).await;
    assert_eq!(offsets(&mut cursor), [1]);
    cluster.stream().is_silent = true;
    publish(&node, &room, 2).await;
    cluster.stream().is_silent = false;
    publish(&node, &room, 1).await;
    assert_eq!(cursor.read(ANY), Some(Batch::Gap { from: 2, to: 3 }));
    assert_eq!(offsets(&mut cursor), [4]);
    // The broker still has them.
    let mut again = subscribe(&node, &room, Start::After(Position::new(1, 1))).await;
    assert_eq!((again.outcome(), offsets(&mut again)), (Outcome::Recovered, vec![2, 3, 4]));
}

#[tokio::test]
async fn readers_are_told_of_a_new_epoch() {
    let (cluster, room) = (Cluster::new(), topic("room:1"));
    let node = cluster.node(100);
    let mut cursor = subscribe(&node, &room, Start::Now).await;
    publish(&node, &room, 2).await;
    cluster.stream().restart();
    publish(&node, &room, 1).await;
    assert_eq!(cursor.read(ANY), Some(Batch::Gap { from: 1, to: 2 }));
    assert_eq!(cursor.read(ANY), Some(Batch::Restarted(Position::new(2, 0))));
    assert_eq!(offsets(&mut cursor), [1]);
    assert_eq!(cursor.position(), Position::new(2, 1));
}

#[tokio::test]
async fn a_broker_that_is_down_is_an_error_and_not_for_ever() {
    let (cluster, room) = (Cluster::new(), topic("room:1"));
    let node = cluster.node(100);
    cluster.stream().is_down = true;
    assert!(matches!(node.publish(&room, message(""), 0).await, Err(PublishError::Unavailable(_))));
    let refused = node.subscribe(&room, Start::Now, Order::All, 0).await;
    assert!(matches!(refused, Err(SubscribeError::Unavailable(_))));
    cluster.stream().is_down = false;
    let mut cursor = subscribe(&node, &room, Start::Now).await;
    publish(&node, &room, 1).await;
    assert_eq!(offsets(&mut cursor), [1]);
}

#[tokio::test]
async fn the_epoch_of_a_cluster_outlives_an_idle_node() {
    let (cluster, room) = (Cluster::new(), topic("room:1"));
    let node = cluster.node(100);
    let tail = publish(&node, &room, 2).await;
    node.sweep(u64::MAX);
    assert_eq!(node.usage().topics, 0);
    let mut back = subscribe(&node, &room, Start::After(Position { offset: 1, ..tail })).await;
    assert_eq!((back.outcome(), offsets(&mut back)), (Outcome::Recovered, vec![2]));
}

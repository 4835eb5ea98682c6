//! The broker for one process: positions are counted here, and nothing is kept beyond the log.

mod ids;

use super::{Boxed, Broker, Event, History, Line, NotPublished, Unavailable};
use crate::{Dedup, Feed, Message, Published, Retention, budget::Budget, lock};
use dunlin_proto::{Position, Topic, position};
use ids::Ids;
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// The in-process [`Broker`].
pub(crate) struct Local {
    dedup: Dedup,
    ids: Arc<Budget>,
    next_epoch: AtomicU64,
}

impl Local {
    /// # Panics
    /// The epoch is 0, or so high that the numbers could run out.
    pub(crate) fn new(dedup: Dedup, first_epoch: u64) -> Self {
        assert!(
            (1..=position::MAX / 2).contains(&first_epoch),
            "the first epoch is at least 1 and below 2^52"
        );
        Self { dedup, ids: Budget::new(dedup.total), next_epoch: AtomicU64::new(first_epoch) }
    }
}

impl Broker for Local {
    fn attach<'a>(&'a self, _: &'a Topic, mut feed: Feed) -> Boxed<'a, Result<Box<dyn Line>, Unavailable>> {
        Box::pin(async move {
            let position = Position::new(self.next_epoch.fetch_add(1, Relaxed), 0);
            feed.begin(position);
            let ids = Ids::new(self.dedup, self.ids.share());
            Ok(Box::new(Counted(Mutex::new(State { feed, position, ids }))) as Box<dyn Line>)
        })
    }
}

/// A topic whose events are counted here. The lock makes their order the order in which the log gets them.
struct Counted(Mutex<State>);

struct State {
    feed: Feed,
    position: Position,
    ids: Ids,
}

impl State {
    fn publish(&mut self, message: Message, now: u64) -> Result<Published, NotPublished> {
        let known = message.id.as_ref().and_then(|id| self.ids.find(id, now));
        if let Some(offset) = known {
            return Ok(Published { position: Position { offset, ..self.position }, duplicate: true });
        }
        let previous = self.position.offset;
        let offset = previous + 1;
        let id = message.id.clone();
        if !self.feed.offer(Event { offset, previous, at: now, message }) {
            return Err(NotPublished::Full);
        }
        self.position.offset = offset;
        if let Some(id) = id {
            self.ids.remember(id, offset, now);
        }
        Ok(Published { position: self.position, duplicate: false })
    }
}

impl Line for Counted {
    fn publish(&self, message: Message, now: u64) -> Boxed<'_, Result<Published, NotPublished>> {
        Box::pin(async move { lock(&self.0).publish(message, now) })
    }

    fn history(&self, _: u64, to: u64, _: Retention) -> Boxed<'_, Result<History, Unavailable>> {
        Box::pin(async move { Ok(History { after: to, events: Vec::new() }) })
    }

    fn expire(&self, now: u64) -> bool {
        let ids = &mut lock(&self.0).ids;
        ids.expire(now);
        ids.is_empty()
    }
}

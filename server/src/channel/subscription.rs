//! What a channel hears of other topics: a place in each one's log, as its member has in this one's.

use bytes::Bytes;
use dunlin_hub::{Batch, Cursor, Limit};
use dunlin_proto::{
    Topic,
    codec::PREFIX,
    frame::channel::{Event, FromServer},
};
use futures_util::future::select_all;
use std::collections::VecDeque;

/// What happened in another topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// An event.
    Event(Event),
    /// Events that came faster than this channel took them, inclusive on both ends.
    Missed {
        /// First missing offset.
        from: u64,
        /// Last missing offset.
        to: u64,
    },
    /// The topic's log started over.
    Restarted,
}

/// A channel's reader of another topic. There is no queue: who is slow falls behind in the log, and is told.
pub(crate) struct Subscription<I> {
    topic: Topic,
    cursor: Cursor,
    make: Box<dyn FnMut(News) -> I + Send>,
    unread: VecDeque<News>,
}

/// What is read at once. The channel does other things in between only event by event, so it is little.
const BATCH: Limit = Limit { frames: 16, bytes: 64 * 1024 };

impl<I> Subscription<I> {
    pub(crate) fn new(topic: Topic, cursor: Cursor, make: impl FnMut(News) -> I + Send + 'static) -> Self {
        Self { topic, cursor, make: Box::new(make), unread: VecDeque::new() }
    }

    pub(crate) fn topic(&self) -> &Topic {
        &self.topic
    }

    async fn ready(&mut self) {
        if self.unread.is_empty() {
            self.cursor.ready().await;
        }
    }

    /// The next message, if there is one after all.
    fn take(&mut self) -> Option<I> {
        if self.unread.is_empty() {
            self.unread = news(self.cursor.read(BATCH)?);
        }
        self.unread.pop_front().map(&mut self.make)
    }
}

/// The next message of any of them. Never returns without subscriptions. Cancel-safe.
pub(crate) async fn next<I>(subscriptions: &mut [Subscription<I>]) -> I {
    if subscriptions.is_empty() {
        return std::future::pending().await;
    }
    loop {
        let ready = subscriptions.iter_mut().map(|subscription| Box::pin(subscription.ready()));
        let (_, index, _) = select_all(ready).await;
        if let Some(info) = subscriptions[index].take() {
            // The others first, the next time.
            subscriptions.rotate_left(index + 1);
            return info;
        }
    }
}

fn news(batch: Batch) -> VecDeque<News> {
    match batch {
        Batch::Events(frames) => frames.iter().filter_map(event).map(News::Event).collect(),
        Batch::Gap { from, to } => [News::Missed { from, to }].into(),
        Batch::Restarted(_) => [News::Restarted].into(),
    }
}

/// Reads what this server has written.
fn event(frame: &Bytes) -> Option<Event> {
    match FromServer::decode(&frame.slice(PREFIX..)) {
        Ok(FromServer::Event(event)) => Some(event),
        other => {
            debug_assert!(false, "{other:?} in a log");
            None
        }
    }
}

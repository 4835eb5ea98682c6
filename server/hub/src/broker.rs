//! The seam behind which events get their order: in this process, or in a cluster.
//!
//! The hub keeps each topic's newest events in a log of its own and serves its readers from there. A broker decides
//! which event comes when, recognises repeated publishes, and tells every node the outcome through its [`Feed`].

pub(crate) mod local;

use crate::{Feed, Message, Published, Retention};
use dunlin_proto::Topic;
use std::pin::Pin;

/// A future behind the seam.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Gives the events of every topic one order.
///
/// # Contract
/// - **Order.** All nodes are fed the same events of a topic at the same positions, each node in the order of their
///   offsets. Within an epoch an offset never stands for another event; a broker that can no longer promise this
///   begins a new epoch.
/// - **Once.** A feed ignores what it has been fed before, so feeding again after a reconnect is safe.
/// - **Nothing hidden.** A feed that missed events says so, by the next event's [`Event::previous`] or by
///   [`Feed::begin`]; readers are then told which.
pub trait Broker: Send + Sync + 'static {
    /// Attaches this node to a topic. Before it returns, the broker calls [`Feed::begin`] with the topic's tail; from
    /// then on it feeds what comes after. The hub holds one line per topic, for as long as the topic is in use here.
    fn attach<'a>(&'a self, topic: &'a Topic, feed: Feed) -> Boxed<'a, Result<Box<dyn Line>, Unavailable>>;
}

/// One topic of a [`Broker`], attached to this node.
///
/// **Dropping it detaches the node**: the broker stops feeding soon and drops the [`Feed`]. What it still feeds
/// meanwhile is ignored. Whether the topic's epoch goes on when it is attached again is the broker's affair: the
/// in-process broker has no other place for events than the log, and begins a new one.
pub trait Line: Send + Sync {
    /// Publishes, and returns once the event has its place for good. `now` is in milliseconds since the Unix epoch.
    ///
    /// An id that the broker remembers from an earlier publish changes nothing and answers with the first one's
    /// position; how long it remembers is the broker's affair. The event may reach the feed before or after this
    /// returns. If the future is dropped, the event is published or not.
    fn publish(&self, message: Message, now: u64) -> Boxed<'_, Result<Published, NotPublished>>;

    /// The newest events after the offset `after`, up to and including `to`, from beyond this node's log: without a
    /// hole, no more than `bounds` allow, and no fewer than the broker has. Both offsets are of the current epoch.
    fn history(&self, after: u64, to: u64, bounds: Retention) -> Boxed<'_, Result<History, Unavailable>>;

    /// Forgets ids that are past their time. True if detaching now would break no promise: the broker remembers
    /// elsewhere, or has nothing to remember.
    fn expire(&self, now: u64) -> bool;
}

/// An event in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place in the topic's epoch. Offsets rise, but not necessarily by one.
    pub offset: u64,
    /// The offset of the topic's event before this one; 0 if it is the first. By this, a missing event is noticed.
    pub previous: u64,
    /// When it was published, in milliseconds since the Unix epoch.
    pub at: u64,
    /// What was published.
    pub message: Message,
}

/// Events from beyond a node's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The events are all there are after this offset, up to the `to` that was asked for. At least the `after` that
    /// was asked for; equal to `to` if there is nothing.
    pub after: u64,
    /// Oldest first.
    pub events: Vec<Event>,
}

/// Why an event has no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPublished {
    /// There is no room in the topic's log, which keeps what it has ([`Full::Refuse`](crate::Full::Refuse)).
    #[error("the topic's log is full")]
    Full,
    /// The broker did not take it, or did not say so.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The broker cannot be reached, or refuses. Says why, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the broker is not available: {0}")]
pub struct Unavailable(pub Box<str>);

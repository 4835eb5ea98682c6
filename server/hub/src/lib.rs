//! The hub: a bounded log per topic, a cursor per subscriber.
//!
//! A publish appends to the topic's log once; a subscriber is a [`Cursor`] into it, with no queue of its own. Reading
//! past the cursor in batches is live delivery, catch-up, recovery and slow-reader handling in one: who falls off
//! the log's tail is told exactly which offsets it missed, and nobody else notices.
//!
//! The hub knows no transport and no codec: frames are made by a function that the caller hands in ([`Encode`]). It
//! has no clock and draws no random numbers: both come in as arguments. Where events get their positions, and what
//! carries them between nodes, is behind [`Broker`].
//!
//! ```
//! # use bytes::Bytes;
//! use dunlin_hub::{Batch, Config, Hub, Limit, Message, Order, Start};
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let hub = Hub::new(Config::default(), |_, _, message| message.payload.clone(), 1);
//! let topic = "room:42".parse()?;
//! let mut cursor = hub.subscribe(&topic, Start::Now, Order::All, 0).await?;
//!
//! let message = Message { id: None, event: "say".into(), payload: Bytes::from("hi"), key: None, origin: None };
//! let published = hub.publish(&topic, message, 0).await?;
//!
//! cursor.ready().await;
//! let batch = cursor.read(Limit { frames: 64, bytes: 65_536 });
//! assert_eq!(batch, Some(Batch::Events(vec![Bytes::from("hi")])));
//! assert_eq!(cursor.position(), published.position);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Locks
//! All are `std` mutexes, short, and never held across an await. Who needs several takes them in this order: a
//! broker's own, [`Hub`]'s reclaim lock, the table of topics, one topic's log.

pub mod broker;
mod budget;
mod config;
mod cursor;
mod fanout;
mod feed;
mod hub;
mod log;
mod message;
pub mod presence;
#[cfg(test)]
mod properties;
mod topic;
mod usage;

pub use broker::Broker;
pub use config::{Config, Dedup, Full, Retention};
pub use cursor::{Batch, Cursor, Excerpt, Hold, Limit, Order, Outcome, Start};
pub use feed::Feed;
pub use hub::{Encode, Hub, PublishError, SubscribeError};
pub use message::{IllegalId, MAX_ID_LEN, Message, MessageId, Origin, Published};
pub use presence::Presence;
pub use usage::{TopicUsage, Usage};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks, also after a panic elsewhere: nothing in this crate can panic halfway through a change (the caller's
/// [`Encode`] runs before the first one), so what the lock guards is whole.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

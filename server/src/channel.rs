//! Channels: the application's side of a membership.
//!
//! A channel handles what one member pushes and what the rest of the application tells it; the topic's events reach the
//! member past it, straight from the log. It cannot tell which transport its member uses, and it stays while the member changes
//! connections.
//!
//! ```
//! use bytes::Bytes;
//! use dunlin_proto::frame::Refusal;
//! use dunlin_server::channel::{Channel, Context, Outgoing, Push};
//! use std::time::Duration;
//!
//! /// Tells the others what is said here, and this member when nobody has said anything for a while.
//! #[derive(Default)]
//! struct Room {
//!     said: u64,
//! }
//!
//! enum Tick {
//!     StillQuiet { since: u64 },
//! }
//!
//! impl Channel for Room {
//!     type Info = Tick;
//!
//!     async fn join(&mut self, context: &Context<Tick>, _: Option<Bytes>) -> Result<Bytes, Refusal> {
//!         context.broadcast_from(Outgoing::new("joined", context.session().name().to_owned())).await?;
//!         Ok("welcome".into())
//!     }
//!
//!     async fn handle_in(&mut self, context: &Context<Tick>, push: Push) -> Result<Bytes, Refusal> {
//!         context.broadcast_from(push).await?;
//!         self.said += 1;
//!         context.schedule(Duration::from_secs(60), Tick::StillQuiet { since: self.said })?;
//!         Ok(Bytes::new())
//!     }
//!
//!     async fn handle_info(&mut self, context: &Context<Tick>, Tick::StillQuiet { since }: Tick) -> Result<(), Refusal> {
//!         if since == self.said {
//!             context.push("quiet", "")?;
//!         }
//!         Ok(())
//!     }
//! }
//! ```
//!
//! [`crate::testing`] tests channels in memory.

pub(crate) mod allowance;
pub(crate) mod applied;
mod assigns;
mod attached;
mod callbacks;
mod context;
pub(crate) mod delivery;
pub(crate) mod downlink;
mod error;
pub(crate) mod facts;
mod mailbox;
pub(crate) mod membership;
mod outgoing;
pub(crate) mod presence;
mod pubsub;
pub(crate) mod router;
mod session;
mod standing;
mod subscription;
mod terms;
mod timers;

pub use crate::session::hook::Connecting;
pub use assigns::Assigns;
use bytes::Bytes;
pub use context::Context;
pub use dunlin_hub::Published;
pub use dunlin_hub::presence::{Entry, Occupancy};
use dunlin_proto::frame::Refusal;
pub use dunlin_proto::frame::channel::{Event, Push};
pub use dunlin_proto::frame::presence::Ask;
pub use error::{BroadcastError, PushError, SubscribeError, TrackError};
pub use mailbox::{Handle, SendError};
pub use outgoing::Outgoing;
pub(crate) use pubsub::PubSub;
pub use session::Session;
use std::future::Future;
pub use subscription::News;
pub use timers::{Timer, TooManyTimers};

/// The code behind the memberships of a topic pattern; one value for each membership.
///
/// Its callbacks run one after the other on the membership's own task, each within `channels.timeout` of the configuration. What
/// goes wrong ends this membership and touches nothing else; its client joins again, with growing pauses:
///
/// | what | code | [`End`] |
/// |---|---|---|
/// | a callback panics | [`CHANNEL_FAILED`](dunlin_proto::Code::CHANNEL_FAILED) | [`Failed`](End::Failed) |
/// | a callback takes longer than it may | [`CHANNEL_OVERRUN`](dunlin_proto::Code::CHANNEL_OVERRUN) | [`Overrun`](End::Overrun) |
/// | more is [sent](Handle::send) to it than its mailbox holds (`channels.mailbox`) | the same | the same |
///
/// A callback that takes too long is dropped where it waits; one that blocks its thread instead of waiting cannot be stopped, and
/// holds up every connection of its worker.
pub trait Channel: Send + Sized + 'static {
    /// What reaches [`handle_info`](Channel::handle_info); [`Infallible`](std::convert::Infallible) if nothing does.
    type Info: Send + 'static;

    /// Decides about a join. The bytes go to the client with the acceptance.
    ///
    /// Called once for a membership, not again when its member comes back on another connection. The member's events begin after
    /// that: what it must not miss of the time before is presence, the topic's history (`rewind`, `since`), or pushed later.
    ///
    /// # Errors
    /// The refusal that the client is told.
    fn join(
        &mut self,
        context: &Context<Self::Info>,
        params: Option<Bytes>,
    ) -> impl Future<Output = Result<Bytes, Refusal>> + Send;

    /// Handles one push, and answers it.
    ///
    /// # Errors
    /// The refusal that the push is answered with; the membership goes on.
    fn handle_in(
        &mut self,
        context: &Context<Self::Info>,
        push: Push,
    ) -> impl Future<Output = Result<Bytes, Refusal>> + Send;

    /// Handles a message of a [`Handle`], of a [timer](Context::schedule), or about [another topic](Context::subscribe); also
    /// while the member is away.
    ///
    /// # Errors
    /// The refusal with which the membership ends, by the channel's own decision ([`End::Closed`]).
    fn handle_info(
        &mut self,
        context: &Context<Self::Info>,
        info: Self::Info,
    ) -> impl Future<Output = Result<(), Refusal>> + Send {
        let _ = (context, info);
        async { Ok(()) }
    }

    /// The membership is over. Not called where it never began: because `join` refused or failed.
    fn terminate(self, context: &Context<Self::Info>, why: End) -> impl Future<Output = ()> + Send {
        let _ = (context, why);
        async {}
    }
}

/// Why a membership is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client left.
    Left,
    /// The client did not come back within the linger time.
    Expired,
    /// The session ended: the client said goodbye, the application ended it, or the server is shutting down.
    SessionEnded,
    /// The backend has ended it, over the HTTP API.
    Evicted,
    /// The channel ended it, in `handle_info`.
    Closed,
    /// The client broke the protocol.
    Violation,
    /// The session's new token does not allow the membership any more.
    Forbidden,
    /// A callback took too long, or the mailbox was full.
    Overrun,
    /// The channel's code panicked, or the topic could not be had after the channel had accepted the join.
    Failed,
}

//! Channels: the application's side of a membership.
//!
//! A channel handles what one member pushes; the topic's events reach the member past it, straight from the log.
//! It cannot tell which transport its member uses, and it stays while the member changes connections.

pub(crate) mod allowance;
pub(crate) mod applied;
mod context;
pub(crate) mod delivery;
pub(crate) mod membership;
mod pubsub;
pub(crate) mod router;

use bytes::Bytes;
pub use context::Context;
use dunlin_proto::frame::Refusal;
pub use dunlin_proto::frame::channel::Push;
pub(crate) use pubsub::PubSub;
use std::future::Future;

/// The code behind the memberships of a topic pattern; one value for each membership.
///
/// Its callbacks run one after the other on the membership's own task. A panic in one ends this membership with
/// [`dunlin_proto::Code::CHANNEL_FAILED`] and touches nothing else.
pub trait Channel: Send + Sized + 'static {
    /// Decides about a join. The bytes go to the client with the acceptance.
    ///
    /// Called once for a membership, not again when its member comes back on another connection.
    ///
    /// # Errors
    /// The refusal that the client is told.
    fn join(
        &mut self,
        context: &Context,
        params: Option<Bytes>,
    ) -> impl Future<Output = Result<Bytes, Refusal>> + Send;

    /// Handles one push, and answers it.
    ///
    /// # Errors
    /// The refusal that the push is answered with; the membership goes on.
    fn handle_in(
        &mut self,
        context: &Context,
        push: Push,
    ) -> impl Future<Output = Result<Bytes, Refusal>> + Send;

    /// The membership is over.
    fn terminate(self, context: &Context, why: End) -> impl Future<Output = ()> + Send {
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
    /// The session ended: the client said goodbye, or the server is shutting down.
    SessionEnded,
    /// The client broke the protocol.
    Violation,
    /// The session's new token does not allow the membership any more.
    Forbidden,
    /// The channel's code panicked, or the topic could not be had after the channel had accepted the join.
    Failed,
}

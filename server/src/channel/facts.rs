//! What a membership is about, whatever its channel.

use super::{assigns::Assigns, downlink::Downlink};
use crate::{
    auth::Pass,
    config::{self, Namespace},
    guard::Access,
    session::{Session, latest::Latest},
    tally::Tally,
    testing::Ended,
    webhook::farewell::Farewell,
};
use dunlin_hub::{Hub, Origin, Presence};
use dunlin_proto::{
    Limits, Topic,
    frame::{channel::Delivery, control::ClientId, presence::Ask},
};
use std::sync::{Arc, Weak};
use tokio::sync::mpsc;

/// One membership's place in the server.
pub(crate) struct Facts {
    pub(crate) hub: Arc<Hub>,
    pub(crate) topic: Topic,
    /// Public name of the session.
    pub(crate) session: Arc<str>,
    /// The session, which owns the membership.
    pub(crate) owner: Weak<Session>,
    pub(crate) client: ClientId,
    /// The session's user; `None` where no token names one.
    pub(crate) user: Option<Arc<str>>,
    /// What the session may do now.
    pub(crate) pass: Arc<Latest<Pass>>,
    pub(crate) access: Access,
    pub(crate) tally: Arc<Tally>,
    /// What the application knew of the client when it connected.
    pub(crate) assigns: Arc<Assigns>,
    /// The way to this member alone.
    pub(crate) downlink: Arc<Downlink>,
    /// Names this member among all readers of the topic.
    pub(crate) origin: Origin,
    pub(crate) limits: Limits,
    /// What holds for the topic.
    pub(crate) namespace: Arc<Namespace>,
    pub(crate) presence: Arc<Presence>,
    pub(crate) shows: config::Presence,
    /// What the member asked for when it joined first.
    pub(crate) ask: Ask,
    /// Which events it asked for then.
    pub(crate) delivery: Delivery,
    pub(crate) bounds: config::Channels,
    /// Said when the session and its memberships are over.
    #[expect(dead_code, reason = "held, and said when the last holder lets go of it")]
    pub(crate) farewell: Option<Arc<Farewell>>,
    /// Who wants to know how it ends.
    pub(crate) witness: Option<mpsc::Sender<Ended>>,
}

//! The task of one membership.
use crate::{Channel, JoinError, JoinOptions, client::Membership};

pub(crate) async fn join(membership: Membership, _options: JoinOptions) -> Result<Channel, JoinError> {
    drop(membership);
    Err(JoinError::Closed(crate::Closed::by_us()))
}

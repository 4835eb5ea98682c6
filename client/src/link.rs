//! The connection in use, as channels see it.

use crate::ConnectionInfo;

#[derive(Debug, Clone)]
pub(crate) enum Link {
    Down,
}

impl Link {
    pub(crate) fn info(&self) -> Option<ConnectionInfo> {
        match self {
            Self::Down => None,
        }
    }
}

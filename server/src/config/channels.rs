//! How channels are bounded.

use super::Check;
use std::time::Duration;

/// Bounds on each channel, which ends when it goes beyond one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Channels {
    /// Longest time that one callback may take.
    pub timeout: Duration,
    /// Most messages that wait for `handle_info`, and most timers.
    pub mailbox: usize,
}

impl Check<'_> {
    pub(super) fn channels(&mut self) -> Channels {
        Channels { timeout: self.duration("channels.timeout"), mailbox: self.count("channels.mailbox") }
    }
}

//! What a member wants of its stream, and may come to want otherwise.

use std::time::Duration;

use dunlin_proto::{frame::channel::Adjust, limits};

use crate::JoinOptions;

/// The newest wishes, which each join asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wishes {
    pub(crate) priority: u8,
    pub(crate) interval: Option<Duration>,
    pub(crate) deadline: Option<Duration>,
}

impl Wishes {
    pub(crate) fn of(options: &JoinOptions) -> Self {
        Self { priority: options.priority, interval: options.interval, deadline: options.deadline }
    }

    pub(crate) fn interval_ms(&self) -> Option<u32> {
        self.interval.map(|interval| millis(interval, limits::MAX_INTERVAL_MS))
    }

    pub(crate) fn deadline_ms(&self) -> Option<u32> {
        self.deadline.map(|deadline| millis(deadline, limits::MAX_DEADLINE_MS))
    }

    /// The frame that says all of it anew.
    pub(crate) fn adjust(&self) -> Adjust {
        Adjust {
            priority: Some(self.priority),
            interval_ms: Some(self.interval_ms().unwrap_or(0)),
            deadline_ms: Some(self.deadline_ms().unwrap_or(0)),
        }
    }
}

/// At least one, for none would mean something else.
fn millis(time: Duration, most: u32) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(most).clamp(1, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_whole_milliseconds_within_the_limits() {
        let wishes = |time| Wishes { priority: 1, interval: Some(time), deadline: Some(time) };
        assert_eq!(wishes(Duration::from_nanos(1)).interval_ms(), Some(1));
        assert_eq!(wishes(Duration::MAX).deadline_ms(), Some(limits::MAX_DEADLINE_MS));
        let none = Wishes { priority: 1, interval: None, deadline: None };
        let adjust = Adjust { priority: Some(1), interval_ms: Some(0), deadline_ms: Some(0) };
        assert_eq!((none.interval_ms(), none.adjust()), (None, adjust));
    }
}

//! How much the hub keeps.

use dunlin_proto::{Patterns, Topic};
use std::time::Duration;

/// Bounds on everything the hub keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// What each topic keeps for subscribers who come later.
    pub retention: Retention,
    /// What the topics of some patterns keep instead.
    pub retentions: Patterns<Retention>,
    /// What each of the server's own topics keeps ([`dunlin_proto::Topic::is_reserved`]), whatever the others keep; default
    /// the last 60 events, 256 KiB, two minutes.
    pub reserved: Retention,
    /// Bytes that all logs together may take; default 256 MiB. Counted are the frames, the keys and a constant for
    /// each event's bookkeeping. Beyond it the longest logs lose their oldest events, down to 7/8 of this; the newest ones that
    /// topics keep ([`Retention::newest`]) go last.
    pub memory: usize,
    /// Most topics at once; default 100,000. Each costs about 1 KiB, even when its log is empty.
    pub topics: usize,
    /// How long the in-process broker recognises a repeated publish.
    pub dedup: Dedup,
}

impl Config {
    /// What the log of this topic keeps.
    pub(crate) fn retention(&self, topic: &Topic) -> Retention {
        if topic.is_reserved() {
            return self.reserved;
        }
        self.retentions.get(topic).copied().unwrap_or(self.retention)
    }
}

/// What a topic's log keeps for subscribers who come later; whichever bound is reached first counts.
///
/// This is about history. Those who already read the topic have at least the newest 256 events or 256 KiB of the
/// last ten seconds to catch up in, and always the newest event however large, even if nothing is retained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Most events; default 1000, 0 for no history.
    pub count: usize,
    /// Most bytes, counted as for [`Config::memory`]; default 4 MiB.
    pub bytes: usize,
    /// Longest time; default 5 minutes. Precise to the millisecond at each publish, otherwise to the interval at
    /// which [`Hub::sweep`](crate::Hub::sweep) is called.
    pub age: Duration,
    /// How long the newest event is kept, whatever the other bounds say; default zero. The topic stays in being for it.
    pub newest: Duration,
    /// What becomes of an event for which there is no room within `count` and `bytes`; default [`Full::Drop`].
    pub full: Full,
}

/// What a full log does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Full {
    /// The oldest events go.
    #[default]
    Drop,
    /// The new event is refused until others have aged out.
    Refuse,
}

/// The idempotency ids that the in-process broker remembers; whichever bound is reached first counts.
///
/// An id costs about 100 bytes and its own length. They do not count towards [`Config::memory`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dedup {
    /// Most ids in one topic; default 4096, 0 for none.
    pub count: usize,
    /// Longest time; default 2 minutes. A publish that is repeated later than this may be applied twice.
    pub age: Duration,
    /// Most ids in all topics; default 1,000,000. Once it is reached, a topic remembers a new id only by
    /// forgetting its own oldest (so the bound may be exceeded by one id per topic).
    pub total: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            retention: Retention::default(),
            retentions: Patterns::default(),
            reserved: Retention {
                count: 60,
                bytes: 256 * 1024,
                age: Duration::from_secs(2 * 60),
                ..Retention::default()
            },
            memory: 256 * 1024 * 1024,
            topics: 100_000,
            dedup: Dedup::default(),
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            count: 1000,
            bytes: 4 * 1024 * 1024,
            age: Duration::from_secs(5 * 60),
            newest: Duration::ZERO,
            full: Full::Drop,
        }
    }
}

impl Default for Dedup {
    fn default() -> Self {
        Self { count: 4096, age: Duration::from_secs(2 * 60), total: 1_000_000 }
    }
}

/// Whether something of the time `at` is still younger than `age`; times in milliseconds.
pub(crate) fn is_younger(at: u64, now: u64, age: Duration) -> bool {
    u128::from(now.saturating_sub(at)) < age.as_millis()
}

//! What can go wrong for a channel, and how its client is told: each error can be returned from a callback with `?`.

use super::timers::TooManyTimers;
use dunlin_hub::{broker::Unavailable, presence};
use dunlin_proto::{Code, frame::Refusal, limits};

/// Why nothing was published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BroadcastError {
    /// An event name that is empty or too long.
    #[error("an event name has 1 to {max} bytes, this one has {0}", max = limits::MAX_EVENT_LEN)]
    EventName(usize),
    /// A key that is too long.
    #[error("a key has at most {max} bytes, this one has {0}", max = limits::MAX_KEY_LEN)]
    Key(usize),
    /// A payload that is longer than the clients' limit.
    #[error("a payload has at most {limit} bytes, this one has {len}")]
    TooLarge {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The topic is new, and there are as many as there may be.
    #[error("there are too many topics")]
    TopicLimit,
    /// There is no room in the topic's log, which keeps what it has.
    #[error("the topic's log is full")]
    Full,
    /// The broker did not take the event, or did not say so.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a member was sent nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// An event name that is empty or too long.
    #[error("an event name has 1 to {max} bytes, this one has {0}", max = limits::MAX_EVENT_LEN)]
    EventName(usize),
    /// A payload that is longer than the clients' limit.
    #[error("a payload has at most {limit} bytes, this one has {len}")]
    TooLarge {
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The member reads too slowly, or has been away for too long: 64 frames or 256 KiB wait for it.
    #[error("too much waits for this member")]
    Full,
    /// The session is over.
    #[error("the session is over")]
    Ended,
}

/// Why a channel hears nothing of another topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubscribeError {
    /// One channel has at most so many subscriptions.
    #[error("a channel has at most {0} subscriptions")]
    TooMany(usize),
    /// The topic is new, and there are as many as there may be.
    #[error("there are too many topics")]
    TopicLimit,
    /// The broker did not attach the topic.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why an entry is not shown, or not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrackError {
    /// It is beyond a bound.
    #[error(transparent)]
    Bound(#[from] presence::TrackError),
    /// One channel shows at most so many entries.
    #[error("a channel has at most {0} entries")]
    TooMany(usize),
    /// This channel shows no entry under that key.
    #[error("nothing is tracked under this key")]
    NotTracked,
}

impl From<dunlin_hub::PublishError> for BroadcastError {
    fn from(error: dunlin_hub::PublishError) -> Self {
        match error {
            dunlin_hub::PublishError::TopicLimit => Self::TopicLimit,
            dunlin_hub::PublishError::Full => Self::Full,
            dunlin_hub::PublishError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl From<dunlin_hub::SubscribeError> for SubscribeError {
    fn from(error: dunlin_hub::SubscribeError) -> Self {
        match error {
            dunlin_hub::SubscribeError::TopicLimit => Self::TopicLimit,
            dunlin_hub::SubscribeError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

impl From<BroadcastError> for Refusal {
    fn from(error: BroadcastError) -> Self {
        let code = match error {
            BroadcastError::EventName(_) | BroadcastError::Key(_) => Code::ILLEGAL_VALUE,
            BroadcastError::TooLarge { .. } => Code::PAYLOAD_TOO_LARGE,
            BroadcastError::TopicLimit => Code::TOPIC_LIMIT,
            BroadcastError::Full => Code::LOG_FULL,
            BroadcastError::Unavailable(_) => Code::UNAVAILABLE,
        };
        Self::because(code, &error.to_string())
    }
}

impl From<PushError> for Refusal {
    fn from(error: PushError) -> Self {
        let code = match error {
            PushError::EventName(_) => Code::ILLEGAL_VALUE,
            PushError::TooLarge { .. } => Code::PAYLOAD_TOO_LARGE,
            PushError::Full => Code::CHANNEL_OVERRUN,
            PushError::Ended => Code::SESSION_ENDED,
        };
        Self::because(code, &error.to_string())
    }
}

impl From<SubscribeError> for Refusal {
    fn from(error: SubscribeError) -> Self {
        let code = match error {
            SubscribeError::TooMany(_) => Code::INTERNAL,
            SubscribeError::TopicLimit => Code::TOPIC_LIMIT,
            SubscribeError::Unavailable(_) => Code::UNAVAILABLE,
        };
        Self::because(code, &error.to_string())
    }
}

impl From<TooManyTimers> for Refusal {
    fn from(error: TooManyTimers) -> Self {
        Self::because(Code::INTERNAL, &error.to_string())
    }
}

//! Frames: what client and server say to each other on the control stream and on channel streams.
//!
//! A frame is a MessagePack array whose first element is the kind. Fields stand at fixed places. A reader ignores
//! elements beyond those it knows, and takes an optional field that is missing at the end as nil: so fields can be
//! added without a new version. Kinds are unique over all streams, so a frame on the wrong stream is recognised.

pub mod channel;
pub mod control;
pub mod presence;
mod read;
mod write;

use crate::{code::Code, topic};

/// Why bytes are not a frame that is allowed here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not a MessagePack array of the right types.
    #[error("malformed frame: {0}")]
    Malformed(&'static str),
    /// A kind that is unknown, or belongs on another stream or to the other side.
    #[error("a frame of kind {0} is not allowed here")]
    Unexpected(u64),
    /// An illegal topic name.
    #[error(transparent)]
    Topic(#[from] topic::Illegal),
    /// A field outside its range.
    #[error("field `{0}` is outside its range")]
    Value(&'static str),
}

impl DecodeError {
    /// The code to refuse the frame with.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Malformed(_) => Code::MALFORMED,
            Self::Unexpected(_) => Code::UNEXPECTED_FRAME,
            Self::Topic(_) => Code::ILLEGAL_TOPIC,
            Self::Value(_) => Code::ILLEGAL_VALUE,
        }
    }
}

/// The number that stands first in each frame.
pub mod kind {
    #![allow(missing_docs, reason = "each is documented at the frame of its name")]
    pub const HELLO: u64 = 1;
    pub const WELCOME: u64 = 2;
    pub const REFUSED: u64 = 3;
    pub const REFRESH: u64 = 4;
    pub const REFRESHED: u64 = 5;
    pub const PAUSE: u64 = 6;
    pub const RESUME: u64 = 7;
    pub const PING: u64 = 8;
    pub const PONG: u64 = 9;
    pub const GO_AWAY: u64 = 10;
    pub const GOODBYE: u64 = 11;
    pub const JOIN: u64 = 16;
    pub const JOINED: u64 = 17;
    pub const PUSH: u64 = 18;
    pub const REPLY: u64 = 19;
    pub const EVENT: u64 = 20;
    pub const GAP: u64 = 21;
    pub const RESTARTED: u64 = 22;
    pub const DIRECT: u64 = 23;
    pub const CLOSED: u64 = 24;
    pub const PRESENCE_STATE: u64 = 25;
    pub const PRESENCE_DIFF: u64 = 26;
    pub const ADJUST: u64 = 27;
}

/// A "no", on the control stream (to `Hello`) or on a channel stream (to `Join`, or later as its end).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why.
    pub code: Code,
    /// For people; never needed to decide anything. At most [`crate::limits::MAX_TEXT_LEN`] bytes.
    pub message: String,
    /// When to try again, in milliseconds, if the table's advice is not right here.
    pub retry_after_ms: Option<u64>,
}

impl Refusal {
    /// A refusal whose text is the table's meaning of the code.
    #[must_use]
    pub fn new(code: Code) -> Self {
        Self::because(code, code.row().map_or("", |row| row.meaning))
    }

    /// A refusal with a text of its own, cut to the limit.
    #[must_use]
    pub fn because(code: Code, message: &str) -> Self {
        Self { code, message: clip(message).into(), retry_after_ms: None }
    }

    /// The advice that holds for this refusal.
    #[must_use]
    pub fn retry(&self) -> crate::code::Retry {
        match self.retry_after_ms {
            Some(millis) => crate::code::Retry::After(std::time::Duration::from_millis(millis)),
            None => self.code.retry(),
        }
    }
}

fn clip(text: &str) -> &str {
    &text[..text.floor_char_boundary(crate::limits::MAX_TEXT_LEN)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let refusal = Refusal::because(Code::INTERNAL, &"é".repeat(400));
        assert_eq!(refusal.message.len(), 512);
        assert_eq!(Refusal::because(Code::INTERNAL, &format!("a{}", "é".repeat(400))).message.len(), 511);
    }
}

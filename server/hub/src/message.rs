//! What is published.

use bytes::Bytes;
use dunlin_proto::Position;
use std::{fmt, sync::Arc};

/// A message on its way into a topic. The hub does not look into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Makes a repeated publish harmless; `None` if it is not going to be repeated.
    pub id: Option<MessageId>,
    /// The event's name.
    pub event: Box<str>,
    /// Opaque bytes.
    pub payload: Bytes,
    /// What [`Order::Latest`](crate::Order::Latest) conflates by; `None` stands for the topic as a whole.
    pub key: Option<Box<str>>,
    /// Whose it is, if that reader is not to get it ([`Cursor::passing_by`](crate::Cursor::passing_by)).
    pub origin: Option<Origin>,
}

/// A random number that names one reader, so that what comes from it can pass it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Origin(pub u64);

/// What became of a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Where the event stands; for a duplicate, where the first one stands.
    pub position: Position,
    /// Whether the id was published before, so that nothing happened now.
    pub duplicate: bool,
}

/// Longest [`MessageId`] in bytes.
pub const MAX_ID_LEN: usize = 64;

/// Names one publish among all of a topic: 1 to [`MAX_ID_LEN`] opaque bytes. Cloning one is cheap.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct MessageId(Arc<[u8]>);

/// Why bytes are not a [`MessageId`]: there are none, or more than [`MAX_ID_LEN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency id has 1 to {MAX_ID_LEN} bytes, this one has {0}")]
pub struct IllegalId(pub usize);

impl MessageId {
    /// Takes the bytes as they are.
    ///
    /// # Errors
    /// There are none, or too many.
    pub fn new(bytes: &[u8]) -> Result<Self, IllegalId> {
        if (1..=MAX_ID_LEN).contains(&bytes.len()) {
            Ok(Self(bytes.into()))
        } else {
            Err(IllegalId(bytes.len()))
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({})", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_1_to_64_bytes() {
        assert_eq!(MessageId::new(&[]), Err(IllegalId(0)));
        assert_eq!(MessageId::new(&[7; 65]), Err(IllegalId(65)));
        assert_eq!(MessageId::new(&[7; 64]).unwrap().as_bytes(), [7; 64]);
    }
}

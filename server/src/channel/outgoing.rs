//! An event on its way to the members of a topic.

use super::{BroadcastError, Push};
use bytes::Bytes;
use dunlin_hub::{Message, MessageId, Origin};
use dunlin_proto::{frame::control::ClientId, limits};

/// An event to be broadcast: one of the channel's own, or a member's push, which is published once however often it is
/// repeated.
///
/// ```
/// use dunlin_server::channel::Outgoing;
/// let moved = Outgoing::new("moved", vec![1, 2]).key("ada");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    event: Box<str>,
    payload: Bytes,
    key: Option<Box<str>>,
    /// The push's reference.
    reference: Option<u64>,
}

impl Outgoing {
    /// An event of the channel's own; the payload is MessagePack by convention.
    #[must_use]
    pub fn new(event: &str, payload: impl Into<Bytes>) -> Self {
        Self { event: event.into(), payload: payload.into(), key: None, reference: None }
    }

    /// With a key that readers of the latest events conflate by.
    #[must_use]
    pub fn key(self, key: &str) -> Self {
        Self { key: Some(key.into()), ..self }
    }

    /// The message for the hub, if everything about it is legal.
    pub(crate) fn message(
        self,
        client: ClientId,
        origin: Option<Origin>,
        limit: usize,
    ) -> Result<Message, BroadcastError> {
        let Self { event, payload, key, reference } = self;
        if event.is_empty() || event.len() > limits::MAX_EVENT_LEN {
            return Err(BroadcastError::EventName(event.len()));
        }
        if let Some(key) = key.as_ref().filter(|key| key.len() > limits::MAX_KEY_LEN) {
            return Err(BroadcastError::Key(key.len()));
        }
        if payload.len() > limit {
            return Err(BroadcastError::TooLarge { len: payload.len(), limit });
        }
        let id = reference.map(|reference| {
            let mut id = [0; 24];
            id[..16].copy_from_slice(&client);
            id[16..].copy_from_slice(&reference.to_be_bytes());
            MessageId::new(&id).expect("24 bytes are a legal id")
        });
        Ok(Message { id, event, payload, key, origin })
    }
}

impl From<Push> for Outgoing {
    fn from(push: Push) -> Self {
        let Push { reference, event, payload, key } = push;
        Self { event, payload, key, reference: Some(reference) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_could_not_read_is_not_published() {
        let of = |outgoing: Outgoing| outgoing.message([7; 16], None, 4).map(|message| message.id);
        assert_eq!(of(Outgoing::new("e", "1234")), Ok(None));
        assert_eq!(of(Outgoing::new("", "")), Err(BroadcastError::EventName(0)));
        assert_eq!(of(Outgoing::new(&"e".repeat(129), "")), Err(BroadcastError::EventName(129)));
        assert_eq!(of(Outgoing::new("e", "").key(&"k".repeat(129))), Err(BroadcastError::Key(129)));
        assert_eq!(of(Outgoing::new("e", "12345")), Err(BroadcastError::TooLarge { len: 5, limit: 4 }));
    }

    #[test]
    fn a_repeated_push_is_recognised() {
        let push = |reference| Push { reference, event: "e".into(), payload: Bytes::new(), key: None };
        let id = |reference| Outgoing::from(push(reference)).message([7; 16], None, 4).unwrap().id;
        assert!(id(1).is_some() && id(1) == id(1) && id(1) != id(2));
    }
}

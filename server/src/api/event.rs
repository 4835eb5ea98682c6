//! Events as callers write and read them: their data as a value, or as bytes where it is none.

use super::{Problem, body::Format, publish::Position};
use crate::payload::{Payload, pack, read};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use dunlin_proto::{Code, codec::PREFIX, frame::Refusal, frame::channel::FromServer, limits};
use rmpv::encode::write_value;
use serde::{Deserialize, Deserializer, Serialize, de};
use utoipa::ToSchema;

/// An event to be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEvent {
    /// Its name, 1 to 128 bytes.
    #[schema(min_length = 1, max_length = 128, example = "said")]
    event: String,
    /// Any value, which subscribers get as MessagePack; null if neither this nor `binary` is given.
    #[schema(value_type = Option<serde_json::Value>)]
    data: Option<Data>,
    /// In place of `data`: the payload's bytes as they are, in base64 (RFC 4648, section 4), or as a binary in MessagePack.
    #[schema(value_type = Option<String>, format = Byte)]
    binary: Option<Binary>,
    /// What `latest` subscribers conflate by, at most 128 bytes.
    #[schema(max_length = 128)]
    key: Option<String>,
}

/// What is left of it when it was checked.
pub(super) struct Checked {
    pub(super) event: Box<str>,
    pub(super) payload: Bytes,
    pub(super) key: Option<Box<str>>,
}

impl NewEvent {
    /// Checks the names, and that there is one payload of at most so many bytes.
    pub(super) fn check(self, most: usize) -> Result<Checked, Problem> {
        let payload = match (self.data, self.binary) {
            (Some(_), Some(_)) => return Err(Problem::illegal("an event has `data` or `binary`, not both")),
            (_, Some(Binary(bytes))) => bytes,
            (Some(Data(bytes)), None) => bytes,
            (None, None) => pack(&serde_json::Value::Null),
        };
        if self.event.is_empty() || self.event.len() > limits::MAX_EVENT_LEN {
            return Err(Problem::illegal("an event's name has 1 to 128 bytes"));
        }
        if self.key.as_ref().is_some_and(|key| key.len() > limits::MAX_KEY_LEN) {
            return Err(Problem::illegal("a key has at most 128 bytes"));
        }
        if payload.len() > most {
            let text = format!("a payload has at most {most} bytes here, this one has {}", payload.len());
            return Err(Refusal::because(Code::PAYLOAD_TOO_LARGE, &text).into());
        }
        Ok(Checked { event: self.event.into(), payload, key: self.key.map(Into::into) })
    }
}

/// A value, as MessagePack.
#[derive(Debug)]
struct Data(Bytes);

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            return serde_json::Value::deserialize(deserializer).map(|value| Self(pack(&value)));
        }
        let value = rmpv::Value::deserialize(deserializer)?;
        let mut bytes = Vec::new();
        write_value(&mut bytes, &value).map_err(de::Error::custom)?;
        Ok(Self(bytes.into()))
    }
}

/// Bytes: base64 where the format has none.
#[derive(Debug)]
struct Binary(Bytes);

impl<'de> Deserialize<'de> for Binary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let text = String::deserialize(deserializer)?;
            let bytes = STANDARD.decode(text).map_err(|_| de::Error::custom("`binary` is not base64"))?;
            return Ok(Self(bytes.into()));
        }
        match rmpv::Value::deserialize(deserializer)? {
            rmpv::Value::Binary(bytes) => Ok(Self(bytes.into())),
            _ => Err(de::Error::custom("`binary` is not a binary")),
        }
    }
}

/// A payload in an answer, as the answer's format writes it.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Shown {
    Json(serde_json::Value),
    MessagePack(rmpv::Value),
}

impl Shown {
    /// The fields `data` and `binary`, one of which there is: the payload's value if the format can say it exactly, or its bytes.
    pub(super) fn fields(payload: &Bytes, format: Format) -> (Option<Self>, Option<Self>) {
        match format {
            Format::Json => match Payload::of(payload) {
                Payload::Data(value) => (Some(Self::Json(value)), None),
                Payload::Binary(bytes) => (None, Some(Self::Json(STANDARD.encode(bytes).into()))),
            },
            Format::MessagePack => match read(payload) {
                Some(value) => (Some(Self::MessagePack(value)), None),
                None => (None, Some(Self::MessagePack(rmpv::Value::Binary(payload.to_vec())))),
            },
        }
    }
}

/// An event of a topic's history.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(super) struct Event {
    /// Its place in the topic's log.
    offset: u64,
    /// When the server took it, in milliseconds since 1970.
    at: u64,
    /// Its name.
    event: String,
    /// What `latest` subscribers conflate by.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Its payload as a value, if it is one MessagePack value that the answer's format can say exactly.
    #[schema(value_type = Option<serde_json::Value>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Shown>,
    /// Its payload otherwise.
    #[schema(value_type = Option<String>, format = Byte)]
    #[serde(skip_serializing_if = "Option::is_none")]
    binary: Option<Shown>,
}

impl Event {
    /// Reads it from the frame that the log holds.
    pub(super) fn of(frame: &Bytes, format: Format) -> Option<Self> {
        let Ok(FromServer::Event(event)) = FromServer::decode(&frame.slice(PREFIX.min(frame.len())..)) else {
            return None;
        };
        let (data, binary) = Shown::fields(&event.payload, format);
        let key = event.key.map(Into::into);
        Some(Self { offset: event.offset, at: event.at, event: event.event.into(), key, data, binary })
    }
}

impl From<dunlin_proto::Position> for Position {
    fn from(position: dunlin_proto::Position) -> Self {
        Self { epoch: position.epoch, offset: position.offset }
    }
}

//! What a channel gives to the application.

use std::time::Duration;

use bytes::Bytes;
use dunlin_proto::{
    Position, Topic,
    frame::channel::{Delivery, Start},
};
use serde::de::DeserializeOwned;

use crate::presence::PresenceDiff;

/// The next thing that happened in a channel, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// An event of the topic. None is handed out twice, and none out of order; only with [`Delivery::Datagram`], what came in
    /// datagrams and what came on the stream are two orders.
    Event(Event),
    /// These events are missing, inclusive on both ends: this client read slower than history is long.
    Gap {
        /// The first missing event.
        from: Position,
        /// The last missing event.
        to: Position,
    },
    /// The channel was joined: at first, and again after each loss of the connection.
    Joined(Joined),
    /// The topic's log started over: what follows comes after this position, of a new epoch.
    Restarted(Position),
    /// An event for this member alone, from no log and so without a position.
    Direct {
        /// The event's name.
        event: Box<str>,
        /// Opaque bytes; by convention MessagePack.
        payload: Bytes,
    },
    /// Who is present in the topic has changed: at first, everybody is new. For those who asked ([`JoinOptions::presence`]).
    ///
    /// [`JoinOptions::presence`]: crate::JoinOptions::presence
    Presence(PresenceDiff),
}

impl Message {
    /// Where in the topic's log the reader is after this message, if it moves the reader.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        match self {
            Self::Event(event) => Some(event.position),
            Self::Gap { to, .. } => Some(*to),
            Self::Joined(joined) => Some(joined.position),
            Self::Restarted(position) => Some(*position),
            Self::Direct { .. } | Self::Presence(_) => None,
        }
    }
}

/// One event of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The topic it was published to.
    pub topic: Topic,
    /// Its place in the topic's log. A join `since` this position goes on with the event after it.
    pub position: Position,
    /// When the server took it, in milliseconds since the Unix epoch.
    pub at: u64,
    /// The event's name.
    pub event: Box<str>,
    /// Opaque bytes; by convention MessagePack.
    pub payload: Bytes,
    /// What [`Delivery::Latest`](crate::Delivery::Latest) conflates by.
    pub key: Option<Box<str>>,
}

impl Event {
    /// Reads the payload as MessagePack.
    ///
    /// # Errors
    /// If it is not MessagePack, or not of this shape.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, rmp_serde::decode::Error> {
        rmp_serde::from_slice(&self.payload)
    }
}

/// How a join went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// False for the first join of this [`Channel`](crate::Channel), true when it came back.
    pub again: bool,
    /// Whether everything since `previous` follows.
    pub start: Start,
    /// Events after this position follow.
    pub position: Position,
    /// The position that was asked for: the last one received, or [`JoinOptions::since`](crate::JoinOptions).
    pub previous: Option<Position>,
    /// How events are delivered from now on: not always as asked, for some servers and transports have no datagrams. `None` if an
    /// older server does not say.
    pub delivery: Option<Delivery>,
    /// How many events that were published meanwhile follow; an upper bound where offsets have holes.
    pub recovered: u64,
    /// How long the channel was without a server; zero for the first join, and where the client went on with a
    /// better connection without losing the one before.
    pub away: Duration,
    /// The channel's answer to the join.
    pub reply: Bytes,
}

/// The server's answer to a push that was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Opaque bytes; by convention MessagePack. Empty if the push was applied so long ago, before the connection
    /// was lost, that the server no longer holds its answer.
    pub payload: Bytes,
}

impl Reply {
    /// Reads the payload as MessagePack.
    ///
    /// # Errors
    /// If it is not MessagePack, or not of this shape.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, rmp_serde::decode::Error> {
        rmp_serde::from_slice(&self.payload)
    }
}

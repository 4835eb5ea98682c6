//! Channel streams: one bidirectional stream for each membership, opened by the client with a `Join`.

use super::{DecodeError, Refusal, kind, presence, read::Reader, write::frame};
use crate::{Position, Topic, code::Code, limits};
use bytes::Bytes;

/// Which events a member wants of its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Delivery {
    /// Every event, in order.
    #[default]
    Reliable,
    /// The newest event of each key; what it supersedes may be skipped.
    Latest,
    /// None: the member only pushes.
    None,
    /// Each event as soon as it is published, in a [datagram](crate::datagram), or not at all.
    Datagram,
}

impl Delivery {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Reliable, Self::Latest, Self::None, Self::Datagram];

    /// The name in configuration, tokens and on command lines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reliable => "reliable",
            Self::Latest => "latest",
            Self::None => "none",
            Self::Datagram => "datagram",
        }
    }

    /// The one of this [`name`](Self::name).
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    fn from_wire(number: u64) -> Result<Self, DecodeError> {
        Self::ALL.into_iter().find(|mode| *mode as u64 == number).ok_or(DecodeError::Value("delivery"))
    }
}

/// Where delivery begins, as the server could grant it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Start {
    /// No position was asked for: events after the join.
    Live,
    /// Every event after the position asked for will be delivered.
    Recovered,
    /// History does not cover the position asked for, or it is of another epoch: events after the join only.
    Lost,
}

impl Start {
    fn from_wire(number: u64) -> Result<Self, DecodeError> {
        [Self::Live, Self::Recovered, Self::Lost]
            .into_iter()
            .find(|start| *start as u64 == number)
            .ok_or(DecodeError::Value("start"))
    }
}

/// Asks for a membership: the first frame on a channel stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    /// The topic to join.
    pub topic: Topic,
    /// The last position seen, to go on from there; [`Position::OLDEST`] for all that history holds.
    pub since: Option<Position>,
    /// Which events to deliver; `None` for what the topic does by default.
    pub delivery: Option<Delivery>,
    /// Streams of higher priority are sent first; 0 to 255, usually 128.
    pub priority: u8,
    /// For the channel's code; opaque here.
    pub params: Option<Bytes>,
    /// What to tell of who is in the topic.
    pub presence: presence::Ask,
    /// For [`Delivery::Latest`]: the least time between two deliveries in milliseconds, at most
    /// [`limits::MAX_INTERVAL_MS`]; 0 for none.
    pub interval_ms: Option<u32>,
    /// An event that could not be delivered so many milliseconds after it was published is skipped, and named in a gap; at most
    /// [`limits::MAX_DEADLINE_MS`], 0 for never.
    pub deadline_ms: Option<u32>,
    /// Unless the member recovers from a position, it begins with the last so many events there are; at most
    /// [`limits::MAX_REWIND`].
    pub rewind: Option<u32>,
    /// Names the membership in datagrams: chosen by the client, another for each stream of the connection.
    pub flow: Option<u32>,
}

/// Changes what a member has asked for in its join. What is `None` stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Adjust {
    /// As in [`Join::priority`].
    pub priority: Option<u8>,
    /// As in [`Join::interval_ms`]; 0 for none.
    pub interval_ms: Option<u32>,
    /// As in [`Join::deadline_ms`]; 0 for never.
    pub deadline_ms: Option<u32>,
}

/// Sends an event up the channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// Rises from push to push of this client in this topic, from 1 on. A repeated one is applied once.
    pub reference: u64,
    /// The event's name, 1 to [`limits::MAX_EVENT_LEN`] bytes.
    pub event: Box<str>,
    /// Opaque bytes; by convention MessagePack.
    pub payload: Bytes,
    /// What a `Latest` reader conflates by.
    pub key: Option<Box<str>>,
}

/// What clients send on a channel stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromClient {
    /// Opens the channel.
    Join(Join),
    /// An event for the channel.
    Push(Push),
    /// Other wishes than those of the join.
    Adjust(Adjust),
}

/// Accepts a `Join`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// Delivery begins after this position.
    pub position: Position,
    /// How that relates to the position asked for.
    pub start: Start,
    /// The highest push reference applied so far; 0 for none.
    pub applied: u64,
    /// The channel's answer to the join.
    pub reply: Bytes,
    /// The newest event in the log when the join was answered, in the epoch of `position`; `None` if the server does not tell.
    pub head: Option<u64>,
    /// How events are delivered from now on, which may be other than what was asked for; `None` if the server does not tell.
    pub delivery: Option<Delivery>,
}

/// One event of the topic's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its place in the log of the current epoch.
    pub offset: u64,
    /// When the server took it, in milliseconds since the Unix epoch.
    pub at: u64,
    /// The event's name.
    pub event: Box<str>,
    /// Opaque bytes.
    pub payload: Bytes,
    /// What a `Latest` reader conflates by.
    pub key: Option<Box<str>>,
}

/// What servers send on a channel stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromServer {
    /// Accepts the join.
    Joined(Joined),
    /// Refuses the join; the stream ends.
    Refused(Refusal),
    /// An event of the topic.
    Event(Event),
    /// These events are missing, inclusive on both ends: the reader was slower than history is long.
    Gap {
        /// First missing offset.
        from: u64,
        /// Last missing offset.
        to: u64,
    },
    /// The log started over: what follows belongs to this epoch, after this offset.
    Restarted(Position),
    /// The answer to a push.
    Reply {
        /// The push's reference.
        reference: u64,
        /// [`Code::OK`], or why it was not applied.
        code: Code,
        /// The channel's answer; for an error, a text.
        payload: Bytes,
    },
    /// An event for this member alone: in no log, without an offset.
    Direct {
        /// The event's name.
        event: Box<str>,
        /// Opaque bytes.
        payload: Bytes,
    },
    /// The server ends the membership; the stream ends.
    Closed(Refusal),
    /// Who is in the topic, or a part of it.
    PresenceState(presence::State),
    /// Who has come, changed or gone.
    PresenceDiff(presence::Diff),
}

impl FromClient {
    /// Reads one frame, without its length prefix. Payloads are slices of `bytes`.
    ///
    /// # Errors
    /// Anything but a legal frame of this side of this stream.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let (kind, mut r) = Reader::open(bytes)?;
        let value = match kind {
            kind::JOIN => Self::Join(Join {
                topic: Topic::new(r.text("topic", usize::MAX)?)?,
                since: r.optional(|r| r.position("since"))?,
                delivery: delivery(&mut r)?,
                priority: priority(&mut r)?.unwrap_or(Join::PRIORITY),
                params: r.optional(|r| r.binary("params"))?,
                presence: match r.optional(|r| r.uint("presence"))? {
                    Some(number) => presence::Ask::from_wire(number)?,
                    None => presence::Ask::None,
                },
                interval_ms: bounded(&mut r, "interval_ms", limits::MAX_INTERVAL_MS)?,
                deadline_ms: bounded(&mut r, "deadline_ms", limits::MAX_DEADLINE_MS)?,
                rewind: bounded(&mut r, "rewind", limits::MAX_REWIND)?,
                flow: bounded(&mut r, "flow", u32::MAX)?,
            }),
            kind::ADJUST => Self::Adjust(Adjust {
                priority: priority(&mut r)?,
                interval_ms: bounded(&mut r, "interval_ms", limits::MAX_INTERVAL_MS)?,
                deadline_ms: bounded(&mut r, "deadline_ms", limits::MAX_DEADLINE_MS)?,
            }),
            kind::PUSH => Self::Push(Push {
                reference: match r.uint("reference")? {
                    0 => return Err(DecodeError::Value("reference")),
                    reference => reference,
                },
                event: r.event()?,
                payload: r.binary("payload")?,
                key: r.key()?,
            }),
            other => return Err(DecodeError::Unexpected(other)),
        };
        r.close(value)
    }

    /// Writes the frame with its length prefix.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Join(join) => {
                let tail = join.tail();
                let len = 5 + tail.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
                frame(kind::JOIN, len as u32, join.params.as_ref().map_or(0, Bytes::len), |w| {
                    w.text(join.topic.as_str());
                    match join.since {
                        Some(position) => w.position(position),
                        None => w.nil(),
                    };
                    w.optional_uint(join.delivery.map(|mode| mode as u64))
                        .uint(join.priority.into())
                        .optional_binary(join.params.as_deref());
                    for field in &tail[..len - 5] {
                        w.optional_uint(*field);
                    }
                })
            }
            Self::Push(push) => frame(kind::PUSH, 4, push.payload.len(), |w| {
                w.uint(push.reference)
                    .text(&push.event)
                    .binary(&push.payload)
                    .optional_text(push.key.as_deref());
            }),
            Self::Adjust(adjust) => frame(kind::ADJUST, 3, 0, |w| {
                w.optional_uint(adjust.priority.map(Into::into))
                    .optional_uint(adjust.interval_ms.map(Into::into))
                    .optional_uint(adjust.deadline_ms.map(Into::into));
            }),
        }
    }
}

fn delivery(r: &mut Reader<'_>) -> Result<Option<Delivery>, DecodeError> {
    r.optional(|r| r.uint("delivery"))?.map(Delivery::from_wire).transpose()
}

fn priority(r: &mut Reader<'_>) -> Result<Option<u8>, DecodeError> {
    let number = r.optional(|r| r.uint("priority"))?;
    number.map(|number| u8::try_from(number).map_err(|_| DecodeError::Value("priority"))).transpose()
}

/// A number that may be missing and is at most `most`.
fn bounded(r: &mut Reader<'_>, name: &'static str, most: u32) -> Result<Option<u32>, DecodeError> {
    match r.optional(|r| r.uint32(name))? {
        Some(number) if number > most => Err(DecodeError::Value(name)),
        number => Ok(number),
    }
}

impl Join {
    /// The priority of a join that names none.
    pub const PRIORITY: u8 = 128;

    /// A join with every choice left at its default.
    #[must_use]
    pub fn new(topic: Topic) -> Self {
        Self {
            topic,
            since: None,
            delivery: None,
            priority: Self::PRIORITY,
            params: None,
            presence: presence::Ask::None,
            interval_ms: None,
            deadline_ms: None,
            rewind: None,
            flow: None,
        }
    }

    /// The fields that are missing if they and all after them say nothing.
    fn tail(&self) -> [Option<u64>; 5] {
        let presence = (self.presence != presence::Ask::None).then_some(self.presence as u64);
        let [interval, deadline, rewind, flow] =
            [self.interval_ms, self.deadline_ms, self.rewind, self.flow].map(|field| field.map(Into::into));
        [presence, interval, deadline, rewind, flow]
    }
}

/// Writes the frame of one event from borrowed parts, as a publish does once for all subscribers.
#[must_use]
pub fn encode_event(offset: u64, at: u64, event: &str, payload: &[u8], key: Option<&str>) -> Bytes {
    frame(kind::EVENT, 5, payload.len() + event.len() + key.map_or(0, str::len), |w| {
        w.uint(offset).uint(at).text(event).binary(payload).optional_text(key);
    })
}

impl FromServer {
    /// Reads one frame, without its length prefix. Payloads are slices of `bytes`.
    ///
    /// # Errors
    /// Anything but a legal frame of this side of this stream.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let (kind, mut r) = Reader::open(bytes)?;
        let value = match kind {
            kind::JOINED => Self::Joined(Joined {
                position: r.position("position")?,
                start: Start::from_wire(r.uint("start")?)?,
                applied: r.uint("applied")?,
                reply: r.optional(|r| r.binary("reply"))?.unwrap_or_default(),
                head: r.optional(|r| r.uint("head"))?,
                delivery: delivery(&mut r)?,
            }),
            kind::REFUSED => Self::Refused(r.refusal()?),
            kind::EVENT => Self::Event(Event {
                offset: r.uint("offset")?,
                at: r.uint("at")?,
                event: r.text("event", limits::MAX_EVENT_LEN)?.into(),
                payload: r.binary("payload")?,
                key: r.key()?,
            }),
            kind::GAP => Self::Gap { from: r.uint("from")?, to: r.uint("to")? },
            kind::RESTARTED => Self::Restarted(r.position("position")?),
            kind::REPLY => Self::Reply {
                reference: r.uint("reference")?,
                code: r.code()?,
                payload: r.optional(|r| r.binary("payload"))?.unwrap_or_default(),
            },
            kind::DIRECT => Self::Direct { event: r.event()?, payload: r.binary("payload")? },
            kind::CLOSED => Self::Closed(r.refusal()?),
            kind::PRESENCE_STATE => Self::PresenceState(presence::State::read(&mut r)?),
            kind::PRESENCE_DIFF => Self::PresenceDiff(presence::Diff::read(&mut r)?),
            other => return Err(DecodeError::Unexpected(other)),
        };
        r.close(value)
    }

    /// Writes the frame with its length prefix.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Joined(joined) => frame(kind::JOINED, 6, joined.reply.len(), |w| {
                w.position(joined.position)
                    .uint(joined.start as u64)
                    .uint(joined.applied)
                    .binary(&joined.reply)
                    .optional_uint(joined.head)
                    .optional_uint(joined.delivery.map(|mode| mode as u64));
            }),
            Self::Refused(refusal) => frame(kind::REFUSED, 3, refusal.message.len(), |w| {
                w.refusal(refusal);
            }),
            Self::Event(e) => encode_event(e.offset, e.at, &e.event, &e.payload, e.key.as_deref()),
            Self::Gap { from, to } => frame(kind::GAP, 2, 0, |w| {
                w.uint(*from).uint(*to);
            }),
            Self::Restarted(position) => frame(kind::RESTARTED, 1, 0, |w| {
                w.position(*position);
            }),
            Self::Reply { reference, code, payload } => frame(kind::REPLY, 3, payload.len(), |w| {
                w.uint(*reference).uint(code.0.into()).binary(payload);
            }),
            Self::Direct { event, payload } => frame(kind::DIRECT, 2, payload.len(), |w| {
                w.text(event).binary(payload);
            }),
            Self::Closed(refusal) => frame(kind::CLOSED, 3, refusal.message.len(), |w| {
                w.refusal(refusal);
            }),
            Self::PresenceState(state) => state.encode(),
            Self::PresenceDiff(diff) => diff.encode(),
        }
    }
}

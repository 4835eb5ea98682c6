//! A membership of a test's client.

use super::soon;
use bytes::Bytes;
use dunlin_proto::{
    Code, Decoder, Limits, Position,
    frame::{
        Refusal,
        channel::{Event, FromClient, FromServer, Join, Joined, Push},
        presence::{Diff, State},
    },
};
use dunlin_transport::{Connection, RecvStream, SendStream};
use std::{collections::VecDeque, time::Duration};

/// A topic that was joined. Dropping it leaves the topic without ceremony.
pub struct Member {
    stream: Stream,
    joined: Joined,
    /// The last push.
    reference: u64,
    /// What came while a reply was waited for.
    waiting: VecDeque<Got>,
}

/// What a member is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Got {
    /// An event of the topic.
    Event(Event),
    /// A message for this member alone.
    Direct {
        /// The event's name.
        event: Box<str>,
        /// The payload.
        payload: Bytes,
    },
    /// These events are gone, inclusive on both ends.
    Gap {
        /// First missing offset.
        from: u64,
        /// Last missing offset.
        to: u64,
    },
    /// The topic's log started over.
    Restarted(Position),
    /// Who is in the topic, or a part of it.
    PresenceState(State),
    /// Who has come, changed or gone.
    PresenceDiff(Diff),
    /// The server has ended the membership.
    Closed(Refusal),
    /// The stream has ended, as it does after leaving.
    End,
}

impl Member {
    pub(super) async fn join(connection: &Connection, join: Join) -> Result<Self, Refusal> {
        let mut stream = Stream::open(connection, FromClient::Join(join).encode()).await;
        match soon("an answer to a join", stream.next()).await {
            Some(FromServer::Joined(joined)) => {
                // Above all that the membership has seen, if it is one that goes on.
                let reference = joined.applied;
                Ok(Self { stream, joined, reference, waiting: VecDeque::new() })
            }
            Some(FromServer::Refused(refusal)) => Err(refusal),
            other => panic!("expected an answer to a join, got {other:?}"),
        }
    }

    /// The channel's reply to the join.
    #[must_use]
    pub fn reply(&self) -> &Bytes {
        &self.joined.reply
    }

    /// How the join was answered.
    #[must_use]
    pub fn joined(&self) -> &Joined {
        &self.joined
    }

    /// Pushes an event and waits for the channel's reply.
    ///
    /// # Errors
    /// The channel refuses it.
    ///
    /// # Panics
    /// If there is no reply in [`PATIENCE`](super::PATIENCE).
    pub async fn push(&mut self, event: &str, payload: impl Into<Bytes>) -> Result<Bytes, Refusal> {
        self.reference += 1;
        let push =
            Push { reference: self.reference, event: event.into(), payload: payload.into(), key: None };
        self.stream.send(FromClient::Push(push).encode()).await;
        loop {
            match soon("a reply", self.stream.next()).await {
                Some(FromServer::Reply { reference, code, payload }) if reference == self.reference => {
                    return match code {
                        Code::OK => Ok(payload),
                        code => Err(Refusal::because(code, &String::from_utf8_lossy(&payload))),
                    };
                }
                other => self.waiting.push_back(Got::from(other)),
            }
        }
    }

    /// What comes next, a reply apart.
    ///
    /// # Panics
    /// If nothing comes in [`PATIENCE`](super::PATIENCE).
    pub async fn next(&mut self) -> Got {
        soon("something to come", self.take()).await
    }

    /// The next event of the topic, and its payload.
    ///
    /// # Panics
    /// If something else comes, or nothing.
    pub async fn event(&mut self) -> (Box<str>, Bytes) {
        match self.next().await {
            Got::Event(Event { event, payload, .. }) => (event, payload),
            other => panic!("expected an event, got {other:?}"),
        }
    }

    /// Waits for so long, by tokio's clock, and sees that nothing comes.
    ///
    /// # Panics
    /// If something comes.
    pub async fn nothing_within(&mut self, time: Duration) {
        if let Ok(got) = tokio::time::timeout(time, self.take()).await {
            panic!("expected nothing, got {got:?}");
        }
    }

    /// Leaves the topic, and waits until the server has agreed.
    pub async fn leave(mut self) {
        self.stream.send.finish();
        while !matches!(self.next().await, Got::End) {}
    }

    async fn take(&mut self) -> Got {
        match self.waiting.pop_front() {
            Some(got) => got,
            None => Got::from(self.stream.next().await),
        }
    }
}

impl From<Option<FromServer>> for Got {
    fn from(frame: Option<FromServer>) -> Self {
        match frame {
            Some(FromServer::Event(event)) => Self::Event(event),
            Some(FromServer::Direct { event, payload }) => Self::Direct { event, payload },
            Some(FromServer::Gap { from, to }) => Self::Gap { from, to },
            Some(FromServer::Restarted(position)) => Self::Restarted(position),
            Some(FromServer::PresenceState(state)) => Self::PresenceState(state),
            Some(FromServer::PresenceDiff(diff)) => Self::PresenceDiff(diff),
            Some(FromServer::Closed(refusal)) => Self::Closed(refusal),
            Some(other) => panic!("{other:?} in a channel that was joined"),
            None => Self::End,
        }
    }
}

/// One stream, frame by frame.
pub(super) struct Stream {
    send: SendStream,
    recv: RecvStream,
    decoder: Decoder,
}

impl Stream {
    pub(super) async fn open(connection: &Connection, first: Bytes) -> Self {
        let (send, recv) = soon("a stream", connection.open_bi()).await.expect("the connection is open");
        let decoder = Decoder::new(2 * Limits::default().frame());
        let mut stream = Self { send, recv, decoder };
        stream.send(first).await;
        stream
    }

    pub(super) async fn send(&mut self, frame: Bytes) {
        // What the server does about it is seen on the way down.
        let _ = soon("a write", self.send.write(frame)).await;
    }

    /// The next frame's body; `None` when the stream has ended, however it ended. Cancel-safe.
    pub(super) async fn frame(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.decoder.next_frame().expect("the server writes legal lengths") {
                return Some(frame);
            }
            let chunk = self.recv.read(64 * 1024).await;
            self.decoder.push(chunk.ok()??);
        }
    }

    async fn next(&mut self) -> Option<FromServer> {
        let frame = self.frame().await?;
        Some(FromServer::decode(&frame).expect("the server writes legal frames"))
    }
}

//! A membership in a topic, as the application holds it.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use dunlin_proto::{
    Position, Topic,
    frame::{
        channel::{Delivery, Join},
        presence::Ask,
    },
    topic,
};
use futures_core::Stream;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::DropGuard;

use crate::{
    Closed, Code,
    message::{Message, Reply},
    presence::PresenceList,
    sender::{PushError, Sender},
    wishes::Wishes,
};

/// What to ask for in a join.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinOptions {
    /// Where to go on from; [`Position::OLDEST`] for all that history holds, `None` for what comes from now on.
    pub since: Option<Position>,
    /// Which events to deliver; what the topic does by default unless set, which is all of them if its server is not configured
    /// otherwise. [`Joined::delivery`](crate::Joined::delivery) tells what holds.
    pub delivery: Option<Delivery>,
    /// Least time between two deliveries of [`Delivery::Latest`], which then bring what has changed; none unless set.
    pub interval: Option<Duration>,
    /// An event that could not be delivered so long after it was published is skipped, and named in a [`Message::Gap`]; never
    /// unless set. With [`Delivery::Datagram`] nothing is named, and it is a second unless set.
    pub deadline: Option<Duration>,
    /// Begin with the last so many events there are, unless this goes on from a position; none unless set. A topic that retains
    /// its newest event begins with that in any case.
    pub rewind: u32,
    /// Streams of higher priority are sent first; 128 unless set.
    pub priority: u8,
    /// For the channel's code on the server; by convention MessagePack.
    pub params: Option<Bytes>,
    /// What to be told of who is present; nothing unless set. The built-in channel shows its members those who ask.
    pub presence: Ask,
    /// How many messages wait for a slow application before this channel's stream is no longer read, which
    /// stops the server from sending on it and touches no other channel; 256 unless set.
    pub buffer: usize,
}

impl Default for JoinOptions {
    fn default() -> Self {
        Self {
            since: None,
            delivery: None,
            interval: None,
            deadline: None,
            rewind: 0,
            priority: Join::PRIORITY,
            params: None,
            presence: Ask::None,
            buffer: 256,
        }
    }
}

/// Why a topic could not be joined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// Not a legal topic name.
    #[error(transparent)]
    Topic(#[from] topic::Illegal),
    /// This client is in the topic, or is still leaving it. The server would end the older membership.
    #[error("this client has joined {0} already")]
    AlreadyJoined(Topic),
    /// The server answered no, for good.
    #[error("refused with {code}: {message}")]
    Refused {
        /// Why.
        code: Code,
        /// For people.
        message: String,
    },
    /// The client has ended.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// A membership in a topic: a stream of [`Message`]s down, pushes up.
///
/// It outlives connections: after a loss it joins again from the last position received, and says so with
/// [`Message::Joined`]. Dropping it leaves the topic in the background, as [`Channel::leave`] does.
///
/// Replies come down the same stream as events. While a push waits for its answer, up to 16 times
/// [`JoinOptions::buffer`] messages are kept for the application; where a topic may bring more than that in a
/// round trip, read events in one task and push from another with [`Channel::sender`].
#[derive(Debug)]
pub struct Channel {
    pub(crate) messages: mpsc::Receiver<Message>,
    pub(crate) sender: Sender,
    /// Of the last message handed out.
    pub(crate) position: Position,
    /// As of the last message handed out.
    pub(crate) presence: PresenceList,
    /// The first join's answer.
    pub(crate) reply: Bytes,
    /// What is wanted of the stream now.
    pub(crate) wishes: watch::Sender<Wishes>,
    /// Cancels the channel's task, which then leaves.
    pub(crate) leave: DropGuard,
    /// Closes when the channel's task is over.
    pub(crate) over: watch::Receiver<()>,
}

impl Channel {
    /// The next message; `None` once the channel has ended ([`Channel::closed`] says why). Safe to cancel.
    ///
    /// The first one is [`Message::Joined`].
    pub async fn next(&mut self) -> Option<Message> {
        std::future::poll_fn(|cx| self.poll_message(cx)).await
    }

    /// Pushes an event and waits for the answer, however long the connection is away.
    ///
    /// # Errors
    /// See [`PushError`].
    pub async fn push(&self, event: &str, payload: impl Into<Bytes>) -> Result<Reply, PushError> {
        self.sender.push(event, payload).await
    }

    /// Pushes a value as MessagePack, structs as maps with the names of their fields, and waits for the answer.
    ///
    /// # Errors
    /// See [`PushError`].
    pub async fn push_value<T: Serialize + ?Sized>(
        &self,
        event: &str,
        value: &T,
    ) -> Result<Reply, PushError> {
        self.sender.push_value(event, value).await
    }

    /// A handle to push from elsewhere, and to have many pushes on their way. It does not keep the channel joined.
    #[must_use]
    pub fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        self.sender.topic()
    }

    /// The position of the last message handed out: join with it as [`JoinOptions::since`] to go on from there
    /// in another life of the application.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Who is present in the topic, as of the last message handed out: kept up to date by reading messages, and nobody unless
    /// [`JoinOptions::presence`] asked. While there is no connection it stays as it was.
    #[must_use]
    pub fn presence(&self) -> &PresenceList {
        &self.presence
    }

    /// The channel's answer to the first join.
    #[must_use]
    pub fn reply(&self) -> &Bytes {
        &self.reply
    }

    /// Changes which streams go first, of those that have something to send: 0 to 255, the highest first. It holds from now on,
    /// over reconnects too.
    ///
    /// ```no_run
    /// # use dunlin_client::{Channel, JoinOptions};
    /// # fn looked_at(map: &Channel, chat: &Channel) {
    /// // The application shows the map now.
    /// map.set_priority(200);
    /// chat.set_priority(100);
    /// # }
    /// ```
    pub fn set_priority(&self, priority: u8) {
        self.wishes.send_modify(|wishes| wishes.priority = priority);
    }

    /// Changes [`JoinOptions::interval`].
    pub fn set_interval(&self, interval: Option<Duration>) {
        self.wishes.send_modify(|wishes| wishes.interval = interval);
    }

    /// Changes [`JoinOptions::deadline`].
    pub fn set_deadline(&self, deadline: Option<Duration>) {
        self.wishes.send_modify(|wishes| wishes.deadline = deadline);
    }

    /// Why the channel has ended, if it has.
    #[must_use]
    pub fn closed(&self) -> Option<Closed> {
        self.sender.ended()
    }

    /// Leaves the topic, after the pushes in the outbox are answered or five seconds are over.
    pub async fn leave(self) {
        let Self { mut over, leave, .. } = self;
        drop(leave);
        // It never changes; it closes.
        let _ = over.changed().await;
    }

    fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        let message = self.messages.poll_recv(cx);
        if let Poll::Ready(Some(message)) = &message
            && let Some(position) = message.position()
        {
            self.position = position;
        }
        if let Poll::Ready(Some(Message::Presence(diff))) = &message {
            self.presence.apply(diff);
        }
        message
    }
}

impl Stream for Channel {
    type Item = Message;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.poll_message(cx)
    }
}

//! Pushing events up a channel.

use std::{
    pin::Pin,
    sync::{Arc, OnceLock},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use dunlin_proto::{Code, Topic, limits};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

use crate::{Closed, message::Reply};

/// Pushes that wait for room in a channel's outbox; when as many wait, the next push waits with its caller.
pub(crate) const QUEUE: usize = 1024;

/// Pushes events to one topic; cheap to clone and to use from any task.
///
/// Pushes of one sender are applied in the order of the calls. Each one is applied once, even if the connection is
/// lost meanwhile: it is sent again under the same reference, and the server knows which ones it has seen.
#[derive(Debug, Clone)]
pub struct Sender {
    topic: Topic,
    queue: mpsc::Sender<Request>,
    ended: Arc<OnceLock<Closed>>,
}

/// Why a push was not applied, or is not known to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PushError {
    /// The server answered no.
    #[error("refused with {code}: {message}")]
    Refused {
        /// Why.
        code: Code,
        /// For people.
        message: String,
    },
    /// The payload is longer than the server allows.
    #[error("a payload of {len} bytes exceeds the server's limit of {limit}")]
    TooLarge {
        /// Length of the payload in bytes.
        len: usize,
        /// The server's limit in bytes.
        limit: usize,
    },
    /// An event name that is empty or too long.
    #[error("an event name has 1 to {max} bytes, this one has {0}", max = limits::MAX_EVENT_LEN)]
    EventName(usize),
    /// A key that is too long.
    #[error("a key has at most {max} bytes, this one has {0}", max = limits::MAX_KEY_LEN)]
    Key(usize),
    /// The value cannot be written as MessagePack.
    #[error("the value cannot be written as MessagePack: {0}")]
    Encode(String),
    /// The channel ended before an answer came. Whether the push was applied is unknown.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// A push on its way to the channel's task.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) event: Box<str>,
    pub(crate) payload: Bytes,
    pub(crate) key: Option<Box<str>>,
    pub(crate) ticket: Ticket,
}

/// Where the answer to a push goes.
pub(crate) type Ticket = oneshot::Sender<Result<Reply, PushError>>;

impl Sender {
    pub(crate) fn new(topic: Topic, queue: mpsc::Sender<Request>, ended: Arc<OnceLock<Closed>>) -> Self {
        Self { topic, queue, ended }
    }

    /// Why the channel has ended, if it has.
    pub(crate) fn ended(&self) -> Option<Closed> {
        self.ended.get().cloned()
    }

    /// The topic that is pushed to.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Pushes an event and waits for the answer, however long the connection is away.
    ///
    /// # Errors
    /// See [`PushError`].
    pub async fn push(&self, event: &str, payload: impl Into<Bytes>) -> Result<Reply, PushError> {
        self.send(event, payload, None).await?.await
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
        let payload = rmp_serde::to_vec_named(value).map_err(|error| PushError::Encode(error.to_string()))?;
        self.push(event, payload).await
    }

    /// Puts a push in the outbox, waiting for room there, and gives a handle to the answer: so many pushes can be
    /// on their way at once. A `key` is what [`Delivery::Latest`](crate::Delivery::Latest) readers conflate by.
    ///
    /// # Errors
    /// See [`PushError`]; what the server has to say comes with the handle.
    pub async fn send(
        &self,
        event: &str,
        payload: impl Into<Bytes>,
        key: Option<&str>,
    ) -> Result<PushHandle, PushError> {
        if event.is_empty() || event.len() > limits::MAX_EVENT_LEN {
            return Err(PushError::EventName(event.len()));
        }
        if let Some(key) = key.filter(|key| key.len() > limits::MAX_KEY_LEN) {
            return Err(PushError::Key(key.len()));
        }
        let (ticket, answer) = oneshot::channel();
        let request =
            Request { event: event.into(), payload: payload.into(), key: key.map(Into::into), ticket };
        let handle = PushHandle { answer, ended: self.ended.clone() };
        // Once the channel has ended, the handle says why.
        let _ = self.queue.send(request).await;
        Ok(handle)
    }
}

/// The answer to come of one push. Dropping it does not take the push back.
#[derive(Debug)]
pub struct PushHandle {
    answer: oneshot::Receiver<Result<Reply, PushError>>,
    ended: Arc<OnceLock<Closed>>,
}

impl Future for PushHandle {
    type Output = Result<Reply, PushError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.answer).poll(cx));
        // A channel's task says why it ends before it lets go of tickets.
        let why = || self.ended.get().cloned().unwrap_or_else(Closed::by_us);
        Poll::Ready(answer.unwrap_or_else(|_| Err(why().into())))
    }
}

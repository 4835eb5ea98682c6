//! quinn's streams: reset, not finished, when dropped early, and safe to hold past the rejection of early data.

use std::{
    fmt,
    future::pending,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use quinn::VarInt;
use tokio::select;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{Floor, code};
use crate::{
    ConnectionError, ReadError, WriteError,
    webtransport::{self, SESSION_GONE, Session},
};

#[derive(Debug)]
pub(crate) struct SendStream {
    quinn: quinn::SendStream,
    /// Opened by a client in early data: void if the server rejects that.
    early: bool,
    /// Finished or reset by this side.
    done: bool,
    priority: u16,
    floor: Floor,
    /// What quinn has been told: `None` before anything is written.
    told: Option<i32>,
    owner: Owner,
    /// Of a session's stream, until its end is settled.
    written: Option<TaskTrackerToken>,
    stop: Stop,
}

/// What waits for the peer to stop the stream, from the first time that somebody does: it stays in quinn's list, whatever else its
/// task wakes up for.
#[derive(Default)]
struct Stop(Option<Pin<Box<Stopping>>>);

type Stopping = dyn Future<Output = Result<Option<VarInt>, quinn::StoppedError>> + Send + Sync;

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stop").field(&self.0.is_some()).finish()
    }
}

#[derive(Debug)]
pub(crate) struct RecvStream {
    quinn: quinn::RecvStream,
    owner: Owner,
}

/// What a stream belongs to: a WebTransport session, or the connection itself. It decides how codes travel, and whose
/// end is the stream's.
#[derive(Debug)]
struct Owner(Option<Arc<Session>>);

impl SendStream {
    pub(crate) fn new(quinn: quinn::SendStream, early: bool, floor: Floor) -> Self {
        Self {
            quinn,
            early,
            done: false,
            priority: 0,
            floor,
            told: None,
            owner: Owner(None),
            written: None,
            stop: Stop::default(),
        }
    }

    pub(crate) fn of_session(quinn: quinn::SendStream, session: Arc<Session>) -> Self {
        let (floor, written) = (session.floor(), Some(session.write()));
        let owner = Owner(Some(session));
        Self {
            quinn,
            early: false,
            done: false,
            priority: 0,
            floor,
            told: None,
            owner,
            written,
            stop: Stop::default(),
        }
    }

    pub(crate) async fn write_chunks(&mut self, mut chunks: &mut [Bytes]) -> Result<(), WriteError> {
        self.owner.alive()?;
        while !chunks.is_empty() {
            self.tell_priority();
            let written = select! {
                biased;
                written = self.quinn.write_chunks(chunks) => written,
                end = self.owner.closed() => return Err(end.into()),
            };
            let written = written.map_err(|error| self.owner.write_error(error))?;
            chunks = &mut chunks[written.chunks..];
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self) {
        if !self.done && !self.is_void() {
            // Fails only on a stream that is done.
            let _ = self.quinn.finish();
        }
        self.end();
    }

    pub(crate) fn reset(&mut self, code: u32) {
        let code = if self.owner.alive().is_ok() { self.owner.encode(code) } else { SESSION_GONE };
        // Fails only on a stream that was reset, or delivered to the end.
        let _ = self.quinn.reset(code);
        self.end();
    }

    fn end(&mut self) {
        self.done = true;
        self.written = None;
    }

    pub(crate) fn set_priority(&mut self, priority: u16) {
        if priority > self.priority && self.told.is_some() {
            self.floor.lower();
        }
        self.priority = priority;
        if self.told.is_some() {
            self.tell_priority();
        }
    }

    /// Has quinn know the priority above the floor of this moment.
    fn tell_priority(&mut self) {
        let priority = self.floor.get() + i32::from(self.priority);
        if self.told.replace(priority) != Some(priority) {
            // Fails only on a stream that was reset, or delivered to the end.
            let _ = self.quinn.set_priority(priority);
        }
    }

    pub(crate) async fn stopped(&mut self) -> Result<Option<u32>, WriteError> {
        let stopping = self.stop.0.get_or_insert_with(|| Box::pin(self.quinn.stopped()));
        let stopped = select! {
            biased;
            stopped = stopping => stopped,
            end = self.owner.closed() => return Err(end.into()),
        };
        self.stop = Stop::default();
        match stopped {
            Ok(stopped) => Ok(stopped.map(|code| self.owner.decode(code))),
            Err(quinn::StoppedError::ZeroRttRejected) => Err(WriteError::EarlyDataRejected),
            Err(quinn::StoppedError::ConnectionLost(error)) => {
                Err(WriteError::Connection(self.owner.why(error)))
            }
        }
    }

    /// Whether the server rejected the early data in which this stream was opened.
    ///
    /// Its number then belongs to a stream opened afterwards, and quinn 0.11's `finish`, alone among the calls that
    /// matter, does not look: it would end the other stream. Writing nothing does look.
    fn is_void(&mut self) -> bool {
        let mut nothing = [];
        self.early && {
            let write = pin!(self.quinn.write_chunks(&mut nothing));
            let rejected = Poll::Ready(Err(quinn::WriteError::ZeroRttRejected));
            write.poll(&mut Context::from_waker(Waker::noop())) == rejected
        }
    }
}

impl Drop for SendStream {
    fn drop(&mut self) {
        if !self.done {
            self.reset(0);
        }
    }
}

impl RecvStream {
    pub(crate) fn new(quinn: quinn::RecvStream) -> Self {
        Self { quinn, owner: Owner(None) }
    }

    pub(crate) fn of_session(quinn: quinn::RecvStream, session: Arc<Session>) -> Self {
        Self { quinn, owner: Owner(Some(session)) }
    }

    pub(crate) async fn read(&mut self, max: usize) -> Result<Option<Bytes>, ReadError> {
        self.owner.alive()?;
        match self.quinn.read_chunk(max, true).await {
            Ok(Some(chunk)) => Ok(Some(chunk.bytes)),
            // In a box, as it is rare.
            Ok(None) => Box::pin(self.end()).await,
            Err(quinn::ReadError::ClosedStream) => Ok(None),
            Err(quinn::ReadError::Reset(reset)) => Err(Box::pin(self.owner.reset(reset)).await),
            Err(quinn::ReadError::ConnectionLost(error)) => Err(ReadError::Connection(self.owner.why(error))),
            Err(quinn::ReadError::ZeroRttRejected) => Err(ReadError::EarlyDataRejected),
            Err(quinn::ReadError::IllegalOrderedRead) => unreachable!("all reads are ordered"),
        }
    }

    /// Tells whether the end is one. quinn says that a stream was reset once only, and a session's stream may have been
    /// read before it came here.
    async fn end(&mut self) -> Result<Option<Bytes>, ReadError> {
        match self.owner.0 {
            Some(_) => match self.quinn.received_reset().await {
                Ok(Some(reset)) => Err(self.owner.reset(reset).await),
                Ok(None) | Err(_) => Ok(None),
            },
            None => Ok(None),
        }
    }

    pub(crate) fn stop(&mut self, code: u32) {
        // Fails only on a stream that has ended.
        let _ = self.quinn.stop(self.owner.encode(code));
    }
}

impl Drop for RecvStream {
    fn drop(&mut self) {
        // quinn would stop it too, but with a code that means nothing to a session's peer.
        if self.owner.0.is_some() {
            self.stop(0);
        }
    }
}

impl Owner {
    /// Fails once the session is over, while the connection beneath may live for another moment.
    fn alive(&self) -> Result<(), ConnectionError> {
        self.0.as_ref().and_then(|session| session.ended()).map_or(Ok(()), Err)
    }

    /// Waits for the end of the session, or of its connection. Where there is none, a stream's own calls tell.
    async fn closed(&self) -> ConnectionError {
        match &self.0 {
            // In a box, for most streams have no session and would be larger for it.
            Some(session) => Box::pin(session.closed()).await,
            None => pending().await,
        }
    }

    /// What it means that the peer has reset a stream: where the session is over, that is about to be said.
    async fn reset(&self, code: VarInt) -> ReadError {
        match &self.0 {
            Some(session) if code == SESSION_GONE => session.closed().await.into(),
            _ => ReadError::Reset(self.decode(code)),
        }
    }

    fn encode(&self, code: u32) -> VarInt {
        match self.0 {
            Some(_) => webtransport::to_http3(code),
            None => code.into(),
        }
    }

    fn decode(&self, by_peer: VarInt) -> u32 {
        match self.0 {
            Some(_) => webtransport::from_http3(by_peer).unwrap_or(u32::MAX),
            None => code(by_peer),
        }
    }

    fn why(&self, error: quinn::ConnectionError) -> ConnectionError {
        match &self.0 {
            Some(session) => session.why(error),
            None => error.into(),
        }
    }

    fn write_error(&self, error: quinn::WriteError) -> WriteError {
        match error {
            quinn::WriteError::Stopped(code) => WriteError::Stopped(self.decode(code)),
            quinn::WriteError::ConnectionLost(error) => WriteError::Connection(self.why(error)),
            quinn::WriteError::ClosedStream => WriteError::Finished,
            quinn::WriteError::ZeroRttRejected => WriteError::EarlyDataRejected,
        }
    }
}

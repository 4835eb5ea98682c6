//! WebTransport over HTTP/3 (draft-ietf-webtrans-http3, as browsers speak it): one session on a QUIC connection.
//!
//! The session's streams are the connection's, with a prefix; its datagrams are the connection's, with another. So
//! once the session is there, nothing of HTTP/3 stands on a message's way.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::{
    select,
    sync::{Mutex, mpsc, watch},
};
use tokio_util::task::{TaskTracker, task_tracker::TaskTrackerToken};

use crate::{ConnectionError, SendDatagramError, http3::Side, origins::Page, quic};

mod capsule;
mod codes;
mod offer;
mod session;
mod streams;
pub(crate) mod varint;

pub(crate) use capsule::Close;
pub(crate) use codes::{H3_NO_ERROR, SESSION_GONE, from_http3, to_http3};
pub(crate) use offer::{OFFERED, Refusal, accept, origin, quoted};
pub(crate) use session::begin;

/// A handle to a session.
#[derive(Clone, Debug)]
pub(crate) struct Connection(Arc<Session>);

/// What the handles and the streams of a session hold; it is closed when they are gone.
#[derive(Debug)]
pub(crate) struct Session {
    link: Arc<Link>,
    arrived: Mutex<mpsc::Receiver<streams::Stream>>,
}

/// What the task of a session needs as well, which must not keep it alive.
#[derive(Debug)]
pub(crate) struct Link {
    quic: quic::Connection,
    /// The stream of the CONNECT request, which names the session.
    id: u64,
    side: Side,
    end: watch::Sender<Option<End>>,
    /// The halves of its streams that this side writes, from their beginning to their end.
    written: TaskTracker,
}

/// How a session ended, when its connection did not end first.
#[derive(Debug, Clone)]
enum End {
    /// This side is leaving, and the peer is yet to be told.
    Ours(Close),
    Theirs(ConnectionError),
}

impl Connection {
    pub(crate) async fn open_bi(&self) -> Result<(quic::SendStream, quic::RecvStream), ConnectionError> {
        let link = &self.0.link;
        let (send, recv) = select! {
            biased;
            end = link.ended() => return Err(end),
            stream = link.quic.quinn.open_bi() => stream.map_err(|error| link.why(error))?,
        };
        let (mut send, recv) = self.adopt((send, recv));
        match send.write_chunks(&mut [streams::header(link.id)]).await {
            // A stream that the peer does not want any more is a stream nevertheless.
            Ok(()) | Err(crate::WriteError::Stopped(_)) => Ok((send, recv)),
            Err(crate::WriteError::Connection(error)) => Err(error),
            Err(error) => unreachable!("the stream is new, and no early data: {error}"),
        }
    }

    pub(crate) async fn accept_bi(&self) -> Result<(quic::SendStream, quic::RecvStream), ConnectionError> {
        let arrived = async { self.0.arrived.lock().await.recv().await };
        select! {
            biased;
            stream = arrived => match stream {
                Some(stream) => Ok(self.adopt(stream)),
                None => Err(self.closed().await),
            },
            end = self.0.link.ended() => Err(end),
        }
    }

    fn adopt(&self, (send, recv): streams::Stream) -> (quic::SendStream, quic::RecvStream) {
        (
            quic::SendStream::of_session(send, self.0.clone()),
            quic::RecvStream::of_session(recv, self.0.clone()),
        )
    }

    /// Sends a datagram with the session's number before it (RFC 9297, 2.1).
    pub(crate) fn send_datagram(&self, data: &Bytes) -> Result<(), SendDatagramError> {
        if let Some(end) = self.0.ended() {
            return Err(SendDatagramError::Connection(end));
        }
        let prefix = self.0.link.datagram_prefix();
        let mut datagram = BytesMut::with_capacity(prefix.len() + data.len());
        datagram.put_slice(&prefix);
        datagram.put_slice(data);
        self.0.link.quic.send_datagram(datagram.freeze()).map_err(|error| match error {
            SendDatagramError::Connection(error) => {
                SendDatagramError::Connection(self.close_reason().unwrap_or(error))
            }
            error => error,
        })
    }

    /// The session's next datagram; those of others are dropped.
    pub(crate) async fn read_datagram(&self) -> Result<Bytes, ConnectionError> {
        let link = &self.0.link;
        loop {
            let datagram = select! {
                biased;
                end = link.ended() => return Err(end),
                datagram = link.quic.quinn.read_datagram() => datagram.map_err(|error| link.why(error))?,
            };
            let mut data = &datagram[..];
            if varint::take(&mut data) == Some(link.id / 4) {
                return Ok(datagram.slice_ref(data));
            }
        }
    }

    pub(crate) fn max_datagram_size(&self) -> Option<usize> {
        self.quic().max_datagram_size()?.checked_sub(self.0.link.datagram_prefix().len())
    }

    pub(crate) fn close(&self, code: u32, reason: &str) {
        self.0.link.close(Close { code, reason: reason.to_owned() });
    }

    pub(crate) async fn closed(&self) -> ConnectionError {
        self.0.closed().await
    }

    pub(crate) fn close_reason(&self) -> Option<ConnectionError> {
        let link = &self.0.link;
        self.0.ended().or_else(|| link.quic.quinn.close_reason().map(|error| link.why(error)))
    }

    pub(crate) fn grant_streams(&self, n: u32) {
        self.0.link.grant_streams(n);
    }

    pub(crate) fn page(&self) -> Page {
        match self.0.link.side {
            Side::Client => Page::Here,
            Side::Server { page, .. } => page,
        }
    }

    /// The connection beneath, for what is the same as without a session.
    pub(crate) fn quic(&self) -> &quic::Connection {
        &self.0.link.quic
    }
}

impl Session {
    /// What priorities of the connection's streams count from.
    pub(crate) fn floor(&self) -> quic::Floor {
        self.link.quic.floor.clone()
    }

    /// Stands for a half that this side writes.
    pub(crate) fn write(&self) -> TaskTrackerToken {
        self.link.written.token()
    }

    /// Why the session ended, if it did so before its connection.
    pub(crate) fn ended(&self) -> Option<ConnectionError> {
        self.link.end.borrow().as_ref().map(End::error)
    }

    /// Waits for that, or for the connection's end.
    pub(crate) async fn closed(&self) -> ConnectionError {
        let link = &self.link;
        select! {
            biased;
            end = link.ended() => end,
            error = link.quic.quinn.closed() => link.why(error),
        }
    }

    /// Why the connection beneath failed, in the session's words.
    pub(crate) fn why(&self, error: quinn::ConnectionError) -> ConnectionError {
        self.link.why(error)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.link.close(Close { code: 0, reason: String::new() });
    }
}

impl Link {
    fn new(quic: quic::Connection, id: u64, side: Side) -> Self {
        Self { quic, id, side, end: watch::Sender::new(None), written: TaskTracker::new() }
    }

    fn close(&self, close: Close) {
        self.end(End::Ours(close));
    }

    /// The first end counts, be it the session's or the connection's.
    fn end(&self, end: End) {
        self.end.send_if_modified(|ended| {
            let first = ended.is_none() && self.quic.quinn.close_reason().is_none();
            if first {
                *ended = Some(end);
            }
            first
        });
    }

    /// Keeps why the connection ended, for quinn forgets it when what is left is closed.
    fn lost(&self, error: quinn::ConnectionError) {
        self.end.send_if_modified(|ended| {
            let first = ended.is_none();
            if first {
                *ended = Some(End::Theirs(why(error)));
            }
            first
        });
    }

    /// Waits for the session's own end.
    async fn ended(&self) -> ConnectionError {
        let mut end = self.end.subscribe();
        let ended = end.wait_for(Option::is_some).await.expect("the sender is in `self`");
        ended.as_ref().map(End::error).expect("it was waited for")
    }

    fn why(&self, error: quinn::ConnectionError) -> ConnectionError {
        self.end.borrow().as_ref().map_or_else(|| why(error), End::error)
    }

    fn grant_streams(&self, n: u32) {
        let connect = match self.side {
            Side::Client => 0,
            // The stream of its CONNECT request is one of those that the client holds open.
            Side::Server { .. } => 1,
        };
        self.quic.grant_streams(n.saturating_add(connect));
    }

    /// A quarter of the session's number, for a client's bidirectional streams are numbered in steps of four.
    fn datagram_prefix(&self) -> Vec<u8> {
        let mut prefix = Vec::with_capacity(varint::MAX_LEN);
        varint::put(&mut prefix, self.id / 4);
        prefix
    }
}

/// Why a connection failed that is or was to be a session's: codes of HTTP/3 are not the application's.
pub(crate) fn why(error: quinn::ConnectionError) -> ConnectionError {
    match error {
        quinn::ConnectionError::ApplicationClosed(close) => match codes::of_close(close.error_code) {
            Some(code) => {
                ConnectionError::Closed { code, reason: String::from_utf8_lossy(&close.reason).into_owned() }
            }
            None => ConnectionError::Transport(format!("HTTP/3: {close}")),
        },
        error => error.into(),
    }
}

impl End {
    fn error(&self) -> ConnectionError {
        match self {
            Self::Ours(_) => ConnectionError::LocallyClosed,
            Self::Theirs(error) => error.clone(),
        }
    }
}

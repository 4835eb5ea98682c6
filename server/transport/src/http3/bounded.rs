//! quinn's streams for the `h3` crate, with a bound on what it reads.
//!
//! `h3` keeps a frame until it is complete, however long it says that it is; so how long a frame may be, and what a
//! client may send on one stream in all, is limited here, beneath it.

use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h3::{
    error::Code,
    quic::{self, ConnectionErrorIncoming, StreamErrorIncoming, StreamId, WriteBuf},
};
use quinn::VarInt;

use super::{frames::Frames, request::MAX_BODY};

/// All that a client may send on a stream: a request with its body, or the capsules and settings of a long life.
const MAX_STREAM: usize = MAX_BODY + 64 * 1024;

pub(crate) struct Connection {
    quinn: quinn::Connection,
    h3: h3_quinn::Connection,
}

pub(crate) struct BidiStream {
    send: SendStream,
    recv: RecvStream,
}

/// Dropped before anything was sent it is reset: a request that was not answered must not look answered with nothing.
pub(crate) struct SendStream {
    quinn: h3_quinn::SendStream<Bytes>,
    begun: bool,
}

/// Dropped before its end it is stopped, but not as an error: the rest was not needed (RFC 9114, 4.1).
pub(crate) struct RecvStream {
    quinn: h3_quinn::RecvStream,
    left: usize,
    frames: Frames,
    /// A read has begun, so `h3_quinn` has given the stream away: stopping it would panic.
    reading: bool,
}

impl Connection {
    pub(super) fn new(quinn: quinn::Connection) -> Self {
        Self { h3: h3_quinn::Connection::new(quinn.clone()), quinn }
    }
}

impl quic::Connection<Bytes> for Connection {
    type RecvStream = RecvStream;
    type OpenStreams = Self;

    fn poll_accept_recv(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::RecvStream, ConnectionErrorIncoming>> {
        let stream = ready!(quic::Connection::<Bytes>::poll_accept_recv(&mut self.h3, cx))?;
        Poll::Ready(Ok(RecvStream::new(stream, Frames::unidirectional())))
    }

    fn poll_accept_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::BidiStream, ConnectionErrorIncoming>> {
        let stream = ready!(quic::Connection::<Bytes>::poll_accept_bidi(&mut self.h3, cx))?;
        Poll::Ready(Ok(BidiStream::new(stream)))
    }

    fn opener(&self) -> Self {
        Self::new(self.quinn.clone())
    }
}

impl quic::OpenStreams<Bytes> for Connection {
    type BidiStream = BidiStream;
    type SendStream = SendStream;

    fn poll_open_bidi(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::BidiStream, StreamErrorIncoming>> {
        let stream = ready!(quic::OpenStreams::<Bytes>::poll_open_bidi(&mut self.h3, cx))?;
        Poll::Ready(Ok(BidiStream::new(stream)))
    }

    fn poll_open_send(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::SendStream, StreamErrorIncoming>> {
        let stream = ready!(quic::OpenStreams::<Bytes>::poll_open_send(&mut self.h3, cx))?;
        Poll::Ready(Ok(SendStream::new(stream)))
    }

    fn close(&mut self, code: Code, reason: &[u8]) {
        let code = VarInt::from_u64(code.value()).expect("codes of HTTP/3 are small");
        crate::quic::close(&self.quinn, code, reason);
    }
}

impl BidiStream {
    fn new(stream: h3_quinn::BidiStream<Bytes>) -> Self {
        let (send, recv) = quic::BidiStream::split(stream);
        Self { send: SendStream::new(send), recv: RecvStream::new(recv, Frames::bidirectional()) }
    }
}

impl quic::BidiStream<Bytes> for BidiStream {
    type SendStream = SendStream;
    type RecvStream = RecvStream;

    fn split(self) -> (SendStream, RecvStream) {
        (self.send, self.recv)
    }
}

impl quic::SendStream<Bytes> for BidiStream {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_ready(cx)
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.send.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.send.poll_finish(cx)
    }

    fn reset(&mut self, code: u64) {
        self.send.reset(code);
    }

    fn send_id(&self) -> StreamId {
        self.send.send_id()
    }
}

impl quic::RecvStream for BidiStream {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.recv.poll_data(cx)
    }

    fn stop_sending(&mut self, code: u64) {
        self.recv.stop_sending(code);
    }

    fn recv_id(&self) -> StreamId {
        self.recv.recv_id()
    }
}

impl SendStream {
    fn new(quinn: h3_quinn::SendStream<Bytes>) -> Self {
        Self { quinn, begun: false }
    }
}

impl quic::SendStream<Bytes> for SendStream {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.quinn.poll_ready(cx)
    }

    fn send_data<T: Into<WriteBuf<Bytes>>>(&mut self, data: T) -> Result<(), StreamErrorIncoming> {
        self.begun = true;
        self.quinn.send_data(data)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamErrorIncoming>> {
        self.quinn.poll_finish(cx)
    }

    fn reset(&mut self, code: u64) {
        self.begun = true;
        self.quinn.reset(code);
    }

    fn send_id(&self) -> StreamId {
        self.quinn.send_id()
    }
}

impl Drop for SendStream {
    fn drop(&mut self) {
        if !self.begun {
            quic::SendStream::reset(self, Code::H3_REQUEST_CANCELLED.value());
        }
    }
}

impl RecvStream {
    fn new(quinn: h3_quinn::RecvStream, frames: Frames) -> Self {
        Self { quinn, left: MAX_STREAM, frames, reading: false }
    }

    /// Whether a piece is within the bounds.
    fn admits(&mut self, piece: &[u8]) -> bool {
        match self.left.checked_sub(piece.len()) {
            Some(left) => self.left = left,
            None => return false,
        }
        self.frames.look(piece).is_ok()
    }
}

impl quic::RecvStream for RecvStream {
    type Buf = Bytes;

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, StreamErrorIncoming>> {
        self.reading = true;
        let piece = ready!(self.quinn.poll_data(cx));
        self.reading = false;
        let piece = piece?;
        if !piece.as_deref().is_none_or(|piece| self.admits(piece)) {
            let error_code = Code::H3_EXCESSIVE_LOAD.value();
            self.left = 0;
            self.quinn.stop_sending(error_code);
            return Poll::Ready(Err(StreamErrorIncoming::StreamTerminated { error_code }));
        }
        Poll::Ready(Ok(piece))
    }

    fn stop_sending(&mut self, code: u64) {
        self.quinn.stop_sending(code);
    }

    fn recv_id(&self) -> StreamId {
        self.quinn.recv_id()
    }
}

impl Drop for RecvStream {
    fn drop(&mut self) {
        if !self.reading {
            quic::RecvStream::stop_sending(self, Code::H3_NO_ERROR.value());
        }
    }
}

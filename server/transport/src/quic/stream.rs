//! quinn's streams: reset, not finished, when dropped early, and safe to hold past the rejection of early data.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;

use super::code;
use crate::{ReadError, WriteError};

#[derive(Debug)]
pub(crate) struct SendStream {
    quinn: quinn::SendStream,
    /// Opened by a client in early data: void if the server rejects that.
    early: bool,
    /// Finished or reset by this side.
    done: bool,
}

#[derive(Debug)]
pub(crate) struct RecvStream(quinn::RecvStream);

impl SendStream {
    pub(crate) fn new(quinn: quinn::SendStream, early: bool) -> Self {
        Self { quinn, early, done: false }
    }

    pub(crate) async fn write_chunks(&mut self, chunks: &mut [Bytes]) -> Result<(), WriteError> {
        Ok(self.quinn.write_all_chunks(chunks).await?)
    }

    pub(crate) fn finish(&mut self) {
        if !self.done && !self.is_void() {
            // Fails only on a stream that is done.
            let _ = self.quinn.finish();
        }
        self.done = true;
    }

    pub(crate) fn reset(&mut self, code: u32) {
        self.done = true;
        // Fails only on a stream that was reset, or delivered to the end.
        let _ = self.quinn.reset(code.into());
    }

    pub(crate) fn set_priority(&self, priority: i32) {
        // Fails only on a stream that was reset, or delivered to the end.
        let _ = self.quinn.set_priority(priority);
    }

    pub(crate) async fn stopped(&mut self) -> Result<Option<u32>, WriteError> {
        match self.quinn.stopped().await {
            Ok(stopped) => Ok(stopped.map(code)),
            Err(quinn::StoppedError::ZeroRttRejected) => Err(WriteError::EarlyDataRejected),
            Err(quinn::StoppedError::ConnectionLost(error)) => Err(WriteError::Connection(error.into())),
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
        Self(quinn)
    }

    pub(crate) async fn read(&mut self, max: usize) -> Result<Option<Bytes>, ReadError> {
        match self.0.read_chunk(max, true).await {
            Ok(chunk) => Ok(chunk.map(|chunk| chunk.bytes)),
            Err(quinn::ReadError::ClosedStream) => Ok(None),
            Err(quinn::ReadError::Reset(reset)) => Err(ReadError::Reset(code(reset))),
            Err(quinn::ReadError::ConnectionLost(error)) => Err(ReadError::Connection(error.into())),
            Err(quinn::ReadError::ZeroRttRejected) => Err(ReadError::EarlyDataRejected),
            Err(quinn::ReadError::IllegalOrderedRead) => unreachable!("all reads are ordered"),
        }
    }

    pub(crate) fn stop(&mut self, code: u32) {
        // Fails only on a stream that has ended.
        let _ = self.0.stop(code.into());
    }
}

impl From<quinn::WriteError> for WriteError {
    fn from(error: quinn::WriteError) -> Self {
        match error {
            quinn::WriteError::Stopped(stopped) => Self::Stopped(code(stopped)),
            quinn::WriteError::ConnectionLost(error) => Self::Connection(error.into()),
            quinn::WriteError::ClosedStream => Self::Finished,
            quinn::WriteError::ZeroRttRejected => Self::EarlyDataRejected,
        }
    }
}

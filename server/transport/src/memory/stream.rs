//! The halves of a stream in memory.

use std::sync::Arc;

use bytes::Bytes;

use super::{Handle, Pipe, Slot};
use crate::{ReadError, WriteError};

#[derive(Debug)]
pub(crate) struct SendStream {
    end: Handle,
    pipe: Arc<Pipe>,
    origin: Origin,
}

#[derive(Debug)]
pub(crate) struct RecvStream {
    end: Handle,
    pipe: Arc<Pipe>,
    origin: Origin,
}

/// Whose stream it is, and what its next step owes the other side.
#[derive(Debug)]
enum Origin {
    /// Ours; the first use shows it to the peer.
    Opened(u64),
    /// The peer's; the end of both halves makes room for another.
    Accepted(#[expect(dead_code, reason = "held to be dropped")] Arc<Slot>),
    /// Nothing is owed any more.
    Settled,
}

impl Origin {
    fn used(&mut self, end: &Handle) {
        if let Self::Opened(number) = *self {
            end.show(number);
            *self = Self::Settled;
        }
    }

    fn ended(&mut self, end: &Handle) {
        self.used(end);
        *self = Self::Settled;
    }
}

impl SendStream {
    pub(super) fn opened(end: &Handle, pipe: Arc<Pipe>, number: u64) -> Self {
        Self { end: end.clone(), pipe, origin: Origin::Opened(number) }
    }

    pub(super) fn accepted(end: &Handle, pipe: Arc<Pipe>, slot: Arc<Slot>) -> Self {
        Self { end: end.clone(), pipe, origin: Origin::Accepted(slot) }
    }

    pub(crate) async fn write_chunks(&mut self, chunks: &mut [Bytes]) -> Result<(), WriteError> {
        self.end.alive()?;
        self.origin.used(&self.end);
        let write = || {
            let before = total(chunks);
            let written = self.pipe.write(chunks);
            self.end.count(before - total(chunks));
            written
        };
        self.end.wait(&self.pipe.changed, write).await?
    }

    pub(crate) fn finish(&mut self) {
        if self.end.alive().is_ok() {
            self.pipe.finish();
            self.origin.ended(&self.end);
        }
    }

    pub(crate) fn reset(&mut self, code: u32) {
        // The end of a connection tells the peer more than a reset could.
        if self.end.alive().is_ok() {
            self.pipe.reset(code);
            self.origin.ended(&self.end);
        }
    }

    pub(crate) async fn stopped(&mut self) -> Result<Option<u32>, WriteError> {
        Ok(self.end.wait(&self.pipe.changed, || self.pipe.stopped()).await?)
    }
}

impl Drop for SendStream {
    fn drop(&mut self) {
        if !self.pipe.is_ended() {
            self.reset(0);
        }
    }
}

impl RecvStream {
    pub(super) fn opened(end: &Handle, pipe: Arc<Pipe>, number: u64) -> Self {
        Self { end: end.clone(), pipe, origin: Origin::Opened(number) }
    }

    pub(super) fn accepted(end: &Handle, pipe: Arc<Pipe>, slot: Arc<Slot>) -> Self {
        Self { end: end.clone(), pipe, origin: Origin::Accepted(slot) }
    }

    pub(crate) async fn read(&mut self, max: usize) -> Result<Option<Bytes>, ReadError> {
        let read = self.end.wait(&self.pipe.changed, || self.pipe.read(max)).await?;
        if !matches!(read, Ok(Some(_))) {
            self.origin.ended(&self.end);
        }
        read
    }

    pub(crate) fn stop(&mut self, code: u32) {
        if self.end.alive().is_ok() {
            self.pipe.stop(code);
            self.origin.ended(&self.end);
        }
    }
}

impl Drop for RecvStream {
    fn drop(&mut self) {
        self.stop(0);
    }
}

fn total(chunks: &[Bytes]) -> u64 {
    chunks.iter().map(|chunk| chunk.len() as u64).sum()
}

//! The halves of a stream over WebSocket.

use std::{future::poll_fn, task::ready};

use bytes::Bytes;

use super::{Half, Handle, mux::Unwritable};
use crate::{ReadError, WriteError};

#[derive(Debug)]
pub(crate) struct SendStream {
    connection: Handle,
    channel: u32,
}

#[derive(Debug)]
pub(crate) struct RecvStream {
    connection: Handle,
    channel: u32,
}

impl SendStream {
    pub(super) fn new(connection: Handle, channel: u32) -> Self {
        Self { connection, channel }
    }

    pub(crate) async fn write_chunks(&mut self, chunks: &mut [Bytes]) -> Result<(), WriteError> {
        self.connection.alive()?;
        poll_fn(|cx| {
            let written = ready!(self.connection.poll(self.channel, Half::Send, cx, |mux| {
                match mux.write(self.channel, chunks) {
                    Ok(true) => Some(Ok(())),
                    Ok(false) => None,
                    Err(unwritable) => Some(Err(unwritable)),
                }
            }))?;
            Ok(written.map_err(WriteError::from)?).into()
        })
        .await
    }

    pub(crate) fn finish(&mut self) {
        self.connection.act(|mux| mux.finish(self.channel));
    }

    pub(crate) fn reset(&mut self, code: u32) {
        self.connection.act(|mux| mux.reset(self.channel, code));
    }

    pub(crate) fn set_priority(&self, priority: u16) {
        self.connection.act(|mux| mux.set_priority(self.channel, priority));
    }

    pub(crate) async fn stopped(&mut self) -> Result<Option<u32>, WriteError> {
        let stopped =
            poll_fn(|cx| self.connection.poll(self.channel, Half::Send, cx, |mux| mux.stopped(self.channel)));
        Ok(stopped.await?)
    }
}

impl Drop for SendStream {
    fn drop(&mut self) {
        self.connection.release(self.channel, Half::Send);
    }
}

impl RecvStream {
    pub(super) fn new(connection: Handle, channel: u32) -> Self {
        Self { connection, channel }
    }

    pub(crate) async fn read(&mut self, max: usize) -> Result<Option<Bytes>, ReadError> {
        let read = poll_fn(|cx| {
            self.connection.poll(self.channel, Half::Recv, cx, |mux| mux.read(self.channel, max))
        });
        read.await?.map_err(ReadError::Reset)
    }

    pub(crate) fn stop(&mut self, code: u32) {
        self.connection.act(|mux| mux.stop(self.channel, code));
    }
}

impl Drop for RecvStream {
    fn drop(&mut self) {
        self.connection.release(self.channel, Half::Recv);
    }
}

impl From<Unwritable> for WriteError {
    fn from(unwritable: Unwritable) -> Self {
        match unwritable {
            Unwritable::Stopped(code) => Self::Stopped(code),
            Unwritable::Finished => Self::Finished,
        }
    }
}

//! One direction of a stream in memory: a window of bytes, and how it ended.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::{ReadError, WriteError};

/// Bytes that may wait to be read; writers wait beyond it.
pub(super) const WINDOW: usize = 64 * 1024;

#[derive(Debug, Default)]
pub(super) struct Pipe {
    state: Mutex<State>,
    pub(super) changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<Bytes>,
    buffered: usize,
    /// How the writer ended it.
    ended: Option<Ended>,
    /// The reader's wish to hear no more.
    stopped: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Finished,
    Reset(u32),
}

/// The methods that return an option have nothing to say yet at `None`: wait for [`Pipe::changed`] and call again.
impl Pipe {
    /// Takes as much as there is room for out of the chunks; `Some(Ok)` when nothing is left in them.
    pub(super) fn write(&self, chunks: &mut [Bytes]) -> Option<Result<(), WriteError>> {
        let mut state = self.lock();
        if state.ended.is_some() {
            return Some(Err(WriteError::Finished));
        }
        if let Some(code) = state.stopped {
            return Some(Err(WriteError::Stopped(code)));
        }
        let before = state.buffered;
        for chunk in chunks.iter_mut() {
            let fits = chunk.split_to(chunk.len().min(WINDOW - state.buffered));
            if !fits.is_empty() {
                state.buffered += fits.len();
                state.chunks.push_back(fits);
            }
        }
        // Not without progress: the writer itself waits for this, and would never come to rest.
        if state.buffered > before {
            self.changed.notify_waiters();
        }
        chunks.iter().all(Bytes::is_empty).then_some(Ok(()))
    }

    pub(super) fn read(&self, max: usize) -> Option<Result<Option<Bytes>, ReadError>> {
        let mut state = self.lock();
        if state.stopped.is_some() {
            return Some(Ok(None));
        }
        if let Some(chunk) = state.chunks.front_mut() {
            let read = chunk.split_to(chunk.len().min(max));
            if chunk.is_empty() {
                state.chunks.pop_front();
            }
            state.buffered -= read.len();
            self.changed.notify_waiters();
            return Some(Ok(Some(read)));
        }
        match state.ended? {
            Ended::Finished => Some(Ok(None)),
            Ended::Reset(code) => Some(Err(ReadError::Reset(code))),
        }
    }

    pub(super) fn finish(&self) {
        let mut state = self.lock();
        if state.stopped.is_none() {
            state.ended.get_or_insert(Ended::Finished);
            self.changed.notify_waiters();
        }
    }

    pub(super) fn reset(&self, code: u32) {
        let mut state = self.lock();
        let delivered = state.ended == Some(Ended::Finished) && state.chunks.is_empty();
        if !delivered && !matches!(state.ended, Some(Ended::Reset(_))) {
            state.ended = Some(Ended::Reset(code));
            state.discard();
            self.changed.notify_waiters();
        }
    }

    pub(super) fn stop(&self, code: u32) {
        let mut state = self.lock();
        state.stopped.get_or_insert(code);
        state.discard();
        self.changed.notify_waiters();
    }

    /// The code if the reader stopped it, nothing if the writer had ended it by then.
    pub(super) fn stopped(&self) -> Option<Option<u32>> {
        let state = self.lock();
        (state.ended.is_some() || state.stopped.is_some())
            .then(|| if state.ended.is_some() { None } else { state.stopped })
    }

    /// Whether the writer has finished or reset it.
    pub(super) fn is_ended(&self) -> bool {
        self.lock().ended.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn discard(&mut self) {
        self.chunks.clear();
        self.buffered = 0;
    }
}

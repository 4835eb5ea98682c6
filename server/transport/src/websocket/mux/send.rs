//! The half of a channel that this side writes.

use std::{collections::VecDeque, mem};

use bytes::Bytes;

use super::{INITIAL_WINDOW, Violation, message};

/// Bytes that wait here for their turn; writers wait beyond it. Few, for what waits here is not fresh any more.
pub(super) const QUEUE: usize = 64 * 1024;

/// The most that one message carries, so that a long frame does not hold up other channels for long.
const TURN: usize = 16 * 1024;

#[derive(Debug)]
pub(super) struct SendHalf {
    state: State,
    queue: VecDeque<Bytes>,
    queued: usize,
    /// What the peer lets us send now.
    window: u32,
    /// The peer's wish to hear no more.
    stopped: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// The end follows what is queued.
    Finishing,
    /// RESET is to be sent, and nothing else.
    Resetting(u32),
    /// FIN or RESET was sent.
    Ended,
}

/// Why a channel takes nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unwritable {
    Stopped(u32),
    Finished,
}

impl SendHalf {
    pub(super) fn new() -> Self {
        Self { state: State::Open, queue: VecDeque::new(), queued: 0, window: INITIAL_WINDOW, stopped: None }
    }

    /// Takes as much as there is room for out of the chunks; whether nothing is left in them.
    pub(super) fn write(&mut self, chunks: &mut [Bytes]) -> Result<bool, Unwritable> {
        if let Some(code) = self.stopped {
            return Err(Unwritable::Stopped(code));
        }
        if self.state != State::Open {
            return Err(Unwritable::Finished);
        }
        for chunk in chunks.iter_mut() {
            let fits = chunk.split_to(chunk.len().min(QUEUE - self.queued));
            if !fits.is_empty() {
                self.queued += fits.len();
                self.queue.push_back(fits);
            }
        }
        Ok(chunks.iter().all(Bytes::is_empty))
    }

    pub(super) fn finish(&mut self) {
        if self.state == State::Open {
            self.state = State::Finishing;
        }
    }

    pub(super) fn reset(&mut self, code: u32) {
        if matches!(self.state, State::Open | State::Finishing) {
            self.state = State::Resetting(code);
            self.queue = VecDeque::new();
            self.queued = 0;
        }
    }

    /// The code if the peer has stopped it, nothing if it was ended first; `None` while there is nothing to say.
    pub(super) fn stopped(&self) -> Option<Option<u32>> {
        (self.stopped.is_some() || self.has_ended()).then_some(self.stopped)
    }

    /// The peer wants no more: the half ends with its code (as RFC 9000, 3.5 has it). Whether that is news.
    pub(super) fn peer_stops(&mut self, code: u32) -> bool {
        let news = matches!(self.state, State::Open | State::Finishing);
        if news {
            self.stopped = Some(code);
            self.reset(code);
        }
        news
    }

    pub(super) fn peer_grants(&mut self, more: u32) -> Result<(), Violation> {
        self.window = self.window.checked_add(more).ok_or(Violation::WindowOverflow)?;
        Ok(())
    }

    /// Whether this side has neither finished nor reset it.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Whether FIN or RESET was sent.
    pub(super) fn has_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Whether writers that wait should try again.
    pub(super) fn has_room(&self) -> bool {
        self.queued <= QUEUE / 2
    }

    pub(super) fn wants_reset(&self) -> bool {
        matches!(self.state, State::Resetting(_))
    }

    pub(super) fn wants_data(&self) -> bool {
        match self.state {
            State::Open => self.queued > 0 && self.window > 0,
            State::Finishing => self.queued == 0 || self.window > 0,
            State::Resetting(_) | State::Ended => false,
        }
    }

    pub(super) fn next_reset(&mut self, channel: u32) -> Option<Bytes> {
        let State::Resetting(code) = self.state else { return None };
        self.state = State::Ended;
        Some(message::reset(channel, code))
    }

    pub(super) fn next_data(&mut self, channel: u32) -> Option<Bytes> {
        if !self.wants_data() {
            return None;
        }
        let body = self.take(TURN.min(self.window as usize));
        Some(if self.state == State::Finishing && self.queued == 0 {
            self.state = State::Ended;
            message::fin(channel, body)
        } else {
            message::data(channel, body)
        })
    }

    /// Up to `most` bytes off the queue and the window.
    fn take(&mut self, most: usize) -> Vec<Bytes> {
        let mut room = most;
        let mut taken = Vec::new();
        while room > 0
            && let Some(first) = self.queue.front_mut()
        {
            let piece = if first.len() <= room { mem::take(first) } else { first.split_to(room) };
            if first.is_empty() {
                self.queue.pop_front();
            }
            room -= piece.len();
            taken.push(piece);
        }
        if self.queue.is_empty() {
            // Idle channels hold nothing.
            self.queue = VecDeque::new();
        }
        let bytes = most - room;
        self.queued -= bytes;
        self.window -= u32::try_from(bytes).expect("at most a turn");
        taken
    }

    #[cfg(test)]
    pub(super) fn queued(&self) -> usize {
        self.queue.iter().map(Bytes::len).sum()
    }
}

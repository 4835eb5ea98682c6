//! The half of a channel that this side reads.

use bytes::{Bytes, BytesMut};

use super::{INITIAL_WINDOW, Violation, message};

#[derive(Debug)]
pub(super) struct RecvHalf {
    state: State,
    /// Arrived and not read. Copied, for a slice would keep the whole of what the socket was read into.
    buffer: BytesMut,
    /// What the peer may still send.
    allowed: u32,
    /// What it may be granted: read by the application, or never granted yet.
    grantable: u32,
    /// The window that the application wants.
    window: u32,
    stop: Stop,
    /// The application has been told of the end.
    told: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Finished,
    Reset(u32),
}

/// This side's wish to hear no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    No,
    /// STOP is to be sent.
    Wanted(u32),
    Said,
}

impl RecvHalf {
    pub(super) fn new(window: u32) -> Self {
        Self {
            state: State::Open,
            buffer: BytesMut::new(),
            allowed: INITIAL_WINDOW,
            grantable: window.saturating_sub(INITIAL_WINDOW),
            window,
            stop: Stop::No,
            told: false,
        }
    }

    /// The next bytes, the end, or the code of a reset; `None` while there is nothing.
    pub(super) fn read(&mut self, max: usize) -> Option<Result<Option<Bytes>, u32>> {
        if self.stop != Stop::No {
            return Some(Ok(None));
        }
        if !self.buffer.is_empty() {
            let read = self.buffer.split_to(self.buffer.len().min(max)).freeze();
            self.grantable += u32::try_from(read.len()).expect("no more than the window");
            if self.buffer.is_empty() {
                // Idle channels hold nothing.
                self.buffer = BytesMut::new();
            }
            return Some(Ok(Some(read)));
        }
        let end = match self.state {
            State::Open => return None,
            State::Finished => Ok(None),
            State::Reset(code) => Err(code),
        };
        self.told = true;
        Some(end)
    }

    pub(super) fn stop(&mut self, code: u32) {
        if self.stop == Stop::No && !self.told {
            self.buffer = BytesMut::new();
            self.stop = if self.state == State::Open { Stop::Wanted(code) } else { Stop::Said };
        }
    }

    pub(super) fn peer_sends(&mut self, data: &[u8]) -> Result<(), Violation> {
        if self.state != State::Open {
            return Err(Violation::AfterEnd);
        }
        let length = u32::try_from(data.len()).map_err(|_| Violation::Overrun)?;
        self.allowed = self.allowed.checked_sub(length).ok_or(Violation::Overrun)?;
        if self.stop == Stop::No {
            self.buffer.extend_from_slice(data);
        }
        Ok(())
    }

    pub(super) fn peer_finishes(&mut self) {
        self.state = State::Finished;
    }

    pub(super) fn peer_resets(&mut self, code: u32) {
        // A reset after FIN changes nothing.
        if self.state == State::Open {
            self.state = State::Reset(code);
            self.buffer = BytesMut::new();
        }
    }

    /// Whether the peer has ended it, and the application knows or does not care.
    pub(super) fn is_over(&self) -> bool {
        self.state != State::Open && (self.told || self.stop != Stop::No)
    }

    pub(super) fn wants_stop(&self) -> bool {
        self.state == State::Open && matches!(self.stop, Stop::Wanted(_))
    }

    /// Room is announced half a window at a time: few messages, and never a peer that waits for ever.
    pub(super) fn wants_window(&self) -> bool {
        self.state == State::Open && self.stop == Stop::No && self.grantable >= self.window / 2
    }

    pub(super) fn next_stop(&mut self, channel: u32) -> Option<Bytes> {
        let Stop::Wanted(code) = self.stop else { return None };
        if self.state != State::Open {
            return None;
        }
        self.stop = Stop::Said;
        Some(message::stop(channel, code))
    }

    pub(super) fn next_window(&mut self, channel: u32) -> Option<Bytes> {
        if !self.wants_window() {
            return None;
        }
        let more = std::mem::take(&mut self.grantable);
        self.allowed += more;
        Some(message::window(channel, more))
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.buffer.len()
    }
}

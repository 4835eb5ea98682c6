//! What the application does to a session as a whole.

use super::{At, Session};
use crate::channel::downlink::Full;
use bytes::Bytes;
use dunlin_proto::frame::Refusal;

impl Session {
    /// Sends a frame down each channel. Those that have room get it even if others have none.
    pub(crate) fn push(&self, frame: &Bytes) -> Result<(), Full> {
        let state = self.state();
        let alive = state.channels.values().filter(|seat| !seat.mailbox.is_closed());
        alive.map(|seat| seat.downlink.offer(frame.clone())).fold(Ok(()), Result::and)
    }

    /// Ends the session: nobody can resume it, its channels end, and its connection is closed with the code. The connection's
    /// task, or the next sweep, takes it out of the registry.
    pub(crate) fn finish(&self, why: &Refusal) {
        let mut state = self.state();
        state.is_over = true;
        state.channels.clear();
        if let At::Here(carrier) = &state.at {
            carrier.close(why.code, &why.message);
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.state().is_over
    }
}

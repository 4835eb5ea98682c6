//! What the application does to a session as a whole.

use super::{At, Session, latest::Follower};
use crate::{auth::Pass, channel::downlink::Full};
use bytes::Bytes;
use dunlin_proto::{Topic, frame::Refusal};

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

    /// Sends a frame down the channel of a topic, or of each. `None` if the topic is not joined.
    pub(crate) fn tell(&self, topic: Option<&Topic>, frame: &Bytes) -> Option<Result<(), Full>> {
        let Some(topic) = topic else { return Some(self.push(frame)) };
        let state = self.state();
        let seat = state.channels.get(topic).filter(|seat| !seat.mailbox.is_closed())?;
        Some(seat.downlink.offer(frame.clone()))
    }

    /// Ends the membership in a topic, for this reason. `false` if there is none.
    pub(crate) fn evict(&self, topic: &Topic, why: Refusal) -> bool {
        let Some(seat) = self.state().channels.remove(topic) else { return false };
        // Without its seat the membership ends, and finds this.
        seat.downlink.evict(why);
        !seat.mailbox.is_closed()
    }

    /// The topics that it has joined, by name.
    pub(crate) fn topics(&self) -> Vec<Topic> {
        let state = self.state();
        let alive = state.channels.iter().filter(|(_, seat)| !seat.mailbox.is_closed());
        let mut topics: Vec<_> = alive.map(|(topic, _)| topic.clone()).collect();
        topics.sort();
        topics
    }

    /// Says when there is another pass.
    pub(crate) fn passes(&self) -> Follower<Pass> {
        self.pass.follow()
    }

    /// The backend has another token for the session.
    pub(crate) fn renew(&self, pass: Pass) {
        self.pass.replace(pass);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.state().is_over
    }
}

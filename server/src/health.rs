//! Whether the server takes sessions.

use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

/// What health checks are told. It only gets worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum State {
    /// All is well.
    Serving,
    /// The server is shutting down.
    Draining,
    /// A worker has ended by itself.
    Failed,
}

/// The state, as everybody sees it.
#[derive(Debug, Default)]
pub(crate) struct Health(AtomicU8);

impl Health {
    pub(crate) fn state(&self) -> State {
        let state = self.0.load(Relaxed);
        [State::Draining, State::Failed]
            .into_iter()
            .find(|known| *known as u8 == state)
            .unwrap_or(State::Serving)
    }

    pub(crate) fn worsen(&self, state: State) {
        self.0.fetch_max(state as u8, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_only_gets_worse() {
        let health = Health::default();
        assert_eq!(health.state(), State::Serving);
        health.worsen(State::Draining);
        assert_eq!(health.state(), State::Draining);
        health.worsen(State::Failed);
        health.worsen(State::Draining);
        assert_eq!(health.state(), State::Failed);
    }
}

//! The connection's states, as far as a user wants to know.

use std::mem;

use dunlin_client::{Client, State, Transport};
use tokio::sync::watch;

use crate::say;

/// The states of a client's connection, one after another: each is of another kind than the one before, or the
/// connection has another transport. (An attempt more to connect is none.)
#[derive(Debug)]
pub(crate) struct States {
    source: watch::Receiver<State>,
    last: Option<(mem::Discriminant<State>, Option<Transport>)>,
}

impl States {
    /// The states from now on, the one of now first.
    pub(crate) fn of(client: &Client) -> Self {
        Self::new(client.state())
    }

    fn new(mut source: watch::Receiver<State>) -> Self {
        source.mark_changed();
        Self { source, last: None }
    }

    /// The next state; waits for ever once the client is gone. Safe to cancel.
    pub(crate) async fn next(&mut self) -> State {
        while self.source.changed().await.is_ok() {
            let state = self.source.borrow_and_update().clone();
            let kind = (mem::discriminant(&state), transport(&state));
            if self.last.replace(kind) != Some(kind) {
                return state;
            }
        }
        std::future::pending().await
    }
}

/// What carries the connection, if there is one.
pub(crate) fn transport(state: &State) -> Option<Transport> {
    match state {
        State::Online { transport, .. } => Some(*transport),
        _ => None,
    }
}

/// Trouble in words, if the state is one.
pub(crate) fn trouble(state: &State) -> Option<&'static str> {
    match state {
        State::Recovering { .. } => Some("connection lost, connecting again"),
        State::Offline { .. } => Some("still no connection, trying on"),
        _ => None,
    }
}

/// Resolves when the client has been without a server for so long that it calls itself offline. Until then, the
/// user is told how it goes.
pub(crate) async fn offline(client: &Client) {
    let mut states = States::of(client);
    let mut was_lost = false;
    loop {
        let state = states.next().await;
        match &state {
            State::Offline { .. } => return,
            State::Online { .. } if was_lost => say::remark("connected again"),
            _ => {}
        }
        was_lost = matches!(state, State::Recovering { .. });
        if let Some(trouble) = trouble(&state) {
            say::remark(trouble);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn another_transport_is_news() {
        let (state, source) = watch::channel(State::Connecting);
        let mut states = States::new(source);
        for transport in [Transport::WebSocket, Transport::Quic] {
            let online = State::Online { session: "s".into(), resumed: true, transport };
            state.send_replace(online.clone());
            assert_eq!(states.next().await, online);
        }
    }

    #[tokio::test]
    async fn only_a_state_of_another_kind_is_news() {
        let since = Instant::now();
        let (state, source) = watch::channel(State::Connecting);
        let mut states = States::new(source);
        assert_eq!(states.next().await, State::Connecting);
        for attempt in 0..3 {
            state.send_replace(State::Recovering { attempt, since });
            if attempt == 0 {
                assert!(matches!(states.next().await, State::Recovering { .. }));
            }
        }
        let news = states.next();
        tokio::pin!(news);
        let waits =
            std::future::poll_fn(|cx| std::task::Poll::Ready(news.as_mut().poll(cx).is_pending())).await;
        assert!(waits);
        state.send_replace(State::Offline { since });
        assert_eq!(news.await, State::Offline { since });
    }
}

//! The network under a client: word of changes, and the route to the server.

use std::net::SocketAddr;

use tokio::{select, sync::watch, time::sleep};

use crate::{continuity::POLL, local_route::LocalRoute, watch::Watch};

/// What the host of the library has said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hint {
    /// Whether there is a network, as far as the host knows.
    pub(crate) online: bool,
}

/// Hears of changes from the system and from the host.
#[derive(Debug)]
pub(crate) struct Network {
    watch: Watch,
    hints: watch::Receiver<Hint>,
}

/// Who tells of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// The system: something is different, perhaps not for us.
    System,
    /// The host, who means what it says.
    Host,
}

impl Network {
    pub(crate) fn new(hints: watch::Receiver<Hint>) -> Self {
        Self { watch: Watch::start(), hints }
    }

    /// Waits for word of a change. Cancel-safe.
    pub(crate) async fn changed(&mut self) -> Word {
        select! {
            () = self.watch.changed() => Word::System,
            Ok(()) = self.hints.changed() => Word::Host,
        }
    }

    /// The route by which these addresses of the server would be reached now; `None` if by none.
    pub(crate) fn route(&self, server: &[SocketAddr]) -> Option<LocalRoute> {
        if self.hints.borrow().online { LocalRoute::to(server) } else { None }
    }

    /// Waits until there is a route to one of these addresses. Cancel-safe.
    pub(crate) async fn available(&mut self, server: &[SocketAddr]) {
        // Without addresses their name has to be looked up first, which shows whether there is a network.
        while !server.is_empty() && self.route(server).is_none() {
            select! {
                _ = self.changed() => {}
                () = sleep(POLL) => {}
            }
        }
    }

    /// Waits until the route is another one, or the host says so. Cancel-safe.
    pub(crate) async fn moved(&mut self, server: &[SocketAddr]) {
        let route = self.route(server);
        while self.changed().await == Word::System && self.route(server) == route {}
    }
}

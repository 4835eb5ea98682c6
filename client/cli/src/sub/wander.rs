//! Moving from socket to socket on purpose, to see what a change of networks costs.

use std::time::Duration;

use dunlin_client::{Change, Client};
use tokio::time::{Instant, sleep_until};

use crate::text::span;

/// Moves the client again and again, and sums up how it went.
#[derive(Debug)]
pub(crate) struct Wander {
    client: Client,
    every: Duration,
    next: Instant,
    hops: u32,
    longest: Duration,
    /// Events that nobody will get any more; `None` once they cannot be counted.
    lost: Option<u64>,
}

impl Wander {
    pub(crate) fn new(client: Client, every: Duration) -> Self {
        let next = Instant::now() + every;
        Self { client, every, next, hops: 0, longest: Duration::ZERO, lost: Some(0) }
    }

    /// Waits for the time of the next move, and begins it. Cancel-safe.
    pub(crate) async fn hop(&mut self) {
        sleep_until(self.next).await;
        self.next += self.every;
        self.client.network_changed(true);
    }

    /// Takes a move down that is over.
    pub(crate) fn note(&mut self, change: &Change) {
        self.hops += 1;
        self.longest = self.longest.max(change.gap);
        self.lost = self.lost.zip(change.lost).map(|(sum, more)| sum + more);
    }

    /// All of them in one line.
    pub(crate) fn summary(&self) -> String {
        let lost =
            self.lost.map_or_else(|| "lost more than can be counted".into(), |lost| format!("lost {lost}"));
        let hops = if self.hops == 1 { "1 hop".into() } else { format!("{} hops", self.hops) };
        format!("{hops}, longest gap {}, {lost}", span(self.longest))
    }
}

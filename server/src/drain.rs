//! Draining: clients are asked to leave over some time, then they are cut off.

use std::time::Duration;
use tokio::sync::watch;

/// Tells every connection when the drain begins.
pub(crate) struct Drain(watch::Sender<Option<Duration>>);

/// One connection's ear for the drain.
pub(crate) struct Listener(Option<watch::Receiver<Option<Duration>>>);

impl Drain {
    pub(crate) fn new() -> Self {
        Self(watch::channel(None).0)
    }

    /// Asks every client to leave at a random moment within this time.
    pub(crate) fn begin(&self, within: Duration) {
        self.0.send_replace(Some(within));
    }

    pub(crate) fn subscribe(&self) -> Listener {
        Listener(Some(self.0.subscribe()))
    }
}

impl Listener {
    /// Returns once, when the drain begins: how long it lasts, in milliseconds. Cancel-safe.
    pub(crate) async fn begun(&mut self) -> u64 {
        let Some(receiver) = &mut self.0 else { return std::future::pending().await };
        let within = receiver.wait_for(Option::is_some).await.ok().and_then(|within| *within);
        self.0 = None;
        match within {
            Some(within) => u64::try_from(within.as_millis()).unwrap_or(u64::MAX),
            None => std::future::pending().await,
        }
    }
}

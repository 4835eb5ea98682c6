//! When something was heard on a connection last, and whether something was written: what its tasks tell each other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

/// Shared by the tasks of one connection: its channels and the one that watches over it.
#[derive(Debug, Clone)]
pub(crate) struct Pulse(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    start: Instant,
    /// Of the last sign of life, in microseconds since the start.
    heard: AtomicU64,
    /// The longest silence since it was asked for, in microseconds.
    longest: AtomicU64,
    wrote: AtomicBool,
    bell: Notify,
}

impl Pulse {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            start: Instant::now(),
            heard: AtomicU64::new(0),
            longest: AtomicU64::new(0),
            wrote: AtomicBool::new(false),
            bell: Notify::new(),
        }))
    }

    /// Something has come from the server.
    pub(crate) fn beat(&self) {
        let now = self.now();
        let before = self.0.heard.swap(now, Ordering::Relaxed);
        self.0.longest.fetch_max(now.saturating_sub(before), Ordering::Relaxed);
        self.0.bell.notify_one();
    }

    /// Something was written that the server will acknowledge.
    pub(crate) fn wrote(&self) {
        self.0.wrote.store(true, Ordering::Relaxed);
        self.0.bell.notify_one();
    }

    /// Whether something was written since the last call.
    pub(crate) fn take_wrote(&self) -> bool {
        self.0.wrote.swap(false, Ordering::Relaxed)
    }

    /// Waits for either. Cancel-safe.
    pub(crate) async fn felt(&self) {
        self.0.bell.notified().await;
    }

    /// When something came last.
    pub(crate) fn heard(&self) -> Instant {
        self.0.start + Duration::from_micros(self.0.heard.load(Ordering::Relaxed))
    }

    /// From now on the longest silence is a new one.
    pub(crate) fn measure(&self) {
        self.0.longest.store(0, Ordering::Relaxed);
    }

    /// The longest time from one sign to the next since [`Pulse::measure`].
    pub(crate) fn longest(&self) -> Duration {
        Duration::from_micros(self.0.longest.load(Ordering::Relaxed))
    }

    fn now(&self) -> u64 {
        u64::try_from(self.0.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_longest_silence_is_measured_from_the_last_sign_before() {
        let pulse = Pulse::new();
        for (pass, longest) in [(5, 5), (30, 30), (10, 30)] {
            tokio::time::advance(Duration::from_millis(pass)).await;
            pulse.beat();
            assert_eq!(pulse.longest(), Duration::from_millis(longest));
        }
        tokio::time::advance(Duration::from_millis(7)).await;
        pulse.measure();
        tokio::time::advance(Duration::from_millis(7)).await;
        pulse.beat();
        assert_eq!(pulse.longest(), Duration::from_millis(14));
        assert_eq!(pulse.heard(), Instant::now());
    }
}

//! The requests under way on one connection, and how long there have been none.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

/// Counts requests from their head to the end of their answer; clones count together.
#[derive(Clone, Debug)]
pub(super) struct Requests(Arc<watch::Sender<usize>>);

/// One request under way, until dropped.
#[derive(Debug)]
pub(super) struct UnderWay(Requests);

impl Requests {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    pub(super) fn begin(&self) -> UnderWay {
        self.0.send_modify(|under_way| *under_way += 1);
        UnderWay(self.clone())
    }

    /// Waits until there was no request for a time: `first` until one has come at all, `then` after each.
    pub(super) async fn idle(&self, first: Duration, then: Duration) {
        let mut changes = self.0.subscribe();
        if timeout(first, changes.changed()).await.is_err() {
            return;
        }
        loop {
            let none = changes.wait_for(|under_way| *under_way == 0).await.is_ok();
            debug_assert!(none, "the sender is in `self`");
            tokio::select! {
                () = sleep(then) => return,
                _ = changes.changed() => {}
            }
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.send_modify(|under_way| *under_way -= 1);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const FIRST: Duration = Duration::from_secs(10);
    const THEN: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn the_first_request_is_waited_for_and_then_the_next() {
        let (requests, start) = (Requests::new(), Instant::now());
        requests.idle(FIRST, THEN).await;
        assert_eq!(start.elapsed(), FIRST);

        let (requests, start) = (Requests::new(), Instant::now());
        let one = async {
            let _request = requests.begin();
            sleep(Duration::from_secs(100)).await;
        };
        tokio::join!(requests.idle(FIRST, THEN), one);
        assert_eq!(start.elapsed(), Duration::from_secs(130));
    }
}

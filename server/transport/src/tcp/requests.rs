//! The requests under way on one connection, and how long there have been none.

use std::{sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};

/// Counts requests from their head to the end of their answer; clones count together.
#[derive(Clone, Debug)]
pub(super) struct Requests(Arc<watch::Sender<Count>>);

#[derive(Debug, Default)]
struct Count {
    /// All of them.
    under_way: usize,
    /// Those that last as long as they like.
    sockets: usize,
}

/// One request under way, until dropped.
#[derive(Debug)]
pub(super) struct UnderWay(Requests);

/// A WebSocket that came of a request, until dropped.
#[derive(Debug)]
pub(super) struct Socket(Requests);

/// How long a connection may be without what it is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// The first request.
    pub(super) first: Duration,
    /// A request, after others.
    pub(super) next: Duration,
    /// Any progress: a request that begins or ends. A client that does not read its answers makes none.
    pub(super) stalled: Duration,
}

impl Requests {
    pub(super) fn new() -> Self {
        Self(Arc::default())
    }

    pub(super) fn begin(&self) -> UnderWay {
        self.0.send_modify(|count| count.under_way += 1);
        UnderWay(self.clone())
    }

    pub(super) fn begin_socket(&self) -> Socket {
        self.0.send_modify(|count| {
            count.under_way += 1;
            count.sockets += 1;
        });
        Socket(self.clone())
    }

    /// Waits until patience has run out. Requests count from this call on, for one may come before the wait begins.
    pub(super) fn idle(&self, patience: Patience) -> impl Future<Output = ()> + use<> {
        let mut changes = self.0.subscribe();
        async move {
            let mut wait = Some(patience.first);
            loop {
                let change = match wait {
                    Some(wait) => timeout(wait, changes.changed()).await,
                    None => Ok(changes.changed().await),
                };
                // Patience has run out, or nobody is left to ask.
                let Ok(Ok(())) = change else { return };
                wait = match *changes.borrow_and_update() {
                    Count { under_way: 0, .. } => Some(patience.next),
                    Count { sockets: 0, .. } => Some(patience.stalled),
                    Count { .. } => None,
                };
            }
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| count.under_way -= 1);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| {
            count.under_way -= 1;
            count.sockets -= 1;
        });
    }
}

#[cfg(test)]
mod tests {
    use std::future;

    use tokio::time::{Instant, sleep};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const PATIENCE: Patience = Patience {
        first: SECOND.saturating_mul(10),
        next: SECOND.saturating_mul(30),
        stalled: SECOND.saturating_mul(60),
    };

    #[tokio::test(start_paused = true)]
    async fn the_first_request_is_waited_for_and_then_the_next() {
        let (requests, start) = (Requests::new(), Instant::now());
        requests.idle(PATIENCE).await;
        assert_eq!(start.elapsed(), 10 * SECOND);

        let (requests, start) = (Requests::new(), Instant::now());
        let one = async {
            let _request = requests.begin();
            sleep(50 * SECOND).await;
        };
        tokio::join!(requests.idle(PATIENCE), one);
        assert_eq!(start.elapsed(), 80 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_counts_that_is_over_before_the_wait_begins() {
        let (requests, start) = (Requests::new(), Instant::now());
        let idle = requests.idle(PATIENCE);
        drop(requests.begin());
        idle.await;
        assert_eq!(start.elapsed(), 30 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_are_not_read_are_waited_for_within_reason() {
        let (requests, start) = (Requests::new(), Instant::now());
        let several = async {
            let _stalled = requests.begin();
            sleep(40 * SECOND).await;
            drop(requests.begin());
            future::pending::<()>().await;
        };
        tokio::select! {
            () = requests.idle(PATIENCE) => {}
            () = several => {}
        }
        assert_eq!(start.elapsed(), 100 * SECOND);
    }

    #[tokio::test(start_paused = true)]
    async fn a_websocket_lasts() {
        let (requests, start) = (Requests::new(), Instant::now());
        let socket = async {
            let _socket = requests.begin_socket();
            drop(requests.begin());
            sleep(1000 * SECOND).await;
        };
        tokio::join!(requests.idle(PATIENCE), socket);
        assert_eq!(start.elapsed(), 1030 * SECOND);
    }
}

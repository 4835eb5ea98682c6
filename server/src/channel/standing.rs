//! Whether a member counts as away. Pure but for the wait.

use std::time::Duration;
use tokio::time::Instant;

/// A member's standing: away once its client was paused or gone for so long, so that nobody flickers who is back in time.
#[derive(Debug)]
pub(crate) struct Standing {
    /// `None` if nobody is ever away.
    after: Option<Duration>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Present,
    /// Not there, and away from this time on.
    Missing(Instant),
    Away,
}

impl Standing {
    pub(crate) fn new(after: Option<Duration>) -> Self {
        Self { after, state: State::Present }
    }

    /// The client is there: whether it was away.
    pub(crate) fn is_back(&mut self) -> bool {
        std::mem::replace(&mut self.state, State::Present) == State::Away
    }

    /// The client is not there.
    pub(crate) fn is_missing(&mut self, now: Instant) {
        if let (State::Present, Some(after)) = (self.state, self.after) {
            self.state = State::Missing(now + after);
        }
    }

    /// Waits until the client counts as away. Returns once; cancel-safe.
    pub(crate) async fn away(&mut self) {
        match self.state {
            // In a box: few members are missing.
            State::Missing(due) => Box::pin(tokio::time::sleep_until(due)).await,
            State::Present | State::Away => std::future::pending().await,
        }
        self.state = State::Away;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn who_is_back_in_time_was_never_away() {
        let mut standing = Standing::new(Some(10 * SECOND));
        standing.is_missing(Instant::now());
        timeout(9 * SECOND, standing.away()).await.unwrap_err();
        assert!(!standing.is_back());
        timeout(9 * SECOND, standing.away()).await.unwrap_err();
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_missing_for_long_is_away_until_back() {
        let mut standing = Standing::new(Some(10 * SECOND));
        standing.is_missing(Instant::now());
        tokio::time::advance(5 * SECOND).await;
        // Paused first, then gone: it counts from the first.
        standing.is_missing(Instant::now());
        timeout(6 * SECOND, standing.away()).await.unwrap();
        timeout(SECOND, standing.away()).await.unwrap_err();
        assert_eq!((standing.is_back(), standing.is_back()), (true, false));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_time_nobody_is_away() {
        let mut standing = Standing::new(None);
        standing.is_missing(Instant::now());
        timeout(1000 * SECOND, standing.away()).await.unwrap_err();
    }
}

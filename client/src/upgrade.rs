//! The way back to QUIC, while WebSocket carries the session.

use std::time::Duration;

use rand::Rng;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    address::Address,
    attempt, backoff,
    candidate::Candidate,
    dial::Dial,
    ending::Ending,
    local_route,
    networks::Quic,
    reach::{Target, reach},
    route::Way,
};

/// How long one attempt may take. Nobody waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest pause, as a multiple of the first one: half an hour after a minute.
const MOST: u32 = 30;

/// When QUIC is tried again: after a pause that doubles each time, and some jitter so that clients whose network was
/// mended do not come together.
#[derive(Debug)]
pub(crate) struct Pauses {
    first: Duration,
    failures: u32,
}

impl Pauses {
    pub(crate) fn new(first: Duration) -> Self {
        Self { first, failures: 0 }
    }

    /// The pause before the next attempt.
    pub(crate) fn next(&mut self, rng: &mut impl Rng) -> Duration {
        let doubled = 1_u32.checked_shl(self.failures).unwrap_or(MOST).min(MOST);
        self.failures = self.failures.saturating_add(1);
        let pause = self.first.saturating_mul(doubled);
        pause.saturating_add(backoff::up_to(pause / 4, rng))
    }

    /// QUIC works: the next time begins with the shortest pause.
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// The connection that a client would rather have.
#[derive(Debug, Clone)]
pub(crate) struct Upgrade {
    pub(crate) dial: Dial,
    pub(crate) to: Address,
    pub(crate) way: Way,
}

impl Upgrade {
    /// Tries once, after a pause: up to the server's answer, without a word about the session. With it comes when
    /// dialling began.
    pub(crate) async fn attempt(self, pause: Duration) -> Option<(Candidate, Instant)> {
        sleep(pause).await;
        let start = Instant::now();
        match timeout(PATIENCE, self.reach()).await.unwrap_or_else(|_| Err(Ending::silence())) {
            Ok(candidate) => Some((candidate, start)),
            Err(ending) => {
                tracing::debug!("{} is still not to be had: {}", self.way, ending.problem());
                None
            }
        }
    }

    async fn reach(&self) -> Result<Candidate, Ending> {
        let Self { dial, to, way } = self;
        let addresses = dial.resolve(to, false).await?;
        let target = Target { dial, to, addresses: &addresses, detours: false };
        let candidate = reach(target, *way, None).await?;
        attempt::remember(dial, local_route::network(&addresses), Some(Quic::Works));
        Ok(candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng as _, rngs::StdRng};

    #[test]
    fn pauses_double_up_to_thirty_times_the_first_with_jitter_on_top() {
        let mut rng = StdRng::seed_from_u64(1);
        let minute = Duration::from_secs(60);
        let mut pauses = Pauses::new(minute);
        for times in [1, 2, 4, 8, 16, 30, 30, 30] {
            let pause = pauses.next(&mut rng);
            assert!((minute * times..=minute * times * 5 / 4).contains(&pause), "{times} {pause:?}");
        }
        for _ in 0..100 {
            pauses.next(&mut rng);
        }
        assert!(pauses.next(&mut rng) <= minute * 30 * 5 / 4);
        pauses.reset();
        assert!(pauses.next(&mut rng) <= minute * 5 / 4);
    }
}

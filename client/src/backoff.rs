//! How long to wait before the next attempt.

use std::time::Duration;

use dunlin_proto::code::Retry;
use rand::{Rng, RngExt as _};

/// Full jitter: a random time between nothing and a window that doubles with each failure in a row.
///
/// Clients that lost the same server then come back spread over the window and not in step (see the AWS
/// Architecture Blog, "Exponential Backoff And Jitter"). A server's advice to wait is a lower bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The window after the first failure; 200 ms unless set.
    pub base: Duration,
    /// The window never grows beyond this; 20 s unless set.
    pub cap: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { base: Duration::from_millis(200), cap: Duration::from_secs(20) }
    }
}

impl Backoff {
    /// The time until the next attempt after `failures` failures in a row, or `None` if none should follow.
    ///
    /// A retry with a new token counts as none: whoever has one knows better.
    pub fn delay(&self, failures: u32, advice: Retry, rng: &mut impl Rng) -> Option<Duration> {
        let doublings = failures.saturating_sub(1).min(31);
        let window = self.base.saturating_mul(1 << doublings).min(self.cap);
        match advice {
            Retry::Never | Retry::NewToken => None,
            Retry::Now => Some(up_to(window, rng)),
            // Everybody who was told the same time would come back together, so the jitter is as wide as it.
            Retry::After(at_least) => Some(at_least.saturating_add(up_to(window.max(at_least), rng))),
        }
    }
}

/// A uniformly random time from nothing to `window`, both included.
pub(crate) fn up_to(window: Duration, rng: &mut impl Rng) -> Duration {
    window.mul_f64(rng.random_range(0.0..=1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng as _, rngs::StdRng};

    fn delays(failures: u32, advice: Retry) -> Vec<Duration> {
        let mut rng = StdRng::seed_from_u64(1);
        (0..1000).map(|_| Backoff::default().delay(failures, advice, &mut rng).unwrap()).collect()
    }

    #[test]
    fn the_whole_window_is_used_and_it_doubles_up_to_the_cap() {
        for (failures, window) in [(0, 200), (1, 200), (2, 400), (5, 3200), (8, 20_000), (1000, 20_000)] {
            let window = Duration::from_millis(window);
            let delays = delays(failures, Retry::Now);
            assert!(delays.iter().all(|delay| *delay <= window));
            assert!(delays.iter().any(|delay| *delay < window / 10));
            assert!(delays.iter().any(|delay| *delay > window * 9 / 10));
        }
    }

    #[test]
    fn advice_to_wait_is_a_lower_bound_with_jitter_of_its_own_size() {
        let advice = Duration::from_secs(5);
        let delays = delays(1, Retry::After(advice));
        assert!(delays.iter().all(|delay| (advice..=2 * advice).contains(delay)));
        assert!(delays.iter().any(|delay| *delay > advice * 19 / 10));
    }

    #[test]
    fn some_answers_are_final() {
        let mut rng = StdRng::seed_from_u64(1);
        for advice in [Retry::Never, Retry::NewToken] {
            assert_eq!(Backoff::default().delay(1, advice, &mut rng), None);
        }
    }
}

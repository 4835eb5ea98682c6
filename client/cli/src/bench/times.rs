//! A histogram of times, and what is told of it.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Longest time that is told apart, in nanoseconds: ten minutes. What takes longer counts as that.
const LONGEST: u64 = 600_000_000_000;

/// Times with three significant digits.
#[derive(Debug, Clone)]
pub(super) struct Times(Histogram<u64>);

/// Quantiles in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Quantiles {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
    pub(super) p999: f64,
    pub(super) max: f64,
}

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST, 3).expect("legal bounds"))
    }
}

impl Times {
    pub(super) fn add(&mut self, time: Duration) {
        self.add_nanos(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn add_nanos(&mut self, nanos: u64) {
        self.0.record(nanos.clamp(1, LONGEST)).expect("within the bounds");
    }

    /// `None` if there are no times.
    pub(super) fn quantiles(&self) -> Option<Quantiles> {
        let at = |quantile| self.0.value_at_quantile(quantile) as f64 / 1e3;
        (!self.0.is_empty()).then(|| Quantiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: self.0.max() as f64 / 1e3,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_in_microseconds_within_a_thousandth() {
        let mut times = Times::default();
        assert_eq!(times.quantiles(), None);
        for ms in 1..=1000 {
            times.add(Duration::from_millis(ms));
        }
        let found = times.quantiles().unwrap();
        for (value, expected) in [(found.p50, 500e3), (found.p99, 990e3), (found.max, 1000e3)] {
            assert!((value / expected - 1.0).abs() < 2e-3, "{found:?}");
        }
    }

    #[test]
    fn what_takes_too_long_counts_as_the_longest() {
        let mut times = Times::default();
        times.add(Duration::MAX);
        assert!(times.quantiles().unwrap().max >= LONGEST as f64 / 1e3);
    }
}

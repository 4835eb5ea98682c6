//! When things are due in an open loop: at a fixed rate, whether or not the server keeps up.

use std::time::Duration;

/// Moments at a fixed rate, counted from the schedule's beginning.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    per_second: f64,
}

impl Schedule {
    /// So many a second; more than none.
    pub(super) fn new(per_second: f64) -> Self {
        Self { per_second }
    }

    /// When number `n` is due. Computed anew each time, so that no rounding adds up.
    pub(super) fn due(self, n: u64) -> Duration {
        Duration::from_secs_f64(n as f64 / self.per_second)
    }
}

/// Reads a rate: more than none, and not more than a clock can tell.
pub(super) fn parse_rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.001..=1e7).contains(&rate) { Ok(rate) } else { Err("must be from 0.001 to 10000000".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_that_divide_badly_do_not_drift() {
        let schedule = Schedule::new(3.0);
        assert_eq!(schedule.due(0), Duration::ZERO);
        assert_eq!(schedule.due(3_000_000), Duration::from_secs(1_000_000));
    }

    #[test]
    fn only_rates_that_can_be_kept_are_read() {
        assert_eq!(parse_rate("0.5"), Ok(0.5));
        for text in ["0", "-1", "NaN", "inf", "1e9", "fast"] {
            assert!(parse_rate(text).is_err(), "{text}");
        }
    }
}

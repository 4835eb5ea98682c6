//! One clock for all processes of a lab.

use rustix::time::{ClockId, clock_gettime};

/// Microseconds since the machine started: the same in every process and namespace, and never set back.
#[must_use]
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let micros = |n: i64| u64::try_from(n).expect("this clock begins at zero");
    micros(time.tv_sec) * 1_000_000 + micros(time.tv_nsec) / 1000
}

//! What a link does to a packet: pure, one for each direction.

use std::time::{Duration, Instant};

use rand::{Rng, RngExt as _};

/// Packets that may wait on a link in one direction; more are dropped at the tail, as routers do.
pub const QUEUE: usize = 1000;

/// The properties of a link, alike in both directions and for every protocol.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// One way.
    pub delay: Duration,
    /// Up to this much is added to the delay, at random; packets keep their order.
    pub jitter: Duration,
    /// The share of packets that is lost, from 0 to 1.
    pub loss: f64,
    /// Bits a second; `None` for no limit.
    pub rate: Option<u64>,
}

impl Quality {
    /// A perfect link with this round trip.
    #[must_use]
    pub fn round_trip(time: Duration) -> Self {
        Self { delay: time / 2, jitter: Duration::ZERO, loss: 0.0, rate: None }
    }
}

/// One direction of a link.
#[derive(Debug)]
pub struct Line<R> {
    rng: R,
    /// Until when the packets sent so far keep a link of limited rate busy.
    busy: Instant,
    /// When the last packet arrives.
    last: Instant,
}

impl<R: Rng> Line<R> {
    /// An idle line.
    pub fn new(rng: R, now: Instant) -> Self {
        Self { rng, busy: now, last: now }
    }

    /// When a packet of `len` bytes that is sent now arrives; `None` if it is lost.
    pub fn pass(&mut self, now: Instant, len: usize, quality: &Quality) -> Option<Instant> {
        if self.rng.random_range(0.0..1.0) < quality.loss {
            return None;
        }
        self.busy = self.busy.max(now);
        if let Some(rate) = quality.rate {
            self.busy += Duration::from_secs_f64(len as f64 * 8.0 / rate.max(1) as f64);
        }
        let jitter = quality.jitter.mul_f64(self.rng.random_range(0.0..1.0));
        self.last = self.last.max(self.busy + quality.delay + jitter);
        Some(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{SeedableRng as _, rngs::StdRng};

    const MS: Duration = Duration::from_millis(1);

    fn line(now: Instant) -> Line<StdRng> {
        Line::new(StdRng::seed_from_u64(1), now)
    }

    #[test]
    fn a_packet_takes_the_delay() {
        let now = Instant::now();
        assert_eq!(line(now).pass(now, 1000, &Quality::round_trip(20 * MS)), Some(now + 10 * MS));
    }

    #[test]
    fn packets_queue_behind_each_other_when_the_rate_is_limited() {
        let now = Instant::now();
        let quality = Quality { rate: Some(8_000_000), ..Quality::round_trip(20 * MS) };
        let mut line = line(now);
        // A thousand bytes at a megabyte a second take a millisecond.
        assert_eq!(line.pass(now, 1000, &quality), Some(now + 11 * MS));
        assert_eq!(line.pass(now, 1000, &quality), Some(now + 12 * MS));
        assert_eq!(line.pass(now + 50 * MS, 1000, &quality), Some(now + 61 * MS));
    }

    #[test]
    fn jitter_delays_and_keeps_the_order() {
        let now = Instant::now();
        let quality = Quality { jitter: 30 * MS, ..Quality::round_trip(20 * MS) };
        let mut line = line(now);
        let mut arrivals = Vec::new();
        for n in 0..1000 {
            let sent = now + MS * n;
            let arrival = line.pass(sent, 100, &quality).unwrap();
            assert!(arrival >= sent + 10 * MS && arrival <= sent + 40 * MS);
            arrivals.push(arrival);
        }
        assert!(arrivals.is_sorted());
    }

    #[test]
    fn the_share_that_is_lost_is_about_what_was_asked_for() {
        let now = Instant::now();
        let quality = Quality { loss: 0.05, ..Quality::round_trip(MS) };
        let mut line = line(now);
        let lost = (0..100_000).filter(|_| line.pass(now, 100, &quality).is_none()).count();
        assert!((4500..5500).contains(&lost), "{lost}");
    }

    #[test]
    fn nothing_gets_through_a_black_hole() {
        let now = Instant::now();
        let quality = Quality { loss: 1.0, ..Quality::round_trip(MS) };
        let mut line = line(now);
        assert!((0..10_000).all(|_| line.pass(now, 100, &quality).is_none()));
    }
}

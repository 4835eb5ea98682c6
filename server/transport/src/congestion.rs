//! How much may be in flight: the choice of congestion control.

use std::{fmt, str::FromStr, sync::Arc};

use quinn::congestion::{BbrConfig, ControllerFactory, CubicConfig, NewRenoConfig};

/// What decides how much may be in flight (RFC 9002, 7). Each side chooses for what it sends.
///
/// A window full of packets that were lost with the old network lets nothing out on the new one until the next probe
/// timeout, whose back-off grows with the outage; how much fits in the window is therefore how long a connection can
/// go on writing into an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Congestion {
    /// Takes each loss for a full queue and sends 30 % less (RFC 9438). Fair to other traffic; on a lossy radio the
    /// window shrinks to a few packets, behind which all streams wait. After an outage of many seconds with data
    /// written meanwhile, it can stay stuck for as long again.
    Cubic,
    /// Goes by the bandwidth and round trip time that it measures, so that lost packets cost nothing but their own
    /// repetition, and an outage leaves the window as wide as it was. quinn marks its implementation experimental; it
    /// is of the first version, which takes more than its share from others in a small queue. The default; see
    /// `docs/continuity.md` for what was measured.
    #[default]
    Bbr,
    /// As Cubic, but sends half after each loss, and grows linearly again (RFC 9002, 7.3). For comparison.
    NewReno,
}

/// By name, as in configuration files.
const NAMES: [(&str, Congestion); 3] =
    [("cubic", Congestion::Cubic), ("bbr", Congestion::Bbr), ("newreno", Congestion::NewReno)];

/// Bytes in flight before the first of them is acknowledged, on each new path, unless configured: some 26 packets, where
/// RFC 9002 (7.2) recommends ten. With less, Cubic reads what it missed in an outage a round trip later; the 240,000 that BBR
/// would take itself are two seconds of a link of 1 Mbit/s, and win it nothing.
pub(crate) const INITIAL_WINDOW: u64 = 32_000;

/// Two packets (RFC 9002, 7.2). With less, nothing would ever be sent.
const MIN_WINDOW: u64 = 2 * 1200;

/// The name is none of `cubic`, `bbr` and `newreno`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such congestion control: {0}; there are cubic, bbr and newreno")]
pub struct UnknownCongestion(String);

impl Congestion {
    /// Makes controllers for quinn, which start with this many bytes.
    pub(crate) fn factory(self, initial_window: u64) -> Arc<dyn ControllerFactory + Send + Sync> {
        macro_rules! factory {
            ($config:ty) => {{
                let mut config = <$config>::default();
                config.initial_window(initial_window.max(MIN_WINDOW));
                Arc::new(config)
            }};
        }
        match self {
            Self::Cubic => factory!(CubicConfig),
            Self::Bbr => factory!(BbrConfig),
            Self::NewReno => factory!(NewRenoConfig),
        }
    }
}

impl FromStr for Congestion {
    type Err = UnknownCongestion;

    fn from_str(name: &str) -> Result<Self, UnknownCongestion> {
        let known = NAMES.iter().find(|(known, _)| *known == name);
        known.map(|(_, congestion)| *congestion).ok_or_else(|| UnknownCongestion(name.into()))
    }
}

impl fmt::Display for Congestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Cubic => "cubic",
            Self::Bbr => "bbr",
            Self::NewReno => "newreno",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::{any::Any, time::Instant};

    use quinn::congestion::{Bbr, Cubic, NewReno};

    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (name, congestion) in NAMES {
            assert_eq!(congestion.to_string(), name);
            assert_eq!(name.parse(), Ok(congestion));
        }
        let unknown = "vegas".parse::<Congestion>().unwrap_err().to_string();
        assert_eq!(unknown, "no such congestion control: vegas; there are cubic, bbr and newreno");
    }

    fn made<C: Any>(congestion: Congestion) -> bool {
        let controller = congestion.factory(77_777).build(Instant::now(), 1200);
        assert_eq!(controller.initial_window(), 77_777, "{congestion}");
        controller.into_any().is::<C>()
    }

    #[test]
    fn each_makes_its_own_controller() {
        assert!(made::<Cubic>(Congestion::Cubic));
        assert!(made::<Bbr>(Congestion::Bbr));
        assert!(made::<NewReno>(Congestion::NewReno));
    }

    #[test]
    fn a_window_always_has_room_for_two_packets() {
        let controller = Congestion::Cubic.factory(0).build(Instant::now(), 1200);
        assert_eq!(controller.window(), MIN_WINDOW);
    }
}

//! Who may know who is in a topic, and what that may cost.

use super::Check;
use dunlin_hub::presence as hub;
use std::time::Duration;

/// How presence works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    /// The most that members are told.
    pub mode: Mode,
    /// A member whose client is paused or gone for so long is shown as away; `None` for never.
    pub away: Option<Duration>,
    /// How it is bounded.
    pub bounds: hub::Config,
}

/// The most that members are told of who is in their topic, if they ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// Nothing.
    Off,
    /// How many there are.
    Counts,
    /// Who they are.
    Full,
}

impl Mode {
    pub(super) fn named(text: &str) -> Option<Self> {
        match text {
            "off" => Some(Self::Off),
            "counts" => Some(Self::Counts),
            "full" => Some(Self::Full),
            _ => None,
        }
    }
}

/// Longest [`Presence::away`].
const MOST_AWAY: Duration = Duration::from_secs(24 * 3600);

impl Check<'_> {
    pub(super) fn presence(&mut self) -> Presence {
        Presence {
            mode: self.read("presence.mode", Mode::named),
            away: self.read("presence.away", |text| match text {
                "off" => Some(None),
                time => humantime::parse_duration(time).ok().filter(|time| *time <= MOST_AWAY).map(Some),
            }),
            bounds: hub::Config {
                interval: self.duration("presence.interval"),
                list: self.count("presence.list"),
                entries: self.count("presence.entries"),
                devices: self.count("presence.devices"),
                data: self.bytes("presence.data"),
                total: self.count("presence.total"),
            },
        }
    }
}

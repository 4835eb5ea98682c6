//! What was counted before, and how much of a difference counts.

use std::{collections::BTreeMap, fmt};

/// From which growth on the check fails, and from which shrinking on the baseline should be written anew, in percent.
const BOUND: f64 = 5.0;

/// Instructions by case.
pub(super) struct Baseline(BTreeMap<String, u64>);

/// A count beside the one before.
pub(super) enum Growth {
    /// In percent; less than none is a gain.
    Within(f64),
    /// More than the bound, in percent.
    Beyond(f64),
    /// The case is new.
    Unknown,
}

impl Baseline {
    pub(super) fn of(counts: BTreeMap<String, u64>) -> Self {
        Self(counts)
    }

    pub(super) fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text).map(Self)
    }

    pub(super) fn to_text(&self) -> String {
        let head = "# Instructions for each case once, as `INSTRUCTIONS=write tests/run instructions` counts them.\n";
        let lines = self.0.iter().map(|(case, count)| format!("{case} = {count}\n"));
        head.to_owned() + &lines.collect::<String>()
    }

    pub(super) fn growth(&self, case: &str, count: u64) -> Growth {
        let Some(before) = self.0.get(case) else { return Growth::Unknown };
        let percent = (count as f64 / *before as f64 - 1.0) * 100.0;
        if percent > BOUND { Growth::Beyond(percent) } else { Growth::Within(percent) }
    }
}

impl fmt::Display for Growth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within(percent) if *percent < -BOUND => {
                write!(f, "{percent:+.2} %: write the baseline anew, to keep the gain")
            }
            Self::Within(percent) => write!(f, "{percent:+.2} %"),
            Self::Beyond(percent) => write!(f, "{percent:+.2} %: more than {BOUND} %"),
            Self::Unknown => f.write_str("not in the baseline"),
        }
    }
}

//! What a configuration key is, and how its values are read.

use bytesize::ByteSize;
use std::{ops::RangeInclusive, time::Duration};

/// One configuration key.
#[derive(Debug)]
pub struct Key {
    /// Dotted name; in the file `a.b` stands in table `[a]`.
    pub name: &'static str,
    /// The default, as text; empty for "not set". The data directory's is found at run time.
    pub default: &'static str,
    /// What a legal value is, to complete the sentence "… is not".
    pub legal: &'static str,
    /// Bounds for counts, bytes and milliseconds.
    pub(super) range: RangeInclusive<u64>,
    /// Whether the value is nobody's business: it is never shown.
    pub(super) secret: bool,
    /// What it does and what it costs.
    pub doc: &'static str,
}

impl Key {
    /// The environment variable that sets this key.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("DUNLIN_{}", self.name.replace('.', "_").to_uppercase())
    }

    /// The default that holds on this machine.
    #[must_use]
    pub fn default_value(&self) -> String {
        if self.name == "data_dir" { data_dir() } else { self.default.into() }
    }

    /// A whole number within the bounds.
    pub(super) fn count<T: TryFrom<u64>>(&self, text: &str) -> Option<T> {
        self.bounded(text.replace('_', "").parse().ok()?)
    }

    /// A size in bytes within the bounds.
    pub(super) fn bytes<T: TryFrom<u64>>(&self, text: &str) -> Option<T> {
        self.bounded(text.parse::<ByteSize>().ok()?.as_u64())
    }

    /// A time within the bounds.
    pub(super) fn duration(&self, text: &str) -> Option<Duration> {
        let time = humantime::parse_duration(text).ok()?;
        let millis = u64::try_from(time.as_millis()).ok()?;
        self.range.contains(&millis).then_some(time)
    }

    fn bounded<T: TryFrom<u64>>(&self, number: u64) -> Option<T> {
        T::try_from(number).ok().filter(|_| self.range.contains(&number))
    }

    /// What is wrong with a value that is not legal.
    pub(super) fn illegal(&self, value: &str) -> String {
        if self.secret {
            format!("what is given is not {}", self.legal)
        } else {
            format!("{value:?} is not {}", self.legal)
        }
    }
}

/// `$XDG_DATA_HOME/dunlin` or its like; without a home directory, `dunlin-data` in the working directory.
fn data_dir() -> String {
    directories::ProjectDirs::from("", "", "dunlin")
        .and_then(|dirs| dirs.data_local_dir().to_str().map(Into::into))
        .unwrap_or_else(|| "dunlin-data".into())
}

pub(super) const fn text(
    name: &'static str,
    default: &'static str,
    legal: &'static str,
    doc: &'static str,
) -> Key {
    Key { name, default, legal, range: 0..=u64::MAX, secret: false, doc }
}

pub(super) const fn ranged(
    name: &'static str,
    range: RangeInclusive<u64>,
    legal: &'static str,
    doc: &'static str,
) -> Key {
    Key { name, default: "", legal, range, secret: false, doc }
}

pub(super) const KIB: u64 = 1 << 10;
pub(super) const MIB: u64 = 1 << 20;
pub(super) const GIB: u64 = 1 << 30;
pub(super) const SECOND: u64 = 1000;
pub(super) const HOUR: u64 = 3600 * SECOND;

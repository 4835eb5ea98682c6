//! Reading values: each by what its key says is legal, and all mistakes collected.

use super::{Key, Mistake, Sources, keys};
use std::{str::FromStr, time::Duration};

/// Reads values and collects what is wrong with them; a wrong value is replaced by the default, to go on.
pub(super) struct Check<'a> {
    pub(super) sources: &'a Sources,
    pub(super) mistakes: Vec<Mistake>,
}

impl Check<'_> {
    pub(super) fn read<T>(&mut self, name: &str, parse: impl Fn(&str) -> Option<T>) -> T {
        self.read_by(name, |_, text| parse(text))
    }

    fn read_by<T>(&mut self, name: &str, parse: impl Fn(&Key, &str) -> Option<T>) -> T {
        let key = keys::find(name).expect("every key that is read stands in KEYS");
        let (value, source) = self.sources.get(key);
        parse(key, &value).unwrap_or_else(|| {
            self.mistakes.push(Mistake { key: name.into(), source, text: key.illegal(&value) });
            parse(key, &key.default_value()).expect("a default is legal")
        })
    }

    /// What need not be set.
    pub(super) fn optional<T>(&mut self, name: &str, parse: impl Fn(&str) -> Option<T>) -> Option<T> {
        self.read(name, |text| if text.is_empty() { Some(None) } else { parse(text).map(Some) })
    }

    pub(super) fn parse<T: FromStr>(&mut self, name: &str) -> T {
        self.read(name, |text| text.parse().ok())
    }

    pub(super) fn count<T: TryFrom<u64>>(&mut self, name: &str) -> T {
        self.read_by(name, Key::count)
    }

    pub(super) fn bytes<T: TryFrom<u64>>(&mut self, name: &str) -> T {
        self.read_by(name, Key::bytes)
    }

    pub(super) fn duration(&mut self, name: &str) -> Duration {
        self.read_by(name, Key::duration)
    }

    /// A comma separated list of texts.
    pub(super) fn list<T: for<'t> From<&'t str>>(&mut self, name: &str) -> Vec<T> {
        self.read(name, |text| Some(parts(text).map(Into::into).collect()))
    }

    /// A mistake that shows only beside other values.
    pub(super) fn mistake(&mut self, name: &str, text: &str) {
        let (_, source) = self.sources.get(keys::find(name).expect("a key of the table"));
        self.mistakes.push(Mistake { key: name.into(), source, text: text.into() });
    }
}

/// What stands in a comma separated list.
pub(super) fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// Whether something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Switch {
    /// As the rest of the configuration suggests.
    Auto,
    On,
    Off,
}

impl FromStr for Switch {
    type Err = ();
    fn from_str(s: &str) -> Result<Self, ()> {
        match s {
            "auto" => Ok(Self::Auto),
            "on" => Ok(Self::On),
            "off" => Ok(Self::Off),
            _ => Err(()),
        }
    }
}

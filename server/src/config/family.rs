//! Tables with names: what families there are, and how one of their tables is read.

use super::{Check, Mistake, Source, key::Key};
use std::time::Duration;

/// Tables of which there may be any number, each with a name of its own: `[PREFIX.NAME]`.
#[derive(Debug)]
pub struct Family {
    /// What the tables' names begin with.
    pub prefix: &'static str,
    /// An example of a name, as it stands in a file.
    pub example: &'static str,
    /// What such a table is for.
    pub doc: &'static str,
    /// The keys of each; their default is that they are not set.
    pub keys: &'static [Key],
    /// Most tables.
    pub most: usize,
}

impl Family {
    /// The key of this name.
    fn key(&self, name: &str) -> &'static Key {
        self.keys
            .iter()
            .find(|key| key.name == name)
            .expect("every key that is read stands in the family's keys")
    }

    /// The table and the key that a dotted name stands for. A table's name may have dots itself.
    pub(super) fn split<'a>(&self, name: &'a str) -> Option<(&'a str, &'static Key)> {
        let rest = name.strip_prefix(self.prefix)?.strip_prefix('.')?;
        let of = |key: &'static Key| {
            let member = rest.strip_suffix(key.name)?.strip_suffix('.')?;
            (!member.is_empty()).then_some((member, key))
        };
        // Of `delivery` and `default_delivery`, what is longer.
        self.keys.iter().filter_map(of).min_by_key(|(member, _)| member.len())
    }
}

/// All such tables.
pub const FAMILIES: &[Family] = &[super::api::FAMILY, super::namespace::FAMILY];

/// One table that is being read.
pub(super) struct Table<'a, 'b> {
    check: &'a mut Check<'b>,
    family: &'static Family,
    member: &'a str,
}

impl Table<'_, '_> {
    /// What was given for a key.
    pub(super) fn given(&self, name: &str) -> Option<(String, Source)> {
        self.check.sources.member(self.family, self.member, self.family.key(name))
    }

    /// The value of a key, or what holds without it.
    pub(super) fn read<T>(&mut self, name: &str, otherwise: T, parse: impl Fn(&Key, &str) -> Option<T>) -> T {
        let Some((value, _)) = self.given(name) else { return otherwise };
        let key = self.family.key(name);
        parse(key, &value).unwrap_or_else(|| {
            self.wrong(name, key.illegal(&value));
            otherwise
        })
    }

    pub(super) fn count<T: TryFrom<u64>>(&mut self, name: &str, otherwise: T) -> T {
        self.read(name, otherwise, Key::count)
    }

    pub(super) fn bytes(&mut self, name: &str, otherwise: usize) -> usize {
        self.read(name, otherwise, Key::bytes)
    }

    pub(super) fn duration(&mut self, name: &str, otherwise: Duration) -> Duration {
        self.read(name, otherwise, Key::duration)
    }

    /// A mistake in the value of a key, or that there is none.
    pub(super) fn wrong(&mut self, name: &str, text: impl Into<String>) {
        let given = self.given(name).map(|(_, source)| source);
        let source = given.unwrap_or_else(|| self.check.sources.origin(self.family, self.member));
        let key = format!("{}.{}.{name}", self.family.prefix, self.member);
        self.check.mistakes.push(Mistake { key, source, text: text.into() });
    }

    /// A mistake in the table's name.
    pub(super) fn wrong_name(&mut self, text: String) {
        let source = self.check.sources.origin(self.family, self.member);
        let key = format!("{}.{}", self.family.prefix, self.member);
        self.check.mistakes.push(Mistake { key, source, text });
    }
}

impl<'b> Check<'b> {
    /// The names of a family's tables, of which there may be only so many.
    pub(super) fn members(&mut self, family: &'static Family, what: &str) -> Vec<String> {
        let members = self.sources.members(family);
        if members.len() > family.most {
            let text = format!("there are {} {what}, and may be {}", members.len(), family.most);
            self.table(family, "…").wrong_name(text);
        }
        members
    }

    pub(super) fn table<'a>(&'a mut self, family: &'static Family, member: &'a str) -> Table<'a, 'b> {
        Table { check: self, family, member }
    }
}

//! Who is in a topic: frames become changes of a list, whatever was interrupted in between. Pure.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use dunlin_proto::frame::presence::{Diff, Entry, Head, State};
use serde::de::DeserializeOwned;

/// One device of one user, as it is present in a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresenceEntry {
    /// Whose it is.
    pub key: Box<str>,
    /// Names this entry among all that there ever are.
    pub id: u64,
    /// What the application says of it: opaque bytes, by convention MessagePack.
    pub data: Bytes,
    /// Whether its client is paused, or has lost its connection.
    pub away: bool,
}

/// What has changed in who is present.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PresenceDiff {
    /// Entries that are new.
    pub joins: Vec<PresenceEntry>,
    /// Entries that were there, as they are now.
    pub updates: Vec<PresenceEntry>,
    /// Entries that are gone, as they were.
    pub leaves: Vec<PresenceEntry>,
    /// How many users (keys) are present now.
    pub users: u64,
    /// How many devices (entries) they have together.
    pub devices: u64,
}

/// Who is present in a topic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PresenceList {
    entries: BTreeMap<u64, PresenceEntry>,
    users: u64,
    devices: u64,
}

impl PresenceEntry {
    /// Reads the data as MessagePack.
    ///
    /// # Errors
    /// If they are not MessagePack, or not of this shape.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, rmp_serde::decode::Error> {
        rmp_serde::from_slice(&self.data)
    }
}

impl PresenceList {
    /// The entries, oldest first; none where the server tells only how many there are.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &PresenceEntry> {
        self.entries.values()
    }

    /// The names of the users (keys) among the entries, in alphabetical order.
    #[must_use]
    pub fn keys(&self) -> BTreeSet<&str> {
        self.entries.values().map(|entry| &*entry.key).collect()
    }

    /// How many users are present.
    #[must_use]
    pub fn users(&self) -> u64 {
        self.users
    }

    /// How many devices they have together.
    #[must_use]
    pub fn devices(&self) -> u64 {
        self.devices
    }

    pub(crate) fn apply(&mut self, diff: &PresenceDiff) {
        for gone in &diff.leaves {
            self.entries.remove(&gone.id);
        }
        for entry in diff.joins.iter().chain(&diff.updates) {
            self.entries.insert(entry.id, entry.clone());
        }
        (self.users, self.devices) = (diff.users, diff.devices);
    }
}

/// Turns the frames of one membership, over all its streams, into changes.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    list: PresenceList,
    version: u64,
    /// The list in the making, and its version.
    next: Option<(u64, BTreeMap<u64, PresenceEntry>)>,
    /// Whether the application was told of a first list.
    has_begun: bool,
}

/// A server lists more than any has.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a list of more than {MOST} entries")]
pub(crate) struct TooMany;

/// Most entries of a list.
const MOST: usize = 1_000_000;

impl Presence {
    /// A new stream begins: what was not complete never will be.
    pub(crate) fn begin(&mut self) {
        self.next = None;
    }

    /// Takes a list or a part of one: what has changed since the last, once it is complete.
    pub(crate) fn state(&mut self, state: State) -> Result<Option<PresenceDiff>, TooMany> {
        let State { head, left, list } = state;
        let Some(list) = list else {
            self.next = None;
            return Ok(self.become_list(head, BTreeMap::new()));
        };
        let (_, next) = match &mut self.next {
            Some(next) if next.0 == head.version => next,
            next => next.insert((head.version, BTreeMap::new())),
        };
        next.extend(list.into_iter().map(|entry| (entry.id, PresenceEntry::from(entry))));
        if next.len() > MOST {
            return Err(TooMany);
        }
        if left > 0 {
            return Ok(None);
        }
        let (_, next) = self.next.take().expect("it was just there");
        Ok(self.become_list(head, next))
    }

    /// Takes a diff: what it changes, if it is news.
    pub(crate) fn diff(&mut self, diff: Diff) -> Result<Option<PresenceDiff>, TooMany> {
        let Diff { head, joins, updates, leaves } = diff;
        if head.version <= self.version || self.next.is_some() {
            return Ok(None);
        }
        let entries = &self.list.entries;
        if entries.len() + joins.len() + updates.len() > MOST {
            return Err(TooMany);
        }
        let leaves = leaves.iter().filter_map(|gone| entries.get(&gone.id).cloned()).collect();
        let into = |list: Vec<Entry>| list.into_iter().map(PresenceEntry::from).collect();
        Ok(self.change(head, into(joins), into(updates), leaves))
    }

    fn become_list(&mut self, head: Head, next: BTreeMap<u64, PresenceEntry>) -> Option<PresenceDiff> {
        let was = &self.list.entries;
        let leaves = was.values().filter(|entry| !next.contains_key(&entry.id)).cloned().collect();
        let (mut joins, mut updates) = (Vec::new(), Vec::new());
        for entry in next.into_values() {
            match was.get(&entry.id) {
                None => joins.push(entry),
                Some(old) if *old != entry => updates.push(entry),
                Some(_) => {}
            }
        }
        self.change(head, joins, updates, leaves)
    }

    fn change(
        &mut self,
        head: Head,
        joins: Vec<PresenceEntry>,
        updates: Vec<PresenceEntry>,
        leaves: Vec<PresenceEntry>,
    ) -> Option<PresenceDiff> {
        let diff = PresenceDiff { joins, updates, leaves, users: head.keys, devices: head.entries };
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let has_changed = !(diff.joins.is_empty() && diff.updates.is_empty() && diff.leaves.is_empty())
            || (diff.users, diff.devices) != (self.list.users, self.list.devices);
        self.version = head.version;
        self.list.apply(&diff);
        (is_first || has_changed).then_some(diff)
    }
}

impl From<Entry> for PresenceEntry {
    fn from(entry: Entry) -> Self {
        let Entry { key, id, data, away } = entry;
        // A copy: the bytes are part of a frame that need not be kept.
        Self { key, id, data: Bytes::copy_from_slice(&data), away }
    }
}

#[cfg(test)]
mod tests {
    use dunlin_proto::frame::presence::Leave;

    use super::*;

    fn entry(id: u64, away: bool) -> Entry {
        Entry { key: format!("u{id}").into(), id, data: Bytes::new(), away }
    }

    fn head(version: u64, entries: u64) -> Head {
        Head { version, keys: entries, entries }
    }

    fn state(version: u64, left: u64, ids: &[u64]) -> State {
        let list = ids.iter().map(|id| entry(*id, false)).collect();
        State { head: head(version, ids.len() as u64 + left), left, list: Some(list) }
    }

    fn ids(list: &[PresenceEntry]) -> Vec<u64> {
        list.iter().map(|entry| entry.id).collect()
    }

    #[test]
    fn a_list_in_parts_is_told_once_and_diffs_follow() {
        let mut presence = Presence::default();
        assert_eq!(presence.state(state(3, 1, &[1, 2])), Ok(None));
        let first = presence.state(state(3, 0, &[3])).unwrap().unwrap();
        assert_eq!(ids(&first.joins), [1, 2, 3]);
        let leaves = vec![Leave { key: "u1".into(), id: 1 }, Leave { key: "u9".into(), id: 9 }];
        let diff =
            Diff { head: head(4, 3), joins: vec![entry(4, false)], updates: vec![entry(2, true)], leaves };
        let change = presence.diff(diff.clone()).unwrap().unwrap();
        assert_eq!((ids(&change.joins), ids(&change.updates)), (vec![4], vec![2]));
        assert_eq!(ids(&change.leaves), [1], "nobody leaves who was not there");
        assert_eq!(presence.diff(diff), Ok(None), "old news");
        assert_eq!(presence.list.entries().map(|entry| entry.id).collect::<Vec<_>>(), [2, 3, 4]);
    }

    #[test]
    fn after_an_interruption_only_the_difference_is_told() {
        let mut presence = Presence::default();
        presence.state(state(3, 0, &[1, 2])).unwrap();
        presence.state(state(9, 1, &[7])).unwrap();
        presence.begin();
        assert_eq!(presence.state(state(1, 0, &[1, 2])), Ok(None), "the same as before");
        let change = presence.state(state(2, 0, &[2, 3])).unwrap().unwrap();
        assert_eq!((ids(&change.joins), ids(&change.leaves)), (vec![3], vec![1]));
    }

    #[test]
    fn counts_empty_the_list_and_an_empty_list_is_an_answer() {
        let mut presence = Presence::default();
        assert!(presence.state(state(0, 0, &[])).unwrap().is_some());
        presence.state(state(3, 0, &[1, 2])).unwrap();
        let counts = State { head: head(4, 5000), left: 0, list: None };
        let change = presence.state(counts.clone()).unwrap().unwrap();
        assert_eq!((ids(&change.leaves), change.users), (vec![1, 2], 5000));
        assert_eq!(presence.state(counts), Ok(None));
    }
}

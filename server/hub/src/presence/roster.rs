//! Who is in one topic, and what has changed since that was last told. Pure.

use bytes::Bytes;
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// One device of one user, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub key: Arc<str>,
    /// Names it among all entries that there ever are.
    pub id: u64,
    /// What the application says of it.
    pub data: Bytes,
    /// Whether its client is away.
    pub away: bool,
}

/// How many are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Occupancy {
    /// Keys (users).
    pub keys: usize,
    /// Entries (devices).
    pub entries: usize,
}

/// What has changed from one version to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// The version after it.
    pub version: u64,
    /// How many are there after it.
    pub occupancy: Occupancy,
    /// New entries.
    pub joins: Vec<Entry>,
    /// Entries that were there, as they are now.
    pub updates: Vec<Entry>,
    /// Keys and ids of entries that are gone.
    pub leaves: Vec<(Arc<str>, u64)>,
}

/// The entries of one topic. What was told is kept apart from what has changed since: so a list at some version and all diffs after it
/// give the same as a later list, and what comes and goes in between is never told.
#[derive(Default)]
pub(super) struct Roster {
    told: BTreeMap<u64, Entry>,
    changed: BTreeMap<u64, Change>,
    /// Entries of each key, as they are now.
    devices: HashMap<Arc<str>, usize>,
    /// Entries of each key, as they were told.
    told_devices: HashMap<Arc<str>, usize>,
    entries: usize,
    version: u64,
}

/// What an entry takes in a frame beside its key and its data.
const OVERHEAD: usize = 24;

struct Change {
    key: Arc<str>,
    /// `None` for an entry that is gone.
    now: Option<(Bytes, bool)>,
}

impl Roster {
    /// Entries that are there now.
    pub(super) fn len(&self) -> usize {
        self.entries
    }

    /// Entries of a key that are there now.
    pub(super) fn devices(&self, key: &str) -> usize {
        self.devices.get(key).copied().unwrap_or(0)
    }

    /// Whether there is nothing, and everybody knows.
    pub(super) fn is_empty(&self) -> bool {
        self.told.is_empty() && self.changed.is_empty()
    }

    /// The version that was told.
    pub(super) fn version(&self) -> u64 {
        self.version
    }

    /// How many there are, as was told.
    pub(super) fn occupancy(&self) -> Occupancy {
        Occupancy { keys: self.told_devices.len(), entries: self.told.len() }
    }

    /// The entries as they were told, oldest first.
    pub(super) fn told(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.told.values()
    }

    /// Adds an entry; its id was never used before.
    pub(super) fn track(&mut self, key: &str, id: u64, data: Bytes) {
        let key: Arc<str> = match self.devices.get_key_value(key) {
            Some((key, _)) => key.clone(),
            None => key.into(),
        };
        *self.devices.entry(key.clone()).or_default() += 1;
        self.entries += 1;
        self.changed.insert(id, Change { key, now: Some((data, false)) });
    }

    /// Changes an entry that is there.
    pub(super) fn update(&mut self, id: u64, change: impl FnOnce(&mut (Bytes, bool))) {
        if let Some(pending) = self.changed.get_mut(&id) {
            if let Some(now) = &mut pending.now {
                change(now);
            }
        } else if let Some(entry) = self.told.get(&id) {
            let mut now = (entry.data.clone(), entry.away);
            change(&mut now);
            self.changed.insert(id, Change { key: entry.key.clone(), now: Some(now) });
        }
    }

    /// Removes an entry that is there.
    pub(super) fn untrack(&mut self, id: u64) {
        let key = match (self.changed.get_mut(&id), self.told.get(&id)) {
            (Some(pending), _) if pending.now.is_none() => return,
            (Some(pending), Some(_)) => {
                pending.now = None;
                pending.key.clone()
            }
            (Some(_), None) => self.changed.remove(&id).expect("it was just there").key,
            (None, Some(entry)) => {
                let key = entry.key.clone();
                self.changed.insert(id, Change { key: key.clone(), now: None });
                key
            }
            (None, None) => return,
        };
        self.entries -= 1;
        count_down(&mut self.devices, &key);
    }

    /// Tells what has changed, in diffs of about so many bytes each. None if nothing has.
    pub(super) fn tell(&mut self, most: usize) -> Vec<Diff> {
        let mut diffs: Vec<Diff> = Vec::new();
        let mut room = 0;
        for (id, Change { key, now }) in std::mem::take(&mut self.changed) {
            let was = self.told.get(&id);
            let now = now.map(|(data, away)| Entry { key: key.clone(), id, data, away });
            if was == now.as_ref() {
                continue;
            }
            let cost = now.as_ref().map_or(key.len() + OVERHEAD, Entry::cost);
            if diffs.is_empty() || cost > room {
                self.version += 1;
                room = most;
                diffs.push(Diff::new(self.version));
            }
            room = room.saturating_sub(cost);
            let diff = diffs.last_mut().expect("one was just made, if there was none");
            match (was, now) {
                (Some(_), Some(entry)) => {
                    diff.updates.push(entry.clone());
                    self.told.insert(id, entry);
                }
                (None, Some(entry)) => {
                    diff.joins.push(entry.clone());
                    *self.told_devices.entry(key).or_default() += 1;
                    self.told.insert(id, entry);
                }
                (Some(_), None) => {
                    self.told.remove(&id);
                    count_down(&mut self.told_devices, &key);
                    diff.leaves.push((key, id));
                }
                (None, None) => unreachable!("they are the same"),
            }
            diff.occupancy = Occupancy { keys: self.told_devices.len(), entries: self.told.len() };
        }
        diffs
    }
}

impl Entry {
    /// About how many bytes it takes in a frame.
    pub(super) fn cost(&self) -> usize {
        self.key.len() + self.data.len() + OVERHEAD
    }
}

impl Diff {
    fn new(version: u64) -> Self {
        Self {
            version,
            occupancy: Occupancy::default(),
            joins: Vec::new(),
            updates: Vec::new(),
            leaves: Vec::new(),
        }
    }
}

fn count_down(devices: &mut HashMap<Arc<str>, usize>, key: &Arc<str>) {
    if let Some(count) = devices.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            devices.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(entries: &[Entry]) -> Vec<u64> {
        entries.iter().map(|entry| entry.id).collect()
    }

    #[test]
    fn only_what_is_different_in_the_end_is_told() {
        let mut roster = Roster::default();
        roster.track("ada", 1, "a".into());
        roster.track("bob", 2, "b".into());
        roster.tell(usize::MAX);
        roster.track("eve", 3, "came and went".into());
        roster.untrack(3);
        roster.untrack(1);
        roster.update(2, |now| now.0 = "B".into());
        roster.update(2, |now| now.0 = "b".into());
        roster.track("ada", 4, "back".into());
        let diffs = roster.tell(usize::MAX);
        let [diff] = &diffs[..] else { panic!("{diffs:?}") };
        assert_eq!((ids(&diff.joins), ids(&diff.updates)), (vec![4], vec![]));
        assert_eq!(diff.leaves, [("ada".into(), 1)]);
        assert_eq!((diff.version, diff.occupancy), (2, Occupancy { keys: 2, entries: 2 }));
        assert!(roster.tell(usize::MAX).is_empty());
    }

    #[test]
    fn a_large_change_is_told_in_several_versions() {
        let mut roster = Roster::default();
        (1..=5).for_each(|id| roster.track("ada", id, Bytes::new()));
        let told: Vec<_> =
            roster.tell(2 * (3 + OVERHEAD)).iter().map(|diff| (diff.version, ids(&diff.joins))).collect();
        assert_eq!(told, [(1, vec![1, 2]), (2, vec![3, 4]), (3, vec![5])]);
    }

    #[test]
    fn devices_are_counted_as_they_are_now() {
        let mut roster = Roster::default();
        roster.track("ada", 1, Bytes::new());
        roster.track("ada", 2, Bytes::new());
        roster.tell(usize::MAX);
        roster.untrack(1);
        roster.untrack(1);
        assert_eq!((roster.devices("ada"), roster.len()), (1, 1));
        roster.untrack(2);
        assert_eq!((roster.devices("ada"), roster.len(), roster.is_empty()), (0, 0, false));
        roster.tell(usize::MAX);
        assert!(roster.is_empty());
    }
}

//! The session tickets that a server remembers.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
};

use rustls::server::StoresServerSessions;

/// Bytes that a ticket takes on average, of the state that rustls keeps: some 110, and the server's name that the client asked for.
const AVERAGE: usize = 256;

/// Bytes of a ticket's name, which rustls makes at random.
const KEY: usize = 32;

/// The session tickets that a server remembers, shared by all of its workers.
///
/// A ticket is a name for state that is kept here and taken out at first use. That makes each one single-use, which
/// is what bounds the replay of early data (RFC 8446, 8.1) and what rustls demands for 0-RTT; it also means that a
/// restarted server knows no tickets, and rejects early data until clients have new ones.
///
/// All of it lies in one piece of memory, the newest in the place of the oldest: tickets outlive their connections, and by
/// themselves would hold on to a page each of what those have left behind.
#[derive(Clone, Debug)]
pub struct SharedTicketStore(Arc<Store>);

impl SharedTicketStore {
    /// A store for this many tickets, of 256 bytes on average; each connection is given two, and the oldest are forgotten.
    #[must_use]
    pub fn new(tickets: usize) -> Self {
        Self(Arc::new(Store(Mutex::new(Ring::new(tickets, tickets.saturating_mul(AVERAGE))))))
    }

    pub(super) fn storage(self) -> Arc<dyn StoresServerSessions> {
        self.0
    }
}

impl Default for SharedTicketStore {
    /// 100,000 tickets, some thirty megabytes when full.
    fn default() -> Self {
        Self::new(100_000)
    }
}

struct Store(Mutex<Ring>);

impl Store {
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().expect("keeping tickets does not panic")
    }
}

/// Says nothing: it is all secrets.
impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl StoresServerSessions for Store {
    fn put(&self, key: Vec<u8>, value: Vec<u8>) -> bool {
        self.ring().put(&key, &value)
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.ring().find(key).map(|(_, value)| value)
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.ring().take(key)
    }

    fn can_cache(&self) -> bool {
        true
    }
}

/// Where a record lies, which is a key and a value after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    start: usize,
    len: usize,
}

/// Records one after the other, and from the beginning again.
struct Ring {
    bytes: Vec<u8>,
    /// Most bytes, and most records.
    room: usize,
    most: usize,
    /// Where the next record goes.
    head: usize,
    /// From the oldest on; those that were taken are still in it.
    order: VecDeque<Place>,
    /// By the beginning of the key.
    places: HashMap<u64, Place>,
}

impl Ring {
    fn new(most: usize, room: usize) -> Self {
        Self { bytes: vec![], room, most, head: 0, order: VecDeque::new(), places: HashMap::new() }
    }

    /// Whether there is room for it, once the oldest have made way.
    fn put(&mut self, key: &[u8], value: &[u8]) -> bool {
        let Some(name) = name(key) else { return false };
        let len = KEY + value.len();
        if len > self.room || self.most == 0 {
            return false;
        }
        if self.head + len > self.room {
            // What is left of this lap stays empty, once its records are gone.
            self.forget_while(|oldest, head| oldest.start >= head);
            self.head = 0;
        }
        let end = self.head + len;
        self.forget_while(|oldest, head| oldest.start >= head && oldest.start < end);
        if self.order.len() >= self.most {
            self.forget_oldest();
        }
        let place = Place { start: self.head, len };
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let (into_key, into_value) = self.bytes[place.start..end].split_at_mut(KEY);
        into_key.copy_from_slice(key);
        into_value.copy_from_slice(value);
        self.head = end;
        self.order.push_back(place);
        self.places.insert(name, place);
        true
    }

    fn find(&self, key: &[u8]) -> Option<(u64, Vec<u8>)> {
        let name = name(key)?;
        let place = self.places.get(&name)?;
        let record = &self.bytes[place.start..place.start + place.len];
        Some((name, record.strip_prefix(key)?.to_vec()))
    }

    fn take(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        let (name, value) = self.find(key)?;
        let place = self.places.remove(&name)?;
        // A secret has no business here any more.
        self.bytes[place.start..place.start + place.len].fill(0);
        Some(value)
    }

    fn forget_while(&mut self, goes: impl Fn(&Place, usize) -> bool) {
        while self.order.front().is_some_and(|oldest| goes(oldest, self.head)) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(place) = self.order.pop_front() else { return };
        let record = &mut self.bytes[place.start..place.start + place.len];
        // Unless it was taken: then the name may be another's.
        if let Some(name) = name(&record[..KEY])
            && self.places.get(&name) == Some(&place)
        {
            self.places.remove(&name);
        }
        record.fill(0);
    }
}

/// What a record is found by; `None` of what is no key.
fn name(key: &[u8]) -> Option<u64> {
    key.first_chunk().filter(|_| key.len() == KEY).map(|first| u64::from_be_bytes(*first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u64) -> [u8; 32] {
        // Far apart, as random ones are.
        let mut key = [7; 32];
        key[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        key
    }

    #[test]
    fn a_ticket_is_good_once() {
        let mut ring = Ring::new(10, 1000);
        assert!(ring.put(&key(1), b"state"));
        assert_eq!(ring.find(&key(1)).map(|(_, value)| value), Some(b"state".to_vec()));
        assert_eq!(ring.take(&key(1)), Some(b"state".to_vec()));
        assert_eq!(ring.take(&key(1)), None);
        assert!(ring.bytes.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_name_that_only_begins_like_another_is_no_ticket() {
        let mut ring = Ring::new(10, 1000);
        assert!(ring.put(&key(1), b"state"));
        let mut other = key(1);
        other[31] ^= 1;
        assert_eq!(ring.take(&other), None);
        assert_eq!((ring.take(&key(1)[..8]), ring.take(b"")), (None, None));
        assert!(ring.take(&key(1)).is_some());
    }

    #[test]
    fn what_is_too_long_is_refused_and_harms_nobody() {
        let mut ring = Ring::new(10, 100);
        assert!(ring.put(&key(1), b"state"));
        assert!(!ring.put(&key(2), &[0; 100]) && !ring.put(b"short", b""));
        assert!(!Ring::new(0, 0).put(&key(1), b""));
        assert_eq!(ring.take(&key(1)), Some(b"state".to_vec()));
    }

    /// Whatever comes and goes: what is found is what was put, the newest are there, and nothing grows beyond its bounds.
    #[test]
    fn the_newest_are_kept_within_the_bounds() {
        const ROOM: usize = 2000;
        let mut ring = Ring::new(20, ROOM);
        let value = |n: u64| vec![n as u8; (n * 31 % 90) as usize];
        for n in 0..5000 {
            assert!(ring.put(&key(n), &value(n)));
            if n % 3 == 0 {
                assert_eq!(ring.take(&key(n)), Some(value(n)));
            }
            assert!(
                ring.bytes.len() <= ROOM && ring.order.len() <= 20 && ring.places.len() <= ring.order.len()
            );
            // A lap has room for 16 of the longest, and the last of it may be unused.
            for old in n.saturating_sub(14)..=n {
                let found = ring.find(&key(old)).map(|(_, value)| value);
                assert_eq!(found, (old % 3 != 0).then(|| value(old)), "{old} at {n}");
            }
        }
        assert!(ring.find(&key(4900)).is_none());
    }
}

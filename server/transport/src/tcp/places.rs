//! How many connections a port has, in all and from one network.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::network;

/// Gives out places for connections, as long as there are any.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    most_of_network: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_network: HashMap<IpAddr, usize>,
}

/// The place of one connection, until dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    network: IpAddr,
}

impl Places {
    pub(super) fn new(most: usize, most_of_network: usize) -> Arc<Self> {
        Arc::new(Self { most, most_of_network, taken: Mutex::default() })
    }

    /// A place for a connection from this address, unless all are taken.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let network = network(address);
        let mut taken = self.lock();
        let of_network = taken.by_network.get(&network).copied().unwrap_or(0);
        if taken.all >= self.most || of_network >= self.most_of_network {
            return None;
        }
        taken.all += 1;
        taken.by_network.insert(network, of_network + 1);
        Some(Place { places: Arc::clone(self), network })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= 1;
        if let Entry::Occupied(mut of_network) = taken.by_network.entry(self.network) {
            *of_network.get_mut() -= 1;
            if *of_network.get() == 0 {
                of_network.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(places: &Arc<Places>, address: &str) -> Option<Place> {
        places.take(address.parse().unwrap())
    }

    #[test]
    fn each_network_has_its_share_and_gives_it_back() {
        let places = Places::new(10, 1);
        let first = take(&places, "192.0.2.1");
        assert!(first.is_some() && take(&places, "::ffff:192.0.2.1").is_none());
        let second = take(&places, "2001:db8::1");
        assert!(second.is_some() && take(&places, "2001:db8::2").is_none());
        assert!(take(&places, "2001:db8:0:1::1").is_some());
        drop(first);
        assert!(take(&places, "192.0.2.1").is_some());
        drop(second);
        assert!(places.lock().by_network.is_empty());
    }

    #[test]
    fn all_together_are_bounded() {
        let places = Places::new(1, 10);
        let held = take(&places, "192.0.2.1");
        assert!(take(&places, "192.0.2.2").is_none());
        drop(held);
        assert!(take(&places, "192.0.2.2").is_some());
    }
}

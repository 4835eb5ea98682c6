//! How many connections there may be, in all and from one place.

use dunlin_proto::Code;
use dunlin_transport::network;
use metrics::gauge;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex},
};

/// Counts connections and says no beyond the bounds.
pub(crate) struct Admission {
    total: usize,
    per_place: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    total: usize,
    by_place: HashMap<IpAddr, usize>,
}

/// The right to one connection; given back when dropped.
pub(crate) struct Permit {
    admission: Arc<Admission>,
    place: IpAddr,
}

impl Admission {
    pub(crate) fn new(total: usize, per_place: usize) -> Arc<Self> {
        Arc::new(Self { total, per_place, held: Mutex::default() })
    }

    /// Admits a connection from this address, or says which bound is reached.
    pub(crate) fn admit(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Code> {
        let place = network(address);
        let mut held = self.held.lock().expect(UNPOISONED);
        if held.total >= self.total {
            return Err(Code::SERVER_FULL);
        }
        let count = held.by_place.entry(place).or_default();
        if *count >= self.per_place {
            return Err(Code::ADDRESS_LIMIT);
        }
        *count += 1;
        held.total += 1;
        gauge!("dunlin_connections").set(held.total as f64);
        Ok(Permit { admission: self.clone(), place })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = self.admission.held.lock().expect(UNPOISONED);
        held.total -= 1;
        gauge!("dunlin_connections").set(held.total as f64);
        if let Some(count) = held.by_place.get_mut(&self.place) {
            *count -= 1;
            if *count == 0 {
                held.by_place.remove(&self.place);
            }
        }
    }
}

const UNPOISONED: &str = "no code panics while it holds this lock";

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(admission: &Arc<Admission>, address: &str) -> Result<Permit, Code> {
        admission.admit(address.parse().unwrap())
    }

    #[test]
    fn a_place_has_its_share_and_gives_it_back() {
        let admission = Admission::new(10, 1);
        let first = admit(&admission, "192.0.2.1").unwrap();
        assert_eq!(admit(&admission, "192.0.2.1").err(), Some(Code::ADDRESS_LIMIT));
        assert_eq!(admit(&admission, "::ffff:192.0.2.1").err(), Some(Code::ADDRESS_LIMIT));
        drop(first);
        assert!(admit(&admission, "192.0.2.1").is_ok());
        assert!(admission.held.lock().unwrap().by_place.is_empty());
    }

    #[test]
    fn an_ipv6_network_is_one_place() {
        let admission = Admission::new(10, 1);
        let _held = admit(&admission, "2001:db8::1").unwrap();
        assert_eq!(admit(&admission, "2001:db8::2").err(), Some(Code::ADDRESS_LIMIT));
        assert!(admit(&admission, "2001:db8:0:1::1").is_ok());
    }

    #[test]
    fn the_total_is_bounded() {
        let admission = Admission::new(1, 5);
        let _held = admit(&admission, "192.0.2.1").unwrap();
        assert_eq!(admit(&admission, "192.0.2.2").err(), Some(Code::SERVER_FULL));
    }
}

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

/// The right to one connection, which counts where its client is; given back when dropped.
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
        held.enter(place, self.per_place)?;
        held.total += 1;
        gauge!("dunlin_connections").set(held.total as f64);
        Ok(Permit { admission: self.clone(), place })
    }
}

impl Permit {
    /// The client is at this address now, and counts there if that is another place. If there is no room, it counts where it
    /// was, and has to go.
    pub(crate) fn move_to(&mut self, address: IpAddr) -> Result<(), Code> {
        let place = network(address);
        if place != self.place {
            let mut held = self.admission.held.lock().expect(UNPOISONED);
            held.enter(place, self.admission.per_place)?;
            held.leave(self.place);
            self.place = place;
        }
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut held = self.admission.held.lock().expect(UNPOISONED);
        held.total -= 1;
        gauge!("dunlin_connections").set(held.total as f64);
        held.leave(self.place);
    }
}

impl Held {
    fn enter(&mut self, place: IpAddr, most: usize) -> Result<(), Code> {
        let count = self.by_place.entry(place).or_default();
        if *count >= most {
            return Err(Code::ADDRESS_LIMIT);
        }
        *count += 1;
        Ok(())
    }

    fn leave(&mut self, place: IpAddr) {
        if let Some(count) = self.by_place.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                self.by_place.remove(&place);
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
    fn who_moves_counts_where_it_is() {
        let admission = Admission::new(10, 1);
        let mut mover = admit(&admission, "192.0.2.1").unwrap();
        let mut go = |address: &str| mover.move_to(address.parse().unwrap());
        assert_eq!((go("192.0.2.1"), go("198.51.100.1")), (Ok(()), Ok(())));
        let settler = admit(&admission, "192.0.2.1").unwrap();
        assert_eq!(admit(&admission, "198.51.100.1").err(), Some(Code::ADDRESS_LIMIT));
        // Where there is no room it does not count, and where it was it still does.
        assert_eq!(go("192.0.2.1"), Err(Code::ADDRESS_LIMIT));
        assert_eq!(admit(&admission, "198.51.100.1").err(), Some(Code::ADDRESS_LIMIT));
        drop((mover, settler));
        assert!(admission.held.lock().unwrap().by_place.is_empty());
    }

    #[test]
    fn moving_within_a_network_is_free() {
        let admission = Admission::new(10, 1);
        let mut mover = admit(&admission, "2001:db8::1").unwrap();
        assert_eq!(mover.move_to("2001:db8::2".parse().unwrap()), Ok(()));
    }

    #[test]
    fn the_total_is_bounded() {
        let admission = Admission::new(1, 5);
        let _held = admit(&admission, "192.0.2.1").unwrap();
        assert_eq!(admit(&admission, "192.0.2.2").err(), Some(Code::SERVER_FULL));
    }
}

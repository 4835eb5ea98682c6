//! Changes of a real network are noticed.
#![cfg(target_os = "linux")]

use std::{
    os::unix::net::UnixStream,
    thread,
    time::{Duration, Instant},
};

use rustix::net::sockopt::set_socket_recv_buffer_size;
use tokio::{sync::watch, time::timeout};

use super::*;
use crate::namespace::{in_a_namespace, ip};

/// What must be noticed; in the end all is as before.
const CHANGES: [&str; 19] = [
    "address add 10.0.0.1/32 dev lo",
    "address add 10.0.0.2/32 dev lo",
    "address del 10.0.0.1/32 dev lo",
    // Without detection of duplicates: until it is over the kernel does not use the address, nor tell of it.
    "address add 2001:db8::1/128 dev lo nodad",
    "address del 2001:db8::1/128 dev lo",
    "route add 192.0.2.0/24 dev lo",
    "route change 192.0.2.0/24 dev lo src 10.0.0.2",
    "route del 192.0.2.0/24",
    "address del 10.0.0.2/32 dev lo",
    "-6 route add 2001:db8:1::/48 dev lo",
    "-6 route del 2001:db8:1::/48",
    "rule add to 192.0.2.0/24 table 100",
    "rule del to 192.0.2.0/24 table 100",
    "-6 rule add to 2001:db8:1::/48 table 100",
    "-6 rule del to 2001:db8:1::/48 table 100",
    "link set lo down",
    "link set lo up",
    "link add one type veth peer two",
    "link del one",
];

/// How late the news may be, with the time that the command takes.
const BAR: Duration = Duration::from_millis(100);

/// A machine that has other things to do may miss it once or twice.
const TRIES: usize = 3;

/// Long enough for any machine: what is not heard by then is never heard.
const NEVER: Duration = Duration::from_secs(10);

#[test]
fn changes_of_addresses_routes_rules_and_links_are_noticed_in_time() {
    in_a_namespace(async || {
        let mut best = [Duration::MAX; CHANGES.len()];
        for _ in 0..TRIES {
            for (change, best) in CHANGES.iter().zip(&mut best) {
                *best = news_of(change).await.min(*best);
            }
            if best.iter().all(|best| *best <= BAR) {
                break;
            }
        }
        for (change, best) in CHANGES.iter().zip(best) {
            println!("{:4} ms: ip {change}", best.as_millis());
            assert!(best <= BAR, "ip {change}: the news took {best:?}");
        }
    });
}

/// Makes a change, and waits until a new watch, which knows nothing of those before, hears of it.
async fn news_of(change: &str) -> Duration {
    let mut watch = Watch::try_start().unwrap();
    let before = Instant::now();
    ip(change);
    assert!(timeout(NEVER, watch.changed()).await.is_ok(), "nothing was heard of: ip {change}");
    before.elapsed()
}

#[test]
fn without_a_change_nothing_is_heard() {
    in_a_namespace(async || {
        let socket = system::open().unwrap();
        ip("address show");
        ip("route show");
        assert_eq!(system::take(&socket), Ok(false));
        ip("address add 10.0.0.1/32 dev lo");
        assert_eq!(system::take(&socket), Ok(true));
    });
}

#[test]
fn all_watches_share_one_watcher_which_ends_with_them() {
    in_a_namespace(async || {
        let shared = || WATCHER.lock().unwrap().strong_count();
        let mut watches: Vec<_> = (0..100).map(|_| Watch::try_start().unwrap()).collect();
        assert_eq!(shared(), 100);
        ip("address add 10.0.0.1/32 dev lo");
        for watch in &mut watches {
            timeout(NEVER, watch.changed()).await.unwrap();
        }
        let late = Watch::try_start().unwrap();
        assert!(
            !late.0.as_ref().unwrap().changes.has_changed().unwrap(),
            "it hears what comes, not what was"
        );
        drop(watches);
        assert_eq!(shared(), 1);
        drop(late);
        assert_eq!(shared(), 0);
    });
}

#[test]
fn a_watch_outlives_the_runtime_in_which_it_was_started() {
    in_a_namespace(async || {
        let other = thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async { Watch::start() })
        });
        let mut watch = other.join().unwrap();
        ip("address add 10.0.0.1/32 dev lo");
        timeout(NEVER, watch.changed()).await.unwrap();
    });
}

#[test]
fn more_changes_than_fit_are_a_change_and_the_watch_goes_on() {
    in_a_namespace(async || {
        let socket = system::open().unwrap();
        set_socket_recv_buffer_size(&socket, 1).unwrap();
        for n in 1..50 {
            ip(&format!("address add 10.0.0.{n}/32 dev lo"));
        }
        let (changes, mut heard) = watch::channel(());
        let (stop, stopped) = UnixStream::pair().unwrap();
        let thread = thread::spawn(move || system::listen(&socket, &stopped, &changes));
        timeout(NEVER, heard.changed()).await.unwrap().unwrap();
        ip("address del 10.0.0.1/32 dev lo");
        timeout(NEVER, heard.changed()).await.unwrap().unwrap();
        drop(stop);
        assert_eq!(thread.join().unwrap(), Ok(()));
    });
}

//! Changes of a real network are noticed, each within 100 ms.
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

/// Makes a change, of which a new watch must hear within 100 ms.
async fn is_noticed(change: &str) {
    let mut watch = Watch::try_start().unwrap();
    let before = Instant::now();
    ip(change);
    let heard = timeout(Duration::from_millis(100), watch.changed()).await;
    assert!(heard.is_ok(), "nothing was heard of: ip {change}");
    println!("{:4} ms from before the command to the news of: ip {change}", before.elapsed().as_millis());
}

#[test]
fn changes_of_addresses_routes_and_links_are_noticed() {
    in_a_namespace(async || {
        is_noticed("address add 10.0.0.1/32 dev lo").await;
        is_noticed("address add 10.0.0.2/32 dev lo").await;
        is_noticed("address del 10.0.0.1/32 dev lo").await;
        is_noticed("address add 2001:db8::1/128 dev lo").await;
        is_noticed("address del 2001:db8::1/128 dev lo").await;
        is_noticed("route add 192.0.2.0/24 dev lo").await;
        is_noticed("route change 192.0.2.0/24 dev lo src 10.0.0.2").await;
        is_noticed("route del 192.0.2.0/24").await;
        is_noticed("-6 route add 2001:db8:1::/48 dev lo").await;
        is_noticed("-6 route del 2001:db8:1::/48").await;
        is_noticed("rule add to 192.0.2.0/24 table 100").await;
        is_noticed("-6 rule add to 2001:db8:1::/48 table 100").await;
        is_noticed("link set lo down").await;
        is_noticed("link set lo up").await;
        is_noticed("link add one type veth peer two").await;
        is_noticed("link del one").await;
    });
}

#[test]
fn without_a_change_nothing_is_heard() {
    in_a_namespace(async || {
        let mut watch = Watch::try_start().unwrap();
        ip("address show");
        ip("route show");
        assert!(timeout(Duration::from_millis(100), watch.changed()).await.is_err());
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
            timeout(Duration::from_millis(100), watch.changed()).await.unwrap();
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
        timeout(Duration::from_millis(100), watch.changed()).await.unwrap();
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
        timeout(Duration::from_millis(100), heard.changed()).await.unwrap().unwrap();
        ip("address del 10.0.0.1/32 dev lo");
        timeout(Duration::from_millis(100), heard.changed()).await.unwrap().unwrap();
        drop(stop);
        assert_eq!(thread.join().unwrap(), Ok(()));
    });
}

//! Many readers of one topic: every event, in order, and a server that does not grow.
//!
//! `tests/run crowd` runs it at full size against a release build, and prints what it measured.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use dunlin_proto::frame::{
    channel::{self, Delivery, FromServer},
    control,
};
use dunlin_tests::{
    process::Home,
    raw::{self, Stream, greet, hello, join, joined, push},
};
use dunlin_transport::{Connection, Dialer};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use std::time::Instant;
use tokio::task::JoinSet;

/// Pushes without a reply at a time; the server allows 256.
const WINDOW: u64 = 64;

/// A number from the environment, for the full size.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Resident memory of a process in KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a running process");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("a line on memory");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of KiB")
}

/// Processor time of a process so far, user and system, in microseconds.
fn processor(pid: u32) -> u64 {
    // Fields 14 and 15, in ticks of 10 ms (proc_pid_stat(5)); the name before them may hold spaces.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("a running process");
    let fields = stat.rsplit_once(')').expect("a name in parentheses").1.split_whitespace();
    fields.skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number") * 10_000).sum()
}

/// Reads this many events and sees that none is missing, doubled or out of place.
async fn read_all(mut stream: Stream, events: u64) {
    for expected in 1..=events {
        match stream.channel().await {
            Some(FromServer::Event(event)) => assert_eq!(event.offset, expected),
            other => panic!("expected event {expected}, got {other:?}"),
        }
    }
}

/// Publishes with a window of pushes in flight, and reports the server's memory half way and at the end.
async fn publish_all(connection: &Connection, events: u64, pid: u32) -> (u64, u64) {
    let (mut stream, _) =
        joined(connection, channel::Join { delivery: Some(Delivery::None), ..join("crowd") }).await;
    let mut half_way = 0;
    for reference in 1..=events {
        stream.send(push(reference, vec![0; 100])).await;
        if reference > WINDOW {
            assert!(matches!(stream.channel().await, Some(FromServer::Reply { .. })));
        }
        if reference == events / 2 {
            half_way = resident(pid);
        }
    }
    for _ in 0..WINDOW.min(events) {
        stream.channel().await;
    }
    (half_way, resident(pid))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn everybody_gets_everything_in_order() {
    let (members, events) = (setting("CROWD_MEMBERS", 100), setting("CROWD_EVENTS", 2000));
    let home = Home::default();
    // A reader that the machine holds up must still find its events.
    let history = format!("history.count={events}");
    let server = home.serve(&["--set", &history, "--set", "history.bytes=64MiB"]).await;
    let pid = server.id();
    let alone = resident(pid);
    let pem = std::fs::read(home.path().join("dev-cert.pem")).unwrap();
    let dialer = Dialer::quic(raw::trusting(CertificateDer::from_pem_slice(&pem).unwrap())).unwrap();

    let mut readers = JoinSet::new();
    let mut open = Vec::new();
    for n in 0..members {
        let connection = dialer.dial(home.address(), "localhost").await.unwrap();
        let mut client = [0; 16];
        client[..8].copy_from_slice(&n.to_be_bytes());
        let control = greet(&connection, control::Hello { client, ..hello() }).await;
        let (stream, _) = joined(&connection, join("crowd")).await;
        readers.spawn(read_all(stream, events));
        open.push((connection, control));
    }
    let publisher = dialer.dial(home.address(), "localhost").await.unwrap();
    let _control = greet(&publisher, control::Hello { client: [255; 16], ..hello() }).await;
    let joined = resident(pid);
    let (start, before) = (Instant::now(), processor(pid));
    let (half_way, at_end) = publish_all(&publisher, events, pid).await;
    readers.join_all().await;
    let (time, spent) = (start.elapsed(), processor(pid) - before);
    let deliveries = (members * events) as f64;
    println!(
        "{members} members, {events} events of 100 bytes, window {WINDOW}: {deliveries} deliveries in {:.1} s, {:.0} a \
         second, {:.2} us of server processor time each",
        time.as_secs_f64(),
        deliveries / time.as_secs_f64(),
        spent as f64 / deliveries,
    );
    println!(
        "server memory: {:.1} KiB a member that has joined; {} MiB when all had joined, {} MiB half way, {} MiB at the end",
        (joined - alone) as f64 / members as f64,
        joined / 1024,
        half_way / 1024,
        at_end / 1024,
    );

    // The log is full long before the half; from there on nothing grows. Some slack for allocators.
    assert!(at_end < half_way + half_way / 4 + 32 * 1024, "{half_way} KiB half way, {at_end} KiB at the end");
}

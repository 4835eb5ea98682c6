//! What sessions cost that wait for their clients.
//!
//! `PARKED_SESSIONS=500 cargo test -p dunlin-tests --test parked -- --nocapture` measures it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use dunlin_client::{Channel, Client, JoinOptions, Message, Trust};
use dunlin_proto::{
    Code,
    frame::{
        channel::{self, Delivery, FromServer},
        control,
    },
};
use dunlin_tests::{
    process::Home,
    raw::{greet, hello, join, joined, push, trusting},
    soon,
};
use dunlin_transport::Dialer;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use serde_json::Value;

const TOKEN: &str = "a secret of some length";

/// Channels of each session.
const CHANNELS: u64 = 5;

/// A number from the environment, for the full size.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// The server's memory in KiB, once so many sessions are parked.
async fn memory(stats: &mut Channel, parked: u64) -> u64 {
    loop {
        if let Some(Message::Event(event)) = soon("figures", stats.next()).await {
            let figures: Value = event.decode().unwrap();
            if figures["sessions"]["parked"] == parked && figures["sessions"]["connected"] == 1 {
                return figures["process"]["rss_bytes"].as_u64().unwrap() / 1024;
            }
        }
    }
}

/// A client that joins, pushes so often on each of its channels, hears every reply, and is gone.
async fn park(dialer: &Dialer, home: &Home, id: u64, pushes: u64) {
    let connection = dialer.dial(home.address(), "localhost").await.unwrap();
    let mut client = [0; 16];
    client[..8].copy_from_slice(&id.to_be_bytes());
    let (_control, _) = greet(&connection, control::Hello { client, ..hello() }).await;
    let mut streams = Vec::new();
    for n in 0..CHANNELS {
        let join = channel::Join { delivery: Some(Delivery::None), ..join(&format!("room:{n}")) };
        streams.push(joined(&connection, join).await.0);
    }
    for stream in &mut streams {
        for reference in 1..=pushes {
            stream.send(push(reference, "hello")).await;
        }
        for _ in 0..pushes {
            assert!(matches!(stream.channel().await, Some(FromServer::Reply { code: Code::OK, .. })));
        }
    }
    connection.close(Code::GOING_AWAY.0, "away");
}

#[tokio::test]
async fn a_session_that_waits_costs_little() {
    let sessions = setting("PARKED_SESSIONS", 50);
    let home = Home::default();
    let token = format!("console.token={TOKEN}");
    let settings = [
        "--set",
        "console.mode=on",
        "--set",
        &token,
        "--set",
        "history.count=0",
        "--set",
        "session.linger=1h",
    ];
    let _server = home.serve(&settings).await;
    let certificate = CertificateDer::from_pem_file(home.path().join("dev-cert.pem")).unwrap();
    let builder = Client::builder(&format!("dunlin://{}", home.address())).unwrap().token(TOKEN);
    let observer = builder.trust(Trust::CaFile(home.path().join("dev-cert.pem"))).connect().await.unwrap();
    let mut stats = observer.join("$server/stats", JoinOptions::default()).await.unwrap();
    let dialer = Dialer::quic(trusting(certificate)).unwrap();

    let mut parked = 0;
    // First some that do not count: what they leave free is used again.
    for (counted, pushes, most) in [(20, 300, u64::MAX), (sessions, 0, 64), (sessions, 300, 240)] {
        let before = memory(&mut stats, parked).await;
        for _ in 0..counted {
            park(&dialer, &home, parked, pushes).await;
            parked += 1;
        }
        let cost = memory(&mut stats, parked).await.saturating_sub(before) / counted;
        println!(
            "{counted} sessions with {CHANNELS} channels and {pushes} pushes on each: {cost} KiB a session"
        );
        assert!(cost <= most, "{cost} KiB");
    }
}

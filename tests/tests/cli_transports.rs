//! The command line over every transport, and on networks that block some.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use dunlin_tests::{
    process::{Home, Output, Process},
    relay::{Protocol, Relay},
};

/// Trust in the certificate that the server has made: only that of a server on the dialled port is found by itself.
fn authority(home: &Home) -> String {
    home.path().join("dev-cert.pem").display().to_string()
}

#[tokio::test]
async fn each_url_is_dialled_as_it_says_and_the_local_certificate_is_found() {
    let home = Home::default();
    let _server = home.serve(&[]).await;
    for (scheme, transport) in [("dunlin", "quic"), ("https", "webtransport"), ("wss", "websocket")] {
        let url = format!("{scheme}://{}/dunlin", home.address());
        let mut ping = home.client(&["ping", "--url", &url, "--count", "1", "--json"]);
        assert_eq!(ping.object("connection").await["transport"], transport);
        assert!(ping.object("pong").await["ms"].is_number());
        assert_eq!(ping.object("summary").await["transport"]["name"], transport);
        assert_eq!(ping.ended().await.code(), Some(0));
    }
}

#[tokio::test]
async fn a_transport_that_is_asked_for_is_used_whatever_the_url_says() {
    let home = Home::default();
    let _server = home.serve(&[]).await;
    for transport in ["quic", "webtransport", "websocket"] {
        let mut ping = home.client(&["ping", "--transport", transport, "--count", "1", "--json"]);
        assert_eq!(ping.object("connection").await["transport"], transport);
    }
}

#[tokio::test]
async fn a_subscriber_goes_on_over_websocket_when_udp_is_blocked_and_says_so() {
    let home = Home::default();
    let _server = home.serve(&[]).await;
    let relay = Relay::start(home.address()).await;
    let (url, ca) = (format!("dunlin://{}", relay.address()), authority(&home));
    let mut subscriber = home.client(&["sub", "room:1", "--json", "--url", &url, "--ca", &ca]);
    assert_eq!(subscriber.object("state").await["transport"], "quic");
    subscriber.object("joined").await;
    relay.block(Protocol::Udp);
    let moved = subscriber.object("moved").await;
    assert_eq!((&moved["transport"], &moved["before"]), (&"websocket".into(), &"quic".into()));
    let mut publisher = home.client(&["pub", "room:1", "7"]);
    assert_eq!(publisher.ended().await.code(), Some(0));
    assert_eq!(subscriber.object("event").await["data"], 7);
}

#[tokio::test]
async fn whoever_asks_for_details_is_told_why_it_fell_back() {
    let home = Home::default();
    let _server = home.serve(&[]).await;
    let relay = Relay::start(home.address()).await;
    relay.block(Protocol::Udp);
    let (url, ca) = (format!("dunlin://{}", relay.address()), authority(&home));
    let arguments = ["ping", "--count", "1", "--verbose", "--url", &url, "--ca", &ca];
    let mut ping = Process::start("dunlin", &arguments, &home, Output::Stderr);
    ping.line_with("no answer over QUIC so far").await;
    ping.line_with("WebSocket answered before QUIC").await;
    assert_eq!(ping.ended().await.code(), Some(0));
}

#[tokio::test]
async fn where_nothing_gets_through_the_error_says_what_was_tried() {
    let home = Home::default();
    let _server = home.serve(&[]).await;
    let relay = Relay::start(home.address()).await;
    relay.cut();
    let (url, ca) = (format!("dunlin://{}", relay.address()), authority(&home));
    let arguments = ["ping", "--timeout", "4s", "--url", &url, "--ca", &ca];
    let mut ping = Process::start("dunlin", &arguments, &home, Output::Stderr);
    ping.line_with("QUIC: no answer to any packet; WebSocket: no answer to any packet").await;
    assert_eq!(ping.ended().await.code(), Some(3));
}

#[tokio::test]
async fn a_subscriber_that_wanders_tells_each_hop_and_loses_nothing() {
    let home = Home::default();
    let _server = home.serve(&[]).await;
    let mut subscriber = home.client(&["sub", "room:1", "--wander", "200ms", "--json"]);
    let joined = subscriber.object("joined").await;
    let mut before = None;
    for _ in 0..3 {
        let hop = subscriber.object("change").await;
        assert_eq!((&hop["rung"], &hop["lost"]), (&"migrated".into(), &0.into()), "{hop}");
        assert_ne!(hop["from"], hop["to"]);
        assert!(before.is_none_or(|before| before == hop["from"]), "{hop}");
        before = Some(hop["to"].clone());
    }
    let mut publisher = home.client(&["pub", "room:1", "7"]);
    assert_eq!(publisher.ended().await.code(), Some(0));
    let event = subscriber.object("event").await;
    assert_eq!(event["offset"].as_u64(), joined["offset"].as_u64().map(|offset| offset + 1));
}

#[tokio::test]
async fn a_subscriber_that_wanders_sums_up_in_the_end() {
    let home = Home::default();
    let _server = home.serve(&[]).await;
    let arguments = ["sub", "room:1", "--wander", "200ms"];
    let mut subscriber = Process::start("dunlin", &arguments, &home, Output::Stderr);
    let hop = subscriber.line_with("moved from").await;
    assert!(hop.contains(" to 127.0.0.1:") && hop.ends_with(", lost 0"), "{hop}");
    subscriber.signal("INT").await;
    assert!(subscriber.line_with("longest gap").await.contains("lost 0"));
    assert_eq!(subscriber.ended().await.code(), Some(0));
}

//! What the server tells about itself in its own topics.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use dunlin_client::{Channel, Client, Code, Delivery, JoinError, JoinOptions, Message, PushError, Trust};
use dunlin_tests::{
    over_every_transport,
    relay::Relay,
    server::{Over, Running},
    soon,
};
use serde_json::Value;

over_every_transport!(
    sessions_and_topics_are_counted,
    topics_are_listed_with_their_readers,
    sessions_are_listed_with_their_clients,
    nobody_pushes_among_the_figures,
    the_figures_are_for_those_with_the_token,
    a_console_that_is_off_has_no_figures,
    refusals_are_counted_by_name,
);

const SECRET: &str = "a secret of some length";

async fn join(client: &Client, topic: &str) -> Channel {
    soon("a join", client.join(topic, JoinOptions::default())).await.unwrap()
}

/// The first figures for which this holds.
async fn figures(channel: &mut Channel, hold: impl Fn(&Value) -> bool) -> Value {
    loop {
        if let Message::Event(event) = soon("figures", channel.next()).await.expect("the channel is open") {
            let figures: Value = event.decode().unwrap();
            if hold(&figures) {
                return figures;
            }
        }
    }
}

async fn refusal(client: &Client, topic: &str) -> Option<Code> {
    match soon("a refusal", client.join(topic, JoinOptions::default())).await {
        Err(JoinError::Refused { code, .. }) => Some(code),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

async fn sessions_and_topics_are_counted(over: Over) {
    let server = Running::start(over, &[("history.memory", "2MiB")]).await;
    let (watcher, member) = (server.client().await, server.client().await);
    let mut stats = join(&watcher, "$server/stats").await;
    let _reader = join(&member, "room:1").await;
    let options = JoinOptions { delivery: Some(Delivery::None), ..JoinOptions::default() };
    let _silent = member.join("room:2", options).await.unwrap();
    let seen = figures(&mut stats, |seen| seen["topics"]["count"] == 2 && seen["memberships"] == 3).await;
    assert_eq!(seen["sessions"]["connected"], 2);
    assert_eq!(seen["sessions"]["parked"], 0);
    assert_eq!(seen["sessions"]["by_transport"][over.name()], 2);
    assert_eq!(seen["topics"]["readers"], 2);
    assert_eq!(seen["topics"]["history_limit"], 2 << 20);
    assert_eq!(
        seen["continuity"],
        serde_json::json!({"migrated": 0, "resumed": 0, "recovered": 0, "lost": 0, "gaps": 0})
    );
    assert!(seen["agent"].as_str().unwrap().starts_with("dunlin-server/"));
    assert!(seen["at"].as_u64().unwrap() > seen["uptime_ms"].as_u64().unwrap());
    if cfg!(target_os = "linux") {
        assert!(seen["process"]["rss_bytes"].as_u64().unwrap() > 1 << 20);
        assert!(seen["process"]["cpu_seconds"].is_f64());
    }
}

async fn topics_are_listed_with_their_readers(over: Over) {
    let server = Running::start(over, &[]).await;
    let client = server.client().await;
    let mut topics = join(&client, "$server/topics").await;
    let mut stats = join(&client, "$server/stats").await;
    // When there is a first list, the next one knows rates.
    figures(&mut topics, |_| true).await;
    let (room, _idle) = (join(&client, "room:1").await, join(&client, "room:2").await);
    let reply = room.push("said", "hello").await.unwrap();
    let position: Value = reply.decode().unwrap();
    let seen = figures(&mut topics, |seen| seen["topics"][0]["rate"].as_f64() > Some(0.0)).await;
    assert_eq!(seen["total"], 2);
    let busiest = &seen["topics"][0];
    assert_eq!(
        (&busiest["name"], &busiest["readers"], &busiest["held"]),
        (&"room:1".into(), &1.into(), &1.into())
    );
    assert_eq!((&busiest["offset"], &busiest["epoch"]), (&position["offset"], &position["epoch"]));
    assert!(busiest["bytes"].as_u64().unwrap() > 5);
    assert_eq!(seen["topics"][1]["name"], "room:2");
    let seen = figures(&mut stats, |seen| seen["per_second"]["events"].as_f64() > Some(0.0)).await;
    let (events, bytes) = (&seen["per_second"]["events"], &seen["per_second"]["event_bytes"]);
    assert!(
        (bytes.as_f64().unwrap() / events.as_f64().unwrap() - 5.0).abs() < 0.001,
        "five bytes were pushed: {seen}"
    );
}

async fn sessions_are_listed_with_their_clients(over: Over) {
    let server = Running::start(over, &[]).await;
    let client = server.client().await;
    let _member = server.client().await;
    let mut sessions = join(&client, "$server/sessions").await;
    let seen = figures(&mut sessions, |seen| seen["total"] == 2).await;
    let rows = seen["sessions"].as_array().unwrap();
    let connected: Vec<_> = rows.iter().map(|row| row["connected_ms"].as_u64().unwrap()).collect();
    assert!(connected.is_sorted(), "newest first: {connected:?}");
    let watcher = rows.iter().find(|row| row["channels"] == 1).expect("the one that watches");
    assert_eq!((&watcher["transport"], &watcher["resumed"]), (&over.name().into(), &0.into()));
    assert_eq!(watcher["parked"], false);
    assert!(watcher["agent"].as_str().unwrap().starts_with("dunlin-client/"), "{watcher}");
    assert!(watcher["address"].as_str().unwrap().parse::<std::net::SocketAddr>().unwrap().ip().is_loopback());
    assert_eq!(watcher["paths"], serde_json::json!({"changes": 0, "last": []}));
    assert_eq!(watcher["session"].as_str().unwrap().len(), 16);
}

async fn nobody_pushes_among_the_figures(over: Over) {
    let server = Running::start(over, &[]).await;
    let client = server.client().await;
    let mut stats = join(&client, "$server/stats").await;
    let refused = soon("a reply", stats.push_value("stats", &1)).await.unwrap_err();
    assert!(matches!(refused, PushError::Refused { code: Code::FORBIDDEN, .. }), "{refused:?}");
    assert!(figures(&mut stats, |_| true).await.is_object());
    assert_eq!(refusal(&client, "$server/other").await, Some(Code::NO_CHANNEL));
}

async fn the_figures_are_for_those_with_the_token(over: Over) {
    let server = Running::start(over, &[("console.token", SECRET)]).await;
    for wrong in [None, Some("another secret of it"), Some("")] {
        let builder = server.builder();
        let builder = if let Some(token) = wrong { builder.token(token) } else { builder };
        let client = builder.connect().await.unwrap();
        assert_eq!(refusal(&client, "$server/stats").await, Some(Code::TOKEN_REQUIRED), "{wrong:?}");
        join(&client, "room:1").await;
    }
    let client = server.builder().token(SECRET).connect().await.unwrap();
    for topic in ["$server/stats", "$server/topics", "$server/sessions"] {
        let mut channel = join(&client, topic).await;
        let seen = figures(&mut channel, |_| true).await;
        assert!(!seen.to_string().contains(SECRET));
    }
}

async fn a_console_that_is_off_has_no_figures(over: Over) {
    let server = Running::start(over, &[("console.mode", "off"), ("console.token", SECRET)]).await;
    let client = server.builder().token(SECRET).connect().await.unwrap();
    assert_eq!(refusal(&client, "$server/stats").await, Some(Code::NO_CHANNEL));
}

async fn refusals_are_counted_by_name(over: Over) {
    let server = Running::start(over, &[]).await;
    let client = server.client().await;
    for _ in 0..2 {
        assert_eq!(refusal(&client, "$nothing").await, Some(Code::NO_CHANNEL));
    }
    let mut stats = join(&client, "$server/stats").await;
    let seen = figures(&mut stats, |_| true).await;
    assert_eq!(seen["refusals"], serde_json::json!({"NO_CHANNEL": 2}));
}

#[tokio::test]
async fn a_session_that_waits_for_its_client_is_seen_and_its_return_is_counted() {
    let server = Running::start(Over::Quic, &[("transport.idle_timeout", "1s")]).await;
    let relay = Relay::start(server.address()).await;
    let builder = Client::builder(&format!("dunlin://{}", relay.address())).unwrap();
    let builder = builder.trust(Trust::Pinned(server.fingerprint()));
    let flaky = builder.keep_alive(std::time::Duration::from_millis(300)).connect().await.unwrap();
    let _room = join(&flaky, "room:1").await;
    let steady = server.builder().keep_alive(std::time::Duration::from_millis(300)).connect().await.unwrap();
    let (mut stats, mut sessions) =
        (join(&steady, "$server/stats").await, join(&steady, "$server/sessions").await);
    relay.cut();
    let seen = figures(&mut stats, |seen| seen["sessions"]["parked"] == 1).await;
    assert_eq!((&seen["sessions"]["connected"], &seen["memberships"]), (&1.into(), &3.into()));
    let is_away =
        |row: &Value| row["parked"] == true && row["rtt_ms"].is_null() && row["transport"] == "quic";
    figures(&mut sessions, |seen| seen["sessions"].as_array().unwrap().iter().any(is_away)).await;
    relay.mend();
    let came_back = |seen: &Value| seen["continuity"]["resumed"] == 1 && seen["continuity"]["recovered"] == 1;
    let seen = figures(&mut stats, came_back).await;
    assert_eq!((&seen["sessions"]["connected"], &seen["sessions"]["parked"]), (&2.into(), &0.into()));
    figures(&mut sessions, |seen| seen["sessions"][0]["resumed"] == 1).await;
}

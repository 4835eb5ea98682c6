//! `dunlin bench` against a real server: each benchmark, small, and whether what it tells adds up.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use dunlin_tests::process::{Home, Process};
use serde_json::Value;

/// Runs a benchmark, of which nothing may fail or get lost, and gives its object.
async fn bench(home: &Home, server: &Process, arguments: &[&str]) -> Value {
    let pid = server.id().to_string();
    let mut bench = home.client(&[&["bench"], arguments, &["--json", "--server-pid", &pid]].concat());
    let line = bench.line().await.unwrap();
    let found: Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&found["failed"], &found["lost"]), (&0.into(), &0.into()), "{found:#}");
    assert!(found["per_second"].as_f64().unwrap() > 0.0, "{found:#}");
    let [p50, p99] = ["p50_us", "p99_us"].map(|name| found[name].as_f64().unwrap());
    assert!(p50 > 0.0 && p50 <= p99, "{found:#}");
    for name in ["generator_cpu_share", "generator_delay_p99_us", "server_cpu_share"] {
        assert!(found[name].is_number(), "{name}: {found:#}");
    }
    assert!(found["saturated"].is_boolean(), "{found:#}");
    assert_eq!(bench.line().await, None, "one object and nothing else");
    assert_eq!(bench.ended().await.code(), Some(0));
    found
}

/// Nothing came twice or in another order.
fn assert_in_order(found: &Value) {
    assert_eq!((&found["duplicates"], &found["out_of_order"]), (&0.into(), &0.into()), "{found:#}");
}

#[tokio::test]
async fn connections_come_and_stay() {
    let home = Home::default();
    let server = home.serve(&[]).await;
    for transport in ["quic", "webtransport", "websocket"] {
        let arguments = ["connections", "--count", "20", "--hold", "0.2", "--transport", transport];
        let found = bench(&home, &server, &arguments).await;
        assert_eq!((&found["transport"], &found["connections"]), (&transport.into(), &20.into()));
        assert!(found["server_rss_bytes_per_connection"].is_number(), "{found:#}");
    }
}

#[tokio::test]
async fn latency_is_told_of_every_message_that_was_due() {
    let home = Home::default();
    let server = home.serve(&[]).await;
    let span = ["--warmup", "0.1", "--duration", "1s"];
    let load = ["latency", "--rate", "100", "--idle", "10", "--subscribers", "3"];
    let found = bench(&home, &server, &[&load[..], &span].concat()).await;
    assert_eq!((&found["delivered"], &found["idle"]), (&300.into(), &10.into()));
    assert!(found["server_cpu_us_per_delivery"].is_number(), "{found:#}");
    assert_in_order(&found);
}

#[tokio::test]
async fn a_fan_out_delivers_to_all_with_any_window() {
    let home = Home::default();
    let server = home.serve(&[]).await;
    for window in ["1", "32"] {
        let load = ["fanout", "--subscribers", "10", "--window", window, "--size", "128"];
        let span = ["--warmup", "0.1", "--duration", "0.5"];
        let found = bench(&home, &server, &[&load[..], &span].concat()).await;
        assert!(found["delivered"].as_u64().unwrap() >= 10, "{found:#}");
        assert_in_order(&found);
    }
}

#[tokio::test]
async fn churn_loses_nothing() {
    let home = Home::default();
    let server = home.serve(&[]).await;
    let load = ["churn", "--count", "5", "--rate", "20", "--messages", "50", "--duration", "1s"];
    let found = bench(&home, &server, &load).await;
    // Cycles 0 to 4 and 10 to 14 join again, 5 to 9 and 15 to 19 resume.
    assert_eq!((&found["joins"], &found["resumes"]), (&10.into(), &10.into()), "{found:#}");
    assert_eq!(found["delivered"], 250, "{found:#}");
    assert_in_order(&found);
}

#[tokio::test]
async fn after_a_storm_everybody_is_back_with_what_was_missed() {
    let home = Home::default();
    let server = home.serve(&[]).await;
    let found = bench(&home, &server, &["storm", "--count", "20", "--missed", "7"]).await;
    assert_eq!((&found["connections"], &found["returned"]), (&20.into(), &20.into()), "{found:#}");
    assert_in_order(&found);
}

#[tokio::test]
async fn an_interrupted_benchmark_tells_what_it_has() {
    let home = Home::default();
    let _server = home.serve(&[]).await;
    let mut watcher = home.client(&["sub", "room:1", "--json"]);
    watcher.object("joined").await;
    let load = ["bench", "latency", "--topic", "room:1", "--warmup", "0.01", "--duration", "10m", "--json"];
    let mut bench = home.client(&load);
    watcher.object("event").await;
    bench.signal("INT").await;
    let found: Value = serde_json::from_str(&bench.line().await.unwrap()).unwrap();
    assert_eq!((&found["interrupted"], &found["lost"]), (&true.into(), &0.into()));
    assert_eq!(bench.ended().await.code(), Some(0));
}

#[tokio::test]
async fn what_is_refused_is_counted_by_its_reason() {
    let home = Home::default();
    let _server = home.serve(&["--set", "limits.sessions=5"]).await;
    let mut bench = home.client(&["bench", "connections", "--count", "20", "--hold", "0.1", "--json"]);
    let found: Value = serde_json::from_str(&bench.line().await.unwrap()).unwrap();
    let refused = found["failed"].as_u64().unwrap();
    assert!(refused >= 15, "{found:#}");
    assert_eq!(
        found["failures"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum::<u64>(),
        refused
    );
    assert_eq!(bench.ended().await.code(), Some(1));
}

//! `dunlin-server` and `dunlin` as a user runs them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use dunlin_tests::{
    process::{Home, Output, Process, binary},
    soon,
};
use std::{os::unix::fs::PermissionsExt, process::Stdio};
use tokio::io::{AsyncBufReadExt, BufReader};

/// Publishes each line and sees that all are acknowledged.
async fn publish(home: &Home, topic: &str, lines: impl IntoIterator<Item = String>) {
    let mut publisher = home.client(&["pub", topic, "-"]);
    for line in lines {
        publisher.say(&line).await;
    }
    publisher.end_of_input();
    assert_eq!(publisher.ended().await.code(), Some(0));
}

/// Reads events and sees that they carry these numbers, each once and in order.
async fn receive(subscriber: &mut Process, numbers: impl IntoIterator<Item = u64>) -> (u64, u64) {
    let mut position = (0, 0);
    for number in numbers {
        let event = subscriber.object("event").await;
        assert_eq!(event["data"], number, "{event}");
        position = (event["epoch"].as_u64().unwrap(), event["offset"].as_u64().unwrap());
    }
    position
}

#[tokio::test]
async fn two_subscribers_and_a_publisher_talk() {
    let home = Home::default();
    let _server = home.serve(&[]).await;
    let mut subscribers =
        [home.client(&["sub", "room:1", "--json"]), home.client(&["sub", "room:1", "--json"])];
    for subscriber in &mut subscribers {
        subscriber.object("joined").await;
    }
    publish(&home, "room:1", (1..=1000).map(|n| n.to_string())).await;
    for subscriber in &mut subscribers {
        receive(subscriber, 1..=1000).await;
    }
}

#[tokio::test]
async fn a_subscriber_that_was_killed_comes_back_with_since() {
    let home = Home::default();
    let _server = home.serve(&[]).await;
    let mut first = home.client(&["sub", "room:1", "--json"]);
    first.object("joined").await;
    publish(&home, "room:1", (1..=50).map(|n| n.to_string())).await;
    let (epoch, offset) = receive(&mut first, 1..=30).await;
    first.signal("KILL").await;
    publish(&home, "room:1", (51..=100).map(|n| n.to_string())).await;

    let since = format!("{epoch}:{offset}");
    let mut second = home.client(&["sub", "room:1", "--json", "--since", &since, "--count", "70"]);
    let recovered = second.object("recovered").await;
    assert_eq!(recovered["offset"], offset);
    receive(&mut second, 31..=100).await;
    assert_eq!(second.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_killed_server_is_noticed_and_its_new_epoch_is_told() {
    let home = Home::default();
    let server = home.serve(&[]).await;
    let mut subscriber = home.client(&["sub", "room:1", "--json"]);
    subscriber.object("joined").await;
    publish(&home, "room:1", ["1".into()]).await;
    let (old_epoch, _) = receive(&mut subscriber, 1..=1).await;
    server.signal("KILL").await;
    drop(server);

    let _server = home.serve(&[]).await;
    let lost = subscriber.object("lost").await;
    assert_ne!(lost["epoch"], old_epoch);
    publish(&home, "room:1", ["2".into()]).await;
    let (new_epoch, offset) = receive(&mut subscriber, 2..=2).await;
    assert_eq!((lost["epoch"].as_u64().unwrap(), 1), (new_epoch, offset));
}

#[tokio::test]
async fn a_publisher_waits_for_the_server_to_come_back() {
    let home = Home::default();
    let server = home.serve(&[]).await;
    let mut publisher = home.client(&["pub", "room:1", "-"]);
    publisher.say("1").await;
    let mut subscriber = home.client(&["sub", "room:1", "--json", "--since", "oldest"]);
    receive(&mut subscriber, 1..=1).await;
    drop(server);
    publisher.say("2").await;
    let _server = home.serve(&[]).await;
    publisher.end_of_input();
    assert_eq!(publisher.ended().await.code(), Some(0));
    let mut late = home.client(&["sub", "room:1", "--json", "--since", "oldest", "--count", "1"]);
    receive(&mut late, 2..=2).await;
}

#[tokio::test]
async fn sigterm_drains_and_a_second_one_ends_at_once() {
    let home = Home::default();
    let mut server = home.serve(&["--set", "drain=1h"]).await;
    let mut subscriber = home.client(&["sub", "room:1", "--json"]);
    subscriber.object("joined").await;
    server.signal("TERM").await;
    server.line_with("draining").await;
    server.signal("TERM").await;
    assert_eq!(server.ended().await.code(), Some(130));
}

#[tokio::test]
async fn without_clients_a_drain_is_over_at_once() {
    let home = Home::default();
    let mut server = home.serve(&["--set", "drain=1h"]).await;
    server.signal("TERM").await;
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn nobody_answers_is_an_exit_code_and_a_hint() {
    let home = Home::default();
    let mut ping =
        Process::start("dunlin", &["--timeout", "1s", "ping", "--count", "1"], &home, Output::Stderr);
    assert!(ping.line().await.unwrap().starts_with("dunlin: "));
    assert!(ping.line().await.unwrap().contains("hint: "));
    assert_eq!(ping.ended().await.code(), Some(3));
}

#[tokio::test]
async fn a_wrong_pin_is_not_trusted() {
    let home = Home::default();
    let _server = home.serve(&[]).await;
    let pin = "00".repeat(32);
    let mut ping = Process::start("dunlin", &["--pin", &pin, "ping", "--count", "1"], &home, Output::Stderr);
    assert!(ping.line().await.unwrap().contains("certificate"));
    assert_eq!(ping.ended().await.code(), Some(5));
}

#[tokio::test]
async fn every_mistake_of_a_configuration_is_reported() {
    let home = Home::default();
    let file = home.path().join("bad.toml");
    std::fs::write(&file, "listen = \"nowhere\"\n[limits]\nchannels = 0\nchanels = 3\n").unwrap();
    let file = file.display().to_string();
    let mut server = Process::start("dunlin-server", &["--config", &file, "--check"], &home, Output::Stderr);
    let mut text = String::new();
    while let Some(line) = server.line().await {
        text += &line;
    }
    for part in [
        "limits.chanels",
        "did you mean `limits.channels`?",
        "\"nowhere\" is not an address",
        "from 1 to 10000",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(server.ended().await.code(), Some(78));
}

#[tokio::test]
async fn print_config_gives_a_file_that_check_accepts() {
    let home = Home::default();
    let mut print =
        Process::start("dunlin-server", &["--listen", "[::1]:1", "--print-config"], &home, Output::Stdout);
    let mut text = String::new();
    while let Some(line) = print.line().await {
        text += &line;
        text += "\n";
    }
    assert!(text.contains("listen = \"[::1]:1\""), "{text}");
    let file = home.path().join("printed.toml");
    std::fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let mut check = Process::start("dunlin-server", &["--config", &file, "--check"], &home, Output::Stdout);
    assert_eq!(check.line().await.unwrap(), "the configuration is fine");
    assert_eq!(check.ended().await.code(), Some(0));
}

#[tokio::test]
async fn certificates_of_files_are_taken_up_without_a_restart() {
    let home = Home::default();
    let dir = home.path().join("tls");
    let make = |dir: std::path::PathBuf| {
        let mut make = home.client(&["certs", "make", "--dir", dir.to_str().unwrap()]);
        async move { assert_eq!(make.ended().await.code(), Some(0)) }
    };
    make(dir.clone()).await;
    let pair = dir.join("dev.pem").display().to_string();
    let ca = dir.join("dev-cert.pem").display().to_string();
    let (cert, key) = (format!("tls.cert={pair}"), format!("tls.key={pair}"));
    let mut server = home.serve(&["--set", &cert, "--set", &key]).await;
    let mut subscriber = home.client(&["--ca", &ca, "sub", "room:1", "--json"]);
    subscriber.object("joined").await;

    let other = home.path().join("other");
    make(other.clone()).await;
    let old_ca = home.path().join("old-cert.pem");
    std::fs::copy(&ca, &old_ca).unwrap();
    std::fs::rename(other.join("dev-cert.pem"), dir.join("dev-cert.pem")).unwrap();
    std::fs::rename(other.join("dev.pem"), dir.join("dev.pem")).unwrap();
    soon("the new certificate", server.line_with("new certificate in force")).await;

    // New connections get the new certificate; the old connection goes on.
    let mut publisher = home.client(&["--ca", &ca, "pub", "room:1", "7"]);
    assert_eq!(publisher.ended().await.code(), Some(0));
    receive(&mut subscriber, 7..=7).await;
    let old_ca = old_ca.display().to_string();
    let mut distrustful = home.client(&["--ca", &old_ca, "--timeout", "5s", "pub", "room:1", "8"]);
    assert_eq!(distrustful.ended().await.code(), Some(5));
}

#[tokio::test]
async fn all_file_descriptors_that_there_may_be_are_taken() {
    let home = Home::default();
    let mut shell = tokio::process::Command::new("sh");
    shell
        .args(["-c", "ulimit -Sn 99; exec \"$@\"", "sh"])
        .arg(binary("dunlin-server"))
        .args(["--listen", "127.0.0.1:0", "--http", "off", "--data-dir"])
        .arg(home.path())
        .env("HOME", home.path())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut server = shell.spawn().unwrap();
    let mut lines = BufReader::new(server.stderr.take().unwrap()).lines();
    while !soon("serving", lines.next_line()).await.unwrap().unwrap().contains("serving") {}
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id().unwrap())).unwrap();
    let files = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let [soft, hard] = files.split_whitespace().collect::<Vec<_>>()[..2] else { unreachable!() };
    assert!(soft == hard && soft != "99", "{files}");
}

#[tokio::test]
async fn secrets_in_the_data_directory_are_their_owners() {
    let home = Home::default();
    let _server = home.serve(&[]).await;
    for entry in std::fs::read_dir(home.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        let name = entry.file_name();
        // The lock is empty, the certificate public.
        let open_to_all = ["dev-cert.pem", "dev.lock", "local"].iter().any(|public| name == *public);
        assert!(open_to_all || mode & 0o077 == 0, "{name:?} {mode:o}");
    }
}

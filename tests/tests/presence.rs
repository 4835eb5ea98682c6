//! Who is in a topic, as real clients are told over every transport.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use dunlin_client::{Ask, Channel, Client, JoinOptions, Message, PresenceDiff, Trust};
use dunlin_proto::{
    Code,
    frame::{channel, control, presence},
};
use dunlin_tests::{
    over_every_transport,
    process::Home,
    raw::{greet, hello, join, joined},
    server::{Over, Running},
    soon,
};

over_every_transport!(
    clients_see_each_other_come_and_go,
    a_client_that_is_back_tells_only_what_has_changed,
    a_resumed_session_never_left,
    a_list_of_many_comes_in_parts,
    counts_are_enough_for_some,
);

async fn present(client: &Client, topic: &str, ask: Ask) -> Channel {
    let params = Some("a phone".into());
    let options = JoinOptions { presence: ask, params, ..JoinOptions::default() };
    soon("a join", client.join(topic, options)).await.unwrap()
}

async fn change(channel: &mut Channel) -> PresenceDiff {
    loop {
        if let Message::Presence(diff) = soon("a change", channel.next()).await.expect("the channel is open")
        {
            return diff;
        }
    }
}

/// Reads until so many devices are there.
async fn until(channel: &mut Channel, devices: u64) {
    while channel.presence().devices() != devices {
        change(channel).await;
    }
}

async fn clients_see_each_other_come_and_go(over: Over) {
    let server = Running::start(over, &[]).await;
    let (ada, bob) = (server.client().await, server.client().await);
    let mut one = present(&ada, "room", Ask::Full).await;
    until(&mut one, 1).await;
    let mut two = present(&bob, "room", Ask::Full).await;
    until(&mut one, 2).await;
    until(&mut two, 2).await;
    assert!(one.presence().entries().eq(two.presence().entries()), "both see the same");
    assert_eq!((one.presence().keys().len(), one.presence().users()), (2, 2));
    two.leave().await;
    let gone = change(&mut one).await;
    assert_eq!((gone.leaves.len(), gone.devices, one.presence().devices()), (1, 1, 1));
    // The topic's events are as ever.
    one.push("said", "hello").await.unwrap();
    assert!(
        matches!(soon("an event", one.next()).await, Some(Message::Event(event)) if event.payload == "hello")
    );
}

async fn a_client_that_is_back_tells_only_what_has_changed(over: Over) {
    // A server that forgets sessions at once: who is back is a new entry.
    let server = Running::start(over, &[("session.linger", "0s")]).await;
    let (ada, bob) = (server.client().await, server.client().await);
    let mut watching = present(&ada, "room", Ask::Full).await;
    let mut other = present(&bob, "room", Ask::Full).await;
    until(&mut watching, 2).await;
    until(&mut other, 2).await;
    let before: Vec<_> = other.presence().entries().cloned().collect();
    // The third is there for the time in which the second is not.
    let raw = server.dial().await;
    let (control, _) = greet(&raw, control::Hello { client: [9; 16], ..hello() }).await;
    let ask = channel::Join { presence: presence::Ask::Full, ..join("room") };
    let third = joined(&raw, ask).await;
    until(&mut other, 3).await;
    drop((control, third));
    raw.close(Code::OK.0, "bye");
    until(&mut other, 2).await;
    assert!(before.iter().eq(other.presence().entries()), "nobody who stayed was told again");
}

async fn a_resumed_session_never_left(over: Over) {
    let server = Running::start(over, &[]).await;
    let ada = server.client().await;
    let mut watching = present(&ada, "room", Ask::Full).await;
    until(&mut watching, 1).await;
    let ask = || channel::Join { presence: presence::Ask::Full, ..join("room") };
    let first = server.dial().await;
    let (_control, welcome) = greet(&first, hello()).await;
    let _stream = joined(&first, ask()).await;
    until(&mut watching, 2).await;
    first.close(Code::GOING_AWAY.0, "a tunnel");
    let second = server.dial().await;
    let (_control, welcome) =
        greet(&second, control::Hello { resume: Some(welcome.resume), ..hello() }).await;
    assert!(welcome.resumed);
    let _stream = joined(&second, ask()).await;
    // Had it left and come back, that would have been told before this.
    let bob = server.client().await;
    let _other = present(&bob, "room", Ask::Full).await;
    let diff = change(&mut watching).await;
    assert_eq!((diff.joins.len(), diff.leaves.len(), diff.devices), (1, 0, 3));
}

async fn a_list_of_many_comes_in_parts(over: Over) {
    let server = Running::start(over, &[]).await;
    let client = server.client().await;
    let data = "x".repeat(1000);
    let mut sessions = Vec::new();
    for n in 0..50_u8 {
        let connection = server.dial().await;
        let (control, _) = greet(&connection, control::Hello { client: [n; 16], ..hello() }).await;
        let params = Some(data.clone().into());
        let ask = channel::Join { presence: presence::Ask::Counts, params, ..join("room") };
        sessions.push((joined(&connection, ask).await, control, connection));
    }
    let mut room = present(&client, "room", Ask::Full).await;
    until(&mut room, 51).await;
    assert_eq!(room.presence().entries().filter(|entry| entry.data.len() == 1000).count(), 50);
}

async fn counts_are_enough_for_some(over: Over) {
    let server = Running::start(over, &[]).await;
    let (ada, bob) = (server.client().await, server.client().await);
    let mut one = present(&ada, "room", Ask::Counts).await;
    let _two = present(&bob, "room", Ask::Full).await;
    until(&mut one, 2).await;
    assert_eq!((one.presence().users(), one.presence().entries().len()), (2, 0));
}

#[tokio::test]
async fn the_command_line_shows_who_is_there() {
    let home = Home::default();
    let _server = home.serve(&[]).await;
    let mut watching = home.client(&["presence", "room:1", "--watch", "--json"]);
    let first = watching.object("presence").await;
    assert_eq!(first["entries"], serde_json::json!([]), "who only watches is not shown");
    let builder = dunlin_client::Client::builder(&format!("dunlin://{}", home.address())).unwrap();
    let trust = Trust::CaFile(home.path().join("dev-cert.pem"));
    let member = soon("a welcome", builder.trust(trust).connect()).await.unwrap();
    let room = present(&member, "room:1", Ask::Full).await;
    while watching.object("change").await["joins"].as_array().unwrap().is_empty() {}
    let mut list = home.client(&["presence", "room:1", "--json"]);
    let list = list.object("presence").await;
    assert_eq!((list["users"].as_u64(), list["entries"].as_array().unwrap().len()), (Some(1), 1), "{list}");
    drop(room);
    member.close().await;
    while watching.object("change").await["leaves"].as_array().unwrap().is_empty() {}
}

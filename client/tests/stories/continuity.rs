//! The ladder in memory, where nothing migrates: a connection that may be gone against a new one, time without a network,
//! long pauses. What migrates is told in `tests/`, over real sockets.

use std::time::Duration;

use dunlin_client::{Cause, Channel, Client, Code, JoinOptions, Message, Rung, Start, State, Transport};
use dunlin_proto::frame::control::{FromClient, FromServer};
use dunlin_transport::ConnectionError;
use tokio::{join, time::timeout};

use crate::peer::{Member, Peer, Server, at, server as server_of_the_tests};

/// A client that asks for a sign of life each second, in one topic.
async fn in_a_topic() -> (Server, Peer, Client, Channel, Member) {
    let (server, builder) = server_of_the_tests();
    let (client, peer) = join!(builder.keep_alive(Duration::from_secs(1)).connect(), server.welcome());
    let client = client.unwrap();
    let (channel, member) = join!(client.join("a", JoinOptions::default()), peer.joined(Start::Live, at(0)));
    let mut channel = channel.unwrap();
    assert!(matches!(channel.next().await, Some(Message::Joined(_))));
    (server, peer, client, channel, member)
}

fn gone_on(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::Closed { code, .. } if Code(*code) == Code::GOING_AWAY)
}

#[tokio::test(start_paused = true)]
async fn while_a_path_is_silent_another_connection_is_made_beside_it() {
    let (server, peer, client, mut channel, _member) = in_a_topic().await;
    let (mut changes, mut states) = (client.changes(), client.state());
    states.mark_unchanged();
    // Nobody answers.
    let mut new = server.hello().await;
    assert_eq!(new.hello.resume.as_deref(), Some(&b"ticket"[..]));
    assert_eq!(peer.connection.close_reason(), None, "the old connection is kept until there is an answer");
    assert!(!states.has_changed().unwrap(), "so far it may be nothing");
    new.welcome().await;
    let mut member = new.joined(Start::Recovered, at(0)).await;
    assert!(gone_on(&peer.connection.closed().await));
    member.event(1).await;
    let Some(Message::Joined(joined)) = channel.next().await else { panic!("not a join") };
    assert!(joined.again && joined.away >= Duration::from_secs(3), "{joined:?}");
    assert_eq!(channel.next().await.unwrap().position(), Some(at(1)));
    let change = changes.next().await.unwrap();
    assert_eq!((change.rung, change.cause, change.lost), (Rung::Resumed, Cause::Silence, Some(0)));
    assert_eq!((change.transport, change.gap), (Transport::Memory, joined.away));
    assert!(matches!(&*states.borrow(), State::Online { resumed: true, .. }));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_was_only_slow_is_kept() {
    let (server, mut peer, client, channel, mut member) = in_a_topic().await;
    let mut states = client.state();
    states.mark_unchanged();
    // No other connection is accepted; meanwhile the answer comes after all.
    for _ in 0..4 {
        let FromClient::Ping { n } = peer.hear().await else { panic!("not a ping") };
        if n == 4 {
            peer.say(FromServer::Pong { n }).await;
        }
    }
    let handle = channel.sender().send("e", "", None).await.unwrap();
    let [reference] = member.references().await;
    member.reply(reference, Code::OK, "").await;
    handle.await.unwrap();
    assert!(!states.has_changed().unwrap());
    let other = timeout(Duration::from_millis(900), server.hello()).await;
    assert!(other.is_err(), "the attempt was given up");
}

#[tokio::test(start_paused = true)]
async fn without_a_network_nothing_is_written_and_with_one_all_of_it() {
    let (server, peer, client, channel, mut member) = in_a_topic().await;
    let mut states = client.state();
    client.network_changed(false);
    states.wait_for(|state| matches!(state, State::Recovering { .. })).await.unwrap();
    let handle = channel.sender().send("e", "", None).await.unwrap();
    let written = timeout(Duration::from_secs(60), member.push()).await;
    assert!(written.is_err(), "a push went out without a network");
    client.network_changed(true);
    let peer_again = server.welcome().await;
    assert!(gone_on(&peer.connection.closed().await));
    let mut member = peer_again.joined(Start::Recovered, at(0)).await;
    let [reference] = member.references().await;
    member.reply(reference, Code::OK, "").await;
    handle.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_follow_to_another_network_is_replaced_though_it_lives() {
    let (server, mut peer, client, _channel, _member) = in_a_topic().await;
    let mut changes = client.changes();
    client.network_changed(true);
    let new = async {
        // It takes a while, in which the old connection answers.
        tokio::time::sleep(Duration::from_millis(600)).await;
        let peer = server.welcome().await;
        (peer.joined(Start::Recovered, at(0)).await, peer)
    };
    let (_member, ()) = join!(new, peer.answer_pings());
    assert_eq!(changes.next().await.unwrap().cause, Cause::NetworkChanged);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_dialled_while_the_host_says_that_there_is_no_network() {
    let (server, peer, client, _channel, _member) = in_a_topic().await;
    client.network_changed(false);
    peer.connection.close(Code::INTERNAL.0, "");
    let dialled = timeout(Duration::from_secs(600), server.hello()).await;
    assert!(dialled.is_err(), "dialled without a network");
    client.network_changed(true);
    server.welcome().await;
}

#[tokio::test(start_paused = true)]
async fn a_long_pause_lets_the_connection_go_and_its_end_brings_it_back() {
    let (server, mut peer, client, _channel, _member) = in_a_topic().await;
    let (mut changes, mut states) = (client.changes(), client.state());
    client.pause();
    loop {
        match peer.hear().await {
            FromClient::Ping { n } => peer.say(FromServer::Pong { n }).await,
            FromClient::Pause => break,
            other => panic!("{other:?}"),
        }
    }
    let paused = async {
        states.wait_for(|state| *state == State::Paused).await.unwrap();
    };
    join!(peer.answer_pings(), paused);
    assert!(gone_on(&peer.connection.closed().await));
    assert!(timeout(Duration::from_secs(3600), server.hello()).await.is_err(), "the radio can sleep");
    client.resume();
    let mut peer = server.hello().await;
    assert_eq!(peer.hello.resume.as_deref(), Some(&b"ticket"[..]));
    peer.welcome().await;
    let _member = peer.joined(Start::Recovered, at(0)).await;
    assert_eq!(changes.next().await.unwrap().cause, Cause::Resumed);
}

#[tokio::test(start_paused = true)]
async fn a_client_can_be_closed_while_it_is_in_doubt_and_while_it_is_paused() {
    let (server, peer, client, _channel, _member) = in_a_topic().await;
    let _attempt = server.hello().await;
    let gone = async {
        let _ = peer.connection.closed().await;
    };
    join!(client.close(), gone);

    let (server, _peer, client, _channel, _member) = in_a_topic().await;
    let _attempt = server.hello().await;
    client.network_changed(false);
    // No network will come.
    timeout(Duration::from_secs(60), client.close()).await.unwrap();

    let (server, builder) = server_of_the_tests();
    let (client, _peer) = join!(builder.park_after(Duration::ZERO).connect(), server.welcome());
    let client = client.unwrap();
    let mut states = client.state();
    client.pause();
    states.wait_for(|state| *state == State::Paused).await.unwrap();
    client.close().await;
    assert!(matches!(&*states.borrow(), State::Closed(_)));
}

#[tokio::test(start_paused = true)]
async fn the_gap_begins_with_the_last_sign_of_life_and_not_with_the_end_of_the_connection() {
    let (server, peer, client, _channel, mut member) = in_a_topic().await;
    let mut changes = client.changes();
    member.event(1).await;
    tokio::time::sleep(Duration::from_millis(900)).await;
    peer.connection.close(Code::INTERNAL.0, "");
    let peer = server.welcome().await;
    let _member = peer.joined(Start::Recovered, at(1)).await;
    let change = changes.next().await.unwrap();
    assert!(change.gap >= Duration::from_millis(900), "{change:?}");
    assert_eq!(change.cause, Cause::Lost);
}

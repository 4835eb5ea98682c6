//! Two ways to one server: which is taken, and how a session moves from one to the other.

use std::time::Duration;

use dunlin_client::{Client, Code, JoinOptions, Message, Start, State};
use dunlin_proto::frame::{
    Refusal,
    control::{FromClient, FromServer},
};
use dunlin_transport::ConnectionError;
use tokio::{join, time::Instant};

use crate::peer::{Peer, Server, at, two_ways};

/// No test comes here by waiting.
const NEVER: Duration = Duration::from_secs(100_000);

/// A client that is online by the second way, for the first one does not answer.
async fn fallen_back() -> (Server, Server, Peer, Client) {
    let (first, second, builder) = two_ways();
    // Nobody need answer pings.
    let (client, peer) = join!(builder.keep_alive(NEVER).connect(), second.welcome());
    (first, second, peer, client.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_first_choice_that_answers_in_time_is_alone() {
    let (first, second, builder) = two_ways();
    let (client, _peer) = join!(builder.head_start(NEVER).connect(), first.welcome());
    tokio::select! {
        biased;
        _ = second.hello() => panic!("the other way was tried"),
        time = tokio::time::sleep(Duration::from_secs(3600)) => time,
    }
    drop(client);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_answer_has_its_head_start_and_no_more() {
    let start = Instant::now();
    let (_first, _second, _peer, client) = fallen_back().await;
    assert_eq!(start.elapsed(), Duration::from_millis(500));
    assert_eq!(client.connection().unwrap().handshake, Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn what_fails_at_once_makes_way_at_once() {
    let (first, second, builder) = two_ways();
    first.stop();
    let (client, _peer) = join!(builder.head_start(NEVER).connect(), second.welcome());
    client.unwrap();
}

#[tokio::test(start_paused = true)]
async fn where_the_first_choice_failed_lately_there_is_no_head_start() {
    let (_first, second, builder) = two_ways();
    let (client, _peer) = join!(builder.clone().connect(), second.welcome());
    client.unwrap();
    let start = Instant::now();
    let (client, _peer) = join!(builder.head_start(NEVER).connect(), second.welcome());
    client.unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn where_it_works_again_it_has_one_again() {
    let (first, second, builder) = two_ways();
    let (client, _peer) = join!(builder.clone().connect(), second.welcome());
    client.unwrap();
    // Both are tried at once, and the first choice answers.
    let (client, _peer) = join!(builder.clone().connect(), first.welcome());
    client.unwrap();
    let start = Instant::now();
    let (client, _peer) = join!(builder.connect(), second.welcome());
    client.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(500));
}

#[tokio::test(start_paused = true)]
async fn when_both_fail_both_are_told() {
    let (first, second, builder) = two_ways();
    first.stop();
    second.stop();
    let error = builder.connect().await.unwrap_err().to_string();
    assert!(error.contains("QUIC: the server takes no connections"), "{error}");
    assert!(error.contains("; WebSocket: the server takes no connections"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn when_neither_answers_both_are_told() {
    let (_first, _second, builder) = two_ways();
    let error = builder.connect().await.unwrap_err().to_string();
    let told = "QUIC: no answer to any packet; WebSocket: no answer to any packet";
    assert!(error.ends_with(told), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_session_moves_back_to_the_first_choice_and_stays_online() {
    let (first, _second, peer, client) = fallen_back().await;
    let (channel, mut member) =
        join!(client.join("a", JoinOptions::default()), peer.joined(Start::Live, at(0)));
    let mut channel = channel.unwrap();
    member.event(1).await;
    for offset in 0..=1 {
        assert_eq!(channel.next().await.unwrap().position(), Some(at(offset)));
    }
    // On its way, and without an answer.
    let mut push = Box::pin(channel.push("e", "x"));
    let reference = tokio::select! {
        _ = &mut push => panic!("nobody has answered"),
        [reference] = member.references() => reference,
    };
    let mut states = client.state();
    states.mark_unchanged();

    let start = Instant::now();
    let better = first.welcome().await;
    assert!(start.elapsed() >= Duration::from_secs(60));
    assert_eq!(better.hello.resume.as_deref(), Some(&b"ticket"[..]));
    let mut member = better.joined(Start::Recovered, at(1)).await;
    assert_eq!(member.join.since, Some(at(1)));
    assert_eq!(member.references().await, [reference]);
    member.reply(reference, Code::OK, "once").await;
    member.event(2).await;
    assert_eq!(push.await.unwrap().payload, "once");

    // There was no outage: neither for who watches the client, nor for who reads the topic.
    states.changed().await.unwrap();
    assert!(matches!(&*states.borrow_and_update(), State::Online { resumed: true, .. }));
    assert!(!states.has_changed().unwrap());
    let Some(Message::Joined(joined)) = channel.next().await else { panic!("joined first") };
    assert_eq!((joined.again, joined.start, joined.away), (true, Start::Recovered, Duration::ZERO));
    assert_eq!(channel.next().await.unwrap().position(), Some(at(2)));
    // Code 0 would have ended the session.
    let left = peer.connection.closed().await;
    assert!(matches!(left, ConnectionError::Closed { code, .. } if code == Code::GOING_AWAY.0), "{left}");
    assert_eq!(client.connection().unwrap().connections.memory, 2);
}

#[tokio::test(start_paused = true)]
async fn a_better_connection_that_falls_silent_disturbs_nothing() {
    let (first, _second, mut peer, client) = fallen_back().await;
    let (channel, mut member) =
        join!(client.join("a", JoinOptions::default()), peer.joined(Start::Live, at(0)));
    let mut channel = channel.unwrap();
    channel.next().await.unwrap();
    let silent = first.hello().await;
    let left = silent.connection.closed().await;
    assert!(matches!(left, ConnectionError::Closed { code, .. } if code == Code::GOING_AWAY.0), "{left}");
    member.event(1).await;
    assert_eq!(channel.next().await.unwrap().position(), Some(at(1)));
    let pong = async {
        let FromClient::Ping { n } = peer.hear().await else { panic!("not a ping") };
        peer.say(FromServer::Pong { n }).await;
    };
    let (time, ()) = join!(client.ping(), pong);
    time.unwrap();
    assert_eq!(client.connection().unwrap().connections.memory, 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_an_abandoned_hello_took_away_is_taken_back() {
    let (first, second, peer, client) = fallen_back().await;
    let _silent = first.hello().await;
    // The server did hear it, and moved the session to a connection that is gone.
    peer.connection.close(Code::SESSION_MOVED.0, "");
    let again = second.welcome().await;
    assert_eq!(again.hello.resume.as_deref(), Some(&b"ticket"[..]));
    let mut states = client.state();
    states.wait_for(|state| matches!(state, State::Online { .. })).await.unwrap();
    // Later it is somebody else who has the ticket.
    tokio::time::sleep(Duration::from_secs(61)).await;
    again.connection.close(Code::SESSION_MOVED.0, "");
    let closed = states.wait_for(|state| matches!(state, State::Closed(_))).await.unwrap().clone();
    assert!(matches!(closed, State::Closed(closed) if closed.code == Some(Code::SESSION_MOVED)));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_answer_and_the_other_way_is_not_tried() {
    let (first, second, builder) = two_ways();
    let refuse = async {
        let mut peer = first.hello().await;
        peer.say(FromServer::Refused(Refusal::new(Code::FORBIDDEN))).await;
        peer
    };
    let (error, _peer) = tokio::select! {
        refused = async { join!(builder.connect(), refuse) } => refused,
        _ = second.hello() => panic!("the other way was tried"),
    };
    assert_eq!(error.unwrap_err().code(), Some(Code::FORBIDDEN));
}

#[tokio::test(start_paused = true)]
async fn the_way_back_is_tried_again_and_again_with_growing_pauses() {
    let (first, _second, _peer, _client) = fallen_back().await;
    let mut last = Instant::now();
    for minutes in [1, 2, 4, 8, 16, 30, 30] {
        // It answers, and ends at once.
        drop(first.accept().await);
        let pause = last.elapsed();
        let range = Duration::from_secs(minutes * 60)..=Duration::from_secs(minutes * 75);
        assert!(range.contains(&pause), "{minutes}: {pause:?}");
        last = Instant::now();
    }
}

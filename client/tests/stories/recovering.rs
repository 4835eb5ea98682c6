use std::time::Duration;

use dunlin_client::{Channel, Client, Code, JoinOptions, Message, Position, Start, State};
use dunlin_proto::frame::{Refusal, channel::FromServer};
use tokio::{join, time::Instant};

use crate::peer::{Member, Peer, Server, at, online};

/// In a topic, with events up to offset 2 read.
async fn reading() -> (Server, Peer, Client, Channel, Member) {
    let (server, peer, client) = online().await;
    let (channel, member) = join!(client.join("a", JoinOptions::default()), peer.joined(Start::Live, at(0)));
    let (mut channel, mut member) = (channel.unwrap(), member);
    member.event(1).await;
    member.event(2).await;
    for offset in 0..=2 {
        assert_eq!(channel.next().await.unwrap().position(), Some(at(offset)));
    }
    (server, peer, client, channel, member)
}

async fn rejoined(channel: &mut Channel) -> dunlin_client::Joined {
    match channel.next().await {
        Some(Message::Joined(joined)) if joined.again => joined,
        other => panic!("{other:?} instead of a join"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_resumed_and_the_topic_joined_from_the_last_position() {
    let (server, peer, client, mut channel, _member) = reading().await;
    let mut state = client.state();
    state.mark_unchanged();
    peer.connection.close(Code::INTERNAL.0, "");
    state.changed().await.unwrap();
    assert!(matches!(&*state.borrow(), State::Recovering { .. }));
    let peer = server.welcome().await;
    assert_eq!(peer.hello.resume.as_deref(), Some(&b"ticket"[..]));
    let mut member = peer.joined(Start::Recovered, at(2)).await;
    assert_eq!(member.join.since, Some(at(2)));
    member.event(3).await;
    let joined = rejoined(&mut channel).await;
    assert_eq!((joined.start, joined.previous), (Start::Recovered, Some(at(2))));
    assert!(joined.away > Duration::ZERO);
    assert_eq!(channel.next().await.unwrap().position(), Some(at(3)));
}

#[tokio::test(start_paused = true)]
async fn events_that_wait_for_the_application_are_not_asked_for_again() {
    let (server, peer, _client, mut channel, mut member) = reading().await;
    member.event(3).await;
    member.event(4).await;
    // The client has them once it answers to what follows them.
    let handle = channel.sender().send("e", "", None).await.unwrap();
    let [reference] = member.references().await;
    member.reply(reference, Code::OK, "").await;
    handle.await.unwrap();
    peer.connection.close(Code::INTERNAL.0, "");
    let peer = server.welcome().await;
    let member = peer.joined(Start::Recovered, at(4)).await;
    assert_eq!(member.join.since, Some(at(4)));
    assert_eq!(channel.next().await.unwrap().position(), Some(at(3)));
    assert_eq!(channel.next().await.unwrap().position(), Some(at(4)));
    rejoined(&mut channel).await;
}

#[tokio::test(start_paused = true)]
async fn what_history_does_not_cover_is_told() {
    let (server, peer, _client, mut channel, _member) = reading().await;
    peer.connection.close(Code::INTERNAL.0, "");
    let elsewhere = Position::new(8, 40);
    let peer = server.welcome().await;
    let _member = peer.joined(Start::Lost, elsewhere).await;
    let joined = rejoined(&mut channel).await;
    assert_eq!((joined.start, joined.position, joined.previous), (Start::Lost, elsewhere, Some(at(2))));
    assert_eq!(channel.position(), elsewhere);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_failed_is_joined_again_after_the_advised_time() {
    let (_server, peer, _client, mut channel, member) = reading().await;
    member.end(FromServer::Closed(Refusal::new(Code::CHANNEL_FAILED))).await;
    let told = Instant::now();
    let member = peer.joined(Start::Recovered, at(2)).await;
    assert_eq!(member.join.since, Some(at(2)));
    assert!((Duration::from_secs(1)..=Duration::from_secs(2)).contains(&told.elapsed()));
    rejoined(&mut channel).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_just_ends_is_opened_again() {
    let (_server, peer, _client, mut channel, member) = reading().await;
    drop(member);
    let _member = peer.joined(Start::Recovered, at(2)).await;
    rejoined(&mut channel).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_goes_back_is_never_handed_on() {
    let (_server, peer, _client, mut channel, mut member) = reading().await;
    member.event(2).await;
    assert_eq!(member.reset_code().await, Code::UNEXPECTED_FRAME.0);
    let mut member = peer.joined(Start::Recovered, at(2)).await;
    member.event(3).await;
    rejoined(&mut channel).await;
    assert_eq!(channel.next().await.unwrap().position(), Some(at(3)));
}

#[tokio::test(start_paused = true)]
async fn one_channel_can_end_while_the_others_live() {
    let (_server, peer, client, mut channel, mut member) = reading().await;
    let (other, other_member) =
        join!(client.join("b", JoinOptions::default()), peer.joined(Start::Live, at(0)));
    let mut other = other.unwrap();
    other_member.end(FromServer::Closed(Refusal::new(Code::FORBIDDEN))).await;
    assert!(matches!(other.next().await, Some(Message::Joined(_))));
    assert_eq!(other.next().await, None);
    member.event(3).await;
    assert_eq!(channel.next().await.unwrap().position(), Some(at(3)));
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_end_is_final_ends_its_channels_with_the_reason() {
    let (_server, peer, _client, mut channel, _member) = reading().await;
    peer.connection.close(Code::TOKEN_EXPIRED.0, "expired");
    assert_eq!(channel.next().await, None);
    assert_eq!(channel.closed().unwrap().code, Some(Code::TOKEN_EXPIRED));
}

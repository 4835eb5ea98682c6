use std::time::Duration;

use bytes::Bytes;
use dunlin_client::{Code, Delivery, Event, JoinError, JoinOptions, Message, Position, Start};
use dunlin_proto::frame::{
    Refusal,
    channel::{FromServer, Join},
    presence::Ask,
};
use tokio::{join, time::Instant};

use crate::peer::{Peer, at, online, server};

async fn joined(
    client: &dunlin_client::Client,
    peer: &Peer,
) -> (dunlin_client::Channel, crate::peer::Member) {
    let (channel, member) = join!(client.join("a", JoinOptions::default()), peer.joined(Start::Live, at(0)));
    let mut channel = channel.unwrap();
    assert!(matches!(channel.next().await, Some(Message::Joined(joined)) if !joined.again));
    (channel, member)
}

#[tokio::test(start_paused = true)]
async fn a_join_carries_its_options_and_brings_the_answer() {
    let (_server, peer, client) = online().await;
    let options = JoinOptions {
        since: Some(at(3)),
        delivery: Some(Delivery::Latest),
        priority: 7,
        params: Some(Bytes::from_static(b"p")),
        interval: Some(Duration::from_millis(200)),
        deadline: Some(Duration::from_secs(2)),
        rewind: 10,
        ..JoinOptions::default()
    };
    let (channel, member) = join!(client.join("a", options), peer.joined(Start::Recovered, at(3)));
    let mut channel = channel.unwrap();
    assert_eq!(
        member.join,
        Join {
            topic: "a".parse().unwrap(),
            since: Some(at(3)),
            delivery: Some(Delivery::Latest),
            priority: 7,
            params: Some(Bytes::from_static(b"p")),
            presence: Ask::None,
            interval_ms: Some(200),
            deadline_ms: Some(2000),
            rewind: Some(10),
            flow: None,
        }
    );
    assert_eq!((channel.reply().as_ref(), channel.position()), (&b"hi"[..], at(3)));
    let Some(Message::Joined(joined)) = channel.next().await else { panic!("not a join") };
    assert_eq!((joined.start, joined.previous, joined.again), (Start::Recovered, Some(at(3)), false));
}

#[tokio::test(start_paused = true)]
async fn joins_travel_with_hello_before_the_welcome() {
    let (server, builder) = server();
    let client = builder.open();
    let script = async {
        let mut peer = server.hello().await;
        let mut member = peer.joining().await;
        member.accept(Start::Live, at(0)).await;
        peer.welcome().await;
        (peer, member)
    };
    let (channel, _script) = join!(client.join("a", JoinOptions::default()), script);
    channel.unwrap();
}

#[tokio::test(start_paused = true)]
async fn everything_a_channel_says_is_handed_on_in_order() {
    let (_server, peer, client) = online().await;
    let (mut channel, mut member) = joined(&client, &peer).await;
    member.event(1).await;
    member.say(FromServer::Gap { from: 2, to: 4 }).await;
    member.say(FromServer::Direct { event: "d".into(), payload: Bytes::from_static(b"x") }).await;
    member.say(FromServer::Restarted(Position::new(8, 0))).await;
    member.event(1).await;
    let event = |position| {
        Message::Event(Event {
            topic: "a".parse().unwrap(),
            position,
            at: 0,
            event: "e".into(),
            payload: Bytes::new(),
            key: None,
        })
    };
    assert_eq!(channel.next().await, Some(event(at(1))));
    assert_eq!(channel.next().await, Some(Message::Gap { from: at(2), to: at(4) }));
    assert_eq!(channel.position(), at(4));
    let direct = Message::Direct { event: "d".into(), payload: Bytes::from_static(b"x") };
    assert_eq!(channel.next().await, Some(direct));
    assert_eq!(channel.next().await, Some(Message::Restarted(Position::new(8, 0))));
    assert_eq!(channel.next().await, Some(event(Position::new(8, 1))));
    assert_eq!(channel.position(), Position::new(8, 1));
}

#[tokio::test(start_paused = true)]
async fn a_refused_join_is_an_error_and_the_topic_is_free_again() {
    let (_server, peer, client) = online().await;
    let refuse = async { peer.joining().await.end(FromServer::Refused(Refusal::new(Code::FORBIDDEN))).await };
    let (error, ()) = join!(client.join("a", JoinOptions::default()), refuse);
    assert!(matches!(error.unwrap_err(), JoinError::Refused { code: Code::FORBIDDEN, .. }));
    joined(&client, &peer).await;
}

#[tokio::test(start_paused = true)]
async fn a_join_refused_for_a_time_is_sent_again_after_it() {
    let (_server, peer, client) = online().await;
    let script = async {
        peer.joining().await.end(FromServer::Refused(Refusal::new(Code::TOPIC_LIMIT))).await;
        let told = Instant::now();
        let member = peer.joined(Start::Live, at(0)).await;
        assert!((Duration::from_secs(5)..=Duration::from_secs(10)).contains(&told.elapsed()));
        member
    };
    let (channel, _member) = join!(client.join("a", JoinOptions::default()), script);
    channel.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_topic_is_joined_once_at_a_time() {
    let (_server, peer, client) = online().await;
    let (channel, mut member) = joined(&client, &peer).await;
    let again = client.join("a", JoinOptions::default()).await;
    assert_eq!(again.unwrap_err(), JoinError::AlreadyJoined("a".parse().unwrap()));
    let (left, ()) = join!(member.push(), channel.leave());
    assert_eq!(left, None);
    joined(&client, &peer).await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_channel_leaves() {
    let (_server, peer, client) = online().await;
    let (channel, mut member) = joined(&client, &peer).await;
    drop(channel);
    assert_eq!(member.push().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_is_closed_for_good_says_why() {
    let (_server, peer, client) = online().await;
    let (mut channel, member) = joined(&client, &peer).await;
    assert_eq!(channel.closed(), None);
    member.end(FromServer::Closed(Refusal::because(Code::FORBIDDEN, "banned"))).await;
    assert_eq!(channel.next().await, None);
    let closed = channel.closed().unwrap();
    assert_eq!((closed.code, &*closed.message), (Some(Code::FORBIDDEN), "banned"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_application_stops_its_own_channel_only() {
    let (_server, peer, client) = online().await;
    let options = JoinOptions { buffer: 2, ..JoinOptions::default() };
    let (slow, mut slow_member) = join!(client.join("slow", options), peer.joined(Start::Live, at(0)));
    let mut slow = slow.unwrap();
    let flood = async {
        for offset in 1..=20_000 {
            slow_member.event(offset).await;
        }
    };
    tokio::pin!(flood);
    let stuck = async {
        let (mut channel, mut member) = joined(&client, &peer).await;
        member.event(1).await;
        assert_eq!(channel.next().await.unwrap().position(), Some(at(1)));
    };
    // The flood is as far as the windows reach, and the other channel works.
    tokio::select! {
        biased;
        () = &mut flood => panic!("nobody reads, and yet everything was taken"),
        () = stuck => {}
    }
    let read = async {
        assert!(matches!(slow.next().await, Some(Message::Joined(_))));
        for offset in 1..=20_000 {
            assert_eq!(slow.next().await.unwrap().position(), Some(at(offset)));
        }
    };
    join!(flood, read);
}

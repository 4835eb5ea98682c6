//! What the client library and the server do together.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use bytes::Bytes;
use dunlin_client::{
    Channel, Client, Code, Delivery, Event, JoinError, JoinOptions, Message, Position, Start, State, Trust,
};
use dunlin_proto::frame::{Refusal, channel::Push};
use dunlin_server::channel::{self, Context};
use dunlin_tests::{
    over_every_transport,
    relay::Relay,
    server::{Over, Running},
    soon,
};
use std::time::Duration;

over_every_transport!(
    members_hear_each_other_in_order,
    many_pushes_in_flight_keep_their_order,
    a_late_comer_reads_from_the_oldest,
    a_refused_join_is_an_error_with_its_code,
    a_megabyte_arrives_whole,
    a_channel_that_panics_ends_alone_and_is_joined_again,
    a_channel_may_refuse_a_join_and_a_push,
    a_drained_server_is_left_in_peace,
);

async fn join(client: &Client, topic: &str) -> Channel {
    soon("a join", client.join(topic, JoinOptions::default())).await.unwrap()
}

async fn event(channel: &mut Channel) -> Event {
    loop {
        match soon("an event", channel.next()).await.expect("the channel is open") {
            Message::Event(event) => return event,
            Message::Gap { from, to } => panic!("missed {from} to {to}"),
            _ => {}
        }
    }
}

async fn members_hear_each_other_in_order(over: Over) {
    let server = Running::start(over, &[]).await;
    let (alice, bob) = (server.client().await, server.client().await);
    let (mut hers, mut his) = (join(&alice, "room:1").await, join(&bob, "room:1").await);
    hers.push_value("said", "hello").await.unwrap();
    his.push_value("said", "hi").await.unwrap();
    for channel in [&mut hers, &mut his] {
        assert_eq!(event(channel).await.decode::<String>().unwrap(), "hello");
        assert_eq!(event(channel).await.decode::<String>().unwrap(), "hi");
    }
}

async fn many_pushes_in_flight_keep_their_order(over: Over) {
    let server = Running::start(over, &[]).await;
    let client = server.client().await;
    let mut reader = join(&client, "room:1").await;
    let publisher = server.client().await;
    let options = JoinOptions { delivery: Some(Delivery::None), ..JoinOptions::default() };
    let writer = publisher.join("room:1", options).await.unwrap();
    let sender = writer.sender();
    let mut answers = Vec::new();
    for n in 0..2000_u32 {
        answers.push(sender.send("n", n.to_be_bytes().to_vec(), None).await.unwrap());
    }
    for n in 0..2000_u32 {
        assert_eq!(event(&mut reader).await.payload, Bytes::copy_from_slice(&n.to_be_bytes()));
    }
    for answer in answers {
        soon("a reply", answer).await.unwrap();
    }
}

async fn a_late_comer_reads_from_the_oldest(over: Over) {
    let server = Running::start(over, &[]).await;
    let client = server.client().await;
    let early = join(&client, "room:1").await;
    for n in 1..=3 {
        early.push_value("n", &n).await.unwrap();
    }
    let late = server.client().await;
    let options = JoinOptions { since: Some(Position::OLDEST), ..JoinOptions::default() };
    let mut late = late.join("room:1", options).await.unwrap();
    for n in 1..=3 {
        assert_eq!(event(&mut late).await.decode::<u32>().unwrap(), n);
    }
}

async fn a_refused_join_is_an_error_with_its_code(over: Over) {
    let server = Running::start(over, &[]).await;
    let client = server.client().await;
    let refused = soon("a refusal", client.join("$server/secrets", JoinOptions::default())).await;
    assert!(matches!(refused, Err(JoinError::Refused { code: Code::NO_CHANNEL, .. })), "{refused:?}");
}

async fn a_megabyte_arrives_whole(over: Over) {
    let server = Running::start(over, &[]).await;
    let client = server.client().await;
    let mut channel = join(&client, "room:1").await;
    let payload: Bytes =
        (0..1024 * 1024_u32).map(|n| n.to_le_bytes()[n as usize % 4]).collect::<Vec<_>>().into();
    channel.push("big", payload.clone()).await.unwrap();
    assert!(event(&mut channel).await.payload == payload);
}

/// A channel whose code fails when it is told to.
struct Brittle;

impl channel::Channel for Brittle {
    type Info = std::convert::Infallible;

    async fn join(&mut self, context: &Context, params: Option<Bytes>) -> Result<Bytes, Refusal> {
        if params.as_deref() == Some(b"no") {
            return Err(Refusal::because(Code::REJECTED, &format!("not you, {}", context.topic())));
        }
        Ok("welcome".into())
    }

    async fn handle_in(&mut self, context: &Context, push: Push) -> Result<Bytes, Refusal> {
        match &*push.event {
            "break" => panic!("as the test wants it"),
            "refuse" => Err(Refusal::because(Code::REJECTED, "not like this")),
            _ => {
                context.broadcast(push).await.map_err(|_| Refusal::new(Code::UNAVAILABLE))?;
                Ok("done".into())
            }
        }
    }
}

async fn a_channel_that_panics_ends_alone_and_is_joined_again(over: Over) {
    let server =
        Running::start_with(over, &[], |builder| builder.channel("brittle:*".parse().unwrap(), || Brittle))
            .await;
    let client = server.client().await;
    let (mut brittle, mut sound) = (join(&client, "brittle:1").await, join(&client, "sound").await);
    assert_eq!(brittle.reply(), "welcome");
    let broken = soon("a reply", brittle.push("break", "")).await.unwrap_err();
    assert!(broken.to_string().contains("CHANNEL_FAILED"), "{broken}");
    loop {
        match soon("the next join", brittle.next()).await {
            Some(Message::Joined(joined)) if joined.again => break,
            Some(_) => {}
            None => panic!("{:?}", brittle.closed()),
        }
    }
    // What broke it does not come again, and the other topic has not noticed.
    assert_eq!(brittle.push("other", "").await.unwrap().payload, "done");
    sound.push_value("n", &1).await.unwrap();
    assert_eq!(event(&mut sound).await.decode::<u32>().unwrap(), 1);
    assert!(server.counter("dunlin_channel_panics_total", "").await.unwrap() >= 1.0);
    assert_eq!(event(&mut brittle).await.event.as_ref(), "other");
}

async fn a_channel_may_refuse_a_join_and_a_push(over: Over) {
    let server =
        Running::start_with(over, &[], |builder| builder.channel("brittle:*".parse().unwrap(), || Brittle))
            .await;
    let client = server.client().await;
    let options = JoinOptions { params: Some("no".into()), ..JoinOptions::default() };
    let refused = soon("a refusal", client.join("brittle:1", options)).await.unwrap_err();
    assert!(refused.to_string().contains("not you, brittle:1"), "{refused}");
    let channel = join(&client, "brittle:2").await;
    let refused = channel.push("refuse", "").await.unwrap_err();
    assert!(refused.to_string().contains("not like this"), "{refused}");
    assert_eq!(channel.push("other", "").await.unwrap().payload, "done");
}

async fn a_drained_server_is_left_in_peace(over: Over) {
    let server = Running::start(over, &[("drain", "1s")]).await;
    let client = server.client().await;
    let _channel = join(&client, "room:1").await;
    let mut state = client.state();
    // Clients leave within the second; the server does not have to cut them off.
    soon("the end of the drain", server.shut_down()).await;
    soon("the client's noticing", state.wait_for(|state| !matches!(state, State::Online { .. })))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_dead_network_costs_nothing_but_time() {
    let server = Running::start(Over::Quic, &[]).await;
    let relay = Relay::start(server.address()).await;
    let flaky = Client::builder(&format!("dunlin://{}", relay.address()))
        .unwrap()
        .trust(Trust::Pinned(server.fingerprint()))
        .keep_alive(Duration::from_secs(1))
        .connect()
        .await
        .unwrap();
    let steady = server.client().await;
    let (mut lost, mut heard) = (join(&flaky, "room:1").await, join(&steady, "room:1").await);
    let mut state = flaky.state();

    relay.cut();
    let unheard = lost.sender().send("up", "from the tunnel", None).await.unwrap();
    soon("the client's noticing", state.wait_for(|state| matches!(state, State::Recovering { .. })))
        .await
        .unwrap();
    for n in 1..=100 {
        heard.push_value("down", &n).await.unwrap();
    }
    relay.mend();
    let online = soon("the way back", state.wait_for(|state| matches!(state, State::Online { .. }))).await;
    assert!(matches!(*online.unwrap(), State::Online { resumed: true, .. }));

    // Everything that was missed, then what was said meanwhile, each once.
    for n in 1..=100 {
        assert_eq!(event(&mut lost).await.decode::<u32>().unwrap(), n);
        assert_eq!(event(&mut heard).await.decode::<u32>().unwrap(), n);
    }
    soon("a reply", unheard).await.unwrap();
    for channel in [&mut lost, &mut heard] {
        assert_eq!(event(channel).await.payload, "from the tunnel");
    }
    steady.close().await;
    assert!(server.get("/healthz").await.unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn a_session_that_was_away_too_long_still_recovers_from_history() {
    let server = Running::start(Over::Quic, &[("session.linger", "0s")]).await;
    let relay = Relay::start(server.address()).await;
    let builder = Client::builder(&format!("dunlin://{}", relay.address())).unwrap();
    let builder = builder.trust(Trust::Pinned(server.fingerprint())).keep_alive(Duration::from_secs(1));
    let flaky = builder.connect().await.unwrap();
    let steady = server.client().await;
    let (mut lost, heard) = (join(&flaky, "room:1").await, join(&steady, "room:1").await);
    let mut state = flaky.state();
    relay.cut();
    soon("the client's noticing", state.wait_for(|state| matches!(state, State::Recovering { .. })))
        .await
        .unwrap();
    heard.push_value("down", &1).await.unwrap();
    relay.mend();
    loop {
        match soon("the next join", lost.next()).await.unwrap() {
            Message::Joined(joined) if joined.again => {
                assert_eq!(joined.start, Start::Recovered);
                break;
            }
            Message::Event(event) => panic!("before the join: {event:?}"),
            _ => {}
        }
    }
    assert_eq!(event(&mut lost).await.decode::<u32>().unwrap(), 1);
}

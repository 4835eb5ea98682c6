//! How events are delivered: the newest of each key, at intervals, in time or not at all, in datagrams, and what goes first.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use bytes::Bytes;
use dunlin_client::{Channel, Client, Delivery, JoinOptions, Message, Position};
use dunlin_proto::{
    Code, datagram,
    frame::{
        Refusal,
        channel::{self, Adjust, FromClient, FromServer, Push},
        control::Hello,
    },
};
use dunlin_server::{
    Builder,
    channel::{Context, Session},
};
use dunlin_tests::{
    over_every_transport,
    raw::{Stream, greet, hello, join, joined, push},
    server::{Over, Running},
    soon,
};
use dunlin_transport::Connection;
use std::time::Duration;
use tokio::sync::mpsc;

over_every_transport!(
    the_newest_of_each_key_comes_at_intervals,
    what_is_late_is_named_and_not_delivered,
    the_last_events_come_first,
    small_events_come_in_datagrams_and_large_ones_on_the_stream,
    datagrams_are_for_those_who_name_a_flow,
    a_client_gets_datagrams_or_is_told_that_there_are_none,
    a_datagram_member_begins_anew_after_an_interruption,
    wishes_hold_over_reconnects,
    wishes_out_of_range_are_refused,
    answers_that_pile_up_while_nothing_is_read_all_come,
);

/// A connection of another client each time.
async fn connected(server: &Running) -> (Connection, Stream) {
    let connection = server.dial().await;
    let client = Hello { client: rand::random(), ..hello() };
    let (control, _) = greet(&connection, client).await;
    (connection, control)
}

/// Pushes an event with a key, and waits until it has its place.
async fn publish(stream: &mut Stream, reference: u64, key: &str) {
    let push =
        Push { reference, event: "e".into(), payload: reference.to_string().into(), key: Some(key.into()) };
    stream.send(FromClient::Push(push).encode()).await;
    match stream.channel().await {
        Some(FromServer::Reply { code: Code::OK, .. }) => {}
        other => panic!("expected a reply, got {other:?}"),
    }
}

async fn publisher(connection: &Connection, topic: &str) -> Stream {
    joined(connection, channel::Join { delivery: Some(Delivery::None), ..join(topic) }).await.0
}

/// The offset of the next event on a stream.
async fn event(stream: &mut Stream) -> u64 {
    match stream.channel().await {
        Some(FromServer::Event(event)) => event.offset,
        other => panic!("expected Event, got {other:?}"),
    }
}

async fn the_newest_of_each_key_comes_at_intervals(over: Over) {
    let server = Running::start(over, &[]).await;
    let (connection, _control) = connected(&server).await;
    let mut say = publisher(&connection, "map").await;
    let hour =
        channel::Join { delivery: Some(Delivery::Latest), interval_ms: Some(3_600_000), ..join("map") };
    let (watch, _other) = connected(&server).await;
    let (mut watching, answer) = joined(&watch, hour).await;
    assert_eq!(answer.delivery, Some(Delivery::Latest));
    publish(&mut say, 1, "ada").await;
    assert_eq!(event(&mut watching).await, 1, "the first comes at once");
    for (reference, key) in [(2, "ada"), (3, "bob"), (4, "ada")] {
        publish(&mut say, reference, key).await;
    }
    // Nothing comes for an hour, unless the member wants it otherwise: then the newest of each key.
    watching.send(FromClient::Adjust(Adjust { interval_ms: Some(0), ..Adjust::default() }).encode()).await;
    assert_eq!((event(&mut watching).await, event(&mut watching).await), (3, 4));
    publish(&mut say, 5, "ada").await;
    assert_eq!(event(&mut watching).await, 5, "without an interval nothing waits");
}

async fn what_is_late_is_named_and_not_delivered(over: Over) {
    let server = Running::start(over, &[]).await;
    let (connection, _control) = connected(&server).await;
    let mut say = publisher(&connection, "news").await;
    let (watch, mut control) = connected(&server).await;
    let (mut watching, _) = joined(&watch, channel::Join { deadline_ms: Some(200), ..join("news") }).await;
    let pause = dunlin_proto::frame::control::FromClient::Pause.encode();
    let ping = |n| dunlin_proto::frame::control::FromClient::Ping { n }.encode();
    control.send(pause).await.send(ping(1)).await;
    control.frame().await.unwrap();
    for reference in 1..=3 {
        publish(&mut say, reference, "k").await;
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    publish(&mut say, 4, "k").await;
    control.send(dunlin_proto::frame::control::FromClient::Resume.encode()).await;
    let gap = watching.channel().await;
    // A machine that is very busy may have been late for the last one too.
    match gap {
        Some(FromServer::Gap { from: 1, to: 3 }) => assert_eq!(event(&mut watching).await, 4),
        Some(FromServer::Gap { from: 1, to: 4 }) => {}
        other => panic!("expected a gap, got {other:?}"),
    }
}

async fn the_last_events_come_first(over: Over) {
    let server = Running::start(over, &[]).await;
    let (connection, _control) = connected(&server).await;
    let mut say = publisher(&connection, "chat").await;
    for (reference, key) in [(1, "a"), (2, "b"), (3, "b"), (4, "b")] {
        publish(&mut say, reference, key).await;
    }
    let (other, _second) = connected(&server).await;
    let (mut last, answer) = joined(&other, channel::Join { rewind: Some(2), ..join("chat") }).await;
    assert_eq!((answer.position.offset, answer.head, answer.start), (2, Some(4), channel::Start::Live));
    assert_eq!((event(&mut last).await, event(&mut last).await), (3, 4));
    // Of two keys, the newest event of each. The deadline does not hold for what was asked for.
    let (third, _control) = connected(&server).await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let latest = channel::Join {
        rewind: Some(2),
        delivery: Some(Delivery::Latest),
        deadline_ms: Some(1),
        ..join("chat")
    };
    let (mut latest, _) = joined(&third, latest).await;
    assert_eq!((event(&mut latest).await, event(&mut latest).await), (1, 4));
    // Who goes on from a position has asked for that.
    let since = Some(Position { offset: 3, ..answer.position });
    let (fourth, _control) = connected(&server).await;
    let (mut since, answer) = joined(&fourth, channel::Join { rewind: Some(4), since, ..join("chat") }).await;
    assert_eq!((answer.start, event(&mut since).await), (channel::Start::Recovered, 4));
}

async fn small_events_come_in_datagrams_and_large_ones_on_the_stream(over: Over) {
    if over == Over::WebSocket {
        return;
    }
    let server = Running::start(over, &[]).await;
    let (connection, _control) = connected(&server).await;
    let mut say = publisher(&connection, "cursors").await;
    let ask =
        channel::Join { delivery: Some(Delivery::Datagram), flow: Some(0xdead_beef), ..join("cursors") };
    let (watch, _other) = connected(&server).await;
    let (mut watching, answer) = joined(&watch, ask).await;
    assert_eq!(answer.delivery, Some(Delivery::Datagram));
    for reference in 1..=20 {
        publish(&mut say, reference, "ada").await;
        let bytes = soon("a datagram", watch.read_datagram()).await.unwrap();
        let (flow, event) = datagram::decode(&bytes).unwrap();
        assert_eq!((flow, event.offset, event.key.as_deref()), (0xdead_beef, reference, Some("ada")));
    }
    say.send(push(21, vec![7; 5000])).await;
    match watching.channel().await {
        Some(FromServer::Event(event)) => assert_eq!((event.offset, event.payload.len()), (21, 5000)),
        other => panic!("expected the large event, got {other:?}"),
    }
}

async fn datagrams_are_for_those_who_name_a_flow(over: Over) {
    let server = Running::start(over, &[]).await;
    let (connection, _control) = connected(&server).await;
    let mut say = publisher(&connection, "cursors").await;
    let ask = channel::Join { delivery: Some(Delivery::Datagram), ..join("cursors") };
    let (watch, _other) = connected(&server).await;
    let (mut watching, answer) = joined(&watch, ask).await;
    assert_eq!(answer.delivery, Some(Delivery::Latest));
    publish(&mut say, 1, "ada").await;
    assert_eq!(event(&mut watching).await, 1);
}

/// Tells the test whose session it is.
struct Mark(mpsc::UnboundedSender<Session>);

impl dunlin_server::channel::Channel for Mark {
    type Info = std::convert::Infallible;

    async fn join(&mut self, context: &Context, _: Option<Bytes>) -> Result<Bytes, Refusal> {
        self.0.send(context.session()).unwrap();
        Ok(Bytes::new())
    }

    async fn handle_in(&mut self, _: &Context, _: dunlin_server::channel::Push) -> Result<Bytes, Refusal> {
        Ok(Bytes::new())
    }
}

/// A server, and the sessions of those who join `mark`.
async fn marking(over: Over) -> (Running, mpsc::UnboundedReceiver<Session>) {
    let (mark, marked) = mpsc::unbounded_channel();
    let channels = |builder: Builder| builder.channel("mark".parse().unwrap(), move || Mark(mark.clone()));
    (Running::start_with(over, &[], channels).await, marked)
}

/// Has a client lose its session: it comes back with another.
async fn cut_off(client: &Client, marked: &mut mpsc::UnboundedReceiver<Session>) {
    member(client, "mark", JoinOptions::default()).await.0.leave().await;
    let session = soon("a mark", marked.recv()).await.unwrap();
    session.end(&Refusal::new(Code::GOING_AWAY));
}

/// Joins with the client library.
async fn member(client: &Client, topic: &str, options: JoinOptions) -> (Channel, dunlin_client::Joined) {
    let mut channel = soon("a join", client.join(topic, options)).await.unwrap();
    match soon("the answer", channel.next()).await {
        Some(Message::Joined(joined)) => (channel, joined),
        other => panic!("expected Joined, got {other:?}"),
    }
}

/// The offset and the size of the next event.
async fn next(channel: &mut Channel) -> (u64, usize) {
    loop {
        match soon("an event", channel.next()).await.expect("the channel is open") {
            Message::Event(event) => return (event.position.offset, event.payload.len()),
            Message::Joined(_) => {}
            other => panic!("expected an event, got {other:?}"),
        }
    }
}

fn datagrams() -> JoinOptions {
    JoinOptions { delivery: Some(Delivery::Datagram), ..JoinOptions::default() }
}

async fn a_client_gets_datagrams_or_is_told_that_there_are_none(over: Over) {
    let server = Running::start(over, &[]).await;
    let (reader, writer) = (server.client().await, server.client().await);
    let (mut one, answer) = member(&reader, "one", datagrams()).await;
    let (mut two, _) = member(&reader, "two", datagrams()).await;
    let expected = if over == Over::WebSocket { Delivery::Latest } else { Delivery::Datagram };
    assert_eq!(answer.delivery, Some(expected));
    let silent = || JoinOptions { delivery: Some(Delivery::None), ..JoinOptions::default() };
    let (say_one, _) = member(&writer, "one", silent()).await;
    let (say_two, _) = member(&writer, "two", silent()).await;
    for n in 1..=20 {
        say_two.push("e", vec![2; 10]).await.unwrap();
        assert_eq!(next(&mut two).await, (n, 10));
        say_one.push("e", vec![1; 11]).await.unwrap();
        assert_eq!(next(&mut one).await, (n, 11));
    }
    say_one.push("e", vec![1; 9000]).await.unwrap();
    assert_eq!(next(&mut one).await, (21, 9000));
}

async fn a_datagram_member_begins_anew_after_an_interruption(over: Over) {
    if over == Over::WebSocket {
        return;
    }
    let (server, mut marked) = marking(over).await;
    let (reader, writer) = (server.client().await, server.client().await);
    let rewind = JoinOptions { rewind: 1, ..datagrams() };
    let (mut channel, _) = member(&reader, "room", rewind).await;
    let (say, _) =
        member(&writer, "room", JoinOptions { delivery: Some(Delivery::None), ..JoinOptions::default() })
            .await;
    say.push("e", "1").await.unwrap();
    assert_eq!(next(&mut channel).await.0, 1);
    cut_off(&reader, &mut marked).await;
    for n in ["2", "3"] {
        say.push("e", n).await.unwrap();
    }
    // The last one of those it has missed, or both if it was back soon; none twice, and it goes on from there.
    let mut seen = vec![next(&mut channel).await.0];
    while seen.last() != Some(&3) {
        seen.push(next(&mut channel).await.0);
    }
    assert!(seen.is_sorted_by(|a, b| a < b) && seen[0] > 1, "{seen:?}");
    say.push("e", "4").await.unwrap();
    assert_eq!(next(&mut channel).await.0, 4);
}

async fn wishes_hold_over_reconnects(over: Over) {
    let (server, mut marked) = marking(over).await;
    let (reader, writer) = (server.client().await, server.client().await);
    let latest = JoinOptions { delivery: Some(Delivery::Latest), ..JoinOptions::default() };
    let (mut channel, _) = member(&reader, "map", latest).await;
    let (say, _) =
        member(&writer, "map", JoinOptions { delivery: Some(Delivery::None), ..JoinOptions::default() })
            .await;
    channel.set_interval(Some(Duration::from_secs(3600)));
    channel.set_priority(200);
    cut_off(&reader, &mut marked).await;
    let again = soon("a rejoin", channel.next()).await;
    assert!(matches!(again, Some(Message::Joined(joined)) if joined.again));
    for n in 1..=3 {
        say.push("e", n.to_string()).await.unwrap();
    }
    assert_eq!(next(&mut channel).await.0, 1, "the first comes at once, the others wait");
    channel.set_interval(None);
    assert_eq!(next(&mut channel).await.0, 3);
}

async fn wishes_out_of_range_are_refused(over: Over) {
    let server = Running::start(over, &[]).await;
    let (connection, _control) = connected(&server).await;
    for join in [
        channel::Join { interval_ms: Some(3_600_001), ..join("t") },
        channel::Join { deadline_ms: Some(u32::MAX), ..join("t") },
        channel::Join { rewind: Some(100_001), ..join("t") },
    ] {
        let mut stream = Stream::open(&connection).await;
        stream.send(FromClient::Join(join).encode()).await;
        match stream.channel().await {
            Some(FromServer::Refused(refusal)) => assert_eq!(refusal.code, Code::ILLEGAL_VALUE),
            other => panic!("expected Refused, got {other:?}"),
        }
    }
    let (mut stream, _) = joined(&connection, join("t")).await;
    stream
        .send(FromClient::Adjust(Adjust { interval_ms: Some(u32::MAX), ..Adjust::default() }).encode())
        .await;
    match stream.channel().await {
        Some(FromServer::Closed(refusal)) => assert_eq!(refusal.code, Code::ILLEGAL_VALUE),
        other => panic!("expected Closed, got {other:?}"),
    }
}

/// A channel whose answers fill every window.
struct Verbose;

impl dunlin_server::channel::Channel for Verbose {
    type Info = std::convert::Infallible;

    async fn join(&mut self, _: &Context, _: Option<Bytes>) -> Result<Bytes, Refusal> {
        Ok(Bytes::new())
    }

    async fn handle_in(&mut self, _: &Context, _: dunlin_server::channel::Push) -> Result<Bytes, Refusal> {
        Ok(vec![7; 3 << 20].into())
    }
}

async fn answers_that_pile_up_while_nothing_is_read_all_come(over: Over) {
    let add = |builder: Builder| builder.channel("long".parse().unwrap(), || Verbose);
    let server = Running::start_with(over, &[], add).await;
    let (connection, _control) = connected(&server).await;
    let (mut stream, _) = joined(&connection, join("long")).await;
    let before = server.counter("dunlin_pushes_total", "").await.unwrap();
    for reference in 1..=4 {
        stream.send(push(reference, "")).await;
        // The first answer is being written by the time that the others come, each by itself.
        let handled = before + reference as f64;
        while server.counter("dunlin_pushes_total", "").await.unwrap() < handled {
            tokio::task::yield_now().await;
        }
    }
    for expected in 1..=4 {
        assert!(
            matches!(stream.channel().await, Some(FromServer::Reply { reference, .. }) if reference == expected)
        );
    }
}

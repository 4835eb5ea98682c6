//! Sessions and memberships on the wire, frame by frame, over every transport.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use dunlin_proto::{
    Code, Position,
    frame::{
        channel::{self, Delivery, FromServer, Start},
        control,
    },
};
use dunlin_tests::{
    over_every_transport,
    raw::{Stream, close_code, greet, hello, join, joined, push},
    server::{Over, Running},
    soon,
};
use dunlin_transport::Connection;

over_every_transport!(
    a_push_reaches_every_member_and_is_answered,
    a_push_repeated_in_a_resumed_session_is_applied_once,
    a_push_repeated_after_its_session_is_applied_once,
    a_resumed_session_leaves_the_connection_it_was_on,
    a_session_that_said_goodbye_is_gone,
    a_position_is_recovered_from,
    the_oldest_position_gives_all_that_history_holds,
    a_position_of_another_epoch_is_lost,
    a_position_that_history_does_not_cover_is_lost_and_never_half_recovered,
    latest_skips_what_is_superseded,
    none_delivers_nothing,
    a_pause_holds_events_back_and_loses_none,
    a_second_join_replaces_the_first,
    leaving_ends_the_stream_and_the_topic_can_be_joined_again,
    credit_grows_until_every_channel_is_joined,
    pings_and_tokens_are_answered,
    a_drain_sends_clients_away,
);

/// The next event's offset and payload, past replies.
async fn event(stream: &mut Stream) -> (u64, Vec<u8>) {
    loop {
        match stream.channel().await {
            Some(FromServer::Event(event)) => return (event.offset, event.payload.to_vec()),
            Some(FromServer::Reply { .. }) => {}
            other => panic!("expected Event, got {other:?}"),
        }
    }
}

/// The next reply, past events.
async fn reply(stream: &mut Stream) -> (u64, Code, Vec<u8>) {
    loop {
        match stream.channel().await {
            Some(FromServer::Reply { reference, code, payload }) => {
                return (reference, code, payload.to_vec());
            }
            Some(FromServer::Event(_)) => {}
            other => panic!("expected Reply, got {other:?}"),
        }
    }
}

/// A connection that has said hello.
async fn session(server: &Running, hello: control::Hello) -> (Connection, Stream, control::Welcome) {
    let connection = server.dial().await;
    let (control, welcome) = greet(&connection, hello).await;
    (connection, control, welcome)
}

fn member(topic: &str, delivery: Delivery) -> channel::Join {
    channel::Join { delivery: Some(delivery), ..join(topic) }
}

fn since(topic: &str, position: Position) -> channel::Join {
    channel::Join { since: Some(position), ..join(topic) }
}

async fn a_push_reaches_every_member_and_is_answered(over: Over) {
    let server = Running::start(over, &[]).await;
    let (one, _c1, _) = session(&server, hello()).await;
    let (two, _c2, _) = session(&server, control::Hello { client: [8; 16], ..hello() }).await;
    let (mut sender, joined_at) = joined(&one, join("room")).await;
    let (mut other, _) = joined(&two, join("room")).await;
    for n in 1..=100_u64 {
        sender.send(push(n, n.to_string())).await;
    }
    for n in 1..=100_u64 {
        assert_eq!(event(&mut other).await, (n, n.to_string().into_bytes()));
    }
    let (reference, code, payload) = reply(&mut sender).await;
    assert_eq!((reference, code), (1, Code::OK));
    // {"epoch": …, "offset": 1}
    assert!(payload.starts_with(b"\x82\xa5epoch") && payload.ends_with(b"\xa6offset\x01"));
    assert!(joined_at.position.epoch > 0 && joined_at.position.offset == 0);
}

async fn a_push_repeated_in_a_resumed_session_is_applied_once(over: Over) {
    let server = Running::start(over, &[]).await;
    let (watcher, _cw, _) = session(&server, control::Hello { client: [8; 16], ..hello() }).await;
    let (mut watch, _) = joined(&watcher, join("room")).await;

    let (first, _c1, welcome) = session(&server, hello()).await;
    let (mut stream, _) = joined(&first, member("room", Delivery::None)).await;
    stream.send(push(1, "once")).await;
    let answer = reply(&mut stream).await;
    first.close(77, "lost, for all the server knows");

    let resume = control::Hello { resume: Some(welcome.resume), ..hello() };
    let (second, _c2, again) = session(&server, resume).await;
    assert!(again.resumed && again.session == welcome.session);
    let (mut stream, rejoined) = joined(&second, member("room", Delivery::None)).await;
    assert_eq!(rejoined.applied, 1);
    stream.send(push(1, "once")).await.send(push(2, "new")).await;
    assert_eq!(reply(&mut stream).await, answer);
    assert_eq!(reply(&mut stream).await.0, 2);
    assert_eq!(event(&mut watch).await, (1, b"once".to_vec()));
    assert_eq!(event(&mut watch).await, (2, b"new".to_vec()));
}

async fn a_push_repeated_after_its_session_is_applied_once(over: Over) {
    let server = Running::start(over, &[("session.linger", "0s")]).await;
    let (watcher, _cw, _) = session(&server, control::Hello { client: [8; 16], ..hello() }).await;
    let (mut watch, _) = joined(&watcher, join("room")).await;

    let (first, _c1, welcome) = session(&server, hello()).await;
    let (mut stream, _) = joined(&first, member("room", Delivery::None)).await;
    stream.send(push(1, "once")).await;
    let answer = reply(&mut stream).await;
    first.close(77, "lost");
    assert_eq!(event(&mut watch).await.1, b"once");

    // The session has not lingered: this is a new one, which knows nothing of the push; the topic does.
    soon("the session's end", async {
        while server.counter("dunlin_sessions ", "").await.unwrap() > 1.0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let resume = control::Hello { resume: Some(welcome.resume), ..hello() };
    let (second, _c2, again) = session(&server, resume).await;
    assert!(!again.resumed);
    let (mut stream, rejoined) = joined(&second, member("room", Delivery::None)).await;
    assert_eq!(rejoined.applied, 0);
    stream.send(push(1, "once")).await.send(push(2, "new")).await;
    assert_eq!(reply(&mut stream).await, answer);
    assert_eq!(event(&mut watch).await.1, b"new");
}

async fn a_resumed_session_leaves_the_connection_it_was_on(over: Over) {
    let server = Running::start(over, &[]).await;
    let (old, _c1, welcome) = session(&server, hello()).await;
    let (_stream, _) = joined(&old, join("room")).await;
    let (new, _c2, again) =
        session(&server, control::Hello { resume: Some(welcome.resume), ..hello() }).await;
    assert!(again.resumed);
    assert_eq!(close_code(&old).await, Code::SESSION_MOVED.0);
    let (mut stream, _) = joined(&new, join("room")).await;
    stream.send(push(1, "moved")).await;
    assert_eq!(event(&mut stream).await, (1, b"moved".to_vec()));
}

async fn a_session_that_said_goodbye_is_gone(over: Over) {
    let server = Running::start(over, &[]).await;
    let (first, mut control, welcome) = session(&server, hello()).await;
    let goodbye = control::FromClient::Goodbye { code: Code::OK, message: "done".into() };
    control.send(goodbye.encode()).await;
    assert_eq!(close_code(&first).await, Code::OK.0);
    let (_again, _c, again) =
        session(&server, control::Hello { resume: Some(welcome.resume), ..hello() }).await;
    assert!(!again.resumed && again.session != welcome.session);
}

/// A topic with five events, and the position before the first.
async fn five_events(server: &Running) -> (Connection, Stream, Stream, Position) {
    let (connection, control, _) = session(server, hello()).await;
    let (mut stream, joined) = joined(&connection, member("room", Delivery::None)).await;
    for n in 1..=5_u64 {
        stream.send(push(n, n.to_string())).await;
        assert_eq!(reply(&mut stream).await.1, Code::OK);
    }
    (connection, control, stream, joined.position)
}

async fn a_position_is_recovered_from(over: Over) {
    let server = Running::start(over, &[]).await;
    let (_c, _control, _s, start) = five_events(&server).await;
    let (back, _cb, _) = session(&server, control::Hello { client: [8; 16], ..hello() }).await;
    let (mut stream, joined) = joined(&back, since("room", Position::new(start.epoch, 2))).await;
    assert_eq!((joined.start, joined.position), (Start::Recovered, Position::new(start.epoch, 2)));
    assert_eq!(joined.head, Some(5), "what is recovered ends here");
    for n in 3..=5_u64 {
        assert_eq!(event(&mut stream).await, (n, n.to_string().into_bytes()));
    }
}

async fn the_oldest_position_gives_all_that_history_holds(over: Over) {
    let server = Running::start(over, &[]).await;
    let (_c, _control, _s, _) = five_events(&server).await;
    let (back, _cb, _) = session(&server, control::Hello { client: [8; 16], ..hello() }).await;
    let (mut stream, joined) = joined(&back, since("room", Position::OLDEST)).await;
    assert_eq!((joined.start, joined.position.offset), (Start::Recovered, 0));
    assert_eq!(event(&mut stream).await.0, 1);
}

async fn a_position_of_another_epoch_is_lost(over: Over) {
    let server = Running::start(over, &[]).await;
    let (c, _control, _s, start) = five_events(&server).await;
    let (_stream, joined) = joined(&c, since("other", Position::new(start.epoch, 2))).await;
    assert_eq!(joined.start, Start::Lost);
}

async fn a_position_that_history_does_not_cover_is_lost_and_never_half_recovered(over: Over) {
    let server = Running::start(over, &[("history.count", "2")]).await;
    let (_c, _control, mut sender, start) = five_events(&server).await;
    let (back, _cb, _) = session(&server, control::Hello { client: [8; 16], ..hello() }).await;
    let (mut stream, joined) = joined(&back, since("room", Position::new(start.epoch, 1))).await;
    assert_eq!((joined.start, joined.position.offset), (Start::Lost, 5));
    sender.send(push(6, "six")).await;
    assert_eq!(event(&mut stream).await, (6, b"six".to_vec()));
}

async fn latest_skips_what_is_superseded(over: Over) {
    let server = Running::start(over, &[]).await;
    let (_c, _control, _s, start) = five_events(&server).await;
    let (back, _cb, _) = session(&server, control::Hello { client: [8; 16], ..hello() }).await;
    let latest = channel::Join { delivery: Some(Delivery::Latest), ..since("room", start) };
    let (mut stream, _) = joined(&back, latest).await;
    assert_eq!(event(&mut stream).await, (5, b"5".to_vec()));
}

async fn none_delivers_nothing(over: Over) {
    let server = Running::start(over, &[]).await;
    let (connection, _control, _) = session(&server, hello()).await;
    let (mut stream, _) = joined(&connection, member("room", Delivery::None)).await;
    stream.send(push(1, "x")).await.send(push(2, "y")).await;
    for reference in 1..=2 {
        assert!(
            matches!(stream.channel().await, Some(FromServer::Reply { reference: r, .. }) if r == reference)
        );
    }
}

async fn a_pause_holds_events_back_and_loses_none(over: Over) {
    let server = Running::start(over, &[]).await;
    let (quiet, mut control, _) = session(&server, control::Hello { client: [8; 16], ..hello() }).await;
    let (mut stream, _) = joined(&quiet, join("room")).await;
    control.send(control::FromClient::Pause.encode()).await;
    control.send(control::FromClient::Ping { n: 1 }.encode()).await;
    assert_eq!(control.control().await, Some(control::FromServer::Pong { n: 1 }));
    let (_c, _control, _s, _) = five_events(&server).await;
    // Replies come through a pause; no event stands before this one.
    stream.send(push(1, "mine")).await;
    assert!(matches!(stream.channel().await, Some(FromServer::Reply { reference: 1, .. })));
    control.send(control::FromClient::Resume.encode()).await;
    for n in 1..=6 {
        assert_eq!(event(&mut stream).await.0, n);
    }
}

async fn a_second_join_replaces_the_first(over: Over) {
    let server = Running::start(over, &[]).await;
    let (connection, _control, _) = session(&server, hello()).await;
    let (mut first, _) = joined(&connection, join("room")).await;
    let (mut second, _) = joined(&connection, join("room")).await;
    assert!(matches!(first.channel().await, Some(FromServer::Closed(r)) if r.code == Code::REPLACED));
    assert_eq!(first.frame().await, None);
    second.send(push(1, "x")).await;
    assert_eq!(event(&mut second).await.0, 1);
}

async fn leaving_ends_the_stream_and_the_topic_can_be_joined_again(over: Over) {
    let server = Running::start(over, &[]).await;
    let (connection, _control, _) = session(&server, hello()).await;
    for round in 1..=20 {
        let (mut stream, joined) = joined(&connection, join("room")).await;
        assert_eq!(joined.position.offset, round - 1);
        stream.send(push(round, "x")).await.send.finish();
        let (mut events, mut replies) = (0, 0);
        while let Some(frame) = stream.channel().await {
            match frame {
                FromServer::Event(_) => events += 1,
                FromServer::Reply { .. } => replies += 1,
                other => panic!("{other:?}"),
            }
        }
        assert!(replies == 1 && events <= 1, "{replies} {events}");
    }
}

async fn credit_grows_until_every_channel_is_joined(over: Over) {
    let server = Running::start(over, &[]).await;
    let (connection, _control, welcome) = session(&server, hello()).await;
    let mut streams = Vec::new();
    for n in 0..welcome.limits.channels {
        streams.push(joined(&connection, join(&format!("room:{n}"))).await);
    }
    let mut over_the_limit = Stream::open(&connection).await;
    over_the_limit.send(channel::FromClient::Join(join("one:more")).encode()).await;
    assert!(matches!(
        over_the_limit.channel().await,
        Some(FromServer::Refused(refusal)) if refusal.code == Code::CHANNEL_LIMIT
    ));
}

async fn pings_and_tokens_are_answered(over: Over) {
    let server = Running::start(over, &[]).await;
    let (_connection, mut control, _) = session(&server, hello()).await;
    control.send(control::FromClient::Ping { n: 42 }.encode()).await;
    assert_eq!(control.control().await, Some(control::FromServer::Pong { n: 42 }));
    control.send(control::FromClient::Refresh { token: "secret".into() }.encode()).await;
    assert_eq!(control.control().await, Some(control::FromServer::Refreshed { expires_in_ms: None }));
}

async fn a_drain_sends_clients_away(over: Over) {
    let server = Running::start(over, &[("drain", "20s")]).await;
    let (connection, mut control, _) = session(&server, hello()).await;
    let drained = tokio::spawn(server.shut_down());
    assert!(matches!(
        control.control().await,
        Some(control::FromServer::GoAway { code: Code::GOING_AWAY, within_ms: 20_000, url: None })
    ));
    // The last client leaves long before the time is over, and the server does not wait any longer.
    connection.close(Code::OK.0, "gone");
    soon("the end of the drain", drained).await.unwrap();
}

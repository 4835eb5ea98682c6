//! Whatever a peer sends: a code, a count, and nobody else disturbed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use bytes::Bytes;
use dunlin_proto::{
    Code, Position,
    frame::{channel, control},
};
use dunlin_tests::{
    over_every_transport,
    raw::{Stream, close_code, dial_with_alpn, greet, hello, join, joined, push},
    server::{Over, Running},
    soon,
};

over_every_transport!(
    an_unknown_version_is_refused,
    garbage_instead_of_hello_closes_the_connection,
    an_oversized_hello_closes_the_connection,
    a_join_on_the_control_stream_closes_the_connection,
    a_second_hello_closes_the_connection,
    a_control_stream_that_is_reset_ends_the_session,
    a_hello_that_never_comes_is_cut_off,
    a_control_stream_that_is_reset_before_its_hello_closes_the_connection,
    a_join_waits_for_the_hello_it_overtook,
    an_illegal_topic_is_refused,
    a_reserved_topic_that_nothing_serves_is_refused,
    a_push_before_the_join_is_refused,
    garbage_on_a_channel_ends_that_channel_only,
    an_oversized_frame_ends_that_channel_only,
    a_control_frame_on_a_channel_ends_that_channel_only,
    half_a_header_is_cut_off,
    half_a_frame_is_cut_off,
    a_stream_that_ends_within_a_frame_is_malformed,
    too_many_channels_are_refused,
    too_many_connections_from_one_address_are_refused,
    a_full_server_says_so,
    a_payload_over_the_limit_is_refused_and_the_channel_goes_on,
    a_client_that_never_reads_disturbs_nobody,
    a_forged_ticket_opens_a_new_session,
    large_frames_begun_at_once_wait_for_room,
);

/// A well-behaved neighbour on its own connection, to see that it is not disturbed.
struct Neighbour {
    _connection: dunlin_transport::Connection,
    _control: Stream,
    channel: Stream,
    pushed: u64,
}

impl Neighbour {
    async fn settle(server: &Running) -> Self {
        let connection = server.dial().await;
        let (control, _) = greet(&connection, control::Hello { client: [9; 16], ..hello() }).await;
        let (channel, _) = joined(&connection, join("neighbour")).await;
        Self { _connection: connection, _control: control, channel, pushed: 0 }
    }

    async fn is_undisturbed(&mut self) {
        self.pushed += 1;
        self.channel.send(push(self.pushed, "hi")).await;
        let (mut event, mut reply) = (false, false);
        while !(event && reply) {
            match self.channel.channel().await {
                Some(channel::FromServer::Event(_)) => event = true,
                Some(channel::FromServer::Reply { code, .. }) => reply = code == Code::OK,
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Sends bytes as a first frame on the first stream and expects this close.
async fn refused_hello(over: Over, bytes: impl Into<Bytes>, code: Code) {
    let server = Running::start(over, &[]).await;
    let mut neighbour = Neighbour::settle(&server).await;
    let before = server.counter("dunlin_refusals_total", code.name()).await.unwrap();
    let connection = server.dial().await;
    let mut control = Stream::open(&connection).await;
    control.send(bytes).await;
    if let Some(frame) = control.control().await {
        assert!(matches!(frame, control::FromServer::Refused(refusal) if refusal.code == code));
    }
    assert_eq!(close_code(&connection).await, code.0);
    assert!(server.counter("dunlin_refusals_total", code.name()).await.unwrap() > before);
    neighbour.is_undisturbed().await;
}

async fn an_unknown_version_is_refused(over: Over) {
    let hello = control::FromClient::Hello(control::Hello { versions: vec![2, 99], ..hello() });
    refused_hello(over, hello.encode(), Code::UNSUPPORTED_VERSION).await;
}

async fn garbage_instead_of_hello_closes_the_connection(over: Over) {
    refused_hello(over, &b"\0\0\0\x05GET /"[..], Code::MALFORMED).await;
}

async fn an_oversized_hello_closes_the_connection(over: Over) {
    refused_hello(over, &b"\0\x01\0\0"[..], Code::FRAME_TOO_LARGE).await;
}

async fn a_join_on_the_control_stream_closes_the_connection(over: Over) {
    let join = channel::FromClient::Join(join("a"));
    refused_hello(over, join.encode(), Code::HELLO_EXPECTED).await;
}

async fn a_second_hello_closes_the_connection(over: Over) {
    let server = Running::start(over, &[]).await;
    let connection = server.dial().await;
    let (mut control, _) = greet(&connection, hello()).await;
    control.send(control::FromClient::Hello(hello()).encode()).await;
    assert!(matches!(
        control.control().await,
        Some(control::FromServer::Goodbye(refusal)) if refusal.code == Code::HELLO_REPEATED
    ));
    assert_eq!(close_code(&connection).await, Code::HELLO_REPEATED.0);
}

async fn a_control_stream_that_is_reset_ends_the_session(over: Over) {
    let server = Running::start(over, &[]).await;
    let connection = server.dial().await;
    let (mut control, welcome) = greet(&connection, hello()).await;
    control.send.reset(0);
    assert_eq!(close_code(&connection).await, Code::UNEXPECTED_FRAME.0);
    let resume = control::Hello { resume: Some(welcome.resume), ..hello() };
    assert!(!greet(&server.dial().await, resume).await.1.resumed);
}

async fn a_hello_that_never_comes_is_cut_off(over: Over) {
    let server = Running::start(over, &[("limits.deadline", "200ms")]).await;
    let silent = server.dial().await;
    assert_eq!(close_code(&silent).await, Code::DEADLINE.0);
    let halting = server.dial().await;
    let mut control = Stream::open(&halting).await;
    control.send(&b"\0\0"[..]).await;
    assert_eq!(close_code(&halting).await, Code::DEADLINE.0);
}

async fn a_control_stream_that_is_reset_before_its_hello_closes_the_connection(over: Over) {
    let server = Running::start(over, &[("limits.deadline", "200ms")]).await;
    let before = server.counter("dunlin_refusals_total", "HELLO_EXPECTED").await.unwrap();
    let quitting = server.dial().await;
    Stream::open(&quitting).await.send(&b"\0\0"[..]).await;
    let code = close_code(&quitting).await;
    if over == Over::WebTransport && code == Code::DEADLINE.0 {
        // The reset came before the stream's header was read, so nobody can say that this was a stream of the session.
        return;
    }
    assert_eq!(code, Code::HELLO_EXPECTED.0);
    assert!(server.counter("dunlin_refusals_total", "HELLO_EXPECTED").await.unwrap() > before);
}

async fn a_join_waits_for_the_hello_it_overtook(over: Over) {
    let server = Running::start(over, &[]).await;
    let connection = server.dial().await;
    let mut control = Stream::open(&connection).await;
    // On QUIC, the second stream's first bytes leave before the first stream's.
    let mut early = Stream::open(&connection).await;
    early.send(channel::FromClient::Join(join("early")).encode()).await;
    control.send(control::FromClient::Hello(hello()).encode()).await;
    assert!(matches!(control.control().await, Some(control::FromServer::Welcome(_))));
    assert!(matches!(early.channel().await, Some(channel::FromServer::Joined(_))));
}

/// Opens a channel stream with these bytes and expects this refusal, while the session goes on.
async fn refused_join(over: Over, settings: &[(&str, &str)], bytes: impl Into<Bytes>, code: Code) {
    let server = Running::start(over, settings).await;
    let connection = server.dial().await;
    let (_control, _) = greet(&connection, hello()).await;
    let (mut other, _) = joined(&connection, join("other")).await;
    let mut stream = Stream::open(&connection).await;
    stream.send(bytes).await;
    match stream.channel().await {
        Some(channel::FromServer::Refused(refusal)) => assert_eq!(refusal.code, code),
        other => panic!("expected Refused, got {other:?}"),
    }
    assert_eq!(stream.frame().await, None);
    other.send(push(1, "still here")).await;
    assert!(matches!(
        other.channel().await,
        Some(channel::FromServer::Reply { .. } | channel::FromServer::Event(_))
    ));
    assert!(server.counter("dunlin_refusals_total", code.name()).await.unwrap() >= 1.0);
}

async fn an_illegal_topic_is_refused(over: Over) {
    // A join whose topic is "a b".
    refused_join(over, &[], &b"\0\0\0\x06\x92\x10\xa3a b"[..], Code::ILLEGAL_TOPIC).await;
}

async fn a_reserved_topic_that_nothing_serves_is_refused(over: Over) {
    refused_join(over, &[], channel::FromClient::Join(join("$server/x")).encode(), Code::NO_CHANNEL).await;
}

async fn a_push_before_the_join_is_refused(over: Over) {
    refused_join(over, &[], push(1, "x"), Code::UNEXPECTED_FRAME).await;
}

/// Joins, sends these bytes, and expects the channel, and only the channel, to end with this code.
async fn closed_channel(over: Over, settings: &[(&str, &str)], bytes: impl Into<Bytes>, code: Code) {
    let server = Running::start(over, settings).await;
    let mut neighbour = Neighbour::settle(&server).await;
    let connection = server.dial().await;
    let (_control, _) = greet(&connection, hello()).await;
    let (mut other, _) = joined(&connection, join("other")).await;
    let (mut stream, _) = joined(&connection, join("topic")).await;
    stream.send(bytes).await;
    match stream.channel().await {
        Some(channel::FromServer::Closed(refusal)) => assert_eq!(refusal.code, code),
        other => panic!("expected Closed, got {other:?}"),
    }
    assert_eq!(stream.frame().await, None);
    other.send(push(1, "still here")).await;
    assert!(other.channel().await.is_some());
    assert!(server.counter("dunlin_refusals_total", code.name()).await.unwrap() >= 1.0);
    neighbour.is_undisturbed().await;
}

async fn garbage_on_a_channel_ends_that_channel_only(over: Over) {
    closed_channel(over, &[], &b"\0\0\0\x03\xc1\xff\0"[..], Code::MALFORMED).await;
}

async fn an_oversized_frame_ends_that_channel_only(over: Over) {
    closed_channel(over, &[], &b"\xff\xff\xff\xff"[..], Code::FRAME_TOO_LARGE).await;
}

async fn a_control_frame_on_a_channel_ends_that_channel_only(over: Over) {
    let ping = control::FromClient::Ping { n: 1 };
    closed_channel(over, &[], ping.encode(), Code::UNEXPECTED_FRAME).await;
}

async fn half_a_header_is_cut_off(over: Over) {
    closed_channel(over, &[("limits.deadline", "200ms")], &b"\0\0"[..], Code::DEADLINE).await;
}

async fn half_a_frame_is_cut_off(over: Over) {
    let whole = push(1, vec![0; 100]);
    closed_channel(over, &[("limits.deadline", "200ms")], whole.slice(..50), Code::DEADLINE).await;
}

async fn a_stream_that_ends_within_a_frame_is_malformed(over: Over) {
    let server = Running::start(over, &[]).await;
    let connection = server.dial().await;
    let (_control, _) = greet(&connection, hello()).await;
    let (mut stream, _) = joined(&connection, join("topic")).await;
    stream.send(&b"\0\0\0\x09\x94"[..]).await.send.finish();
    assert!(matches!(
        stream.channel().await,
        Some(channel::FromServer::Closed(refusal)) if refusal.code == Code::MALFORMED
    ));
}

async fn too_many_channels_are_refused(over: Over) {
    let server = Running::start(over, &[("limits.channels", "2")]).await;
    let connection = server.dial().await;
    let (_control, welcome) = greet(&connection, hello()).await;
    assert_eq!(welcome.limits.channels, 2);
    let (first, _) = joined(&connection, join("a")).await;
    let _second = joined(&connection, join("b")).await;
    let mut third = Stream::open(&connection).await;
    third.send(channel::FromClient::Join(join("c")).encode()).await;
    assert!(matches!(
        third.channel().await,
        Some(channel::FromServer::Refused(refusal)) if refusal.code == Code::CHANNEL_LIMIT
    ));
    leave(first).await;
    joined(&connection, join("c")).await;
}

async fn leave(mut stream: Stream) {
    stream.send.finish();
    while stream.frame().await.is_some() {}
}

async fn too_many_connections_from_one_address_are_refused(over: Over) {
    let server = Running::start(over, &[("limits.sessions_per_address", "1")]).await;
    let first = server.dial().await;
    let (_control, _) = greet(&first, hello()).await;
    assert_eq!(close_code(&server.dial().await).await, Code::ADDRESS_LIMIT.0);
}

async fn a_full_server_says_so(over: Over) {
    let server = Running::start(over, &[("limits.sessions", "1")]).await;
    let first = server.dial().await;
    let (_control, _) = greet(&first, hello()).await;
    assert_eq!(close_code(&server.dial().await).await, Code::SERVER_FULL.0);
}

async fn a_payload_over_the_limit_is_refused_and_the_channel_goes_on(over: Over) {
    let server = Running::start(over, &[("limits.payload", "1KiB")]).await;
    let connection = server.dial().await;
    let (_control, _) = greet(&connection, hello()).await;
    let (mut stream, _) =
        joined(&connection, channel::Join { delivery: Some(channel::Delivery::None), ..join("t") }).await;
    stream.send(push(1, vec![0; 1025])).await.send(push(2, vec![0; 1024])).await;
    let mut codes = Vec::new();
    for _ in 0..2 {
        if let Some(channel::FromServer::Reply { reference, code, .. }) = stream.channel().await {
            codes.push((reference, code));
        }
    }
    assert_eq!(codes, [(1, Code::PAYLOAD_TOO_LARGE), (2, Code::OK)]);
}

async fn a_client_that_never_reads_disturbs_nobody(over: Over) {
    let server = Running::start(over, &[("history.count", "50")]).await;
    let lazy = server.dial().await;
    let (_control, _) = greet(&lazy, hello()).await;
    let (mut unread, _) = joined(&lazy, join("neighbour")).await;
    let (mut read, _) = joined(&lazy, join("other")).await;
    let mut neighbour = Neighbour::settle(&server).await;
    for n in 0..200 {
        neighbour.channel.send(push(n + 1, vec![0; 16 * 1024])).await;
        let mut seen = 0;
        while seen < 2 {
            assert!(neighbour.channel.channel().await.is_some());
            seen += 1;
        }
    }
    // The lazy client's other topic is alive, and the unread one tells exactly what is missing.
    read.send(push(1, "x")).await;
    assert!(read.channel().await.is_some());
    let mut next = 1;
    let mut missed = 0;
    while next <= 200 {
        match unread.channel().await {
            Some(channel::FromServer::Event(event)) => {
                assert_eq!(event.offset, next);
                next += 1;
            }
            Some(channel::FromServer::Gap { from, to }) => {
                assert_eq!(from, next);
                missed += to - from + 1;
                next = to + 1;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(missed > 0, "200 events of 16 KiB do not fit into a stream's window");
}

async fn a_forged_ticket_opens_a_new_session(over: Over) {
    let server = Running::start(over, &[]).await;
    let connection = server.dial().await;
    let (_control, mine) = greet(&connection, hello()).await;
    let thief = server.dial().await;
    // The ticket is right, the client is not; then a ticket that nobody has.
    let stolen = control::Hello { client: [1; 16], resume: Some(mine.resume), ..hello() };
    assert!(!greet(&thief, stolen).await.1.resumed);
    let other = server.dial().await;
    assert!(!greet(&other, control::Hello { resume: Some(vec![0; 16].into()), ..hello() }).await.1.resumed);
    assert!(connection.close_reason().is_none());
}

async fn large_frames_begun_at_once_wait_for_room(over: Over) {
    let server = Running::start(over, &[("limits.payload", "64KiB")]).await;
    let connection = server.dial().await;
    let (_control, _) = greet(&connection, hello()).await;
    let large = push(1, vec![0; 60 * 1024]);
    let mut streams = Vec::new();
    for n in 0..8 {
        let silent = channel::Join { delivery: Some(channel::Delivery::None), ..join(&format!("t{n}")) };
        let (mut stream, _) = joined(&connection, silent).await;
        stream.send(large.slice(..1024)).await;
        streams.push(stream);
    }
    // There is room for four; the others are read as those are done, whatever the order in which they go on.
    let (mut small, _) = joined(&connection, join("small")).await;
    small.send(push(1, "x")).await;
    assert!(small.channel().await.is_some());
    for stream in &mut streams {
        stream.send(large.slice(1024..)).await;
    }
    for stream in &mut streams {
        assert!(matches!(stream.channel().await, Some(channel::FromServer::Reply { code: Code::OK, .. })));
    }
}

#[tokio::test]
async fn plain_http_3_beyond_the_limit_is_cut_off_however_much_it_asks() {
    let settings = [("limits.sessions_per_address", "1"), ("limits.deadline", "200ms")];
    let server = Running::start(Over::Quic, &settings).await;
    let mut neighbour = Neighbour::settle(&server).await;
    let before = server.counter("dunlin_refusals_total", "ADDRESS_LIMIT").await.unwrap();
    let quic = dial_with_alpn(server.address(), server.certificate(), b"h3").await.unwrap();
    let (_driver, mut sender) = h3::client::new(h3_quinn::Connection::new(quic)).await.unwrap();
    let mut ask = async || -> Result<(), h3::error::StreamError> {
        let request = http::Request::get("https://localhost/healthz").body(()).unwrap();
        let mut stream = sender.send_request(request).await?;
        stream.finish().await?;
        stream.recv_response().await.map(drop)
    };
    soon("the end", async { while ask().await.is_ok() {} }).await;
    assert!(server.counter("dunlin_refusals_total", "ADDRESS_LIMIT").await.unwrap() > before);
    neighbour.is_undisturbed().await;
}

#[tokio::test]
async fn an_unknown_alpn_is_refused_in_the_handshake() {
    let server = Running::start(Over::Quic, &[]).await;
    let dialing = dial_with_alpn(server.address(), server.certificate(), b"other/1");
    let error = soon("a refusal", dialing).await.unwrap_err();
    assert!(error.to_string().contains("protocol"), "{error}");
    let mut neighbour = Neighbour::settle(&server).await;
    neighbour.is_undisturbed().await;
}

#[tokio::test]
async fn positions_beyond_the_log_are_lost_not_guessed() {
    let server = Running::start(Over::Memory, &[]).await;
    let connection = server.dial().await;
    let (_control, _) = greet(&connection, hello()).await;
    let (first, live) = joined(&connection, join("t")).await;
    leave(first).await;
    let ahead = Position::new(live.position.epoch, 99);
    let (_stream, ahead) = joined(&connection, channel::Join { since: Some(ahead), ..join("t") }).await;
    assert_eq!(ahead.start, channel::Start::Lost);
}

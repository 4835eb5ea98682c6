//! What a connection sends first that cannot send everything at once.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use bytes::Bytes;
use dunlin_client::{Delivery, Position};
use dunlin_proto::{
    Code,
    frame::channel::{self, Adjust, FromClient, FromServer},
};
use dunlin_tests::{
    raw::{Stream, greet, hello, join, joined, push},
    relay::Relay,
    server::{Over, Running},
};

/// Events of each topic, and the bytes of one: some seconds of the narrow network.
const EVENTS: u64 = 96;
const SIZE: usize = 32 * 1024;
const BYTES_PER_SECOND: u32 = 2_000_000;

async fn fill(server: &Running, topic: &str) {
    let connection = server.dial().await;
    let (_control, _) = greet(&connection, hello()).await;
    let (mut stream, _) =
        joined(&connection, channel::Join { delivery: Some(Delivery::None), ..join(topic) }).await;
    let payload = Bytes::from(vec![7; SIZE]);
    for reference in 1..=EVENTS {
        stream.send(push(reference, payload.clone())).await;
        assert!(matches!(stream.channel().await, Some(FromServer::Reply { code: Code::OK, .. })));
    }
}

/// A member that gets everything there is, later than others.
async fn member(connection: &dunlin_transport::Connection, topic: &str, priority: u8) -> Stream {
    let oldest = channel::Join { since: Some(Position::OLDEST), priority, ..join(topic) };
    joined(connection, oldest).await.0
}

async fn read(stream: &mut Stream, events: u64) {
    for _ in 0..events {
        assert!(matches!(stream.channel().await, Some(FromServer::Event(_))));
    }
}

async fn what_was_behind_overtakes(over: Over) {
    let server = Running::start(over, &[]).await;
    fill(&server, "bulk").await;
    fill(&server, "late").await;
    let relay = Relay::start(server.address()).await;
    relay.narrow(BYTES_PER_SECOND);
    let connection = server.dial_at(relay.address()).await;
    let (_control, _) = greet(&connection, hello()).await;
    let mut bulk = member(&connection, "bulk", 128).await;
    let mut late = member(&connection, "late", 0).await;
    read(&mut bulk, 2).await;
    late.send(FromClient::Adjust(Adjust { priority: Some(255), ..Adjust::default() }).encode()).await;
    let mut seen = 2;
    let all_late = read(&mut late, EVENTS);
    tokio::pin!(all_late);
    loop {
        tokio::select! {
            biased;
            () = &mut all_late => break,
            () = read(&mut bulk, 1) => seen += 1,
        }
    }
    // Some were on their way; over WebSocket, in the buffers of two kernels.
    assert!(seen < EVENTS * 9 / 10, "{seen} of {EVENTS} that were to come later had come");
    read(&mut bulk, EVENTS - seen).await;
}

#[tokio::test]
async fn quic() {
    what_was_behind_overtakes(Over::Quic).await;
}

#[tokio::test]
async fn webtransport() {
    what_was_behind_overtakes(Over::WebTransport).await;
}

#[tokio::test]
async fn websocket() {
    what_was_behind_overtakes(Over::WebSocket).await;
}

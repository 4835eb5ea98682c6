//! Networks that block UDP, or TCP, or begin to: the client library finds the way that is left, and back again.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use dunlin_client::{Builder, Client, Delivery, JoinOptions, State, Transport, Trust};
use dunlin_tests::{
    relay::{Protocol, Relay},
    server::{Over, Running},
    soon,
    talker::{Talker, read_all},
};
use std::time::Duration;

/// Soon, for a test; long enough to let QUIC answer where it can.
const MOMENT: Duration = Duration::from_millis(200);

/// Longer than any test lasts.
const NEVER: Duration = Duration::from_secs(100_000);

/// A server, a network before it, and the settings of a client on the other side.
async fn network(scheme: &str) -> (Running, Relay, Builder) {
    let server = Running::start(Over::Quic, &[]).await;
    let relay = Relay::start(server.address()).await;
    let url = format!("{scheme}://{}", relay.address());
    let builder = Client::builder(&url).unwrap().trust(Trust::Pinned(server.fingerprint()));
    (server, relay, builder.head_start(MOMENT).retry_quic(MOMENT).keep_alive(MOMENT))
}

fn transport(client: &Client) -> Transport {
    client.connection().unwrap().transport
}

#[tokio::test]
async fn where_udp_is_blocked_the_client_is_online_over_websocket() {
    let (server, relay, builder) = network("dunlin").await;
    relay.block(Protocol::Udp);
    let client = soon("a connection", builder.retry_quic(NEVER).connect()).await.unwrap();
    assert_eq!(transport(&client), Transport::WebSocket);
    let mut channel = soon("a join", client.join("room:1", JoinOptions::default())).await.unwrap();
    let other = server.client().await;
    let options = JoinOptions { delivery: Some(Delivery::None), ..JoinOptions::default() };
    let writer = soon("a join", other.join("room:1", options)).await.unwrap();
    for n in 0..100_u32 {
        writer.push("n", n.to_be_bytes().to_vec()).await.unwrap();
    }
    read_all(&mut channel, &mut 0, 100).await;
    soon("a pong", client.ping()).await.unwrap();
    client.close().await;
}

#[tokio::test]
async fn when_udp_comes_back_the_session_moves_to_quic_and_nobody_notices() {
    let (_server, relay, builder) = network("dunlin").await;
    relay.block(Protocol::Udp);
    let mut talker = Talker::start(builder).await;
    let session = talker.client.connection().unwrap().session;
    assert_eq!(transport(&talker.client), Transport::WebSocket);
    let mut states = talker.client.state();
    let always_online = tokio::spawn(async move {
        loop {
            match &*states.borrow_and_update() {
                State::Online { transport: Transport::Quic, .. } => return true,
                State::Online { .. } => {}
                _ => return false,
            }
            states.changed().await.unwrap();
        }
    });
    relay.unblock(Protocol::Udp);
    talker.read_until_over(Transport::Quic).await;
    assert!(always_online.await.unwrap(), "the client was offline on the way");
    let info = talker.client.connection().unwrap();
    assert_eq!((info.session, info.resumed), (session, true));
    assert_eq!((info.connections.quic, info.connections.websocket), (1, 1));
    talker.finish().await;
}

#[tokio::test]
async fn when_udp_dies_in_mid_session_it_is_resumed_over_websocket() {
    let (_server, relay, builder) = network("dunlin").await;
    let mut talker = Talker::start(builder.retry_quic(NEVER)).await;
    let session = talker.client.connection().unwrap().session;
    assert_eq!(transport(&talker.client), Transport::Quic);
    relay.block(Protocol::Udp);
    talker.read_until_over(Transport::WebSocket).await;
    let info = talker.client.connection().unwrap();
    assert_eq!((info.session, info.resumed), (session, true));
    talker.finish().await;
}

#[tokio::test]
async fn webtransport_falls_back_and_returns_as_quic_does() {
    let (_server, relay, builder) = network("https").await;
    relay.block(Protocol::Udp);
    let mut talker = Talker::start(builder).await;
    assert_eq!(transport(&talker.client), Transport::WebSocket);
    relay.unblock(Protocol::Udp);
    talker.read_until_over(Transport::WebTransport).await;
    talker.finish().await;
}

#[tokio::test]
async fn on_a_network_that_is_known_to_block_udp_nothing_is_waited_for() {
    let (_server, relay, builder) = network("dunlin").await;
    relay.block(Protocol::Udp);
    let first = soon("a connection", builder.clone().connect()).await.unwrap();
    assert_eq!(transport(&first), Transport::WebSocket);
    // With such a head start a client that remembers nothing would be offline until the test gives up.
    let second = soon("a connection", builder.head_start(NEVER).connect()).await.unwrap();
    assert_eq!(transport(&second), Transport::WebSocket);
}

#[tokio::test]
async fn when_everything_is_blocked_the_error_says_what_was_tried() {
    let (_server, relay, builder) = network("dunlin").await;
    relay.cut();
    let timeout = Duration::from_secs(4);
    let error = soon("an error", builder.connect_timeout(timeout).connect()).await.unwrap_err().to_string();
    assert!(error.contains("QUIC: no answer to any packet; WebSocket: no answer to any packet"), "{error}");
}

#[tokio::test]
async fn plain_websocket_is_dialled_where_the_url_says_so() {
    let server = Running::start(Over::Quic, &[]).await;
    let url = format!("ws://{}", server.http_address().unwrap());
    let client = soon("a connection", Client::connect(&url)).await.unwrap();
    let info = client.connection().unwrap();
    assert_eq!((info.transport, info.certificate), (Transport::WebSocket, None));
    let mut channel = soon("a join", client.join("room:1", JoinOptions::default())).await.unwrap();
    channel.push("n", 0_u32.to_be_bytes().to_vec()).await.unwrap();
    read_all(&mut channel, &mut 0, 1).await;
}

#[tokio::test]
async fn a_dead_tcp_path_is_noticed_and_the_session_resumed_when_it_is_back() {
    let (_server, relay, builder) = network("wss").await;
    let client = soon("a connection", builder.connect()).await.unwrap();
    assert_eq!(transport(&client), Transport::WebSocket);
    let mut states = client.state();
    relay.cut();
    let lost = states.wait_for(|state| matches!(state, State::Recovering { .. }));
    soon("the client's noticing", lost).await.unwrap();
    relay.mend();
    let back = states.wait_for(|state| matches!(state, State::Online { resumed: true, .. }));
    soon("the way back", back).await.unwrap();
}

//! Networks that block UDP, or TCP, or begin to: the client library finds the way that is left, and back again.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use dunlin_client::{
    Builder, Channel, Client, Delivery, JoinOptions, Message, PushHandle, Sender, Start, State, Transport,
    Trust,
};
use dunlin_tests::{
    relay::{Protocol, Relay},
    server::{Over, Running},
    soon,
};
use std::time::Duration;
use tokio::sync::watch;

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

async fn online_over(client: &Client, expected: Transport) {
    let mut states = client.state();
    let online =
        states.wait_for(|state| matches!(state, State::Online { transport, .. } if *transport == expected));
    soon("another transport", online).await.unwrap();
}

/// Somebody who pushes a number after the other, with many on their way, until told to stop; then gives how many.
fn push_on(sender: Sender, mut stop: watch::Receiver<bool>) -> tokio::task::JoinHandle<u32> {
    tokio::spawn(async move {
        let mut answers: Vec<PushHandle> = Vec::new();
        let mut n = 0_u32;
        while !*stop.borrow_and_update() {
            answers.push(sender.send("n", n.to_be_bytes().to_vec(), None).await.unwrap());
            n += 1;
            if answers.len() == 100 {
                for answer in answers.drain(..50) {
                    answer.await.unwrap();
                }
            }
        }
        for answer in answers {
            answer.await.unwrap();
        }
        n
    })
}

/// Reads until the number before this one, and sees that each comes once and in order.
async fn read_all(channel: &mut Channel, next: &mut u32, until: u32) {
    while *next < until {
        match soon("an event", channel.next()).await.expect("the channel is open") {
            Message::Event(event) => {
                assert_eq!(event.payload.as_ref(), next.to_be_bytes());
                *next += 1;
            }
            Message::Joined(joined) => assert_ne!(joined.start, Start::Lost),
            other => panic!("{other:?}"),
        }
    }
}

/// A client in a topic, with its pushes on their way: what it reads is what it has pushed.
struct Talker {
    client: Client,
    channel: Channel,
    stop: watch::Sender<bool>,
    pushing: tokio::task::JoinHandle<u32>,
    next: u32,
}

impl Talker {
    async fn start(builder: Builder) -> Self {
        let client = soon("a connection", builder.connect()).await.unwrap();
        let channel = soon("a join", client.join("room:1", JoinOptions::default())).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let pushing = push_on(channel.sender(), stopped);
        let mut talker = Self { client, channel, stop, pushing, next: 0 };
        talker.read(300).await;
        talker
    }

    /// Reads so many events more.
    async fn read(&mut self, more: u32) {
        let until = self.next + more;
        read_all(&mut self.channel, &mut self.next, until).await;
    }

    /// Reads on until the client is online over this transport, and a little longer.
    async fn read_until_over(&mut self, expected: Transport) {
        let client = self.client.clone();
        let mut online = std::pin::pin!(online_over(&client, expected));
        loop {
            tokio::select! {
                () = &mut online => break,
                () = self.read(1) => {}
            }
        }
        self.read(300).await;
    }

    /// Stops pushing, and sees that everything that was pushed has come, once.
    async fn finish(mut self) {
        self.stop.send_replace(true);
        let Self { channel, pushing, next, .. } = &mut self;
        let pushed = async { pushing.await.unwrap() };
        let mut pushed = std::pin::pin!(pushed);
        let count = loop {
            tokio::select! {
                count = &mut pushed => break count,
                () = async { let until = *next + 1; read_all(channel, next, until).await } => {}
            }
        };
        read_all(channel, next, count).await;
        assert_eq!(*next, count);
    }
}

#[tokio::test]
async fn where_udp_is_blocked_the_client_is_online_over_websocket() {
    let (server, relay, builder) = network("dunlin").await;
    relay.block(Protocol::Udp);
    let client = soon("a connection", builder.retry_quic(NEVER).connect()).await.unwrap();
    assert_eq!(transport(&client), Transport::WebSocket);
    let mut channel = soon("a join", client.join("room:1", JoinOptions::default())).await.unwrap();
    let other = server.client().await;
    let options = JoinOptions { delivery: Delivery::None, ..JoinOptions::default() };
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

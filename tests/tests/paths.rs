//! Clients whose address changes under a living connection, as behind a NAT that forgets them: seen, told, and no harm done.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use dunlin_client::{Channel, Client, JoinOptions, Message, Transport, Trust};
use dunlin_proto::{Code, frame::control};
use dunlin_tests::{
    raw::{Stream, close_code, greet, hello, trusting},
    relay::Relay,
    server::{Over, Running},
    soon,
};
use dunlin_transport::{Connection, Dialer};
use serde_json::Value;
use std::{net::Ipv4Addr, time::Duration};

const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// A client of the relay, over QUIC of this kind and no other way.
async fn client(server: &Running, relay: &Relay, over: Transport) -> Client {
    let url = match over {
        Transport::WebTransport => format!("https://{}/dunlin", relay.address()),
        _ => format!("dunlin://{}", relay.address()),
    };
    let builder = Client::builder(&url).unwrap().trust(Trust::Pinned(server.fingerprint()));
    let builder = builder.only(over).unwrap().keep_alive(Duration::from_millis(200));
    soon("a connection", builder.connect()).await.unwrap()
}

async fn join(client: &Client, topic: &str) -> Channel {
    soon("a join", client.join(topic, JoinOptions::default())).await.unwrap()
}

/// Reads so many events, each of which must be the one after the last.
async fn read(channel: &mut Channel, last: &mut u64, count: u64) {
    let until = *last + count;
    while *last < until {
        match soon("an event", channel.next()).await.expect("the channel is open") {
            Message::Event(event) => {
                assert_eq!(event.position.offset, *last + 1);
                *last += 1;
            }
            Message::Joined(joined) => assert!(!joined.again, "the connection was to live on"),
            other => panic!("{other:?}"),
        }
    }
}

/// The row of the session that was moved, once it has moved so often.
async fn moved(sessions: &mut Channel, often: u64) -> Value {
    loop {
        let Message::Event(event) = soon("figures", sessions.next()).await.expect("the channel is open")
        else {
            continue;
        };
        let figures: Value = event.decode().unwrap();
        let mut rows = figures["sessions"].as_array().unwrap().iter();
        if let Some(row) = rows.find(|row| row["paths"]["changes"].as_u64() >= Some(often)) {
            return row.clone();
        }
    }
}

async fn a_nat_that_forgets_its_client_in_mid_stream_is_seen_and_nothing_is_lost(over: Transport) {
    const ALL: u64 = 600;
    let server = Running::start(Over::Quic, &[]).await;
    let relay = Relay::start(server.address()).await;
    let steady = server.client().await;
    let (mut sessions, mut stats) =
        (join(&steady, "$server/sessions").await, join(&steady, "$server/stats").await);
    let client = client(&server, &relay, over).await;
    let mut room = join(&client, "room:1").await;
    let sender = room.sender();
    let pushing = tokio::spawn(async move {
        for n in 0..ALL {
            sender.send("n", n.to_be_bytes().to_vec(), None).await.unwrap();
        }
    });

    let mut last = 0;
    read(&mut room, &mut last, 100).await;
    relay.rebind(HERE);
    read(&mut room, &mut last, 200).await;
    let row = moved(&mut sessions, 1).await;
    assert_eq!(row["paths"]["last"][0]["kind"], "port", "{row}");
    relay.rebind(ELSEWHERE);
    read(&mut room, &mut last, ALL - 300).await;
    soon("the last push", pushing).await.unwrap();

    let row = moved(&mut sessions, 2).await;
    let [newest, first] = &row["paths"]["last"].as_array().unwrap()[..] else { panic!("{row}") };
    assert_eq!((&newest["kind"], &newest["from"]), (&"address".into(), &first["address"]));
    assert_eq!((&newest["address"], &row["resumed"]), (&row["address"], &0.into()));
    assert!(row["address"].as_str().unwrap().starts_with("127.0.0.2:"), "{row}");
    assert!(newest["ms"].as_u64() <= first["ms"].as_u64(), "newest first: {row}");
    loop {
        if let Message::Event(event) = soon("figures", stats.next()).await.unwrap()
            && event.decode::<Value>().unwrap()["continuity"]["migrated"] == 2
        {
            break;
        }
    }
}

#[tokio::test]
async fn native_quic() {
    a_nat_that_forgets_its_client_in_mid_stream_is_seen_and_nothing_is_lost(Transport::Quic).await;
}

#[tokio::test]
async fn webtransport() {
    a_nat_that_forgets_its_client_in_mid_stream_is_seen_and_nothing_is_lost(Transport::WebTransport).await;
}

async fn dial(server: &Running, relay: &Relay) -> Connection {
    let dialer = Dialer::quic(trusting(server.certificate())).unwrap();
    dialer.dial(relay.address(), "localhost").await.unwrap()
}

/// Waits until the server has heard from the client, from wherever that is now.
async fn ping(control: &mut Stream) {
    control.send(control::FromClient::Ping { n: 1 }.encode()).await;
    assert_eq!(control.control().await, Some(control::FromServer::Pong { n: 1 }));
}

#[tokio::test]
async fn the_bound_on_an_address_holds_for_who_moves_there() {
    let server = Running::start(Over::Quic, &[("limits.sessions_per_address", "1")]).await;
    let (relay, other) = (Relay::start(server.address()).await, Relay::start(server.address()).await);
    let mover = dial(&server, &relay).await;
    let (mut control, welcome) = greet(&mover, hello()).await;
    // It leaves its place, which another takes, and keeps everybody else from the one where it is now.
    relay.rebind(ELSEWHERE);
    ping(&mut control).await;
    let settler = server.dial().await;
    let (_control, _) = greet(&settler, control::Hello { client: [8; 16], ..hello() }).await;
    other.rebind(ELSEWHERE);
    assert_eq!(close_code(&dial(&server, &other).await).await, Code::ADDRESS_LIMIT.0);
    // The way back is taken. The session waits, as the client may come from somewhere else.
    relay.rebind(HERE);
    control.send(control::FromClient::Ping { n: 2 }.encode()).await;
    assert_eq!(close_code(&mover).await, Code::ADDRESS_LIMIT.0);
    let back = dial(&server, &other).await;
    let (_control, again) = greet(&back, control::Hello { resume: Some(welcome.resume), ..hello() }).await;
    assert!(again.resumed);
}

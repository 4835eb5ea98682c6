//! The ladder of continuity over real sockets: what happens to a session whose network changes, and what its client is told.
//! With real interfaces and namespaces the lab tells the same (`tests/run lab`).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use dunlin_client::{Builder, Cause, Change, Changes, Client, Rung, State, Transport, Trust};
use dunlin_tests::{
    relay::Relay,
    server::{Over, Running},
    soon,
    talker::Talker,
};
use std::time::Duration;

/// A server, a network before it, and the settings of a client on the other side that goes this way and no other.
async fn network(only: Transport) -> (Running, Relay, Builder) {
    let server = Running::start(Over::Quic, &[]).await;
    let relay = Relay::start(server.address()).await;
    let builder = Client::builder(&format!("dunlin://{}", relay.address())).unwrap();
    let builder = builder.trust(Trust::Pinned(server.fingerprint())).only(only).unwrap();
    (server, relay, builder.keep_alive(Duration::from_millis(200)))
}

async fn next(changes: &mut Changes) -> Change {
    soon("a change", changes.next()).await.expect("the client goes on")
}

/// Reads on until there is a change.
async fn told(talker: &mut Talker, changes: &mut Changes) -> Change {
    loop {
        tokio::select! {
            change = next(changes) => return change,
            () = talker.read(1) => {}
        }
    }
}

async fn moves_without_a_loss(over: Transport) {
    let (server, _relay, builder) = network(over).await;
    let mut talker = Talker::start(builder).await;
    let session = talker.client.connection().unwrap().session;
    let mut changes = talker.client.changes();
    let mut here = None;
    for _ in 0..5 {
        talker.client.network_changed(true);
        let change = told(&mut talker, &mut changes).await;
        assert_eq!((change.rung, change.cause), (Rung::Migrated, Cause::NetworkChanged));
        assert_eq!((change.recovered, change.lost, change.transport), (0, Some(0), over));
        assert!(change.from != change.to && (here.is_none() || here == change.from), "{change:?}");
        here = change.to;
        talker.read(100).await;
    }
    let info = talker.client.connection().unwrap();
    assert_eq!((info.session, info.resumed), (session, false), "it is the same connection");
    assert_eq!(info.connections.quic + info.connections.webtransport, 1);
    assert!(
        server.counter("dunlin_path_changes_total", "").await.unwrap() > 0.0,
        "the relay hides the new port"
    );
    talker.finish().await;
}

#[tokio::test]
async fn a_quic_connection_moves_with_its_client() {
    moves_without_a_loss(Transport::Quic).await;
}

#[tokio::test]
async fn a_webtransport_session_moves_with_its_client() {
    moves_without_a_loss(Transport::WebTransport).await;
}

#[tokio::test]
async fn a_websocket_cannot_move_and_is_replaced_while_it_still_serves() {
    let (_server, _relay, builder) = network(Transport::WebSocket).await;
    let mut talker = Talker::start(builder).await;
    let session = talker.client.connection().unwrap().session;
    let mut changes = talker.client.changes();
    talker.client.network_changed(true);
    let change = told(&mut talker, &mut changes).await;
    assert_eq!((change.rung, change.cause, change.lost), (Rung::Resumed, Cause::NetworkChanged, Some(0)));
    assert_eq!(talker.client.connection().unwrap().session, session);
    talker.finish().await;
}

/// Nothing gets through for a while, and nobody says so.
async fn a_silent_network(over: Transport) {
    let (_server, relay, builder) = network(over).await;
    let mut talker = Talker::start(builder).await;
    let session = talker.client.connection().unwrap().session;
    let (mut changes, mut states) = (talker.client.changes(), talker.client.state());
    relay.cut();
    let lost = states.wait_for(|state| matches!(state, State::Recovering { .. }));
    soon("the client's noticing", lost).await.unwrap();
    relay.mend();
    let change = told(&mut talker, &mut changes).await;
    assert_eq!((change.rung, change.lost), (Rung::Resumed, Some(0)));
    assert_eq!(talker.client.connection().unwrap().session, session);
    talker.finish().await;
}

#[tokio::test]
async fn silence_over_quic_ends_in_a_new_connection_and_the_old_session() {
    a_silent_network(Transport::Quic).await;
}

#[tokio::test]
async fn silence_over_websocket_ends_in_a_new_connection_and_the_old_session() {
    a_silent_network(Transport::WebSocket).await;
}

#[tokio::test]
async fn what_was_said_without_a_network_is_said_once_with_one() {
    let (_server, _relay, builder) = network(Transport::Quic).await;
    let mut talker = Talker::start(builder).await;
    let (mut changes, mut states) = (talker.client.changes(), talker.client.state());
    talker.client.network_changed(false);
    let noticed = states.wait_for(|state| matches!(state, State::Recovering { .. }));
    soon("the client's noticing", noticed).await.unwrap();
    talker.client.network_changed(true);
    // Back so soon, the connection itself goes on.
    assert_eq!(told(&mut talker, &mut changes).await.rung, Rung::Migrated);
    assert!(matches!(&*states.borrow(), State::Online { .. }));
    talker.finish().await;
}

#[tokio::test]
async fn clients_that_share_a_socket_move_together() {
    let (_server, _relay, builder) = network(Transport::Quic).await;
    let builder = builder.shared().unwrap();
    let (mut one, mut other) =
        (Talker::start_in("room:1", builder.clone()).await, Talker::start_in("room:2", builder).await);
    let (mut changes, mut others) = (one.client.changes(), other.client.changes());
    one.client.network_changed(true);
    other.client.network_changed(true);
    for (talker, changes) in [(&mut one, &mut changes), (&mut other, &mut others)] {
        assert_eq!(told(talker, changes).await.rung, Rung::Migrated);
    }
    one.finish().await;
    other.finish().await;
}

//! What only a real transport has: certificates and early data. Over the loopback interface, with the clock running.

use std::{sync::Arc, time::SystemTime};

use dunlin_certs::{Live, Source, development};
use dunlin_client::{Builder, Client, Code, Fingerprint, JoinOptions, Message, Start, State, Trust};
use dunlin_proto::frame::control::FromServer;
use dunlin_transport::{Keys, Listener, ServerConfig};
use tempfile::TempDir;
use tokio::join;

use crate::peer::{Server, at};

/// A certificate of its own, and the folder that it is kept in.
struct Site {
    dir: TempDir,
    certificate: Arc<Live>,
}

impl Site {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = Source::Development { dir: dir.path().into(), names: Vec::new() };
        Self { certificate: Live::open(source, SystemTime::now()).unwrap(), dir }
    }

    /// A server that knows no tickets, its URL, and the settings of a client that is yet to be told what to trust.
    fn server(&self) -> (Server, String, Builder) {
        let listen = ([127, 0, 0, 1], 0).into();
        let config = ServerConfig::new(listen, self.certificate.clone(), Keys::random());
        let listener = Listener::bind(config).unwrap();
        let url = format!("dunlin://{}", listener.local_address());
        let builder = Client::builder(&url).unwrap();
        (Server(listener), url, builder)
    }
}

#[tokio::test]
async fn a_pinned_certificate_is_believed() {
    let site = Site::new();
    let (server, _, builder) = site.server();
    let pin = site.certificate.fingerprint();
    let (client, _peer) = join!(builder.trust(Trust::Pinned(pin)).connect(), server.welcome());
    let info = client.unwrap().connection().unwrap();
    assert_eq!((info.certificate, info.early_data), (Some(pin), false));
}

#[tokio::test]
async fn a_ca_file_is_believed() {
    let site = Site::new();
    let (server, _, builder) = site.server();
    let ca = site.dir.path().join(development::CERT_FILE);
    let (client, _peer) = join!(builder.trust(Trust::CaFile(ca)).connect(), server.welcome());
    client.unwrap();
}

#[tokio::test]
async fn another_certificate_is_refused_at_once_and_named() {
    let site = Site::new();
    let (server, _, builder) = site.server();
    let builder = builder.trust(Trust::Pinned(Fingerprint([7; 32])));
    let error = tokio::select! {
        result = builder.connect() => result.unwrap_err().to_string(),
        _peer = server.welcome() => panic!("the handshake should have failed"),
    };
    assert!(error.contains(&site.certificate.fingerprint().to_string()), "{error}");
}

#[tokio::test]
async fn the_systems_roots_do_not_know_a_development_certificate() {
    let site = Site::new();
    let (server, _, builder) = site.server();
    let error = tokio::select! {
        result = builder.trust(Trust::System).connect() => result.unwrap_err(),
        _peer = server.welcome() => panic!("the handshake should have failed"),
    };
    assert!(matches!(error, dunlin_client::ConnectError::Closed(_)), "{error}");
}

#[tokio::test]
async fn a_missing_ca_file_is_named() {
    let (_server, _, builder) = Site::new().server();
    let error = builder.trust(Trust::CaFile("/nowhere/ca.pem".into())).connect().await.unwrap_err();
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
}

#[tokio::test]
async fn whoever_comes_back_with_a_ticket_sends_hello_and_joins_as_early_data() {
    let site = Site::new();
    let (server, _, builder) = site.server();
    let trust = Trust::Pinned(site.certificate.fingerprint());
    let (client, peer) = join!(builder.trust(trust).connect(), server.welcome());
    let client = client.unwrap();
    let (channel, member) = join!(client.join("a", JoinOptions::default()), peer.joined(Start::Live, at(0)));
    let mut channel = channel.unwrap();
    assert!(matches!(channel.next().await, Some(Message::Joined(_))));
    peer.connection.close(Code::GOING_AWAY.0, "");
    drop(member);

    let peer = server.welcome().await;
    let _member = peer.joined(Start::Recovered, at(0)).await;
    assert!(matches!(channel.next().await, Some(Message::Joined(joined)) if joined.again));
    let mut state = client.state();
    state.wait_for(|state| matches!(state, State::Online { resumed: true, .. })).await.unwrap();
    assert!(client.connection().unwrap().early_data);
}

#[tokio::test]
async fn a_client_is_sent_elsewhere_and_opens_all_streams_again_where_its_early_data_is_rejected() {
    let site = Site::new();
    let (server, _, builder) = site.server();
    let trust = Trust::Pinned(site.certificate.fingerprint());
    let (client, peer) = join!(builder.trust(trust).connect(), server.welcome());
    let (client, mut peer) = (client.unwrap(), peer);
    let (channel, _member) = join!(client.join("a", JoinOptions::default()), peer.joined(Start::Live, at(0)));
    let mut channel = channel.unwrap();
    assert!(matches!(channel.next().await, Some(Message::Joined(_))));

    // Another process on the same host: it has the certificate, but not the tickets.
    let (elsewhere, url, _) = site.server();
    peer.say(FromServer::GoAway { code: Code::GOING_AWAY, within_ms: 0, url: Some(url) }).await;
    let peer = elsewhere.welcome().await;
    let mut member = peer.joined(Start::Recovered, at(0)).await;
    member.event(1).await;
    assert!(matches!(channel.next().await, Some(Message::Joined(joined)) if joined.again));
    assert_eq!(channel.next().await.unwrap().position(), Some(at(1)));
    let mut state = client.state();
    state.wait_for(|state| matches!(state, State::Online { .. })).await.unwrap();
    assert!(!client.connection().unwrap().early_data);
}

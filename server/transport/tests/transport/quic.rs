//! What only QUIC has: handshakes, tickets, address validation, moving sockets.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use dunlin_transport::{
    ClientConfig, Congestion, Connection, ConnectionError, Dialer, EarlyData, Kind, Listener, ReadError,
    ServerConfig, SharedTicketStore, WriteError, provider,
};
use rustls::pki_types::CertificateDer;
use tokio::net::UdpSocket;

use crate::support::{
    NAME, Pair, Pinned, Site, certificate, client_config, dialer, echo, echo_next, in_time, loopback, quic,
    read_all, server_config,
};

#[tokio::test]
async fn a_client_of_another_protocol_is_turned_away() {
    let site = quic::site().await;
    let error = in_time(async {
        let accept = async { site.listener.accept().await.unwrap().accept().await };
        let (client, server) = tokio::join!(stranger(site.listener.local_address()), accept);
        assert!(matches!(server, Err(ConnectionError::Tls(_))), "{server:?}");
        client.unwrap_err()
    });
    // Alert 120, no_application_protocol (RFC 7301, 3.2).
    assert!(error.await.to_string().contains("120"));
}

/// Dials with quinn alone, for ALPN `hq-interop`.
async fn stranger(server: SocketAddr) -> Result<quinn::Connection, quinn::ConnectionError> {
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned(certificate())))
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"hq-interop".to_vec()];
    let tls = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    let endpoint = quinn::Endpoint::client(loopback(0)).unwrap();
    endpoint.connect_with(quinn::ClientConfig::new(Arc::new(tls)), server, NAME).unwrap().await
}

#[tokio::test]
async fn a_server_with_another_certificate_is_not_believed() {
    let site = Site {
        dialer: Dialer::quic(ClientConfig::new(Arc::new(Pinned(CertificateDer::from(vec![1, 2, 3])))))
            .unwrap(),
        ..quic::site().await
    };
    let accept = async { site.listener.accept().await.unwrap().accept().await };
    let (client, server) = in_time(async { tokio::join!(site.dial(), accept) }).await;
    assert!(matches!(client, Err(ConnectionError::Tls(_))), "{client:?}");
    // The server had accepted before the client judged; it learns of it as the handshake's failure.
    let end = in_time(async { server.unwrap().handshake_complete().await.unwrap_err() }).await;
    assert!(matches!(end, ConnectionError::Tls(_)), "{end:?}");
}

#[tokio::test]
async fn the_client_can_look_at_the_certificate() {
    let Pair { client, server } = quic::pair().await;
    assert_eq!(client.peer_certificate(), Some(certificate()));
    assert_eq!(server.peer_certificate(), None);
    assert_eq!(client.kind(), Kind::Quic);
}

#[tokio::test]
async fn the_second_dial_sends_early_data() {
    let site = quic::site().await;
    with_ticket(&site).await;
    in_time(async {
        let client = site.dial().await.unwrap();
        assert_eq!(client.early_data(), None, "no answer was awaited");
        let (mut send, mut recv) = client.open_bi().await.unwrap();
        send.write(Bytes::from_static(b"early")).await.unwrap();
        send.finish();
        let server = site.listener.accept().await.unwrap().accept().await.unwrap();
        echo_next(&server).await;
        assert_eq!(read_all(&mut recv).await.unwrap(), b"early");
        assert_eq!(client.handshake_complete().await, Ok(EarlyData::Accepted));
        assert_eq!(client.early_data(), Some(EarlyData::Accepted));
        assert_eq!(server.handshake_complete().await, Ok(EarlyData::NotUsed), "servers are not told");
    })
    .await;
}

/// Connects once, and stays until the tickets have come: they are sent before the echo.
async fn with_ticket(site: &Site) {
    let pair = site.connect().await;
    in_time(echo(&pair)).await;
}

#[tokio::test]
async fn workers_share_tickets() {
    let sessions = SharedTicketStore::new(100);
    let worker = || Listener::bind(ServerConfig { sessions: sessions.clone(), ..server_config() }).unwrap();
    let first = Site::new(worker(), dialer());
    with_ticket(&first).await;
    let second = Site::new(worker(), first.dialer);
    assert_eq!(second.connect().await.client.handshake_complete().await, Ok(EarlyData::Accepted));
}

#[tokio::test]
async fn early_data_that_is_replayed_is_not_read() {
    let sessions = SharedTicketStore::new(100);
    let config = || ServerConfig { sessions: sessions.clone(), ..server_config() };
    let site = Site::new(Listener::bind(config()).unwrap(), dialer());
    with_ticket(&site).await;
    let brief = ServerConfig { handshake_timeout: Duration::from_millis(50), ..config() };
    let other = Listener::bind(brief).unwrap();
    in_time(async {
        // An attacker sits on the way, and lets no answer through.
        let attacker = UdpSocket::bind(loopback(0)).await.unwrap();
        let client = site.dialer.dial(attacker.local_addr().unwrap(), NAME).await.unwrap();
        let (mut send, _recv) = client.open_bi().await.unwrap();
        send.write(Bytes::from_static(b"pay once")).await.unwrap();
        let mut captured = Vec::new();
        tokio::select! {
            () = capture(&attacker, site.listener.local_address(), &mut captured) => {}
            () = async {
                let server = site.listener.accept().await.unwrap().accept().await.unwrap();
                let (_send, mut recv) = server.accept_bi().await.unwrap();
                assert_eq!(recv.read(8).await.unwrap().unwrap(), "pay once");
            } => {}
        }
        for packet in &captured {
            attacker.send_to(packet, other.local_address()).await.unwrap();
        }
        let server = other.accept().await.unwrap().accept().await.unwrap();
        assert_eq!(server.accept_bi().await.unwrap_err(), ConnectionError::LocallyClosed);
    })
    .await;
}

/// Keeps a copy of each packet that it hands on to the server.
async fn capture(attacker: &UdpSocket, server: SocketAddr, captured: &mut Vec<Vec<u8>>) {
    let mut packet = [0; 2048];
    loop {
        let (len, from) = attacker.recv_from(&mut packet).await.unwrap();
        if from != server {
            captured.push(packet[..len].to_vec());
            attacker.send_to(&packet[..len], server).await.unwrap();
        }
    }
}

#[tokio::test]
async fn streams_of_rejected_early_data_are_opened_again() {
    let site = quic::site().await;
    with_ticket(&site).await;
    // Another server of the same name: it does not know the ticket.
    let site = Site::new(Listener::bind(server_config()).unwrap(), site.dialer);
    in_time(async {
        let client = site.dial().await.unwrap();
        let (mut void, mut void_recv) = client.open_bi().await.unwrap();
        void.write(Bytes::from_static(b"early")).await.unwrap();
        let server = site.listener.accept().await.unwrap().accept().await.unwrap();
        assert_eq!(client.handshake_complete().await, Ok(EarlyData::Rejected));
        assert_eq!(void_recv.read(8).await, Err(ReadError::EarlyDataRejected));
        assert_eq!(void.write(Bytes::from_static(b"more")).await, Err(WriteError::EarlyDataRejected));
        assert_eq!(void.stopped().await, Err(WriteError::EarlyDataRejected));

        // The new stream has the void one's number, and must not suffer from it.
        let (mut send, mut recv) = client.open_bi().await.unwrap();
        send.write(Bytes::from_static(b"once ")).await.unwrap();
        void.finish();
        void.reset(1);
        void_recv.stop(1);
        drop((void, void_recv));
        send.write(Bytes::from_static(b"more")).await.unwrap();
        send.finish();
        echo_next(&server).await;
        assert_eq!(read_all(&mut recv).await.unwrap(), b"once more");
    })
    .await;
}

#[tokio::test]
async fn under_load_clients_prove_their_address_first() {
    let listener = Listener::bind(ServerConfig { retry_above: 0, ..server_config() }).unwrap();
    let site = Site::new(listener, dialer());
    in_time(async {
        let accept = async {
            let incoming = site.listener.accept().await.unwrap();
            assert!(incoming.address_validated());
            incoming.accept().await.unwrap()
        };
        let (client, server) = tokio::join!(site.dial(), accept);
        echo(&Pair { client: client.unwrap(), server }).await;
    })
    .await;
}

#[tokio::test]
async fn handshakes_under_way_count_until_they_are_complete() {
    let listener = Listener::bind(ServerConfig { retry_above: 1, ..server_config() }).unwrap();
    let site = Site::new(listener, dialer());
    in_time(async {
        let first = async { site.listener.accept().await.unwrap() };
        let second = async {
            let held = first.await;
            assert!(!held.address_validated(), "nothing was under way");
            let next = site.listener.accept().await.unwrap();
            assert!(next.address_validated(), "one was under way");
            (held.accept().await.unwrap(), next.accept().await.unwrap())
        };
        let (a, b, (at_first, at_second)) = tokio::join!(site.dial(), site.dial(), second);
        for (end, _client) in [(at_first, a), (at_second, b)] {
            end.handshake_complete().await.unwrap();
        }
        let third = async { site.listener.accept().await.unwrap().address_validated() };
        let (_, validated) = tokio::join!(site.dial(), third);
        assert!(!validated, "all were complete");
    })
    .await;
}

#[tokio::test]
async fn a_client_that_falls_silent_in_its_handshake_is_given_up() {
    let config = ServerConfig { handshake_timeout: Duration::from_millis(50), ..server_config() };
    let site = Site::new(Listener::bind(config).unwrap(), dialer());
    in_time(async {
        // A network that carries the client's first packet and no other.
        let network = UdpSocket::bind(loopback(0)).await.unwrap();
        let mut packet = [0; 2048];
        let cut_off = async {
            let len = network.recv(&mut packet).await.unwrap();
            network.send_to(&packet[..len], site.listener.local_address()).await.unwrap();
            site.listener.accept().await.unwrap().accept().await.unwrap()
        };
        let server = tokio::select! {
            server = cut_off => server,
            _ = site.dialer.dial(network.local_addr().unwrap(), NAME) => unreachable!("no answer comes through"),
        };
        assert_eq!(server.handshake_complete().await, Err(ConnectionError::LocallyClosed));
    })
    .await;
}

#[tokio::test]
async fn connections_beyond_the_limit_are_refused() {
    let listener = Listener::bind(ServerConfig { max_connections: 1, ..server_config() }).unwrap();
    let site = Site::new(listener, dialer());
    in_time(async {
        let pair = site.connect().await;
        tokio::select! {
            refused = site.dial_through() => assert_eq!(refused, Err(ConnectionError::Refused)),
            _ = site.listener.accept() => unreachable!("there is room for one"),
        }
        echo(&pair).await;
    })
    .await;
}

#[tokio::test]
async fn a_connection_follows_its_client_to_another_socket() {
    let site = quic::site().await;
    in_time(async {
        let pair = site.connect().await;
        echo(&pair).await;
        let before = pair.server.remote_address();
        let moved = site.dialer.rebind().unwrap();
        echo(&pair).await;
        assert_eq!(pair.server.remote_address().port(), moved.port());
        assert_ne!(pair.server.remote_address(), before);
    })
    .await;
}

#[tokio::test]
async fn a_client_knows_its_port_and_a_server_the_address_it_is_reached_at() {
    let site = quic::site().await;
    let pair = in_time(site.connect()).await;
    assert_eq!(pair.server.local_address(), Some(site.address));
    let port = || pair.client.local_address().unwrap().port();
    assert_eq!(port(), pair.server.remote_address().port());
    let moved = site.dialer.rebind().unwrap();
    assert_eq!(port(), moved.port());
}

#[tokio::test]
async fn each_side_has_its_congestion_control() {
    let config = ServerConfig { initial_window: 200_000, congestion: Congestion::NewReno, ..server_config() };
    let client = ClientConfig { initial_window: 100_000, congestion: Congestion::Cubic, ..client_config() };
    let site = Site::new(Listener::bind(config).unwrap(), Dialer::quic(client).unwrap());
    let pair = in_time(site.connect()).await;
    // Both are in slow start: what was acknowledged of the handshake came on top.
    assert!((100_000..120_000).contains(&pair.client.stats().congestion_window));
    assert!((200_000..220_000).contains(&pair.server.stats().congestion_window));
}

#[tokio::test]
async fn a_dual_stack_listener_shows_ipv4_addresses_as_such() {
    let Ok(listener) = Listener::bind(ServerConfig { listen: "[::]:0".parse().unwrap(), ..server_config() })
    else {
        return; // This machine has no IPv6.
    };
    let dialer = dialer();
    let accept = async { listener.accept().await.unwrap().accept().await.unwrap() };
    let dial = dialer.dial(loopback(listener.local_address().port()), NAME);
    let (client, server): (_, Connection) = in_time(async { tokio::join!(dial, accept) }).await;
    assert!(server.remote_address().is_ipv4());
    assert_eq!(client.unwrap().remote_address(), loopback(listener.local_address().port()));
}

#[tokio::test]
async fn a_taken_address_is_an_error_that_names_it() {
    let first = Listener::bind(server_config()).unwrap();
    let listen = first.local_address();
    let error = Listener::bind(ServerConfig { listen, ..server_config() }).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on UDP {listen}"));
}

#[tokio::test]
async fn the_listener_knows_its_buffers() {
    let small = Listener::bind(ServerConfig { socket_buffer: 64 * 1024, ..server_config() }).unwrap();
    let large = Listener::bind(server_config()).unwrap();
    assert!(small.buffers().unwrap().receive < large.buffers().unwrap().receive);
}

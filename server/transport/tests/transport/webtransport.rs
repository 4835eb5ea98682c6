//! WebTransport with the `wtransport` crate at the other end, and with clients that get it wrong.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::{Buf, Bytes};
use dunlin_transport::{
    Connection, ConnectionError, Dialer, Kind, Listener, ReadError, ServerConfig, provider,
};
use http::{HeaderValue, Method, Request, StatusCode};
use wtransport::{
    ClientConfig, Endpoint,
    endpoint::{ConnectOptions, endpoint_side},
    error::ConnectingError,
};

use crate::{
    raw::{
        BUFFERED_STREAM_REJECTED, Client, H3_NO_ERROR, H3_REQUEST_REJECTED, SESSION_GONE, Session, code,
        connect, refused, request,
    },
    support::{
        NAME, Pair, Pinned, certificate, client_config, dialer, echo, in_time, loopback, now, read_all,
        resolver, server_config, webtransport,
    },
};

/// The first bytes of a stream of the first session.
const OURS: [u8; 3] = [0x40, 0x41, 0];

fn listen(config: ServerConfig) -> (Listener, SocketAddr) {
    let listener = Listener::bind(config).unwrap();
    let address = listener.local_address();
    (listener, address)
}

/// A session of a client that writes its streams by hand, and the server's end of it.
async fn session(config: ServerConfig) -> (Session, Connection) {
    let (listener, address) = listen(config);
    let accept = async { listener.accept().await.unwrap().accept().await.unwrap() };
    tokio::join!(Session::open(address), accept)
}

/// A listener that accepts one connection after the other, and keeps them.
fn serve(listener: Listener) {
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Some(incoming) = listener.accept().await {
            held.push(incoming.accept().await);
        }
    });
}

fn stranger() -> Endpoint<endpoint_side::Client> {
    let mut tls = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned(certificate())))
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"h3".to_vec()];
    let config = ClientConfig::builder().with_bind_address(loopback(0)).with_custom_tls(tls).build();
    Endpoint::client(config).unwrap()
}

#[tokio::test]
async fn another_client_is_understood() {
    let (listener, address) = listen(server_config());
    in_time(async {
        let stranger = stranger();
        let accept = async { listener.accept().await.unwrap().accept().await.unwrap() };
        let (client, server) = tokio::join!(stranger.connect(format!("https://{address}/dunlin")), accept);
        let client = client.unwrap();
        assert_eq!(server.kind(), Kind::WebTransport);

        let (mut send, mut recv) = client.open_bi().await.unwrap().await.unwrap();
        send.write_all(b"over there").await.unwrap();
        send.finish().await.unwrap();
        let (mut back, mut there) = server.accept_bi().await.unwrap();
        assert_eq!(read_all(&mut there).await.unwrap(), b"over there");
        back.write(Bytes::from_static(b"and back")).await.unwrap();
        back.finish();
        let mut answer = [0; 8];
        recv.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"and back");

        client.send_datagram(b"up").unwrap();
        assert_eq!(server.read_datagram().await.unwrap(), "up");
        server.send_datagram(Bytes::from_static(b"down")).unwrap();
        assert_eq!(&*client.receive_datagram().await.unwrap(), b"down");

        server.close(77, "enough");
        assert_eq!(
            client.accept_uni().await.unwrap_err().to_string(),
            "connection closed by peer: enough (code 77)"
        );
    })
    .await;
}

#[tokio::test]
async fn another_server_is_understood() {
    in_time(async {
        let mut tls = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(resolver());
        tls.alpn_protocols = vec![b"h3".to_vec()];
        let config =
            wtransport::ServerConfig::builder().with_bind_address(loopback(0)).with_custom_tls(tls).build();
        let stranger = Endpoint::server(config).unwrap();
        let address = stranger.local_addr().unwrap();
        let dialer = Dialer::webtransport(client_config()).unwrap();
        let accept = async {
            let request = stranger.accept().await.await.unwrap();
            assert_eq!(request.path(), "/dunlin");
            assert_eq!(request.headers()["wt-available-protocols"], "\"dunlin.v1\"");
            request.accept().await.unwrap()
        };
        let (client, server) = tokio::join!(dialer.dial(address, NAME), accept);
        let client = client.unwrap();
        let (mut send, _recv) = client.open_bi().await.unwrap();
        send.write(Bytes::from_static(b"over there")).await.unwrap();
        let (_send, mut recv) = server.accept_bi().await.unwrap();
        let mut there = [0; 10];
        recv.read_exact(&mut there).await.unwrap();
        assert_eq!(&there, b"over there");
        server.close(wtransport::VarInt::from_u32(9), b"enough");
        let theirs = ConnectionError::Closed { code: 9, reason: "enough".to_owned() };
        assert_eq!(client.closed().await, theirs);
    })
    .await;
}

#[tokio::test]
async fn a_page_is_local_by_its_name_and_not_by_its_address() {
    let origins = "*".parse().unwrap();
    let (listener, address) = listen(ServerConfig { origins, ..server_config() });
    in_time(async {
        let stranger = stranger();
        for (origin, is_local) in [("http://localhost:8080", true), ("http://rebound.example:4480", false)] {
            let options = ConnectOptions::builder(format!("https://{address}/dunlin"))
                .add_header("origin", origin)
                .build();
            let accept = async { listener.accept().await.unwrap().accept().await.unwrap() };
            let (_session, connection) = tokio::join!(stranger.connect(options), accept);
            assert_eq!(connection.is_local(), is_local, "{origin}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_page_from_elsewhere_is_refused() {
    let (listener, address) = listen(server_config());
    serve(listener);
    in_time(async {
        let stranger = stranger();
        let options = |origin: &str| {
            ConnectOptions::builder(format!("https://{address}/dunlin")).add_header("origin", origin).build()
        };
        let evil = stranger.connect(options("https://evil.example")).await;
        assert!(matches!(evil, Err(ConnectingError::SessionRejected)));
        stranger.connect(options("http://localhost:8080")).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn each_refusal_has_its_status() {
    let (listener, address) = listen(server_config());
    serve(listener);
    let with = |name: &'static str, value: &'static str| {
        let mut request = request("/dunlin");
        request.headers_mut().insert(name, HeaderValue::from_static(value));
        request
    };
    let plain = Request::builder().method(Method::CONNECT).uri(NAME).body(()).unwrap();
    in_time(async {
        let client = Client::new(address).await;
        for (request, status) in [
            (request("/"), StatusCode::NOT_FOUND),
            (with("origin", "https://evil.example"), StatusCode::FORBIDDEN),
            (with("wt-available-protocols", "\"dunlin.v0\""), StatusCode::BAD_REQUEST),
            (plain, StatusCode::BAD_REQUEST),
            // The same connection may do better.
            (with("wt-available-protocols", "\"x\", \"dunlin.v1\""), StatusCode::OK),
        ] {
            let words = format!("{request:?}");
            let answer = client.send(request).await.recv_response().await.unwrap();
            assert_eq!(answer.status(), status, "{words}");
            let taken = answer.headers().get("wt-protocol").map(HeaderValue::as_bytes);
            assert_eq!(taken, (status == StatusCode::OK).then_some(&b"\"dunlin.v1\""[..]));
        }
    })
    .await;
}

#[tokio::test]
async fn who_asks_when_the_server_stops_is_told() {
    let site = webtransport::site().await;
    in_time(async {
        let accept = async { site.listener.accept().await.unwrap().accept().await };
        let ask = async {
            let client = Client::new(site.address).await;
            site.listener.stop_accepting();
            let answer = client.send(request("/dunlin")).await.recv_response().await.unwrap();
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        };
        let (accepted, ()) = tokio::join!(accept, ask);
        assert_eq!(accepted.unwrap_err(), ConnectionError::NoSession);
    })
    .await;
}

#[tokio::test]
async fn the_first_stream_comes_first_however_slow() {
    in_time(async {
        let (client, server) = session(server_config()).await;
        assert!(client.answer.headers().is_empty(), "no subprotocol was offered");
        let (mut first, _recv) = client.bidirectional(&OURS[..1]).await;
        let _second = client.bidirectional(&[&OURS[..], b"second"].concat()).await;
        // The datagram is the last to leave.
        client.client.quinn.send_datagram(Bytes::from_static(&[0, 7])).unwrap();
        assert_eq!(server.read_datagram().await.unwrap(), &[7][..]);
        assert!(now(server.accept_bi()).is_none());
        first.write_all(&[&OURS[1..], b"first"].concat()).await.unwrap();
        for words in ["first", "second"] {
            let (_send, mut recv) = server.accept_bi().await.unwrap();
            assert_eq!(recv.read(64).await.unwrap().unwrap(), words);
        }
    })
    .await;
}

#[tokio::test]
async fn a_header_that_stalls_holds_up_nobody_and_is_given_up() {
    let config = ServerConfig { handshake_timeout: Duration::from_millis(500), ..server_config() };
    in_time(async {
        let (client, server) = session(config).await;
        let _first = client.bidirectional(&OURS).await;
        let stalled = client.bidirectional(&OURS[..2]).await;
        let _third = client.bidirectional(&[&OURS[..], b"third"].concat()).await;
        server.accept_bi().await.unwrap();
        let (_send, mut recv) = server.accept_bi().await.unwrap();
        assert_eq!(recv.read(64).await.unwrap().unwrap(), "third");
        assert_eq!(refused(stalled).await, BUFFERED_STREAM_REJECTED);
    })
    .await;
}

#[tokio::test]
async fn a_first_stream_that_is_reset_at_once_is_seen_nevertheless() {
    in_time(async {
        let (client, server) = session(server_config()).await;
        let (mut first, _recv) = client.bidirectional(&OURS).await;
        first.reset(0u32.into()).unwrap();
        let (_send, mut recv) = server.accept_bi().await.unwrap();
        assert!(matches!(read_all(&mut recv).await, Err(ReadError::Reset(_))));
    })
    .await;
}

#[tokio::test]
async fn streams_that_are_not_the_sessions_are_refused() {
    in_time(async {
        let (client, server) = session(server_config()).await;
        let foreign = client.bidirectional(&[0x40, 0x41, 4]).await;
        assert_eq!(refused(foreign).await, BUFFERED_STREAM_REJECTED);
        // HEADERS: a request, or another session.
        for late in [&[1, 0][..], b"\x21\0", &[0, 5, 1]] {
            assert_eq!(refused(client.bidirectional(late).await).await, H3_REQUEST_REJECTED);
        }
        let (mut ours, _recv) = client.bidirectional(&OURS).await;
        ours.finish().unwrap();
        let (_send, mut recv) = server.accept_bi().await.unwrap();
        assert_eq!(recv.read(8).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn datagrams_of_other_sessions_are_dropped() {
    in_time(async {
        let (client, server) = session(server_config()).await;
        for datagram in [&[1, 7][..], b"", &[0x40], &[0x40, 0, 9]] {
            client.client.quinn.send_datagram(Bytes::from_static(datagram)).unwrap();
        }
        assert_eq!(server.read_datagram().await.unwrap(), &[9][..]);
    })
    .await;
}

#[tokio::test]
async fn unidirectional_streams_are_stopped_but_not_those_of_http3() {
    in_time(async {
        let (client, server) = session(server_config()).await;
        let ours = client.unidirectional(&[0x40, 0x54, 0]).await;
        let stopped = ours.stopped().await.unwrap().unwrap();
        assert_eq!(stopped.into_inner(), 0x52e4_a40f_a8db);
        drop(ours);
        // Its place is free again; there is one beside those that HTTP/3 needs.
        // More than the stream's window: it can be written only because it is read.
        let made_up = client.unidirectional(&[0x21; 300 * 1024]).await;
        server.close(5, "");
        let mut connect = client.connect;
        assert!(connect.recv_data().await.unwrap().is_some(), "the capsule");
        assert!(now(made_up.stopped()).is_none(), "Chromium would take it for a broken protocol");
    })
    .await;
}

#[tokio::test]
async fn there_is_one_session_on_a_connection() {
    in_time(async {
        let (client, server) = session(server_config()).await;
        let second = client.client.send(request("/dunlin")).await.recv_response().await;
        assert!(second.is_err());
        assert!(server.close_reason().is_none());
    })
    .await;
}

#[tokio::test]
async fn a_client_may_end_the_session_with_a_capsule() {
    in_time(async {
        let (mut client, server) = session(server_config()).await;
        // Something made up, and then the close, in pieces.
        for piece in [&[0x17, 3, b'a'][..], b"bc\x68\x43", b"\x07\0\0\0\x21", b"bye"] {
            client.connect.send_data(Bytes::from_static(piece)).await.unwrap();
        }
        assert_eq!(server.closed().await, ConnectionError::Closed { code: 33, reason: "bye".to_owned() });
        assert!(client.connect.recv_data().await.unwrap().is_none(), "the server finishes its side");
    })
    .await;
}

#[tokio::test]
async fn an_end_without_a_code_is_a_lost_connection() {
    in_time(async {
        let (mut client, server) = session(server_config()).await;
        client.connect.finish().await.unwrap();
        assert!(matches!(server.closed().await, ConnectionError::Transport(_)));

        let (mut client, server) = session(server_config()).await;
        client.connect.stop_stream(h3::error::Code::H3_REQUEST_CANCELLED);
        assert!(matches!(server.closed().await, ConnectionError::Transport(_)));

        let (mut client, server) = session(server_config()).await;
        client.connect.send_data(Bytes::from_static(&[0x68, 0x43, 3, 0, 0, 0])).await.unwrap();
        assert!(
            matches!(server.closed().await, ConnectionError::Transport(_)),
            "a capsule of impossible size"
        );

        let (client, server) = session(server_config()).await;
        client.cut(H3_NO_ERROR);
        assert!(matches!(server.closed().await, ConnectionError::Transport(_)));
    })
    .await;
}

#[tokio::test]
async fn a_client_may_close_the_connection_with_a_code() {
    in_time(async {
        let (client, server) = session(server_config()).await;
        client.cut(406);
        let cut = ConnectionError::Closed { code: 406, reason: "cut".to_owned() };
        assert_eq!(server.closed().await, cut);
        assert_eq!(server.accept_bi().await.unwrap_err(), cut);
    })
    .await;
}

#[tokio::test]
async fn a_client_that_does_not_leave_holds_up_no_closing_listener() {
    let (listener, address) = listen(server_config());
    in_time(async {
        let dialer = dialer();
        let accept = async { listener.accept().await.unwrap().accept().await.unwrap() };
        let (stubborn, _server) = tokio::join!(Session::open(address), accept);
        let accept = async { listener.accept().await.unwrap().accept().await.unwrap() };
        let (native, _server) = tokio::join!(dialer.dial(address, NAME), accept);
        listener.close(11, "restart");
        let restart = ConnectionError::Closed { code: 11, reason: "restart".to_owned() };
        assert_eq!(native.unwrap().closed().await, restart);
        let mut connect = stubborn.connect;
        assert!(connect.recv_data().await.unwrap().is_some(), "the capsule came first");
        assert!(matches!(stubborn.client.quinn.closed().await, quinn::ConnectionError::ApplicationClosed(_)));
        listener.wait_idle().await;
    })
    .await;
}

#[tokio::test]
async fn a_session_follows_its_client_to_another_socket() {
    let site = webtransport::site().await;
    in_time(async {
        let pair = site.connect().await;
        echo(&pair).await;
        let moved = site.dialer.rebind().unwrap();
        echo(&pair).await;
        assert_eq!(pair.server.remote_address().port(), moved.port());
        assert_eq!(pair.client.peer_certificate(), Some(certificate()));
    })
    .await;
}

#[tokio::test]
async fn native_clients_gain_nothing_from_the_streams_of_http3() {
    let (listener, address) = listen(server_config());
    in_time(async {
        let accept = async { listener.accept().await.unwrap().accept().await.unwrap() };
        let (client, server) = tokio::join!(connect(address, dunlin_transport::ALPN), accept);
        let client = client.unwrap();
        let accepting = tokio::spawn(async move { server.accept_bi().await });
        for _ in 0..4 {
            let mut stream = client.open_uni().await.unwrap();
            stream.write_all(b"anybody?").await.unwrap();
            assert_eq!(stream.stopped().await.unwrap().map(code), Some(0));
        }
        let (mut send, _recv) = client.open_bi().await.unwrap();
        send.write_all(b"!").await.unwrap();
        accepting.await.unwrap().unwrap();
        assert!(now(client.open_uni()).is_none(), "there is no more credit");
    })
    .await;
}

#[tokio::test]
async fn a_close_ends_what_waits_on_both_sides() {
    let pair = webtransport::pair().await;
    in_time(async {
        let Pair { client, server } = &pair;
        let stream = crate::support::stream(&pair).await;
        let (mut up, mut down) = (stream.server.1, stream.client.1);
        let (ours, theirs, ()) = tokio::join!(up.read(8), down.read(8), async { server.close(3, "enough") });
        assert_eq!(ours, Err(ReadError::Connection(ConnectionError::LocallyClosed)));
        let enough = ConnectionError::Closed { code: 3, reason: "enough".to_owned() };
        assert_eq!(theirs, Err(ReadError::Connection(enough.clone())));
        assert_eq!(client.close_reason(), Some(enough));
        assert_eq!(server.close_reason(), Some(ConnectionError::LocallyClosed));
    })
    .await;
}

#[tokio::test]
async fn streams_end_before_their_session() {
    in_time(async {
        let (mut client, server) = session(server_config()).await;
        let (_up, mut down) = client.bidirectional(&OURS).await;
        let (mut send, _recv) = server.accept_bi().await.unwrap();
        let waits = tokio::spawn(async move { send.stopped().await });
        server.close(3, "enough");
        let reset = down.read(&mut [0; 8]).await;
        assert_eq!(reset, Err(quinn::ReadError::Reset(SESSION_GONE.into())));
        assert!(now(client.connect.recv_data()).is_none(), "nothing is said of the session yet");
        let capsule = client.connect.recv_data().await.unwrap();
        assert!(capsule.is_some_and(|capsule| capsule.chunk().ends_with(b"enough")));
        assert_eq!(waits.await.unwrap(), Err(ConnectionError::LocallyClosed.into()));
    })
    .await;
}

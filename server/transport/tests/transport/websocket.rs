//! What is WebSocket's own: handshakes, messages that break the rules, peers that do not play along.

use std::{future::pending, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, routing::get};
use bytes::Bytes;
use dunlin_transport::{
    ClientConfig, Connection, ConnectionError, Dialer, HttpConfig, Kind, Listener, PATH, ReadError,
    SUBPROTOCOL, WriteError,
};
use futures_util::{SinkExt, StreamExt};
use http::{Method, Request, StatusCode, header};
use http_body_util::Empty;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async, client_async,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        handshake::server,
        protocol::{CloseFrame, Role},
    },
};

use crate::{
    http::exchange,
    support::{
        NAME, Pair, Pinned, Site, certificate, client_config, dialer, echo, http_config, in_time, loopback,
        read_all, resolver, server_config, stream, websocket,
    },
};

/// Without TLS.
fn plain(config: HttpConfig) -> Site {
    let (mut listener, _) = Listener::memory();
    let address = listener.serve_http(config).unwrap();
    Site { listener, dialer: Dialer::websocket_plain(client_config()).unwrap(), address }
}

type Raw = WebSocketStream<TcpStream>;

/// A client that sends what it likes, and the server's end.
async fn raw(site: &Site) -> (Raw, Connection) {
    let mut request = format!("ws://{NAME}{PATH}").into_client_request().unwrap();
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL.parse().unwrap());
    let tcp = TcpStream::connect(site.address).await.unwrap();
    let accept = async { site.listener.accept().await.unwrap().accept().await.unwrap() };
    let (raw, server) = tokio::join!(client_async(request, tcp), accept);
    (raw.unwrap().0, server)
}

fn message(channel: u32, kind: u8, body: &[u8]) -> Message {
    Message::binary([&channel.to_be_bytes()[..], &[kind], body].concat())
}

/// Reads up to the close.
async fn close_of<S: AsyncRead + AsyncWrite + Unpin>(raw: &mut WebSocketStream<S>) -> (u16, String) {
    loop {
        match raw.next().await.unwrap().unwrap() {
            Message::Close(close) => {
                let close = close.unwrap();
                return (close.code.into(), close.reason.to_string());
            }
            _ => continue,
        }
    }
}

#[tokio::test]
async fn messages_that_break_the_rules_end_their_connection_and_no_other() {
    let site = plain(http_config());
    let bystander = in_time(site.connect()).await;
    let full = [0; 65_536];
    for (messages, status) in [
        (vec![Message::text("hello")], 1003),
        (vec![Message::binary(vec![0; 65_542])], 1009),
        (vec![Message::binary(vec![0; 4])], 1002),
        (vec![message(0, 6, b"")], 1002),
        (vec![message(0, 2, b"123")], 1002),
        (vec![message(1, 0, b"")], 1002),
        (vec![message(0, 4, &[0; 4])], 1002),
        (vec![message(0, 0, &full), message(0, 0, b"!")], 1002),
        (vec![message(0, 1, b""), message(0, 0, b"!")], 1002),
        (vec![message(0, 5, &[0; 4])], 1002),
    ] {
        in_time(async {
            let (mut raw, server) = raw(&site).await;
            let last = format!("{:?}", messages.last().map(Message::len));
            for message in messages {
                // The server may have hung up on an earlier one.
                let _ = raw.send(message).await;
            }
            assert_eq!(close_of(&mut raw).await.0, status, "{last}");
            assert!(matches!(server.closed().await, ConnectionError::Transport(_)));
        })
        .await;
    }
    in_time(echo(&bystander)).await;
    bystander.client.close(0, "");
    in_time(site.listener.wait_idle()).await;
}

#[tokio::test]
async fn frames_that_break_the_rules_end_their_connection() {
    let site = plain(http_config());
    // RFC 6455, 5.2: unmasked, a reserved bit (compression), a reserved opcode, a fragmented ping.
    let frames: [&[u8]; 4] = [b"\x82\x01x", b"\xc2\x81\0\0\0\0x", b"\x83\x80\0\0\0\0", b"\x09\x80\0\0\0\0"];
    for frame in frames {
        in_time(async {
            let (mut raw, server) = raw(&site).await;
            raw.get_mut().write_all(frame).await.unwrap();
            assert_eq!(close_of(&mut raw).await.0, 1002, "{frame:?}");
            assert!(matches!(server.closed().await, ConnectionError::Transport(_)));
        })
        .await;
    }
}

fn handshake(changes: &str) -> String {
    format!(
        "GET {PATH} HTTP/1.1\r\nhost: dunlin.test\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{changes}\r\n"
    )
}

const VERSION: &str = "sec-websocket-version: 13\r\n";
const OFFER: &str = "sec-websocket-protocol: other, dunlin.v1\r\n";

#[tokio::test]
async fn requests_that_are_no_welcome_websocket_are_answered_so() {
    let site = plain(http_config());
    for (request, status) in [
        (format!("GET {PATH} HTTP/1.1\r\nhost: dunlin.test\r\nconnection: close\r\n\r\n"), 426),
        (format!("POST {PATH} HTTP/1.1\r\nhost: dunlin.test\r\nconnection: close\r\n\r\n"), 426),
        (handshake(VERSION), 400),
        (handshake(&format!("{VERSION}sec-websocket-protocol: dunlin.v2\r\n")), 400),
        (handshake(OFFER), 400),
        (handshake(&format!("sec-websocket-version: 8\r\n{OFFER}")), 400),
        (handshake(&format!("{VERSION}{OFFER}origin: https://evil.example\r\n")), 403),
        (handshake(&format!("{VERSION}{OFFER}origin: null\r\n")), 403),
    ] {
        let mut tcp = TcpStream::connect(site.address).await.unwrap();
        let answer = in_time(async {
            tcp.write_all(request.as_bytes()).await.unwrap();
            tcp.shutdown().await.unwrap();
            exchange(tcp, "").await
        });
        let answer = answer.await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}{answer}");
    }
    site.listener.stop_accepting();
    let request = handshake(&format!("{VERSION}{OFFER}connection: close\r\n"));
    let answer = in_time(exchange(TcpStream::connect(site.address).await.unwrap(), &request)).await;
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
}

#[tokio::test]
async fn a_page_is_local_by_its_name_and_not_by_its_address() {
    let site = plain(http_config());
    // A name of 127.0.0.1 that somebody else has given it.
    let rebound = "origin: http://dunlin.test\r\n";
    for (origin, is_local) in [("", true), ("origin: http://localhost:4480\r\n", true), (rebound, false)] {
        let request = handshake(&format!("{VERSION}{OFFER}{origin}"));
        let request = if is_local { request.replace("dunlin.test", "127.0.0.1") } else { request };
        let tcp = TcpStream::connect(site.address).await.unwrap();
        let accept = async {
            let connection = site.listener.accept().await.unwrap().accept().await.unwrap();
            connection.close(0, "");
            connection.is_local()
        };
        let (_, found) = in_time(async { tokio::join!(exchange(tcp, &request), accept) }).await;
        assert_eq!(found, is_local, "{origin}");
    }
}

#[tokio::test]
async fn a_welcome_page_gets_our_protocol_and_no_compression() {
    let origins = "https://app.example".parse().unwrap();
    let site = plain(HttpConfig { origins, ..http_config() });
    let request = handshake(&format!(
        "{VERSION}{OFFER}origin: https://app.example\r\nsec-websocket-extensions: permessage-deflate\r\n"
    ));
    let tcp = TcpStream::connect(site.address).await.unwrap();
    let accept = async { site.listener.accept().await.unwrap().accept().await.unwrap().close(0, "") };
    let (answer, ()) = in_time(async { tokio::join!(exchange(tcp, &request), accept) }).await;
    let answer = answer.to_lowercase();
    assert!(answer.starts_with("http/1.1 101"), "{answer}");
    // RFC 6455, 1.3.
    assert!(answer.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo="), "{answer}");
    assert!(answer.contains("sec-websocket-protocol: dunlin.v1"), "{answer}");
    assert!(!answer.contains("sec-websocket-extensions"), "{answer}");
}

#[tokio::test]
async fn the_statuses_of_a_close_are_told_apart() {
    let site = plain(http_config());
    let words = |code, reason: &str| ConnectionError::Closed { code, reason: reason.to_owned() };
    for (status, expected) in [
        (4000, Some(words(0, "so"))),
        (4999, Some(words(999, "so"))),
        (1001, None),
        (1002, None),
        (3999, None),
    ] {
        let (mut raw, server) = in_time(raw(&site)).await;
        let close = CloseFrame { code: u16::into(status), reason: "so".into() };
        raw.close(Some(close)).await.unwrap();
        let end = in_time(server.closed()).await;
        match expected {
            Some(expected) => assert_eq!(end, expected),
            None => assert!(matches!(&end, ConnectionError::Transport(_)), "{end:?}"),
        }
        // The server answers, and then it is over.
        assert_eq!(in_time(close_of(&mut raw)).await.0, status);
        assert!(in_time(raw.next()).await.is_none());
    }
    let (gone, server) = in_time(raw(&site)).await;
    drop(gone);
    assert!(matches!(in_time(server.closed()).await, ConnectionError::Transport(_)));
}

#[tokio::test]
async fn codes_and_reasons_are_cut_to_what_a_close_carries() {
    let Pair { client, server } = in_time(websocket::pair()).await;
    server.close(70_000, &"ä".repeat(100));
    let expected = ConnectionError::Closed { code: 999, reason: "ä".repeat(61) };
    assert_eq!(in_time(client.closed()).await, expected);
}

#[tokio::test]
async fn what_was_sent_before_a_close_is_read_before_it() {
    let pair = in_time(websocket::pair()).await;
    let mut stream = in_time(stream(&pair)).await;
    stream.server.0.write(Bytes::from_static(b"last words")).await.unwrap();
    stream.server.0.finish();
    assert_eq!(in_time(stream.server.0.stopped()).await, Ok(None));
    pair.server.close(5, "");
    in_time(pair.client.closed()).await;
    assert_eq!(in_time(read_all(&mut stream.client.1)).await.unwrap(), b"last words");
}

#[tokio::test]
async fn http_2_carries_websockets_beside_requests() {
    let site =
        plain(HttpConfig { router: Router::new().route("/hello", get(async || "hello")), ..http_config() });
    in_time(async {
        let tcp = TcpStream::connect(site.address).await.unwrap();
        let (mut requests, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp)).await.unwrap();
        let connection = tokio::spawn(connection);
        let hello = Request::get(format!("http://{NAME}/hello")).body(Empty::<Bytes>::new()).unwrap();
        assert_eq!(requests.send_request(hello.clone()).await.unwrap().status(), StatusCode::OK);

        let connect = Request::builder()
            .method(Method::CONNECT)
            .uri(format!("http://{NAME}{PATH}"))
            .extension(Protocol::from_static("websocket"))
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL)
            .body(Empty::new())
            .unwrap();
        let accept = async { site.listener.accept().await.unwrap().accept().await.unwrap() };
        let (response, server) = tokio::join!(requests.send_request(connect), accept);
        let response = response.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[header::SEC_WEBSOCKET_PROTOCOL], SUBPROTOCOL);
        let upgraded = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        let mut raw = WebSocketStream::from_raw_socket(upgraded, Role::Client, None).await;

        raw.send(message(0, 1, b"words")).await.unwrap();
        let (mut send, mut recv) = server.accept_bi().await.unwrap();
        assert_eq!(read_all(&mut recv).await.unwrap(), b"words");
        send.write(Bytes::from_static(b"words back")).await.unwrap();
        send.finish();
        while raw.next().await.unwrap().unwrap() != message(0, 1, b"words back") {}
        assert_eq!(requests.send_request(hello).await.unwrap().status(), StatusCode::OK);

        // The listener takes nothing more, and lets the WebSocket go on.
        drop(site);
        raw.send(message(1, 1, b"still here")).await.unwrap();
        let (_send, mut recv) = server.accept_bi().await.unwrap();
        assert_eq!(read_all(&mut recv).await.unwrap(), b"still here");
        server.close(7, "bye");
        assert_eq!(close_of(&mut raw).await, (4007, "bye".to_owned()));
        drop((raw, requests));
        let _ = connection.await;
    })
    .await;
}

#[tokio::test]
async fn a_stream_that_is_not_read_holds_its_window_and_stops_no_other() {
    const MEGABYTE: usize = 1024 * 1024;
    let pair = in_time(websocket::pair()).await;
    let mut slow = in_time(stream(&pair)).await;
    let mut quick = in_time(stream(&pair)).await;
    let blocked = tokio::spawn(async move { slow.server.0.write(vec![1; 8 * MEGABYTE].into()).await });
    let write = async {
        quick.server.0.write(vec![2; 8 * MEGABYTE].into()).await.unwrap();
        quick.server.0.finish();
    };
    let (_, read) = in_time(async { tokio::join!(write, read_all(&mut quick.client.1)) }).await;
    assert_eq!(read.unwrap().len(), 8 * MEGABYTE);
    // Beyond the quick stream, what came is the slow one's window, and headers.
    let beyond = pair.client.stats().received_bytes - 8 * MEGABYTE as u64;
    assert!(beyond < (client_config().stream_window + 16 * 1024).into(), "{beyond} bytes");
    pair.client.close(0, "");
    in_time(blocked).await.unwrap().unwrap_err();
}

#[tokio::test]
async fn a_peer_that_does_not_read_its_socket_is_given_up() {
    let site = plain(HttpConfig { idle_timeout: Duration::from_millis(500), ..http_config() });
    in_time(async {
        let (mut raw, server) = raw(&site).await;
        // It lets the server send without end, and takes nothing.
        raw.send(message(0, 0, b"")).await.unwrap();
        raw.send(message(0, 4, &[0x7f; 4])).await.unwrap();
        let (mut send, _recv) = server.accept_bi().await.unwrap();
        let megabyte = Bytes::from(vec![0; 1024 * 1024]);
        let end = loop {
            if let Err(end) = send.write(megabyte.clone()).await {
                break end;
            }
            assert!(server.stats().sent_bytes < 64 * 1024 * 1024, "more than sockets hold was sent");
        };
        assert_eq!(end, WriteError::Connection(ConnectionError::TimedOut));
        site.listener.wait_idle().await;
    })
    .await;
}

#[tokio::test]
async fn pings_keep_a_quiet_connection_and_measure_its_round_trip() {
    let site = plain(HttpConfig { idle_timeout: Duration::from_millis(300), ..http_config() });
    in_time(async {
        let (mut raw, server) = raw(&site).await;
        let mut pings = 0;
        // Two in each timeout; to read on is to answer.
        while pings < 6 {
            pings += usize::from(raw.next().await.unwrap().unwrap().is_ping());
        }
        assert_eq!(server.close_reason(), None);
        assert!(!server.stats().rtt.is_zero());
    })
    .await;
}

fn impatient() -> ClientConfig {
    let short = Duration::from_millis(200);
    ClientConfig { handshake_timeout: short, idle_timeout: short, ..client_config() }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() {
    // The kernel answers for TCP, and nobody for what is above.
    let listener = TcpListener::bind(loopback(0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    for dialer in [Dialer::websocket(impatient()), Dialer::websocket_plain(impatient())] {
        let end = in_time(dialer.unwrap().dial(address, NAME)).await.unwrap_err();
        assert_eq!(end, ConnectionError::TimedOut);
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_given_up() {
    let listener = TcpListener::bind(loopback(0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let serve = async {
        let (tcp, _) = listener.accept().await.unwrap();
        // Held, and never read.
        let _held = accept_hdr_async(tcp, confirm).await.unwrap();
        pending::<()>().await;
    };
    let client = async {
        let client = Dialer::websocket_plain(impatient()).unwrap().dial(address, NAME).await.unwrap();
        client.closed().await
    };
    let end = async {
        tokio::select! {
            () = serve => unreachable!("it never ends"),
            end = client => end,
        }
    };
    assert_eq!(in_time(end).await, ConnectionError::TimedOut);
}

#[expect(clippy::result_large_err, clippy::unnecessary_wraps, reason = "the library's signature")]
fn confirm(
    _: &server::Request,
    mut response: server::Response,
) -> Result<server::Response, server::ErrorResponse> {
    response.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL.parse().unwrap());
    Ok(response)
}

#[tokio::test]
async fn dialling_says_what_went_wrong() {
    let site = in_time(websocket::site()).await;
    let stranger = ClientConfig::new(Arc::new(Pinned(vec![1, 2, 3].into())));
    let end = in_time(Dialer::websocket(stranger).unwrap().dial(site.address, NAME)).await.unwrap_err();
    assert!(matches!(end, ConnectionError::Tls(_)), "{end:?}");

    let plain = Dialer::websocket_plain(client_config()).unwrap();
    let end = in_time(plain.dial(site.address, NAME)).await.unwrap_err();
    assert!(matches!(end, ConnectionError::Transport(_)), "{end:?}");

    let closed: SocketAddr = {
        let listener = TcpListener::bind(loopback(0)).await.unwrap();
        listener.local_addr().unwrap()
    };
    let end = in_time(plain.dial(closed, NAME)).await.unwrap_err();
    assert!(matches!(end, ConnectionError::Transport(_)), "{end:?}");
}

#[tokio::test]
async fn a_client_without_tls_is_served_and_one_with_it_shown_the_certificate() {
    let plain_pair = in_time(plain(http_config()).connect()).await;
    in_time(echo(&plain_pair)).await;
    assert_eq!(plain_pair.client.peer_certificate(), None);
    let pair = in_time(websocket::pair()).await;
    assert_eq!(pair.client.peer_certificate(), Some(certificate()));
    assert_eq!(pair.client.kind(), Kind::WebSocket);
    assert_eq!(pair.client.max_datagram_size(), None);
}

#[tokio::test]
async fn one_listener_serves_udp_and_any_number_of_tcp_ports() {
    let mut listener = Listener::bind(server_config()).unwrap();
    let tls = HttpConfig { certificate: Some(resolver()), ..http_config() };
    let secure = listener.serve_http(tls).unwrap();
    let open = listener.serve_http(http_config()).unwrap();
    let udp = listener.local_address();
    let mut pairs = Vec::new();
    let mut site = Site::new(listener, dialer());
    for (address, dialer, kind) in [
        (udp, dialer(), Kind::Quic),
        (secure, Dialer::websocket(client_config()).unwrap(), Kind::WebSocket),
        (open, Dialer::websocket_plain(client_config()).unwrap(), Kind::WebSocket),
    ] {
        (site.address, site.dialer) = (address, dialer);
        let pair = in_time(site.connect()).await;
        assert_eq!(pair.server.kind(), kind);
        in_time(echo(&pair)).await;
        pairs.push(pair);
    }
    assert_eq!(site.listener.open_connections(), 3);
    site.listener.close(3, "all");
    for pair in &pairs {
        let end = ConnectionError::Closed { code: 3, reason: "all".to_owned() };
        assert_eq!(in_time(pair.client.closed()).await, end);
    }
    in_time(site.listener.wait_idle()).await;
}

#[tokio::test]
async fn what_is_left_of_a_stream_ends_with_its_connection() {
    let pair = in_time(websocket::pair()).await;
    let mut stream = in_time(stream(&pair)).await;
    drop(pair);
    drop(stream.client);
    let end = in_time(stream.server.1.read(1)).await.unwrap_err();
    let closed = ConnectionError::Closed { code: 0, reason: String::new() };
    assert!(end == ReadError::Connection(closed) || end == ReadError::Reset(0), "{end:?}");
}

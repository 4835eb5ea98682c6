//! Plain HTTP/3 requests on the port of the others, and clients that get them wrong.

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    extract::ConnectInfo,
    routing::{get, post},
};
use bytes::Bytes;
use dunlin_transport::{Connection, ConnectionError, Listener, ServerConfig};
use http::{Method, Request, StatusCode};
use tokio::task::JoinHandle;

use crate::{
    raw::{
        Client, H3_EXCESSIVE_LOAD, H3_FRAME_UNEXPECTED, H3_NO_ERROR, H3_REQUEST_CANCELLED, code, connect,
        frame,
    },
    support::{NAME, in_time, server_config},
};

const HEADERS: u8 = 1;

/// A server, and what becomes of the first connection to it.
struct Site {
    address: SocketAddr,
    accepted: JoinHandle<Result<Connection, ConnectionError>>,
}

fn site(config: ServerConfig) -> Site {
    let whoami = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.ip().to_string();
    let router = Router::new()
        .route("/whoami", get(whoami))
        .route("/large", get(async || vec![7_u8; 2_000_000]))
        .route("/echo", post(async |body: Bytes| body));
    let listener = Listener::bind(ServerConfig { http: router, ..config }).unwrap();
    Site {
        address: listener.local_address(),
        accepted: tokio::spawn(async move { listener.accept().await.unwrap().accept().await }),
    }
}

/// Handshakes, and headers, must be quick here.
fn hasty() -> ServerConfig {
    ServerConfig { handshake_timeout: Duration::from_millis(200), ..server_config() }
}

fn request(method: Method, path: &str) -> Request<()> {
    Request::builder().method(method).uri(format!("https://{NAME}{path}")).body(()).unwrap()
}

async fn get_from(client: &Client, path: &str) -> (StatusCode, Vec<u8>) {
    client.ask(request(Method::GET, path), Bytes::new()).await.unwrap()
}

/// A stream with these bytes on a connection that has said nothing else.
async fn stream(site: &Site, bytes: &[u8]) -> (quinn::Connection, (quinn::SendStream, quinn::RecvStream)) {
    let quinn = connect(site.address, b"h3").await.unwrap();
    let mut stream = quinn.open_bi().await.unwrap();
    stream.0.write_all(bytes).await.unwrap();
    (quinn, stream)
}

#[tokio::test]
async fn requests_go_to_the_router_and_end_without_a_session() {
    let site = site(server_config());
    in_time(async {
        let client = Client::new(site.address).await;
        assert_eq!(get_from(&client, "/whoami").await, (StatusCode::OK, b"127.0.0.1".to_vec()));
        assert_eq!(get_from(&client, "/nowhere").await.0, StatusCode::NOT_FOUND);
        let head = client.ask(request(Method::HEAD, "/large"), Bytes::new()).await.unwrap();
        assert_eq!(head, (StatusCode::OK, Vec::new()));
        let echo = client.ask(request(Method::POST, "/echo"), Bytes::from_static(b"hello")).await.unwrap();
        assert_eq!(echo, (StatusCode::OK, b"hello".to_vec()));
        client.quinn.close(H3_NO_ERROR.into(), b"");
        assert_eq!(site.accepted.await.unwrap().unwrap_err(), ConnectionError::NoSession);
    })
    .await;
}

#[tokio::test]
async fn requests_are_answered_beside_each_other() {
    let site = site(server_config());
    in_time(async {
        let client = Client::new(site.address).await;
        let mut waiting = client.send(request(Method::POST, "/echo")).await;
        let large = client.send(request(Method::GET, "/large")).await;
        assert_eq!(get_from(&client, "/whoami").await.0, StatusCode::OK);
        waiting.send_data(Bytes::from_static(b"now")).await.unwrap();
        waiting.finish().await.unwrap();
        assert_eq!(waiting.recv_response().await.unwrap().status(), StatusCode::OK);
        drop(large);
        assert_eq!(get_from(&client, "/large").await.1.len(), 2_000_000);
    })
    .await;
}

#[tokio::test]
async fn a_body_has_a_bound_announced_or_not() {
    let site = site(server_config());
    in_time(async {
        let client = Client::new(site.address).await;
        let fits = Bytes::from(vec![1; 1024 * 1024]);
        let echo = client.ask(request(Method::POST, "/echo"), fits.clone()).await.unwrap();
        assert_eq!(echo.1.len(), fits.len());
        let longer = Bytes::from(vec![1; 1024 * 1024 + 1]);
        let refused = client.ask(request(Method::POST, "/echo"), longer).await.unwrap();
        assert_eq!(refused.0, StatusCode::PAYLOAD_TOO_LARGE);
        let mut announced = request(Method::POST, "/echo");
        announced.headers_mut().insert("content-length", 2_000_000.into());
        let mut stream = client.send(announced).await;
        assert_eq!(stream.recv_response().await.unwrap().status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(get_from(&client, "/whoami").await.0, StatusCode::OK, "nobody else is disturbed");
    })
    .await;
}

#[tokio::test]
async fn giant_headers_are_refused_and_not_kept() {
    let site = site(server_config());
    in_time(async {
        let (client, _connection) = Client::heedless(site.address).await;
        let mut giant = request(Method::GET, "/whoami");
        giant.headers_mut().insert("a", "x".repeat(20_000).try_into().unwrap());
        let answer = client.ask(giant, Bytes::new()).await.unwrap();
        assert_eq!(answer.0, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);

        let mut endless = client.quinn.open_bi().await.unwrap();
        endless.0.write_all(&[HEADERS, 0xc0, 0, 0, 1, 0, 0, 0, 0]).await.unwrap();
        let stopped = loop {
            match endless.0.write_all(&[0; 64 * 1024]).await {
                Ok(()) => {}
                Err(quinn::WriteError::Stopped(stopped)) => break stopped,
                Err(error) => panic!("{error}"),
            }
        };
        assert_eq!(code(stopped), H3_EXCESSIVE_LOAD);
        assert_eq!(get_from(&client, "/whoami").await.0, StatusCode::OK, "nobody else is disturbed");
    })
    .await;
}

#[tokio::test]
async fn slow_headers_are_given_up() {
    let site = site(hasty());
    in_time(async {
        let (_quinn, stream) = stream(&site, &[HEADERS, 20, 0, 0]).await;
        let (send, mut recv) = stream;
        let reset = recv.read_exact(&mut [0]).await.unwrap_err();
        let cancelled = quinn::ReadError::Reset(H3_REQUEST_CANCELLED.into());
        assert_eq!(reset, quinn::ReadExactError::ReadError(cancelled));
        assert!(send.stopped().await.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn frames_out_of_order_end_the_connection() {
    let site = site(server_config());
    in_time(async {
        let (quinn, _stream) = stream(&site, &frame(0, b"a body before its headers")).await;
        let quinn::ConnectionError::ApplicationClosed(close) = quinn.closed().await else {
            panic!("the server closes")
        };
        assert_eq!(code(close.error_code), H3_FRAME_UNEXPECTED);
        assert!(site.accepted.await.unwrap().is_err());
    })
    .await;
}

#[tokio::test]
async fn a_client_that_asks_for_nothing_is_sent_away() {
    let site = site(hasty());
    in_time(async {
        let _client = Client::new(site.address).await;
        assert_eq!(site.accepted.await.unwrap().unwrap_err(), ConnectionError::NoSession);
    })
    .await;
}

#[tokio::test]
async fn so_is_one_that_asks_no_more() {
    let site = site(ServerConfig { idle_timeout: Duration::from_millis(300), ..server_config() });
    in_time(async {
        let client = Client::new(site.address).await;
        assert_eq!(get_from(&client, "/whoami").await.0, StatusCode::OK);
        assert_eq!(site.accepted.await.unwrap().unwrap_err(), ConnectionError::NoSession);
    })
    .await;
}

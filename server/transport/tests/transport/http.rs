//! HTTP over TCP: what is served beside WebSockets, and what is not.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo, routing::get};
use dunlin_transport::{BindError, HttpConfig, Listener, provider};
use rustls::{
    ClientConfig, SupportedProtocolVersion,
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::{NAME, Pinned, certificate, in_time, loopback, resolver};

fn config() -> HttpConfig {
    let whoami = async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string();
    HttpConfig::new(loopback(0), Router::new().route("/whoami", get(whoami)))
}

fn site(config: HttpConfig) -> (Listener, SocketAddr) {
    let (mut listener, _) = Listener::memory();
    let address = listener.serve_http(config).unwrap();
    (listener, address)
}

async fn tls(address: SocketAddr, versions: &[&'static SupportedProtocolVersion]) -> TlsStream<TcpStream> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned(certificate())))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let tcp = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(NAME.try_into().unwrap(), tcp).await.unwrap()
}

/// Sends a request and reads until the server closes.
pub(crate) async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
    let mut answer = Vec::new();
    // A server that cuts the connection may do so before it has read all, and without a farewell.
    let _ = stream.write_all(request.as_bytes()).await;
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

const REQUEST: &str = "GET /whoami HTTP/1.1\r\nhost: dunlin.test\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn plain_http_is_served() {
    let (_listener, address) = site(HttpConfig { alt_svc: Some(4433), ..config() });
    let tcp = TcpStream::connect(address).await.unwrap();
    let us = tcp.local_addr().unwrap().to_string();
    let answer = in_time(exchange(tcp, REQUEST)).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&us), "{answer}");
    assert!(!answer.contains("alt-svc"), "a plain answer promises nothing: {answer}");
}

#[tokio::test]
async fn tls_of_both_versions_is_served_and_announces_http_3() {
    let tls_site = HttpConfig { certificate: Some(resolver()), alt_svc: Some(4433), ..config() };
    let (_listener, address) = site(tls_site);
    for version in [&TLS12, &TLS13] {
        let answer = in_time(exchange(tls(address, &[version]).await, REQUEST)).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains("alt-svc: h3=\":4433\"; ma=86400"), "{answer}");
    }
}

#[tokio::test]
async fn requests_are_answered_until_the_listener_is_dropped() {
    let (listener, address) = site(config());
    listener.stop_accepting();
    listener.close(1, "restart");
    let answer = in_time(exchange(TcpStream::connect(address).await.unwrap(), REQUEST)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    drop(listener);
    in_time(async { while TcpStream::connect(address).await.is_ok() {} }).await;
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let (mut listener, address) = site(config());
    let error = listener.serve_http(HttpConfig { listen: address, ..config() }).unwrap_err();
    assert!(matches!(error, BindError::Tcp { .. }));
    assert_eq!(error.to_string(), format!("cannot listen on TCP {address}"));
}

#[tokio::test]
async fn whoever_dawdles_is_cut_off_and_nobody_else() {
    let (_listener, address) = site(HttpConfig { handshake_timeout: Duration::from_millis(200), ..config() });
    let silent = TcpStream::connect(address).await.unwrap();
    let slow = TcpStream::connect(address).await.unwrap();
    let both =
        async { tokio::join!(exchange(silent, ""), exchange(slow, "GET /whoami HTTP/1.1\r\nhost: d")) };
    in_time(both).await;
    let answer = in_time(exchange(TcpStream::connect(address).await.unwrap(), REQUEST)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn a_handshake_that_is_none_harms_nobody() {
    let (_listener, address) = site(HttpConfig { certificate: Some(resolver()), ..config() });
    in_time(exchange(TcpStream::connect(address).await.unwrap(), REQUEST)).await;
    let answer = in_time(exchange(tls(address, &[&TLS13]).await, REQUEST)).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test]
async fn giant_heads_are_refused() {
    let (_listener, address) = site(config());
    let long = format!("GET /whoami HTTP/1.1\r\nhost: dunlin.test\r\nx: {}\r\n\r\n", "y".repeat(20_000));
    let many = format!("GET /whoami HTTP/1.1\r\nhost: dunlin.test\r\n{}\r\n", "x: y\r\n".repeat(101));
    for request in [long, many] {
        let answer = in_time(exchange(TcpStream::connect(address).await.unwrap(), &request)).await;
        assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed() {
    beyond_the_limit(HttpConfig { max_connections: 1, ..config() }).await;
}

#[tokio::test]
async fn connections_of_one_address_beyond_its_limit_are_closed() {
    beyond_the_limit(HttpConfig { max_per_network: 1, ..config() }).await;
}

async fn beyond_the_limit(config: HttpConfig) {
    let (_listener, address) = site(config);
    let mut first = TcpStream::connect(address).await.unwrap();
    // Its answer proves that it was accepted.
    first.write_all(b"GET /whoami HTTP/1.1\r\nhost: dunlin.test\r\n\r\n").await.unwrap();
    in_time(first.read_u8()).await.unwrap();
    assert_eq!(in_time(exchange(TcpStream::connect(address).await.unwrap(), "")).await, "");
    drop(first);
    let again = async {
        while !exchange(TcpStream::connect(address).await.unwrap(), "GET / HTTP/1.0\r\n\r\n")
            .await
            .contains("404")
        {}
    };
    in_time(again).await;
}

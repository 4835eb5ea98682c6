//! What browsers and machines ask for over HTTP.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use dunlin_server::Page;
use dunlin_tests::{
    http::{Port, Site},
    raw,
    server::{Over, Running},
    soon,
};
use dunlin_transport::Dialer;
use serde_json::{Value, json};

/// The ports that the world reaches, and all.
const PUBLIC: [Port; 2] = [Port::Tls, Port::Http3];
const ALL: [Port; 3] = [Port::Plain, Port::Tls, Port::Http3];

#[tokio::test]
async fn a_server_is_healthy_until_it_drains() {
    let server = Running::start(Over::Quic, &[("drain", "1m")]).await;
    for port in ALL {
        let answer = Site::of(&server).get(port, "/healthz").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"), "{port:?}");
    }
    // It is there until the drain is over, for it does not know what it was asked.
    let rude = server.dial().await;
    let site = Site::of(&server);
    let end = tokio::spawn(server.shut_down());
    // HTTP/3 takes no new connections then.
    for port in [Port::Plain, Port::Tls] {
        let draining = soon("the drain", async {
            loop {
                let answer = site.get(port, "/healthz").await;
                if answer.status != 200 {
                    break answer;
                }
                tokio::task::yield_now().await;
            }
        });
        let answer = draining.await;
        assert_eq!((answer.status, answer.body.as_str()), (503, "draining\n"), "{port:?}");
    }
    rude.close(1, "");
    soon("the end", end).await.unwrap();
}

#[tokio::test]
async fn whoever_asks_on_over_http_3_does_not_hold_up_the_end() {
    let server = Running::start(Over::Quic, &[("drain", "10m")]).await;
    let quic = raw::dial_with_alpn(server.address(), server.certificate(), b"h3").await.unwrap();
    let (_driver, mut sender) = h3::client::new(h3_quinn::Connection::new(quic)).await.unwrap();
    let asking = tokio::spawn(async move {
        loop {
            let request = http::Request::get("https://localhost/healthz").body(()).unwrap();
            let Ok(mut stream) = sender.send_request(request).await else { return };
            if stream.finish().await.is_err() || stream.recv_response().await.is_err() {
                return;
            }
        }
    });
    soon("the end", server.shut_down()).await;
    soon("the last answer", asking).await.unwrap();
}

#[tokio::test]
async fn metrics_are_for_the_machine_only() {
    let server = Running::start(Over::Quic, &[]).await;
    let metrics = Site::of(&server).get(Port::Plain, "/metrics").await;
    assert!(metrics.status == 200 && metrics.body.contains("# TYPE"), "{metrics:?}");
    for port in PUBLIC {
        assert_eq!(Site::of(&server).get(port, "/metrics").await.status, 404);
    }
}

#[tokio::test]
async fn browsers_are_told_the_way() {
    let server = Running::start(Over::Quic, &[]).await;
    for port in ALL {
        let answer = Site::of(&server).get(port, "/v1/connect").await;
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let expected = json!({
            "protocol": "dunlin.v1",
            "path": "/dunlin",
            "port": server.address().port(),
            "plain_websocket": server.http_address().unwrap().port(),
            "certificate_hashes": [server.fingerprint().to_string()],
            "agent": concat!("dunlin-server/", env!("CARGO_PKG_VERSION")),
        });
        assert_eq!(serde_json::from_str::<Value>(&answer.body).unwrap(), expected);
    }
}

#[tokio::test]
async fn a_way_that_is_not_there_is_not_told() {
    let way = async |over, settings: &[(&str, &str)]| -> Value {
        let server = Running::start(over, settings).await;
        serde_json::from_str(&Site::of(&server).get(Port::Plain, "/v1/connect").await.body).unwrap()
    };
    assert_eq!(way(Over::Memory, &[]).await["port"], Value::Null);
    let apart = way(Over::Quic, &[("tcp", "127.0.0.1:0")]).await;
    assert!(apart["tcp_port"].is_u64() && apart["tcp_port"] != apart["port"], "{apart}");
    let without = way(Over::Quic, &[("tcp", "off")]).await;
    assert_eq!(without.get("tcp_port"), Some(&Value::Null), "{without}");
    assert!(without["port"].is_u64());
}

#[tokio::test]
async fn only_pages_that_may_connect_read_the_way() {
    let server = Running::start(Over::Quic, &[("origins", "https://app.example")]).await;
    for port in ALL {
        for (origin, welcome) in [
            ("https://app.example", true),
            ("http://localhost:3000", true),
            ("https://evil.example", false),
            ("null", false),
        ] {
            let answer = Site::of(&server).request(port, "GET", "/v1/connect", &[("Origin", origin)]).await;
            assert_eq!(answer.header("access-control-allow-origin"), welcome.then_some(origin), "{port:?}");
            assert!(answer.header("vary").unwrap().contains("origin"));
        }
    }
    let preflight = [("Origin", "https://app.example"), ("Access-Control-Request-Method", "GET")];
    let answer = Site::of(&server).request(Port::Tls, "OPTIONS", "/v1/connect", &preflight).await;
    assert_eq!((answer.status, answer.header("access-control-allow-methods")), (200, Some("GET")));
    assert_eq!(
        Site::of(&server).get(Port::Tls, "/healthz").await.header("access-control-allow-origin"),
        None
    );
}

#[tokio::test]
async fn answers_over_tls_tell_of_http_3() {
    let server = Running::start(Over::Quic, &[]).await;
    let expected = format!("h3=\":{}\"; ma=86400", server.address().port());
    for path in ["/healthz", "/v1/connect", "/nothing"] {
        assert_eq!(Site::of(&server).get(Port::Tls, path).await.header("alt-svc"), Some(expected.as_str()));
        assert_eq!(Site::of(&server).get(Port::Plain, path).await.header("alt-svc"), None);
    }
}

#[tokio::test]
async fn tcp_has_the_port_of_udp_unless_told_otherwise() {
    let beside = Running::start(Over::Quic, &[]).await;
    assert_eq!(beside.tcp_address(), Some(beside.address()));
    let off = Running::start(Over::Quic, &[("tcp", "off"), ("http", "off")]).await;
    assert_eq!((off.tcp_address(), off.http_address()), (None, None));
}

#[tokio::test]
async fn the_plain_port_takes_plain_websockets() {
    let server = Running::start(Over::Quic, &[]).await;
    let dialer = Dialer::websocket_plain(raw::trusting(server.certificate())).unwrap();
    let connection = dialer.dial(server.http_address().unwrap(), "localhost").await.unwrap();
    let _control = raw::greet(&connection, raw::hello()).await;
    let (mut member, _) = raw::joined(&connection, raw::join("room:1")).await;
    member.send(raw::push(1, "hello")).await;
    assert!(member.channel().await.is_some());
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_its_key() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (key, flag) in [("listen", "--tcp off"), ("tcp", "--tcp off"), ("http", "--http off")] {
        let error =
            Running::try_start(&[(key, &address)]).await.err().expect("the port is taken").to_string();
        assert!(error.contains(&address) && error.contains(flag), "{key}: {error}");
    }
}

#[tokio::test]
async fn a_request_for_nothing_is_answered_so() {
    let server = Running::start(Over::Quic, &[]).await;
    for port in ALL {
        let answer = Site::of(&server).get(port, "/nothing/here").await;
        assert_eq!((answer.status, answer.body.as_str()), (404, "there is nothing at /nothing/here\n"));
        let answer = Site::of(&server).request(port, "POST", "/healthz", &[("Content-Length", "0")]).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET,HEAD")));
    }
}

#[tokio::test]
async fn the_console_is_a_page_that_nobody_frames() {
    let server = Running::start(Over::Quic, &[]).await;
    for port in ALL {
        let page = Site::of(&server).get(port, "/").await;
        if server.console() == Page::Absent {
            assert!(
                page.status == 404 && page.body.starts_with("The console is not in this build: "),
                "{page:?}"
            );
            continue;
        }
        assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
        assert_eq!(page.header("cache-control"), Some("no-cache"));
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        let (_, script) = page.body.split_once("src=\"").expect("a script");
        let script = script.split('"').next().unwrap().trim_start_matches(['.', '/']);
        let script = Site::of(&server).get(port, &format!("/{script}")).await;
        assert_eq!(
            (script.status, script.header("content-type")),
            (200, Some("text/javascript; charset=utf-8"))
        );
        assert_eq!(script.header("cache-control"), Some("public, max-age=31536000, immutable"));
        for answer in [page, script] {
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        }
    }
}

#[tokio::test]
async fn a_console_that_is_off_is_not_there() {
    let server = Running::start(Over::Quic, &[("console.mode", "off")]).await;
    assert_eq!(server.console(), Page::Off);
    for port in ALL {
        assert_eq!(Site::of(&server).get(port, "/").await.status, 404);
    }
}

#[tokio::test]
async fn a_server_that_has_ended_leaves_its_ports() {
    let server = Running::start(Over::Quic, &[]).await;
    let (udp, tcp) = (server.address(), server.http_address().unwrap());
    soon("the end", server.shut_down()).await;
    std::net::UdpSocket::bind(udp).unwrap();
    std::net::TcpListener::bind(udp).unwrap();
    std::net::TcpListener::bind(tcp).unwrap();
}

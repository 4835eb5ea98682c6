//! Who may call the API, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use dunlin_tests::{
    backend::{Backend, value},
    http::{Answer, Port, Request, Site},
    server::{Over, Running},
    soon,
};
use serde_json::{Value, json};

const ALL: &str = "what only the shop knows";
const SOME: &str = "what only the rooms know";
const KEYS: [(&str, &str); 4] = [
    ("api.key.shop.secret", ALL),
    ("api.key.rooms.secret", SOME),
    ("api.key.rooms.scopes", "publish, history, topics, control"),
    ("api.key.rooms.topics", "room:*"),
];
const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Status and title of a problem, which has the form that it should have and no secret.
fn problem(answer: &Answer) -> (u16, String) {
    let (status, problem) = value(answer);
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    assert_eq!(problem["status"], status);
    for secret in [ALL, SOME, "no key at all"] {
        assert!(!answer.head.contains(secret) && !answer.body.contains(secret), "{answer:?}");
    }
    (status, problem["title"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn without_a_key_nobody_gets_in() {
    let server = Running::start(Over::Quic, &KEYS).await;
    let site = Site::of(&server);
    for port in [Port::Plain, Port::Tls, Port::Http2, Port::Http3] {
        let wrong = "Bearer no key at all";
        let near = format!("Bearer {}", &ALL[1..]);
        for header in ["", wrong, &near, "Basic no key at all", "Bearer", "Bearer "] {
            let headers = [("Authorization", header)];
            let headers = &headers[..usize::from(!header.is_empty())];
            for (method, path) in
                [("GET", "/v1/node"), ("POST", "/v1/topics/a/events"), ("DELETE", "/v1/sessions/x")]
            {
                let answer = site.request(port, method, path, headers).await;
                let (status, title) = problem(&answer);
                if status == 401 {
                    assert_eq!(
                        (&*title, answer.header("www-authenticate")),
                        ("TOKEN_REQUIRED", Some("Bearer"))
                    );
                } else {
                    // So many wrong ones in a row may be too many.
                    assert_eq!((status, &*title), (429, "RATE_LIMITED"), "{port:?}: {answer:?}");
                }
            }
        }
        let (status, _) = Backend::with_key(&server, ALL).by(port).get("/v1/node").await;
        assert_eq!(status, 200);
    }
    let in_the_url = site.get(Port::Plain, "/v1/node?key=what%20only%20the%20shop%20knows").await;
    assert_eq!(problem(&in_the_url).0, 401, "a URL is no place for a key");
}

#[tokio::test]
async fn a_key_is_for_its_scopes_and_topics() {
    let server = Running::start(Over::Quic, &KEYS).await;
    let backend = Backend::with_key(&server, SOME);
    let say = json!({"event": "e"});
    let refused = |(status, problem): (u16, Value)| {
        assert_eq!((status, &problem["title"]), (403, &json!("FORBIDDEN")), "{problem}");
    };
    assert_eq!(backend.post("/v1/topics/room:1/events", &say).await.0, 200);
    assert_eq!(backend.get("/v1/topics/room:1/events").await.0, 200);
    assert_eq!(backend.get("/v1/topics/room:1").await.0, 200);
    assert_eq!(backend.delete("/v1/users/ada/topics/room:1").await.0, 200);
    for path in [
        "/v1/topics/hall/events", // another topic
        "/v1/topics/hall",
        "/v1/topics/room:1/presence", // not its scope
        "/v1/node",
        "/v1/sessions",
        "/v1/sessions/nobody",
        "/v1/topics", // more than its topics
    ] {
        refused(backend.get(path).await);
    }
    refused(backend.post("/v1/topics/hall/events", &say).await);
    refused(backend.post("/v1/users/ada/events", &json!({"event": say})).await);
    refused(backend.post("/v1/sessions/nobody/events", &json!({"event": say})).await);
    refused(backend.post("/v1/sessions/nobody/token", &json!({"token": "x"})).await);
    refused(backend.post("/v1/revocations", &json!({"user": "ada"})).await);
    for path in ["/v1/sessions/nobody", "/v1/users/ada/sessions", "/v1/users/ada/topics/hall"] {
        refused(backend.delete(path).await);
    }
    let batch = json!({"events": [{"topics": ["room:2", "hall"], "event": say}]});
    let (status, outcomes) = backend.post("/v1/events", &batch).await;
    let [done, not_done] = [0, 1].map(|n| &outcomes["results"][0][n]);
    assert_eq!((status, &done["offset"], &not_done["code"]), (200, &json!(1), &json!(302)));
    assert_eq!(Backend::with_key(&server, ALL).get("/v1/topics/hall").await.1["position"], Value::Null);
}

#[tokio::test]
async fn who_guesses_keys_is_told_to_wait_and_nobody_else() {
    let server = Running::start(Over::Quic, &KEYS).await;
    let guesser = Backend::with_key(&server, "no key at all");
    let limited = soon("a limit", async {
        loop {
            let answer = guesser.call("GET", "/v1/node", &[], &[]).await;
            if problem(&answer) == (429, "RATE_LIMITED".into()) {
                break answer;
            }
        }
    });
    assert_eq!(limited.await.header("retry-after"), Some("1"));
    assert_eq!(Backend::with_key(&server, ALL).get("/v1/node").await.0, 200);
    assert!(server.counter("dunlin_api_keys_refused_total", "").await.unwrap() > 10.0);
}

#[tokio::test]
async fn in_development_it_is_for_this_machine() {
    let server = Running::start(Over::Quic, &[]).await;
    assert_eq!(Backend::of(&server).get("/v1/node").await.0, 200);
    let site = Site::of(&server);
    for port in [Port::Tls, Port::Http2, Port::Http3] {
        for path in ["/v1/node", "/v1/openapi.json", "/v1/topics/a/events"] {
            let answer = site.get(port, path).await;
            assert_eq!(
                (answer.status, &*answer.body),
                (404, &*format!("there is nothing at {path}\n")),
                "{port:?}"
            );
        }
    }
    for (name, there, here) in [
        ("Host", "evil.example", "127.0.0.1:4480"),
        ("Host", "localhost.evil.example", "localhost"),
        ("Origin", "https://evil.example", "http://localhost:3000"),
        ("Origin", "null", "http://127.0.0.1"),
    ] {
        let body = br#"{"event": "e"}"#;
        let post = async |value| {
            let headers = [JSON, (name, value)];
            let request = Request { method: "POST", path: "/v1/topics/a/events", headers: &headers, body };
            site.send(Port::Plain, request).await
        };
        assert_eq!(problem(&post(there).await), (403, "FORBIDDEN".into()), "{name}: {there}");
        assert_eq!(post(here).await.status, 200, "{name}: {here}");
    }
    for off in [("api.mode", "off"), ("auth.mode", "off")] {
        let server = Running::start(Over::Quic, &[off]).await;
        assert_eq!(Site::of(&server).get(Port::Plain, "/v1/node").await.status, 404, "{off:?}");
    }
}

#[tokio::test]
async fn bad_requests_are_told_what_is_wrong() {
    let server = Running::start(Over::Quic, &[("limits.payload", "1KiB")]).await;
    let backend = Backend::of(&server);
    let events = "/v1/topics/a/events";
    let deep = [&b"{\"event\": \"e\", \"data\": "[..], &[b'['; 10_000]].concat();
    let large = json!({"event": "e", "data": "x".repeat(1025)}).to_string();
    let giant = vec![b' '; 80_000];
    let bodies: [(&[u8], u16, &str); 14] = [
        (b"", 400, "MALFORMED"),
        (b"{", 400, "MALFORMED"),
        (b"\xff\xff", 400, "MALFORMED"),
        (b"[]", 400, "MALFORMED"),
        (b"{}", 400, "MALFORMED"),
        (&deep, 400, "MALFORMED"),
        (br#"{"event": "e", "date": 1}"#, 400, "MALFORMED"),
        (br#"{"event": "e", "event": "e"}"#, 400, "MALFORMED"),
        (br#"{"event": 1}"#, 400, "MALFORMED"),
        (br#"{"event": "e", "binary": "%%"}"#, 400, "MALFORMED"),
        (br#"{"event": ""}"#, 400, "ILLEGAL_VALUE"),
        (br#"{"event": "e", "data": 1, "binary": "AA=="}"#, 400, "ILLEGAL_VALUE"),
        (large.as_bytes(), 413, "PAYLOAD_TOO_LARGE"),
        (&giant, 413, "PAYLOAD_TOO_LARGE"),
    ];
    for (body, status, title) in bodies {
        let answer = backend.call("POST", events, &[JSON], body).await;
        assert_eq!(problem(&answer), (status, title.into()), "{:?}", body.get(..40));
    }
    for name in ["x".repeat(129), "é".repeat(65)] {
        for body in [json!({"event": name}), json!({"event": "e", "key": name})] {
            assert_eq!(backend.post(events, &body).await.1["title"], "ILLEGAL_VALUE");
        }
    }
    for media_type in ["text/plain", "application/x-www-form-urlencoded", "application/json-seq", ""] {
        let answer =
            backend.call("POST", events, &[("Content-Type", media_type)], br#"{"event": "e"}"#).await;
        assert_eq!(problem(&answer), (415, "Unsupported Media Type".into()), "{media_type}");
    }
    let packed = [("Content-Type", "application/msgpack")];
    let nested = [&b"\x82\xa5event\xa1e\xa4data"[..], &[0x91; 5000]].concat();
    for body in [
        &b""[..],
        b"\xc1",
        b"\x81",
        b"\x81\xa5event\xdb\xff\xff\xff\xff",
        b"\x82\xa5event\xa1e\xa6binary\xa1x",
        &nested,
    ] {
        let answer = backend.call("POST", events, &packed, body).await;
        assert_eq!(problem(&answer), (400, "MALFORMED".into()), "{:?}", body.get(..40));
    }
    assert_eq!(backend.get("/v1/topics/a").await.1["position"], Value::Null, "nothing was published");
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_legal() {
    let server = Running::start(Over::Quic, &[]).await;
    let backend = Backend::of(&server);
    let long = format!("/v1/topics/{}/events", "x".repeat(256));
    for (path, title) in [
        ("/v1/topics/%00/events", "ILLEGAL_TOPIC"),
        (&*long, "ILLEGAL_TOPIC"),
        ("/v1/topics/%FF/events", "ILLEGAL_VALUE"),
        ("/v1/topics/a/events?since=now", "ILLEGAL_VALUE"),
        ("/v1/topics/a/events?since=1:-1", "ILLEGAL_VALUE"),
        ("/v1/topics/a/events?since=1:99999999999999999999", "ILLEGAL_VALUE"),
        ("/v1/topics/a/events?limit=0", "ILLEGAL_VALUE"),
        ("/v1/topics/a/events?limit=1001", "ILLEGAL_VALUE"),
        ("/v1/topics/a/events?limit=many", "ILLEGAL_VALUE"),
        ("/v1/topics/a/events?until=1", "ILLEGAL_VALUE"),
        ("/v1/topics/a/presence?limit=0", "ILLEGAL_VALUE"),
        ("/v1/topics?limit=-1", "ILLEGAL_VALUE"),
        ("/v1/sessions?limit=1001", "ILLEGAL_VALUE"),
    ] {
        assert_eq!(problem(&backend.call("GET", path, &[], &[]).await), (400, title.into()), "{path}");
    }
    let (status, problem_) = backend.post("/v1/topics/$server%2Fstats/events", &json!({"event": "e"})).await;
    assert_eq!((status, &problem_["title"]), (403, &json!("FORBIDDEN")));
    for (method, path, allow) in [
        ("PUT", "/v1/topics/a/events", "GET,HEAD,POST"),
        ("DELETE", "/v1/node", "GET,HEAD"),
        ("GET", "/v1/events", "POST"),
        ("POST", "/v1/sessions/x", "GET,HEAD,DELETE"),
    ] {
        let answer = backend.call(method, path, &[], &[]).await;
        assert_eq!(problem(&answer), (405, "Method Not Allowed".into()), "{method} {path}");
        assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
    }
    assert_eq!(backend.call("GET", "/v1/nothing", &[], &[]).await.status, 404);
    // Methods that callers make up are one, and not each a figure of its own.
    for n in 0..20 {
        backend.call(&format!("BREW{n}"), "/v1/node", &[], &[]).await;
    }
    let metrics = Site::of(&server).get(Port::Plain, "/metrics").await.body;
    assert!(metrics.contains("dunlin_api_requests_total") && !metrics.contains("BREW"), "{metrics}");
}

//! A backend decides over HTTP: well, slowly, wrongly or not at all.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
};
use dunlin_client::{Ask, Code, JoinOptions, Message, PushError};
use dunlin_proto::frame::channel::{FromClient, FromServer};
use dunlin_tests::{
    decider::{self, Backend, yes},
    over_every_transport,
    raw::{Stream, greet, hello, join, joined, push},
    server::{Over, Running},
    soon,
};
use serde_json::{Value, json};

over_every_transport!(a_backend_decides_and_is_told, pushes_stay_in_order_and_bytes_stay_bytes);

/// A backend that behaves as the topic of a request says.
async fn backend() -> Backend {
    Backend::start(answer).await
}

async fn answer(request: Value) -> Response {
    if request["type"] == "connect" {
        return Json(json!({"allow": true, "user": "ada", "data": {"tenant": 7}})).into_response();
    }
    if request["type"] == "push" {
        return Json(match request["event"].as_str() {
            Some("change") => json!({"allow": true, "event": "changed", "data": {"was": request["data"]}}),
            Some("ask") => json!({"allow": true, "handled": true, "reply": "the reply"}),
            _ => json!({"allow": false, "code": 205, "message": "not so fast"}),
        })
        .into_response();
    }
    match request["topic"].as_str() {
        Some("asked:slow") => std::future::pending().await,
        Some("asked:garbage") => "secret words of the backend".into_response(),
        Some("asked:broken") => (StatusCode::INTERNAL_SERVER_ERROR, "secret trace").into_response(),
        Some("asked:elsewhere") => Redirect::temporary("/secret").into_response(),
        Some("asked:long") => Json(json!({"allow": true, "message": "x".repeat(100_000)})).into_response(),
        Some("asked:forbidden") => (StatusCode::FORBIDDEN, "secret").into_response(),
        Some("asked:code") => Json(json!({"allow": false, "code": 7777, "message": "no"})).into_response(),
        _ => Json(json!({"allow": true, "reply": "welcome"})).into_response(),
    }
}

async fn start(over: Over, url: &str, more: &[(&str, &str)]) -> Running {
    let base = [
        ("webhook.url", url),
        ("webhook.secret", decider::SECRET),
        ("webhook.topics", "asked:*"),
        ("webhook.timeout", "2s"),
    ];
    Running::start(over, &[&base, more].concat()).await
}

/// How a join is refused; a bare peer, for the library would try again. A topic that the backend has no say in serves meanwhile.
async fn refused(server: &Running, topic: &str) -> (Code, String) {
    let connection = server.dial().await;
    let (_control, _) = greet(&connection, hello()).await;
    let mut stream = Stream::open(&connection).await;
    stream.send(FromClient::Join(join(topic)).encode()).await;
    let (_other, _) = joined(&connection, join("undisturbed")).await;
    match soon("an answer", stream.channel()).await {
        Some(FromServer::Refused(refusal)) => (refusal.code, refusal.message),
        other => panic!("{other:?}"),
    }
}

async fn a_backend_decides_and_is_told(over: Over) {
    let mut backend = backend().await;
    let server = start(over, &backend.url, &[]).await;
    let client = server.client().await;
    let mut member = soon("a join", client.join("asked:1", JoinOptions::default())).await.unwrap();
    assert_eq!(member.reply().as_ref(), b"\xa7welcome");
    member.push_value("change", &json!({"n": 1})).await.unwrap();
    let event = loop {
        if let Some(Message::Event(event)) = soon("an event", member.next()).await {
            break event;
        }
    };
    assert_eq!((&*event.event, event.decode().unwrap()), ("changed", json!({"was": {"n": 1}})));
    assert_eq!(member.push("ask", "").await.unwrap().decode::<String>().unwrap(), "the reply");
    let denied = member.push("other", "").await.unwrap_err();
    assert_eq!(denied, PushError::Refused { code: Code::RATE_LIMITED, message: "not so fast".into() });
    member.leave().await;
    client.close().await;
    let mut told = Vec::new();
    while !told.iter().any(|notice: &Value| notice["type"] == "end") {
        let request = soon("a notice", backend.requests.recv()).await.unwrap();
        match request["events"].as_array() {
            Some(events) => told.extend(events.clone()),
            None if request["type"] == "connect" => assert_eq!(request["session"]["name"], Value::Null),
            None => {
                assert_eq!(
                    (&request["session"]["user"], &request["state"]),
                    (&json!("ada"), &json!({"tenant": 7}))
                );
                assert_eq!(request["session"]["transport"], over.name());
            }
        }
    }
    assert_eq!(told[0]["type"], "leave", "before the session's end");
    assert_eq!((&told[0]["topic"], &told[0]["why"]), (&json!("asked:1"), &json!("left")));
}

#[tokio::test]
async fn wrong_answers_have_their_codes_and_leak_nothing() {
    let backend = backend().await;
    for topic in ["asked:slow", "asked:garbage", "asked:broken", "asked:elsewhere", "asked:long"] {
        // A server each: the breaker has no say.
        let server = start(Over::Memory, &backend.url, &[("webhook.timeout", "300ms")]).await;
        let expected = (Code::UNAVAILABLE, "the application does not answer".into());
        assert_eq!(refused(&server, topic).await, expected, "{topic}");
    }
    let server = start(Over::Memory, &backend.url, &[]).await;
    assert_eq!(refused(&server, "asked:forbidden").await.0, Code::FORBIDDEN);
    assert_eq!(refused(&server, "asked:code").await, (Code::REJECTED, "no".into()));
}

async fn pushes_stay_in_order_and_bytes_stay_bytes(over: Over) {
    // No value of MessagePack begins with 0xc1.
    let backend = Backend::start(async |request: Value| match request["binary"].as_str() {
        // The first is thought about for longer than the others.
        Some("wQAB") => {
            tokio::task::yield_now().await;
            Json(json!({"allow": true, "binary": "wf8="})).into_response()
        }
        _ => yes(),
    })
    .await;
    let server = start(over, &backend.url, &[("webhook.events", "push")]).await;
    let connection = server.dial().await;
    let (_control, _) = greet(&connection, hello()).await;
    let (mut member, _) = joined(&connection, join("asked:1")).await;
    let pushed: [&[u8]; 4] = [b"\xc1\x00\x01", b"\x01", b"\xc1\x02", b"\xc4\x01\xff"];
    for (reference, payload) in (1..).zip(pushed) {
        member.send(push(reference, payload)).await;
    }
    let mut events = Vec::new();
    while events.len() < pushed.len() {
        if let Some(FromServer::Event(event)) = soon("an event", member.channel()).await {
            events.push(event.payload);
        }
    }
    let expected: [&[u8]; 4] = [b"\xc1\xff", pushed[1], pushed[2], pushed[3]];
    assert_eq!(events, expected);
}

#[tokio::test]
async fn a_backend_is_told_who_is_there() {
    let mut backend = Backend::start(async |request: Value| match request["type"].as_str() {
        Some("join") => Json(json!({"allow": true, "presence": {"as": "host"}})).into_response(),
        _ => yes(),
    })
    .await;
    let server = start(Over::Memory, &backend.url, &[("webhook.events", "join,presence")]).await;
    let client = server.client().await;
    let options = JoinOptions { presence: Ask::Full, ..JoinOptions::default() };
    let member = soon("a join", client.join("asked:1", options)).await.unwrap();
    let come = presence(&mut backend).await;
    assert_eq!((&come["topic"], &come["entries"]), (&json!("asked:1"), &json!(1)));
    assert_eq!(come["joins"][0]["data"], json!({"as": "host"}));
    member.leave().await;
    let gone = presence(&mut backend).await;
    assert_eq!((&gone["entries"], &gone["leaves"][0]["id"]), (&json!(0), &come["joins"][0]["id"]));
}

/// The next notice of who is there.
async fn presence(backend: &mut Backend) -> Value {
    loop {
        let request = soon("a notice", backend.requests.recv()).await.unwrap();
        let notices = request["events"].as_array().cloned().unwrap_or_default();
        if let Some(notice) = notices.into_iter().find(|notice| notice["type"] == "presence") {
            return notice;
        }
    }
}

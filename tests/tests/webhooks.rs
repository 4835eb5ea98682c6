//! A backend decides over HTTP: well, slowly, wrongly or not at all.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Redirect, Response},
    routing::post,
};
use dunlin_client::{Code, JoinOptions, Message, PushError};
use dunlin_proto::frame::channel::{FromClient, FromServer};
use dunlin_tests::{
    over_every_transport,
    raw::{Stream, greet, hello, join, joined},
    server::{Over, Running},
    soon,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc};

over_every_transport!(a_backend_decides_and_is_told);

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

type Seen = mpsc::UnboundedSender<Value>;

/// A backend that behaves as the topic of a request says.
async fn backend() -> (String, mpsc::UnboundedReceiver<Value>) {
    let (seen, requests) = mpsc::unbounded_channel();
    let router = Router::new().route("/hook", post(answer)).with_state(seen);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, requests)
}

async fn answer(State(seen): State<Seen>, Json(request): Json<Value>) -> Response {
    seen.send(request.clone()).unwrap();
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
        ("webhook.secret", SECRET),
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
    let (url, mut requests) = backend().await;
    let server = start(over, &url, &[]).await;
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
        let request = soon("a notice", requests.recv()).await.unwrap();
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
    let (url, _requests) = backend().await;
    for topic in ["asked:slow", "asked:garbage", "asked:broken", "asked:elsewhere", "asked:long"] {
        // A server each: the breaker has no say.
        let server = start(Over::Memory, &url, &[("webhook.timeout", "300ms")]).await;
        let expected = (Code::UNAVAILABLE, "the application does not answer".into());
        assert_eq!(refused(&server, topic).await, expected, "{topic}");
    }
    let server = start(Over::Memory, &url, &[]).await;
    assert_eq!(refused(&server, "asked:forbidden").await.0, Code::FORBIDDEN);
    assert_eq!(refused(&server, "asked:code").await, (Code::REJECTED, "no".into()));
}

//! `docs/webhooks.md` says what is asked, and its answers are answers.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use axum::{Json, response::IntoResponse};
use dunlin_client::Code;
use dunlin_proto::frame::{
    channel::{FromClient, FromServer, Join, Push},
    control::Hello,
};
use dunlin_tests::{
    decider::{self, Backend},
    raw::{greet, hello, join, joined},
    server::{Over, Running},
    soon,
    token::{self, token},
};
use serde_json::{Value, json};

/// The example after a mark.
fn example(mark: &str) -> Value {
    let text = include_str!("../../docs/webhooks.md");
    let (_, after) = text.split_once(&format!("<!-- {mark} -->\n```json\n")).unwrap();
    serde_json::from_str(after.split_once("```").unwrap().0).unwrap()
}

/// A value with nothing in it but names.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(name, value)| (name.clone(), shape(value))).collect(),
        Value::Array(items) => items.iter().map(shape).collect(),
        _ => Value::Null,
    }
}

#[tokio::test]
async fn the_examples_are_what_is_said() {
    let mut backend = Backend::start(async |request: Value| {
        let mark = match request["type"].as_str().unwrap() {
            "push" if request["event"] == "refused" => "any",
            kind @ ("connect" | "join" | "push") => kind,
            _ => return axum::http::StatusCode::NO_CONTENT.into_response(),
        };
        Json(example(&format!("answer: {mark}"))).into_response()
    })
    .await;
    let settings = [
        ("auth.secret", token::SECRET),
        ("webhook.url", &*backend.url),
        ("webhook.secret", decider::SECRET),
        ("webhook.events", "connect,join,push,leave,end"),
        ("session.linger", "0s"),
    ];
    let server = Running::start(Over::Memory, &settings).await;
    let connection = server.dial().await;
    let mine = token(&json!({"sub": "ada", "plan": "pro"}));
    let (control, _) = greet(&connection, Hello { token: Some(mine), ..hello() }).await;
    let params = Some(b"\x81\xa2as\xa4host".as_slice().into());
    let (mut member, joined) = joined(&connection, Join { params, ..join("room:1") }).await;
    assert_eq!(joined.reply.as_ref(), b"\x81\xa5title\xa6Room 1");
    for (reference, event) in [(1, "said"), (2, "refused")] {
        let payload = b"\x81\xa4text\xa5hello".as_slice().into();
        let push = Push { reference, event: event.into(), payload, key: Some("k".into()) };
        member.send(FromClient::Push(push).encode()).await;
    }
    let refused = loop {
        match soon("a frame", member.channel()).await.unwrap() {
            FromServer::Event(event) => assert_eq!(event.payload.as_ref(), b"\x81\xa4text\xa5HELLO"),
            FromServer::Reply { reference: 2, code, payload } => break (code, payload),
            other => {
                assert!(matches!(other, FromServer::Reply { reference: 1, code: Code::OK, .. }), "{other:?}");
            }
        }
    };
    assert_eq!(refused, (Code::RATE_LIMITED, "not so fast".into()));
    for kind in ["connect", "join", "push"] {
        let request = soon("a request", backend.requests.recv()).await.unwrap();
        assert_eq!(shape(&request), shape(&example(&format!("request: {kind}"))), "{kind}");
    }
    drop(control);
    drop(member);
    connection.close(Code::OK.0, "");
    let documented = example("request: notices");
    let mut told = Vec::new();
    while told.len() < 2 {
        let request = soon("a notice", backend.requests.recv()).await.unwrap();
        told.extend(request["events"].as_array().cloned().unwrap_or_default());
    }
    for (told, documented) in told.iter().zip(&documented["events"].as_array().unwrap()[1..]) {
        assert_eq!(shape(told), shape(documented));
    }
}

//! A backend that fails, and what holds meanwhile.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use axum::{Json, http::StatusCode, response::IntoResponse};
use dunlin_client::{Code, JoinOptions};
use dunlin_proto::frame::{
    channel::{FromClient, FromServer},
    control::{self, Hello},
};
use dunlin_tests::{
    decider::{self, Backend, yes},
    raw::{Stream, greet, hello, join, joined},
    server::{Over, Running},
    soon,
    token::{self, token},
};
use serde_json::json;
use std::{
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{sync::Semaphore, task::JoinSet};

const AUTH: (&str, &str) = ("auth.secret", token::SECRET);

async fn start(url: &str, more: &[(&str, &str)]) -> Running {
    let base = [("webhook.url", url), ("webhook.secret", decider::SECRET), ("webhook.topics", "asked:*")];
    Running::start(Over::Memory, &[&base, more].concat()).await
}

/// Tries to join, and says how that is refused.
async fn attempt(connection: &dunlin_transport::Connection, topic: &str) -> Result<(), (Code, String)> {
    let mut stream = Stream::open(connection).await;
    stream.send(FromClient::Join(join(topic)).encode()).await;
    match stream.channel().await {
        Some(FromServer::Joined(_)) => Ok(()),
        Some(FromServer::Refused(refusal)) => Err((refusal.code, refusal.message)),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_policy_decides_while_the_backend_refuses_connections_or_never_answers() {
    // The kernel accepts; nobody reads.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [closed, silent.local_addr().unwrap()] {
        let url = format!("http://{address}/hook");
        for (down, has_token, allowed) in [
            ("allow", false, true),
            ("allow", true, true),
            ("token", false, false),
            ("token", true, true),
            ("deny", false, false),
            ("deny", true, false),
        ] {
            let policy = [("webhook.down", down), ("webhook.timeout", "200ms"), ("webhook.events", "join")];
            let keys: &[_] = if has_token { &[AUTH] } else { &[] };
            let server = start(&url, &[&policy, keys].concat()).await;
            let connection = server.dial().await;
            let me = Hello { token: has_token.then(|| token::of("ada")), ..hello() };
            let (_control, _) = greet(&connection, me).await;
            // Where the backend has no say nobody waits for it.
            let (_other, _) = joined(&connection, join("undisturbed")).await;
            let expected = if allowed {
                Ok(())
            } else {
                Err((Code::UNAVAILABLE, "the application does not answer".into()))
            };
            assert_eq!(attempt(&connection, "asked:1").await, expected, "{url} {down} {has_token}");
        }
    }
}

#[tokio::test]
async fn json_that_does_not_say_so_is_no_answer() {
    let backend = Backend::start(async |_| (StatusCode::OK, r#"{"allow":true}"#).into_response()).await;
    let server = start(&backend.url, &[("webhook.events", "join"), ("webhook.retries", "0")]).await;
    let connection = server.dial().await;
    let (_control, _) = greet(&connection, hello()).await;
    assert_eq!(attempt(&connection, "asked:1").await.unwrap_err().0, Code::UNAVAILABLE);
}

#[tokio::test]
async fn who_may_not_connect_is_told_the_backends_code() {
    let no = json!({"allow": false, "code": Code::FORBIDDEN.0, "message": "banned"});
    let backend = Backend::start(move |_| std::future::ready(Json(no.clone()).into_response())).await;
    let server = start(&backend.url, &[]).await;
    let refused = soon("a refusal", server.builder().connect()).await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::FORBIDDEN));
    assert!(refused.to_string().contains("banned"), "{refused}");
    assert!(!refused.to_string().contains("127.0.0.1"), "{refused}");
}

#[tokio::test]
async fn what_a_connect_leaves_with_the_session_is_bounded() {
    let backend =
        Backend::start(async |_| Json(json!({"allow": true, "data": "x".repeat(5000)})).into_response())
            .await;
    let server = start(&backend.url, &[("webhook.retries", "0")]).await;
    let connection = server.dial().await;
    let mut control = Stream::open(&connection).await;
    control.send(control::FromClient::Hello(hello()).encode()).await;
    assert!(matches!(control.control().await,
        Some(control::FromServer::Refused(refusal)) if refusal.code == Code::UNAVAILABLE));
}

#[tokio::test]
async fn neither_a_token_nor_a_resume_changes_a_grant_while_the_backend_is_down() {
    let is_up = Arc::new(AtomicBool::new(true));
    let up = is_up.clone();
    let mut backend = Backend::start(move |_| {
        let rights = json!([{"topics": "asked:in", "may": ["join"]}]);
        let granted = json!({"allow": true, "data": 7, "dunlin": rights});
        let answer = if up.load(SeqCst) {
            Json(granted).into_response()
        } else {
            StatusCode::BAD_GATEWAY.into_response()
        };
        std::future::ready(answer)
    })
    .await;
    let policy = [AUTH, ("webhook.down", "token"), ("webhook.events", "connect"), ("webhook.retries", "0")];
    let server = start(&backend.url, &policy).await;
    let connection = server.dial().await;
    let (mut control, welcome) = greet(&connection, Hello { token: Some(token::of("ada")), ..hello() }).await;
    is_up.store(false, SeqCst);
    let wide = json!({"sub": "ada", "dunlin": [{"topics": "*", "may": ["join"]}], "jti": "2"});
    control.send(control::FromClient::Refresh { token: token(&wide) }.encode()).await;
    assert!(matches!(control.control().await, Some(control::FromServer::Refreshed { .. })));
    assert_eq!(attempt(&connection, "asked:in").await, Ok(()));
    assert_eq!(attempt(&connection, "asked:out").await.unwrap_err().0, Code::FORBIDDEN);
    let back = Hello { resume: Some(welcome.resume), token: Some(token(&wide)), ..hello() };
    let resumed = server.dial().await;
    let (_control, welcome) = greet(&resumed, back.clone()).await;
    assert!(welcome.resumed);
    assert_eq!(attempt(&resumed, "asked:in").await, Ok(()));
    assert_eq!(attempt(&resumed, "asked:out").await.unwrap_err().0, Code::FORBIDDEN);
    // Nobody else has a part in it.
    let another = server.dial().await;
    let stranger = Hello { client: [8; 16], ..back.clone() };
    let (_their_control, welcome) = greet(&another, stranger).await;
    assert!(!welcome.resumed);
    assert_eq!(attempt(&another, "asked:out").await, Ok(()));
    // Of a client that comes back the backend is told so.
    is_up.store(true, SeqCst);
    let (_control, welcome) = greet(&server.dial().await, back).await;
    assert!(welcome.resumed);
    let mut resumes = Vec::new();
    while resumes.len() < 5 {
        resumes.push(soon("a request", backend.requests.recv()).await.unwrap()["resumes"].clone());
    }
    assert_eq!(resumes, [json!(false), json!(false), json!(true), json!(true), json!(true)]);
}

#[tokio::test]
async fn a_backend_that_fails_is_left_alone_until_it_answers_again() {
    let (is_up, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (up, count) = (is_up.clone(), asked.clone());
    let backend = Backend::start(move |_| {
        count.fetch_add(1, SeqCst);
        std::future::ready(if up.load(SeqCst) { yes() } else { StatusCode::BAD_GATEWAY.into_response() })
    })
    .await;
    let server = start(&backend.url, &[("webhook.events", "join"), ("webhook.retries", "0")]).await;
    let connection = server.dial().await;
    let (_control, _) = greet(&connection, hello()).await;
    for _ in 0..8 {
        assert_eq!(attempt(&connection, "asked:1").await.unwrap_err().0, Code::UNAVAILABLE);
    }
    assert_eq!(asked.load(SeqCst), 5, "after five failures nobody asks");
    is_up.store(true, SeqCst);
    let opened = async {
        while attempt(&connection, "asked:1").await.is_err() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    soon("the breaker to close", opened).await;
    assert_eq!(asked.load(SeqCst), 6, "one request found out");
    assert_eq!(attempt(&connection, "asked:2").await, Ok(()));
}

#[tokio::test]
async fn no_more_is_asked_at_once_than_allowed() {
    let (arrived, room) = (Arc::new(AtomicUsize::new(0)), Arc::new(Semaphore::new(0)));
    let (count, gate) = (arrived.clone(), room.clone());
    let backend = Backend::start(move |_| {
        let (count, gate) = (count.clone(), gate.clone());
        async move {
            count.fetch_add(1, SeqCst);
            gate.acquire().await.unwrap().forget();
            yes()
        }
    })
    .await;
    let bounds = [("webhook.events", "join"), ("webhook.concurrency", "2"), ("webhook.queue", "1")];
    let server = start(&backend.url, &bounds).await;
    let connection = server.dial().await;
    let (_control, _) = greet(&connection, hello()).await;
    let mut attempts = JoinSet::new();
    for topic in ["asked:1", "asked:2", "asked:3", "asked:4"] {
        let connection = connection.clone();
        attempts.spawn(async move { attempt(&connection, topic).await });
    }
    // Of the four two are asked for, one waits, and one is too much.
    let first = soon("a refusal", attempts.join_next()).await.unwrap().unwrap();
    assert_eq!(first.unwrap_err().0, Code::UNAVAILABLE);
    assert!(arrived.load(SeqCst) <= 2);
    room.add_permits(3);
    while let Some(joined) = soon("a join", attempts.join_next()).await {
        assert_eq!(joined.unwrap(), Ok(()));
    }
    assert_eq!(arrived.load(SeqCst), 3);
}

#[tokio::test]
async fn a_slow_topic_disturbs_no_other() {
    let backend = Backend::start(async |request: serde_json::Value| {
        if request["topic"] == "asked:slow" {
            std::future::pending::<()>().await;
        }
        yes()
    })
    .await;
    let server = start(&backend.url, &[("webhook.events", "join")]).await;
    let client = server.client().await;
    let waiting = client.join("asked:slow", JoinOptions::default());
    tokio::select! {
        biased;
        _ = waiting => panic!("nobody answers"),
        other = soon("a join", client.join("asked:quick", JoinOptions::default())) => drop(other.unwrap()),
    }
}

//! Namespaces beside tokens, other members and the application's own code.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use bytes::Bytes;
use dunlin_client::{Ask, Channel, Client, Code, JoinError, JoinOptions, Message, Position, PushError};
use dunlin_proto::frame::Refusal;
use dunlin_server::channel::{self as application, Context, Outgoing};
use dunlin_tests::{
    over_every_transport,
    process::Home,
    server::{Over, Running},
    soon,
    token::{self, SECRET, token},
};
use serde_json::json;

over_every_transport!(
    only_users_join_and_push_where_users_are_asked_for,
    what_the_backend_says_is_not_for_clients_to_say,
    pushes_are_as_many_as_their_topic_allows,
    a_full_log_refuses_and_keeps_what_it_has,
    who_joins_gets_the_newest_event,
    who_is_there_is_told_as_the_topic_allows,
    the_closest_pattern_counts_alone,
);

async fn member(client: &Client, topic: &str) -> Channel {
    soon("a join", client.join(topic, JoinOptions::default())).await.unwrap()
}

async fn client_with(server: &Running, token: &str) -> Client {
    soon("a welcome", server.builder().token(token).connect()).await.unwrap()
}

async fn not_joined(client: &Client, topic: &str) -> (Code, String) {
    match soon("a refusal", client.join(topic, JoinOptions::default())).await {
        Err(JoinError::Refused { code, message }) => (code, message.to_string()),
        other => panic!("{other:?}"),
    }
}

async fn not_pushed(channel: &Channel, payload: impl Into<Bytes>) -> Code {
    match soon("a reply", channel.push("e", payload)).await {
        Err(PushError::Refused { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}

async fn pushed(channel: &Channel, payload: &str) {
    soon("a reply", channel.push("e", payload.to_owned())).await.unwrap();
}

/// The payload of the next event.
async fn event(channel: &mut Channel) -> Bytes {
    loop {
        match soon("an event", channel.next()).await {
            Some(Message::Event(event)) => return event.payload,
            Some(Message::Joined(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn only_users_join_and_push_where_users_are_asked_for(over: Over) {
    let settings = [
        ("auth.secret", SECRET),
        ("namespace.club:*.join", "users"),
        ("namespace.wall:*.push", "users"),
        ("namespace.closed.join", "none"),
    ];
    let server = Running::start(over, &settings).await;
    let guest =
        client_with(&server, &token(&json!({"dunlin": [{"topics": "*", "may": ["join", "push"]}]}))).await;
    let ada = client_with(&server, &token::of("ada")).await;
    let (code, message) = not_joined(&guest, "club:1").await;
    assert_eq!(
        (code, &*message),
        (Code::FORBIDDEN, "only users may join this topic, and the token names none")
    );
    let mut wall = member(&guest, "wall:1").await;
    assert_eq!(not_pushed(&wall, "hi").await, Code::FORBIDDEN);
    pushed(&member(&ada, "club:1").await, "hello").await;
    pushed(&member(&ada, "wall:1").await, "hello").await;
    assert_eq!(event(&mut wall).await, "hello", "the membership goes on");
    assert_eq!(not_joined(&ada, "closed").await.0, Code::FORBIDDEN);
}

/// Says in its topic what it is asked to, for those who may not.
struct Town;

impl application::Channel for Town {
    type Info = std::convert::Infallible;

    async fn join(&mut self, context: &Context, params: Option<Bytes>) -> Result<Bytes, Refusal> {
        if let Some(payload) = params {
            context.broadcast(Outgoing::new("e", payload)).await?;
        }
        Ok(Bytes::new())
    }

    async fn handle_in(&mut self, context: &Context, push: application::Push) -> Result<Bytes, Refusal> {
        context.broadcast(push).await?;
        Ok(Bytes::new())
    }
}

async fn what_the_backend_says_is_not_for_clients_to_say(over: Over) {
    let settings = [("namespace.town:*.push", "none"), ("namespace.town:*.payload", "1KiB")];
    let channels = |builder: dunlin_server::Builder| builder.channel("town:*".parse().unwrap(), || Town);
    let server = Running::start_with(over, &settings, channels).await;
    let (ada, crier) = (server.client().await, server.client().await);
    let mut hears = member(&ada, "town:1").await;
    assert_eq!(not_pushed(&hears, "hear, hear").await, Code::FORBIDDEN);
    let says =
        |length: usize| JoinOptions { params: Some("x".repeat(length).into()), ..JoinOptions::default() };
    soon("a join", crier.join("town:1", says(1024))).await.unwrap();
    assert_eq!(event(&mut hears).await.len(), 1024);
    // The limit is the application's too.
    let error = soon("a refusal", crier.join("town:2", says(1025))).await.unwrap_err();
    assert!(matches!(error, JoinError::Refused { code: Code::PAYLOAD_TOO_LARGE, .. }), "{error}");
}

async fn pushes_are_as_many_as_their_topic_allows(over: Over) {
    let settings = [("namespace.slow:*.rate.pushes", "2"), ("namespace.shared:*.rate.publishes", "2")];
    let server = Running::start(over, &settings).await;
    let (ada, bob) = (server.client().await, server.client().await);
    let (mine, other) = (member(&ada, "slow:1").await, member(&ada, "slow:2").await);
    // Far more than two in any second that this may take.
    let too_much = |code| code == Code::RATE_LIMITED;
    assert!(too_much(flooded(&mine).await));
    pushed(&other, "another membership").await;
    pushed(&member(&bob, "slow:1").await, "another member").await;
    let (one, two) = (member(&ada, "shared:1").await, member(&bob, "shared:1").await);
    assert!(too_much(flooded(&one).await));
    assert!(too_much(flooded(&two).await));
}

/// Pushes until that is refused.
async fn flooded(channel: &Channel) -> Code {
    for _ in 0..10_000 {
        match soon("a reply", channel.push("e", "")).await {
            Ok(_) => {}
            Err(PushError::Refused { code, .. }) => return code,
            Err(other) => panic!("{other:?}"),
        }
    }
    panic!("nothing is too much");
}

async fn a_full_log_refuses_and_keeps_what_it_has(over: Over) {
    let settings = [("namespace.jobs.history.count", "2"), ("namespace.jobs.full", "refuse")];
    let server = Running::start(over, &settings).await;
    let client = server.client().await;
    let jobs = member(&client, "jobs").await;
    pushed(&jobs, "first").await;
    pushed(&jobs, "second").await;
    assert_eq!(not_pushed(&jobs, "third").await, Code::LOG_FULL);
    let other = server.client().await;
    let options = JoinOptions { since: Some(Position::OLDEST), ..JoinOptions::default() };
    let mut late = soon("a join", other.join("jobs", options)).await.unwrap();
    assert_eq!((event(&mut late).await, event(&mut late).await), ("first".into(), "second".into()));
    // Told once a second.
    while server.counter("dunlin_publishes_refused_total", "").await.unwrap() < 1.0 {
        tokio::task::yield_now().await;
    }
    assert!(server.counter("dunlin_refusals_total", "LOG_FULL").await.unwrap() >= 1.0);
}

async fn who_joins_gets_the_newest_event(over: Over) {
    let settings = [
        ("auth.secret", SECRET),
        ("namespace.state:*.retain", "1h"),
        ("namespace.state:*.history.count", "0"),
        ("namespace.state:*.history.age", "0s"),
    ];
    let server = Running::start(over, &settings).await;
    let ada = client_with(&server, &token::of("ada")).await;
    let says = member(&ada, "state:1").await;
    pushed(&says, "off").await;
    pushed(&says, "on").await;
    // It is part of joining, and no history; what is before it is.
    let guest = token(&json!({"dunlin": [{"topics": "*", "may": ["join"]}]}));
    let guest = client_with(&server, &guest).await;
    let options = JoinOptions { rewind: 5, ..JoinOptions::default() };
    let mut state = soon("a join", guest.join("state:1", options.clone())).await.unwrap();
    assert_eq!(event(&mut state).await, "on");
    pushed(&says, "off").await;
    assert_eq!(event(&mut state).await, "off", "and then what comes, once");
    pushed(&member(&ada, "plain").await, "old").await;
    let mut plain = soon("a join", guest.join("plain", options)).await.unwrap();
    pushed(&member(&ada, "plain").await, "new").await;
    assert_eq!(event(&mut plain).await, "new", "other topics retain nothing for who may not read history");
}

async fn who_is_there_is_told_as_the_topic_allows(over: Over) {
    let settings = [("namespace.crowd.presence", "counts"), ("namespace.dark.presence", "off")];
    let server = Running::start(over, &settings).await;
    let client = server.client().await;
    let options = || JoinOptions { presence: Ask::Full, ..JoinOptions::default() };
    for (topic, devices, entries) in [("hall", 1, 1), ("crowd", 1, 0)] {
        let mut channel = soon("a join", client.join(topic, options())).await.unwrap();
        while channel.presence().devices() < devices {
            soon("a change", channel.next()).await.unwrap();
        }
        assert_eq!(channel.presence().entries().len(), entries, "{topic}");
    }
    let mut dark = soon("a join", client.join("dark", options())).await.unwrap();
    pushed(&dark, "hello").await;
    assert_eq!(event(&mut dark).await, "hello");
    assert_eq!(dark.presence().devices(), 0);
}

async fn the_closest_pattern_counts_alone(over: Over) {
    let settings = [
        ("namespace.*.push", "none"),
        ("namespace.room:*.payload", "1KiB"),
        ("namespace.room:1.payload", "2KiB"),
    ];
    let server = Running::start(over, &settings).await;
    let client = server.client().await;
    assert_eq!(not_pushed(&member(&client, "hall").await, "").await, Code::FORBIDDEN);
    let (one, two) = (member(&client, "room:1").await, member(&client, "room:2").await);
    assert_eq!(not_pushed(&two, vec![0; 2000]).await, Code::PAYLOAD_TOO_LARGE);
    soon("a reply", one.push("e", vec![0; 2000])).await.unwrap();
}

#[tokio::test]
async fn the_command_line_begins_with_what_is_retained() {
    let home = Home::default();
    let _server = home.serve(&["--set", "namespace.door:*.retain=1h"]).await;
    for payload in ["\"open\"", "\"shut\""] {
        let mut publish = home.client(&["pub", "door:1", payload]);
        assert!(publish.ended().await.success());
    }
    let mut sub = home.client(&["sub", "door:1", "--json", "--count", "1"]);
    assert_eq!(sub.object("event").await["data"], json!("shut"));
    assert!(sub.ended().await.success());
}

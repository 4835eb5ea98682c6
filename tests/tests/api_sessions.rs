//! A backend acts on sessions, users and tokens.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use dunlin_client::{Channel, Client, Closed, Code, JoinError, JoinOptions, Message, State};
use dunlin_tests::{
    backend::Backend,
    server::{Over, Running},
    soon,
    token::{self, SECRET, token},
};
use serde_json::{Value, json};

const KEY: &str = "what only this backend knows";
const SETTINGS: [(&str, &str); 2] = [("auth.secret", SECRET), ("api.key.shop.secret", KEY)];

async fn client(server: &Running, token: &str) -> Client {
    soon("a welcome", server.builder().token(token).connect()).await.unwrap()
}

async fn member(client: &Client, topic: &str) -> Channel {
    let mut channel = soon("a join", client.join(topic, JoinOptions::default())).await.unwrap();
    assert!(matches!(soon("the answer", channel.next()).await, Some(Message::Joined(_))));
    channel
}

fn session(client: &Client) -> String {
    match &*client.state().borrow() {
        State::Online { session, .. } => session.clone(),
        other => panic!("{other:?}"),
    }
}

async fn closed(client: &Client) -> Closed {
    let mut state = client.state();
    let end = soon("the end", state.wait_for(|state| matches!(state, State::Closed(_)))).await.unwrap();
    match &*end {
        State::Closed(closed) => closed.clone(),
        other => panic!("{other:?}"),
    }
}

async fn direct(channel: &mut Channel) -> (String, Value) {
    match soon("a message", channel.next()).await {
        Some(Message::Direct { event, payload }) => (event.into(), rmp_value(&payload)),
        other => panic!("expected Direct, got {other:?}"),
    }
}

fn rmp_value(mut bytes: &[u8]) -> Value {
    rmpv::decode::read_value(&mut bytes).unwrap().as_str().into()
}

#[tokio::test]
async fn sessions_are_listed_with_what_they_are() {
    let server = Running::start(Over::Quic, &SETTINGS).await;
    let backend = Backend::with_key(&server, KEY);
    let (ada, bob) = (client(&server, &token::of("ada")).await, client(&server, &token::of("bob")).await);
    let _room = member(&ada, "room").await;
    let (_, all) = backend.get("/v1/sessions").await;
    assert_eq!(all["sessions"].as_array().unwrap().len(), 2);
    let (_, first) = backend.get("/v1/sessions?limit=1").await;
    let (_, second) = backend.get(&format!("/v1/sessions?after={}", first["next"].as_str().unwrap())).await;
    let name = |page: &Value, n: usize| page["sessions"][n]["session"].clone();
    assert_eq!((name(&first, 0), name(&second, 0)), (name(&all, 0), name(&all, 1)));
    assert_eq!(second.get("next"), None);
    let (_, theirs) = backend.get("/v1/sessions?user=ada").await;
    let (status, one) = backend.get(&format!("/v1/sessions/{}", session(&ada))).await;
    assert_eq!(
        (status, &one["user"], &one["transport"], &one["topics"]),
        (200, &json!("ada"), &json!("quic"), &json!(["room"]))
    );
    assert_eq!(
        (&theirs["sessions"][0]["session"], theirs["sessions"].as_array().unwrap().len()),
        (&one["session"], 1)
    );
    assert_eq!(backend.get("/v1/sessions?user=nobody").await.1["sessions"], json!([]));
    let (status, problem) = backend.get("/v1/sessions/nobody").await;
    assert_eq!((status, &problem["title"]), (404, &json!("SESSION_ENDED")));
    drop(bob);
}

#[tokio::test]
async fn messages_reach_one_session_or_all_of_a_user() {
    let server = Running::start(Over::Quic, &SETTINGS).await;
    let backend = Backend::with_key(&server, KEY);
    let (phone, laptop) =
        (client(&server, &token::of("ada")).await, client(&server, &token::of("ada")).await);
    let other = client(&server, &token::of("bob")).await;
    let (mut phone_room, mut laptop_room) = (member(&phone, "room").await, member(&laptop, "room").await);
    let mut hall = member(&phone, "hall").await;
    let mut others = member(&other, "room").await;
    let message =
        |topic: Option<&str>, data: &str| json!({"topic": topic, "event": {"event": "note", "data": data}});

    let path = format!("/v1/sessions/{}/events", session(&phone));
    assert_eq!(backend.post(&path, &message(Some("hall"), "one")).await, (200, json!({"sessions": 1})));
    assert_eq!(direct(&mut hall).await, ("note".into(), json!("one")));
    assert_eq!(
        backend.post("/v1/users/ada/events", &message(Some("room"), "two")).await,
        (200, json!({"sessions": 2}))
    );
    for room in [&mut phone_room, &mut laptop_room] {
        assert_eq!(direct(room).await, ("note".into(), json!("two")), "and nothing of the other topic's");
    }
    assert_eq!(backend.post(&path, &message(None, "three")).await.0, 200);
    for channel in [&mut phone_room, &mut hall] {
        assert_eq!(direct(channel).await.1, "three", "in every topic");
    }
    assert_eq!(
        backend.post("/v1/users/nobody/events", &message(None, "x")).await,
        (200, json!({"sessions": 0}))
    );
    assert_eq!(backend.post(&path, &message(Some("elsewhere"), "x")).await.0, 404);
    let keyed = json!({"event": {"event": "note", "key": "k"}});
    assert_eq!(backend.post(&path, &keyed).await.1["title"], "ILLEGAL_VALUE");
    // Nobody else got any of it: what comes first is the event that is published now.
    backend.post("/v1/topics/room/events", &json!({"event": "for all"})).await;
    assert!(
        matches!(soon("an event", others.next()).await, Some(Message::Event(event)) if &*event.event == "for all")
    );
}

#[tokio::test]
async fn a_session_that_is_disconnected_stays_away_unless_it_may_come_back() {
    let server = Running::start(Over::Quic, &SETTINGS).await;
    let backend = Backend::with_key(&server, KEY);
    let ada = client(&server, &token::of("ada")).await;
    let first = session(&ada);
    let mut state = ada.state();
    let path = format!("/v1/sessions/{first}?reconnect=true&reason=moving");
    assert_eq!(backend.delete(&path).await, (200, json!({"sessions": 1})));
    let back =
        |state: &State| matches!(state, State::Online { session, resumed: false, .. } if *session != first);
    soon("a new session", state.wait_for(back)).await.unwrap();
    assert_eq!(backend.delete(&path).await.0, 404, "the old one is gone");

    let path = format!("/v1/sessions/{}?reason=enough%20of%20you", session(&ada));
    assert_eq!(backend.delete(&path).await.0, 200);
    let end = closed(&ada).await;
    assert_eq!((end.code, &*end.message), (Some(Code::FORBIDDEN), "enough of you"));

    let (one, two) = (client(&server, &token::of("bob")).await, client(&server, &token::of("bob")).await);
    let other = client(&server, &token::of("cy")).await;
    assert_eq!(backend.delete("/v1/users/bob/sessions").await, (200, json!({"sessions": 2})));
    for client in [&one, &two] {
        assert_eq!(closed(client).await.code, Some(Code::FORBIDDEN));
    }
    let (_, left) = backend.get("/v1/sessions").await;
    assert_eq!((&left["sessions"][0]["user"], left["sessions"].as_array().unwrap().len()), (&json!("cy"), 1));
    drop(other);
}

#[tokio::test]
async fn a_membership_ends_alone() {
    let server = Running::start(Over::Quic, &SETTINGS).await;
    let backend = Backend::with_key(&server, KEY);
    let ada = client(&server, &token::of("ada")).await;
    let (mut room, mut hall, mut den) =
        (member(&ada, "a/room").await, member(&ada, "hall").await, member(&ada, "den").await);
    let path = format!("/v1/sessions/{}/topics/a%2Froom", session(&ada));
    assert_eq!(backend.delete(&path).await, (200, json!({"sessions": 1})));
    assert!(soon("the end", room.next()).await.is_none());
    assert_eq!(room.closed().unwrap().code, Some(Code::FORBIDDEN));
    assert_eq!(backend.delete(&path).await.0, 404, "it has not joined any more");
    assert_eq!(backend.delete("/v1/users/ada/topics/den").await, (200, json!({"sessions": 1})));
    assert!(soon("the end", den.next()).await.is_none());
    assert_eq!(backend.delete("/v1/users/ada/topics/den").await, (200, json!({"sessions": 0})));
    backend.post("/v1/topics/hall/events", &json!({"event": "e"})).await;
    assert!(matches!(soon("an event", hall.next()).await, Some(Message::Event(_))));
}

#[tokio::test]
async fn a_new_token_counts_at_once() {
    let server = Running::start(Over::Quic, &SETTINGS).await;
    let backend = Backend::with_key(&server, KEY);
    let ada =
        client(&server, &token(&json!({"sub": "ada", "dunlin": [{"topics": "room", "may": ["join"]}]})))
            .await;
    let _room = member(&ada, "room").await;
    let refused = soon("a refusal", ada.join("hall", JoinOptions::default())).await;
    assert!(matches!(refused, Err(JoinError::Refused { code: Code::FORBIDDEN, .. })), "{refused:?}");
    let path = format!("/v1/sessions/{}/token", session(&ada));
    let (status, answer) = backend.post(&path, &json!({"token": token::of("ada")})).await;
    assert!(status == 200 && answer["expires_in_ms"].as_u64().unwrap() > 0, "{answer}");
    let _hall = member(&ada, "hall").await;
    let (bob, bad) = (token::of("bob"), "eyJhbGciOiJub25lIn0.e30.");
    for (token, status, title) in
        [(&*bob, 403, "FORBIDDEN"), (bad, 400, "ILLEGAL_VALUE"), ("", 400, "ILLEGAL_VALUE")]
    {
        let (found, problem) = backend.post(&path, &json!({"token": token})).await;
        assert_eq!((found, &problem["title"]), (status, &json!(title)), "{problem}");
        assert!(!problem.to_string().contains("eyJ"), "{problem}");
    }
    let (status, _) = backend.post("/v1/sessions/nobody/token", &json!({"token": bob})).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn what_is_revoked_ends() {
    let server = Running::start(Over::Quic, &SETTINGS).await;
    let backend = Backend::with_key(&server, KEY);
    let own = |id: &str| token(&json!({"sub": id, "jti": format!("id of {id}"), "dunlin": []}));
    let stays = client(&server, &own("eve")).await;
    for user in ["ada", "bob", "cy"] {
        let client = client(&server, &own(user)).await;
        let what = match user {
            "ada" => json!({"user": user}),
            "bob" => json!({"token": "id of bob"}),
            _ => json!({"session": session(&client)}),
        };
        assert_eq!(backend.post("/v1/revocations", &what).await, (200, json!({"sessions": 1})), "{user}");
        assert_eq!(closed(&client).await.code, Some(Code::TOKEN_EXPIRED), "{user}");
        let again = soon("a refusal", server.builder().token(own(user)).connect()).await;
        assert!(again.is_err(), "its token is no good any more");
    }
    for wrong in [json!({}), json!({"user": "a", "token": "b"}), json!({"everybody": true}), json!("user")] {
        assert_eq!(backend.post("/v1/revocations", &wrong).await.0, 400, "{wrong}");
    }
    assert!(matches!(&*stays.state().borrow(), State::Online { .. }));
}

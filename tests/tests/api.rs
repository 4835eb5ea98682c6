//! A backend publishes, and reads what there is in topics.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use dunlin_client::{Ask, Channel, Client, Event, JoinOptions, Message};
use dunlin_tests::{
    backend::{Backend, value},
    http::Port,
    server::{Over, Running},
    soon,
};
use rmpv::Value as Packed;
use serde_json::{Value, json};

const KEY: &str = "what only this backend knows";
const KEYS: (&str, &str) = ("api.key.shop.secret", KEY);
const MSGPACK: &str = "application/msgpack";

async fn member(client: &Client, topic: &str, options: JoinOptions) -> Channel {
    let mut channel = soon("a join", client.join(topic, options)).await.unwrap();
    assert!(matches!(soon("the answer", channel.next()).await, Some(Message::Joined(_))));
    channel
}

async fn event(channel: &mut Channel) -> Event {
    match soon("an event", channel.next()).await {
        Some(Message::Event(event)) => event,
        other => panic!("expected an event, got {other:?}"),
    }
}

/// A map as MessagePack.
fn packed(entries: &[(&str, Packed)]) -> Vec<u8> {
    let entries = entries.iter().map(|(key, value)| (Packed::from(*key), value.clone())).collect();
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, &Packed::Map(entries)).unwrap();
    bytes
}

fn unpacked(bytes: &[u8]) -> Packed {
    let mut rest = bytes;
    let value = rmpv::decode::read_value(&mut rest).unwrap();
    assert!(rest.is_empty(), "one value and no more");
    value
}

#[tokio::test]
async fn what_a_backend_publishes_reaches_members_by_every_way_in() {
    let server = Running::start(Over::Quic, &[KEYS]).await;
    let client = server.client().await;
    let mut room = member(&client, "room:1", JoinOptions::default()).await;
    for (n, port) in [Port::Plain, Port::Tls, Port::Http2, Port::Http3].into_iter().enumerate() {
        let backend = Backend::with_key(&server, KEY).by(port);
        let said = json!({"event": "said", "data": {"n": n}, "key": "k"});
        let (status, published) = backend.post("/v1/topics/room:1/events", &said).await;
        assert_eq!((status, &published["duplicate"]), (200, &json!(false)), "{port:?}: {published}");
        let event = event(&mut room).await;
        assert_eq!((&*event.event, event.key.as_deref()), ("said", Some("k")));
        assert_eq!(event.decode::<Value>().unwrap(), json!({"n": n}));
        assert_eq!(
            json!([event.position.epoch, event.position.offset]),
            json!([published["epoch"], published["offset"]])
        );
        let (status, history) = backend.get("/v1/topics/room:1/events").await;
        assert_eq!((status, history["events"].as_array().unwrap().len()), (200, n + 1), "{port:?}");
    }
}

#[tokio::test]
async fn a_repeated_request_publishes_once() {
    let keys = [KEYS, ("api.key.other.secret", "what the other backend knows")];
    let server = Running::start(Over::Quic, &keys).await;
    let (backend, other) = (Backend::with_key(&server, KEY), Backend::with_key(&server, keys[1].1));
    let publish = async |backend: &Backend, key: &str| {
        let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
        let answer = backend.call("POST", "/v1/topics/a/events", &headers, br#"{"event": "e"}"#).await;
        let (status, published) = value(&answer);
        (status, published["offset"].as_u64(), published["duplicate"].as_bool())
    };
    assert_eq!(publish(&backend, "one").await, (200, Some(1), Some(false)));
    assert_eq!(publish(&backend, "one").await, (200, Some(1), Some(true)));
    assert_eq!(publish(&backend, "two").await, (200, Some(2), Some(false)));
    assert_eq!(publish(&other, "one").await, (200, Some(3), Some(false)), "another caller's key is another");
    assert_eq!(publish(&backend, &"k".repeat(255)).await.0, 200);
    for illegal in [String::new(), "k".repeat(256)] {
        assert_eq!(publish(&backend, &illegal).await.0, 400);
    }
}

#[tokio::test]
async fn a_batch_has_an_answer_for_each() {
    let server = Running::start(Over::Quic, &[("namespace.small.payload", "1KiB")]).await;
    let backend = Backend::of(&server);
    let batch = json!({"events": [
        {"topics": ["a", "b", "", "$server/stats"], "event": {"event": "e", "data": 1}},
        {"topics": ["small", "a"], "event": {"event": "e", "data": "x".repeat(1024)}},
        {"topics": [], "event": {"event": "e"}},
    ]});
    let (status, outcomes) = backend.post("/v1/events", &batch).await;
    let shown = |of: &Value| -> Vec<Value> {
        of.as_array().unwrap().iter().map(|one| one.get("title").unwrap_or(&one["offset"]).clone()).collect()
    };
    assert_eq!(status, 200);
    assert_eq!(
        shown(&outcomes["results"][0]),
        [json!(1), json!(1), json!("ILLEGAL_TOPIC"), json!("FORBIDDEN")]
    );
    assert_eq!(shown(&outcomes["results"][1]), [json!("PAYLOAD_TOO_LARGE"), json!(2)]);
    assert_eq!(outcomes["results"][2], json!([]));
    // The same batch again with a key, twice: each has its own place, and keeps it.
    let again = async || {
        let headers = [("Content-Type", "application/json"), ("Idempotency-Key", "k")];
        value(&backend.call("POST", "/v1/events", &headers, batch.to_string().as_bytes()).await).1
    };
    let (first, second) = (again().await, again().await);
    assert_eq!(shown(&first["results"][1]), shown(&second["results"][1]));
    assert_eq!(
        (&first["results"][0][0]["duplicate"], &second["results"][0][0]["duplicate"]),
        (&json!(false), &json!(true))
    );
}

#[tokio::test]
async fn a_batch_with_a_mistake_publishes_nothing() {
    let server = Running::start(Over::Quic, &[]).await;
    let backend = Backend::of(&server);
    let good = json!({"topics": ["a"], "event": {"event": "e"}});
    for bad in [
        json!({"topics": ["a"], "event": {"event": ""}}),
        json!({"topics": ["a"], "event": {"event": "e", "data": 1, "binary": "AA=="}}),
        json!({"topics": vec!["a"; 1000], "event": {"event": "e"}}),
    ] {
        let (status, problem) = backend.post("/v1/events", &json!({"events": [good, bad]})).await;
        assert_eq!((status, &problem["title"]), (400, &json!("ILLEGAL_VALUE")), "{problem}");
    }
    assert_eq!(backend.get("/v1/topics/a").await.1["events"], 0);
}

#[tokio::test]
async fn history_is_read_in_parts_and_says_what_is_lost() {
    let server = Running::start(Over::Quic, &[("history.count", "5")]).await;
    let backend = Backend::of(&server);
    let nothing = json!({"start": "oldest", "events": [], "next": null, "head": null});
    assert_eq!(backend.get("/v1/topics/log/events").await, (200, nothing));
    assert_eq!(backend.get("/v1/topics/log/events?since=7:1").await.1["start"], "lost");
    for n in 1..=8 {
        backend.post("/v1/topics/log/events", &json!({"event": "e", "data": n})).await;
    }
    let read = async |query: &str| backend.get(&format!("/v1/topics/log/events?{query}")).await.1;
    let offsets = |history: &Value| -> Vec<u64> {
        history["events"].as_array().unwrap().iter().map(|event| event["offset"].as_u64().unwrap()).collect()
    };
    let at = |position: &Value| format!("{}:{}", position["epoch"], position["offset"]);
    let first = read("limit=2").await;
    assert_eq!((&first["start"], offsets(&first)), (&json!("oldest"), vec![4, 5]));
    let second = read(&format!("since={}&limit=2", at(&first["next"]))).await;
    assert_eq!((&second["start"], offsets(&second)), (&json!("recovered"), vec![6, 7]));
    let third = read(&format!("since={}", at(&second["next"]))).await;
    assert_eq!((offsets(&third), &third["next"]), (vec![8], &third["head"]));
    let end = read(&format!("since={}", at(&third["next"]))).await;
    assert_eq!((&end["start"], offsets(&end)), (&json!("recovered"), vec![]));
    let epoch = &first["head"]["epoch"];
    for lost in [format!("since={epoch}:1"), "since=7:1".into()] {
        let lost = read(&lost).await;
        assert_eq!((&lost["start"], offsets(&lost)), (&json!("lost"), vec![]));
        assert_eq!(lost["next"], lost["head"], "go on from here");
    }
}

#[tokio::test]
async fn binary_stays_binary() {
    let server = Running::start(Over::Quic, &[]).await;
    let backend = Backend::of(&server);
    let client = server.client().await;
    let mut room = member(&client, "room", JoinOptions::default()).await;
    // No value, two values, a byte with which no value begins, and a value with bytes in it.
    let in_it = packed(&[("raw", Packed::Binary(vec![0, 255]))]);
    for (bytes, base64) in [
        (&b""[..], ""),
        (b"hi", "aGk="),
        (&[0xff, 0xfe, 0xc1], "//7B"),
        (&[0xc1], "wQ=="),
        (&in_it, "gaNyYXfEAgD/"),
    ] {
        let (status, answer) =
            backend.post("/v1/topics/room/events", &json!({"event": "e", "binary": base64})).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(event(&mut room).await.payload, bytes);
        let path = format!(
            "/v1/topics/room/events?since={}:{}",
            answer["epoch"],
            answer["offset"].as_u64().unwrap() - 1
        );
        let read = backend.get(&path).await.1;
        assert_eq!((&read["events"][0]["binary"], read["events"][0].get("data")), (&json!(base64), None));
    }
    // MessagePack has bytes of its own, within values as well as in place of one.
    let send = [("Content-Type", MSGPACK), ("Accept", MSGPACK)];
    let whole = packed(&[("event", "e".into()), ("binary", Packed::Binary(vec![0xc1]))]);
    let within = packed(&[("event", "e".into()), ("data", unpacked(&in_it))]);
    for (body, field, expected) in
        [(whole, "binary", Packed::Binary(vec![0xc1])), (within, "data", unpacked(&in_it))]
    {
        let answer = backend.call("POST", "/v1/topics/packed/events", &send, &body).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(MSGPACK)), "{answer:?}");
        let offset = unpacked(&answer.bytes)["offset"].as_u64().unwrap();
        let history = backend.call("GET", "/v1/topics/packed/events", &send[1..], &[]).await;
        let history = unpacked(&history.bytes);
        assert_eq!(history["events"][usize::try_from(offset).unwrap() - 1][field], expected);
    }
}

#[tokio::test]
async fn presence_and_topics_are_listed_in_parts() {
    let server = Running::start(Over::Quic, &[]).await;
    let backend = Backend::of(&server);
    let mut here = Vec::new();
    for _ in 0..3 {
        let client = server.client().await;
        let options = JoinOptions {
            presence: Ask::Full,
            params: Some(vec![0xa1, b'x'].into()),
            ..JoinOptions::default()
        };
        let room = soon("a join", client.join("room:1", options)).await.unwrap();
        here.push((client, room));
    }
    let all = soon("presence", async {
        loop {
            let (_, all) = backend.get("/v1/topics/room:1/presence").await;
            if all["entries"] == 3 {
                break all;
            }
        }
    });
    let all = all.await;
    assert_eq!((&all["keys"], &all["list"][0]["data"], all.get("next")), (&json!(3), &json!("x"), None));
    let counts = backend.get("/v1/topics/room:1/presence?counts=true").await.1;
    assert_eq!(counts, json!({"keys": 3, "entries": 3}));
    let part = backend.get("/v1/topics/room:1/presence?limit=2").await.1;
    let rest = backend.get(&format!("/v1/topics/room:1/presence?after={}", part["next"])).await.1;
    assert_eq!((&part["list"][1], &rest["list"][0]), (&all["list"][1], &all["list"][2]));

    backend
        .post("/v1/events", &json!({"events": [{"topics": ["a/1", "a/2", "b"], "event": {"event": "e"}}]}))
        .await;
    let names = async |query: &str| {
        let (status, page) = backend.get(&format!("/v1/topics?{query}")).await;
        assert_eq!(status, 200, "{page}");
        let names =
            page["topics"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap().to_owned());
        (names.collect::<Vec<_>>(), page["next"].as_str().map(ToOwned::to_owned))
    };
    assert_eq!(names("prefix=a/").await, (vec!["a/1".into(), "a/2".into()], None));
    assert_eq!(names("prefix=a&limit=1").await, (vec!["a/1".into()], Some("a/1".into())));
    assert_eq!(names("prefix=a&after=a/1").await, (vec!["a/2".into()], None));
    let room = backend.get("/v1/topics/room:1").await.1;
    assert_eq!((&room["subscribers"], &room["present"]), (&json!(3), &json!(3)), "{room}");
    let slash = backend.get("/v1/topics/a%2F1").await.1;
    assert_eq!(
        (&slash["name"], &slash["events"], &slash["position"]["offset"]),
        (&json!("a/1"), &json!(1), &json!(1))
    );
    assert_eq!(backend.get("/v1/topics/none").await.1["position"], Value::Null);
    let node = backend.get("/v1/node").await.1;
    assert_eq!((&node["sessions"], &node["published"]), (&json!(3), &json!(3)), "{node}");
}

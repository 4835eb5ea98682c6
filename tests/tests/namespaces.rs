//! What holds for the topics of a pattern only, over every transport.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use dunlin_client::{
    Channel, Client, Code, Delivery, JoinError, JoinOptions, Joined, Message, Position, PushError, Start,
};
use dunlin_tests::{
    over_every_transport,
    server::{Over, Running},
    soon,
};

over_every_transport!(
    the_newest_event_is_what_members_begin_with,
    a_full_log_refuses_what_is_new,
    some_topics_are_not_for_everybody,
    a_topic_has_its_own_ways_of_delivery,
    payloads_and_rates_are_bounded_by_topic,
    history_is_as_long_as_the_topic_says,
);

async fn member(client: &Client, topic: &str, options: JoinOptions) -> Result<(Channel, Joined), JoinError> {
    let mut channel = soon("a join", client.join(topic, options)).await?;
    match soon("the answer", channel.next()).await {
        Some(Message::Joined(joined)) => Ok((channel, joined)),
        other => panic!("expected Joined, got {other:?}"),
    }
}

fn refusal(error: &JoinError) -> Code {
    match error {
        JoinError::Refused { code, .. } => *code,
        other => panic!("expected a refusal, got {other}"),
    }
}

async fn push_code(channel: &Channel, payload: Vec<u8>) -> Code {
    match soon("a reply", channel.push("e", payload)).await {
        Ok(_) => Code::OK,
        Err(PushError::Refused { code, .. }) => code,
        Err(other) => panic!("expected an answer, got {other}"),
    }
}

async fn offset(channel: &mut Channel) -> u64 {
    match soon("an event", channel.next()).await {
        Some(Message::Event(event)) => event.position.offset,
        other => panic!("expected an event, got {other:?}"),
    }
}

async fn the_newest_event_is_what_members_begin_with(over: Over) {
    let settings = [("namespace.state:*.retain", "1h"), ("namespace.state:*.history.count", "0")];
    let server = Running::start(over, &settings).await;
    let (writer, reader) = (server.client().await, server.client().await);
    let (say, _) = member(&writer, "state:1", JoinOptions::default()).await.unwrap();
    let (other, _) = member(&writer, "hall", JoinOptions::default()).await.unwrap();
    for n in 1..=3_u8 {
        say.push("e", vec![n]).await.unwrap();
        other.push("e", vec![n]).await.unwrap();
    }
    let (mut state, joined) = member(&reader, "state:1", JoinOptions::default()).await.unwrap();
    assert_eq!((joined.start, joined.position.offset, offset(&mut state).await), (Start::Live, 2, 3));
    let (_, joined) = member(&reader, "hall", JoinOptions::default()).await.unwrap();
    assert_eq!(joined.position.offset, 3, "other topics begin with what comes");
    // Who has seen it does not get it again; who has lost the way gets it.
    let third = server.client().await;
    let seen = JoinOptions { since: Some(state.position()), ..JoinOptions::default() };
    let (_, joined) = member(&third, "state:1", seen).await.unwrap();
    assert_eq!((joined.start, joined.position.offset), (Start::Recovered, 3));
    let fourth = server.client().await;
    let lost = JoinOptions { since: Some(Position::new(1, 1)), ..JoinOptions::default() };
    let (mut state, joined) = member(&fourth, "state:1", lost).await.unwrap();
    assert_eq!((joined.start, offset(&mut state).await), (Start::Lost, 3));
}

async fn a_full_log_refuses_what_is_new(over: Over) {
    let settings = [("namespace.jobs.full", "refuse"), ("namespace.jobs.history.count", "2")];
    let server = Running::start(over, &settings).await;
    let client = server.client().await;
    let (jobs, _) = member(&client, "jobs", JoinOptions::default()).await.unwrap();
    let (hall, _) = member(&client, "hall", JoinOptions::default()).await.unwrap();
    for expected in [Code::OK, Code::OK, Code::LOG_FULL, Code::LOG_FULL] {
        assert_eq!(push_code(&jobs, vec![1]).await, expected);
        assert_eq!(push_code(&hall, vec![1]).await, Code::OK);
    }
}

async fn some_topics_are_not_for_everybody(over: Over) {
    let settings = [
        ("namespace.closed.join", "none"),
        ("namespace.news.push", "none"),
        ("namespace.users:*.join", "users"),
        ("namespace.said.push", "users"),
    ];
    let server = Running::start(over, &settings).await;
    let client = server.client().await;
    // Without tokens nobody is a user.
    for topic in ["closed", "users:1"] {
        let error = member(&client, topic, JoinOptions::default()).await.unwrap_err();
        assert_eq!(refusal(&error), Code::FORBIDDEN, "{topic}");
    }
    for topic in ["news", "said"] {
        let (channel, _) = member(&client, topic, JoinOptions::default()).await.unwrap();
        assert_eq!(push_code(&channel, vec![1]).await, Code::FORBIDDEN, "{topic}");
    }
}

async fn a_topic_has_its_own_ways_of_delivery(over: Over) {
    let settings =
        [("namespace.map.delivery", "latest,datagram"), ("namespace.quiet.default_delivery", "none")];
    let server = Running::start(over, &settings).await;
    let client = server.client().await;
    let (map, joined) = member(&client, "map", JoinOptions::default()).await.unwrap();
    assert_eq!(joined.delivery, Some(Delivery::Latest));
    map.leave().await;
    let reliable = JoinOptions { delivery: Some(Delivery::Reliable), ..JoinOptions::default() };
    let error = member(&client, "map", reliable.clone()).await.unwrap_err();
    assert_eq!(refusal(&error), Code::FORBIDDEN);
    assert!(error.to_string().contains("latest or datagram"), "{error}");
    let (_, joined) = member(&client, "quiet", JoinOptions::default()).await.unwrap();
    assert_eq!(joined.delivery, Some(Delivery::None));
    let second = server.client().await;
    let (_, joined) = member(&second, "quiet", reliable).await.unwrap();
    assert_eq!(joined.delivery, Some(Delivery::Reliable));
}

async fn payloads_and_rates_are_bounded_by_topic(over: Over) {
    let settings = [("namespace.small.payload", "1KiB"), ("namespace.slow.rate.pushes", "2")];
    let server = Running::start(over, &settings).await;
    let client = server.client().await;
    let (small, _) = member(&client, "small", JoinOptions::default()).await.unwrap();
    assert_eq!(push_code(&small, vec![0; 1024]).await, Code::OK);
    assert_eq!(push_code(&small, vec![0; 1025]).await, Code::PAYLOAD_TOO_LARGE);
    let (slow, _) = member(&client, "slow", JoinOptions::default()).await.unwrap();
    let mut codes = Vec::new();
    for _ in 0..20 {
        codes.push(push_code(&slow, vec![1]).await);
    }
    assert_eq!(codes[..2], [Code::OK, Code::OK]);
    assert!(codes.contains(&Code::RATE_LIMITED), "{codes:?}");
    assert_eq!(push_code(&small, vec![1]).await, Code::OK, "another topic is not concerned");
}

async fn history_is_as_long_as_the_topic_says(over: Over) {
    let settings = [("history.count", "100"), ("namespace.short.history.count", "2")];
    let server = Running::start(over, &settings).await;
    let client = server.client().await;
    for (topic, expected) in [("short", 3), ("long", 1)] {
        let (say, _) = member(&client, topic, JoinOptions::default()).await.unwrap();
        for n in 1..=4_u8 {
            say.push("e", vec![n]).await.unwrap();
        }
        let reader = server.client().await;
        let oldest = JoinOptions { since: Some(Position::OLDEST), ..JoinOptions::default() };
        let (mut channel, _) = member(&reader, topic, oldest).await.unwrap();
        assert_eq!(offset(&mut channel).await, expected, "{topic}");
    }
}

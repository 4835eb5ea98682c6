//! Logs that refuse what they have no room for, and topics that keep their newest event.

use crate::common::*;
use dunlin_hub::{Config, Full, Message, Order, PublishError, Retention, Start};
use dunlin_proto::Patterns;
use std::time::Duration;

const SECOND: u64 = 1000;

fn refusing(bounds: Retention) -> Config {
    Config { retention: Retention { full: Full::Refuse, ..bounds }, ..Config::default() }
}

#[tokio::test]
async fn what_was_taken_is_not_dropped_for_what_comes() {
    // What counts is what the log takes, to the byte: frames are longer than their payloads.
    for bytes in 1000..1400 {
        let (hub, room) = (hub(refusing(Retention { bytes, ..Retention::default() })), topic("room:1"));
        let mut taken = 0;
        while taken < 10 && hub.publish(&room, message(vec![0; 100]), 0).await.is_ok() {
            taken += 1;
        }
        assert!((2..10).contains(&taken));
        let mut oldest = subscribe(&hub, &room, Start::Oldest).await;
        assert_eq!(offsets(&mut oldest), (1..=taken).collect::<Vec<_>>(), "within {bytes} bytes");
        assert_eq!(hub.usage().full, 1);
    }
}

#[tokio::test]
async fn a_full_log_has_room_when_events_have_aged_and_knows_what_it_took() {
    let bounds = Retention { count: 2, age: Duration::from_secs(60), ..Retention::default() };
    let (hub, room) = (hub(refusing(bounds)), topic("room:1"));
    let at = |seconds, id| {
        let (hub, room) = (hub.clone(), room.clone());
        async move { hub.publish(&room, with_id(id), seconds * SECOND).await }
    };
    let first = at(0, "a").await.unwrap();
    at(30, "b").await.unwrap();
    assert_eq!(at(31, "c").await, Err(PublishError::Full));
    // The answer to this one was lost, and it is asked again.
    let again = at(31, "a").await.unwrap();
    assert_eq!((again.position, again.duplicate), (first.position, true));
    // What was refused was not taken for published.
    let third = at(60, "c").await.unwrap();
    assert_eq!((third.position.offset, third.duplicate), (3, false));
}

#[tokio::test]
async fn patterns_have_a_retention_of_their_own() {
    let logs = ["log:*".parse().unwrap(), "log:brief".parse().unwrap()];
    let bounds = [5, 1].map(|count| Retention { count, ..Retention::default() });
    let retentions = Patterns::new(logs.into_iter().zip(bounds).collect()).unwrap();
    let hub = hub(Config { retentions, ..retain(2) });
    for (name, kept) in [("log:1", 5), ("log:brief", 1), ("other", 2)] {
        let name = topic(name);
        publish(&hub, &name, 9).await;
        let mut oldest = subscribe(&hub, &name, Start::Oldest).await;
        assert_eq!(offsets(&mut oldest).len(), kept, "{name}");
    }
}

fn keeping(config: &Config) -> Config {
    let retention = Retention { count: 0, newest: Duration::from_secs(3600), ..config.retention };
    let retentions = Patterns::new(vec![("state:*".parse().unwrap(), retention)]).unwrap();
    Config { retentions, ..config.clone() }
}

#[tokio::test]
async fn the_newest_event_is_there_for_who_comes_until_its_time_is_over() {
    let (hub, state) = (hub(keeping(&Config::default())), topic("state:1"));
    publish(&hub, &state, 3).await;
    hub.sweep(3599 * SECOND);
    let mut late = hub.subscribe(&state, Start::Now, Order::All, 3599 * SECOND).await.unwrap();
    late.rewind(0, 3599 * SECOND);
    assert_eq!(offsets(&mut late), [3]);
    drop(late);
    hub.sweep(3600 * SECOND);
    assert_eq!(hub.usage().topics, 0);
}

#[tokio::test]
async fn a_flood_elsewhere_does_not_take_the_newest_event() {
    let hub = hub(keeping(&Config { memory: 100 * 1024, ..Config::default() }));
    let (state, other) = (topic("state:1"), topic("other"));
    // More than an equal share of the memory.
    let large = || Message { payload: vec![0; 60 * 1024].into(), ..message("") };
    hub.publish(&state, large(), 0).await.unwrap();
    for _ in 0..200 {
        hub.publish(&other, message(vec![0; 1024]), 0).await.unwrap();
        assert!(hub.usage().bytes <= 100 * 1024);
    }
    let mut late = subscribe(&hub, &state, Start::Now).await;
    late.rewind(0, 0);
    assert_eq!(offsets(&mut late), [1]);
    // What cannot be kept by all is kept by none.
    hub.publish(&topic("state:2"), large(), 0).await.unwrap();
    assert!(hub.usage().bytes <= 100 * 1024);
}

//! From where a subscriber reads, and when that is refused.

use crate::common::*;
use dunlin_hub::{
    Batch, Config, Message, Order, Origin, Outcome, PublishError, Retention, Start, SubscribeError,
};
use dunlin_proto::Position;
use std::{sync::Arc, time::Duration};

#[tokio::test]
async fn from_now_from_a_position_and_from_the_oldest() {
    let (hub, room) = (hub(retain(3)), topic("room:1"));
    let tail = publish(&hub, &room, 5).await;
    let mut now = subscribe(&hub, &room, Start::Now).await;
    let mut after = subscribe(&hub, &room, Start::After(Position { offset: 3, ..tail })).await;
    let mut oldest = subscribe(&hub, &room, Start::Oldest).await;
    assert_eq!(
        [now.outcome(), after.outcome(), oldest.outcome()],
        [Outcome::Live, Outcome::Recovered, Outcome::Live]
    );
    publish(&hub, &room, 1).await;
    assert_eq!([now.head(), after.head(), oldest.head()], [tail; 3], "what came later is none of it");
    assert_eq!((offsets(&mut now), offsets(&mut after)), (vec![6], vec![4, 5, 6]));
    assert_eq!(offsets(&mut oldest), [3, 4, 5, 6], "the window of live readers is longer than the history");
}

#[tokio::test]
async fn a_position_that_history_does_not_cover_is_lost_as_a_whole() {
    let (hub, room) = (hub(retain(3)), topic("room:1"));
    let tail = publish(&hub, &room, 5).await;
    let past = Position { offset: 1, ..tail };
    let future = Position { offset: 6, ..tail };
    let elsewhere = Position { epoch: 99, ..tail };
    for position in [past, future, elsewhere] {
        let mut cursor = subscribe(&hub, &room, Start::After(position)).await;
        assert_eq!((cursor.outcome(), cursor.position()), (Outcome::Lost, tail));
        assert_eq!(cursor.read(ANY), None);
    }
    assert_eq!(subscribe(&hub, &room, Start::After(tail)).await.outcome(), Outcome::Recovered);
}

#[tokio::test]
async fn without_retention_live_readers_still_get_everything() {
    let (hub, room) = (hub(retain(0)), topic("room:1"));
    let mut reader = subscribe(&hub, &room, Start::Now).await;
    publish(&hub, &room, 100).await;
    let mut late = subscribe(&hub, &room, Start::Oldest).await;
    assert_eq!(late.read(ANY), None);
    assert_eq!(offsets(&mut reader), (1..=100).collect::<Vec<_>>());
    drop((reader, late));
    hub.sweep(0);
    assert_eq!(hub.usage().bytes, 0);
}

#[tokio::test]
async fn a_repeated_publish_is_answered_with_the_first_position() {
    let config =
        Config { retention: Retention { age: Duration::ZERO, ..Retention::default() }, ..Config::default() };
    let (hub, room) = (hub(config.clone()), topic("room:1"));
    let first = hub.publish(&room, with_id("a"), 0).await.unwrap();
    hub.publish(&room, with_id("b"), 0).await.unwrap();
    // Its event has expired and nobody reads: the topic still stays until the ids have expired as well.
    let age = millis(config.dedup.age);
    hub.sweep(age - 1);
    let again = hub.publish(&room, with_id("a"), age - 1).await.unwrap();
    assert_eq!((again.position, again.duplicate, first.duplicate), (first.position, true, false));
    let late = hub.publish(&room, with_id("a"), age).await.unwrap();
    assert_eq!((late.position.offset, late.duplicate), (3, false));
    assert_eq!((hub.usage().published, hub.usage().duplicates), (3, 1));
}

#[tokio::test]
async fn a_topic_that_was_dropped_comes_back_in_a_new_epoch() {
    let (hub, room) = (hub(Config::default()), topic("room:1"));
    let old = publish(&hub, &room, 2).await;
    let expiry = millis(Config::default().retention.age);
    hub.sweep(expiry - 1);
    assert_eq!(hub.usage().topics, 1);
    hub.sweep(expiry);
    assert_eq!((hub.usage().topics, hub.usage().dropped, hub.usage().bytes), (0, 1, 0));
    let returning = subscribe(&hub, &room, Start::After(old)).await;
    assert_eq!(returning.outcome(), Outcome::Lost);
    assert_eq!(returning.position(), Position::new(old.epoch + 1, 0));
}

#[tokio::test]
async fn a_topic_with_a_reader_is_not_dropped() {
    let (hub, room) = (hub(Config::default()), topic("room:1"));
    let mut reader = subscribe(&hub, &room, Start::Now).await;
    hub.sweep(u64::MAX);
    publish(&hub, &room, 1).await;
    assert_eq!(offsets(&mut reader), [1]);
    hub.sweep(u64::MAX);
    drop(reader);
    hub.sweep(u64::MAX);
    assert_eq!((hub.usage().topics, hub.usage().readers), (0, 0));
}

#[tokio::test]
async fn a_topic_that_is_held_goes_on_for_who_comes_back() {
    let (hub, room) = (hub(Config::default()), topic("room:1"));
    let reader = subscribe(&hub, &room, Start::Now).await;
    let (hold, left) = (reader.hold(), reader.position());
    drop(reader);
    hub.sweep(u64::MAX);
    let returning = subscribe(&hub, &room, Start::After(left)).await;
    assert_eq!((returning.outcome(), returning.position()), (Outcome::Recovered, left));
    drop((returning, hold));
    hub.sweep(u64::MAX);
    assert_eq!(hub.usage().topics, 0);
}

#[tokio::test]
async fn one_topic_too_many_is_refused_until_another_is_idle() {
    let hub = hub(Config { topics: 1, ..Config::default() });
    let reader = subscribe(&hub, &topic("a"), Start::Now).await;
    let refused = hub.subscribe(&topic("b"), Start::Now, Order::All, 5000).await;
    assert_eq!(refused.unwrap_err(), SubscribeError::TopicLimit);
    assert_eq!(hub.publish(&topic("b"), message(""), 5000).await, Err(PublishError::TopicLimit));
    drop(reader);
    // No sweep has been, but the last look for idle topics is long enough ago.
    assert!(hub.subscribe(&topic("b"), Start::Now, Order::All, 6000).await.is_ok());
}

#[tokio::test]
async fn time_does_not_go_back_within_a_topic() {
    let hub = dunlin_hub::Hub::new(Config::default(), |_, at, _| at.to_be_bytes().to_vec().into(), 1);
    let room = topic("room:1");
    let mut reader = subscribe(&hub, &room, Start::Now).await;
    for now in [20, 10, 30] {
        hub.publish(&room, message(""), now).await.unwrap();
    }
    let Some(Batch::Events(frames)) = reader.read(ANY) else { panic!("three events were published") };
    assert_eq!(frames.iter().map(offset).collect::<Vec<_>>(), [20, 20, 30]);
}

#[tokio::test]
async fn a_cursor_does_not_keep_the_hub() {
    let (hub, room) = (hub(Config::default()), topic("room:1"));
    let mut reader = subscribe(&hub, &room, Start::Now).await;
    publish(&hub, &room, 1).await;
    let gone = Arc::downgrade(&hub);
    drop(hub);
    assert!(gone.upgrade().is_none());
    assert_eq!(offsets(&mut reader), [1]);
}

#[tokio::test]
async fn what_comes_from_a_reader_passes_it_by() {
    let (hub, room) = (hub(retain(9)), topic("room:1"));
    let me = Origin(7);
    let mut mine = subscribe(&hub, &room, Start::Now).await.passing_by(me);
    let mut others = subscribe(&hub, &room, Start::Now).await;
    for origin in [Some(me), None, Some(Origin(8)), Some(me)] {
        hub.publish(&room, Message { origin, ..message("x") }, 0).await.unwrap();
    }
    assert_eq!((offsets(&mut mine), offsets(&mut others)), (vec![2, 3], vec![1, 2, 3, 4]));
    assert_eq!(mine.read(ANY), None, "its own last event is behind it");
    assert_eq!(mine.position(), others.position());
}

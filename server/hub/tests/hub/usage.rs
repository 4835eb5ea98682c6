//! What can be seen of the topics from outside.

use crate::common::*;
use dunlin_hub::{Config, Hub, Start, TopicUsage};

fn look(hub: &Hub, name: &str) -> TopicUsage {
    hub.survey().find(|seen| seen.name.as_str() == name).expect("the topic exists")
}

#[tokio::test]
async fn a_topic_is_seen_as_it_is() {
    let hub = hub(retain(2));
    let (room, other) = (topic("room:1"), topic("room:2"));
    let reader = subscribe(&hub, &other, Start::Now).await;
    let position = publish(&hub, &room, 3).await;
    let seen = look(&hub, "room:1");
    assert_eq!((seen.readers, seen.position, seen.events, seen.held), (0, position, 3, 2));
    assert_eq!(seen.bytes, hub.usage().bytes);
    assert_eq!((look(&hub, "room:2").readers, look(&hub, "room:2").events), (1, 0));
    assert_eq!((hub.readers(&room), hub.readers(&other)), (Some(0), Some(1)));
    drop(reader);
    assert_eq!((hub.readers(&other), hub.readers(&topic("room:3"))), (Some(0), None));
}

#[tokio::test]
async fn the_servers_own_topics_keep_little_and_are_not_counted() {
    let config = Config { reserved: retain(1).retention, ..retain(100) };
    let (hub, own, room) = (hub(config), topic("$server/stats"), topic("room:1"));
    publish(&hub, &own, 3).await;
    hub.publish(&room, message("four"), 0).await.unwrap();
    assert_eq!((look(&hub, "$server/stats").held, look(&hub, "$server/stats").events), (1, 3));
    assert_eq!((hub.usage().published, hub.usage().published_bytes), (1, 4));
}

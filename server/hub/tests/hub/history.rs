//! Looking into a topic's history without being a reader.

use crate::common::*;
use dunlin_hub::{Excerpt, Hub, Limit, Outcome, Start};
use dunlin_proto::{Position, Topic};

async fn look(hub: &Hub, topic: &Topic, start: Start, frames: usize) -> Option<Excerpt> {
    hub.history(topic, start, Limit { frames, ..ANY }, 0).await.unwrap()
}

fn read(excerpt: &Excerpt) -> Vec<u64> {
    excerpt.frames.iter().map(offset).collect()
}

#[tokio::test]
async fn a_look_makes_no_topic_and_leaves_no_reader() {
    let (hub, room) = (hub(retain(3)), topic("room:1"));
    assert_eq!(look(&hub, &room, Start::Oldest, 9).await, None);
    assert_eq!(hub.usage().topics, 0);
    publish(&hub, &room, 1).await;
    assert!(look(&hub, &room, Start::Oldest, 9).await.is_some());
    assert_eq!((hub.usage().readers, hub.readers(&room)), (0, Some(0)));
}

#[tokio::test]
async fn history_is_read_a_part_at_a_time() {
    let (hub, room) = (hub(retain(5)), topic("room:1"));
    let head = publish(&hub, &room, 7).await;
    let first = look(&hub, &room, Start::Oldest, 3).await.unwrap();
    assert_eq!((read(&first), first.position.offset, first.head), (vec![3, 4, 5], 2, head));
    let second = look(&hub, &room, Start::After(first.next), 3).await.unwrap();
    assert_eq!((second.outcome, read(&second), second.next), (Outcome::Recovered, vec![6, 7], head));
    let third = look(&hub, &room, Start::After(second.next), 3).await.unwrap();
    assert_eq!((third.outcome, read(&third), third.next), (Outcome::Recovered, vec![], head));
}

#[tokio::test]
async fn a_position_that_is_not_covered_is_lost() {
    let (hub, room) = (hub(retain(2)), topic("room:1"));
    let head = publish(&hub, &room, 5).await;
    for position in
        [Position { offset: 1, ..head }, Position { offset: 6, ..head }, Position { epoch: 9, ..head }]
    {
        let lost = look(&hub, &room, Start::After(position), 9).await.unwrap();
        assert_eq!((lost.outcome, read(&lost), lost.next, lost.head), (Outcome::Lost, vec![], head, head));
    }
}

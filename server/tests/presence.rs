//! Who is in a topic, as members see it: with the clock paused, so that lingering takes no time.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use bytes::Bytes;
use dunlin_proto::{
    Code,
    frame::{
        Refusal,
        channel::Join,
        presence::{Ask, Diff, Entry},
    },
};
use dunlin_server::{
    Config, Server,
    channel::{Channel, Context, Push},
    config::Sources,
    testing::{Client, Got, Member, World},
};
use std::{convert::Infallible, time::Duration};

/// A channel whose member says what is shown of it.
struct Shown;

impl Channel for Shown {
    type Info = Infallible;

    async fn join(&mut self, _: &Context, _: Option<Bytes>) -> Result<Bytes, Refusal> {
        Ok(Bytes::new())
    }

    async fn handle_in(&mut self, context: &Context, push: Push) -> Result<Bytes, Refusal> {
        match &*push.event {
            "track" => context.track("ada", push.payload)?,
            "update" => context.update("ada", push.payload)?,
            "untrack" => drop(context.untrack("ada")),
            _ => return Ok(format!("{:?}", context.occupancy()).into()),
        }
        Ok(Bytes::new())
    }
}

fn world(settings: &[(&str, &str)]) -> World {
    let mut sources = Sources::default();
    for (key, value) in settings {
        sources.flag(key, (*value).into());
    }
    let builder = Server::builder(Config::check(&sources).unwrap());
    World::start(builder.channel("shown:*".parse().unwrap(), || Shown))
}

async fn join(client: &Client, topic: &str, presence: Ask, params: Option<&'static str>) -> Member {
    let join = Join { presence, params: params.map(Bytes::from), ..Join::new(topic.parse().unwrap()) };
    client.try_join(join).await.unwrap()
}

/// The list that a member gets at first: key, data, away.
async fn list(member: &mut Member) -> Vec<Entry> {
    match member.next().await {
        Got::PresenceState(state) => state.list.unwrap(),
        other => panic!("expected a list, got {other:?}"),
    }
}

async fn diff(member: &mut Member) -> Diff {
    match member.next().await {
        Got::PresenceDiff(diff) => diff,
        other => panic!("expected a diff, got {other:?}"),
    }
}

/// How many, by the next frame that says so.
async fn counts(member: &mut Member) -> (u64, u64) {
    match member.next().await {
        Got::PresenceState(state) if state.list.is_none() => (state.head.keys, state.head.entries),
        other => panic!("expected counts, got {other:?}"),
    }
}

/// Reads until so many entries are there, whether a member's own one was told before or after its list.
async fn until(member: &mut Member, entries: u64) {
    loop {
        let head = match member.next().await {
            Got::PresenceState(state) => state.head,
            Got::PresenceDiff(diff) => diff.head,
            other => panic!("expected presence, got {other:?}"),
        };
        if head.entries == entries {
            return;
        }
    }
}

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn members_of_the_built_in_channel_see_each_other() {
    let world = world(&[]);
    let (ada, bob, eve) = (world.connect().await, world.connect().await, world.connect().await);
    let mut one = join(&ada, "room", Ask::Full, Some("phone")).await;
    until(&mut one, 1).await;
    let mut two = join(&bob, "room", Ask::Full, None).await;
    let there = list(&mut two).await;
    assert_eq!((&*there[0].key, &*there[0].data), (ada.session(), &b"phone"[..]));
    assert_eq!(&*diff(&mut one).await.joins[0].key, bob.session());
    // Who does not ask is not shown, and not told.
    let mut three = join(&eve, "room", Ask::None, None).await;
    three.nothing_within(LONG).await;
    two.leave().await;
    let gone = diff(&mut one).await;
    assert_eq!((&*gone.leaves[0].key, gone.head.keys, gone.head.entries), (bob.session(), 1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_channel_shows_what_it_likes_under_any_key() {
    let world = world(&[]);
    let (phone, laptop) = (world.connect().await, world.connect().await);
    let mut watching = join(&phone, "shown:1", Ask::Full, None).await;
    let mut other = join(&laptop, "shown:1", Ask::None, None).await;
    list(&mut watching).await;
    assert_eq!(other.push("update", "x").await.unwrap_err().code, Code::INTERNAL);
    watching.push("track", "phone").await.unwrap();
    diff(&mut watching).await;
    other.push("track", "laptop").await.unwrap();
    let two = diff(&mut watching).await;
    assert_eq!((two.head.keys, two.head.entries), (1, 2), "one user with two devices");
    other.push("update", "tablet").await.unwrap();
    assert_eq!(diff(&mut watching).await.updates[0].data, "tablet");
    assert_eq!(other.push("count", "").await.unwrap(), "Occupancy { keys: 1, entries: 2 }");
    other.push("untrack", "").await.unwrap();
    assert_eq!(diff(&mut watching).await.leaves.len(), 1);
    watching.nothing_within(LONG).await;
}

#[tokio::test(start_paused = true)]
async fn nobody_flickers_who_is_back_in_time() {
    let world = world(&[("session.linger", "2m")]);
    let (ada, bob) = (world.connect().await, world.connect().await);
    let mut watching = join(&ada, "room", Ask::Full, None).await;
    until(&mut watching, 1).await;
    let _phone = join(&bob, "room", Ask::Full, None).await;
    diff(&mut watching).await;
    bob.lose();
    watching.nothing_within(Duration::from_secs(110)).await;
    let bob = bob.come_back().await.unwrap();
    let mut again = join(&bob, "room", Ask::Full, None).await;
    assert_eq!(list(&mut again).await.len(), 2, "who comes back gets the list anew");
    watching.nothing_within(LONG).await;
    bob.lose();
    tokio::time::sleep(Duration::from_secs(110)).await;
    assert_eq!(diff(&mut watching).await.leaves.len(), 1, "once the session is over");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_paused_or_gone_for_long_is_away() {
    let world = world(&[("presence.away", "10s")]);
    let (ada, mut bob) = (world.connect().await, world.connect().await);
    let mut watching = join(&ada, "room", Ask::Full, None).await;
    until(&mut watching, 1).await;
    let _phone = join(&bob, "room", Ask::Full, None).await;
    diff(&mut watching).await;

    bob.pause().await;
    watching.nothing_within(Duration::from_secs(9)).await;
    assert!(diff(&mut watching).await.updates[0].away);
    bob.resume().await;
    assert!(!diff(&mut watching).await.updates[0].away);

    bob.lose();
    watching.nothing_within(Duration::from_secs(9)).await;
    assert!(diff(&mut watching).await.updates[0].away);
    let bob = bob.come_back().await.unwrap();
    let _phone = join(&bob, "room", Ask::Full, None).await;
    assert!(!diff(&mut watching).await.updates[0].away);
}

#[tokio::test(start_paused = true)]
async fn of_a_large_topic_the_counts_are_told() {
    let world = world(&[("presence.list", "2")]);
    let clients = [world.connect().await, world.connect().await, world.connect().await];
    let mut watching = join(&clients[0], "room", Ask::Full, None).await;
    until(&mut watching, 1).await;
    let mut second = join(&clients[1], "room", Ask::Counts, None).await;
    diff(&mut watching).await;
    let third = join(&clients[2], "room", Ask::Counts, None).await;
    assert_eq!(counts(&mut watching).await, (3, 3));
    // From 1 to 2 to 3, as far as it was told one after the other.
    while counts(&mut second).await != (3, 3) {}
    third.leave().await;
    assert_eq!(counts(&mut watching).await, (2, 2), "not far enough below the bound yet");
    second.leave().await;
    assert_eq!(list(&mut watching).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn no_more_is_told_than_the_configuration_allows() {
    let off = world(&[("presence.mode", "off")]);
    let ada = off.connect().await;
    join(&ada, "room", Ask::Full, None).await.nothing_within(LONG).await;
    let few = world(&[("presence.mode", "counts")]);
    let ada = few.connect().await;
    let mut room = join(&ada, "room", Ask::Full, None).await;
    while counts(&mut room).await != (1, 1) {}
}

#[tokio::test(start_paused = true)]
async fn what_is_beyond_the_bounds_is_refused_and_nobody_is_disturbed() {
    let world = world(&[("presence.data", "4B"), ("presence.entries", "1")]);
    let (ada, bob) = (world.connect().await, world.connect().await);
    let ask = |params: &'static str| Join {
        presence: Ask::Full,
        params: Some(params.into()),
        ..Join::new("room".parse().unwrap())
    };
    let refused = ada.try_join(ask("12345")).await.err().unwrap();
    assert_eq!(
        (refused.code, &*refused.message),
        (Code::ILLEGAL_VALUE, "an entry has at most 4 bytes of data, this one has 5")
    );
    let _one = ada.try_join(ask("1234")).await.unwrap();
    assert_eq!(bob.try_join(ask("")).await.err().unwrap().code, Code::REJECTED);
    bob.join("room").await.push("said", "without presence there is room").await.unwrap();
}

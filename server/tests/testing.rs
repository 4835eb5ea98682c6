//! What an application's own tests can see of its channels: with the clock paused, minutes take no time.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use bytes::Bytes;
use dunlin_proto::{
    Code,
    frame::{Refusal, channel::Join},
};
use dunlin_server::{
    Builder, Config, Server,
    channel::{Assigns, Channel, Connecting, Context, End, Push},
    config::Sources,
    testing::{Got, World},
};
use std::time::Duration;

/// Answers, tells the others, calls back after ten minutes, hangs and breaks, as it is told.
struct Room;

#[derive(Debug)]
struct Called;

impl Channel for Room {
    type Info = Called;

    async fn join(&mut self, context: &Context<Called>, params: Option<Bytes>) -> Result<Bytes, Refusal> {
        let name = context.assigns().get::<String>().ok_or(Refusal::new(Code::FORBIDDEN))?;
        if params.is_some() {
            return Err(Refusal::because(Code::REJECTED, "without parameters, please"));
        }
        Ok(format!("hello {name}").into())
    }

    async fn handle_in(&mut self, context: &Context<Called>, push: Push) -> Result<Bytes, Refusal> {
        match &*push.event {
            "say" => drop(context.broadcast_from(push).await?),
            "call" => drop(context.schedule(Duration::from_secs(600), Called)?),
            "hang" => std::future::pending().await,
            "refuse" => return Err(Refusal::because(Code::REJECTED, "no")),
            _ => panic!("as told"),
        }
        Ok("done".into())
    }

    async fn handle_info(&mut self, context: &Context<Called>, _: Called) -> Result<(), Refusal> {
        Ok(context.push("called", "")?)
    }
}

fn application() -> Builder {
    let mut sources = Sources::default();
    sources.flag("session.linger", "1m".into());
    let config = Config::check(&sources).unwrap();
    Server::builder(config).channel("room:*".parse().unwrap(), || Room).connect(
        |connecting: Connecting| async move {
            let name = connecting.token().map(str::to_owned);
            match name.as_deref() {
                Some("mallory") => Err(Refusal::because(Code::FORBIDDEN, "not you")),
                _ => Ok(name.into_iter().fold(Assigns::default(), Assigns::with)),
            }
        },
    )
}

fn called() -> Got {
    Got::Direct { event: "called".into(), payload: Bytes::new() }
}

#[tokio::test(start_paused = true)]
async fn joins_pushes_and_broadcasts() {
    let world = World::start(application());
    let ada = world.try_connect(Some("ada")).await.unwrap();
    let bob = world.try_connect(Some("bob")).await.unwrap();
    let (mut one, mut two) = (ada.join("room:1").await, bob.join("room:1").await);
    assert_eq!((&**one.reply(), &**two.reply()), (&b"hello ada"[..], &b"hello bob"[..]));
    assert_eq!(one.push("say", "hi").await, Ok("done".into()));
    assert_eq!(two.event().await, ("say".into(), "hi".into()));
    one.nothing_within(Duration::from_secs(1)).await;
    assert_eq!(one.push("refuse", "").await.unwrap_err().message, "no");
}

#[tokio::test(start_paused = true)]
async fn refusals_of_clients_and_joins() {
    let world = World::start(application());
    assert_eq!(world.try_connect(Some("mallory")).await.err().unwrap().message, "not you");
    let nobody = world.connect().await;
    let join = || Join::new("room:1".parse().unwrap());
    assert_eq!(nobody.try_join(join()).await.err().unwrap().code, Code::FORBIDDEN);
    let ada = world.try_connect(Some("ada")).await.unwrap();
    let refused = ada.try_join(Join { params: Some("x".into()), ..join() }).await.err().unwrap();
    assert_eq!(refused.code, Code::REJECTED);
}

#[tokio::test(start_paused = true)]
async fn ten_minutes_take_no_time() {
    let world = World::start(application());
    let ada = world.try_connect(Some("ada")).await.unwrap();
    let mut room = ada.join("room:1").await;
    room.push("call", "").await.unwrap();
    room.nothing_within(Duration::from_secs(599)).await;
    assert_eq!(room.next().await, called());
}

#[tokio::test(start_paused = true)]
async fn how_memberships_end() {
    let mut world = World::start(application());
    let ada = world.try_connect(Some("ada")).await.unwrap();
    ada.join("room:left").await.leave().await;
    let ended = world.ended().await;
    assert_eq!((ended.topic.as_str(), &*ended.session, ended.why), ("room:left", ada.session(), End::Left));

    let mut slow = ada.join("room:slow").await;
    assert_eq!(slow.push("hang", "").await.unwrap_err().code, Code::CHANNEL_OVERRUN);
    assert!(matches!(slow.next().await, Got::Closed(refusal) if refusal.code == Code::CHANNEL_OVERRUN));
    assert_eq!(world.ended().await.why, End::Overrun);

    let mut broken = ada.join("room:broken").await;
    assert_eq!(broken.push("break", "").await.unwrap_err().code, Code::CHANNEL_FAILED);
    assert_eq!(world.ended().await.why, End::Failed);

    let _room = ada.join("room:1").await;
    ada.goodbye().await;
    assert_eq!(world.ended().await.why, End::SessionEnded);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_comes_back_in_time_finds_its_channel_as_it_was() {
    let mut world = World::start(application());
    let ada = world.try_connect(Some("ada")).await.unwrap();
    let mut room = ada.join("room:1").await;
    room.push("call", "").await.unwrap();
    ada.lose();
    tokio::time::sleep(Duration::from_secs(59)).await;
    let ada = ada.come_back().await.unwrap();
    assert!(ada.is_resumed());
    let mut room = ada.join("room:1").await;
    assert_eq!(room.joined().applied, 1);
    room.nothing_within(Duration::from_secs(540)).await;
    assert_eq!(room.next().await, called());

    ada.lose();
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!(world.ended().await.why, End::Expired);
}

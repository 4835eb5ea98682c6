//! What an application's channels can do, seen by their clients over every transport.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use bytes::Bytes;
use dunlin_client::{Channel as Member, Client, Code, JoinOptions, Message};
use dunlin_proto::{
    Topic,
    frame::{
        Refusal,
        channel::{FromServer, Push},
    },
};
use dunlin_server::channel::{Assigns, Channel, Connecting, Context, End, Handle, News, Outgoing};
use dunlin_tests::{
    over_every_transport,
    raw::{Stream, close_code, greet, hello, join, joined},
    server::{Over, Running},
    soon,
};
use std::time::Duration;
use tokio::sync::mpsc;

over_every_transport!(
    what_the_application_says_reaches_one_member,
    a_broadcast_may_leave_its_sender_out,
    a_channel_hears_other_topics,
    a_channel_reminds_itself,
    a_slow_callback_ends_its_channel_alone_and_the_client_comes_back,
    a_full_mailbox_ends_its_channel_and_no_other,
    a_channel_that_breaks_at_a_message_ends_alone,
    a_channel_may_end_itself,
    the_application_decides_who_connects,
    a_session_is_reached_in_all_its_channels_and_ended,
    what_is_sent_while_the_member_is_away_waits_for_it,
);

/// Says what reaches it, and does as it is told.
struct Desk {
    ends: mpsc::UnboundedSender<End>,
    /// Who wants to be able to send here.
    handles: mpsc::UnboundedSender<Handle<Info>>,
}

/// What these tests send to a channel.
enum Info {
    Say(&'static str),
    Heard(News),
    Break,
    Close,
    /// Waits for ever.
    Hang,
}

struct User(String);

impl Channel for Desk {
    type Info = Info;

    async fn join(&mut self, context: &Context<Info>, _: Option<Bytes>) -> Result<Bytes, Refusal> {
        self.handles.send(context.handle()).unwrap();
        let user = context.assigns().get::<User>().map(|user| user.0.clone());
        Ok(user.unwrap_or_default().into())
    }

    async fn handle_in(&mut self, context: &Context<Info>, push: Push) -> Result<Bytes, Refusal> {
        match &*push.event {
            "tell others" => drop(context.broadcast_from(push).await?),
            "announce" => drop(context.broadcast(Outgoing::new("announced", push.payload)).await?),
            "listen" => context.subscribe(&topic("news"), Info::Heard).await?,
            "remind" => drop(context.schedule(Duration::from_millis(10), Info::Say("reminded"))?),
            "everywhere" => context.session().push("everywhere", push.payload)?,
            "end" => context.session().end(&Refusal::because(Code::FORBIDDEN, "as told")),
            "hang" => std::future::pending().await,
            other => panic!("{other}, as told"),
        }
        Ok(Bytes::new())
    }

    async fn handle_info(&mut self, context: &Context<Info>, info: Info) -> Result<(), Refusal> {
        match info {
            Info::Say(word) => context.push("said", word)?,
            Info::Heard(News::Event(event)) => context.push("heard", event.payload)?,
            Info::Heard(other) => panic!("{other:?}"),
            Info::Break => panic!("as told"),
            Info::Close => return Err(Refusal::because(Code::REJECTED, "enough")),
            Info::Hang => std::future::pending().await,
        }
        Ok(())
    }

    async fn terminate(self, _: &Context<Info>, why: End) {
        self.ends.send(why).unwrap();
    }
}

fn topic(name: &str) -> Topic {
    name.parse().unwrap()
}

struct World {
    server: Running,
    ends: mpsc::UnboundedReceiver<End>,
    handles: mpsc::UnboundedReceiver<Handle<Info>>,
}

impl World {
    async fn start(over: Over, settings: &[(&str, &str)]) -> Self {
        let (end, ends) = mpsc::unbounded_channel();
        let (handle, handles) = mpsc::unbounded_channel();
        let desk = move || Desk { ends: end.clone(), handles: handle.clone() };
        let server = Running::start_with(over, settings, |builder| {
            builder.channel("desk:*".parse().unwrap(), desk).connect(|connecting: Connecting| async move {
                match connecting.token() {
                    Some("nobody") => Err(Refusal::because(Code::TOKEN_EXPIRED, "not with this token")),
                    name => Ok(Assigns::default().with(User(name.unwrap_or("anybody").into()))),
                }
            })
        });
        Self { server: server.await, ends, handles }
    }

    async fn handle(&mut self) -> Handle<Info> {
        soon("a handle", self.handles.recv()).await.unwrap()
    }

    async fn end(&mut self) -> End {
        soon("an end", self.ends.recv()).await.unwrap()
    }
}

async fn member(client: &Client, topic: &str) -> Member {
    soon("a join", client.join(topic, JoinOptions::default())).await.unwrap()
}

/// The next message that is no join.
async fn next(member: &mut Member) -> (String, Bytes) {
    loop {
        match soon("a message", member.next()).await {
            Some(Message::Direct { event, payload }) => return (event.into(), payload),
            Some(Message::Event(event)) => return (event.event.into(), event.payload),
            Some(Message::Joined(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

/// Waits until the member has joined again.
async fn back(member: &mut Member) {
    loop {
        match soon("the next join", member.next()).await {
            Some(Message::Joined(joined)) if joined.again => return,
            Some(_) => {}
            None => panic!("{:?}", member.closed()),
        }
    }
}

fn is(event: &str, payload: &'static str) -> (String, Bytes) {
    (event.into(), payload.into())
}

async fn what_the_application_says_reaches_one_member(over: Over) {
    let mut world = World::start(over, &[]).await;
    let client = world.server.client().await;
    let (mut one, mut two) = (member(&client, "desk:1").await, member(&client, "desk:2").await);
    let (to_one, to_two) = (world.handle().await, world.handle().await);
    to_one.send(Info::Say("one")).unwrap();
    to_two.send(Info::Say("two")).unwrap();
    assert_eq!((next(&mut one).await, next(&mut two).await), (is("said", "one"), is("said", "two")));
    one.leave().await;
    assert_eq!((world.end().await, to_one.is_ended()), (End::Left, true));
}

async fn a_broadcast_may_leave_its_sender_out(over: Over) {
    let world = World::start(over, &[]).await;
    let (ada, bob) = (world.server.client().await, world.server.client().await);
    let (mut sender, mut other) = (member(&ada, "desk:1").await, member(&bob, "desk:1").await);
    sender.push("tell others", "psst").await.unwrap();
    sender.push("announce", "all").await.unwrap();
    assert_eq!(next(&mut sender).await, is("announced", "all"));
    assert_eq!(next(&mut other).await, is("tell others", "psst"));
    assert_eq!(next(&mut other).await, is("announced", "all"));
}

async fn a_channel_hears_other_topics(over: Over) {
    let world = World::start(over, &[]).await;
    let client = world.server.client().await;
    let (mut desk, news) = (member(&client, "desk:1").await, member(&client, "news").await);
    desk.push("listen", "").await.unwrap();
    for word in ["first", "second"] {
        news.push("any", word).await.unwrap();
        assert_eq!(next(&mut desk).await, is("heard", word));
    }
}

async fn a_channel_reminds_itself(over: Over) {
    let world = World::start(over, &[]).await;
    let client = world.server.client().await;
    let mut desk = member(&client, "desk:1").await;
    desk.push("remind", "").await.unwrap();
    assert_eq!(next(&mut desk).await, is("said", "reminded"));
}

async fn a_slow_callback_ends_its_channel_alone_and_the_client_comes_back(over: Over) {
    let mut world = World::start(over, &[("channels.timeout", "50ms")]).await;
    let client = world.server.client().await;
    let (mut slow, mut sound) = (member(&client, "desk:1").await, member(&client, "desk:2").await);
    let refused = soon("a reply", slow.push("hang", "")).await.unwrap_err();
    assert!(refused.to_string().contains("CHANNEL_OVERRUN"), "{refused}");
    back(&mut slow).await;
    assert_eq!(world.end().await, End::Overrun);
    sound.push("announce", "sound").await.unwrap();
    assert_eq!(next(&mut sound).await, is("announced", "sound"));
    assert!(world.server.counter("dunlin_channel_overruns_total", "slow").await.unwrap() >= 1.0);
}

async fn a_full_mailbox_ends_its_channel_and_no_other(over: Over) {
    let mut world = World::start(over, &[("channels.mailbox", "4")]).await;
    let connection = world.server.dial().await;
    let (_control, _) = greet(&connection, hello()).await;
    let (mut stream, _) = joined(&connection, join("desk:1")).await;
    let handle = world.handle().await;
    while handle.send(Info::Hang).is_ok() {}
    assert_eq!(closed(&mut stream).await, Code::CHANNEL_OVERRUN);
    assert_eq!(world.end().await, End::Overrun);
    let (_other, _) = joined(&connection, join("desk:1")).await;
    assert!(world.server.counter("dunlin_channel_overruns_total", "mailbox").await.unwrap() >= 1.0);
}

async fn a_channel_that_breaks_at_a_message_ends_alone(over: Over) {
    let mut world = World::start(over, &[]).await;
    let client = world.server.client().await;
    let mut desk = member(&client, "desk:1").await;
    world.handle().await.send(Info::Break).unwrap();
    back(&mut desk).await;
    assert_eq!(world.end().await, End::Failed);
}

async fn a_channel_may_end_itself(over: Over) {
    let mut world = World::start(over, &[]).await;
    let client = world.server.client().await;
    let mut desk = member(&client, "desk:1").await;
    world.handle().await.send(Info::Close).unwrap();
    while soon("the end", desk.next()).await.is_some() {}
    let closed = desk.closed().unwrap();
    assert_eq!((closed.code, &*closed.message), (Some(Code::REJECTED), "enough"));
    assert_eq!(world.end().await, End::Closed);
}

async fn the_application_decides_who_connects(over: Over) {
    let world = World::start(over, &[]).await;
    let ada = world.server.builder().token("ada").connect().await.unwrap();
    assert_eq!(member(&ada, "desk:1").await.reply(), "ada");
    let connection = world.server.dial().await;
    let mut control = Stream::open(&connection).await;
    let nobody = dunlin_proto::frame::control::Hello { token: Some("nobody".into()), ..hello() };
    control.send(dunlin_proto::frame::control::FromClient::Hello(nobody).encode()).await;
    assert_eq!(close_code(&connection).await, Code::TOKEN_EXPIRED.0);
}

async fn a_session_is_reached_in_all_its_channels_and_ended(over: Over) {
    let mut world = World::start(over, &[]).await;
    let connection = world.server.dial().await;
    let (_control, welcome) = greet(&connection, hello()).await;
    let (mut one, _) = joined(&connection, join("desk:1")).await;
    let (mut two, _) = joined(&connection, join("plain")).await;
    one.send(named(1, "everywhere", "hi")).await;
    for stream in [&mut one, &mut two] {
        assert_eq!(direct(stream).await, is("everywhere", "hi"));
    }
    one.send(named(2, "end", "")).await;
    assert_eq!(close_code(&connection).await, Code::FORBIDDEN.0);
    assert_eq!(world.end().await, End::SessionEnded);
    let resume = dunlin_proto::frame::control::Hello { resume: Some(welcome.resume), ..hello() };
    let (_control, welcome) = greet(&world.server.dial().await, resume).await;
    assert!(!welcome.resumed, "it is over");
}

async fn what_is_sent_while_the_member_is_away_waits_for_it(over: Over) {
    let mut world = World::start(over, &[]).await;
    let connection = world.server.dial().await;
    let (_control, welcome) = greet(&connection, hello()).await;
    let (_stream, _) = joined(&connection, join("desk:1")).await;
    let handle = world.handle().await;
    connection.close(Code::GOING_AWAY.0, "away");
    let resume = dunlin_proto::frame::control::Hello { resume: Some(welcome.resume), ..hello() };
    let connection = world.server.dial().await;
    let (_control, welcome) = greet(&connection, resume).await;
    assert!(welcome.resumed);
    // It has no stream now.
    handle.send(Info::Say("hello again")).unwrap();
    let (mut stream, _) = joined(&connection, join("desk:1")).await;
    assert_eq!(direct(&mut stream).await, is("said", "hello again"));
}

fn named(reference: u64, event: &str, payload: &'static str) -> Bytes {
    let push = Push { reference, event: event.into(), payload: payload.into(), key: None };
    dunlin_proto::frame::channel::FromClient::Push(push).encode()
}

async fn direct(stream: &mut Stream) -> (String, Bytes) {
    loop {
        match stream.channel().await {
            Some(FromServer::Direct { event, payload }) => return (event.into(), payload),
            Some(_) => {}
            None => panic!("the stream has ended"),
        }
    }
}

async fn closed(stream: &mut Stream) -> Code {
    loop {
        match stream.channel().await {
            Some(FromServer::Closed(refusal)) => return refusal.code,
            Some(_) => {}
            None => panic!("the stream has ended without a word"),
        }
    }
}

//! Sessions that move to another connection while the one they leave is still being read.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use super::{
    Carrier, Shared,
    flag::Flag,
    registry::{Opened, Registry},
};
use crate::{
    admission::Admission,
    auth::{Pass, Revoke},
    channel::{Channel, Context, End, PubSub, membership::Attach, presence::ENCODE, router::Router},
    config,
    frames::{Frames, Room},
    guard::Access,
    rates::Rates,
    tally::Tally,
};
use bytes::Bytes;
use dunlin_hub::{Hub, Message};
use dunlin_proto::{
    Code, Decoder, Limits, Position,
    frame::{
        Refusal,
        channel::{FromClient, FromServer, Join, Joined, Push, encode_event},
        control::Hello,
    },
};
use dunlin_transport::{Connection, RecvStream, SendStream, pair};
use std::{sync::Arc, time::Duration};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

const LIMIT: usize = 64 * 1024;

/// A registry with what its sessions share, and nobody who reads their connections but the test.
struct World {
    shared: Shared,
    registry: Registry,
    admission: Arc<Admission>,
}

/// A session on one connection, seen from both ends.
struct Line {
    opened: Opened,
    client: Connection,
    server: Connection,
    paused: Arc<Flag>,
}

/// A channel's stream at the client.
struct Stream {
    send: SendStream,
    recv: RecvStream,
    decoder: Decoder,
}

impl World {
    fn new(channels: impl FnOnce(&mut Router)) -> Self {
        let bounds = config::Session {
            linger: Duration::from_secs(60),
            parked: 10,
            total: 10,
            per_address: 10,
            limits: Limits::default(),
            deadline: Duration::from_secs(10),
        };
        let encode = |position: Position, at, message: &Message| {
            encode_event(position.offset, at, &message.event, &message.payload, message.key.as_deref())
        };
        let hub = Hub::new(dunlin_hub::Config::default(), encode, 1);
        let driven = hub.clone();
        tokio::spawn(async move { driven.drive().await });
        let mut router = Router::default();
        channels(&mut router);
        let tally = Arc::<Tally>::default();
        let rates = Arc::new(Rates::new(config::Rates::default(), &config::Namespaces::default()));
        let memberships = TaskTracker::new();
        let registry = Registry::new(bounds, tally.clone(), rates.clone());
        let channels = config::Channels { timeout: Duration::from_secs(10), mailbox: 256 };
        let bounds_of_presence = dunlin_hub::presence::Config::default();
        let presence = dunlin_hub::Presence::new(bounds_of_presence, ENCODE, 1);
        let shows = config::Presence { mode: config::Mode::Off, away: None, bounds: bounds_of_presence };
        let admission = Admission::new(bounds.total, bounds.per_address);
        Self {
            shared: Shared {
                hub,
                router,
                bounds,
                channels,
                namespaces: Arc::default(),
                presence,
                shows,
                tally,
                rates,
                memberships,
                witness: None,
            },
            registry,
            admission,
        }
    }

    /// A connection whose client says hello; with the ticket of another line, it resumes.
    fn connect(&self, resume: Option<&Line>, access: Access) -> Line {
        let (client, server) = pair();
        let resume = resume.map(|line| Bytes::copy_from_slice(&line.opened.session.ticket));
        let hello = Hello { versions: vec![1], agent: "test".into(), client: [7; 16], resume, token: None };
        let permit = self.admission.admit(server.remote_address().ip()).unwrap();
        let opened =
            self.registry.open(&hello, Carrier::new(server.clone(), permit), access, Pass::everybody());
        Line { opened, client, server, paused: Arc::default() }
    }

    async fn join(&self, line: &Line) -> (Stream, Joined) {
        let (mut stream, attach) = line.ask("room").await;
        line.opened.session.attach(&self.shared, attach).await;
        match stream.next().await {
            Some(FromServer::Joined(joined)) => (stream, joined),
            other => panic!("expected Joined, got {other:?}"),
        }
    }
}

impl Line {
    /// A join that has been sent and read, and not handed to a membership yet.
    async fn ask(&self, topic: &str) -> (Stream, Box<Attach>) {
        let join = Join::new(topic.parse().unwrap());
        let (mut send, recv) = self.client.open_bi().await.unwrap();
        send.write(FromClient::Join(join.clone()).encode()).await.unwrap();
        let (back, up) = self.server.accept_bi().await.unwrap();
        let mut frames = Frames::new(up, LIMIT, Duration::from_secs(10), Room::for_frames(LIMIT));
        frames.first().await.unwrap().unwrap();
        let generation = self.opened.generation.clone();
        let attach = Attach {
            join,
            send: back,
            frames,
            connection: self.server.clone(),
            generation,
            paused: self.paused.clone(),
        };
        (Stream { send, recv, decoder: Decoder::new(LIMIT) }, Box::new(attach))
    }
}

impl Stream {
    async fn push(&mut self, reference: u64) {
        let push = Push { reference, event: "e".into(), payload: Bytes::new(), key: None };
        self.send.write(FromClient::Push(push).encode()).await.unwrap();
    }

    async fn next(&mut self) -> Option<FromServer> {
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                return Some(FromServer::decode(&frame).unwrap());
            }
            self.decoder.push(self.recv.read(LIMIT).await.ok()??);
        }
    }
}

#[tokio::test]
async fn a_join_read_on_a_connection_that_was_left_does_not_take_the_membership_back() {
    let world = World::new(|router| router.add("*".parse().unwrap(), || PubSub));
    let old = world.connect(None, Access::Off);
    let (_stale, attach) = old.ask("room").await;
    let new = world.connect(Some(&old), Access::Off);
    assert!(new.opened.resumed);
    let (mut stream, _) = world.join(&new).await;

    old.opened.session.attach(&world.shared, attach).await;
    assert_eq!(world.shared.tally.refusals()[Code::SESSION_MOVED.name()], 1);
    stream.push(1).await;
    let mut heard = [stream.next().await.unwrap(), stream.next().await.unwrap()];
    heard.sort_by_key(|frame| matches!(frame, FromServer::Event(_)));
    assert!(matches!(heard, [FromServer::Reply { code: Code::OK, .. }, FromServer::Event(_)]), "{heard:?}");
}

#[tokio::test]
async fn a_join_read_on_a_connection_that_was_left_begins_no_membership() {
    let world = World::new(|router| router.add("*".parse().unwrap(), || PubSub));
    let old = world.connect(None, Access::Off);
    let (_stale, attach) = old.ask("room").await;
    let new = world.connect(Some(&old), Access::Off);
    old.opened.session.attach(&world.shared, attach).await;
    assert_eq!((new.opened.session.channels(), world.shared.memberships.len()), (0, 0));
}

/// Tells of its beginning, its pushes and its end.
struct Tell(mpsc::UnboundedSender<&'static str>);

impl Channel for Tell {
    type Info = std::convert::Infallible;

    async fn join(&mut self, _: &Context, _: Option<Bytes>) -> Result<Bytes, Refusal> {
        self.0.send("joined").unwrap();
        Ok(Bytes::new())
    }

    async fn handle_in(&mut self, _: &Context, _: Push) -> Result<Bytes, Refusal> {
        self.0.send("pushed").unwrap();
        Ok(Bytes::new())
    }

    async fn terminate(self, _: &Context, _: End) {
        self.0.send("ended").unwrap();
    }
}

#[tokio::test]
async fn what_a_connection_that_was_left_still_brings_is_lost() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let world = World::new(|router| router.add("*".parse().unwrap(), move || Tell(tell.clone())));
    let old = world.connect(None, Access::Off);
    let (mut stream, _) = world.join(&old).await;
    // Both arrive before the session moves, and are read after: nothing else runs between here and there.
    stream.push(1).await;
    stream.send.finish();
    let new = world.connect(Some(&old), Access::Off);

    let (mut stream, joined) = world.join(&new).await;
    assert_eq!(joined.applied, 0);
    stream.push(1).await;
    assert!(matches!(stream.next().await, Some(FromServer::Reply { reference: 1, code: Code::OK, .. })));
    drop(world.registry);
    drop((old, new));
    assert_eq!(
        [told.recv().await, told.recv().await, told.recv().await],
        ["joined", "pushed", "ended"].map(Some)
    );
}

#[tokio::test]
async fn a_connection_that_was_left_changes_nothing_about_the_session() {
    let world = World::new(|_| {});
    let old = world.connect(None, Access::Off);
    let new = world.connect(Some(&old), Access::TokenRequired);
    let session = &new.opened.session;
    let now = std::time::Instant::now();

    session.allow(&old.opened.generation, Access::Granted, Pass::everybody());
    world.registry.park(session, &old.opened.generation, now);
    world.registry.close(session, &old.opened.generation, now);
    assert_eq!(session.state().access, Access::TokenRequired);
    assert!(!session.whereabouts().is_parked);
    assert!(world.connect(Some(&new), Access::Off).opened.resumed, "the session is still there");
}

#[tokio::test]
async fn a_session_that_waits_for_its_client_is_revoked_too() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let world = World::new(|router| router.add("*".parse().unwrap(), move || Tell(tell.clone())));
    let line = world.connect(None, Access::Off);
    let (_stream, _) = world.join(&line).await;
    let session = line.opened.session.clone();
    world.registry.park(&session, &line.opened.generation, std::time::Instant::now());

    assert_eq!(world.registry.revoke(&Revoke::User("nobody".into())), 0);
    assert_eq!(world.registry.revoke(&Revoke::Session(session.name.to_string())), 1);
    assert_eq!([told.recv().await, told.recv().await], ["joined", "ended"].map(Some));
    assert!(!world.connect(Some(&line), Access::Off).opened.resumed);
}

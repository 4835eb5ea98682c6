//! Sessions that go on elsewhere while the place they leave is still alive.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use bytes::Bytes;
use dunlin_proto::{
    Code, Pattern,
    frame::{
        Refusal,
        channel::{self, FromServer, Push, Start},
        control,
    },
};
use dunlin_server::channel::{Channel, Context, End};
use dunlin_tests::{
    over_every_transport,
    raw::{Stream, close_code, greet, hello, join, joined, push},
    server::{Over, Running},
    soon,
};
use tokio::sync::mpsc;

over_every_transport!(a_session_that_moves_while_its_connection_lives_is_one_member_all_along);

/// What a member's channel is told of its life.
#[derive(Debug, PartialEq, Eq)]
enum Life {
    Joined,
    Ended(End),
}

/// Publishes what is pushed, and tells of its life.
struct Watched(mpsc::UnboundedSender<Life>);

impl Channel for Watched {
    type Info = std::convert::Infallible;

    async fn join(&mut self, _: &Context, _: Option<Bytes>) -> Result<Bytes, Refusal> {
        self.0.send(Life::Joined).unwrap();
        Ok(Bytes::new())
    }

    async fn handle_in(&mut self, context: &Context, push: Push) -> Result<Bytes, Refusal> {
        context.broadcast(push).await.map_err(|_| Refusal::new(Code::UNAVAILABLE))?;
        Ok(Bytes::new())
    }

    async fn terminate(self, _: &Context, why: End) {
        self.0.send(Life::Ended(why)).unwrap();
    }
}

/// The next event's offset.
async fn event(stream: &mut Stream) -> u64 {
    loop {
        match stream.channel().await.expect("the stream is open") {
            FromServer::Event(event) => return event.offset,
            FromServer::Reply { code, .. } => assert_eq!(code, Code::OK),
            other => panic!("expected Event, got {other:?}"),
        }
    }
}

async fn a_session_that_moves_while_its_connection_lives_is_one_member_all_along(over: Over) {
    const MOVES: u64 = 5;
    let (tell, mut told) = mpsc::unbounded_channel();
    let lives: Pattern = "life/*".parse().unwrap();
    let server = Running::start_with(over, &[], |b| b.channel(lives, move || Watched(tell.clone()))).await;

    let mut connection = server.dial().await;
    let (mut control, mut welcome) = greet(&connection, hello()).await;
    let (mut stream, accepted) = joined(&connection, join("life/1")).await;
    let mut position = accepted.position;
    for turn in 1..=MOVES {
        // Two pushes are on their way while the session goes on elsewhere: some applied before, the others after, all once.
        stream.send(push(2 * turn - 1, "x")).await.send(push(2 * turn, "x")).await;
        let next = server.dial().await;
        let resume = control::Hello { resume: Some(welcome.resume), ..hello() };
        let (next_control, again) = greet(&next, resume).await;
        assert!(again.resumed && again.session == welcome.session);
        assert_eq!(close_code(&connection).await, Code::SESSION_MOVED.0);
        let since = channel::Join { since: Some(position), ..join("life/1") };
        let (next_stream, accepted) = joined(&next, since).await;
        assert_eq!((accepted.start, accepted.position), (Start::Recovered, position));
        (connection, control, welcome, stream) = (next, next_control, again, next_stream);
        for reference in 2 * turn - 1..=2 * turn {
            stream.send(push(reference, "x")).await;
        }
        for offset in 2 * turn - 1..=2 * turn {
            assert_eq!(event(&mut stream).await, offset);
            position.offset = offset;
        }
    }
    control.send(control::FromClient::Goodbye { code: Code::OK, message: "done".into() }.encode()).await;
    let life = [soon("a life", told.recv()).await, soon("its end", told.recv()).await];
    assert_eq!(life, [Life::Joined, Life::Ended(End::SessionEnded)].map(Some));
}

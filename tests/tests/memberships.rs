//! How memberships begin and end when channels, clients or the server misbehave, over every transport.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use bytes::Bytes;
use dunlin_proto::{
    Code, Pattern,
    frame::{
        Refusal,
        channel::{self, Delivery, FromServer, Push},
    },
};
use dunlin_server::channel::{Channel, Context, End};
use dunlin_tests::{
    over_every_transport,
    raw::{Stream, greet, hello, join, joined, push},
    server::{Over, Running},
    soon,
};
use dunlin_transport::Connection;
use std::sync::Arc;
use tokio::sync::{Notify, mpsc};

over_every_transport!(
    a_panic_in_a_join_is_a_refusal,
    a_panic_where_channels_are_made_is_a_refusal,
    a_join_that_finds_no_topic_leaves_nothing_behind,
    joins_that_wait_behind_a_refused_one_are_answered,
    a_stream_whose_replies_are_not_read_can_be_replaced,
    a_stream_that_is_stopped_is_left_though_nothing_is_written,
    channels_hear_of_the_end_when_the_server_ends,
);

/// What a channel of these tests does.
#[derive(Clone)]
enum Does {
    /// Panics when asked to join.
    Panic,
    /// Refuses when it is told to go on.
    Refuse(Arc<Notify>),
    /// Gives answers as long as these.
    Answer(Bytes),
    /// Tells of its end.
    Tell(mpsc::UnboundedSender<End>),
}

impl Channel for Does {
    type Info = std::convert::Infallible;

    async fn join(&mut self, _: &Context, _: Option<Bytes>) -> Result<Bytes, Refusal> {
        match self {
            Self::Panic => panic!("as told"),
            Self::Refuse(go_on) => {
                go_on.notified().await;
                Err(Refusal::new(Code::REJECTED))
            }
            Self::Answer(_) | Self::Tell(_) => Ok(Bytes::new()),
        }
    }

    async fn handle_in(&mut self, _: &Context, _: Push) -> Result<Bytes, Refusal> {
        match self {
            Self::Answer(answer) => Ok(answer.clone()),
            _ => Ok(Bytes::new()),
        }
    }

    async fn terminate(self, _: &Context, why: End) {
        if let Self::Tell(ends) = self {
            ends.send(why).unwrap();
        }
    }
}

/// A server whose topics that begin with `odd` have channels of the test's own.
async fn server(over: Over, new: impl Fn() -> Does + Send + Sync + 'static) -> Running {
    let odd: Pattern = "odd/*".parse().unwrap();
    Running::start_with(over, &[], |builder| builder.channel(odd, new)).await
}

async fn asked(connection: &Connection, topic: &str) -> Stream {
    let mut stream = Stream::open(connection).await;
    stream.send(channel::FromClient::Join(join(topic)).encode()).await;
    stream
}

async fn refused(stream: &mut Stream) -> Code {
    match stream.channel().await {
        Some(FromServer::Refused(refusal)) => refusal.code,
        other => panic!("expected Refused, got {other:?}"),
    }
}

async fn a_panic_in_a_join_is_a_refusal(over: Over) {
    let server = server(over, || Does::Panic).await;
    let connection = server.dial().await;
    let (_control, _) = greet(&connection, hello()).await;
    assert_eq!(refused(&mut asked(&connection, "odd/1").await).await, Code::CHANNEL_FAILED);
    joined(&connection, join("even")).await;
}

async fn a_panic_where_channels_are_made_is_a_refusal(over: Over) {
    let server = server(over, || panic!("as told")).await;
    let connection = server.dial().await;
    let (_control, _) = greet(&connection, hello()).await;
    assert_eq!(refused(&mut asked(&connection, "odd/1").await).await, Code::CHANNEL_FAILED);
    joined(&connection, join("even")).await;
}

async fn a_join_that_finds_no_topic_leaves_nothing_behind(over: Over) {
    let server = Running::start(over, &[("history.topics", "1"), ("limits.channels", "1")]).await;
    let (one, two) = (server.dial().await, server.dial().await);
    let (_c1, _) = greet(&one, hello()).await;
    let (_c2, _) = greet(&two, hello()).await;
    let _taken = joined(&one, join("a")).await;
    assert_eq!(refused(&mut asked(&two, "b").await).await, Code::TOPIC_LIMIT);
    // The one channel that the session may have is still to be had.
    joined(&two, join("a")).await;
}

async fn joins_that_wait_behind_a_refused_one_are_answered(over: Over) {
    let go_on = Arc::new(Notify::new());
    let told = go_on.clone();
    let server = server(over, move || Does::Refuse(told.clone())).await;
    let connection = server.dial().await;
    let (_control, _) = greet(&connection, hello()).await;
    let mut first = asked(&connection, "odd/1").await;
    let mut second = asked(&connection, "odd/1").await;
    // An answer to a later join shows that these have been read.
    joined(&connection, join("even")).await;
    go_on.notify_one();
    assert_eq!(refused(&mut first).await, Code::REJECTED);
    assert_eq!(refused(&mut second).await, Code::UNAVAILABLE);
}

async fn a_stream_whose_replies_are_not_read_can_be_replaced(over: Over) {
    let server = server(over, || Does::Answer(vec![0; 512 * 1024].into())).await;
    let connection = server.dial().await;
    let (_control, _) = greet(&connection, hello()).await;
    let silent = channel::Join { delivery: Some(Delivery::None), ..join("odd/1") };
    let (mut unread, _) = joined(&connection, silent.clone()).await;
    for n in 1..=64 {
        unread.send(push(n, "x")).await;
    }
    joined(&connection, silent).await;
}

async fn a_stream_that_is_stopped_is_left_though_nothing_is_written(over: Over) {
    let (ends, mut ended) = mpsc::unbounded_channel();
    let server = server(over, move || Does::Tell(ends.clone())).await;
    let connection = server.dial().await;
    let (_control, _) = greet(&connection, hello()).await;
    let (mut stream, _) = joined(&connection, join("odd/1")).await;
    stream.recv.stop(0);
    assert_eq!(soon("the channel's end", ended.recv()).await, Some(End::Left));
}

async fn channels_hear_of_the_end_when_the_server_ends(over: Over) {
    let (ends, mut ended) = mpsc::unbounded_channel();
    let server = server(over, move || Does::Tell(ends.clone())).await;
    let (here, away) = (server.dial().await, server.dial().await);
    let (_c1, _) = greet(&here, hello()).await;
    let (_c2, _) = greet(&away, hello()).await;
    let _present = joined(&here, join("odd/1")).await;
    let _parked = joined(&away, join("odd/1")).await;
    away.close(77, "lost, for all the server knows");
    soon("the shutdown", server.shut_down()).await;
    assert_eq!((ended.try_recv(), ended.try_recv()), (Ok(End::SessionEnded), Ok(End::SessionEnded)));
}

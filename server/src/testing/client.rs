//! A client of a test.

use super::{Inner, Member, member::Stream, soon};
use bytes::Bytes;
use dunlin_proto::{
    Code, Topic,
    frame::{
        Refusal,
        channel::Join,
        control::{ClientId, FromClient, FromServer, Hello, Welcome},
    },
};
use dunlin_transport::{Connection, ConnectionError};
use std::sync::Arc;

/// A connected client, which keeps its session until it says [goodbye](Client::goodbye). Dropping it loses the connection.
pub struct Client {
    world: Arc<Inner>,
    connection: Connection,
    control: Stream,
    welcome: Welcome,
    hello: Hello,
}

impl Client {
    pub(super) async fn connect(world: Arc<Inner>, token: Option<&str>) -> Result<Self, Refusal> {
        let client: ClientId = rand::random();
        let token = token.map(Into::into);
        let hello = Hello { versions: vec![1], agent: "testing".into(), client, resume: None, token };
        Self::greet(world, hello).await
    }

    async fn greet(world: Arc<Inner>, hello: Hello) -> Result<Self, Refusal> {
        let connection = world.dial()?;
        let mut control = Stream::open(&connection, FromClient::Hello(hello.clone()).encode()).await;
        let answer = soon("a welcome", control.frame()).await;
        match answer.map(|frame| FromServer::decode(&frame).expect("the server writes legal frames")) {
            Some(FromServer::Welcome(welcome)) => Ok(Self { world, connection, control, welcome, hello }),
            Some(FromServer::Refused(refusal)) => Err(refusal),
            other => panic!("expected Welcome, got {other:?}"),
        }
    }

    /// The public name of its session.
    #[must_use]
    pub fn session(&self) -> &str {
        &self.welcome.session
    }

    /// Whether its session was found again when it [came back](Client::come_back).
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.welcome.resumed
    }

    /// Joins a topic.
    ///
    /// # Panics
    /// If the name is none, or the join is refused.
    pub async fn join(&self, topic: &str) -> Member {
        let joined = self.try_join(Join::new(Topic::new(topic).expect("a legal topic"))).await;
        joined.unwrap_or_else(|refusal| panic!("refused to join {topic}: {refusal:?}"))
    }

    /// Joins a topic with options.
    ///
    /// # Errors
    /// The join is refused.
    pub async fn try_join(&self, join: Join) -> Result<Member, Refusal> {
        Member::join(&self.connection, join).await
    }

    /// Lets the client's topics go quiet: no events until it [resumes](Client::resume).
    pub async fn pause(&mut self) {
        self.control.send(FromClient::Pause.encode()).await;
        self.settle().await;
    }

    /// Ends the pause.
    pub async fn resume(&mut self) {
        self.control.send(FromClient::Resume.encode()).await;
        self.settle().await;
    }

    /// Loses the connection, as when a phone goes into a tunnel. Its members are of no use any more.
    pub fn lose(&self) {
        self.connection.close(Code::GOING_AWAY.0, "lost");
    }

    /// Connects again and asks for the session it had. Its topics are to be joined again.
    ///
    /// # Errors
    /// It is refused.
    pub async fn come_back(self) -> Result<Self, Refusal> {
        let Self { world, welcome, hello, .. } = self;
        Self::greet(world, Hello { resume: Some(welcome.resume), ..hello }).await
    }

    /// Ends the session.
    pub async fn goodbye(mut self) {
        let goodbye = FromClient::Goodbye { code: Code::OK, message: "goodbye".into() };
        self.control.send(goodbye.encode()).await;
        soon("the connection's end", self.connection.closed()).await;
    }

    /// The code and the words with which the server ends the connection.
    ///
    /// # Panics
    /// If it does not.
    pub async fn closed(&self) -> (Code, String) {
        match soon("the connection's end", self.connection.closed()).await {
            ConnectionError::Closed { code, reason } => (Code(code), reason),
            other => panic!("the connection ended with {other}"),
        }
    }

    /// Waits until the server has read what was sent on the control stream.
    async fn settle(&mut self) {
        self.control.send(FromClient::Ping { n: 0 }.encode()).await;
        let pong: Option<Bytes> = soon("a pong", self.control.frame()).await;
        assert!(pong.is_some(), "the control stream has ended");
    }
}

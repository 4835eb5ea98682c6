//! A server played by the test: it reads and writes real frames, and decides nothing by itself.

use bytes::Bytes;
use dunlin_client::{Client, Code, Limits, Position, Start};
use dunlin_proto::{
    Decoder,
    frame::{
        channel::{self, Join, Joined, Push},
        control::{self, Hello, Welcome},
    },
};
use dunlin_transport::{Connection, Listener, ReadError, RecvStream, SendStream};

/// Where clients connect to.
pub(crate) struct Server(pub(crate) Listener);

/// One connection of the client, with its control stream.
pub(crate) struct Peer {
    pub(crate) connection: Connection,
    pub(crate) hello: Hello,
    control: Stream,
}

/// A channel stream that has begun with a join.
pub(crate) struct Member {
    pub(crate) join: Join,
    stream: Stream,
}

struct Stream {
    send: SendStream,
    recv: RecvStream,
    decoder: Decoder,
}

/// A server, and the settings of a client that dials it.
pub(crate) fn server() -> (Server, dunlin_client::Builder) {
    let (listener, dialer) = Listener::memory();
    (Server(listener), Client::builder("dunlin://127.0.0.1").unwrap().dialer(dialer))
}

/// A server that is reached by two ways, the first choice and the one to fall back to, and the settings of a client.
pub(crate) fn two_ways() -> (Server, Server, dunlin_client::Builder) {
    let (first, builder) = server();
    let (listener, dialer) = Listener::memory();
    (first, Server(listener), builder.fallback_dialer(dialer))
}

/// A server and a client that is online.
pub(crate) async fn online() -> (Server, Peer, Client) {
    let (server, builder) = server();
    let (client, peer) = tokio::join!(builder.connect(), server.welcome());
    (server, peer, client.unwrap())
}

/// A position of the epoch that is used wherever the epoch does not matter.
pub(crate) fn at(offset: u64) -> Position {
    Position::new(7, offset)
}

impl Server {
    /// Takes the client's next connection. Attempts that it has given up meanwhile are none.
    pub(crate) async fn accept(&self) -> Connection {
        loop {
            if let Ok(connection) = self.0.accept().await.expect("still listening").accept().await {
                return connection;
            }
        }
    }

    /// Takes the client's next connection as far as its `Hello`.
    pub(crate) async fn hello(&self) -> Peer {
        let connection = self.accept().await;
        let mut control = Stream::accept(&connection).await;
        let frame = control.read().await.expect("Hello");
        let control::FromClient::Hello(hello) = control::FromClient::decode(&frame).unwrap() else {
            panic!("the first frame is Hello")
        };
        Peer { connection, hello, control }
    }

    /// Takes the client's next connection and welcomes it.
    pub(crate) async fn welcome(&self) -> Peer {
        let mut peer = self.hello().await;
        peer.welcome().await;
        peer
    }

    /// Lets nobody in until dropped.
    pub(crate) fn stop(&self) {
        self.0.stop_accepting();
    }
}

impl Peer {
    pub(crate) async fn welcome(&mut self) {
        self.welcome_with(Limits { payload: 100, channels: 10, pushes: 4 }).await;
    }

    pub(crate) async fn welcome_with(&mut self, limits: Limits) {
        let welcome = Welcome {
            version: 1,
            session: "s".into(),
            resume: Bytes::from_static(b"ticket"),
            resumed: self.hello.resume.is_some(),
            linger_ms: 60_000,
            idle_ms: 60_000,
            limits,
            agent: "script".into(),
            expires_in_ms: None,
        };
        self.say(control::FromServer::Welcome(welcome)).await;
    }

    /// Sends a frame on the control stream.
    pub(crate) async fn say(&mut self, frame: control::FromServer) {
        self.control.send.write(frame.encode()).await.unwrap();
    }

    /// The client's next frame on the control stream.
    pub(crate) async fn hear(&mut self) -> control::FromClient {
        control::FromClient::decode(&self.control.read().await.expect("a frame")).unwrap()
    }

    /// Answers pings until the connection ends.
    pub(crate) async fn answer_pings(&mut self) {
        while let Some(frame) = self.control.read().await {
            match control::FromClient::decode(&frame).unwrap() {
                control::FromClient::Ping { n } => {
                    // The client may have gone meanwhile.
                    let _ = self.control.send.write(control::FromServer::Pong { n }.encode()).await;
                }
                other => panic!("{other:?} instead of a ping"),
            }
        }
    }

    /// The next channel stream, with its join.
    pub(crate) async fn joining(&self) -> Member {
        let mut stream = Stream::accept(&self.connection).await;
        let frame = stream.read().await.expect("Join");
        match channel::FromClient::decode(&frame).unwrap() {
            channel::FromClient::Join(join) => Member { join, stream },
            other => panic!("{other:?} before the join"),
        }
    }

    /// The next channel stream, let in after a position.
    pub(crate) async fn joined(&self, start: Start, position: Position) -> Member {
        let mut member = self.joining().await;
        member.accept(start, position).await;
        member
    }
}

impl Member {
    pub(crate) async fn accept(&mut self, start: Start, position: Position) {
        let reply = Bytes::from_static(b"hi");
        self.say(channel::FromServer::Joined(Joined {
            position,
            start,
            applied: 0,
            reply,
            head: None,
            delivery: None,
        }))
        .await;
    }

    /// Sends a frame down the channel.
    pub(crate) async fn say(&mut self, frame: channel::FromServer) {
        self.stream.send.write(frame.encode()).await.unwrap();
    }

    /// Sends an event with an empty payload.
    pub(crate) async fn event(&mut self, offset: u64) {
        let frame = channel::encode_event(offset, 0, "e", b"", None);
        self.stream.send.write(frame).await.unwrap();
    }

    /// Sends a last frame and FIN.
    pub(crate) async fn end(mut self, frame: channel::FromServer) {
        self.say(frame).await;
        self.stream.send.finish();
    }

    pub(crate) async fn reply(&mut self, reference: u64, code: Code, payload: &'static str) {
        self.say(channel::FromServer::Reply { reference, code, payload: payload.into() }).await;
    }

    /// The client's next push; `None` at FIN.
    pub(crate) async fn push(&mut self) -> Option<Push> {
        let frame = self.stream.read().await?;
        match channel::FromClient::decode(&frame).unwrap() {
            channel::FromClient::Push(push) => Some(push),
            other => panic!("{other:?} instead of a push"),
        }
    }

    /// The references of the client's next pushes.
    pub(crate) async fn references<const N: usize>(&mut self) -> [u64; N] {
        let mut references = [0; N];
        for reference in &mut references {
            *reference = self.push().await.expect("a push").reference;
        }
        references
    }

    /// Waits until the client has gone from the channel without a word.
    pub(crate) async fn reset_code(mut self) -> u32 {
        loop {
            match self.stream.recv.read(1024).await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("the stream was finished, not reset"),
                Err(ReadError::Reset(code)) => return code,
                Err(error) => panic!("{error}"),
            }
        }
    }
}

impl Stream {
    async fn accept(connection: &Connection) -> Self {
        let (send, recv) = connection.accept_bi().await.unwrap();
        Self { send, recv, decoder: Decoder::new(1 << 20) }
    }

    async fn read(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                return Some(frame);
            }
            self.decoder.push(self.recv.read(1024).await.ok()??);
        }
    }
}

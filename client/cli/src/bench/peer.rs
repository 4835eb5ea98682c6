//! A client that speaks raw frames: as little as the protocol asks for.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use dunlin_client::Code;
use dunlin_proto::{
    Decoder, Topic,
    frame::{
        DecodeError, Refusal,
        channel::{self, Join, Joined},
        control::{self, ClientId, Hello, Welcome},
    },
    limits::MAX_CONTROL_FRAME,
    version,
};
use dunlin_transport::{Connection, ConnectionError, Dialer, ReadError, RecvStream, SendStream, WriteError};
use tokio::time::timeout;

/// Bytes taken from a stream at once.
const CHUNK: usize = 64 * 1024;

/// Why a peer is not in, or not any more.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum PeerError {
    /// No connection, or an end of it.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The server said no.
    #[error("refused: {0}")]
    Refused(Code),
    /// The server has begun another session than the one that was to be resumed.
    #[error("the session was not resumed")]
    NotResumed,
    /// No answer in time.
    #[error("no answer in time")]
    Silent,
    /// The stream ended.
    #[error("the stream ended: {0}")]
    Ended(String),
    /// The server breaks the protocol.
    #[error("the server breaks the protocol: {0}")]
    Broken(String),
    /// The system gives no thread to wait with.
    #[error("no thread: {0}")]
    Thread(String),
}

/// A welcomed connection with its control stream.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) connection: Connection,
    pub(super) control: Stream,
    pub(super) welcome: Welcome,
    client: ClientId,
}

/// What it takes to resume a session.
#[derive(Debug, Clone)]
pub(super) struct Ticket {
    resume: Bytes,
    client: ClientId,
}

/// One stream, frame by frame.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) send: SendStream,
    pub(super) recv: Receiver,
}

/// The way down of a stream.
#[derive(Debug)]
pub(super) struct Receiver {
    recv: RecvStream,
    decoder: Decoder,
}

impl Peer {
    pub(super) async fn connect(
        dialer: &Dialer,
        address: SocketAddr,
        host: &str,
        token: Option<String>,
        ticket: Option<Ticket>,
        patience: Duration,
    ) -> Result<Self, PeerError> {
        let connect = async {
            let (resume, client) = match ticket {
                Some(Ticket { resume, client }) => (Some(resume), client),
                None => (None, rand::random()),
            };
            let resumes = resume.is_some();
            let connection = dialer.dial(address, host).await?;
            let mut control = Stream::open(&connection, MAX_CONTROL_FRAME).await?;
            let hello = Hello {
                versions: vec![version::VERSION],
                agent: concat!("dunlin-bench/", env!("CARGO_PKG_VERSION")).into(),
                client,
                resume,
                token,
            };
            control.send.write(control::FromClient::Hello(hello).encode()).await?;
            match control::FromServer::decode(&control.recv.frame().await?)? {
                control::FromServer::Welcome(welcome) if resumes && !welcome.resumed => {
                    Err(PeerError::NotResumed)
                }
                control::FromServer::Welcome(welcome) => Ok(Self { connection, control, welcome, client }),
                control::FromServer::Refused(refusal) => Err(refusal.into()),
                other => Err(PeerError::Broken(format!("{other:?} instead of a welcome"))),
            }
        };
        timeout(patience, connect).await.unwrap_or(Err(PeerError::Silent))
    }

    /// Joins a topic on a stream of its own.
    pub(super) async fn join(&self, join: Join, patience: Duration) -> Result<(Stream, Joined), PeerError> {
        let attempt = async {
            let mut stream = Stream::open(&self.connection, self.welcome.limits.frame()).await?;
            stream.send.write(channel::FromClient::Join(join).encode()).await?;
            match channel::FromServer::decode(&stream.recv.frame().await?)? {
                channel::FromServer::Joined(joined) => Ok((stream, joined)),
                channel::FromServer::Refused(refusal) => Err(refusal.into()),
                other => Err(PeerError::Broken(format!("{other:?} instead of an answer to the join"))),
            }
        };
        timeout(patience, attempt).await.unwrap_or(Err(PeerError::Silent))
    }

    /// What resumes this session.
    pub(super) fn ticket(&self) -> Ticket {
        Ticket { resume: self.welcome.resume.clone(), client: self.client }
    }

    /// Ends the session, so that the server need not keep it.
    pub(super) async fn leave(mut self) {
        let goodbye = control::FromClient::Goodbye { code: Code::OK, message: String::new() };
        let _ = self.control.send.write(goodbye.encode()).await;
        let _ = timeout(Duration::from_secs(1), self.connection.closed()).await;
    }

    /// Is gone without a goodbye, which only the code `OK` would be: the server keeps the session.
    pub(super) fn vanish(self) {
        self.connection.close(Code::GOING_AWAY.0, "");
    }
}

impl Stream {
    async fn open(connection: &Connection, limit: usize) -> Result<Self, PeerError> {
        let (send, recv) = connection.open_bi().await?;
        Ok(Self { send, recv: Receiver { recv, decoder: Decoder::new(limit) } })
    }
}

impl Receiver {
    /// The next frame's body. Dropping the future loses nothing.
    pub(super) async fn frame(&mut self) -> Result<Bytes, PeerError> {
        loop {
            match self.decoder.next_frame() {
                Ok(Some(frame)) => return Ok(frame),
                Ok(None) => {}
                Err(error) => return Err(PeerError::Broken(error.to_string())),
            }
            match self.recv.read(CHUNK).await? {
                Some(chunk) => self.decoder.push(chunk),
                None => return Err(PeerError::Ended("the server has finished it".into())),
            }
        }
    }
}

/// A topic from text; the command line has checked it.
pub(super) fn topic(name: &str) -> Topic {
    Topic::new(name).expect("checked when the command began")
}

impl From<std::io::Error> for PeerError {
    fn from(error: std::io::Error) -> Self {
        Self::Thread(error.to_string())
    }
}

impl From<Refusal> for PeerError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.code)
    }
}

impl From<DecodeError> for PeerError {
    fn from(error: DecodeError) -> Self {
        Self::Broken(error.to_string())
    }
}

impl From<WriteError> for PeerError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Connection(error) => Self::Connection(error),
            WriteError::Stopped(code) => Self::Refused(Code(code)),
            other => Self::Ended(other.to_string()),
        }
    }
}

impl From<ReadError> for PeerError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Connection(error) => Self::Connection(error),
            ReadError::Reset(code) => Self::Refused(Code(code)),
            other => Self::Ended(other.to_string()),
        }
    }
}

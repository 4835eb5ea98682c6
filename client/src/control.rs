//! The control stream of one connection.

use std::time::Duration;

use bytes::Bytes;
use dunlin_proto::{
    frame::control::{FromClient, FromServer, Hello, Welcome},
    limits,
};
use dunlin_transport::{Connection, SendStream};
use tokio::{select, time::timeout};

use crate::{ending::Ending, frames::Frames};

/// Frames here are small: a server that does not take a first or last one for so long takes nothing at all.
const PATIENCE: Duration = Duration::from_secs(5);

/// The first stream that this client opened on a connection.
#[derive(Debug)]
pub(crate) struct Control {
    stream: SendStream,
    frames: Frames,
    /// Frames that wait to be written: few, for each has a reader of the answer or is one of a kind.
    unwritten: Vec<Bytes>,
    /// A frame that was read by somebody who had no use for it.
    unheard: Option<FromServer>,
}

impl Control {
    /// Opens the stream and sends `Hello`.
    pub(crate) async fn open(connection: &Connection, hello: Hello) -> Result<Self, Ending> {
        let (mut stream, recv) = connection.open_bi().await?;
        // Ahead of every channel: 0 to 255 are theirs.
        stream.set_priority(256);
        let frames = Frames::new(recv, limits::MAX_CONTROL_FRAME);
        let mut control = Self { stream, frames, unwritten: Vec::new(), unheard: None };
        control.write(&FromClient::Hello(hello)).await?;
        Ok(control)
    }

    /// Has a frame written by [`next`](Self::next): nobody waits for a path that may be gone.
    pub(crate) fn say(&mut self, frame: &FromClient) {
        self.unwritten.push(frame.encode());
    }

    /// The server's next frame. Writes meanwhile what is to be said, if `write` allows it. Cancel-safe.
    pub(crate) async fn next(&mut self, write: bool) -> Result<FromServer, Ending> {
        if let Some(frame) = self.unheard.take() {
            return Ok(frame);
        }
        loop {
            select! {
                frame = self.frames.next() => return FromServer::decode(&frame?).map_err(Ending::broken),
                written = self.stream.write_chunks(&mut self.unwritten), if write && !self.unwritten.is_empty() => {
                    written.map_err(|error| Ending::Lost(format!("the control stream: {error}")))?;
                    self.unwritten.clear();
                }
            }
        }
    }

    /// Gives a frame back to be read again.
    pub(crate) fn unread(&mut self, frame: FromServer) {
        self.unheard = Some(frame);
    }

    /// The server's answer to `Hello`.
    pub(crate) async fn welcome(&mut self) -> Result<Welcome, Ending> {
        match self.next(true).await? {
            FromServer::Welcome(welcome) => Ok(welcome),
            FromServer::Refused(refusal) => Err(Ending::Refused(refusal)),
            other => Err(Ending::broken(format_args!("{other:?} instead of an answer to Hello"))),
        }
    }

    /// Sends a last frame and waits until the server has it and closes the connection, but not for long.
    pub(crate) async fn finish(mut self, connection: &Connection, frame: &FromClient) {
        if self.write(frame).await.is_ok() {
            self.stream.finish();
            // Whatever comes of it, the connection is closed next.
            let _ = timeout(Duration::from_secs(1), connection.closed()).await;
        }
    }

    /// Writes what waits, and a frame after it. Not cancel-safe.
    async fn write(&mut self, frame: &FromClient) -> Result<(), Ending> {
        self.unwritten.push(frame.encode());
        let written = timeout(PATIENCE, self.stream.write_chunks(&mut self.unwritten)).await;
        self.unwritten.clear();
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Ending::Lost(format!("the control stream: {error}"))),
            Err(_) => Err(Ending::Lost("the server takes nothing any more".into())),
        }
    }
}

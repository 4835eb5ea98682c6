//! The control stream of one connection.

use std::time::Duration;

use dunlin_proto::{
    frame::control::{FromClient, FromServer, Hello, Welcome},
    limits,
};
use dunlin_transport::{Connection, SendStream};
use tokio::time::timeout;

use crate::{ending::Ending, frames::Frames};

/// Frames here are small: a server that does not take one for so long takes nothing at all.
const PATIENCE: Duration = Duration::from_secs(5);

/// The first stream that this client opened on a connection.
#[derive(Debug)]
pub(crate) struct Control {
    stream: SendStream,
    frames: Frames,
}

impl Control {
    /// Opens the stream and sends `Hello`.
    pub(crate) async fn open(connection: &Connection, hello: Hello) -> Result<Self, Ending> {
        let (stream, recv) = connection.open_bi().await?;
        // Ahead of every channel: 0 to 255 are theirs.
        stream.set_priority(256);
        let mut control = Self { stream, frames: Frames::new(recv, limits::MAX_CONTROL_FRAME) };
        control.write(&FromClient::Hello(hello)).await?;
        Ok(control)
    }

    /// Sends a frame. Not cancel-safe.
    pub(crate) async fn write(&mut self, frame: &FromClient) -> Result<(), Ending> {
        match timeout(PATIENCE, self.stream.write(frame.encode())).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Ending::Lost(format!("the control stream: {error}"))),
            Err(_) => Err(Ending::Lost("the server takes nothing any more".into())),
        }
    }

    /// The server's next frame. Cancel-safe.
    pub(crate) async fn read(&mut self) -> Result<FromServer, Ending> {
        let frame = self.frames.next().await?;
        FromServer::decode(&frame).map_err(Ending::broken)
    }

    /// The server's answer to `Hello`.
    pub(crate) async fn welcome(&mut self) -> Result<Welcome, Ending> {
        match self.read().await? {
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
}

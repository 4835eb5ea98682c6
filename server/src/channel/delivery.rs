//! The way down: everything that a channel stream carries to the client.

use super::downlink::Tap;
use bytes::Bytes;
use dunlin_hub::{Batch, Cursor, Limit, presence::Watcher};
use dunlin_proto::{Code, frame::channel::FromServer};
use dunlin_transport::{ConnectionError, SendStream, WriteError};
use metrics::counter;
use tokio::sync::{mpsc, watch};

/// Most frames that wait for a slow stream before the channel itself has to wait.
pub(crate) const OUTBOX: usize = 16;

/// What one write takes from the log: enough to fill several packets, little enough that a reader that stops reading
/// pins next to nothing.
const BATCH: Limit = Limit { frames: 256, bytes: 64 * 1024 };

/// Writes the topic's events and the channel's own frames to one stream. Runs as a task of its own, so that neither a
/// slow reader holds up the channel nor a slow channel its events.
pub(crate) struct Delivery {
    pub(crate) stream: SendStream,
    /// Where in the log the member reads; `None` if it wants no events.
    pub(crate) cursor: Option<Cursor>,
    /// The first frame.
    pub(crate) joined: Bytes,
    /// What is meant for this member alone.
    pub(crate) tap: Tap,
    /// The channel's answers. The stream ends when the sender is dropped and all is written.
    pub(crate) outbox: mpsc::Receiver<Bytes>,
    /// What the member is told of who is in the topic; `None` if it does not want to know.
    pub(crate) watcher: Option<Watcher>,
    /// Whether the client has paused its topics.
    pub(crate) paused: watch::Receiver<bool>,
}

impl Delivery {
    /// Runs until the outbox ends or the stream does.
    pub(crate) async fn run(mut self) -> Result<(), WriteError> {
        let written = self.deliver().await;
        match &written {
            Ok(()) => self.stream.finish(),
            Err(_) => self.stream.reset(Code::OK.0),
        }
        written
    }

    async fn deliver(&mut self) -> Result<(), WriteError> {
        self.stream.write(self.joined.clone()).await?;
        loop {
            let quiet = *self.paused.borrow_and_update();
            tokio::select! {
                biased;
                mut frames = self.tap.next() => self.stream.write_chunks(&mut frames).await?,
                frame = self.outbox.recv() => match frame {
                    Some(frame) => self.write_frames(frame).await?,
                    None => return Ok(()),
                },
                // The other end is with the connection, and goes with it.
                changed = self.paused.changed() => if changed.is_err() {
                    return Err(ConnectionError::LocallyClosed.into());
                },
                () = ready(&mut self.cursor), if !quiet => self.write_events().await?,
                () = news(&mut self.watcher), if !quiet => self.write_presence().await?,
                // A client that stops the stream has left, also if nothing is ever written to it.
                stopped = self.stream.stopped() => return Err(match stopped? {
                    Some(code) => WriteError::Stopped(code),
                    None => WriteError::Finished,
                }),
            }
        }
    }

    async fn write_frames(&mut self, first: Bytes) -> Result<(), WriteError> {
        let mut frames = vec![first];
        while let Ok(frame) = self.outbox.try_recv() {
            frames.push(frame);
        }
        self.stream.write_chunks(&mut frames).await
    }

    async fn write_presence(&mut self) -> Result<(), WriteError> {
        let mut frames = self.watcher.as_mut().map(Watcher::read).unwrap_or_default();
        self.stream.write_chunks(&mut frames).await
    }

    async fn write_events(&mut self) -> Result<(), WriteError> {
        let Some(batch) = self.cursor.as_mut().and_then(|cursor| cursor.read(BATCH)) else { return Ok(()) };
        let mut frames = match batch {
            Batch::Events(frames) => {
                counter!("dunlin_events_delivered_total").increment(frames.len() as u64);
                frames
            }
            Batch::Gap { from, to } => {
                counter!("dunlin_gaps_total").increment(1);
                counter!("dunlin_events_missed_total").increment(to - from + 1);
                vec![FromServer::Gap { from, to }.encode()]
            }
            Batch::Restarted(position) => vec![FromServer::Restarted(position).encode()],
        };
        self.stream.write_chunks(&mut frames).await
    }
}

async fn ready(cursor: &mut Option<Cursor>) {
    match cursor {
        Some(cursor) => cursor.ready().await,
        None => std::future::pending().await,
    }
}

async fn news(watcher: &mut Option<Watcher>) {
    match watcher {
        Some(watcher) => watcher.ready().await,
        None => std::future::pending().await,
    }
}

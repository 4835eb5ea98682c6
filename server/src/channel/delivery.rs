//! The way down: everything that a channel stream carries to the client.

use super::{
    downlink::Tap,
    terms::{Datagrams, Terms},
};
use crate::{clock, queue, session::flag::Flag};
use bytes::Bytes;
use dunlin_hub::{Batch, Cursor, Limit, presence::Watcher};
use dunlin_proto::{
    Code,
    frame::channel::{Adjust, FromServer},
};
use dunlin_transport::{SendStream, WriteError};
use metrics::counter;
use std::{mem, pin::Pin, sync::Arc};
use tokio::time::{Sleep, sleep};

/// Most frames that wait for a slow stream before the channel itself has to wait.
pub(crate) const OUTBOX: usize = 16;

/// What one write takes from the log: enough to fill several packets, little enough that a reader that stops reading
/// pins next to nothing.
const BATCH: Limit = Limit { frames: 256, bytes: 64 * 1024 };

/// Writes the topic's events and the channel's own frames to one stream. Runs as a task of its own, so that neither a
/// slow reader holds up the channel nor a slow channel its events.
pub(crate) struct Delivery {
    pub(crate) stream: SendStream,
    pub(crate) terms: Terms,
    /// Where events go that fit; `None` if all go on the stream.
    pub(crate) datagrams: Option<Datagrams>,
    /// Where in the log the member reads; `None` if it wants no events.
    pub(crate) cursor: Option<Cursor>,
    /// Until when events are held back, for they come at intervals.
    pub(crate) held_back: Option<Pin<Box<Sleep>>>,
    /// The first frame.
    pub(crate) joined: Bytes,
    /// What is meant for this member alone.
    pub(crate) tap: Tap,
    /// The channel's answers. The stream ends when the sender is dropped and all is written.
    pub(crate) outbox: queue::Receiver<Box<Down>>,
    /// What the member is told of who is in the topic; `None` if it does not want to know.
    pub(crate) watcher: Option<Watcher>,
    /// Whether the client has paused its topics.
    pub(crate) paused: Arc<Flag>,
    /// Answers that have come while something else was written, at most [`OUTBOX`].
    pub(crate) waiting: Vec<Bytes>,
}

/// What the channel's side says to the delivery. Sent in boxes: tokio's channels have room for 32 from the start.
pub(crate) enum Down {
    /// A frame to be written.
    Frame(Bytes),
    /// The member wants its events otherwise.
    Adjust(Adjust),
}

impl Delivery {
    /// Runs until the outbox ends or the stream does.
    pub(crate) async fn run(mut self: Box<Self>) -> Result<(), WriteError> {
        let written = self.deliver().await;
        match &written {
            Ok(()) => self.stream.finish(),
            Err(_) => self.stream.reset(Code::OK.0),
        }
        written
    }

    async fn deliver(&mut self) -> Result<(), WriteError> {
        self.write(vec![self.joined.clone()]).await?;
        loop {
            let quiet = self.paused.is_on();
            tokio::select! {
                biased;
                frames = self.tap.next() => self.write(frames).await?,
                down = self.outbox.recv() => match down {
                    Some(down) => {
                        self.take_all(*down);
                        let frames = mem::take(&mut self.waiting);
                        self.write(frames).await?;
                    }
                    None => return Ok(()),
                },
                () = self.paused.changed_from(quiet) => {}
                () = over(&mut self.held_back) => self.held_back = None,
                () = ready(&mut self.cursor), if !quiet && self.held_back.is_none() => self.write_events().await?,
                () = news(&mut self.watcher), if !quiet => self.write_presence().await?,
                // A client that stops the stream has left, also if nothing is ever written to it. So is it told when the connection ends.
                stopped = self.stream.stopped() => return Err(match stopped? {
                    Some(code) => WriteError::Stopped(code),
                    None => WriteError::Finished,
                }),
            }
        }
    }

    /// Writes to the stream, which may take long, and hears meanwhile how the member wants its events. Answers that come meanwhile
    /// are written too: afterwards none waits.
    async fn write(&mut self, mut frames: Vec<Bytes>) -> Result<(), WriteError> {
        loop {
            tokio::select! {
                biased;
                written = self.stream.write_chunks(&mut frames) => {
                    written?;
                    if self.waiting.is_empty() {
                        return Ok(());
                    }
                    frames = mem::take(&mut self.waiting);
                }
                Some(down) = self.outbox.recv(), if self.waiting.len() < OUTBOX => self.take(*down),
            }
        }
    }

    /// What has come together is written together.
    fn take_all(&mut self, first: Down) {
        self.take(first);
        while self.waiting.len() < OUTBOX
            && let Some(down) = self.outbox.try_recv()
        {
            self.take(*down);
        }
    }

    fn take(&mut self, down: Down) {
        match down {
            Down::Frame(frame) => self.waiting.push(frame),
            Down::Adjust(adjust) => self.adjust(adjust),
        }
    }

    fn adjust(&mut self, adjust: Adjust) {
        if let Some(priority) = adjust.priority {
            self.stream.set_priority(priority.into());
        }
        self.terms.adjust(adjust);
        if self.terms.pause().is_none() {
            self.held_back = None;
        }
    }

    async fn write_presence(&mut self) -> Result<(), WriteError> {
        let frames = self.watcher.as_mut().map(Watcher::read).unwrap_or_default();
        self.write(frames).await
    }

    async fn write_events(&mut self) -> Result<(), WriteError> {
        let Some(cursor) = &mut self.cursor else { return Ok(()) };
        let patience = self.terms.patience().map(|patience| patience.as_millis() as u64);
        let stale = patience.and_then(|patience| cursor.skip(clock::now_ms().saturating_sub(patience)));
        // What was there before goes on the stream: it was asked for, and is not news.
        let is_news = cursor.position().offset >= cursor.head().offset;
        let Some(batch) = stale.or_else(|| cursor.read(BATCH)) else { return Ok(()) };
        let frames = match (batch, &self.datagrams) {
            (Batch::Events(frames), datagrams) => {
                counter!("dunlin_events_delivered_total").increment(frames.len() as u64);
                self.held_back = self.terms.pause().map(|pause| Box::pin(sleep(pause)));
                match datagrams {
                    Some(datagrams) if is_news => datagrams.send(frames),
                    _ => frames,
                }
            }
            (Batch::Gap { from, to }, datagrams) => {
                counter!("dunlin_gaps_total").increment(1);
                counter!("dunlin_events_missed_total").increment(to - from + 1);
                // Who wants datagrams has wanted nothing else.
                let named = datagrams.is_none();
                named.then(|| FromServer::Gap { from, to }.encode()).into_iter().collect()
            }
            (Batch::Restarted(position), _) => vec![FromServer::Restarted(position).encode()],
        };
        self.write(frames).await
    }
}

async fn over(held_back: &mut Option<Pin<Box<Sleep>>>) {
    match held_back {
        Some(sleep) => sleep.await,
        None => std::future::pending().await,
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

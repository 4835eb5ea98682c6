//! Whole frames out of a stream, each within the limit and within the deadline.

use bytes::Bytes;
use dunlin_proto::{Code, Decoder, codec::TooLarge};
use dunlin_transport::{ReadError, RecvStream};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

/// The frames of one stream.
pub(crate) struct Frames {
    stream: RecvStream,
    decoder: Decoder,
    deadline: Duration,
    /// When the frame in the making was begun.
    begun: Option<Instant>,
    room: Room,
    /// The frame's share of the room.
    share: Option<OwnedSemaphorePermit>,
}

/// Memory for the large frames that a connection has begun on all its streams. A stream whose frame finds no room is
/// not read meanwhile: flow control holds up its sender, and nobody else.
#[derive(Clone)]
pub(crate) struct Room(Arc<Semaphore>);

impl Room {
    /// Room for four frames of the largest size.
    pub(crate) fn for_frames(limit: usize) -> Self {
        Self(Arc::new(Semaphore::new(4 * limit)))
    }
}

/// Frames up to this size need no room of their own: a connection's streams are not that many.
const SMALL: usize = 16 * 1024;

/// Why there is no next frame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    #[error("a frame was begun and not completed in time")]
    Deadline,
    #[error("the stream ended within a frame")]
    CutOff,
    #[error(transparent)]
    Stream(#[from] ReadError),
}

impl FrameError {
    /// The code to refuse the stream with; `None` when the peer or the network ended it.
    pub(crate) fn code(&self) -> Option<Code> {
        match self {
            Self::TooLarge(_) => Some(Code::FRAME_TOO_LARGE),
            Self::Deadline => Some(Code::DEADLINE),
            Self::CutOff => Some(Code::MALFORMED),
            Self::Stream(_) => None,
        }
    }
}

/// Most bytes taken from a stream at a time.
const CHUNK: usize = 64 * 1024;

impl Frames {
    /// Reads frames of at most `limit` bytes, which is no more than `room` was made for.
    pub(crate) fn new(stream: RecvStream, limit: usize, deadline: Duration, room: Room) -> Self {
        Self { stream, decoder: Decoder::new(limit), deadline, begun: None, room, share: None }
    }

    /// The next frame, or `None` at the end of the stream. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, FrameError> {
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                self.begun = None;
                self.share = None;
                return Ok(Some(frame));
            }
            let chunk = if self.decoder.is_mid_frame() {
                // In a box: most frames come whole, and what waits for them is small.
                Box::pin(self.read_on()).await?
            } else {
                self.stream.read(CHUNK).await?
            };
            match chunk {
                Some(chunk) => self.decoder.push(chunk),
                None if self.decoder.is_mid_frame() => return Err(FrameError::CutOff),
                None => return Ok(None),
            }
        }
    }

    /// More of the frame that was begun, in time.
    async fn read_on(&mut self) -> Result<Option<Bytes>, FrameError> {
        self.find_room().await;
        let begun = *self.begun.get_or_insert_with(Instant::now);
        let read = self.stream.read(CHUNK);
        Ok(timeout_at(begun + self.deadline, read).await.map_err(|_| FrameError::Deadline)??)
    }

    async fn find_room(&mut self) {
        let Some(len) = self.decoder.awaited().filter(|len| *len > SMALL && self.share.is_none()) else {
            return;
        };
        let bytes = u32::try_from(len).expect("a prefix has 32 bits");
        let share = self.room.0.clone().acquire_many_owned(bytes).await;
        self.share = Some(share.expect("the room is never closed"));
        // Waiting for room is not the sender's fault.
        self.begun = Some(Instant::now());
    }

    /// The next frame, which must come within the deadline from now.
    pub(crate) async fn first(&mut self) -> Result<Option<Bytes>, FrameError> {
        self.begun = Some(Instant::now());
        tokio::time::timeout(self.deadline, self.next()).await.map_err(|_| FrameError::Deadline)?
    }

    /// Tells the peer to send no more.
    pub(crate) fn stop(&mut self, code: Code) {
        self.stream.stop(code.0);
    }
}

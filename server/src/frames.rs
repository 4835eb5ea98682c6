//! Whole frames out of a stream, each within the limit and within the deadline.

use bytes::Bytes;
use dunlin_proto::{Code, Decoder, codec::TooLarge};
use dunlin_transport::{ReadError, RecvStream};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The frames of one stream.
pub(crate) struct Frames {
    stream: RecvStream,
    decoder: Decoder,
    deadline: Duration,
    /// When the first byte of the frame in the making arrived.
    begun: Option<Instant>,
}

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
    pub(crate) fn new(stream: RecvStream, limit: usize, deadline: Duration) -> Self {
        Self { stream, decoder: Decoder::new(limit), deadline, begun: None }
    }

    /// The next frame, or `None` at the end of the stream. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, FrameError> {
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                self.begun = None;
                return Ok(Some(frame));
            }
            let chunk = if self.decoder.is_mid_frame() {
                let begun = *self.begun.get_or_insert_with(Instant::now);
                let read = self.stream.read(CHUNK);
                timeout_at(begun + self.deadline, read).await.map_err(|_| FrameError::Deadline)??
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

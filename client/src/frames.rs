//! Whole frames out of a stream.

use bytes::Bytes;
use dunlin_proto::{Decoder, codec};
use dunlin_transport::{ReadError, RecvStream};

/// Bytes taken from the transport at once.
const CHUNK: usize = 64 * 1024;

/// The reading half of a stream, cut into frames.
#[derive(Debug)]
pub(crate) struct Frames {
    stream: RecvStream,
    decoder: Decoder,
}

/// Why there is no further frame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    TooLarge(#[from] codec::TooLarge),
    #[error("the stream ended")]
    End,
}

impl Frames {
    /// Refuses frames of more than `limit` bytes.
    pub(crate) fn new(stream: RecvStream, limit: usize) -> Self {
        Self { stream, decoder: Decoder::new(limit) }
    }

    /// The next frame without its prefix. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<Bytes, FrameError> {
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                return Ok(frame);
            }
            self.decoder.push(self.stream.read(CHUNK).await?.ok_or(FrameError::End)?);
        }
    }

    /// Tells the server that nothing more will be read, and why.
    pub(crate) fn stop(&mut self, code: dunlin_proto::Code) {
        self.stream.stop(code.0);
    }
}

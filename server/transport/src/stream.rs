//! The two halves of a bidirectional stream.

use bytes::Bytes;

use crate::{ReadError, WriteError, memory, quic, websocket};

/// The half of a stream that this side writes.
///
/// Dropped without [`finish`](Self::finish) it is reset with code 0: what was cut short never looks complete.
#[derive(Debug)]
pub struct SendStream(Send);

/// The half of a stream that this side reads.
///
/// Dropped before its end was read it is stopped with code 0.
#[derive(Debug)]
pub struct RecvStream(Recv);

/// The highest that there is.
pub(crate) const MAX_PRIORITY: u16 = 1023;

/// What waits on one in memory lies in a box: a future is as large as the largest of all kinds, and those of the network are many.
#[derive(Debug)]
enum Send {
    Quic(quic::SendStream),
    Memory(memory::SendStream),
    WebSocket(websocket::SendStream),
}

#[derive(Debug)]
enum Recv {
    Quic(quic::RecvStream),
    Memory(memory::RecvStream),
    WebSocket(websocket::RecvStream),
}

impl SendStream {
    pub(crate) fn quic(stream: quic::SendStream) -> Self {
        Self(Send::Quic(stream))
    }

    pub(crate) fn memory(stream: memory::SendStream) -> Self {
        Self(Send::Memory(stream))
    }

    pub(crate) fn websocket(stream: websocket::SendStream) -> Self {
        Self(Send::WebSocket(stream))
    }

    /// Writes all chunks in order, as fast as the peer takes them. Nothing is copied, except
    /// into a WebSocket's messages.
    ///
    /// Cancel-safe: chunks are cut down to what is still to be written, so calling again with the same slice goes
    /// on where the cancelled call stopped.
    ///
    /// # Errors
    /// The peer stopped the stream, or the connection ended; how much the peer has read is then unknown.
    pub async fn write_chunks(&mut self, chunks: &mut [Bytes]) -> Result<(), WriteError> {
        match &mut self.0 {
            Send::Quic(stream) => stream.write_chunks(chunks).await,
            Send::Memory(stream) => Box::pin(stream.write_chunks(chunks)).await,
            Send::WebSocket(stream) => stream.write_chunks(chunks).await,
        }
    }

    /// Writes all of `data`. Not cancel-safe: some of it may have been written.
    ///
    /// # Errors
    /// As for [`write_chunks`](Self::write_chunks).
    pub async fn write(&mut self, data: Bytes) -> Result<(), WriteError> {
        self.write_chunks(&mut [data]).await
    }

    /// Tells the peer that the stream is complete (FIN). Does nothing when it is already finished or reset.
    pub fn finish(&mut self) {
        match &mut self.0 {
            Send::Quic(stream) => stream.finish(),
            Send::Memory(stream) => stream.finish(),
            Send::WebSocket(stream) => stream.finish(),
        }
    }

    /// Abandons the stream, with data that was not delivered yet. After [`finish`](Self::finish) the peer may have
    /// it all nevertheless. Does nothing when it is already reset.
    pub fn reset(&mut self, code: u32) {
        match &mut self.0 {
            Send::Quic(stream) => stream.reset(code),
            Send::Memory(stream) => stream.reset(code),
            Send::WebSocket(stream) => stream.reset(code),
        }
    }

    /// Streams with a higher priority, of 0 to 1023, go first when the path is full; all begin at 0. What was written before
    /// counts as well, but for what is on its way. In memory the path is never full and this does nothing.
    pub fn set_priority(&mut self, priority: u16) {
        let priority = priority.min(MAX_PRIORITY);
        match &mut self.0 {
            Send::Quic(stream) => stream.set_priority(priority),
            Send::Memory(_) => {}
            Send::WebSocket(stream) => stream.set_priority(priority),
        }
    }

    /// Waits until the peer stops the stream (`Some` code), or has received all of a finished one (`None`).
    /// Cancel-safe. Over WebSocket, which acknowledges nothing, a finished stream counts as received when it is sent:
    /// what this side sends or closes afterwards comes after it.
    ///
    /// # Errors
    /// The connection ended, or early data was rejected.
    pub async fn stopped(&mut self) -> Result<Option<u32>, WriteError> {
        match &mut self.0 {
            Send::Quic(stream) => stream.stopped().await,
            Send::Memory(stream) => Box::pin(stream.stopped()).await,
            Send::WebSocket(stream) => stream.stopped().await,
        }
    }
}

impl RecvStream {
    pub(crate) fn quic(stream: quic::RecvStream) -> Self {
        Self(Recv::Quic(stream))
    }

    pub(crate) fn memory(stream: memory::RecvStream) -> Self {
        Self(Recv::Memory(stream))
    }

    pub(crate) fn websocket(stream: websocket::RecvStream) -> Self {
        Self(Recv::WebSocket(stream))
    }

    /// The next bytes, between one and `max`, in chunks that follow no boundary of the writer. `None` is the end
    /// of the stream (FIN), or that this side [stopped](Self::stop) it. Cancel-safe.
    ///
    /// # Errors
    /// The peer reset the stream, the connection ended, or early data was rejected.
    pub async fn read(&mut self, max: usize) -> Result<Option<Bytes>, ReadError> {
        match &mut self.0 {
            Recv::Quic(stream) => stream.read(max).await,
            Recv::Memory(stream) => Box::pin(stream.read(max)).await,
            Recv::WebSocket(stream) => stream.read(max).await,
        }
    }

    /// Discards what has not been read, and asks the peer to stop writing. Does nothing after the end.
    pub fn stop(&mut self, code: u32) {
        match &mut self.0 {
            Recv::Quic(stream) => stream.stop(code),
            Recv::Memory(stream) => stream.stop(code),
            Recv::WebSocket(stream) => stream.stop(code),
        }
    }
}

//! The stream of a CONNECT request, which the `h3` crate types differently on its two sides.

use bytes::{Buf, Bytes};
use h3::{client, error::StreamError, server};

use super::bounded;

/// The half that this side writes.
pub(crate) enum SendHalf {
    Client(client::RequestStream<bounded::SendStream, Bytes>),
    Server(server::RequestStream<bounded::SendStream, Bytes>),
}

/// The half that this side reads.
pub(crate) enum RecvHalf {
    Client(client::RequestStream<bounded::RecvStream, Bytes>),
    Server(server::RequestStream<bounded::RecvStream, Bytes>),
}

impl SendHalf {
    /// Sends the last there is to say, if anything.
    pub(crate) async fn finish(&mut self, last: Option<Bytes>) -> Result<(), StreamError> {
        match (self, last) {
            (Self::Client(stream), Some(data)) => {
                stream.send_data(data).await?;
                stream.finish().await
            }
            (Self::Server(stream), Some(data)) => {
                stream.send_data(data).await?;
                stream.finish().await
            }
            (Self::Client(stream), None) => stream.finish().await,
            (Self::Server(stream), None) => stream.finish().await,
        }
    }
}

impl RecvHalf {
    /// The next bytes, or `None` at the end. Cancel-safe.
    pub(crate) async fn read(&mut self) -> Result<Option<Bytes>, StreamError> {
        Ok(match self {
            Self::Client(stream) => stream.recv_data().await?.map(bytes),
            Self::Server(stream) => stream.recv_data().await?.map(bytes),
        })
    }
}

/// Takes the bytes out of what `h3` calls a buffer, without a copy.
fn bytes(mut buffer: impl Buf) -> Bytes {
    buffer.copy_to_bytes(buffer.remaining())
}

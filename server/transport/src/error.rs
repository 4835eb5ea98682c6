//! Why a listener, a connection, a stream or a datagram failed.

use std::{io, net::SocketAddr};

/// Why there is no listening on an address.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// For QUIC.
    #[error("cannot listen on UDP {address}")]
    Udp {
        /// Where it should have listened.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// For HTTP.
    #[error("cannot listen on TCP {address}")]
    Tcp {
        /// Where it should have listened.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// Why a connection ended, or never came to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// The peer closed it with an application code; larger codes than fit read as `u32::MAX`.
    #[error("closed by the peer with code {code}: {reason}")]
    Closed {
        /// The application's code.
        code: u32,
        /// The application's words, for logs.
        reason: String,
    },
    /// This side closed it.
    #[error("closed by this side")]
    LocallyClosed,
    /// Nothing was heard for the idle timeout, or the handshake took too long.
    #[error("timed out")]
    TimedOut,
    /// The peer has forgotten the connection (RFC 9000, 10.3): it was restarted. Dial again, without delay.
    #[error("forgotten by the peer")]
    Reset,
    /// The server takes no connections at the moment.
    #[error("refused by the server")]
    Refused,
    /// The TLS handshake failed: certificate, or no protocol in common.
    #[error("TLS: {0}")]
    Tls(String),
    /// The client came for plain HTTP/3 requests, got its answers, and is gone. No failure, and no connection either.
    #[error("HTTP/3 that ended without a session")]
    NoSession,
    /// The QUIC layer gave up for another reason: a protocol violation, or an address that cannot be reached.
    #[error("transport: {0}")]
    Transport(String),
}

/// Why nothing more can be read from a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The peer abandoned the stream with this code.
    #[error("reset by the peer with code {0}")]
    Reset(u32),
    /// The stream was opened in early data, which the server rejected: it has never seen it. Open it again.
    #[error("early data was rejected")]
    EarlyDataRejected,
    /// The connection ended.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

/// Why nothing more can be written to a stream.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The peer does not want more, and says why with this code.
    #[error("stopped by the peer with code {0}")]
    Stopped(u32),
    /// The stream was opened in early data, which the server rejected: it has never seen it. Open it again.
    #[error("early data was rejected")]
    EarlyDataRejected,
    /// This side has already finished or reset the stream.
    #[error("already finished or reset")]
    Finished,
    /// The connection ended.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

/// Why a datagram was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendDatagramError {
    /// The peer takes no datagrams.
    #[error("the peer takes no datagrams")]
    Unsupported,
    /// It is larger than [`Connection::max_datagram_size`](crate::Connection::max_datagram_size); send it on a
    /// stream.
    #[error("larger than a datagram can be")]
    TooLarge,
    /// The connection ended.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

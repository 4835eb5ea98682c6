//! A connection: streams, datagrams and an end with a code, whatever carries it.

use std::{fmt, net::SocketAddr, time::Duration};

use bytes::Bytes;
use rustls::pki_types::CertificateDer;

use crate::{
    ConnectionError, RecvStream, SendDatagramError, SendStream,
    memory::{self, Handle},
    origins::Page,
    quic, websocket, webtransport,
};

/// A connection to a peer; clones are handles to the same one.
///
/// When the last handle and the last stream are dropped the connection closes with code 0.
#[derive(Clone, Debug)]
pub struct Connection(pub(crate) Inner);

#[derive(Clone, Debug)]
pub(crate) enum Inner {
    Quic(quic::Connection),
    WebTransport(webtransport::Connection),
    Memory(Handle),
    WebSocket(websocket::Handle),
}

/// What carries a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Native QUIC.
    Quic,
    /// WebTransport over HTTP/3.
    WebTransport,
    /// WebSocket over TLS or plain TCP.
    WebSocket,
    /// Memory of this process, for tests.
    Memory,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Quic => "quic",
            Self::WebTransport => "webtransport",
            Self::WebSocket => "websocket",
            Self::Memory => "memory",
        })
    }
}

/// What became of the data that a client sends in its first flight (0-RTT, RFC 8446, 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EarlyData {
    /// None was possible: there was no ticket. A server, which is not told, always sees this.
    NotUsed,
    /// The server took it.
    Accepted,
    /// The server did not take it: all streams opened so far are void and must be opened again, on the same
    /// connection.
    Rejected,
}

/// The condition of the path, and what went over it.
///
/// In memory there is no path: its figures are zero and the largest datagram, bytes are those of streams and
/// datagrams, and lost packets are datagrams that found the queue full. Over WebSocket there are a round trip time and
/// bytes, those of messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Round trip time, smoothed. After a long outage with a change of address it can be far too large.
    pub rtt: Duration,
    /// Bytes that may be in flight.
    pub congestion_window: u64,
    /// Largest UDP payload in bytes that fits the path.
    pub mtu: u16,
    /// Packets declared lost, without MTU probes.
    pub lost_packets: u64,
    /// Packets sent on this path.
    pub sent_packets: u64,
    /// Bytes of UDP payload received.
    pub received_bytes: u64,
    /// Bytes of UDP payload sent.
    pub sent_bytes: u64,
}

impl Connection {
    /// Opens a bidirectional stream; waits while the peer grants no more.
    ///
    /// The peer learns of the stream at the latest when something is written to it (or it is finished or reset), or a
    /// later one is used.
    ///
    /// # Errors
    /// The connection ended.
    pub async fn open_bi(&self) -> Result<(SendStream, RecvStream), ConnectionError> {
        Ok(match &self.0 {
            Inner::Quic(connection) => streams(connection.open_bi().await?),
            Inner::WebTransport(connection) => streams(connection.open_bi().await?),
            Inner::Memory(connection) => memory_streams(Box::pin(connection.open_bi()).await?),
            Inner::WebSocket(connection) => websocket_streams(connection.open_bi().await?),
        })
    }

    /// The next stream that the peer opened, in the order in which it opened them. Cancel-safe.
    ///
    /// # Errors
    /// The connection ended, and all streams that had arrived were taken.
    pub async fn accept_bi(&self) -> Result<(SendStream, RecvStream), ConnectionError> {
        Ok(match &self.0 {
            Inner::Quic(connection) => streams(connection.accept_bi().await?),
            // In boxes, or native connections would wait with as much.
            Inner::WebTransport(connection) => streams(Box::pin(connection.accept_bi()).await?),
            Inner::Memory(connection) => memory_streams(Box::pin(connection.accept_bi()).await?),
            Inner::WebSocket(connection) => websocket_streams(connection.accept_bi().await?),
        })
    }

    /// Sends a datagram: at once or not at all. Datagrams that still wait are dropped for it, oldest first.
    ///
    /// # Errors
    /// It is too large, the peer takes none, or the connection ended.
    pub fn send_datagram(&self, data: Bytes) -> Result<(), SendDatagramError> {
        match &self.0 {
            Inner::Quic(connection) => connection.send_datagram(data),
            Inner::WebTransport(connection) => connection.send_datagram(&data),
            Inner::Memory(connection) => connection.send_datagram(data),
            Inner::WebSocket(connection) => {
                connection.alive()?;
                Err(SendDatagramError::Unsupported)
            }
        }
    }

    /// The next datagram. Cancel-safe. A bounded number waits here; beyond it the oldest are dropped.
    ///
    /// # Errors
    /// The connection ended.
    pub async fn read_datagram(&self) -> Result<Bytes, ConnectionError> {
        match &self.0 {
            Inner::Quic(connection) => connection.read_datagram().await,
            Inner::WebTransport(connection) => connection.read_datagram().await,
            Inner::Memory(connection) => connection.read_datagram().await,
            // None ever comes.
            Inner::WebSocket(connection) => Err(connection.closed().await),
        }
    }

    /// The largest datagram in bytes that can be sent now, or `None` if the peer takes none. Follows the path.
    #[must_use]
    pub fn max_datagram_size(&self) -> Option<usize> {
        match &self.0 {
            Inner::Quic(connection) => connection.max_datagram_size(),
            Inner::WebTransport(connection) => connection.max_datagram_size(),
            Inner::Memory(_) => Some(memory::MAX_DATAGRAM_SIZE),
            Inner::WebSocket(_) => None,
        }
    }

    /// Ends the connection at once; data that was not delivered yet is lost. Closing twice does nothing.
    ///
    /// Before the handshake is complete QUIC cannot tell the peer the code (RFC 9000, 10.2.3): a server that wants
    /// it to arrive awaits [`handshake_complete`](Self::handshake_complete) first. Reasons above about 1 KiB are cut;
    /// over WebSocket those above 123 bytes, and codes above 999 become 999.
    pub fn close(&self, code: u32, reason: &str) {
        match &self.0 {
            Inner::Quic(connection) => connection.close(code, reason),
            Inner::WebTransport(connection) => connection.close(code, reason),
            Inner::Memory(connection) => connection.close(code, reason),
            Inner::WebSocket(connection) => connection.close(code, reason),
        }
    }

    /// Waits for the end, and says why.
    pub async fn closed(&self) -> ConnectionError {
        match &self.0 {
            Inner::Quic(connection) => connection.closed().await,
            Inner::WebTransport(connection) => connection.closed().await,
            Inner::Memory(connection) => connection.closed().await,
            Inner::WebSocket(connection) => connection.closed().await,
        }
    }

    /// Why the connection ended, or `None` while it lives.
    #[must_use]
    pub fn close_reason(&self) -> Option<ConnectionError> {
        match &self.0 {
            Inner::Quic(connection) => connection.close_reason(),
            Inner::WebTransport(connection) => connection.close_reason(),
            Inner::Memory(connection) => connection.close_reason(),
            Inner::WebSocket(connection) => connection.close_reason(),
        }
    }

    /// The peer's address now; it changes when the client migrates, and before the new path is validated. IPv4
    /// addresses stand as such, on dual-stack sockets too.
    #[must_use]
    pub fn remote_address(&self) -> SocketAddr {
        match &self.0 {
            Inner::Quic(connection) => connection.remote_address(),
            Inner::WebTransport(connection) => connection.quic().remote_address(),
            Inner::Memory(connection) => connection.remote_address(),
            Inner::WebSocket(connection) => connection.remote_address(),
        }
    }

    /// This side's address, as far as it is known: over QUIC a client's own IP is unspecified, for the system chooses
    /// one with each packet, while the port is that of the dialer's socket now. `None` over WebSocket on a server.
    #[must_use]
    pub fn local_address(&self) -> Option<SocketAddr> {
        match &self.0 {
            Inner::Quic(connection) => Some(connection.local_address()),
            Inner::WebTransport(connection) => Some(connection.quic().local_address()),
            Inner::Memory(connection) => Some(connection.local_address()),
            Inner::WebSocket(connection) => connection.local_address(),
        }
    }

    /// Whether the peer is on this machine and, if it is a browser, shows a page of this machine: one with a loopback name.
    /// Behind a proxy of this machine every program is.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let page = match &self.0 {
            Inner::Quic(_) | Inner::Memory(_) => Page::Here,
            Inner::WebTransport(connection) => connection.page(),
            Inner::WebSocket(connection) => connection.page(),
        };
        page == Page::Here && self.remote_address().ip().is_loopback()
    }

    /// What carries the connection.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match &self.0 {
            Inner::Quic(_) => Kind::Quic,
            Inner::WebTransport(_) => Kind::WebTransport,
            Inner::Memory(_) => Kind::Memory,
            Inner::WebSocket(_) => Kind::WebSocket,
        }
    }

    /// The condition of the path, and what went over it so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        match &self.0 {
            Inner::Quic(connection) => connection.stats(),
            Inner::WebTransport(connection) => connection.quic().stats(),
            Inner::Memory(connection) => connection.stats(),
            Inner::WebSocket(connection) => connection.stats(),
        }
    }

    /// How many bidirectional streams the peer may hold open at once, from now on.
    ///
    /// QUIC allows up to a seventh more, for it announces room in batches. Each costs about 90 bytes of this side's
    /// memory, used or not; lowering the number closes no stream.
    pub fn grant_streams(&self, n: u32) {
        match &self.0 {
            Inner::Quic(connection) => connection.grant_streams(n),
            Inner::WebTransport(connection) => connection.grant_streams(n),
            Inner::Memory(connection) => connection.grant_streams(n),
            Inner::WebSocket(connection) => connection.grant_streams(n),
        }
    }

    /// What became of early data, or `None` while the handshake is under way.
    ///
    /// On a server, everything that is read while this is `None` may be a replay of what a client sent once before
    /// (RFC 8446, 8): act on it only if doing so twice does no harm.
    #[must_use]
    pub fn early_data(&self) -> Option<EarlyData> {
        match &self.0 {
            Inner::Quic(connection) => connection.early_data(),
            Inner::WebTransport(connection) => connection.quic().early_data(),
            Inner::Memory(_) | Inner::WebSocket(_) => Some(EarlyData::NotUsed),
        }
    }

    /// Waits until the handshake is complete: on a client, what became of early data; on a server, the peer is live
    /// and what it sends from now on is no replay. Cancel-safe.
    ///
    /// # Errors
    /// The connection ended before.
    pub async fn handshake_complete(&self) -> Result<EarlyData, ConnectionError> {
        match &self.0 {
            Inner::Quic(connection) => connection.handshake_complete().await,
            Inner::WebTransport(connection) => connection.quic().handshake_complete().await,
            Inner::Memory(connection) => connection.close_reason().map_or(Ok(EarlyData::NotUsed), Err),
            Inner::WebSocket(connection) => connection.alive().map(|()| EarlyData::NotUsed),
        }
    }

    /// The certificate that the peer showed, if it showed one.
    #[must_use]
    pub fn peer_certificate(&self) -> Option<CertificateDer<'static>> {
        match &self.0 {
            Inner::Quic(connection) => connection.peer_certificate(),
            Inner::WebTransport(connection) => connection.quic().peer_certificate(),
            Inner::Memory(_) => None,
            Inner::WebSocket(connection) => connection.peer_certificate(),
        }
    }

    /// The application protocol that was agreed upon, once the server has answered: by ALPN (RFC 7301), or the
    /// subprotocol of a WebSocket.
    #[must_use]
    pub fn alpn(&self) -> Option<Vec<u8>> {
        match &self.0 {
            Inner::Quic(connection) => connection.alpn(),
            Inner::WebTransport(connection) => connection.quic().alpn(),
            Inner::Memory(_) => Some(crate::ALPN.to_vec()),
            Inner::WebSocket(_) => Some(crate::SUBPROTOCOL.into()),
        }
    }
}

fn streams((send, recv): (quic::SendStream, quic::RecvStream)) -> (SendStream, RecvStream) {
    (SendStream::quic(send), RecvStream::quic(recv))
}

fn memory_streams((send, recv): (memory::SendStream, memory::RecvStream)) -> (SendStream, RecvStream) {
    (SendStream::memory(send), RecvStream::memory(recv))
}

fn websocket_streams(
    (send, recv): (websocket::SendStream, websocket::RecvStream),
) -> (SendStream, RecvStream) {
    (SendStream::websocket(send), RecvStream::websocket(recv))
}

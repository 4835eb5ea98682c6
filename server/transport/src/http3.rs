//! HTTP/3 on a QUIC connection, as far as it takes to answer plain requests and to open a WebTransport session.

use std::time::Duration;

use bytes::Bytes;
use tokio::{sync::watch, task::JoinSet};

use crate::{origins::Page, webtransport::Close};

mod bounded;
mod client;
mod connect;
mod frames;
mod request;
mod server;

pub(crate) use client::open;
pub(crate) use connect::{RecvHalf, SendHalf};
pub(crate) use server::{Connect, Site, serve};

/// The application protocol (RFC 9114, 3.1).
pub(crate) const ALPN: &[u8] = b"h3";

/// Unidirectional streams that a peer may open: its control stream, two for QPACK, and one to spare for what is
/// made up to keep others from growing stiff (RFC 9114, 6.2.3).
pub(crate) const UNIDIRECTIONAL: u32 = 4;

/// The fields of a request or an answer, in bytes as HTTP/3 counts them (RFC 9114, 4.2.2).
const MAX_FIELDS: u64 = 16 * 1024;

/// A connection whose session was granted.
pub(crate) struct Upgraded {
    /// The stream of the CONNECT request.
    pub(crate) session_id: u64,
    pub(crate) send: SendHalf,
    pub(crate) recv: RecvHalf,
    /// Not to be asked any more, but kept: dropped, it closes the QUIC connection.
    pub(crate) http: Box<dyn Send>,
    /// Requests still under way.
    pub(crate) requests: JoinSet<Option<Connect>>,
    /// Tells when the endpoint closes; a client's never does.
    pub(crate) closing: watch::Receiver<Option<Close>>,
    /// How long the header of a stream may take.
    pub(crate) header_timeout: Duration,
    pub(crate) side: Side,
}

/// Which end of the connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server {
        /// What the client may open to begin with.
        initial_streams: u32,
        /// Where it comes from.
        page: Page,
    },
}

type Server = h3::server::Connection<bounded::Connection, Bytes>;
type Stream = h3::server::RequestStream<bounded::BidiStream, Bytes>;
type SendStream = h3::server::RequestStream<bounded::SendStream, Bytes>;
type RecvStream = h3::server::RequestStream<bounded::RecvStream, Bytes>;

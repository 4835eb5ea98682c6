//! How bytes reach Dunlin: connections, streams and datagrams, whatever carries them.
//!
//! A [`Connection`] opens and accepts bidirectional [streams](SendStream), sends datagrams, and ends with a code.
//! It behaves the same over native QUIC (ALPN [`ALPN`]), WebTransport, WebSocket and in memory; one suite of tests runs
//! over all. Servers get connections from a [`Listener`], clients from a [`Dialer`]; [`Listener::memory`] joins the two without a
//! socket, and [`pair`] makes two connected ends.
//!
//! The crate knows no topics and no frames. A new transport is a file beside `quic.rs` and a variant in the enums of
//! `connection.rs`, `stream.rs` and `listener.rs`: concrete types, so that nothing is boxed on a message's way.
//!
//! A server is built of workers: current-thread runtimes that own a [`Listener`] each. What they must have in
//! common ([`Keys`], [`SharedTicketStore`]) is handed to each by clone; nothing here is global.

mod congestion;
mod connection;
mod connection_id;
mod dial;
mod endpoint;
mod error;
mod handshake;
mod http3;
mod interface;
mod keys;
mod listener;
mod memory;
mod network;
mod origins;
mod quic;
mod socket;
mod stream;
mod tcp;
mod tls;
mod websocket;
mod webtransport;

pub use congestion::{Congestion, UnknownCongestion};
pub use connection::{Connection, EarlyData, Kind, Stats};
pub use dial::{ClientConfig, DialError, Dialer};
pub use endpoint::ServerConfig;
pub use error::{BindError, ConnectionError, ReadError, SendDatagramError, WriteError};
pub use interface::{IllegalInterface, Interface};
pub use keys::{KeyError, Keys};
pub use listener::{Incoming, Listener};
pub use memory::{MemoryDialer, pair};
pub use network::network;
pub use origins::{IllegalOrigin, Origins, is_local_page};
pub use socket::Buffers;
pub use stream::{RecvStream, SendStream};
pub use tcp::HttpConfig;
pub use tls::{ALPN, SharedTicketStore, Tickets, provider};

/// The path of WebTransport sessions and WebSockets: `https://HOST:PORT/dunlin`, `wss://HOST:PORT/dunlin`.
pub const PATH: &str = "/dunlin";

/// The application protocol within WebTransport and WebSocket, which clients offer and the server confirms.
pub const SUBPROTOCOL: &str = "dunlin.v1";

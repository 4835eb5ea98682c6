//! The Rust client of Dunlin: topics that stay joined while the network under them changes.
//!
//! ```no_run
//! use dunlin_client::{Client, JoinOptions, Message};
//!
//! # async fn story() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect("dunlin://localhost").await?;
//! let mut room = client.join("room:42", JoinOptions::default()).await?;
//! room.push_value("said", "hello").await?;
//! while let Some(message) = room.next().await {
//!     match message {
//!         Message::Event(event) => println!("{}: {}", event.event, event.decode::<String>()?),
//!         Message::Gap { from, to } => println!("missed {from} to {to}"),
//!         _ => {}
//!     }
//! }
//! println!("{:?}", room.closed());
//! # Ok(()) }
//! ```
//!
//! A [`Client`] is a session. It connects by itself, again and again with growing pauses, and is watched through
//! [`Client::state`]. A [`Channel`] is a membership in one topic. After a loss of the connection it joins again
//! from the last position it received, so that nothing is missing and nothing comes twice; where the server's
//! history does not reach back so far, it says so ([`Joined::start`], [`Message::Gap`]). Pushes without an answer
//! are sent again and applied once.
//!
//! # Ways to a server
//!
//! | URL | goes over | falls back to |
//! |---|---|---|
//! | `dunlin://HOST[:PORT]` | native QUIC | WebSocket over TLS, on the same port of TCP |
//! | `https://HOST[:PORT]` | WebTransport | the same |
//! | `wss://HOST[:PORT]` | WebSocket over TLS | |
//! | `ws://HOST[:PORT]` | WebSocket over bare TCP: for development and networks where every machine is trusted | |
//!
//! The port is 4433 unless written, that of a Dunlin server, also where a browser would take another; of `ws://` it is
//! 4480. The path may be `/dunlin` and nothing else. Proxies are not used.
//!
//! Where UDP does not get through, a client falls back by itself ([`Builder::only`] prevents it). QUIC gets a
//! [head start](Builder::head_start); then WebSocket is tried beside it, at the same addresses, and whichever answers first
//! is taken. What worked is remembered for an hour for each network this device is on (known by the device's own
//! addresses there), by all clients of one [`Builder`] and its clones: where QUIC got no answer, the next attempt waits
//! for nothing; elsewhere a server that knows this client is sent everything at once, as 0-RTT data.
//!
//! While WebSocket carries a session that would rather go over QUIC, QUIC is tried again
//! [from time to time](Builder::retry_quic), beside it. When it answers, the session moves: the client stays
//! [`State::Online`], each channel says [`Message::Joined`] with nothing missing and no time away, and pushes on their
//! way are applied once, as after any interruption. [`Client::connection`] tells which transport is in use.
//!
//! Dropping the last handle says goodbye to the server; [`Client::close`] waits for that.

pub mod address;
mod attempt;
mod attendance;
mod backoff;
mod builder;
mod candidate;
mod change;
mod channel;
mod client;
mod continuity;
mod control;
mod credential;
mod dial;
mod ending;
mod frames;
mod greeting;
mod inbox;
mod info;
mod interfaces;
mod link;
mod local_route;
mod member;
mod message;
#[cfg(all(test, target_os = "linux"))]
mod namespace;
mod network;
mod networks;
mod online;
mod outbox;
mod progress;
mod pulse;
mod race;
mod reach;
mod rollcall;
mod route;
mod sender;
mod state;
mod supervisor;
mod trust;
mod upgrade;
mod watch;
mod watchdog;

pub use backoff::Backoff;
pub use builder::{Builder, ConnectError};
pub use change::{Cause, Change, Changes, Rung};
pub use channel::{Channel, JoinError, JoinOptions};
pub use client::Client;
pub use dunlin_certs::Fingerprint;
pub use dunlin_proto::{
    Code, Limits, Pattern, Position, Topic,
    frame::channel::{Delivery, Start},
    limits::MAX_TOKEN_LEN,
};
pub use dunlin_transport::Kind as Transport;
pub use info::{ConnectionInfo, Connections};
pub use message::{Event, Joined, Message, Reply};
pub use sender::{PushError, PushHandle, Sender};
pub use state::{Closed, OFFLINE_AFTER, State};
pub use trust::Trust;

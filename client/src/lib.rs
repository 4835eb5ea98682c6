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
//! # Who is there
//!
//! With [`JoinOptions::presence`] a channel is told who is in its topic: [`Message::Presence`] says what has changed, and
//! [`Channel::presence`] is the list, as of the last message taken. After an interruption, what has changed meanwhile is one
//! change. In topics that are too large for a list, and for [`Ask::Counts`], there are only numbers.
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
//! # When the network changes
//!
//! A client stays on the highest rung that it can reach, and says which one it was ([`Client::changes`]):
//!
//! 1. **The connection moves** ([`Rung::Migrated`]). The system tells of another network (on Linux, macOS and Windows this library
//!    listens by itself; elsewhere the host calls [`Client::network_changed`]), or the route to the server shows it. QUIC and
//!    WebTransport go on from a new socket, with the same streams: nothing is repeated. A NAT that has forgotten the client
//!    is the same without a new socket.
//! 2. **Another connection takes over** ([`Rung::Resumed`]), made while the old one is kept, and the first that answers is used. So
//!    it is when the old one is silent: bytes that were due for 0.3 s (or three round trips, or four times the interval in which
//!    they used to come) are asked for, and after 0.4 s (or three round trips) more the race begins. On a connection that was idle
//!    the question is the keep-alive, and the patience 2 s. After a second without any network, or after sleep, the old
//!    connection is not waited for. `Hello` and all joins with their positions travel in the first flight, as 0-RTT data where
//!    the server has given a ticket; pushes without an answer are sent again and applied once.
//! 3. **What is gone is told** ([`Rung::Resync`]): history did not reach back, or the log started over.
//!
//! While there is no network nothing is written ([`State::Recovering`]) and nothing dialled; pushes wait. A device with several
//! networks, of which the preferred one is dead, finds the others if [it may](Builder::any_network).
//!
//! # What staying connected costs
//!
//! A sign of life goes out once in each [keep-alive](Builder::keep_alive), and not more while events flow. Over QUIC it is three
//! packets with 121 bytes of payload, about 30 kB an hour at 25 s with all headers. The bytes are not what it costs: each wakes
//! a phone's radio for some seconds. 25 s keeps the way open through most NATs (RFC 4787 asks for 2 minutes, RFC 9000, 10.1.2
//! advises 30 s, mobile networks are seen at 30 to 180 s), and is for the foreground.
//!
//! In the background an application should [pause](Client::pause): events are held back at once, and
//! [ten seconds later](Builder::park_after) the connection is let go, so that nothing is sent or received at all. The server keeps the
//! session for its linger time (two minutes unless configured), and history for as long as it is configured to; resuming takes
//! one round trip with 0-RTT. Wake the application for what it must not miss with a push service.
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
mod flows;
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
mod presence;
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
mod wishes;

pub use backoff::Backoff;
pub use builder::{Builder, ConnectError};
pub use change::{Cause, Change, Changes, Rung};
pub use channel::{Channel, JoinError, JoinOptions};
pub use client::Client;
pub use dunlin_certs::Fingerprint;
pub use dunlin_proto::{
    Code, Limits, Pattern, Position, Topic,
    frame::{
        channel::{Delivery, Start},
        presence::Ask,
    },
    limits::MAX_TOKEN_LEN,
};
pub use dunlin_transport::{Congestion, Kind as Transport};
pub use info::{ConnectionInfo, Connections};
pub use message::{Event, Joined, Message, Reply};
pub use presence::{PresenceDiff, PresenceEntry, PresenceList};
pub use sender::{PushError, PushHandle, Sender};
pub use state::{Closed, OFFLINE_AFTER, State};
pub use trust::Trust;

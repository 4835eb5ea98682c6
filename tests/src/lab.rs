//! A network in which a client travels: real namespaces, real links, the real server, and a story of what goes wrong.
//!
//! ```text
//!  client namespace              router namespace                server namespace
//!  traveller ── wifi0 ═ TUN ═ rwifi ─┐
//!            └─ cell0 ═ TUN ═ rcell ─┴─ NAT ── rs ── veth ── eth0 ── dunlin-server, station
//! ```
//!
//! The *traveller* is the client under test: it reads topics and pushes. The *station* beside the server publishes what
//! the traveller reads and reads what it pushes. Both write down everything that happens to them, with one clock; the
//! packets on the links are written down too. [`outcome`] computes from that what a user would have noticed.
//!
//! A story needs root. What it makes is gone when its [`Lab`] is dropped, and what a killed lab left behind is removed by
//! the next one.

pub mod agent;
pub mod check;
pub mod clock;
mod command;
pub mod link;
pub mod loss;
mod namespace;
pub mod network;
pub mod outcome;
mod peer;
pub mod plot;
pub mod program;
pub mod report;
pub mod router;
mod run;
pub mod scenario;
mod server;
pub mod shaper;
mod stage;
pub mod trace;
pub mod way;

pub use namespace::remove_stale;
pub use network::Uplink;
pub use run::{Measure, Run};
pub use stage::{Lab, Setup};
pub use way::{Transport, Way};

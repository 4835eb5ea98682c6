//! The client against a server that follows a script, over connections in memory. Tokio's clock is paused,
//! but for the few over real ones.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod connecting;
mod continuity;
mod fallback;
mod joining;
mod peer;
mod pushing;
mod quic;
mod recovering;

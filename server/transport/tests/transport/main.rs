//! What a connection does, over every transport, and what is QUIC's own.

#![expect(
    clippy::unwrap_used,
    reason = "a story that goes wrong may panic; clippy knows test functions only"
)]

mod beyond;
mod connections;
mod http;
mod http3;
#[cfg(target_os = "linux")]
mod interfaces;
mod listeners;
mod quic;
mod raw;
mod restart;
mod silence;
mod streams;
mod support;
mod websocket;
mod webtransport;

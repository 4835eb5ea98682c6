//! What the stories stand on: a server to talk to, a peer that speaks raw frames, the real binaries, and a network that
//! changes.

pub mod backend;
pub mod decider;
pub mod http;
pub mod lab;
pub mod process;
pub mod raw;
pub mod relay;
pub mod server;
pub mod talker;
pub mod token;

use std::time::Duration;

/// How long anything observable may take before a test gives up: generous, for machines are busy.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for something observable, but not for ever.
///
/// # Panics
/// When it does not happen.
pub async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, event).await {
        Ok(value) => value,
        Err(_) => panic!("waited {} s in vain for {what}", PATIENCE.as_secs()),
    }
}

/// Runs each of these functions once over every transport.
#[macro_export]
macro_rules! over_every_transport {
    ($($story:ident),* $(,)?) => {
        mod quic {
            $(#[tokio::test] async fn $story() { super::$story($crate::server::Over::Quic).await; })*
        }
        mod webtransport {
            $(#[tokio::test] async fn $story() { super::$story($crate::server::Over::WebTransport).await; })*
        }
        mod websocket {
            $(#[tokio::test] async fn $story() { super::$story($crate::server::Over::WebSocket).await; })*
        }
        mod memory {
            $(#[tokio::test] async fn $story() { super::$story($crate::server::Over::Memory).await; })*
        }
    };
}

//! Dunlin's server: sessions, channels, and the workers that serve them, as a library and as `dunlin-server`.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = dunlin_server::Config::check(&dunlin_server::config::Sources::default())?;
//! let server = dunlin_server::Server::builder(config).start().await?;
//! println!("serving on {}", server.address());
//! tokio::signal::ctrl_c().await?;
//! server.shut_down().await;
//! # Ok(())
//! # }
//! ```

mod admission;
mod api;
pub mod auth;
mod certificate;
pub mod channel;
mod clock;
pub mod config;
mod drain;
mod frames;
mod guard;
mod health;
mod http;
mod metrics;
mod namespace;
mod node;
mod payload;
mod queue;
mod rates;
mod server;
mod session;
mod sockets;
mod statistics;
mod tally;
pub mod testing;
mod tls;
mod webhook;
mod worker;

pub use config::Config;

pub use server::{Builder, Error, Page, Server};
pub use worker::StartError;

/// Name and version, as clients are told.
pub(crate) const AGENT: &str = concat!("dunlin-server/", env!("CARGO_PKG_VERSION"));

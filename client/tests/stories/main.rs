//! The client against a server that follows a script, over connections in memory. Tokio's clock is paused.

mod connecting;
mod joining;
mod peer;
mod pushing;
mod recovering;

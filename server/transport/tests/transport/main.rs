//! What a connection does, over every transport, and what is QUIC's own.

mod connections;
mod listeners;
mod quic;
mod restart;
mod streams;
mod support;

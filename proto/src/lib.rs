//! The Dunlin protocol as values: topic names, positions, frames, limits and codes, without any input or output.
//!
//! `PROTOCOL.md` at the root of the repository is the specification; its examples are tested against this crate.

pub mod code;
pub mod codec;
pub mod datagram;
pub mod frame;
pub mod limits;
mod patterns;
pub mod position;
pub mod topic;
pub mod version;

pub use code::Code;
pub use codec::Decoder;
pub use limits::Limits;
pub use patterns::Patterns;
pub use position::Position;
pub use topic::{Pattern, Topic};

//! Protocol versions and how two sides agree on one.

/// The version this crate speaks.
pub const VERSION: u32 = 1;

/// ALPN protocol id of Dunlin over native QUIC (RFC 7301).
pub const ALPN: &[u8] = b"dunlin/1";

/// The highest version that both sides speak, of those that the client offers.
#[must_use]
pub fn agree(offered: &[u32]) -> Option<u32> {
    offered.contains(&VERSION).then_some(VERSION)
}

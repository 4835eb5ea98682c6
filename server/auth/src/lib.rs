//! Trust, without any input or output: what a token says, which key vouches for it, and what it allows.
//!
//! A token is a JWT (RFC 7519) signed with HS256, HS384, HS512, RS256, ES256 or EdDSA. [`verify`] checks one against
//! [`Keys`] and a [`Policy`] at a given time; its claim `dunlin` holds the [`Capabilities`]. `docs/tokens.md` is the
//! description for people.

mod algorithm;
mod capability;
mod claims;
mod keys;
mod rejected;
mod sign;
mod signature;
mod token;

pub use algorithm::Algorithm;
pub use capability::{Capabilities, Grant, IllegalGrant, MAX_PATTERNS, Right};
pub use claims::{Claims, MAX_NAME_LEN, Policy};
pub use keys::{Key, KeyError, Keys, MAX_KEYS, MIN_SECRET_LEN, Source};
pub use rejected::Rejected;
pub use sign::{SignError, SigningKey, sign};
pub use token::{Unverified, fingerprint, inspect, kid, verify};

/// Seconds since the Unix epoch (RFC 7519, NumericDate).
pub type Seconds = u64;

//! Certificates for a Dunlin server, and what its clients need to trust them.
//!
//! [`Live`] is the certificate in force: opened once from a [`Source`], swapped by [`Live::refresh`] while
//! connections go on. Without configuration the source is a [`development`] certificate, which browsers accept
//! by its [`Fingerprint`] and which clients on the same machine find through [`local`]. [`inspect`] tells a
//! person what a certificate is and what is wrong with it.
//!
//! Nothing here reads the clock: the time is an argument. Everything blocks for as long as a small file takes.

pub mod development;
mod error;
mod file;
pub mod fingerprint;
pub mod inspect;
pub mod load;
pub mod local;
mod reload;

pub use error::Error;
pub use fingerprint::Fingerprint;
pub use reload::{Live, Source};

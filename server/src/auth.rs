//! Trust: who connects, what they may do, and for how long.
//!
//! What a token says and allows is judged in `dunlin-auth`, which is pure. Here are the keys as they change (`keyring.rs`,
//! `fetch.rs`), what was revoked (`revocations.rs`), and the gate that every `Hello` and `Refresh` passes (`gate.rs`). What a
//! session may do then is its [`Pass`].

mod fetch;
mod gate;
pub(crate) mod keyring;
mod pass;
mod revocations;

pub use dunlin_auth::{Capabilities, Grant, Right};
pub(crate) use gate::Gate;
pub use keyring::Fault;
pub use pass::Pass;
pub(crate) use pass::allows;
pub use revocations::{Full, Revoke};

//! Which servers the client believes to be who they say they are.

use std::path::PathBuf;

use dunlin_certs::Fingerprint;

/// What a server's certificate is checked against. There is no way to skip the check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trust {
    /// The system's roots; and for a server on this machine also the certificate that a development server of
    /// the same user has announced for its port (see [`dunlin_certs::local`]).
    #[default]
    Auto,
    /// The system's roots.
    System,
    /// The certificates in this PEM file as the only roots.
    CaFile(PathBuf),
    /// Exactly the certificate with this SHA-256, whatever its names and its dates say.
    Pinned(Fingerprint),
}

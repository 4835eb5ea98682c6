//! What can go wrong with certificates and their files.

use std::{io, path::PathBuf};

use rustls::pki_types::pem;

/// Why a certificate could not be loaded, made or kept. Every message names the file it is about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file is missing or may not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file or its folder could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file is not well-formed PEM (RFC 7468).
    #[error("{} is not well-formed PEM: {source}", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// Where the syntax breaks.
        source: pem::Error,
    },
    /// A file has no `CERTIFICATE` section.
    #[error("{} holds no PEM certificate", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file has no `PRIVATE KEY` section of any kind.
    #[error("{} holds no PEM private key", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The key needs a passphrase, which a server that starts alone cannot ask for.
    #[error("the private key in {} is encrypted; store it without a passphrase", path.display())]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// A certificate is not a legal X.509 certificate (RFC 5280).
    #[error("the certificate in {} cannot be understood: {reason}", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The key is broken or of a kind that TLS here does not use.
    #[error("the private key in {} cannot be used: {source}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What rustls said.
        source: rustls::Error,
    },
    /// The key is not the one that the certificate was made for.
    #[error(
        "the private key in {} does not belong to the first certificate in {}; a server's own certificate \
         stands before the ones that vouch for it",
        key.display(), cert.display()
    )]
    Mismatch {
        /// The chain's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// A name for a development certificate is neither a DNS name nor an IP address.
    #[error("`{0}` is neither a DNS name nor an IP address")]
    Name(String),
    /// A development certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// The system knows no folder for this user's data.
    #[error("no folder for local certificates: set {}", crate::local::DIR_VARIABLE)]
    NoLocalDir,
}

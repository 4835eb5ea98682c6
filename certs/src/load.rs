//! A certificate chain and its private key, from PEM files.

use std::{fs, path::Path};

use rustls::{
    InconsistentKeys,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    sign::CertifiedKey,
};

use crate::Error;

/// Loads a chain, the server's own certificate first, and the key that belongs to it.
///
/// Both may stand in one file. Keys are PKCS#8, PKCS#1 or SEC1, without a passphrase; the first one counts.
///
/// # Errors
/// Names the file that is missing or wrong, or both files if the key is not the certificate's.
pub fn pair(cert: &Path, key: &Path) -> Result<CertifiedKey, Error> {
    fit(&PemFile::read(cert)?, &PemFile::read(key)?)
}

/// Puts a chain and a key together, if they belong together.
pub(crate) fn fit(cert: &PemFile<'_>, key: &PemFile<'_>) -> Result<CertifiedKey, Error> {
    let signer = ring::default_provider()
        .key_provider
        .load_private_key(key.private_key()?)
        .map_err(|source| Error::Key { path: key.path.into(), source })?;
    let certified = CertifiedKey::new(cert.chain()?, signer);
    match certified.keys_match() {
        Ok(()) => Ok(certified),
        Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(Error::Mismatch { cert: cert.path.into(), key: key.path.into() })
        }
        Err(other) => Err(Error::Certificate { path: cert.path.into(), reason: other.to_string() }),
    }
}

/// What a file held when it was read.
pub(crate) struct PemFile<'a> {
    pub(crate) path: &'a Path,
    pub(crate) pem: Vec<u8>,
}

impl<'a> PemFile<'a> {
    pub(crate) fn read(path: &'a Path) -> Result<Self, Error> {
        let pem = fs::read(path).map_err(|source| Error::Read { path: path.into(), source })?;
        Ok(Self { path, pem })
    }

    /// The certificates in their order, at least one.
    pub(crate) fn chain(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.pem)
            .collect::<Result<_, _>>()
            .map_err(|source| Error::Pem { path: self.path.into(), source })?;
        if chain.is_empty() { Err(Error::NoCertificate { path: self.path.into() }) } else { Ok(chain) }
    }

    fn private_key(&self) -> Result<PrivateKeyDer<'static>, Error> {
        let path = self.path.to_owned();
        PrivateKeyDer::from_pem_slice(&self.pem).map_err(|source| match source {
            pem::Error::NoItemsFound if self.holds(ENCRYPTED_KEY) => Error::EncryptedKey { path },
            pem::Error::NoItemsFound => Error::NoKey { path },
            source => Error::Pem { path, source },
        })
    }

    fn holds(&self, text: &[u8]) -> bool {
        self.pem.windows(text.len()).any(|window| window == text)
    }
}

/// The label of a PKCS#8 key under a passphrase (RFC 7468, section 11).
const ENCRYPTED_KEY: &[u8] = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";

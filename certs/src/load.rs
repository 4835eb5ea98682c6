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

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, time::SystemTime};

    use tempfile::TempDir;

    use super::*;
    use crate::development::{Made, make};

    fn made() -> Made {
        make(&[], SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_800_000_000)).unwrap()
    }

    /// Tries a pair of files with this content, which are called `chain` and `key`.
    fn load(cert: &str, key: &str) -> (Result<CertifiedKey, Error>, PathBuf, PathBuf, TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let (cert_path, key_path) = (dir.path().join("chain"), dir.path().join("key"));
        fs::write(&cert_path, cert).unwrap();
        fs::write(&key_path, key).unwrap();
        (pair(&cert_path, &key_path), cert_path, key_path, dir)
    }

    fn refused(cert: &str, key: &str) -> (Error, String) {
        let (result, _, _, dir) = load(cert, key);
        let error = result.expect_err("it should be refused");
        let text = error.to_string().replace(&format!("{}/", dir.path().display()), "");
        (error, text)
    }

    #[test]
    fn a_chain_keeps_its_order() {
        let (own, other) = (made(), made());
        let chain = load(&(own.cert_pem.clone() + &other.cert_pem), &own.key_pem).0.unwrap();
        assert_eq!(chain.cert, [own.cert, other.cert]);
    }

    #[test]
    fn both_may_stand_in_one_file() {
        let made = made();
        let both = made.key_pem.clone() + &made.cert_pem;
        assert_eq!(load(&both, &both).0.unwrap().cert, [made.cert]);
    }

    #[test]
    fn a_key_of_another_certificate_is_refused() {
        let (own, other) = (made(), made());
        let (error, text) = refused(&own.cert_pem, &other.key_pem);
        assert!(matches!(error, Error::Mismatch { .. }));
        assert!(text.starts_with("the private key in key does not belong to the first certificate in chain"));
        // A chain the wrong way round is the same mistake.
        let upside_down = other.cert_pem.clone() + &own.cert_pem;
        assert!(matches!(refused(&upside_down, &own.key_pem).0, Error::Mismatch { .. }));
    }

    #[test]
    fn errors_name_the_file() {
        let made = made();
        let (cert, key) = (made.cert_pem.as_str(), made.key_pem.as_str());
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let no_der = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
        let no_key = "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n";
        let cut = cert.len() - 40;
        for (cert, key, expected) in [
            ("", key, "chain holds no PEM certificate"),
            (key, key, "chain holds no PEM certificate"),
            (&cert[..cut], key, "chain is not well-formed PEM"),
            (no_der, key, "the certificate in chain cannot be understood"),
            (cert, "", "key holds no PEM private key"),
            (cert, cert, "key holds no PEM private key"),
            (cert, &key[..100], "key is not well-formed PEM"),
            (cert, no_key, "the private key in key cannot be used"),
            (cert, &encrypted, "the private key in key is encrypted"),
        ] {
            let text = refused(cert, key).1;
            assert!(text.starts_with(expected), "{expected}: {text}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let made = made();
        let (_, cert, key, dir) = load(&made.cert_pem, &made.key_pem);
        let nowhere = dir.path().join("nowhere");
        for (cert, key) in [(&nowhere, &key), (&cert, &nowhere)] {
            assert!(matches!(pair(cert, key), Err(Error::Read { path, .. }) if path == nowhere));
        }
    }
}

//! What lets a restarted server tell its old clients that it has forgotten them.

use std::{
    fmt, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use quinn::EndpointConfig;
use ring::{hkdf, hmac};

use crate::connection_id::Generator;

const FILE: &str = "quic.key";
const LEN: usize = 32;

/// The secret of an endpoint that must outlive its process, shared by all workers of a server.
///
/// A stateless reset (RFC 9000, 10.3) takes two keys that are the same after a restart: one to recognise a
/// connection ID as our own, one to compute the token that the client was given. With both, clients learn of a crash
/// as soon as they send; with only one, they wait for their idle timeout. A third key seals the tokens of Retry
/// packets, so that any worker can open them. All three are derived from one secret (RFC 5869).
#[derive(Clone)]
pub struct Keys {
    secret: [u8; LEN],
}

/// Why the keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file could not be read or written.
    #[error("cannot use the key file {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not one of ours. It is left alone: deleting it is safe, and costs live clients one idle timeout.
    #[error("{path} does not hold a key of {LEN} bytes")]
    Malformed {
        /// The file.
        path: PathBuf,
    },
}

impl Keys {
    /// Reads `quic.key` from the directory, or makes the directory and the file, readable by its owner only.
    ///
    /// Safe to call from several processes at once: the file appears whole, and all get the one that came first.
    ///
    /// # Errors
    /// The file cannot be read or written, or holds something else.
    pub fn load_or_create(directory: &Path) -> Result<Self, KeyError> {
        let path = directory.join(FILE);
        let failed = |source| KeyError::Io { path: path.clone(), source };
        if !path.try_exists().map_err(failed)? {
            match create(directory, &path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                result => result.map_err(failed)?,
            }
        }
        let bytes = fs::read(&path).map_err(failed)?;
        let secret = bytes.try_into().map_err(|_| KeyError::Malformed { path: path.clone() })?;
        Ok(Self { secret })
    }

    /// Keys for one run, such as a test's.
    #[must_use]
    pub fn random() -> Self {
        Self { secret: rand::random() }
    }

    pub(crate) fn endpoint(&self) -> EndpointConfig {
        let reset = hmac::Key::new(hmac::HMAC_SHA256, &self.derive(b"stateless reset"));
        let ids = Generator::new(&self.derive(b"connection id"));
        let mut config = EndpointConfig::new(Arc::new(reset));
        config.cid_generator(move || Box::new(ids.clone()));
        config
    }

    /// The key that seals the tokens of Retry packets.
    pub(crate) fn retry(&self) -> hkdf::Prk {
        hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(&self.derive(b"retry token"))
    }

    fn derive(&self, purpose: &[u8]) -> [u8; LEN] {
        let mut key = [0; LEN];
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"dunlin quic")
            .extract(&self.secret)
            .expand(&[purpose], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut key))
            .expect("a key is as long as SHA-256");
        key
    }
}

/// Writes a temporary file (mode 0600) and gives it its name, unless another has the name by then.
fn create(directory: &Path, path: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(&Keys::random().secret)?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    Ok(())
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_start_finds_the_keys_of_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        let first = Keys::load_or_create(&data).unwrap();
        assert_eq!(Keys::load_or_create(&data).unwrap().secret, first.secret);
        assert_ne!(Keys::load_or_create(directory.path()).unwrap().secret, first.secret);
        assert_eq!(fs::read_dir(&data).unwrap().count(), 1, "no temporary file is left");
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_reads_them() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        Keys::load_or_create(directory.path()).unwrap();
        let mode = fs::metadata(directory.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn the_one_who_comes_second_takes_the_keys_of_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let keys = Keys::load_or_create(directory.path()).unwrap();
        let late = create(directory.path(), &directory.path().join(FILE)).unwrap_err();
        assert_eq!(late.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(Keys::load_or_create(directory.path()).unwrap().secret, keys.secret);
    }

    #[test]
    fn a_file_of_another_kind_is_refused_and_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        fs::write(&path, "not a key").unwrap();
        assert!(matches!(Keys::load_or_create(directory.path()), Err(KeyError::Malformed { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), "not a key");
    }

    #[test]
    fn each_purpose_has_its_own_key() {
        let keys = Keys { secret: [7; LEN] };
        let reset = keys.derive(b"stateless reset");
        assert_ne!(reset, keys.derive(b"retry token"));
        assert_eq!(reset, keys.derive(b"stateless reset"));
    }
}

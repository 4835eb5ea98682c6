//! The certificate in force, which changes while connections go on.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use arc_swap::ArcSwap;
use rustls::{
    pki_types::CertificateDer,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::{
    Error, Fingerprint,
    development::{self, Reason},
    inspect::Facts,
    load::{self, PemFile},
};

/// Where a server's certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Made and kept by the server itself; see [`development`].
    Development {
        /// The data directory, created if need be.
        dir: PathBuf,
        /// DNS names and IP addresses besides localhost and its own.
        names: Vec<String>,
    },
    /// Made by somebody else, who may replace the files at any time. The two may be one file.
    Files {
        /// The chain as PEM, the server's own certificate first.
        cert: PathBuf,
        /// The private key as PEM.
        key: PathBuf,
    },
}

/// The certificate in force: opened once, then [`refresh`](Self::refresh)ed every few seconds.
///
/// As rustls' resolver it gives every new handshake the newest certificate; connections that exist keep theirs.
/// Polling was chosen over watching because it works on every file system and with swapped symbolic links.
pub struct Live {
    source: Source,
    current: ArcSwap<Current>,
    /// Held throughout a refresh, so that a slow one cannot put an older certificate back.
    refreshing: Mutex<()>,
}

struct Current {
    certified: Arc<CertifiedKey>,
    facts: Facts,
    origin: Origin,
}

enum Origin {
    Development { made: Option<Reason> },
    Files(Stamp),
}

/// The hashes of a chain's file and a key's file: equal when nothing changed, whatever the files' dates say.
#[derive(PartialEq, Eq)]
struct Stamp {
    cert: Fingerprint,
    key: Fingerprint,
}

impl Live {
    /// Loads the certificate; in development makes one where there is none that will do.
    ///
    /// # Errors
    /// If files are missing, wrong or do not fit together. A broken development certificate is no error: it is
    /// replaced, and [`made_because`](Self::made_because) tells.
    pub fn open(source: Source, now: SystemTime) -> Result<Arc<Self>, Error> {
        let current = match &source {
            Source::Development { dir, names } => Current::keep(dir, names, now)?,
            Source::Files { cert, key } => Current::load(&PemFile::read(cert)?, &PemFile::read(key)?)?,
        };
        let current = ArcSwap::from_pointee(current);
        Ok(Arc::new(Self { source, current, refreshing: Mutex::new(()) }))
    }

    /// Takes up a change: files with new content, or a development certificate with less than
    /// [`development::RENEW_BEFORE`] to live. Says whether a new certificate is in force. Cheap when nothing
    /// changed: two small reads, or none in development.
    ///
    /// # Errors
    /// As [`open`](Self::open). The old certificate stays in force, and the next call tries again: a pair that is
    /// only half written when it is read does no harm. Until the files are mended every call fails in the same
    /// way, so a caller who writes a log compares with the last message.
    pub fn refresh(&self, now: SystemTime) -> Result<bool, Error> {
        let _one_at_a_time = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.load();
        let next = match &self.source {
            Source::Development { dir, names } => {
                if development::unfit(&current.facts, names, now)?.is_none() {
                    return Ok(false);
                }
                Current::keep(dir, names, now)?
            }
            Source::Files { cert, key } => {
                let (cert, key) = (PemFile::read(cert)?, PemFile::read(key)?);
                if matches!(&current.origin, Origin::Files(stamp) if *stamp == Stamp::of(&cert, &key)) {
                    return Ok(false);
                }
                Current::load(&cert, &key)?
            }
        };
        self.current.store(Arc::new(next));
        Ok(true)
    }

    /// SHA-256 of the certificate.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.current.load().facts.fingerprint
    }

    /// The server's own certificate, without the rest of the chain.
    #[must_use]
    pub fn leaf(&self) -> CertificateDer<'static> {
        self.current.load().certified.cert[0].clone()
    }

    /// The last moment of the certificate's life.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.current.load().facts.not_after
    }

    /// What the certificate says. An expired one is loaded all the same: [`Facts::problems`] tells.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.current.load().facts.clone()
    }

    /// Whether the server made the certificate itself.
    #[must_use]
    pub fn is_development(&self) -> bool {
        matches!(self.source, Source::Development { .. })
    }

    /// Why the development certificate in force was made, if this process made it.
    #[must_use]
    pub fn made_because(&self) -> Option<Reason> {
        match &self.current.load().origin {
            Origin::Development { made } => made.clone(),
            Origin::Files(_) => None,
        }
    }
}

impl Current {
    fn keep(dir: &Path, names: &[String], now: SystemTime) -> Result<Self, Error> {
        let development::Kept { certified, facts, made } = development::keep(dir, names, now)?;
        Ok(Self { certified: Arc::new(certified), facts, origin: Origin::Development { made } })
    }

    fn load(cert: &PemFile<'_>, key: &PemFile<'_>) -> Result<Self, Error> {
        let certified = Arc::new(load::fit(cert, key)?);
        let facts = Facts::read(cert.path, 0, &certified.cert[0])?;
        Ok(Self { certified, facts, origin: Origin::Files(Stamp::of(cert, key)) })
    }
}

impl Stamp {
    fn of(cert: &PemFile<'_>, key: &PemFile<'_>) -> Self {
        Self { cert: Fingerprint::of(&cert.pem), key: Fingerprint::of(&key.pem) }
    }
}

impl ResolvesServerCert for Live {
    /// The same certificate for every name: a client that asks for another will say so itself.
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.load().certified))
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("source", &self.source)
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

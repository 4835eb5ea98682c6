//! The development certificate in the data directory: kept while it will do, replaced when it will not.

use std::{
    collections::BTreeSet,
    fmt,
    fs::{self, File},
    io::ErrorKind,
    path::Path,
    time::{Duration, SystemTime},
};

use rustls::sign::CertifiedKey;

use super::{CERT_FILE, PAIR_FILE, all_names, make};
use crate::{
    Error,
    file::{self, Readers},
    inspect::Facts,
    load::{self, PemFile},
};

/// A certificate with less than this to live is replaced.
pub const RENEW_BEFORE: Duration = Duration::from_secs(2 * 24 * 60 * 60);

const LOCK_FILE: &str = "dev.lock";

/// Why a certificate was made where one might have been kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// There was none.
    Missing,
    /// The file could be read but not understood, with what was wrong. It has been overwritten.
    Corrupt(String),
    /// It had less than [`RENEW_BEFORE`] to live, or none.
    EndsSoon,
    /// It began in the future: the clock has been set back.
    NotYetValid,
    /// It was made for other names.
    OtherNames,
    /// Browsers would not accept it by its hash: somebody put it there.
    NotForBrowsers,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there was none"),
            Self::Corrupt(why) => write!(f, "the old one was corrupt: {why}"),
            Self::EndsSoon => f.write_str("the old one was at its end"),
            Self::NotYetValid => f.write_str("the old one began in the future"),
            Self::OtherNames => f.write_str("the old one was made for other names"),
            Self::NotForBrowsers => f.write_str("browsers would not accept the old one by its hash"),
        }
    }
}

/// A development certificate that is on disk.
pub(crate) struct Kept {
    pub(crate) certified: CertifiedKey,
    pub(crate) facts: Facts,
    /// Why it is new, if it is.
    pub(crate) made: Option<Reason>,
}

/// The certificate in the directory if it will do, otherwise a new one that takes its place.
pub(crate) fn keep(dir: &Path, names: &[String], now: SystemTime) -> Result<Kept, Error> {
    if let Ok(kept) = find(dir, names, now)?
        && cert_file_is_of(dir, &kept)
    {
        return Ok(kept);
    }
    let _lock = lock(dir)?;
    // Whoever held the lock before may have made one.
    match find(dir, names, now)? {
        Ok(kept) => {
            write_cert_file(dir, &kept)?;
            Ok(kept)
        }
        Err(reason) => {
            make(names, now)?.write(dir)?;
            let (certified, facts) = read(&dir.join(PAIR_FILE))?;
            Ok(Kept { certified, facts, made: Some(reason) })
        }
    }
}

/// Keeps every other process from replacing the directory's certificate, until it is dropped.
pub(super) fn lock(dir: &Path) -> Result<File, Error> {
    file::lock(&dir.join(LOCK_FILE))
}

/// The certificate on disk, or why a new one has to be made.
fn find(dir: &Path, names: &[String], now: SystemTime) -> Result<Result<Kept, Reason>, Error> {
    Ok(match read(&dir.join(PAIR_FILE)) {
        Ok((certified, facts)) => match unfit(&facts, names, now)? {
            None => Ok(Kept { certified, facts, made: None }),
            Some(reason) => Err(reason),
        },
        Err(Error::Read { source, .. }) if source.kind() == ErrorKind::NotFound => Err(Reason::Missing),
        Err(unreadable @ Error::Read { .. }) => return Err(unreadable),
        Err(corrupt) => Err(Reason::Corrupt(corrupt.to_string())),
    })
}

/// Read once, so that a rename in the meantime cannot mix two pairs.
fn read(path: &Path) -> Result<(CertifiedKey, Facts), Error> {
    let pair = PemFile::read(path)?;
    let certified = load::fit(&pair, &pair)?;
    let facts = Facts::read(path, 0, &certified.cert[0])?;
    Ok((certified, facts))
}

/// Why the certificate will not do, if it will not.
pub(crate) fn unfit(facts: &Facts, names: &[String], now: SystemTime) -> Result<Option<Reason>, Error> {
    let wanted: BTreeSet<_> = all_names(names)?.into_iter().collect();
    Ok(if facts.not_after < now + RENEW_BEFORE {
        Some(Reason::EndsSoon)
    } else if now < facts.not_before {
        Some(Reason::NotYetValid)
    } else if facts.names.iter().cloned().collect::<BTreeSet<_>>() != wanted {
        Some(Reason::OtherNames)
    } else if !facts.is_accepted_by_hash() {
        Some(Reason::NotForBrowsers)
    } else {
        None
    })
}

fn cert_file_is_of(dir: &Path, kept: &Kept) -> bool {
    fs::read(dir.join(CERT_FILE)).is_ok_and(|pem| pem == file::pem(&kept.certified.cert[0]).as_bytes())
}

fn write_cert_file(dir: &Path, kept: &Kept) -> Result<(), Error> {
    file::write(&dir.join(CERT_FILE), file::pem(&kept.certified.cert[0]).as_bytes(), Readers::Everybody)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::{
        Fingerprint,
        development::{BACKDATED, VALIDITY},
    };

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn kept_at(dir: &Path, now: SystemTime) -> (Fingerprint, Option<Reason>) {
        let kept = keep(dir, &[], now).unwrap();
        (kept.facts.fingerprint, kept.made)
    }

    fn cert_file(dir: &Path) -> Fingerprint {
        crate::inspect::pem_file(&dir.join(CERT_FILE)).unwrap()[0].fingerprint
    }

    #[test]
    fn the_first_is_made_and_then_kept() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("not/yet/there");
        let (first, reason) = kept_at(&data, now());
        assert_eq!(reason, Some(Reason::Missing));
        assert_eq!(kept_at(&data, now() + DAY), (first, None));
        assert_eq!(cert_file(&data), first);
    }

    #[test]
    fn is_renewed_two_days_before_its_end() {
        let dir = tempfile::tempdir().unwrap();
        let (first, _) = kept_at(dir.path(), now());
        let due = now() - BACKDATED + VALIDITY - RENEW_BEFORE;
        assert_eq!(kept_at(dir.path(), due), (first, None));
        let (second, reason) = kept_at(dir.path(), due + Duration::from_secs(1));
        assert_eq!(reason, Some(Reason::EndsSoon));
        assert_ne!(second, first);
        assert_eq!(cert_file(dir.path()), second);
    }

    #[test]
    fn a_clock_set_back_makes_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        kept_at(dir.path(), now());
        assert_eq!(kept_at(dir.path(), now() - DAY).1, Some(Reason::NotYetValid));
    }

    #[test]
    fn other_names_make_a_new_one_but_not_another_order() {
        let dir = tempfile::tempdir().unwrap();
        let made = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
            keep(dir.path(), &names, now()).unwrap().made
        };
        made(&[]);
        assert_eq!(made(&["a.test", "b.test"]), Some(Reason::OtherNames));
        assert_eq!(made(&["B.test", "a.test", "localhost"]), None);
        assert_eq!(made(&["a.test"]), Some(Reason::OtherNames));
    }

    #[test]
    fn a_corrupt_one_is_replaced_and_it_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let other = make(&[], now()).unwrap();
        let pem = make(&[], now()).unwrap().cert_pem;
        for content in ["", "nonsense", &pem, &pem[..200], &(pem.clone() + &other.key_pem)] {
            fs::write(dir.path().join(PAIR_FILE), content).unwrap();
            let (made, reason) = kept_at(dir.path(), now());
            assert!(matches!(reason, Some(Reason::Corrupt(why)) if why.contains(PAIR_FILE)), "{content}");
            assert_eq!(kept_at(dir.path(), now()), (made, None));
        }
    }

    #[test]
    fn one_that_browsers_refuse_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let names = all_names(&[]).unwrap();
        // rcgen's own choice is a life of two millennia.
        let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names).unwrap();
        fs::write(dir.path().join(PAIR_FILE), cert.pem() + &signing_key.serialize_pem()).unwrap();
        assert_eq!(kept_at(dir.path(), now()).1, Some(Reason::NotForBrowsers));
    }

    #[test]
    fn one_that_cannot_be_read_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(PAIR_FILE);
        // A folder in its place fails to be read for every user, even one that no permission stops.
        fs::create_dir(&path).unwrap();
        let error = keep(dir.path(), &[], now()).err().unwrap();
        assert!(matches!(&error, Error::Read { path: at, .. } if *at == path), "{error}");
        assert!(path.is_dir());
    }

    #[test]
    fn a_lost_certificate_file_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let (first, _) = kept_at(dir.path(), now());
        fs::remove_file(dir.path().join(CERT_FILE)).unwrap();
        assert_eq!(kept_at(dir.path(), now()), (first, None));
        assert_eq!(cert_file(dir.path()), first);
    }

    #[test]
    fn servers_that_start_at_once_agree() {
        let dir = tempfile::tempdir().unwrap();
        let kept: Vec<_> = thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| kept_at(dir.path(), now()))).collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert_eq!(kept.iter().filter(|(_, made)| made.is_some()).count(), 1);
        assert!(kept.iter().all(|(fingerprint, _)| *fingerprint == cert_file(dir.path())));
    }

    #[test]
    fn a_saved_one_is_used_by_the_next_start() {
        let dir = tempfile::tempdir().unwrap();
        kept_at(dir.path(), now());
        let made = make(&[], now()).unwrap();
        made.save(dir.path()).unwrap();
        assert_eq!(kept_at(dir.path(), now()), (Fingerprint::of(&made.cert), None));
    }

    #[cfg(unix)]
    #[test]
    fn the_key_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        kept_at(&data, now());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&data), 0o700);
        assert_eq!(mode(&data.join(PAIR_FILE)), 0o600);
        assert_eq!(mode(&data.join(CERT_FILE)), 0o644);
    }
}

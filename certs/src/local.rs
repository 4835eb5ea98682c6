//! How a client finds the development certificate of a server on the same machine.
//!
//! The server leaves its certificate in a folder of the user's; a client of the same user that dials a loopback
//! address looks there for something to pin. So a first try needs no flag, and nobody learns to switch
//! verification off. Who can write to the folder can stand in for a local server: it is the user's alone.

use std::{
    env, fs,
    hash::{BuildHasher as _, RandomState},
    path::{Path, PathBuf},
};

use directories::ProjectDirs;
use rustls::pki_types::CertificateDer;

use crate::{
    Error, Fingerprint,
    file::{self, Readers},
    load::PemFile,
};

/// The environment variable that names another folder.
pub const DIR_VARIABLE: &str = "DUNLIN_LOCAL_DIR";

/// The folder of announcements: [`DIR_VARIABLE`] if it is set, otherwise `dunlin/local` under the user's data.
/// None if the user has no home.
#[must_use]
pub fn dir() -> Option<PathBuf> {
    match env::var_os(DIR_VARIABLE).filter(|dir| !dir.is_empty()) {
        Some(dir) => Some(dir.into()),
        None => ProjectDirs::from("", "", "dunlin").map(|dirs| dirs.data_local_dir().join("local")),
    }
}

/// Tells this user's clients which certificate the server on a port uses, until the announcement is dropped.
/// After a renewal announce again; the earlier announcement can then be dropped at any time.
///
/// # Errors
/// If there is no folder for it, or it cannot be written.
pub fn announce(port: u16, cert: &CertificateDer<'_>) -> Result<Announcement, Error> {
    announce_in(&dir().ok_or(Error::NoLocalDir)?, port, cert)
}

/// [`announce`] in a folder of one's own choice.
///
/// # Errors
/// If the folder cannot be written.
pub fn announce_in(dir: &Path, port: u16, cert: &CertificateDer<'_>) -> Result<Announcement, Error> {
    // PEM readers skip what stands outside the sections. The mark is another one at every call, so that a server
    // that goes away leaves the file of its successor, which may well use the same certificate.
    let mark = RandomState::new().hash_one(port);
    let content = format!("Dunlin server on port {port}, {mark:016x}\n{}", file::pem(cert));
    let path = path(dir, port);
    file::write(&path, content.as_bytes(), Readers::Everybody)?;
    Ok(Announcement { path, content })
}

/// The fingerprint to pin when dialling this machine on a port, if a server of the same user announced one.
///
/// A server that was killed leaves its announcement behind, so it is one more reason to trust a certificate,
/// never a reason to refuse one that can be trusted otherwise.
#[must_use]
pub fn find(port: u16) -> Option<Fingerprint> {
    find_in(&dir()?, port)
}

/// [`find`] in a folder of one's own choice.
#[must_use]
pub fn find_in(dir: &Path, port: u16) -> Option<Fingerprint> {
    let path = path(dir, port);
    let chain = PemFile::read(&path).ok()?.chain().ok()?;
    Some(Fingerprint::of(&chain[0]))
}

/// A certificate announced to clients on the same machine. Dropping it takes the announcement back, unless
/// another has taken its place.
#[must_use = "an announcement ends when it is dropped"]
#[derive(Debug)]
pub struct Announcement {
    path: PathBuf,
    content: String,
}

impl Drop for Announcement {
    fn drop(&mut self) {
        if fs::read(&self.path).is_ok_and(|content| content == self.content.as_bytes()) {
            // If it cannot be removed, it is as if the process had been killed.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn path(dir: &Path, port: u16) -> PathBuf {
    dir.join(format!("{port}.pem"))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn cert() -> CertificateDer<'static> {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        crate::development::make(&[], now).unwrap().cert
    }

    #[test]
    fn what_is_announced_is_found_until_it_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("local");
        assert_eq!(find_in(&folder, 4433), None);
        let cert = cert();
        let announcement = announce_in(&folder, 4433, &cert).unwrap();
        assert_eq!(find_in(&folder, 4433), Some(Fingerprint::of(&cert)));
        assert_eq!(find_in(&folder, 4434), None);
        drop(announcement);
        assert_eq!(find_in(&folder, 4433), None);
    }

    #[test]
    fn a_successor_stays_even_with_the_same_certificate() {
        let dir = tempfile::tempdir().unwrap();
        let cert = cert();
        let old = announce_in(dir.path(), 4433, &cert).unwrap();
        let _new = announce_in(dir.path(), 4433, &cert).unwrap();
        drop(old);
        assert_eq!(find_in(dir.path(), 4433), Some(Fingerprint::of(&cert)));
    }

    #[test]
    fn what_is_no_certificate_is_not_found() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("4433.pem"), "nonsense").unwrap();
        assert_eq!(find_in(dir.path(), 4433), None);
    }

    #[cfg(unix)]
    #[test]
    fn the_folder_is_the_users_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("local");
        let _announcement = announce_in(&folder, 4433, &cert()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&path(&folder, 4433))), (0o700, 0o644));
    }
}

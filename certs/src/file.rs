//! Small files that are either the old ones or the new ones, whenever somebody looks.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::pki_types::CertificateDer;
use tempfile::NamedTempFile;

use crate::Error;

/// Who may read a file.
#[derive(Clone, Copy)]
pub(crate) enum Readers {
    /// The user alone (0600).
    Owner,
    /// Everybody whom the folder lets through (0644).
    Everybody,
}

/// Writes the file in one step, through a rename: a crash leaves the old content or the new, never a half.
pub(crate) fn write(path: &Path, content: &[u8], readers: Readers) -> Result<(), Error> {
    let dir = folder_of(path);
    let write = || -> io::Result<()> {
        create_dir(dir)?;
        // In the same folder, because a rename is only atomic within a file system. Made as 0600.
        let mut file = NamedTempFile::new_in(dir)?;
        file.write_all(content)?;
        allow(file.as_file(), readers)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|source| Error::Write { path: path.into(), source })
}

/// Holds every other process off the folder's certificates until it is dropped.
pub(crate) fn lock(path: &Path) -> Result<File, Error> {
    let lock = || {
        create_dir(folder_of(path))?;
        let file = File::options().create(true).append(true).open(path)?;
        match file.lock() {
            // Some network file systems have no locks. Writes are atomic all the same: without the lock two
            // servers that start at once may use different certificates, each with its own key.
            Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(file),
            locked => locked.map(|()| file),
        }
    };
    lock().map_err(|source| Error::Write { path: path.into(), source })
}

fn folder_of(file: &Path) -> &Path {
    file.parent().expect("every file here is named by joining a folder and a name")
}

/// The certificate as PEM (RFC 7468: lines of 64 characters).
pub(crate) fn pem(cert: &CertificateDer<'_>) -> String {
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    let text = STANDARD.encode(cert);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem + "-----END CERTIFICATE-----\n"
}

/// Creates the folder and what is missing above it, for the user alone. One that exists keeps its mode.
#[cfg(unix)]
fn create_dir(dir: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

#[cfg(unix)]
fn allow(file: &File, readers: Readers) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = match readers {
        Readers::Owner => 0o600,
        Readers::Everybody => 0o644,
    };
    file.set_permissions(fs::Permissions::from_mode(mode))
}

// Elsewhere a file has the rights of its folder, which is the user's own.
#[cfg(not(unix))]
fn create_dir(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)
}

#[cfg(not(unix))]
fn allow(_: &File, _: Readers) -> io::Result<()> {
    Ok(())
}

//! What clients get while the certificate changes, over handshakes in memory.
#![expect(clippy::unwrap_used, reason = "helpers outside of the test functions are test code, too")]

use std::{
    fs,
    io::{Read as _, Write as _},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use dunlin_certs::{
    Error, Fingerprint, Live, Source,
    development::{self, Made},
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use tempfile::TempDir;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[test]
fn a_client_that_trusts_the_development_certificate_verifies_the_server() {
    let dir = tempfile::tempdir().unwrap();
    let names = vec!["dunlin.test".to_owned()];
    let live = Live::open(development_in(&dir, &names), SystemTime::now()).unwrap();
    for name in ["localhost", "127.0.0.1", "::1", "dunlin.test"] {
        assert_eq!(served(&live, &live.leaf(), name), Ok(live.fingerprint()), "{name}");
    }
    assert!(served(&live, &live.leaf(), "other.test").is_err());
    assert!(served(&live, &made().cert, "localhost").is_err());
}

#[test]
fn a_new_certificate_is_served_to_the_next_handshake_and_no_connection_is_lost() {
    let files = Files::new();
    let old = files.write(made());
    let live = files.open();
    let mut connection = Connection::to(&live, &old.cert, "localhost").unwrap();

    let new = files.write(made());
    assert!(live.refresh(SystemTime::now()).unwrap());

    assert_eq!(served(&live, &new.cert, "localhost"), Ok(Fingerprint::of(&new.cert)));
    assert!(served(&live, &old.cert, "localhost").is_err());
    assert_eq!(connection.echo(b"still here"), b"still here");
}

#[test]
fn files_that_did_not_change_are_not_new() {
    let files = Files::new();
    let made = files.write(made());
    let live = files.open();
    assert!(!live.refresh(SystemTime::now()).unwrap());
    files.write(made);
    assert!(!live.refresh(SystemTime::now()).unwrap());
}

#[test]
fn a_half_written_pair_changes_nothing_until_it_is_whole() {
    let files = Files::new();
    let old = files.write(made());
    let live = files.open();
    let new = made();

    fs::write(files.cert(), &new.cert_pem[..100]).unwrap();
    assert!(matches!(live.refresh(SystemTime::now()), Err(Error::Pem { path, .. }) if path == files.cert()));
    fs::write(files.cert(), &new.cert_pem).unwrap();
    assert!(matches!(live.refresh(SystemTime::now()), Err(Error::Mismatch { .. })));
    fs::remove_file(files.key()).unwrap();
    assert!(matches!(live.refresh(SystemTime::now()), Err(Error::Read { path, .. }) if path == files.key()));
    assert_eq!(served(&live, &old.cert, "localhost"), Ok(Fingerprint::of(&old.cert)));

    fs::write(files.key(), &new.key_pem).unwrap();
    assert!(live.refresh(SystemTime::now()).unwrap());
    assert_eq!(live.fingerprint(), Fingerprint::of(&new.cert));
}

/// Kubernetes changes a mounted secret by pointing one symbolic link at another folder.
#[cfg(unix)]
#[test]
fn a_swapped_symbolic_link_is_a_change() {
    use std::os::unix::fs::symlink;
    let (old, new, mount) = (Files::new(), Files::new(), tempfile::tempdir().unwrap());
    old.write(made());
    let made = new.write(made());
    let link = mount.path().join("data");
    symlink(old.dir.path(), &link).unwrap();
    let source = Source::Files { cert: link.join("cert.pem"), key: link.join("key.pem") };
    let live = Live::open(source, SystemTime::now()).unwrap();

    symlink(new.dir.path(), mount.path().join("next")).unwrap();
    fs::rename(mount.path().join("next"), &link).unwrap();
    assert!(live.refresh(SystemTime::now()).unwrap());
    assert_eq!(live.fingerprint(), Fingerprint::of(&made.cert));
}

#[test]
fn a_development_certificate_is_renewed_while_it_is_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let start = SystemTime::now();
    let live = Live::open(development_in(&dir, &[]), start).unwrap();
    assert_eq!(live.made_because(), Some(development::Reason::Missing));
    let (first, end) = (live.fingerprint(), live.not_after());

    assert!(!live.refresh(start + 10 * DAY).unwrap());
    assert!(live.refresh(start + 11 * DAY).unwrap());
    assert_ne!(live.fingerprint(), first);
    assert_eq!(live.not_after(), end + 11 * DAY);
    assert_eq!(live.made_because(), Some(development::Reason::EndsSoon));
}

#[test]
fn a_renewal_that_fails_leaves_the_old_certificate_in_force() {
    let dir = tempfile::tempdir().unwrap();
    let start = SystemTime::now();
    let live = Live::open(development_in(&dir, &[]), start).unwrap();
    let pair = dir.path().join(development::PAIR_FILE);
    fs::remove_file(&pair).unwrap();
    fs::create_dir(&pair).unwrap();

    assert!(live.refresh(start + 12 * DAY).is_err());
    assert_eq!(served(&live, &live.leaf(), "localhost"), Ok(live.fingerprint()));
    fs::remove_dir(&pair).unwrap();
    assert!(live.refresh(start + 12 * DAY).unwrap());
}

fn made() -> Made {
    development::make(&[], SystemTime::now()).unwrap()
}

fn development_in(dir: &TempDir, names: &[String]) -> Source {
    Source::Development { dir: dir.path().into(), names: names.to_vec() }
}

/// A certificate's files, as an operator provides them.
struct Files {
    dir: TempDir,
}

impl Files {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn cert(&self) -> PathBuf {
        self.dir.path().join("cert.pem")
    }

    fn key(&self) -> PathBuf {
        self.dir.path().join("key.pem")
    }

    fn write(&self, made: Made) -> Made {
        fs::write(self.cert(), &made.cert_pem).unwrap();
        fs::write(self.key(), &made.key_pem).unwrap();
        made
    }

    fn open(&self) -> Arc<Live> {
        Live::open(Source::Files { cert: self.cert(), key: self.key() }, SystemTime::now()).unwrap()
    }
}

/// The certificate that a client gets which trusts `root` and dials `name`.
fn served(
    live: &Arc<Live>,
    root: &CertificateDer<'static>,
    name: &str,
) -> Result<Fingerprint, rustls::Error> {
    let connection = Connection::to(live, root, name)?;
    let chain = connection.client.peer_certificates().expect("a client knows its server's certificates");
    Ok(Fingerprint::of(&chain[0]))
}

/// Both ends of a TLS connection.
struct Connection {
    client: ClientConnection,
    server: ServerConnection,
}

impl Connection {
    fn to(live: &Arc<Live>, root: &CertificateDer<'static>, name: &str) -> Result<Self, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(root.clone())?;
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(live) as _);
        let name = ServerName::try_from(name.to_owned()).expect("the tests dial legal names");
        let mut connection = Self {
            client: ClientConnection::new(Arc::new(client), name)?,
            server: ServerConnection::new(Arc::new(server))?,
        };
        while connection.client.is_handshaking() || connection.server.is_handshaking() {
            connection.exchange()?;
        }
        Ok(connection)
    }

    /// Carries what each end has to say to the other.
    fn exchange(&mut self) -> Result<(), rustls::Error> {
        let mut flight = Vec::new();
        self.client.write_tls(&mut flight).unwrap();
        self.server.read_tls(&mut &flight[..]).unwrap();
        self.server.process_new_packets()?;
        flight.clear();
        self.server.write_tls(&mut flight).unwrap();
        self.client.read_tls(&mut &flight[..]).unwrap();
        self.client.process_new_packets()?;
        Ok(())
    }

    fn echo(&mut self, message: &[u8]) -> Vec<u8> {
        let mut received = vec![0; message.len()];
        self.client.writer().write_all(message).unwrap();
        self.exchange().unwrap();
        self.server.reader().read_exact(&mut received).unwrap();
        self.server.writer().write_all(&received).unwrap();
        self.exchange().unwrap();
        self.client.reader().read_exact(&mut received).unwrap();
        received
    }
}

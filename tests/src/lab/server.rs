//! The real server, in its namespace.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::{
    namespace::Namespace,
    network::SERVER,
    peer::{Peer, Writes},
    trace::{Record, What},
};

const PORT: u16 = 4433;

/// How long a server may take to start, and an agent to connect.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A `dunlin-server` that can be killed and started again on the same data.
#[derive(Debug)]
pub(super) struct Server {
    process: Option<Peer>,
    /// What earlier lives have logged.
    past: Vec<Record>,
    line: String,
    dir: TempDir,
}

impl Server {
    pub(super) async fn start(namespace: &Namespace, settings: &[String]) -> Result<Self> {
        let dir = tempfile::tempdir().context("a directory for the server's data")?;
        let program = beside_this("dunlin-server")?;
        let mut line = format!(
            "{} --listen 0.0.0.0:{PORT} --http 127.0.0.1:4480 --data-dir {} --set tls.names={SERVER} --set \
             log.format=json --set auth.mode=off --set limits.channels=1000 --set history.count=100000 --set history.bytes=64MiB",
            program.display(),
            dir.path().display(),
        );
        for setting in settings {
            line += &format!(" --set {setting}");
        }
        let mut server = Self { process: None, past: Vec::new(), line, dir };
        server.begin(namespace).await?;
        Ok(server)
    }

    /// Starts it and waits until it serves.
    pub(super) async fn begin(&mut self, namespace: &Namespace) -> Result<()> {
        let process = Peer::start(namespace, &self.line, Writes::Log)?;
        let serving = |records: &[Record]| {
            records.iter().any(|r| matches!(&r.what, What::Log { line } if line.contains("serving")))
        };
        ensure!(process.until(PATIENCE, serving).await?, "the server does not serve");
        self.process = Some(process);
        Ok(())
    }

    /// Kills it, without a goodbye.
    pub(super) async fn kill(&mut self) -> Result<()> {
        let process = self.process.take().context("a server that runs")?;
        self.past.extend(process.kill().await?);
        Ok(())
    }

    pub(super) fn certificate(&self) -> PathBuf {
        self.dir.path().join("dev-cert.pem")
    }

    /// All that it logged.
    pub(super) fn records(&self) -> Vec<Record> {
        let mut records = self.past.clone();
        records.extend(self.process.iter().flat_map(Peer::records));
        records
    }

    pub(super) fn authority() -> String {
        format!("{SERVER}:{PORT}")
    }
}

/// A program of the same build as this one.
fn beside_this(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe().context("this program's path")?;
    let path = this.parent().unwrap_or(Path::new("/")).join(name);
    ensure!(path.exists(), "{} is missing; tests/run lab builds it", path.display());
    Ok(path)
}

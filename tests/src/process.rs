//! The real binaries as real processes.

use crate::soon;
use serde_json::Value;
use std::{
    net::{SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, Command},
};

/// A binary of this build.
///
/// # Panics
/// If it was not built: `cargo build -p dunlin-server -p dunlin` comes first, as `tests/run` does.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a running test has a path");
    let path = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST").join(name);
    assert!(path.exists(), "{} is missing: cargo build -p dunlin-server -p dunlin", path.display());
    path
}

/// A directory for a server's data and for what it tells local clients, and the port it keeps over restarts.
pub struct Home {
    dir: TempDir,
    port: u16,
}

impl Default for Home {
    fn default() -> Self {
        Self { dir: tempfile::tempdir().expect("a temporary directory"), port: free_port() }
    }
}

/// A port that is free for UDP and for TCP.
fn free_port() -> u16 {
    loop {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("a bound socket has an address");
        if TcpListener::bind(address).is_ok() {
            return address.port();
        }
    }
}

impl Home {
    /// Where the server will be.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The data directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Starts `dunlin-server` here and waits until it is serving.
    pub async fn serve(&self, more: &[&str]) -> Process {
        let address = self.address().to_string();
        let dir = self.path().display().to_string();
        let mut arguments =
            vec!["--listen", &address, "--http", "off", "--data-dir", &dir, "--set", "log.format=json"];
        arguments.extend(more);
        let mut server = Process::start("dunlin-server", &arguments, self, Output::Stderr);
        server.line_with("serving").await;
        server
    }

    /// Starts `dunlin` here, aimed at the server.
    #[must_use]
    pub fn client(&self, arguments: &[&str]) -> Process {
        Process::start("dunlin", arguments, self, Output::Stdout)
    }
}

/// Which of its outputs a test reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A running binary; killed when dropped.
pub struct Process {
    child: Child,
    lines: Lines<BufReader<Box<dyn tokio::io::AsyncRead + Unpin + Send>>>,
}

impl Process {
    /// Starts a binary with a home.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(name: &str, arguments: &[&str], home: &Home, read: Output) -> Self {
        let mut command = Command::new(binary(name));
        command.args(arguments).kill_on_drop(true).stdin(Stdio::piped());
        command.env("DUNLIN_LOCAL_DIR", home.path().join("local")).env_remove("DUNLIN_CONFIG");
        if name == "dunlin" {
            command.env("DUNLIN_URL", format!("dunlin://{}", home.address()));
        }
        match read {
            Output::Stdout => command.stdout(Stdio::piped()).stderr(Stdio::inherit()),
            Output::Stderr => command.stdout(Stdio::inherit()).stderr(Stdio::piped()),
        };
        let mut child = command.spawn().expect("the binary starts");
        let output: Box<dyn tokio::io::AsyncRead + Unpin + Send> = match read {
            Output::Stdout => Box::new(child.stdout.take().expect("piped")),
            Output::Stderr => Box::new(child.stderr.take().expect("piped")),
        };
        Self { child, lines: BufReader::new(output).lines() }
    }

    /// The next line; `None` when the output has ended.
    ///
    /// # Panics
    /// If none comes.
    pub async fn line(&mut self) -> Option<String> {
        soon("a line", self.lines.next_line()).await.expect("output is text")
    }

    /// The next line that contains this text.
    ///
    /// # Panics
    /// If the output ends before.
    pub async fn line_with(&mut self, text: &str) -> String {
        loop {
            match self.line().await {
                Some(line) if line.contains(text) => return line,
                Some(_) => {}
                None => panic!("the output ended before a line with {text:?}"),
            }
        }
    }

    /// The next JSON object of this `type`.
    ///
    /// # Panics
    /// If the output ends before, or holds something else than JSON.
    pub async fn object(&mut self, kind: &str) -> Value {
        loop {
            let line = self.line().await.unwrap_or_else(|| panic!("the output ended before {kind:?}"));
            let value: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            if value["type"] == kind {
                return value;
            }
        }
    }

    /// Writes a line to its standard input.
    ///
    /// # Panics
    /// If it does not read.
    pub async fn say(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("standard input is open");
        input.write_all(format!("{line}\n").as_bytes()).await.expect("the process reads");
    }

    /// Ends its standard input.
    pub fn end_of_input(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Its process id.
    ///
    /// # Panics
    /// If it is gone.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id().expect("still running")
    }

    /// Sends a signal, as `kill` does.
    ///
    /// # Panics
    /// If the process is gone.
    pub async fn signal(&self, name: &str) {
        let pid = self.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().await;
        assert!(sent.expect("kill runs").success());
    }

    /// How it ended.
    ///
    /// # Panics
    /// If it does not end.
    pub async fn ended(&mut self) -> ExitStatus {
        soon("the end of a process", self.child.wait()).await.expect("a child can be waited for")
    }
}

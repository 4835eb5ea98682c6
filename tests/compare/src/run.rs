//! A comparison from its beginning to its end.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use tokio::{process::Child, time::timeout};

use crate::{
    load::{Figures, Work},
    peers::{ALL, Peer, Place, Server, root},
    process, report,
    results::{Machine, Results},
    scale,
};

/// What the subscribers are put to, in this order: what may leave a slow server behind comes last.
const WORK: &[Work] =
    &[Work::Latency, Work::Closed(1), Work::Closed(8), Work::Closed(32), Work::Open(200), Work::Open(1000)];

/// How long one server may take for all its work.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One round, shorter, with fewer connections: within ten minutes, into docs/benchmarks/quick
    #[arg(long)]
    quick: bool,
    /// Only these (dunlin, dunlin-webtransport, dunlin-websocket, nats, centrifuge, mosquitto, redis, socketio, rmqtt, rmqtt-quic, bare-quinn,
    /// sealed-udp)
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// How many rounds; 5, or 1 with --quick
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Compare without the connections, storms and latencies of Dunlin alone
    #[arg(long)]
    no_scale: bool,
    /// Where report and figures go
    #[arg(long, value_name = "DIRECTORY")]
    output: Option<PathBuf>,
}

/// A server that runs; killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: SocketAddr,
    dir: TempDir,
}

/// The certificate that all servers show.
pub(crate) struct Identity {
    dir: TempDir,
}

impl Identity {
    fn new() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let rcgen::CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(names)?;
        let identity = Self { dir };
        fs::write(identity.certificate(), cert.pem())?;
        fs::write(identity.key(), signing_key.serialize_pem())?;
        Ok(identity)
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.dir.path().join("certificate.pem")
    }

    fn key(&self) -> PathBuf {
        self.dir.path().join("key.pem")
    }
}

impl Running {
    pub(crate) fn start(server: Server, identity: &Identity) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        // Free over TCP a moment ago; nothing here takes UDP ports of others.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let (certificate, key) = (identity.certificate(), identity.key());
        let place = Place { dir: dir.path(), certificate: &certificate, key: &key, port: address.port() };
        let log = fs::File::create(dir.path().join("log"))?;
        let mut command = tokio::process::Command::from(server.command(&place)?);
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("taskset (of util-linux) starts the servers")?;
        Ok(Self { child, address, dir })
    }

    pub(crate) fn pid(&self) -> Result<u32> {
        self.child.id().context("the server is gone")
    }

    /// The last lines of what it said.
    pub(crate) fn log(&self) -> String {
        let log = fs::read(self.dir.path().join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(5)..].join("\n")
    }

    pub(crate) async fn stop(mut self) {
        // A kill needs no patience, and nothing here outlives its server.
        let _ = self.child.kill().await;
    }
}

pub(crate) async fn run(args: &Args) -> Result<()> {
    ensure!(std::thread::available_parallelism()?.get() >= 2, "server and load need a core each");
    process::raise_file_limit();
    let peers = chosen(&args.only)?;
    let seconds = if args.quick { 1.5 } else { 4.0 };
    let mut results = Results {
        date: jiff::ZonedDateTime::now().strftime("%Y-%m-%d %H:%M %Z").to_string(),
        revision: revision(),
        quick: args.quick,
        machine: machine()?,
        subscribers: 1000,
        seconds,
        rounds: args.rounds.map_or(if args.quick { 1 } else { 5 }, |rounds| rounds as usize),
        versions: BTreeMap::new(),
        missing: BTreeMap::new(),
        figures: BTreeMap::new(),
        failures: vec![],
        scale: scale::Scale::default(),
    };
    let mut here = vec![];
    for peer in peers {
        match peer.server.version() {
            Ok(version) => {
                results.versions.insert(peer.key.into(), version);
                here.push(peer);
            }
            Err(error) => {
                eprintln!("{}: not here ({error:#})", peer.key);
                results.missing.insert(peer.key.into(), format!("{error:#}"));
            }
        }
    }
    let output = args
        .output
        .clone()
        .unwrap_or_else(|| root().join(if args.quick { "docs/benchmarks/quick" } else { "docs/benchmarks" }));
    let identity = Identity::new()?;
    for round in 0..results.rounds {
        // Another order each time, so that nobody always runs when the machine is at its worst.
        let shift = round % here.len().max(1);
        here.rotate_left(shift);
        for peer in &here {
            eprintln!("round {} of {}: {}", round + 1, results.rounds, peer.key);
            let mut figures = vec![];
            if let Err(error) = one(peer, &identity, &results, &mut figures).await {
                eprintln!("  {error:#}");
                results.failures.push(format!("{}, round {}: {error:#}", peer.key, round + 1));
            }
            results.figures.entry(peer.key.into()).or_default().extend(figures);
        }
        keep(&results, &output)?;
    }
    if !args.no_scale && here.iter().any(Peer::is_ours) {
        for step in scale::steps(args.quick) {
            if let Err(error) = scale::run(step, &identity, &mut results.scale).await {
                eprintln!("  {error:#}");
                results.failures.push(format!("{step:?}: {error:#}"));
            }
            keep(&results, &output)?;
        }
    }
    eprintln!("{}", output.join("README.md").display());
    Ok(())
}

/// Writes what there is so far: who interrupts the rest loses nothing.
fn keep(results: &Results, output: &Path) -> Result<()> {
    fs::create_dir_all(output)?;
    fs::write(output.join("results.json"), serde_json::to_string_pretty(results)? + "\n")?;
    report::write(output)
}

fn chosen(only: &[String]) -> Result<Vec<Peer>> {
    for name in only {
        ensure!(ALL.iter().any(|peer| peer.key == name), "nobody is called {name}");
    }
    Ok(ALL
        .iter()
        .filter(|peer| only.is_empty() || only.iter().any(|name| name == peer.key))
        .copied()
        .collect())
}

/// One server, and all work on it.
async fn one(peer: &Peer, identity: &Identity, results: &Results, figures: &mut Vec<Figures>) -> Result<()> {
    let server = Running::start(peer.server, identity)?;
    let wire = clap::ValueEnum::to_possible_value(&peer.wire).context("a wire has a name")?;
    let work: Vec<_> = WORK.iter().map(ToString::to_string).collect();
    let mut load = tokio::process::Command::new("taskset");
    load.args(["--cpu-list", "1"]).arg(std::env::current_exe()?).arg("load");
    load.arg("--wire").arg(wire.get_name()).arg("--address").arg(server.address.to_string());
    load.arg("--certificate").arg(identity.certificate()).arg("--pid").arg(server.pid()?.to_string());
    load.arg("--subscribers").arg(results.subscribers.to_string());
    load.arg("--seconds").arg(results.seconds.to_string()).arg("--work").arg(work.join(","));
    // Errors are told in a line.
    load.env("RUST_BACKTRACE", "0");
    let done = timeout(PATIENCE, load.kill_on_drop(true).stdin(Stdio::null()).output());
    let done = done.await.context("the work has no end")??;
    for line in str::from_utf8(&done.stdout)?.lines() {
        figures.push(serde_json::from_str(line)?);
    }
    let said = server.log();
    server.stop().await;
    if !done.status.success() {
        bail!("{}\n{said}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(())
}

/// Prints one JSON object of this command, on the load's core.
pub(crate) async fn json(command: Command) -> Result<serde_json::Value> {
    let shown = format!("{command:?}");
    let mut command = tokio::process::Command::from(command);
    let done = command.kill_on_drop(true).stdin(Stdio::null()).output().await?;
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    serde_json::from_slice(&done.stdout).with_context(|| format!("{shown}: {}", said.trim()))
}

fn revision() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(root()).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let revision = git(&["rev-parse", "--short", "HEAD"]).unwrap_or_default();
    let changed =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|text| !text.is_empty());
    if changed { format!("{revision} with changes") } else { revision }
}

fn machine() -> Result<Machine> {
    let read = |path: &str| fs::read_to_string(path).context(path.to_owned());
    let after = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let memory = after(&read("/proc/meminfo")?, "MemTotal").context("MemTotal")?;
    let kilobytes: u64 = memory.trim_end_matches(" kB").parse()?;
    let average = read("/proc/loadavg")?;
    Ok(Machine {
        processor: after(&read("/proc/cpuinfo")?, "model name").unwrap_or_else(|| "unknown".into()),
        cores: std::thread::available_parallelism()?.get(),
        memory_gib: kilobytes.div_ceil(1 << 20),
        system: format!("Linux {}", read("/proc/sys/kernel/osrelease")?.trim()),
        load: average.split(' ').next().unwrap_or_default().parse()?,
    })
}

/// Where a built program of the repository is.
pub(crate) fn built(name: &str) -> PathBuf {
    root().join("target/release").join(name)
}

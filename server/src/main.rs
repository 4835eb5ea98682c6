//! `dunlin-server`: parse, build, run, drain.

mod cli;
mod logging;
mod memory;

use clap::Parser;
use cli::{Cli, Command};
use dunlin_server::{
    Config, Page, Server,
    config::{Api, Auth},
};
use dunlin_transport::PATH;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{net::SocketAddr, process::ExitCode};
use tokio::signal::unix::{SignalKind, signal};

/// A configuration that is wrong, as in sysexits.h.
const EX_CONFIG: u8 = 78;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Command::Completions { shell }) = cli.command {
        cli::complete(shell);
        return ExitCode::SUCCESS;
    }
    let sources = match cli.sources() {
        Ok(sources) => sources,
        Err(error) => return fail(&error, EX_CONFIG),
    };
    let config = match Config::check(&sources) {
        Ok(config) => config,
        Err(mistakes) => return fail(&mistakes, EX_CONFIG),
    };
    if cli.print_config {
        print!("{}", sources.to_toml());
        return ExitCode::SUCCESS;
    }
    if let Err(error) = logging::start(&config) {
        return fail(&error, EX_CONFIG);
    }
    for name in sources.strange() {
        tracing::warn!("{name} is no key of the configuration; --print-config shows all");
    }
    if cli.check {
        return check(&config);
    }
    match run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

fn fail(error: &dyn std::fmt::Display, code: u8) -> ExitCode {
    for line in error.to_string().lines() {
        eprintln!("dunlin-server: {line}");
    }
    ExitCode::from(code)
}

/// `--check`: what only a look at the files can tell.
fn check(config: &Config) -> ExitCode {
    let faults = config.faults();
    if !faults.is_empty() {
        return fail(&faults.join("\n"), EX_CONFIG);
    }
    println!("the configuration is fine");
    ExitCode::SUCCESS
}

fn run(config: &Config) -> anyhow::Result<()> {
    allow_files();
    // Housekeeping, HTTP and signals; connections have their own threads.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut stop = Stop::listen()?;
        let server = Server::builder(config.clone()).start().await?;
        greet(&server, config);
        tokio::select! {
            () = stop.next() => {}
            () = memory::give_back(&server) => {}
        }
        tracing::info!(within = ?config.drain, "draining: clients are asked to leave; once more to end at once");
        tokio::select! {
            () = server.shut_down() => tracing::info!("drained"),
            () = stop.next() => {
                tracing::warn!("ended without waiting");
                std::process::exit(130);
            }
        }
        Ok(())
    })
}

/// Takes as many file descriptors as the process may have: each TCP connection is one, and shells and service managers
/// begin with 1,024, for the sake of programs that use select(2).
fn allow_files() {
    let limits = getrlimit(Resource::Nofile);
    // Some systems refuse more than they have in all; then what was given remains.
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits });
    tracing::debug!(?raised, before = limits.current, most = limits.maximum, "file descriptors");
}

/// Ctrl-C and SIGTERM.
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// A loopback address by the name that people know; browsers trust both alike.
fn by_name(address: SocketAddr) -> String {
    if address.ip().is_loopback() { format!("localhost:{}", address.port()) } else { address.to_string() }
}

/// The first thing a newcomer sees.
fn greet(server: &Server, config: &Config) {
    let address = server.address();
    let certificate = server.certificate();
    if certificate.is_development() {
        tracing::warn!(
            "development certificate: clients of this user on this machine find it by themselves, others need \
             --pin {}",
            certificate.fingerprint()
        );
    }
    if !address.ip().is_loopback() && certificate.is_development() {
        tracing::warn!(
            "listening beyond this machine with a development certificate: set tls.cert and tls.key"
        );
    }
    match &config.auth {
        Auth::On(_) => {}
        Auth::Development => tracing::warn!(
            "development mode: there are no keys for tokens, so everybody on this machine may do everything; set auth.secret, \
             auth.public_key or auth.jwks"
        ),
        Auth::Off => {
            tracing::warn!("auth.mode is off: everybody who can reach this server may do everything");
        }
    }
    if let Some(http) = server.http_address() {
        tracing::info!("http://{http}/healthz and /metrics");
        match server.console() {
            Page::Served => tracing::info!("console: http://{}/", by_name(http)),
            Page::Absent => tracing::warn!("console: not in this build; http://{}/ says why", by_name(http)),
            Page::Off => {}
        }
        if !matches!(config.api, Api::Off) {
            tracing::info!("backend API: http://{}/v1/docs", by_name(http));
        }
    }
    if let Some(tcp) = server.tcp_address() {
        tracing::info!("browsers: https://{tcp}{PATH}, wss://{tcp}{PATH}");
    }
    tracing::info!(sha256 = %certificate.fingerprint(), "serving dunlin://{address}");
}

//! The command line of the server.

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;
use dunlin_server::config::{self, Sources};
use std::path::PathBuf;

/// Dunlin: a real-time server for people on the move.
///
/// Without any option it serves this machine, on dunlin://localhost:4433, with a development certificate.
/// Each option can also stand in the configuration file or in a DUNLIN_… variable: --print-config shows all.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 drained, 1 failed, 2 wrong usage, 78 wrong configuration, 130 cut short."
)]
pub(crate) struct Cli {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "DUNLIN_CONFIG")]
    config: Option<PathBuf>,
    /// UDP address for clients [default: 127.0.0.1:4433]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// Plain HTTP for health, metrics and the console, or "off" [default: 127.0.0.1:4480]
    #[arg(long, value_name = "ADDR:PORT")]
    http: Option<String>,
    /// HTTP and WebSocket over TLS, or "off" [default: as --listen, over TCP]
    #[arg(long, value_name = "ADDR:PORT")]
    tcp: Option<String>,
    /// Where the development certificate and lasting keys are kept
    #[arg(long, value_name = "DIR")]
    data_dir: Option<String>,
    /// Sets any key, such as session.linger=5m
    #[arg(long, value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
    /// Shows the configuration in force, and where each value comes from
    #[arg(long)]
    pub(crate) print_config: bool,
    /// Checks the configuration, the certificate and the keys for tokens, then ends
    #[arg(long)]
    pub(crate) check: bool,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Prints a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    if config::is_known(key) {
        Ok((key.into(), value.into()))
    } else {
        Err("no such key; --print-config shows all".into())
    }
}

impl Cli {
    /// Gathers file, environment and flags.
    pub(crate) fn sources(&self) -> anyhow::Result<Sources> {
        let mut sources = Sources::default();
        if let Some(path) = &self.config {
            let name = path.display().to_string();
            let text = std::fs::read_to_string(path).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
            sources.file(name.clone(), &text).map_err(|error| anyhow::anyhow!("{name}: {error}"))?;
        }
        sources.environment(std::env::vars());
        let flags = [
            ("listen", &self.listen),
            ("http", &self.http),
            ("tcp", &self.tcp),
            ("data_dir", &self.data_dir),
        ];
        for (key, value) in flags {
            if let Some(value) = value {
                sources.flag(key, value.clone());
            }
        }
        for (key, value) in &self.set {
            sources.flag(key, value.clone());
        }
        Ok(sources)
    }
}

pub(crate) fn complete(shell: Shell) {
    clap_complete::generate(shell, &mut Cli::command(), "dunlin-server", &mut std::io::stdout());
}

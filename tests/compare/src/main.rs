//! Runs Dunlin and its peers on the same work, one after another, and writes what each took for it: `tests/bench`.
//!
//! Each server has the first core to itself and the load the second. The load speaks every protocol by itself, in one thread, so that
//! it is the same for all and costs less than the servers. In each round the order is another one.

mod bare;
mod link;
mod load;
mod payload;
mod peers;
mod plot;
// As `dunlin bench` looks at processes.
#[path = "../../../client/cli/src/bench/process.rs"]
mod process;
mod report;
mod results;
mod run;
mod scale;
mod sealed;
mod usage;
mod wire;

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::signal::unix::{SignalKind, signal};

/// Runs Dunlin and its peers on the same work, and reports
#[derive(Debug, Parser)]
#[command(name = "tests/bench", args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    run: run::Args,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Writes the report of results that are there
    Report {
        /// The directory with results.json
        directory: PathBuf,
    },
    /// Puts load on one server (what the comparison starts)
    #[command(hide = true)]
    Load(load::Args),
    /// Serves a floor (what the comparison starts)
    #[command(hide = true)]
    Floor { floor: Floor, address: SocketAddr, certificate: PathBuf, key: PathBuf },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Floor {
    Quinn,
    Udp,
}

/// Asked of the kernel for a floor's socket, as Dunlin's server asks for its own.
const SOCKET_BUFFER: usize = 32 * 1024 * 1024;

#[tokio::main(flavor = "local")]
async fn main() -> Result<()> {
    let Arguments { command, run } = Arguments::parse();
    match command {
        None => {
            let (mut interrupt, mut terminate) =
                (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
            // Servers are killed when they are dropped.
            tokio::select! {
                done = run::run(&run) => done,
                _ = interrupt.recv() => anyhow::bail!("interrupted"),
                _ = terminate.recv() => anyhow::bail!("terminated"),
            }
        }
        Some(Command::Report { directory }) => report::write(&directory),
        Some(Command::Load(args)) => load::run(args).await,
        Some(Command::Floor { floor: Floor::Udp, address, .. }) => sealed::serve(address, SOCKET_BUFFER),
        Some(Command::Floor { floor: Floor::Quinn, address, certificate, key }) => {
            let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
            bare::serve(address, SOCKET_BUFFER, chain, PrivateKeyDer::from_pem_file(key)?).await
        }
    }
}

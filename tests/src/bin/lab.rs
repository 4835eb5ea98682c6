//! Runs the network lab; `tests/run lab` builds and starts it.

use std::process::ExitCode;

use clap::Parser;
use dunlin_tests::lab::program::Arguments;
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // Labs clean up when they are dropped: by the end of the runtime at the latest.
    tokio::select! {
        holds = arguments.run() => Ok(if holds? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
        _ = interrupt.recv() => Ok(ExitCode::from(130)),
        _ = terminate.recv() => Ok(ExitCode::from(143)),
    }
}

//! Dunlin alone, with many connections, by the command that users have: `dunlin bench`.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

pub(crate) use crate::results::Scale;
use crate::{
    peers::Server,
    results::Results,
    run::{Identity, Running, built, json},
};

/// Messages a second of which the latency is measured.
pub(crate) const RATE: u32 = 500;

/// How big it all is.
struct Size {
    few: u32,
    many: u32,
    hold: u32,
    pairs: usize,
    storm: u32,
}

const FULL: Size = Size { few: 1000, many: 50_000, hold: 600, pairs: 5, storm: 10_000 };
const QUICK: Size = Size { few: 1000, many: 10_000, hold: 30, pairs: 1, storm: 2000 };

pub(crate) async fn run(quick: bool, identity: &Identity, results: &mut Results) -> Result<()> {
    let size = if quick { QUICK } else { FULL };
    let scale = &mut results.scale;
    (scale.few, scale.many) = (size.few, size.many);
    let number = |value: u32| value.to_string();
    eprintln!("{} idle connections, held for {} s", size.many, size.hold);
    let idle = ["connections", "--count", &number(size.many), "--hold", &number(size.hold)];
    scale.idle = Some(bench(identity, &idle).await?);
    for pair in 0..size.pairs {
        eprintln!(
            "latency beside {} and {} connections, {} of {}",
            size.few,
            size.many,
            pair + 1,
            size.pairs
        );
        let beside = async |idle: u32| {
            let rate = number(RATE);
            bench(identity, &["latency", "--rate", &rate, "--idle", &number(idle)]).await
        };
        scale.latency.push((beside(size.few).await?, beside(size.many).await?));
    }
    eprintln!("a storm of {}", size.storm);
    scale.storm = Some(bench(identity, &["storm", "--count", &number(size.storm)]).await?);
    Ok(())
}

/// One benchmark on a server of its own.
async fn bench(identity: &Identity, arguments: &[&str]) -> Result<Value> {
    let server = Running::start(Server::Dunlin, identity)?;
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", "1"]).arg(built("dunlin")).arg("bench").args(arguments);
    command.args(["--json", "--server-pid", &server.pid()?.to_string()]);
    command.arg("--url").arg(format!("dunlin://localhost:{}", server.address.port()));
    command.arg("--ca").arg(identity.certificate());
    // Until it listens.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let object = json(command).await.with_context(|| server.log())?;
    server.stop().await;
    Ok(object)
}

//! Dunlin alone, with many connections, by the command that users have: `dunlin bench`.

use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

pub(crate) use crate::results::Scale;
use crate::{
    peers::Server,
    run::{Identity, Running, built, json},
};

/// Messages a second of which the latency is measured.
pub(crate) const RATE: u32 = 500;

/// One thing to measure.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// So many idle connections, held for so many seconds.
    Idle { many: u32, seconds: u32 },
    /// The latency beside few idle connections, and beside many.
    Latency { few: u32, many: u32 },
    /// So many come back at once.
    Storm { count: u32 },
}

/// All there is to measure.
pub(crate) fn steps(quick: bool) -> Vec<Step> {
    let (few, many, seconds, pairs, count) =
        if quick { (1000, 10_000, 30, 1, 2000) } else { (1000, 50_000, 600, 5, 10_000) };
    let mut steps = vec![Step::Idle { many, seconds }, Step::Storm { count }];
    steps.extend(std::iter::repeat_n(Step::Latency { few, many }, pairs));
    steps
}

pub(crate) async fn run(step: Step, identity: &Identity, scale: &mut Scale) -> Result<()> {
    let number = |value: u32| value.to_string();
    match step {
        Step::Idle { many, seconds } => {
            eprintln!("{many} idle connections, held for {seconds} s");
            scale.many = many;
            let idle = ["connections", "--count", &number(many), "--hold", &number(seconds)];
            scale.idle = Some(bench(identity, &idle).await?);
        }
        Step::Storm { count } => {
            eprintln!("a storm of {count}");
            scale.storm = Some(bench(identity, &["storm", "--count", &number(count)]).await?);
        }
        Step::Latency { few, many } => {
            eprintln!("latency beside {few} and {many} connections, pair {}", scale.latency.len() + 1);
            (scale.few, scale.many) = (few, many);
            let beside = async |idle: u32| {
                let rate = number(RATE);
                bench(identity, &["latency", "--rate", &rate, "--idle", &number(idle)]).await
            };
            scale.latency.push((beside(few).await?, beside(many).await?));
        }
    }
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

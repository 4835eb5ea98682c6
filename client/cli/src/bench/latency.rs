//! `dunlin bench latency`: from the moment when a message is due to its delivery, at a fixed rate.

use tokio::time::Instant;

use super::{
    Common, Span,
    connections::{Crowd, bring_idle},
    fanout::{Stage, figures},
    payload,
    report::{Meter, Report},
    schedule::{Schedule, parse_rate},
    stop::Stop,
    target::Target,
};
use crate::exit::Failure;

/// Publishes at a fixed rate, with idle connections beside
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Messages a second, whether or not the server keeps up
    #[arg(long, value_name = "PER SECOND", default_value = "500", value_parser = parse_rate)]
    rate: f64,
    /// How many connections do nothing meanwhile
    #[arg(long, value_name = "N", default_value_t = 0)]
    idle: u32,
    /// How many read the messages
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    subscribers: u32,
    /// Bytes in a message, 16 at least
    #[arg(long, value_name = "BYTES", default_value_t = 128, value_parser = clap::value_parser!(u32).range(payload::MIN as i64..))]
    size: u32,
    #[command(flatten)]
    span: Span,
}

pub(super) async fn run(
    target: &Target,
    common: &Common,
    args: &Args,
    stop: Stop,
) -> Result<Report, Failure> {
    let name = target.topic(common)?;
    let memory = Meter::start(common.server_pid);
    let idle = bring_idle(target, common, &name, args.idle, 1, &stop).await;
    let growth = memory.read().server_growth;
    let (count, mut failures) = (idle.peers.len(), idle.failures);
    let crowd = Crowd::of(idle.peers);
    let mut stage = Stage::set(target, common, &name, args.subscribers, args.size, &stop).await?;

    let schedule = Schedule::new(args.rate);
    let traffic = stage.traffic.clone();
    let began = Instant::now();
    stage.publisher.open_loop(schedule, (began, began + args.span.warmup), &stop).await;
    traffic.settle(target.timeout()).await;
    traffic.begin();
    let meter = Meter::start(common.server_pid);
    let began = Instant::now();
    stage.publisher.open_loop(schedule, (began, began + args.span.duration), &stop).await;
    let used = meter.read();
    traffic.settle(target.timeout()).await;

    let (missing, tally) = (traffic.missing(), traffic.tallied());
    stage.leave(&mut failures).await;
    let dropped = crowd.leave().await;
    let mut report = figures("latency", target, failures, missing + dropped, tally, &used);
    report.memory(growth.filter(|_| count > 0), count);
    report.add("rate", args.rate).add("idle", count).add("subscribers", args.subscribers);
    report.add("size", args.size).add("seconds", used.took.as_secs_f64()).add("interrupted", stop.is_set());
    Ok(report)
}

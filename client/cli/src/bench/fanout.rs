//! `dunlin bench fanout`: one publisher, many subscribers, as fast as the server delivers.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    Common, Span, payload,
    peer::PeerError,
    ramp::{self, Failures, Ramped},
    report::{Meter, Report, Used},
    stop::Stop,
    subscription::{Readers, subscribe},
    target::Target,
    traffic::{Publisher, Tally, Traffic},
};
use crate::exit::{Exit, Failure};

/// Over how many slices the spread of the rate is told.
const SLICES: u32 = 10;

/// Publishes to many subscribers, with a window of messages on their way
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many read the messages
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    subscribers: u32,
    /// How many messages may be on their way: the next one is published when all subscribers have the one so many before it
    #[arg(long, value_name = "W", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    window: u32,
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
    let mut stage = Stage::set(target, common, &name, args.subscribers, args.size, &stop).await?;
    let growth = memory.read().server_growth;
    let (traffic, patience) = (stage.traffic.clone(), target.timeout());
    closed_loop(&mut stage.publisher, &traffic, args, args.span.warmup, patience, &stop).await;
    traffic.begin();
    let meter = Meter::start(common.server_pid);
    let mut slices = Vec::new();
    for _ in 0..SLICES {
        let (before, began) = (traffic.tallied().delivered, Instant::now());
        closed_loop(&mut stage.publisher, &traffic, args, args.span.duration / SLICES, patience, &stop).await;
        let delivered = traffic.tallied().delivered - before;
        slices.push(delivered as f64 / began.elapsed().as_secs_f64());
        if stop.is_set() {
            break;
        }
    }
    let (used, measured) = (meter.read(), traffic.tallied());
    traffic.settle(patience).await;

    let (missing, mut failures) = (traffic.missing(), Failures::new());
    let readers = stage.readers;
    stage.leave(&mut failures).await;
    let tally = Tally { failures: traffic.tallied().failures, ..measured };
    let mut report = figures("fanout", target, failures, missing, tally, &used);
    slices.sort_by(f64::total_cmp);
    report.add("per_second_min", slices.first().copied()).add("per_second_max", slices.last().copied());
    report.memory(growth, readers + 1).add("subscribers", readers).add("window", args.window);
    report.add("size", args.size).add("seconds", used.took.as_secs_f64()).add("interrupted", stop.is_set());
    Ok(report)
}

async fn closed_loop(
    publisher: &mut Publisher,
    traffic: &Traffic,
    args: &Args,
    span: Duration,
    patience: Duration,
    stop: &Stop,
) {
    let end = Instant::now() + span;
    while Instant::now() < end && !stop.is_set() {
        if !traffic.room(args.window.into(), patience).await {
            return traffic.fail(&PeerError::Silent);
        }
        if let Err(error) = publisher.publish(Instant::now()).await {
            return traffic.fail(&error);
        }
    }
}

/// A publisher and its readers.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) publisher: Publisher,
    pub(super) traffic: Arc<Traffic>,
    pub(super) readers: usize,
    tasks: Readers,
    failures: Failures,
}

impl Stage {
    /// Brings them in; the publisher last.
    pub(super) async fn set(
        target: &Target,
        common: &Common,
        name: &str,
        readers: u32,
        size: u32,
        stop: &Stop,
    ) -> Result<Self, Failure> {
        let Ramped { peers, failures, .. } = subscribe(target, common, name, readers, stop).await;
        let readers = peers.len();
        if readers == 0 {
            let why = failures.into_keys().next().unwrap_or_else(|| "interrupted".into());
            return Err(Failure::new(Exit::Failed, format!("nobody could subscribe to {name}: {why}")));
        }
        let traffic = Traffic::new(readers);
        let publisher = Publisher::open(target, name, size as usize, &traffic).await?;
        let tasks = Readers::start(peers, &traffic);
        Ok(Self { publisher, traffic, readers, tasks, failures })
    }

    /// Ends it, and adds what failed when it began.
    pub(super) async fn leave(self, failures: &mut Failures) {
        ramp::add(failures, self.failures);
        self.publisher.leave().await;
        self.tasks.leave().await;
    }
}

/// The report of a benchmark that delivers messages.
pub(super) fn figures(
    benchmark: &str,
    target: &Target,
    mut failures: Failures,
    lost: u64,
    tally: Tally,
    used: &Used,
) -> Report {
    ramp::add(&mut failures, tally.failures);
    let mut report = Report::new(benchmark, target, &failures, lost);
    report.add("duplicates", tally.duplicates).add("out_of_order", tally.out_of_order);
    report.add("delivered", tally.delivered);
    report.add("per_second", tally.delivered as f64 / used.took.as_secs_f64());
    report.times(&tally.times).used(used, Some(tally.delivered));
    report
}

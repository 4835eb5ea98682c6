//! `dunlin bench connections`: many connections come and stay.

use std::time::Duration;

use dunlin_proto::frame::channel::Join;
use tokio::{sync::watch, task::JoinSet, time::sleep};

use super::{
    Common,
    peer::{Peer, PeerError, Stream, topic},
    ramp::{Ramped, all_leave, progress, ramp},
    report::{Meter, Report},
    stop::Stop,
    target::Target,
};
use crate::{exit::Failure, text::parse_span};

/// Connects many, each with one joined topic, and holds them
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many connections
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// How long to hold them
    #[arg(long, value_name = "SECONDS", default_value = "10s", value_parser = parse_span)]
    hold: Duration,
    /// Over how many topics they are spread
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    topics: u32,
}

pub(super) async fn run(
    target: &Target,
    common: &Common,
    args: &Args,
    stop: Stop,
) -> Result<Report, Failure> {
    let name = target.topic(common)?;
    let meter = Meter::start(common.server_pid);
    let ramped = bring_idle(target, common, &name, args.count, args.topics, &stop).await;
    let ramp_used = meter.read();
    let Ramped { peers, failures, times, took } = ramped;
    let count = peers.len();
    let crowd = Crowd::of(peers);
    let held = Meter::start(common.server_pid);
    hold(args.hold, &stop).await;
    let used = held.read();
    // Memory is told as of the end of the hold: what handshakes needed is given back by then.
    let growth = meter.read().server_growth;
    let lost = crowd.leave().await;

    let per_second = count as f64 / took.as_secs_f64();
    let mut report = Report::new("connections", target, &failures, lost);
    report.add("connections", count).add("per_second", per_second).add("handshakes_per_second", per_second);
    report.times(&times).add("server_cpu_us_per_handshake", ramp_used.server_cpu_us_per(count as u64));
    report.memory(growth, count).used(&used, None);
    report.add("ramp_seconds", took.as_secs_f64()).add("held_seconds", used.took.as_secs_f64());
    // In the hold the generator idles; if it was too slow, it was so before.
    report.load(ramp_used.generator).add("interrupted", stop.is_set());
    Ok(report)
}

async fn hold(time: Duration, stop: &Stop) {
    let bar = progress("holding", time.as_secs());
    let ticking = async {
        for _ in 0..time.as_secs() {
            sleep(Duration::from_secs(1)).await;
            bar.inc(1);
        }
        sleep(Duration::from_nanos(time.subsec_nanos().into())).await;
    };
    tokio::select! { () = ticking => {}, () = stop.wait() => {} }
    bar.finish_and_clear();
}

/// Brings in connections that join a topic in which nothing happens.
pub(super) async fn bring_idle(
    target: &Target,
    common: &Common,
    name: &str,
    count: u32,
    topics: u32,
    stop: &Stop,
) -> Ramped<(Peer, Stream)> {
    ramp("connecting", count as usize, common.pace(), stop, |n| {
        let (target, name) = (target.clone(), format!("{name}/idle{}", n as u32 % topics));
        async move {
            let peer = target.connect(n, None).await?;
            let (stream, _) = peer.join(Join::new(topic(&name)), target.timeout()).await?;
            Ok::<_, PeerError>((peer, stream))
        }
    })
    .await
}

/// Connections that stay until they are told to leave.
#[derive(Debug)]
pub(super) struct Crowd {
    /// Each says whether it was lost.
    tasks: JoinSet<bool>,
    gone: watch::Sender<bool>,
}

impl Crowd {
    pub(super) fn of(peers: Vec<(Peer, Stream)>) -> Self {
        let (gone, _) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for (peer, stream) in peers {
            let mut gone = gone.subscribe();
            tasks.spawn(async move {
                let _stream = stream;
                tokio::select! {
                    _ = peer.connection.closed() => return true,
                    _ = gone.wait_for(|gone| *gone) => {}
                }
                peer.leave().await;
                false
            });
        }
        Self { tasks, gone }
    }

    /// Ends them, and says how many had been lost.
    pub(super) async fn leave(mut self) -> u64 {
        let mut lost = 0;
        while let Some(Ok(was_lost)) = self.tasks.try_join_next() {
            lost += u64::from(was_lost);
        }
        self.gone.send_replace(true);
        all_leave(self.tasks).await;
        lost
    }
}

//! `dunlin bench churn`: members leave and join, connections break and resume, while messages flow.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::{
    Common,
    fanout::figures,
    payload,
    peer::{Peer, PeerError},
    ramp::{Ramped, all_leave},
    report::{Meter, Report},
    schedule::{Schedule, parse_rate},
    stop::Stop,
    subscription::{Subscription, subscribe},
    target::Target,
    times::Times,
    traffic::{Publisher, Traffic},
};
use crate::{exit::Failure, text::parse_span};

/// Has members leave and join, and connections break and resume, while messages flow
///
/// By turns each leaves its topic and joins again, or is cut off and resumes its session on a new connection; always from
/// its last position, so that nothing may be missing. The times are those of these cycles, from when they were due.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many connections
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// Cycles a second, of all connections together
    #[arg(long, value_name = "PER SECOND", default_value = "100", value_parser = parse_rate)]
    rate: f64,
    /// Messages a second meanwhile
    #[arg(long, value_name = "PER SECOND", default_value = "20", value_parser = parse_rate)]
    messages: f64,
    /// How long it goes on
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_span)]
    duration: Duration,
}

/// What was done so far.
#[derive(Debug, Default)]
struct Cycles {
    joins: u64,
    resumes: u64,
    times: Times,
}

pub(super) async fn run(
    target: &Target,
    common: &Common,
    args: &Args,
    stop: Stop,
) -> Result<Report, Failure> {
    let name = target.topic(common)?;
    let Ramped { peers, failures, .. } = subscribe(target, common, &name, args.count, &stop).await;
    let count = peers.len();
    let traffic = Traffic::new(count.max(1));
    let mut publisher = Publisher::open(target, &name, payload::MIN, &traffic).await?;

    let meter = Meter::start(common.server_pid);
    let (began, cycles) = (Instant::now(), Arc::new(Mutex::new(Cycles::default())));
    let end = began + args.duration;
    let (over, _) = tokio::sync::watch::channel(false);
    let mut members = JoinSet::new();
    for (number, (peer, subscription)) in peers.into_iter().enumerate() {
        let plan =
            Plan { schedule: Schedule::new(args.rate), began, end, first: number as u64, step: count as u64 };
        let member = Member { number, peer, subscription, target: target.clone(), traffic: traffic.clone() };
        members.spawn(member.live(plan, cycles.clone(), over.subscribe()));
    }
    if publisher.open_loop(Schedule::new(args.messages), (began, end), &stop).await {
        tokio::select! { () = sleep_until(end) => {}, () = stop.wait() => {} }
    }
    let used = meter.read();
    traffic.settle(target.timeout()).await;
    over.send_replace(true);
    all_leave(members).await;
    publisher.leave().await;

    let cycles = std::mem::take(&mut *cycles.lock().expect(UNPOISONED));
    let tally = traffic.tallied();
    let mut report = figures("churn", target, failures, traffic.missing(), tally, &used);
    let done = cycles.joins + cycles.resumes;
    report.add("per_second", done as f64 / used.took.as_secs_f64()).times(&cycles.times);
    report.add("joins", cycles.joins).add("resumes", cycles.resumes).add("connections", count);
    report.add("server_cpu_us_per_cycle", used.server_cpu_us_per(done));
    report.memory(None, count).add("seconds", used.took.as_secs_f64()).add("interrupted", stop.is_set());
    Ok(report)
}

/// Nothing that locks it panics.
const UNPOISONED: &str = "counting does not panic";

/// Which of all cycles are one member's.
#[derive(Debug, Clone, Copy)]
struct Plan {
    schedule: Schedule,
    began: Instant,
    end: Instant,
    first: u64,
    step: u64,
}

impl Plan {
    /// When the member's cycle number `k` is due; `None` after the end.
    fn due(self, k: u64) -> Option<Instant> {
        Some(self.began + self.schedule.due(self.first + k * self.step)).filter(|due| *due < self.end)
    }
}

struct Member {
    number: usize,
    peer: Peer,
    subscription: Subscription,
    target: Target,
    traffic: Arc<Traffic>,
}

impl Member {
    /// Goes through its cycles, and reads in between and after, until it is over.
    async fn live(
        mut self,
        plan: Plan,
        cycles: Arc<Mutex<Cycles>>,
        mut over: tokio::sync::watch::Receiver<bool>,
    ) {
        for k in 0.. {
            let due = plan.due(k);
            let wait = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            let is_over = async { drop(over.wait_for(|over| *over).await) };
            let is_over = tokio::select! {
                error = self.subscription.read_on(&self.traffic) => return self.traffic.fail(&error),
                () = is_over => true,
                () = wait => false,
            };
            if is_over {
                return self.peer.leave().await;
            }
            let done = if k % 2 == 0 { self.join_again().await } else { self.resume().await };
            if let Err(error) = done {
                return self.traffic.fail(&error);
            }
            let mut cycles = cycles.lock().expect(UNPOISONED);
            cycles.times.add(due.expect("it was waited for").elapsed());
            if k % 2 == 0 { cycles.joins += 1 } else { cycles.resumes += 1 }
        }
    }

    async fn join_again(&mut self) -> Result<(), PeerError> {
        self.subscription.leave(&self.traffic, self.target.timeout()).await;
        self.subscription.join_again(&self.peer, self.target.timeout()).await.map(drop)
    }

    /// The server still takes the old connection for alive, as it does when a network is lost.
    async fn resume(&mut self) -> Result<(), PeerError> {
        let ticket = self.peer.ticket();
        let peer = self.target.connect(self.number, Some(ticket)).await?;
        let old = std::mem::replace(&mut self.peer, peer);
        self.subscription.join_again(&self.peer, self.target.timeout()).await?;
        old.vanish();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_share_the_rate_and_stop_at_the_end() {
        let began = Instant::now();
        let plan = |first| Plan {
            schedule: Schedule::new(10.0),
            began,
            end: began + Duration::from_secs(1),
            first,
            step: 4,
        };
        let due = |first, k| plan(first).due(k).map(|due| due - began);
        assert_eq!(due(1, 0), Some(Duration::from_millis(100)));
        assert_eq!(due(1, 2), Some(Duration::from_millis(900)));
        assert_eq!((due(2, 2), due(1, 3)), (None, None));
    }
}

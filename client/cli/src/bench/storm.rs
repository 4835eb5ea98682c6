//! `dunlin bench storm`: everybody is cut off, misses something, and comes back at once.

use std::{sync::Arc, time::Duration};

use dunlin_client::Start;
use tokio::time::{Instant, timeout};

use super::{
    Common, payload,
    peer::{Peer, PeerError, Ticket},
    ramp::{self, Pace, Ramped, all_leave, ramp},
    report::{Meter, Report},
    sequence::Verdict,
    stop::Stop,
    subscription::{Subscription, subscribe},
    target::Target,
    traffic::{Publisher, Traffic, cannot_publish},
};
use crate::exit::Failure;

/// Cuts everybody off, and has them resume at once
///
/// Each comes back with a full handshake, as after the loss of all TLS tickets, with the ticket of its session and its
/// position in the topic, and is back when it has what was published meanwhile.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many connections
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    count: u32,
    /// How many messages each of them misses; the server's history must hold them
    #[arg(long, value_name = "N", default_value_t = 10)]
    missed: u32,
    /// How many may come back at the same time; 0 is everybody
    #[arg(long, value_name = "N", default_value_t = 0)]
    at_once: u32,
}

/// One that was cut off.
type Away = (Ticket, Subscription);

pub(super) async fn run(
    target: &Target,
    common: &Common,
    args: &Args,
    stop: Stop,
) -> Result<Report, Failure> {
    let name = target.topic(common)?;
    let memory = Meter::start(common.server_pid);
    let Ramped { peers, mut failures, .. } = subscribe(target, common, &name, args.count, &stop).await;
    let (count, growth) = (peers.len(), memory.read().server_growth);
    let traffic = Traffic::new(count.max(1));
    let mut publisher = Publisher::open(target, &name, payload::MIN, &traffic).await?;
    let away: Vec<Away> = peers.into_iter().map(|(peer, subscription)| cut(peer, subscription)).collect();
    for _ in 0..args.missed {
        publisher.publish(Instant::now()).await.map_err(|error| cannot_publish(&name, &error))?;
    }

    let at_once = if args.at_once == 0 { count.max(1) } else { args.at_once as usize };
    let pace = Pace { in_flight: at_once, per_second: 0 };
    let meter = Meter::start(common.server_pid);
    let began = Instant::now();
    let mut waiting: Vec<_> = away.into_iter().map(Some).collect();
    let waiting = std::sync::Mutex::new(&mut waiting);
    let back = ramp("coming back", count, pace, &stop, |n| {
        let away = waiting.lock().expect("taking does not panic")[n].take().expect("each comes back once");
        come_back(target.clone(), n, away, args.missed, traffic.clone(), began)
    })
    .await;
    let used = meter.read();

    let lost = traffic.missing();
    let mut times = super::times::Times::default();
    back.peers.iter().for_each(|back| times.add(back.after));
    let returned = back.peers.len();
    ramp::add(&mut failures, back.failures);
    ramp::add(&mut failures, traffic.tallied().failures);
    all_leave(back.peers.into_iter().map(|back| back.peer.leave()).collect()).await;
    publisher.leave().await;

    let tally = traffic.tallied();
    let mut report = Report::new("storm", target, &failures, lost);
    report.add("duplicates", tally.duplicates).add("out_of_order", tally.out_of_order);
    report.add("connections", count).add("returned", returned);
    let per_second = returned as f64 / back.took.as_secs_f64();
    report.add("per_second", per_second).add("handshakes_per_second", per_second).times(&times);
    report.add("server_cpu_us_per_return", used.server_cpu_us_per(returned as u64));
    report.memory(growth, count).used(&used, Some(tally.delivered));
    report.add("seconds", back.took.as_secs_f64()).add("interrupted", stop.is_set());
    Ok(report)
}

/// Ends the connection without a word, and keeps what it takes to resume.
fn cut(peer: Peer, subscription: Subscription) -> Away {
    let ticket = peer.ticket();
    peer.vanish();
    (ticket, subscription)
}

/// One that is back.
struct Back {
    peer: Peer,
    /// Since everybody began.
    after: Duration,
    _subscription: Subscription,
}

async fn come_back(
    target: Target,
    n: usize,
    (ticket, mut subscription): Away,
    missed: u32,
    traffic: Arc<Traffic>,
    began: Instant,
) -> Result<Back, PeerError> {
    let peer = target.connect(n, Some(ticket)).await?;
    let start = subscription.join_again(&peer, target.timeout()).await?;
    if start != Start::Recovered {
        return Err(PeerError::Ended("history does not reach back so far".into()));
    }
    let catch_up = async {
        let mut missing = missed;
        while missing > 0 {
            let (stamp, verdict) = subscription.next().await?;
            traffic.arrive(stamp, verdict);
            missing -= u32::from(verdict != Verdict::Repeated);
        }
        Ok::<_, PeerError>(())
    };
    timeout(target.timeout(), catch_up).await.unwrap_or(Err(PeerError::Silent))?;
    Ok(Back { peer, after: began.elapsed(), _subscription: subscription })
}

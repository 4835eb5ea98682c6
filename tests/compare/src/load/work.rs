//! What the subscribers and the publisher are put to, and what it took.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, Instant},
};

use anyhow::{Context, Error, Result};
use serde::{Deserialize, Serialize};

use super::{Args, Crowd, alarm::Alarm};
use crate::{process, usage};

/// How long the load runs before it is measured.
const WARM_UP: Duration = Duration::from_millis(300);

/// How long nothing may move before a closed loop gives up.
const STANDSTILL: Duration = Duration::from_secs(3);

/// How long after the end of an open loop what was published may arrive.
const BEHIND: Duration = Duration::from_secs(5);

/// One kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Work {
    /// Subscribers come.
    Connect,
    /// The next message is published when all have read all but so many of those before.
    Closed(usize),
    /// So many messages a second, whether or not anybody keeps up.
    Open(u32),
    /// Few subscribers, few messages: what one costs by itself.
    Latency,
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("connect"),
            Self::Closed(window) => write!(f, "closed-{window}"),
            Self::Open(rate) => write!(f, "open-{rate}"),
            Self::Latency => f.write_str("latency"),
        }
    }
}

impl FromStr for Work {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(match text.split_once('-') {
            Some(("closed", window)) => Self::Closed(window.parse()?),
            Some(("open", rate)) => Self::Open(rate.parse()?),
            None if text == "connect" => Self::Connect,
            None if text == "latency" => Self::Latency,
            _ => anyhow::bail!("no work is called {text}"),
        })
    }
}

impl TryFrom<String> for Work {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Work> for String {
    fn from(work: Work) -> Self {
        work.to_string()
    }
}

/// What one kind of work took. A unit is a delivery, or a connection of those that came.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) work: Work,
    pub(crate) units: u64,
    /// Units that should have been and were not.
    pub(crate) lost: u64,
    /// Deliveries that came twice, or not in their order.
    pub(crate) wrong: u64,
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) server_cpu_us: f64,
    /// In cores.
    pub(crate) server_cpu_share: f64,
    pub(crate) load_cpu_share: f64,
    /// What others on this machine took meanwhile.
    pub(crate) other_cpu_share: f64,
    /// Memory for each connection, of those that came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) server_bytes: Option<f64>,
    /// Datagrams that the server's kernel dropped because its socket was full.
    pub(crate) dropped: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) failures: Vec<String>,
}

/// What the server and the load had used when something began.
pub(super) struct Meter {
    at: Instant,
    pid: u32,
    port: u16,
    server: process::Usage,
    own: Duration,
    machine: Duration,
    dropped: u64,
}

impl Meter {
    pub(super) fn start(args: &Args) -> Result<Self> {
        let (pid, port) = (args.pid, args.address.port());
        Ok(Self {
            at: Instant::now(),
            pid,
            port,
            server: used(pid)?,
            own: process::own_cpu(),
            machine: usage::machine_cpu()?,
            dropped: dropped(port)?,
        })
    }

    /// What the units since then took; times and losses are to be added.
    pub(super) fn read(&self, work: Work, units: u64) -> Result<Figures> {
        let took = self.at.elapsed().as_secs_f64();
        let server = used(self.pid)?;
        let cpu = (server.cpu - self.server.cpu).as_secs_f64();
        let own = (process::own_cpu() - self.own).as_secs_f64();
        let machine = (usage::machine_cpu()? - self.machine).as_secs_f64();
        Ok(Figures {
            work,
            units,
            lost: 0,
            wrong: 0,
            per_second: units as f64 / took,
            p50_us: 0.0,
            p99_us: 0.0,
            server_cpu_us: cpu * 1e6 / units.max(1) as f64,
            server_cpu_share: cpu / took,
            load_cpu_share: own / took,
            other_cpu_share: (machine - cpu - own).max(0.0) / took,
            server_bytes: None,
            dropped: dropped(self.port)?.saturating_sub(self.dropped),
            failures: vec![],
        })
    }

    /// By how much the server's memory has grown, in bytes.
    pub(super) fn growth(&self) -> Result<f64> {
        Ok(used(self.pid)?.memory as f64 - self.server.memory as f64)
    }
}

fn used(pid: u32) -> Result<process::Usage> {
    process::usage(pid).context("the server is gone")
}

fn dropped(port: u16) -> Result<u64> {
    Ok(usage::dropped_datagrams()?.get(&port).copied().unwrap_or_default())
}

/// Does it for so many seconds.
pub(super) async fn measure(args: &Args, work: Work, crowd: &mut Crowd) -> Result<Figures> {
    let time = Duration::from_secs_f64(args.seconds);
    let tally = crowd.tally.clone();
    tally.begin();
    let mut figures = match work {
        Work::Closed(window) => {
            let warm = Instant::now() + WARM_UP;
            let mut meter = None;
            let mut before = 0;
            let end = warm + time;
            while Instant::now() < end {
                if meter.is_none() && Instant::now() >= warm {
                    before = tally.arrived();
                    tally.forget_times();
                    meter = Some(Meter::start(args)?);
                }
                if !tally.room(window, STANDSTILL).await {
                    break;
                }
                crowd.publisher.publish(Instant::now()).await?;
            }
            let meter = meter.context("nothing moves")?;
            let figures = meter.read(work, tally.arrived() - before)?;
            tally.settle(BEHIND).await;
            figures
        }
        Work::Open(rate) => open_loop(args, work, rate, time, crowd).await?,
        Work::Latency => open_loop(args, work, super::FEW_RATE, time, crowd).await?,
        Work::Connect => anyhow::bail!("subscribers come before all other work"),
    };
    figures.lost = tally.missing();
    figures.wrong = tally.wrong();
    figures.p50_us = tally.quantile(0.5);
    figures.p99_us = tally.quantile(0.99);
    figures.failures = tally.failures();
    Ok(figures)
}

/// Times count from when a message was due.
async fn open_loop(args: &Args, work: Work, rate: u32, time: Duration, crowd: &mut Crowd) -> Result<Figures> {
    let tally = crowd.tally.clone();
    let mut alarm = Alarm::new()?;
    let began = Instant::now();
    let meter = Meter::start(args)?;
    for n in 0..(f64::from(rate) * time.as_secs_f64()) as u32 {
        let due = began + Duration::from_secs(1) * n / rate;
        alarm.wait_until(due.into()).await;
        // One who cannot even publish in time has failed by then.
        if began.elapsed() > time + BEHIND {
            break;
        }
        crowd.publisher.publish(due).await?;
    }
    tally.settle(BEHIND).await;
    meter.read(work, tally.arrived())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_read_as_it_is_written() {
        for work in [Work::Connect, Work::Closed(32), Work::Open(1000), Work::Latency] {
            assert_eq!(work.to_string().parse::<Work>().unwrap(), work);
        }
        assert!("closed".parse::<Work>().is_err());
    }
}

//! What processes use, as Linux tells it in `/proc`.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context, Result};

/// What a process and its children have used so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Usage {
    /// Processor time, for the kernel as well.
    pub(crate) cpu: Duration,
    /// Memory that is there (RSS), in bytes. What the kernel holds for sockets is not in it.
    pub(crate) memory: u64,
}

/// Of a process that is there.
pub(crate) fn usage(pid: u32) -> Result<Usage> {
    let read = |file: &str| {
        let path = format!("/proc/{pid}/{file}");
        fs::read_to_string(&path).context(path)
    };
    let stat = read("stat")?;
    let (_, fields) = stat.rsplit_once(')').context("stat has a name")?;
    let mut fields = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    let mut ticks = || fields.next().context("stat has 15 fields")?.context("a number");
    let ticks = ticks()? + ticks()?;
    let status = read("status")?;
    let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kilobytes: u64 = memory.trim().trim_end_matches(" kB").parse()?;
    Ok(Usage { cpu: duration(ticks), memory: kilobytes * 1024 })
}

/// Processor time of this process.
pub(crate) fn own_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Processor time of the whole machine that was not idle, or that the hypervisor gave to others.
pub(crate) fn machine_cpu() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat").context("/proc/stat")?;
    let fields = stat.lines().next().context("a line")?.split_whitespace().skip(1);
    let ticks: Vec<u64> = fields.map(str::parse).collect::<Result<_, _>>()?;
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are in the first two.
    let busy: u64 =
        ticks.iter().take(8).enumerate().filter(|(n, _)| !matches!(n, 3 | 4)).map(|(_, t)| t).sum();
    Ok(duration(busy))
}

fn duration(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Lets this process and those that it starts open as many files as they may: each connection over TCP is one.
pub(crate) fn raise_file_limit() -> Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limits = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limits.maximum, ..limits })?)
}

/// Datagrams that the kernel has dropped so far because a socket's buffer was full, by local port.
pub(crate) fn dropped_datagrams() -> Result<BTreeMap<u16, u64>> {
    let mut dropped = BTreeMap::new();
    for table in ["/proc/net/udp", "/proc/net/udp6"] {
        for line in fs::read_to_string(table)?.lines().skip(1) {
            let fields: Vec<_> = line.split_whitespace().collect();
            let port = fields.get(1).and_then(|address| address.rsplit_once(':'));
            let port = port.and_then(|(_, port)| u16::from_str_radix(port, 16).ok());
            let count = fields.last().and_then(|count| count.parse::<u64>().ok());
            if let (Some(port), Some(count)) = (port, count) {
                *dropped.entry(port).or_default() += count;
            }
        }
    }
    Ok(dropped)
}

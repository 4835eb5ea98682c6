//! What this machine is busy with, as Linux tells it in `/proc`; what one process uses is in [`crate::process`].

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context, Result};

/// Processor time of the whole machine that was not idle, or that the hypervisor gave to others.
pub(crate) fn machine_cpu() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat").context("/proc/stat")?;
    let fields = stat.lines().next().context("a line")?.split_whitespace().skip(1);
    let ticks: Vec<u64> = fields.map(str::parse).collect::<Result<_, _>>()?;
    // user, nice, system, idle, iowait, irq, softirq, steal; guests are in the first two.
    let busy: u64 =
        ticks.iter().take(8).enumerate().filter(|(n, _)| !matches!(n, 3 | 4)).map(|(_, t)| t).sum();
    Ok(Duration::from_secs_f64(busy as f64 / rustix::param::clock_ticks_per_second() as f64))
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

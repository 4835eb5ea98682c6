//! The process, as Linux tells (proc(5)); nothing elsewhere.

use super::events::Process;
use std::fs;

/// What the process uses now.
pub(crate) fn look() -> Option<Process> {
    Some(Process {
        rss_bytes: resident(&fs::read_to_string("/proc/self/status").ok()?)?,
        cpu_seconds: processor(&fs::read_to_string("/proc/self/stat").ok()?)?,
    })
}

/// `VmRSS:     1234 kB`
fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// `utime` and `stime`, the 14th and 15th field. The second is the program's name in parentheses, which may hold anything.
fn processor(stat: &str) -> Option<f64> {
    /// What the kernel counts these in (USER_HZ), on every architecture that Rust's standard library supports.
    const TICKS_A_SECOND: f64 = 100.0;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some((ticks()? + ticks()?) as f64 / TICKS_A_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_writes_is_read() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t    1234 kB\nThreads:\t2\n"), Some(1234 * 1024));
        let stat = "1 (a) b) S 0 1 1 0 -1 4194560 9 8 7 6 250 50 0 0 20 0 1 0 5 0";
        assert_eq!(processor(stat), Some(3.0));
    }

    #[test]
    fn what_it_does_not_write_is_nothing() {
        assert_eq!((resident(""), resident("VmRSS: many"), processor("1 (a) S 0")), (None, None, None));
    }
}

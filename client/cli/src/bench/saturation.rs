//! Whether the generator of the load was itself the bottleneck.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    task::AbortHandle,
    time::{Instant, sleep_until},
};

use super::{process, times::Times};

/// How often it is looked how late tasks run.
const TICK: Duration = Duration::from_millis(5);

/// The share of a core from which the generator counts as busy: the one that its runtime has.
const BUSY: f64 = 0.9;

/// How late one task in a hundred may run before the times that are measured are rather the generator's.
const LATE: Duration = Duration::from_millis(20);

/// Watches this process from its start on.
#[derive(Debug)]
pub(super) struct Watch {
    since: Instant,
    cpu: Duration,
    delays: Arc<Mutex<Times>>,
    ticker: AbortHandle,
}

/// What the generator used.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Load {
    /// Processor time by time gone, in cores.
    pub(super) cpu_share: f64,
    /// How late a task ran, 99 of 100 times at most, in microseconds.
    pub(super) delay_p99_us: f64,
}

impl Watch {
    pub(super) fn start() -> Self {
        let delays = Arc::new(Mutex::new(Times::default()));
        let ticker = tokio::spawn(tick(delays.clone())).abort_handle();
        Self { since: Instant::now(), cpu: process::own_cpu(), delays, ticker }
    }

    pub(super) fn load(&self) -> Load {
        let cpu = process::own_cpu().saturating_sub(self.cpu);
        let delays = self.delays.lock().expect(UNPOISONED);
        Load {
            cpu_share: cpu.as_secs_f64() / self.since.elapsed().as_secs_f64().max(1e-9),
            delay_p99_us: delays.quantiles().map_or(0.0, |delays| delays.p99),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.ticker.abort();
    }
}

impl Load {
    /// Why the figures are the generator's rather than the server's; `None` if they are not.
    pub(super) fn problem(self) -> Option<String> {
        if self.cpu_share >= BUSY {
            return Some(format!(
                "the generator used {:.0} % of its core: throughput is a lower bound",
                self.cpu_share * 100.0
            ));
        }
        if self.delay_p99_us >= LATE.as_micros() as f64 {
            return Some(format!(
                "the generator's tasks ran up to {:.1} ms late: so much of the latency may be its own",
                self.delay_p99_us / 1e3
            ));
        }
        None
    }
}

/// Nothing that locks it panics.
const UNPOISONED: &str = "adding a time does not panic";

async fn tick(delays: Arc<Mutex<Times>>) {
    let mut due = Instant::now() + TICK;
    loop {
        sleep_until(due).await;
        let now = Instant::now();
        // The runtime's timers have a grain of 1 ms.
        delays
            .lock()
            .expect(UNPOISONED)
            .add(now.duration_since(due).saturating_sub(Duration::from_millis(1)));
        due = now + TICK;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_core_and_late_tasks_are_said() {
        let problem = |cpu_share, delay_p99_us| Load { cpu_share, delay_p99_us }.problem();
        assert_eq!(problem(0.5, 900.0), None);
        assert!(problem(0.95, 900.0).unwrap().contains("95 %"));
        assert!(problem(0.5, 25_000.0).unwrap().contains("25.0 ms late"));
    }
}

//! What a benchmark found, for people and as JSON.

use std::{io, time::Duration};

use console::style;
use serde_json::{Map, Value, json};

use super::{
    process::{self, Usage},
    ramp::Failures,
    saturation::{Load, Watch},
    target::Target,
    times::Times,
};
use crate::say;

/// Measures the processes at both ends while a benchmark runs.
#[derive(Debug)]
pub(super) struct Meter {
    pid: Option<u32>,
    before: Option<Usage>,
    watch: Watch,
    began: std::time::Instant,
}

/// What both ends used between two moments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Used {
    pub(super) server_cpu: Option<Duration>,
    /// How much the server's memory grew, in bytes.
    pub(super) server_growth: Option<f64>,
    pub(super) generator: Load,
    pub(super) took: Duration,
}

impl Meter {
    pub(super) fn start(pid: Option<u32>) -> Self {
        let before = pid.and_then(process::usage);
        Self { pid, before, watch: Watch::start(), began: std::time::Instant::now() }
    }

    pub(super) fn read(&self) -> Used {
        let (after, took) = (self.pid.and_then(process::usage), self.began.elapsed());
        let both = self.before.zip(after);
        Used {
            server_cpu: both.map(|(before, after)| after.cpu.saturating_sub(before.cpu)),
            server_growth: both.map(|(before, after)| after.memory as f64 - before.memory as f64),
            generator: self.watch.load(),
            took,
        }
    }
}

impl Used {
    /// The server's processor time for each of so many things, in microseconds.
    pub(super) fn server_cpu_us_per(&self, things: u64) -> Option<f64> {
        let cpu = self.server_cpu.filter(|_| things > 0)?;
        Some(cpu.as_secs_f64() * 1e6 / things as f64)
    }
}

/// Named figures in the order in which they are told.
#[derive(Debug)]
pub(super) struct Report {
    title: String,
    figures: Map<String, Value>,
    notes: Vec<String>,
    failed: u64,
    lost: u64,
}

impl Report {
    /// A report whose first figures are those that each has: what failed, by reason, and what was lost.
    pub(super) fn new(benchmark: &str, target: &Target, failures: &Failures, lost: u64) -> Self {
        let failed = failures.values().sum();
        let mut report = Self {
            title: format!("{benchmark} at {} over {}", target.url(), target.transport()),
            figures: Map::new(),
            notes: target.problem().into_iter().collect(),
            failed,
            lost,
        };
        report.add("benchmark", benchmark).add("transport", target.transport().to_string());
        report.add("failed", failed).add("lost", lost).add("failures", json!(failures));
        report.add("receive_buffer", target.buffers().map(|buffers| buffers.receive));
        report
    }

    pub(super) fn add(&mut self, name: &str, figure: impl Into<Value>) -> &mut Self {
        self.figures.insert(name.into(), figure.into());
        self
    }

    /// Adds quantiles under the usual names.
    pub(super) fn times(&mut self, times: &Times) -> &mut Self {
        let found = times.quantiles();
        self.add("p50_us", found.map(|found| found.p50)).add("p90_us", found.map(|found| found.p90));
        self.add("p99_us", found.map(|found| found.p99)).add("p999_us", found.map(|found| found.p999));
        self.add("max_us", found.map(|found| found.max))
    }

    /// Adds what both ends used while so many things were delivered.
    pub(super) fn used(&mut self, used: &Used, deliveries: Option<u64>) -> &mut Self {
        let per = deliveries.and_then(|deliveries| used.server_cpu_us_per(deliveries));
        let share = used.server_cpu.map(|cpu| cpu.as_secs_f64() / used.took.as_secs_f64());
        self.add("server_cpu_us_per_delivery", per).add("server_cpu_share", share);
        self.load(used.generator)
    }

    /// Adds what the generator used, and whether that was too much.
    pub(super) fn load(&mut self, load: Load) -> &mut Self {
        let problem = load.problem();
        self.add("generator_cpu_share", load.cpu_share).add("generator_delay_p99_us", load.delay_p99_us);
        self.add("saturated", problem.is_some());
        self.notes.extend(problem);
        self
    }

    pub(super) fn memory(&mut self, growth: Option<f64>, connections: usize) -> &mut Self {
        let per = growth.filter(|_| connections > 0).map(|growth| growth / connections as f64);
        self.add("server_rss_bytes_per_connection", per)
    }

    /// Whether nothing failed and nothing was lost.
    pub(super) fn is_clean(&self) -> bool {
        self.failed == 0 && self.lost == 0
    }

    pub(super) fn print(&self, as_json: bool) -> io::Result<()> {
        if as_json {
            let mut figures = self.figures.clone();
            figures.insert("notes".into(), json!(self.notes));
            return say::line(Value::Object(figures));
        }
        say::line(style(&self.title).bold())?;
        for (name, figure) in &self.figures {
            if let Some(text) = text(figure) {
                say::line(format!("  {:<34} {text}", name.replace('_', " ")))?;
            }
        }
        for note in &self.notes {
            say::line(format!("{} {note}", style("note:").yellow()))?;
        }
        Ok(())
    }
}

/// A figure for people; `None` if it is not known.
fn text(figure: &Value) -> Option<String> {
    match figure {
        Value::Null => None,
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64()?;
            Some(if number.abs() >= 100.0 { format!("{number:.0}") } else { format!("{number:.2}") })
        }
        Value::String(text) => Some(text.clone()),
        Value::Object(map) if map.is_empty() => None,
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_what_is_known_with_the_digits_that_matter() {
        assert_eq!(text(&Value::Null), None);
        assert_eq!(text(&json!({})), None);
        assert_eq!(text(&json!(1234.567)).as_deref(), Some("1235"));
        assert_eq!(text(&json!(0.4567)).as_deref(), Some("0.46"));
        assert_eq!(text(&json!(12)).as_deref(), Some("12"));
    }

    #[test]
    fn processor_time_is_told_only_for_things_that_happened() {
        let generator = Load { cpu_share: 0.1, delay_p99_us: 0.0 };
        let used = Used {
            server_cpu: Some(Duration::from_millis(5)),
            server_growth: None,
            generator,
            took: Duration::from_secs(1),
        };
        assert_eq!((used.server_cpu_us_per(1000), used.server_cpu_us_per(0)), (Some(5.0), None));
    }
}

//! How late messages are on a link that loses packets: many topics, so that one lost packet should delay one of them.

use std::{fmt::Write, time::Duration};

use anyhow::Result;
use serde::Serialize;

use super::{
    Lab, Measure, Run, Setup, Uplink, Way,
    outcome::{Flow, Outcome},
    report::percentile,
    scenario::Pace,
    trace::What,
};

/// Shares of packets lost in each direction.
#[must_use]
pub fn shares(pace: Pace) -> &'static [f64] {
    match pace {
        Pace::Full => &[0.0, 0.02, 0.05],
        Pace::Quick => &[0.05],
    }
}

const TOPICS: u32 = 20;
/// By each topic.
const RATE: u32 = 20;
const RTT: Duration = Duration::from_millis(40);

/// All runs at one rate of loss by one way.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The way.
    pub way: Way,
    /// Share of packets lost in each direction.
    pub loss: f64,
    /// Latency of each message, in milliseconds.
    #[serde(skip)]
    latencies: Vec<f64>,
    /// Its median, 99th percentile and maximum.
    pub p50_p99_max: [f64; 3],
    /// Shares of messages later than 30, 60 and 100 ms.
    pub late: [f64; 3],
    /// Messages that did not arrive, doubled or out of order.
    pub wrong: u64,
    /// Why a run did not come to its end.
    pub failures: Vec<String>,
}

/// Tells the story once.
///
/// # Errors
/// As [`Lab::start`].
pub async fn tell(way: Way, loss: f64, pace: Pace) -> Result<Run> {
    let setup = Setup { topics: TOPICS, rate: TOPICS * RATE, ..Setup::default() };
    let mut lab = Lab::start(way, setup).await?;
    lab.round_trip(Uplink::Wifi, RTT);
    lab.loss(Uplink::Wifi, loss);
    lab.measure_from("loss begins");
    lab.wait(Duration::from_secs(if pace == Pace::Full { 20 } else { 8 })).await;
    lab.finish(Measure::Gap).await
}

impl Row {
    /// A row without runs.
    #[must_use]
    pub fn new(way: Way, loss: f64) -> Self {
        Self {
            way,
            loss,
            latencies: Vec::new(),
            p50_p99_max: [0.0; 3],
            late: [0.0; 3],
            wrong: 0,
            failures: Vec::new(),
        }
    }

    /// Takes in what a run shows.
    pub fn add(&mut self, run: &Run) {
        self.latencies.extend(run.traveller.iter().filter_map(|record| match record.what {
            What::Received { sent, .. } if sent >= run.from => Some((record.at - sent) as f64 / 1000.0),
            _ => None,
        }));
        let outcome = Outcome::of(run);
        let wrong = |flow: &Flow| flow.lost + flow.duplicated + flow.reordered + flow.unanswered;
        self.wrong += wrong(&outcome.down) + wrong(&outcome.up);
        self.p50_p99_max = [0.5, 0.99, 1.0].map(|share| percentile(&self.latencies, share));
        self.late = [30.0, 60.0, 100.0].map(|bound| {
            let late = self.latencies.iter().filter(|latency| **latency > bound).count();
            late as f64 / self.latencies.len().max(1) as f64
        });
    }

    /// Every message came, once and in order.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.wrong == 0 && self.failures.is_empty() && !self.latencies.is_empty()
    }
}

/// The rows, for people.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{TOPICS} topics, {RATE} messages a second each, round trip {} ms\n{:<18} {:>6} {:>9} {:>8} {:>8} {:>8} {:>8} \
         {:>8} {:>9} {:>7}\n",
        RTT.as_millis(),
        "over",
        "loss",
        "messages",
        "p50 ms",
        "p99 ms",
        "max ms",
        ">30 ms",
        ">60 ms",
        ">100 ms",
        "wrong",
    );
    for row in rows {
        let ([p50, p99, max], [a, b, c]) = (row.p50_p99_max, row.late.map(|share| share * 100.0));
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:<18} {:>4.0} % {:>9} {p50:>8.1} {p99:>8.1} {max:>8.1} {a:>6.1} % {b:>6.1} % {c:>7.2} % {:>7}",
            row.way,
            row.loss * 100.0,
            row.latencies.len(),
            row.wrong,
        );
        for failure in &row.failures {
            let _ = writeln!(text, "    a run failed: {failure}");
        }
    }
    text
}

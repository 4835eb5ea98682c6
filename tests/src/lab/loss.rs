//! How late messages are on a link that loses packets: many topics, so that one lost packet should delay one of them.

use std::{fmt::Write, time::Duration};

use anyhow::Result;
use serde::Serialize;

use super::{
    Lab, Measure, Setup, Transport, Uplink, outcome::Outcome, report::percentile, scenario::Pace, trace::What,
};

const TOPICS: u32 = 20;
/// By each topic.
const RATE: u32 = 20;
const RTT: Duration = Duration::from_millis(40);

/// Latencies at one rate of loss over one transport, in milliseconds.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The way.
    pub transport: Transport,
    /// Share of packets lost in each direction.
    pub loss: f64,
    /// Latency of each message, in milliseconds.
    #[serde(skip)]
    pub latencies: Vec<f64>,
    /// The median, the 99th percentile and the longest.
    pub p50_p99_max: [f64; 3],
    /// Shares of messages later than 30, 60 and 100 ms.
    pub late: [f64; 3],
    /// Messages that did not arrive, doubled or out of order.
    pub wrong: u64,
}

/// Measures one row.
///
/// # Errors
/// As [`Lab::start`].
pub async fn measure(transport: Transport, loss: f64, pace: Pace) -> Result<Row> {
    let setup = Setup { topics: TOPICS, rate: TOPICS * RATE, ..Setup::default() };
    let mut lab = Lab::start(transport, setup).await?;
    lab.round_trip(Uplink::Wifi, RTT);
    lab.loss(Uplink::Wifi, loss);
    lab.measure_from("loss begins");
    lab.wait(Duration::from_secs(if pace == Pace::Full { 50 } else { 8 })).await;
    let run = lab.finish(Measure::Gap).await?;
    let latencies: Vec<_> = run
        .traveller
        .iter()
        .filter_map(|record| match record.what {
            What::Received { sent, .. } if sent >= run.from => Some((record.at - sent) as f64 / 1000.0),
            _ => None,
        })
        .collect();
    let later = |bound: f64| {
        latencies.iter().filter(|latency| **latency > bound).count() as f64 / latencies.len().max(1) as f64
    };
    let outcome = Outcome::of(&run);
    let wrong = |flow: &super::outcome::Flow| flow.lost + flow.duplicated + flow.reordered + flow.unanswered;
    Ok(Row {
        transport,
        loss,
        p50_p99_max: [0.5, 0.99, 1.0].map(|share| percentile(&latencies, share)),
        late: [30.0, 60.0, 100.0].map(later),
        wrong: wrong(&outcome.down) + wrong(&outcome.up),
        latencies,
    })
}

/// The rows, for people.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{TOPICS} topics, {RATE} messages a second each, round trip {} ms\n{:<12} {:>6} {:>9} {:>8} {:>8} {:>8} {:>8} \
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
            "{:<12} {:>4.0} % {:>9} {p50:>8.1} {p99:>8.1} {max:>8.1} {a:>6.1} % {b:>6.1} % {c:>7.2} % {:>7}",
            format!("{:?}", row.transport).to_lowercase(),
            row.loss * 100.0,
            row.latencies.len(),
            row.wrong,
        );
    }
    text
}

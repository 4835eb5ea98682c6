//! Many runs in a few numbers.

use std::{collections::BTreeMap, fmt::Write};

use serde::Serialize;

use super::{
    Way,
    outcome::{Flow, Outcome, Rung},
    scenario::{Losses, Pace, Scenario},
};

/// The runs of one scenario by one way.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The scenario's.
    pub name: &'static str,
    /// The way.
    pub way: Way,
    /// Most that the median may be, in milliseconds.
    pub bar: f64,
    /// How clients should come back.
    pub rung: Rung,
    /// What may be missing.
    #[serde(skip)]
    pub losses: Losses,
    /// The runs that came to an end.
    pub outcomes: Vec<Outcome>,
    /// Why a run did not.
    pub failures: Vec<String>,
}

/// What a row says about its scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It holds.
    Holds,
    /// Nothing is wrong but the time.
    Late,
    /// A client never came back, as long as anybody looked.
    Never,
    /// Most clients came back by another rung than they should.
    OtherRung,
    /// Something is missing, doubled, out of order or untold.
    Wrong,
    /// A run did not come to its end.
    Failed,
}

impl Row {
    /// A row without runs.
    #[must_use]
    pub fn new(scenario: &Scenario, way: Way, pace: Pace) -> Self {
        Self {
            name: scenario.name,
            way,
            bar: (scenario.bar)(pace).as_secs_f64() * 1000.0,
            rung: (scenario.rung)(way.transport),
            losses: scenario.losses,
            outcomes: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// What it says.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let never = |outcome: &Outcome| outcome.rungs.contains(&Rung::Never);
        let right = |outcome: &Outcome| {
            let fine = match self.losses {
                // What is still on its way when a run ends is not lost.
                _ if never(outcome) => Flow::is_in_order,
                Losses::None => Flow::is_perfect,
                Losses::Told => Flow::is_honest,
            };
            fine(&outcome.down) && fine(&outcome.up)
        };
        if !self.failures.is_empty() || self.outcomes.is_empty() {
            Verdict::Failed
        } else if !self.outcomes.iter().all(right) {
            Verdict::Wrong
        } else if self.outcomes.iter().any(never) {
            Verdict::Never
        } else if self.usual_rung() != Some(self.rung) {
            Verdict::OtherRung
        } else if self.percentile(0.5) > self.bar {
            Verdict::Late
        } else {
            Verdict::Holds
        }
    }

    /// The median: one client that a stall of the machine costs a rung is none the worse for it.
    fn usual_rung(&self) -> Option<Rung> {
        let mut rungs: Vec<_> =
            self.outcomes.iter().flat_map(|outcome| outcome.rungs.iter().copied()).collect();
        rungs.sort();
        rungs.get(rungs.len() / 2).copied()
    }

    fn percentile(&self, share: f64) -> f64 {
        percentile(&self.outcomes.iter().map(Outcome::time).collect::<Vec<_>>(), share)
    }

    fn line(&self) -> String {
        let start = format!("{:<46} {:<18} {:>6.0}", self.name, self.way, self.bar);
        let sum = |part: fn(&Flow) -> u64| {
            let both = self.outcomes.iter().map(|outcome| (part(&outcome.down), part(&outcome.up)));
            let (down, up) = both.fold((0, 0), |sum, next| (sum.0 + next.0, sum.1 + next.1));
            format!("{down}/{up}")
        };
        let all = |part: fn(&Outcome) -> f64| self.outcomes.iter().map(part).collect::<Vec<_>>();
        let caught_up = percentile(&all(Outcome::caught_up), 0.5);
        let rtt = percentile(&all(|outcome| outcome.rtt_believed), 1.0);
        let [p50, p95, max] = [0.5, 0.95, 1.0].map(|share| self.percentile(share));
        format!(
            "{start} {:>3} {p50:>7.0} {p95:>7.0} {max:>7.0} {caught_up:>7.0} {rtt:>6.0} {:>10} {:>7} {:>7} {:>7} {:>9}  {:<24} {:?}",
            self.outcomes.len(),
            sum(|flow| flow.lost),
            sum(|flow| flow.told),
            sum(|flow| flow.duplicated),
            sum(|flow| flow.reordered),
            sum(|flow| flow.unanswered),
            self.rungs(),
            self.verdict(),
        )
    }

    fn rungs(&self) -> String {
        let mut count = BTreeMap::<Rung, usize>::new();
        for rung in self.outcomes.iter().flat_map(|outcome| &outcome.rungs) {
            *count.entry(*rung).or_default() += 1;
        }
        let words: Vec<_> = count.iter().map(|(rung, n)| format!("{rung:?} {n}").to_lowercase()).collect();
        words.join(", ")
    }
}

/// All rows, for people. Pairs are what went down and what went up; times are milliseconds. `up2date` is the median time until
/// everything missed had been read, `rtt` the largest round trip that a transport believed in.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<46} {:<18} {:>6} {:>3} {:>7} {:>7} {:>7} {:>7} {:>6} {:>10} {:>7} {:>7} {:>7} {:>9}  {:<24} verdict\n",
        "scenario (times in ms, counts down/up)",
        "over",
        "bar",
        "n",
        "p50",
        "p95",
        "max",
        "up2date",
        "rtt",
        "lost",
        "told",
        "doubled",
        "order",
        "unansw.",
        "rung",
    );
    for row in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", row.line());
        for failure in &row.failures {
            let _ = writeln!(text, "    a run failed: {failure}");
        }
    }
    text
}

/// The value below which this share of values lies, by the nearest rank; zero of none.
#[must_use]
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{
        super::way::{Transport, Window},
        *,
    };

    const WAY: Way = Way { transport: Transport::Quic, congestion: None, window: Window::Default };

    fn row(times: &[f64]) -> Row {
        let mut row = Row::new(&super::super::scenario::ALL[0], WAY, Pace::Full);
        row.outcomes = times
            .iter()
            .map(|time| Outcome {
                times: vec![*time],
                caught_up: vec![*time],
                rungs: vec![Rung::Migrated],
                down: Flow::default(),
                up: Flow::default(),
                unanswered_for: 0.0,
                rtt_believed: 0.0,
            })
            .collect();
        row
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let values = [5.0, 1.0, 4.0, 2.0, 3.0];
        assert_eq!([0.5, 0.95, 1.0].map(|share| percentile(&values, share)), [3.0, 5.0, 5.0]);
        assert_eq!(percentile(&[], 0.5), 0.0);
    }

    #[test]
    fn the_median_counts_for_the_time_and_every_run_for_the_rest() {
        assert_eq!(row(&[100.0, 100.0, 9000.0]).verdict(), Verdict::Holds);
        assert_eq!(row(&[100.0, 9000.0, 9000.0]).verdict(), Verdict::Late);
        let mut wrong = row(&[100.0, 100.0, 100.0]);
        wrong.outcomes[0].up.duplicated = 1;
        assert_eq!(wrong.verdict(), Verdict::Wrong);
        assert_eq!(row(&[]).verdict(), Verdict::Failed);
    }

    #[test]
    fn most_clients_must_come_back_by_the_rung_of_the_scenario() {
        let mut row = row(&[100.0, 100.0, 100.0]);
        row.outcomes[0].rungs = vec![Rung::Resumed];
        assert_eq!(row.verdict(), Verdict::Holds);
        row.outcomes[1].rungs = vec![Rung::Recovered];
        assert_eq!(row.verdict(), Verdict::OtherRung);
    }

    #[test]
    fn what_is_missing_of_a_run_that_never_recovered_is_not_lost() {
        let mut never = row(&[100.0, 100.0]);
        never.outcomes[0].rungs = vec![Rung::Never];
        never.outcomes[0].down.lost = 7;
        assert_eq!(never.verdict(), Verdict::Never);
        never.outcomes[0].down.duplicated = 1;
        assert_eq!(never.verdict(), Verdict::Wrong);
    }
}

//! What a user would have noticed in a run: pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::Serialize;

use super::{
    run::{Measure, Run},
    trace::{Record, What},
};

/// How a client came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rung {
    /// The connection lived on.
    Migrated,
    /// On a new connection, in the same session.
    Resumed,
    /// In a new session, but history held everything.
    Recovered,
    /// Something was missing, and the client was told.
    Resync,
    /// Not at all, as long as anybody looked.
    Never,
}

/// What became of the messages of one direction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Flow {
    /// Messages that the publisher's pushes were acknowledged for, for each reader.
    pub published: u64,
    /// Of these, the ones that did not arrive.
    pub lost: u64,
    /// Of these, the ones that the reader was told of.
    pub told: u64,
    /// Messages that the reader was told to be missing and that were not.
    pub told_wrongly: u64,
    /// Arrivals of what had arrived before.
    pub duplicated: u64,
    /// Arrivals after one of a higher number in their topic.
    pub reordered: u64,
    /// Pushes that were never answered.
    pub unanswered: u64,
}

/// What one run shows.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// What was measured, for each client, in milliseconds.
    pub times: Vec<f64>,
    /// How long it took each client to have read all that it had missed, in milliseconds: until of each topic the first
    /// message had arrived that was published after the moment measured from.
    pub caught_up: Vec<f64>,
    /// How each client came back.
    pub rungs: Vec<Rung>,
    /// From the station to the travellers.
    pub down: Flow,
    /// From the travellers to the station.
    pub up: Flow,
    /// The longest time between two answers to pushes, in milliseconds.
    pub unanswered_for: f64,
    /// The largest round trip that a transport believed in after the moment measured from, in milliseconds.
    pub rtt_believed: f64,
}

impl Outcome {
    /// Computes it.
    #[must_use]
    pub fn of(run: &Run) -> Self {
        let mine = |client| run.traveller.iter().filter(move |record| record.client == client);
        let (mut down, mut up) = (Flow::default(), Flow::default());
        for client in 0..run.clients {
            let mine: Vec<_> = mine(client).collect();
            down.add(&flow(&run.station.iter().collect::<Vec<_>>(), &mine, |_| true));
            let topic = format!("up:{client}");
            up.add(&flow(&mine, &run.station.iter().collect::<Vec<_>>(), |name| name == topic));
        }
        let answers = run.traveller.iter().filter(|record| matches!(record.what, What::Answered { .. }));
        Self {
            times: (0..run.clients).map(|client| time(run, mine(client))).collect(),
            caught_up: (0..run.clients).map(|client| caught_up(run, mine(client))).collect(),
            rungs: (0..run.clients).map(|client| rung(run, mine(client))).collect(),
            unanswered_for: silence(answers.map(|record| record.at), run.from, run.end, Measure::Gap),
            rtt_believed: rtt_believed(run),
            down,
            up,
        }
    }

    /// The 95th percentile of the clients' times; of one client, its time.
    #[must_use]
    pub fn time(&self) -> f64 {
        super::report::percentile(&self.times, 0.95)
    }

    /// The same of the times until the clients had read everything.
    #[must_use]
    pub fn caught_up(&self) -> f64 {
        super::report::percentile(&self.caught_up, 0.95)
    }
}

impl Flow {
    fn add(&mut self, other: &Self) {
        self.published += other.published;
        self.lost += other.lost;
        self.told += other.told;
        self.told_wrongly += other.told_wrongly;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.unanswered += other.unanswered;
    }

    /// What arrived came once and in order, and nothing of it was said to be missing.
    #[must_use]
    pub fn is_in_order(&self) -> bool {
        self.duplicated + self.reordered + self.told_wrongly == 0
    }

    /// What is missing is exactly what the reader was told of.
    #[must_use]
    pub fn is_honest(&self) -> bool {
        self.is_in_order() && self.lost == self.told && self.unanswered == 0
    }

    /// Nothing is missing.
    #[must_use]
    pub fn is_perfect(&self) -> bool {
        self.is_honest() && self.lost == 0
    }
}

fn time<'a>(run: &Run, mine: impl Iterator<Item = &'a Record>) -> f64 {
    let mut rejoined = HashMap::new();
    // A client may be back before the lab has read that the server serves.
    let begin = run.marks.first().map_or(run.from, |mark| mark.at);
    let mut arrivals = Vec::new();
    for record in mine {
        match &record.what {
            What::Received { .. } => arrivals.push(record.at),
            What::Joined { again: true, topic, .. } if record.at >= begin => {
                rejoined.entry(topic.clone()).or_insert(record.at);
            }
            _ => {}
        }
    }
    match run.measure {
        Measure::Rejoin => {
            let back = rejoined.into_values().max().unwrap_or(run.end);
            millis(back.min(run.end).saturating_sub(run.from))
        }
        measure => silence(arrivals, run.from, run.end, measure),
    }
}

fn caught_up<'a>(run: &Run, mine: impl Iterator<Item = &'a Record>) -> f64 {
    let mut up_to_date = HashMap::new();
    for record in mine.filter(|record| record.at <= run.end) {
        if let What::Received { topic, sent, .. } = &record.what {
            let at = up_to_date.entry(topic).or_insert(run.end);
            if *sent >= run.from {
                *at = record.at.min(*at);
            }
        }
    }
    let last = up_to_date.into_values().max().unwrap_or(run.end);
    millis(last.saturating_sub(run.from))
}

/// The longest time without an arrival, up to the end of the run: who never came back was silent until then.
fn silence(arrivals: impl IntoIterator<Item = u64>, from: u64, end: u64, measure: Measure) -> f64 {
    let mut last = from;
    let mut longest = 0;
    for at in arrivals {
        if at < from {
            if measure == Measure::Gap {
                last = at;
            }
        } else if at <= end {
            longest = longest.max(at - last);
            last = at;
        }
    }
    millis(longest.max(end - last))
}

/// A silence at the end of a run that is longer than this says that messages do not flow.
const SILENT: u64 = 1_000_000;

fn rung<'a>(run: &Run, mine: impl Iterator<Item = &'a Record>) -> Rung {
    let (mut last, mut rung, mut session_ended) = (0, Rung::Migrated, false);
    // Connections may have been lost before the moment that is measured from.
    let begin = run.marks.first().map_or(run.from, |mark| mark.at);
    // After its end nothing is sent, and a connection may well be idle for too long.
    for record in mine.filter(|record| (begin..=run.end).contains(&record.at)) {
        match &record.what {
            What::Received { .. } => last = record.at,
            What::State { resumed: Some(again), .. } => session_ended |= !again,
            What::Gap { .. } | What::Restarted { .. } => rung = rung.max(Rung::Resync),
            What::Joined { again: true, start, .. } => {
                let came = match start.as_str() {
                    "Recovered" => Rung::Resumed,
                    _ => Rung::Resync,
                };
                rung = rung.max(came);
            }
            _ => {}
        }
    }
    match rung {
        _ if last + SILENT < run.end => Rung::Never,
        Rung::Resumed if session_ended => Rung::Recovered,
        rung => rung,
    }
}

fn rtt_believed(run: &Run) -> f64 {
    let believed = run.traveller.iter().filter(|record| record.at >= run.from).filter_map(|r| match r.what {
        What::Path { rtt, .. } => Some(rtt),
        _ => None,
    });
    millis(believed.max().unwrap_or_default())
}

/// Compares what one side pushed with what the other side received, in the topics that count.
fn flow(writer: &[&Record], reader: &[&Record], counts: impl Fn(&str) -> bool) -> Flow {
    let mut flow = Flow::default();
    let mut published: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    let mut pushed = 0;
    for record in writer {
        match &record.what {
            What::Pushed { topic, .. } if counts(topic) => pushed += 1,
            What::Answered { topic, number, error: None } if counts(topic) => {
                published.entry(topic).or_default().insert(*number);
            }
            _ => {}
        }
    }
    flow.published = published.values().map(|numbers| numbers.len() as u64).sum();
    flow.unanswered = pushed - flow.published;
    let mut read: BTreeMap<&str, Topic> = BTreeMap::new();
    for record in reader {
        if let Some(topic) = record.what.topic().filter(|topic| counts(topic)) {
            read.entry(topic).or_default().see(&record.what, &mut flow);
        }
    }
    for (topic, numbers) in &published {
        let nothing = Topic::default();
        let topic = read.get(topic).unwrap_or(&nothing);
        flow.lost += numbers.difference(&topic.received).count() as u64;
        flow.told +=
            numbers.difference(&topic.received).filter(|number| topic.was_told(**number)).count() as u64;
        flow.told_wrongly += topic.told.intersection(&topic.received).count() as u64;
    }
    flow
}

/// What a reader has seen of one topic.
///
/// The publisher counts from 1 and is alone in its topic, so that in the topic's first epoch a number is also the offset.
#[derive(Debug, Default)]
struct Topic {
    epoch: Option<u64>,
    received: BTreeSet<u64>,
    highest: u64,
    /// Offsets that were said to be missing, in the first epoch.
    told: BTreeSet<u64>,
    /// The log started over: the number before, and once there is one the number after.
    restarts: Vec<(u64, Option<u64>)>,
}

impl Topic {
    fn see(&mut self, what: &What, flow: &mut Flow) {
        match what {
            What::Received { number, position, .. } => {
                self.epoch.get_or_insert(position.0);
                if let Some((_, after @ None)) = self.restarts.last_mut() {
                    *after = Some(*number);
                    self.highest = self.highest.min(number - 1);
                }
                if !self.received.insert(*number) {
                    // A server that was killed has forgotten which pushes it applied.
                    flow.duplicated += u64::from(self.restarts.is_empty());
                } else if *number < self.highest {
                    flow.reordered += 1;
                }
                self.highest = self.highest.max(*number);
            }
            What::Gap { epoch, from, to, .. } if self.epoch == Some(*epoch) => self.told.extend(*from..=*to),
            What::Joined { start, position, previous: Some(previous), .. } if start == "Lost" => {
                if position.0 != previous.0 {
                    self.restarts.push((self.highest, None));
                } else if self.epoch.is_none_or(|epoch| epoch == position.0) {
                    self.told.extend(previous.1 + 1..=position.1);
                }
            }
            What::Restarted { .. } => self.restarts.push((self.highest, None)),
            _ => {}
        }
    }

    fn was_told(&self, number: u64) -> bool {
        let restarted = |(before, after): &(u64, Option<u64>)| {
            number > *before && after.is_none_or(|after| number < after)
        };
        self.told.contains(&number) || self.restarts.iter().any(restarted)
    }
}

impl What {
    fn topic(&self) -> Option<&str> {
        match self {
            Self::Received { topic, .. }
            | Self::Gap { topic, .. }
            | Self::Joined { topic, .. }
            | Self::Restarted { topic, .. } => Some(topic),
            _ => None,
        }
    }
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

#[cfg(test)]
mod tests;

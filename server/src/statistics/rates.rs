//! Which topics are busy: two looks at how far each one is.

use super::events::TopicRow;
use dunlin_hub::TopicUsage;
use dunlin_proto::Topic;
use std::{
    cmp::Reverse,
    collections::HashMap,
    time::{Duration, Instant},
};

/// How many events each topic had had at one time.
pub(super) struct Rates {
    at: Instant,
    events: HashMap<Topic, u64>,
}

impl Rates {
    /// Compares with the last look, if there was one: how many topics there are, and the `most` busy ones.
    pub(super) fn look(
        last: Option<&Self>,
        survey: impl Iterator<Item = TopicUsage>,
        at: Instant,
        most: usize,
    ) -> (Self, usize, Vec<TopicRow>) {
        let elapsed = last.map(|last| at.saturating_duration_since(last.at));
        let mut events = HashMap::with_capacity(last.map_or(0, |last| last.events.len()));
        let mut topics = Vec::new();
        for topic in survey.filter(|topic| !topic.name.is_reserved()) {
            let before = last.and_then(|last| last.events.get(&topic.name));
            // A log with fewer events than before is a new one.
            let news = before.and_then(|before| topic.events.checked_sub(*before)).unwrap_or(topic.events);
            events.insert(topic.name.clone(), topic.events);
            topics.push((if last.is_some() { news } else { 0 }, topic));
        }
        let total = topics.len();
        if total > most {
            topics.select_nth_unstable_by_key(most, |(news, topic)| Reverse((*news, topic.readers)));
            topics.truncate(most);
        }
        topics.sort_by(|(a_news, a), (b_news, b)| {
            (b_news, b.readers).cmp(&(a_news, a.readers)).then_with(|| a.name.cmp(&b.name))
        });
        let rate = |news| elapsed.map_or(0.0, |elapsed| per_second(news, elapsed));
        let rows = topics.iter().map(|(news, topic)| row(topic, rate(*news))).collect();
        (Self { at, events }, total, rows)
    }
}

/// So many in this time, by the second.
pub(super) fn per_second(n: u64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() { 0.0 } else { n as f64 / elapsed.as_secs_f64() }
}

fn row(topic: &TopicUsage, rate: f64) -> TopicRow {
    TopicRow {
        name: topic.name.to_string(),
        readers: topic.readers,
        rate,
        offset: topic.position.offset,
        epoch: topic.position.epoch,
        held: topic.held,
        bytes: topic.bytes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin_proto::Position;

    fn topic(name: &str, readers: usize, events: u64) -> TopicUsage {
        let position = Position::new(1, events);
        TopicUsage { name: name.parse().unwrap(), readers, position, events, held: 0, bytes: 0 }
    }

    fn look(last: Option<&Rates>, topics: &[TopicUsage], at: Instant) -> (Rates, usize, Vec<(String, f64)>) {
        let (rates, total, rows) = Rates::look(last, topics.iter().cloned(), at, 2);
        (rates, total, rows.into_iter().map(|row| (row.name, row.rate)).collect())
    }

    fn rows(expected: &[(&str, f64)]) -> Vec<(String, f64)> {
        expected.iter().map(|(name, rate)| ((*name).into(), *rate)).collect()
    }

    #[test]
    fn the_busiest_come_first_then_the_most_read() {
        let (now, half) = (Instant::now(), Duration::from_millis(500));
        let first = [topic("a", 0, 5), topic("b", 3, 5), topic("c", 1, 5)];
        let (rates, total, seen) = look(None, &first, now);
        assert_eq!((total, seen), (3, rows(&[("b", 0.0), ("c", 0.0)])));
        let second = [topic("a", 0, 8), topic("b", 3, 5), topic("c", 1, 5)];
        let (_, _, seen) = look(Some(&rates), &second, now + half);
        assert_eq!(seen, rows(&[("a", 6.0), ("b", 0.0)]));
    }

    #[test]
    fn all_events_of_a_new_log_are_news() {
        let now = Instant::now();
        let (rates, ..) = look(None, &[topic("old", 0, 100)], now);
        let (_, _, seen) =
            look(Some(&rates), &[topic("old", 0, 2), topic("new", 0, 3)], now + Duration::from_secs(1));
        assert_eq!(seen, rows(&[("new", 3.0), ("old", 2.0)]));
    }

    #[test]
    fn the_servers_own_topics_are_left_out() {
        let (_, total, seen) = look(None, &[topic("$server/stats", 9, 9), topic("a", 0, 0)], Instant::now());
        assert_eq!((total, seen), (1, rows(&[("a", 0.0)])));
    }
}

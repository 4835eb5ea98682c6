//! What the server tells about itself, through topics like any other: `$server/stats`, `$server/topics` and
//! `$server/sessions`, once a second, and only while somebody reads them.
//!
//! Members may not push there (`FORBIDDEN`); who may join is said in [`crate::guard`]. `events.rs` documents the events.

mod channel;
mod events;
pub(crate) mod process;
mod rates;

use crate::{
    clock,
    node::Node,
    session::{Session, path::Change},
    tally::Counts,
};
pub(crate) use channel::Figures;
use dunlin_hub::{Message, Usage};
use dunlin_proto::Topic;
use events::{
    Continuity, PathChange, PathHistory, PerSecond, SessionList, SessionRow, Sessions, Stats, TopicList,
    Topics,
};
use rates::Rates;
use std::{
    cmp::Reverse,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::MissedTickBehavior;

const STATS: &str = "$server/stats";
const TOPICS: &str = "$server/topics";
const SESSIONS: &str = "$server/sessions";

/// The server's own topics.
pub(crate) const OWN: [&str; 3] = [STATS, TOPICS, SESSIONS];

/// Most rows of an event that lists something.
const ROWS: usize = 50;

/// Publishes the figures for as long as it is polled.
pub(crate) async fn publish(node: Arc<Node>) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reporter = Reporter::new(node);
    loop {
        second.tick().await;
        reporter.report().await;
    }
}

struct Reporter {
    node: Arc<Node>,
    started: Instant,
    last: Totals,
    /// How far each topic was at the last look; `None` when nobody asked then.
    rates: Option<Rates>,
}

/// What rates are made of.
#[derive(Clone, Copy)]
struct Totals {
    at: Instant,
    counts: Counts,
    usage: Usage,
}

impl Totals {
    fn of(node: &Node) -> Self {
        Self { at: Instant::now(), counts: node.shared.tally.counts(), usage: node.shared.hub.usage() }
    }
}

impl Reporter {
    fn new(node: Arc<Node>) -> Self {
        Self { started: Instant::now(), last: Totals::of(&node), node, rates: None }
    }

    async fn report(&mut self) {
        let now = Totals::of(&self.node);
        let last = std::mem::replace(&mut self.last, now);
        if self.is_read(STATS) {
            let stats = self.stats(&now, &last);
            self.say(STATS, "stats", &stats).await;
        }
        if self.is_read(TOPICS) {
            let topics = self.topics(now.at);
            self.say(TOPICS, "topics", &topics).await;
        } else {
            self.rates = None;
        }
        if self.is_read(SESSIONS) {
            let sessions = self.sessions(now.at);
            self.say(SESSIONS, "sessions", &sessions).await;
        }
    }

    fn is_read(&self, name: &str) -> bool {
        self.node.shared.hub.readers(&topic(name)).is_some_and(|readers| readers > 0)
    }

    async fn say(&self, name: &str, event: &str, figures: &impl serde::Serialize) {
        let payload = rmp_serde::to_vec_named(figures).expect("maps of numbers and text can be encoded");
        let message =
            Message { id: None, event: event.into(), payload: payload.into(), key: None, origin: None };
        if let Err(error) = self.node.shared.hub.publish(&topic(name), message, clock::now_ms()).await {
            tracing::warn!(%error, topic = name, "the server cannot publish its figures");
        }
    }

    fn stats(&self, now: &Totals, last: &Totals) -> Stats {
        let shared = &self.node.shared;
        let elapsed = now.at.duration_since(last.at);
        let rate = |now: u64, last: u64| rates::per_second(now - last, elapsed);
        let (counts, usage) = (&now.counts, &now.usage);
        Stats {
            at: clock::now_ms(),
            uptime_ms: millis(now.at.duration_since(self.started)),
            agent: crate::AGENT,
            sessions: Sessions::of(&self.node.registry.all()),
            memberships: shared.memberships.len(),
            topics: Topics {
                count: usage.topics.saturating_sub(self.own_topics()),
                readers: usage.readers,
                history_bytes: usage.bytes,
                history_limit: self.node.history_limit,
            },
            per_second: PerSecond {
                events: rate(usage.published, last.usage.published),
                event_bytes: rate(usage.published_bytes, last.usage.published_bytes),
                connections: rate(counts.connections, last.counts.connections),
                sessions_opened: rate(counts.opened, last.counts.opened),
            },
            continuity: Continuity {
                migrated: counts.migrated,
                resumed: counts.resumed,
                recovered: counts.recovered,
                lost: counts.lost,
                gaps: usage.gaps,
            },
            refusals: shared.tally.refusals(),
            process: process::look(),
        }
    }

    /// How many of the hub's topics are these.
    fn own_topics(&self) -> usize {
        OWN.iter().filter(|name| self.node.shared.hub.readers(&topic(name)).is_some()).count()
    }

    fn topics(&mut self, now: Instant) -> TopicList {
        let (rates, total, topics) =
            Rates::look(self.rates.as_ref(), self.node.shared.hub.survey(), now, ROWS);
        self.rates = Some(rates);
        TopicList { total, topics }
    }

    fn sessions(&self, now: Instant) -> SessionList {
        let mut sessions = self.node.registry.all();
        let total = sessions.len();
        sessions.sort_by_cached_key(|session| Reverse(session.connected()));
        sessions.truncate(ROWS);
        SessionList { total, sessions: sessions.iter().map(|session| row(session, now)).collect() }
    }
}

fn row(session: &Session, now: Instant) -> SessionRow {
    let whereabouts = session.whereabouts();
    SessionRow {
        session: session.name.to_string(),
        transport: whereabouts.seen.transport.to_string(),
        address: whereabouts.seen.address.to_string(),
        agent: session.agent.to_string(),
        rtt_ms: whereabouts.seen.rtt.map(|rtt| rtt.as_secs_f64() * 1000.0),
        channels: session.channels(),
        connected_ms: millis(now.saturating_duration_since(whereabouts.connected)),
        resumed: whereabouts.resumed,
        parked: whereabouts.is_parked,
        paths: PathHistory {
            changes: whereabouts.path.changes(),
            last: whereabouts.path.last().map(|change| path_change(change, now)).collect(),
        },
    }
}

fn path_change(change: &Change, now: Instant) -> PathChange {
    PathChange {
        kind: change.kind.name(),
        from: change.from.to_string(),
        address: change.to.to_string(),
        ms: millis(now.saturating_duration_since(change.at)),
    }
}

fn topic(name: &str) -> Topic {
    Topic::new(name).expect("the names above are legal")
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

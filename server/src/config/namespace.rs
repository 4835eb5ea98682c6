//! What holds for the topics of a pattern, other than for all.

use super::{
    Check, Family, Mode,
    key::{HOUR, KIB, Key, MIB, ranged, text},
};
use dunlin_hub::{Full, Retention};
use dunlin_proto::{Limits, Pattern, Patterns, Topic, frame::channel::Delivery};
use std::{sync::Arc, time::Duration};

/// What holds for a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// What its log keeps.
    pub retention: Retention,
    /// The most that members are told of who is in it.
    pub presence: Mode,
    /// Which clients may be members, if their tokens allow it.
    pub join: Who,
    /// Which members may push, if their tokens allow it.
    pub push: Who,
    /// How events may be delivered; [`Delivery::None`] always may.
    pub deliveries: Box<[Delivery]>,
    /// How they are, to those who do not say.
    pub default: Delivery,
    /// Longest payload in bytes.
    pub payload: usize,
    /// Most pushes of one member in a second; 0 for no bound.
    pub pushes: u32,
    /// Most pushes of all members in a second; 0 for no bound.
    pub publishes: u32,
}

/// Which clients may do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// All.
    All,
    /// Those whose token names a user.
    Users,
    /// None: only the application itself and the backend.
    Nobody,
}

/// What holds for each topic: what stands for the closest pattern, and what holds for all where it is silent.
#[derive(Debug, Clone)]
pub struct Namespaces {
    all: Arc<Namespace>,
    own: Arc<Namespace>,
    by_pattern: Patterns<Arc<Namespace>>,
}

pub(super) const FAMILY: Family = Family {
    prefix: "namespace",
    example: "\"room:*\"",
    doc: "What holds for the topics of a pattern. What a table does not set is as for all topics; of several patterns, only the closest counts.",
    keys: KEYS,
    most: 256,
};

const WHO: &str = "all, users or none";

const KEYS: &[Key] = &[
    ranged("history.count", 0..=10_000_000, "a whole number from 0 to 10000000", "Most events kept."),
    ranged("history.bytes", 0..=64 << 30, "a size from 0B to 64GiB", "Most bytes kept."),
    ranged("history.age", 0..=7 * 24 * HOUR, "a time from 0s to 7days", "How long an event is kept."),
    ranged(
        "retain",
        0..=400 * 24 * HOUR,
        "a time from 0s to 400days, or off",
        "The newest event is kept for so long, and is what new members begin with.",
    ),
    text(
        "full",
        "",
        "drop or refuse",
        "Where history is full: the oldest events go, or new ones are refused until others have aged out.",
    ),
    text("presence", "", "off, counts or full", "The most that members are told of who is there."),
    text("join", "", WHO, "Which clients may join; users: whose token names one."),
    text("push", "", WHO, "Which members may push; none: only the backend publishes."),
    text("delivery", "", "a list of reliable, latest and datagram", "How members may have events delivered."),
    text(
        "default_delivery",
        "",
        "reliable, latest, none or datagram",
        "How those have them delivered who do not say.",
    ),
    ranged(
        "payload",
        KIB..=16 * MIB,
        "a size from 1KiB to 16MiB",
        "Longest payload; no more than limits.payload.",
    ),
    ranged(
        "rate.pushes",
        0..=1_000_000,
        "a whole number from 0 to 1000000",
        "Most pushes of one member in a second; 0 for no bound.",
    ),
    ranged(
        "rate.publishes",
        0..=1_000_000,
        "a whole number from 0 to 1000000",
        "Most pushes of all members in a second; 0 for no bound.",
    ),
];

impl Namespace {
    pub(super) fn new(retention: Retention, presence: Mode) -> Self {
        Self {
            retention,
            presence,
            join: Who::All,
            push: Who::All,
            deliveries: [Delivery::Reliable, Delivery::Latest, Delivery::Datagram].into(),
            default: Delivery::Reliable,
            payload: 0,
            pushes: 0,
            publishes: 0,
        }
    }

    /// Whether events may be delivered so.
    #[must_use]
    pub fn delivers(&self, delivery: Delivery) -> bool {
        delivery == Delivery::None || self.deliveries.contains(&delivery)
    }
}

impl Who {
    fn named(text: &str) -> Option<Self> {
        match text {
            "all" => Some(Self::All),
            "users" => Some(Self::Users),
            "none" => Some(Self::Nobody),
            _ => None,
        }
    }

    /// Whether it includes a client, by the user that its token names.
    #[must_use]
    pub fn includes(self, user: Option<&str>) -> bool {
        match self {
            Self::All => true,
            Self::Users => user.is_some(),
            Self::Nobody => false,
        }
    }
}

impl Default for Namespaces {
    /// The defaults, for all topics.
    fn default() -> Self {
        let all = Namespace::new(Retention::default(), Mode::Full);
        Self::new(Namespace { payload: Limits::default().payload, ..all }, Patterns::default())
    }
}

impl Namespaces {
    fn new(all: Namespace, by_pattern: Patterns<Arc<Namespace>>) -> Self {
        // The server's own topics are what their channel makes of them.
        let own = Namespace::new(all.retention, all.presence);
        let own = Namespace { payload: all.payload, ..own };
        Self { all: Arc::new(all), own: Arc::new(own), by_pattern }
    }

    /// What holds for a topic. Looks at each pattern, the closest first: some 2 ns for each. A membership asks once.
    #[must_use]
    pub fn of(&self, topic: &Topic) -> &Arc<Namespace> {
        if topic.is_reserved() {
            return &self.own;
        }
        self.by_pattern.get(topic).unwrap_or(&self.all)
    }

    /// What holds for the topics of each pattern.
    #[must_use]
    pub fn by_pattern(&self) -> &Patterns<Arc<Namespace>> {
        &self.by_pattern
    }

    pub(super) fn retentions(&self) -> Patterns<Retention> {
        self.by_pattern.map(|namespace| namespace.retention)
    }
}

impl Check<'_> {
    /// The namespaces, which go by this where they are silent.
    pub(super) fn namespaces(&mut self, all: Namespace) -> Namespaces {
        let members = self.members(&FAMILY, "namespaces");
        let mut tables = Vec::new();
        for member in &members {
            let namespace = self.namespace(member, &all);
            match member.parse::<Pattern>() {
                Ok(pattern) if !member.starts_with('$') => tables.push((pattern, Arc::new(namespace))),
                Ok(_) => {
                    let text = "topics that begin with `$` are the server's own";
                    self.table(&FAMILY, member).wrong_name(text.into());
                }
                Err(error) => {
                    let text = format!("{member:?} is no topic pattern: {error}");
                    self.table(&FAMILY, member).wrong_name(text);
                }
            }
        }
        let by_pattern = Patterns::new(tables).expect("the names of tables differ, and so do their patterns");
        Namespaces::new(all, by_pattern)
    }

    fn namespace(&mut self, member: &str, all: &Namespace) -> Namespace {
        let mut table = self.table(&FAMILY, member);
        let deliveries = table.read("delivery", all.deliveries.clone(), |_, text| {
            let modes: Option<Box<[_]>> = text.split(',').map(|name| Delivery::named(name.trim())).collect();
            modes.filter(|modes| !modes.contains(&Delivery::None))
        });
        let first = deliveries.first().copied().unwrap_or(all.default);
        let default = if deliveries.contains(&all.default) { all.default } else { first };
        let namespace = Namespace {
            retention: Retention {
                count: table.count("history.count", all.retention.count),
                bytes: table.bytes("history.bytes", all.retention.bytes),
                age: table.duration("history.age", all.retention.age),
                newest: table.read("retain", all.retention.newest, |key, text| match text {
                    "off" => Some(Duration::ZERO),
                    time => key.duration(time),
                }),
                full: table.read("full", all.retention.full, |_, text| match text {
                    "drop" => Some(Full::Drop),
                    "refuse" => Some(Full::Refuse),
                    _ => None,
                }),
            },
            presence: table.read("presence", all.presence, |_, text| Mode::named(text)),
            join: table.read("join", all.join, |_, text| Who::named(text)),
            push: table.read("push", all.push, |_, text| Who::named(text)),
            default: table.read("default_delivery", default, |_, text| Delivery::named(text)),
            deliveries,
            payload: table.bytes("payload", all.payload),
            pushes: table.count("rate.pushes", all.pushes),
            publishes: table.count("rate.publishes", all.publishes),
        };
        if !namespace.delivers(namespace.default) {
            table.wrong("default_delivery", "it is not among those of `delivery`");
        }
        if namespace.payload > all.payload {
            table.wrong("payload", "it is more than limits.payload, beyond which no frame is taken");
        }
        if namespace.retention.full == Full::Refuse && namespace.retention.count == 0 {
            table.wrong("full", "with a history of no events, each one would be refused");
        }
        namespace
    }
}

#[cfg(test)]
mod tests;

//! What a comparison found, as it is kept in `results.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::load::{Figures, Work};

/// All of one run.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Results {
    /// When it began, and which revision of Dunlin it was.
    pub(crate) date: String,
    pub(crate) revision: String,
    pub(crate) quick: bool,
    pub(crate) machine: Machine,
    pub(crate) subscribers: usize,
    pub(crate) seconds: f64,
    pub(crate) rounds: usize,
    /// Versions of those that ran, by [`crate::peers::Peer::key`].
    pub(crate) versions: BTreeMap<String, String>,
    /// Those that did not run, and why.
    pub(crate) missing: BTreeMap<String, String>,
    /// By peer; several of one kind of work are of several rounds.
    pub(crate) figures: BTreeMap<String, Vec<Figures>>,
    /// Peers and rounds that came to no end, and why.
    pub(crate) failures: Vec<String>,
    pub(crate) scale: Scale,
}

/// Where it ran.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    pub(crate) system: String,
    /// Processes that wanted to run in the minute before, on average.
    pub(crate) load: f64,
}

/// What Dunlin took alone, as objects that `dunlin bench --json` printed.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Scale {
    /// `connections`, held.
    pub(crate) idle: Option<Value>,
    /// `latency`, in pairs: beside few idle connections, and beside many.
    pub(crate) latency: Vec<(Value, Value)>,
    /// `storm`.
    pub(crate) storm: Option<Value>,
    /// How many idle connections were few and many.
    pub(crate) few: u32,
    pub(crate) many: u32,
}

impl Results {
    /// One figure of all rounds of one kind of work; empty if it did not come so far.
    pub(crate) fn of(&self, peer: &str, work: Work, figure: impl Fn(&Figures) -> f64) -> Spread {
        let figures = self.figures.get(peer).into_iter().flatten();
        Spread::of(figures.filter(|figures| figures.work == work).map(figure))
    }
}

/// Values of the same thing, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Spread(Vec<f64>);

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The middle one, or of an even number the lower of the two.
    pub(crate) fn median(&self) -> Option<f64> {
        self.0.get(self.0.len().saturating_sub(1) / 2).copied()
    }

    pub(crate) fn min(&self) -> Option<f64> {
        self.0.first().copied()
    }

    pub(crate) fn max(&self) -> Option<f64> {
        self.0.last().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_a_value_that_was_measured() {
        assert_eq!(Spread::of([5.0, 1.0, 3.0]).median(), Some(3.0));
        assert_eq!(Spread::of([4.0, 1.0, 3.0, 2.0]).median(), Some(2.0));
        assert_eq!(Spread::of([]).median(), None);
    }
}

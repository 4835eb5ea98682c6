//! Everything that was written down in one telling of a story.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use anyhow::{Context, Result};
use serde_json::json;

use super::trace::Record;

/// What is measured, from the moment that the story names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// The longest time without a message, counted from the last one before the moment.
    Gap,
    /// The longest time without a message, counted from the moment: there were none before.
    Return,
    /// The time until all topics are joined again, or the first message comes: for when the publisher is away too.
    Rejoin,
}

/// The records of one telling.
#[derive(Debug)]
pub struct Run {
    /// What to compute.
    pub measure: Measure,
    /// The moment from which to measure, by the lab's clock.
    pub from: u64,
    /// When publishing ended: a silence lasts until here at most.
    pub end: u64,
    /// How many travelled.
    pub clients: u32,
    /// The story's events.
    pub marks: Vec<Record>,
    /// What happened to the travellers.
    pub traveller: Vec<Record>,
    /// What happened to the station.
    pub station: Vec<Record>,
    /// The server's log.
    pub server: Vec<Record>,
    /// What passed over the links.
    pub packets: Vec<Record>,
}

impl Run {
    /// Writes all records in the order of time, one JSON object a line, times in microseconds.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let sources = [
            ("story", &self.marks),
            ("traveller", &self.traveller),
            ("station", &self.station),
            ("server", &self.server),
            ("link", &self.packets),
        ];
        let mut all: Vec<_> = sources
            .iter()
            .flat_map(|(who, records)| records.iter().map(move |record| (who, record)))
            .collect();
        all.sort_by_key(|(_, record)| record.at);
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut file = BufWriter::new(file);
        for (who, record) in all {
            let mut line = json!(record);
            line["who"] = json!(who);
            writeln!(file, "{line}")?;
        }
        file.flush().context("cannot write the trace")
    }
}

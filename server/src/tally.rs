//! What has happened since the server started: told to the metrics, and kept for the topics `$server/…`.

use crate::session::path;
use dunlin_proto::{Code, frame::channel::Start};
use dunlin_transport::Kind;
use metrics::counter;
use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// Counts of one server. Metrics belong to the whole process, which may hold several servers or another recorder.
#[derive(Default)]
pub(crate) struct Tally {
    connections: AtomicU64,
    opened: AtomicU64,
    resumed: AtomicU64,
    recovered: AtomicU64,
    lost: AtomicU64,
    migrated: AtomicU64,
    refusals: Mutex<BTreeMap<&'static str, u64>>,
}

/// The counts of one moment.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    /// Connections that were admitted.
    pub(crate) connections: u64,
    /// Sessions that began.
    pub(crate) opened: u64,
    /// Sessions that were found again.
    pub(crate) resumed: u64,
    /// Joins whose position was covered.
    pub(crate) recovered: u64,
    /// Joins whose position was not.
    pub(crate) lost: u64,
    /// Changes of address of connections that lived on.
    pub(crate) migrated: u64,
}

impl Tally {
    /// A connection was admitted.
    pub(crate) fn connected(&self, kind: Kind) {
        counter!("dunlin_connections_total", "transport" => kind.to_string()).increment(1);
        self.connections.fetch_add(1, Relaxed);
    }

    /// A session began.
    pub(crate) fn opened(&self) {
        counter!("dunlin_sessions_opened_total").increment(1);
        self.opened.fetch_add(1, Relaxed);
    }

    /// A client came back to its session.
    pub(crate) fn resumed(&self) {
        counter!("dunlin_sessions_resumed_total").increment(1);
        self.resumed.fetch_add(1, Relaxed);
    }

    /// A client's address has changed, and its connection lives on.
    pub(crate) fn migrated(&self, kind: path::Kind) {
        counter!("dunlin_path_changes_total", "kind" => kind.name()).increment(1);
        self.migrated.fetch_add(1, Relaxed);
    }

    /// A join was accepted.
    pub(crate) fn joined(&self, start: Start) {
        let (name, count) = match start {
            Start::Live => ("live", None),
            Start::Recovered => ("recovered", Some(&self.recovered)),
            Start::Lost => ("lost", Some(&self.lost)),
        };
        counter!("dunlin_joins_total", "start" => name).increment(1);
        if let Some(count) = count {
            count.fetch_add(1, Relaxed);
        }
    }

    /// A connection, a join, a push or a stream was refused.
    pub(crate) fn refused(&self, code: Code) {
        counter!("dunlin_refusals_total", "code" => code.name()).increment(1);
        *self.refusals.lock().expect(UNPOISONED).entry(code.name()).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            connections: self.connections.load(Relaxed),
            opened: self.opened.load(Relaxed),
            resumed: self.resumed.load(Relaxed),
            recovered: self.recovered.load(Relaxed),
            lost: self.lost.load(Relaxed),
            migrated: self.migrated.load(Relaxed),
        }
    }

    /// Refusals by the name of their code.
    pub(crate) fn refusals(&self) -> BTreeMap<&'static str, u64> {
        self.refusals.lock().expect(UNPOISONED).clone()
    }
}

const UNPOISONED: &str = "no code panics while it holds this lock";

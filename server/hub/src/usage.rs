//! What the hub holds and has done, for metrics.

use dunlin_proto::{Position, Topic};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// A snapshot of the hub. The numbers are taken one after the other, while others go on working.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Topics that exist now.
    pub topics: usize,
    /// Bytes in all logs now, as counted for [`Config::memory`](crate::Config::memory).
    pub bytes: usize,
    /// Cursors that exist now.
    pub readers: usize,
    /// Events accepted by [`Hub::publish`](crate::Hub::publish) since the start, without the duplicates
    /// and without those in the server's own topics.
    pub published: u64,
    /// Bytes of payload in them.
    pub published_bytes: u64,
    /// Publishes recognised as repeated since the start.
    pub duplicates: u64,
    /// Events that left a log early since the start, because all logs together were too large.
    pub evicted: u64,
    /// Gaps that readers were told of since the start.
    pub gaps: u64,
    /// Publishes refused since the start because the topic's log was full.
    pub full: u64,
    /// Topics dropped while idle since the start.
    pub dropped: u64,
}

/// One topic, as [`Hub::survey`](crate::Hub::survey) saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicUsage {
    /// Its name.
    pub name: Topic,
    /// Cursors that exist now.
    pub readers: usize,
    /// The newest event's position.
    pub position: Position,
    /// Events that ever came into this log; two looks tell the rate.
    pub events: u64,
    /// Events that the log holds now.
    pub held: usize,
    /// Bytes that they take, as counted for [`Config::memory`](crate::Config::memory).
    pub bytes: usize,
}

/// The numbers that are counted where they happen.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) readers: AtomicUsize,
    pub(crate) published: Counter,
    pub(crate) published_bytes: Counter,
    pub(crate) duplicates: Counter,
    pub(crate) evicted: Counter,
    pub(crate) gaps: Counter,
    pub(crate) full: Counter,
    pub(crate) dropped: Counter,
}

/// A number that only grows.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: usize) {
        self.0.fetch_add(n as u64, Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

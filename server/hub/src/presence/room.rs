//! One topic's presence: the roster, and what was told of it lately, as bytes that all members share.

use super::{
    Config, Encode, State,
    roster::{Diff, Roster},
};
use bytes::Bytes;
use std::{collections::VecDeque, sync::Arc};

/// Diffs that are kept for members who are slow. Who is slower than that gets the list anew.
const KEPT: usize = 64;

/// About how many bytes a frame has: less than any limit of a channel's frames.
const FRAME: usize = 14 * 1024;

/// The presence of one topic.
pub(super) struct Room {
    pub(super) roster: Roster,
    /// Since when nothing was told, in milliseconds of the caller's clock.
    pub(super) told_at: Option<u64>,
    /// Whether it stands among those that have something to tell.
    pub(super) is_queued: bool,
    diffs: VecDeque<(u64, Bytes)>,
    snapshot: Option<Arc<Snapshot>>,
    counts: Option<Bytes>,
    /// Whether only the counts are told.
    is_large: bool,
}

/// The list at one version, in frames.
pub(super) struct Snapshot {
    version: u64,
    frames: Vec<Bytes>,
}

/// How far a member has been told.
#[derive(Default)]
pub(super) enum Told {
    #[default]
    Nothing,
    /// So many frames of a list.
    Part(Arc<Snapshot>, usize),
    /// The list at this version.
    List(u64),
    /// The counts at this version.
    Counts(u64),
}

impl Room {
    pub(super) fn new() -> Self {
        Self {
            roster: Roster::default(),
            told_at: None,
            is_queued: false,
            diffs: VecDeque::new(),
            snapshot: None,
            counts: None,
            is_large: false,
        }
    }

    /// Tells what has changed, and returns it.
    pub(super) fn tell(&mut self, config: &Config, encode: &Encode) -> Vec<Diff> {
        let diffs = self.roster.tell(FRAME);
        if diffs.is_empty() {
            return diffs;
        }
        self.counts = None;
        let entries = self.roster.occupancy().entries;
        // Between the two bounds it stays what it was, or one member more or less would have everybody get the list anew.
        if entries > config.list {
            self.is_large = true;
        } else if entries <= config.list * 3 / 4 {
            self.is_large = false;
        }
        if self.is_large {
            self.diffs.clear();
            self.snapshot = None;
        } else {
            self.diffs.extend(diffs.iter().map(|diff: &Diff| (diff.version, (encode.diff)(diff))));
            self.diffs.drain(..self.diffs.len().saturating_sub(KEPT));
        }
        diffs
    }

    /// Whether a member has something to be told.
    pub(super) fn has_news(&self, told: &Told, wants_list: bool) -> bool {
        match told {
            Told::List(version) if self.lists(wants_list) => *version != self.roster.version(),
            Told::Counts(version) if !self.lists(wants_list) => *version != self.roster.version(),
            _ => true,
        }
    }

    /// What a member is told next: a few frames; none if there is nothing new.
    pub(super) fn read(&mut self, told: &mut Told, wants_list: bool, encode: &Encode) -> Vec<Bytes> {
        if !self.has_news(told, wants_list) {
            return Vec::new();
        }
        if !self.lists(wants_list) {
            *told = Told::Counts(self.roster.version());
            return vec![self.counts(encode)];
        }
        match told {
            Told::List(version) if self.reaches(*version) => {
                let after = self.diffs.partition_point(|(diff, _)| diff <= version);
                *told = Told::List(self.roster.version());
                return self.diffs.range(after..).map(|(_, frame)| frame.clone()).collect();
            }
            Told::Part(..) => {}
            _ => *told = Told::Part(self.snapshot(encode), 0),
        }
        let Told::Part(snapshot, next) = told else { unreachable!("it was just made one") };
        let frame = snapshot.frames[*next].clone();
        *next += 1;
        if *next == snapshot.frames.len() {
            *told = Told::List(snapshot.version);
        }
        vec![frame]
    }

    fn lists(&self, wants_list: bool) -> bool {
        wants_list && !self.is_large
    }

    /// Whether all diffs after this version are kept.
    fn reaches(&self, version: u64) -> bool {
        version == self.roster.version()
            || self.diffs.front().is_some_and(|(oldest, _)| *oldest <= version + 1)
    }

    fn counts(&mut self, encode: &Encode) -> Bytes {
        let state = |roster: &Roster| State {
            version: roster.version(),
            occupancy: roster.occupancy(),
            left: 0,
            list: None,
        };
        self.counts.get_or_insert_with(|| (encode.state)(&state(&self.roster))).clone()
    }

    /// The list as it was told last: made once for a version, and so once in an interval however many come.
    fn snapshot(&mut self, encode: &Encode) -> Arc<Snapshot> {
        if let Some(last) = self.snapshot.as_ref().filter(|last| last.version == self.roster.version()) {
            return last.clone();
        }
        let made = Arc::new(Snapshot::of(&self.roster, encode));
        self.snapshot = Some(made.clone());
        made
    }
}

impl Snapshot {
    fn of(roster: &Roster, encode: &Encode) -> Self {
        let (version, occupancy) = (roster.version(), roster.occupancy());
        let mut frames = Vec::new();
        let mut list = Vec::new();
        let mut left = occupancy.entries;
        let mut room = FRAME;
        for entry in roster.told() {
            if !list.is_empty() && entry.cost() > room {
                left -= list.len();
                frames.push((encode.state)(&State { version, occupancy, left, list: Some(&list) }));
                list.clear();
                room = FRAME;
            }
            room = room.saturating_sub(entry.cost());
            list.push(entry.clone());
        }
        // Also if nobody is there: that is an answer as well.
        frames.push((encode.state)(&State { version, occupancy, left: 0, list: Some(&list) }));
        Self { version, frames }
    }
}

//! Presence on the wire, and what a member may know of it.

use crate::config::Mode;
use dunlin_hub::presence::{Diff, Encode, Entry, Occupancy, Presence, State, TrackError, Wish};
use dunlin_proto::{
    Code,
    frame::{
        Refusal,
        presence::{self, Ask, Borrowed, Head},
    },
};
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// How presence becomes frames.
pub(crate) const ENCODE: Encode = Encode { state, diff };

/// What a member is told that asks for this.
pub(crate) fn grant(ask: Ask, mode: Mode) -> Option<Wish> {
    match (ask, mode) {
        (Ask::None, _) | (_, Mode::Off) => None,
        (Ask::Full, Mode::Full) => Some(Wish::List),
        (Ask::Full | Ask::Counts, _) => Some(Wish::Counts),
    }
}

/// Has topics tell what has changed, each when it is its time, for as long as it is polled.
pub(crate) async fn tell(presence: Arc<Presence>) {
    let started = Instant::now();
    loop {
        presence.changed().await;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        while let Some(due) = presence.flush(millis(started.elapsed())) {
            tokio::time::sleep_until(started + Duration::from_millis(due)).await;
        }
    }
}

fn state(state: &State<'_>) -> bytes::Bytes {
    let list = state.list.map(|list| list.iter().map(borrowed));
    presence::encode_state(head(state.version, state.occupancy), state.left as u64, list)
}

fn diff(diff: &Diff) -> bytes::Bytes {
    let Diff { version, occupancy, joins, updates, leaves } = diff;
    let leaves = leaves.iter().map(|(key, id)| (&**key, *id));
    let (joins, updates) = (joins.iter().map(borrowed), updates.iter().map(borrowed));
    presence::encode_diff(head(*version, *occupancy), joins, updates, leaves)
}

fn head(version: u64, occupancy: Occupancy) -> Head {
    Head { version, keys: occupancy.keys as u64, entries: occupancy.entries as u64 }
}

fn borrowed(entry: &Entry) -> Borrowed<'_> {
    (&entry.key, entry.id, &entry.data, entry.away)
}

impl From<super::TrackError> for Refusal {
    fn from(error: super::TrackError) -> Self {
        let code = match error {
            super::TrackError::Bound(TrackError::Key(_) | TrackError::TooLarge { .. }) => Code::ILLEGAL_VALUE,
            super::TrackError::Bound(TrackError::Devices(_) | TrackError::Full)
            | super::TrackError::TooMany(_) => Code::REJECTED,
            super::TrackError::NotTracked => Code::INTERNAL,
        };
        Self::because(code, &error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_told_more_than_the_mode_allows() {
        assert_eq!(grant(Ask::Full, Mode::Full), Some(Wish::List));
        assert_eq!(grant(Ask::Full, Mode::Counts), Some(Wish::Counts));
        assert_eq!(grant(Ask::Counts, Mode::Full), Some(Wish::Counts));
        assert_eq!((grant(Ask::Full, Mode::Off), grant(Ask::None, Mode::Full)), (None, None));
    }
}

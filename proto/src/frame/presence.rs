//! Who is in a topic: the frames that a member gets who has asked for them in its `Join`.

use super::{
    DecodeError, kind,
    read::Reader,
    write::{Writer, frame},
};
use crate::limits;
use bytes::Bytes;

/// What a member wants to know of who is in its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum Ask {
    /// Nothing.
    #[default]
    None,
    /// Everybody by name, and what changes.
    Full,
    /// How many there are.
    Counts,
}

impl Ask {
    pub(super) fn from_wire(number: u64) -> Result<Self, DecodeError> {
        [Self::None, Self::Full, Self::Counts]
            .into_iter()
            .find(|ask| *ask as u64 == number)
            .ok_or(DecodeError::Value("presence"))
    }
}

/// The head of each presence frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Rises with each change of the topic's presence, as long as the topic is in use.
    pub version: u64,
    /// How many keys (users) are present.
    pub keys: u64,
    /// How many entries (devices) they have together.
    pub entries: u64,
}

/// One device of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Whose it is.
    pub key: Box<str>,
    /// Names this entry among all that there ever are.
    pub id: u64,
    /// What the application says of it; by convention MessagePack.
    pub data: Bytes,
    /// Whether its client is paused, or has lost its connection.
    pub away: bool,
}

/// An entry that is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leave {
    /// Whose it was.
    pub key: Box<str>,
    /// Its id.
    pub id: u64,
}

/// Who is there at this version, or a part of it; or only how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// Version and counts.
    pub head: Head,
    /// How many entries follow in further frames of the same version.
    pub left: u64,
    /// The entries; `None` if only their number is told.
    pub list: Option<Vec<Entry>>,
}

/// What has changed since the version before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// Version and counts after the change.
    pub head: Head,
    /// Entries that are new.
    pub joins: Vec<Entry>,
    /// Entries that were there, as they are now.
    pub updates: Vec<Entry>,
    /// Entries that are gone.
    pub leaves: Vec<Leave>,
}

/// An entry to be written: key, id, data and whether it is away.
pub type Borrowed<'a> = (&'a str, u64, &'a [u8], bool);

/// Writes a state from borrowed parts.
#[must_use]
pub fn encode_state<'a>(
    head: Head,
    left: u64,
    list: Option<impl ExactSizeIterator<Item = Borrowed<'a>>>,
) -> Bytes {
    let size = list.as_ref().map_or(0, |list| list.len() * 64);
    frame(kind::PRESENCE_STATE, 5, size, |w| {
        write_head(w, head).uint(left);
        match list {
            Some(list) => write_entries(w, list),
            None => {
                w.nil();
            }
        }
    })
}

/// Writes a diff from borrowed parts, as is done once for all members.
#[must_use]
pub fn encode_diff<'a>(
    head: Head,
    joins: impl ExactSizeIterator<Item = Borrowed<'a>>,
    updates: impl ExactSizeIterator<Item = Borrowed<'a>>,
    leaves: impl ExactSizeIterator<Item = (&'a str, u64)>,
) -> Bytes {
    frame(kind::PRESENCE_DIFF, 6, 64 * (joins.len() + updates.len() + leaves.len()), |w| {
        write_entries(write_head(w, head), joins);
        write_entries(w, updates);
        w.array(leaves.len());
        for (key, id) in leaves {
            w.array(2).text(key).uint(id);
        }
    })
}

impl State {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            head: read_head(r)?,
            left: r.uint("left")?,
            list: r.optional(|r| read_entries(r, "list"))?,
        })
    }

    pub(super) fn encode(&self) -> Bytes {
        encode_state(self.head, self.left, self.list.as_deref().map(borrowed))
    }
}

impl Diff {
    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let read_leave =
            |r: &mut Reader<'_>| r.array("leaves", |r, _| Ok(Leave { key: read_key(r)?, id: r.uint("id")? }));
        Ok(Self {
            head: read_head(r)?,
            joins: read_entries(r, "joins")?,
            updates: read_entries(r, "updates")?,
            leaves: r.array("leaves", |r, len| (0..len).map(|_| read_leave(r)).collect())?,
        })
    }

    pub(super) fn encode(&self) -> Bytes {
        let leaves = self.leaves.iter().map(|leave| (&*leave.key, leave.id));
        encode_diff(self.head, borrowed(&self.joins), borrowed(&self.updates), leaves)
    }
}

fn borrowed(entries: &[Entry]) -> impl ExactSizeIterator<Item = Borrowed<'_>> {
    entries.iter().map(|entry| (&*entry.key, entry.id, &entry.data[..], entry.away))
}

fn read_head(r: &mut Reader<'_>) -> Result<Head, DecodeError> {
    Ok(Head { version: r.uint("version")?, keys: r.uint("keys")?, entries: r.uint("entries")? })
}

fn read_key(r: &mut Reader<'_>) -> Result<Box<str>, DecodeError> {
    Ok(r.text("key", limits::MAX_KEY_LEN)?.into())
}

fn read_entries(r: &mut Reader<'_>, name: &'static str) -> Result<Vec<Entry>, DecodeError> {
    let entry = |r: &mut Reader<'_>| {
        r.array(name, |r, _| {
            Ok(Entry {
                key: read_key(r)?,
                id: r.uint("id")?,
                data: r.binary("data")?,
                away: r.boolean("away")?,
            })
        })
    };
    r.array(name, |r, len| (0..len).map(|_| entry(r)).collect())
}

fn write_head<'w, 'a>(w: &'w mut Writer<'a>, head: Head) -> &'w mut Writer<'a> {
    w.uint(head.version).uint(head.keys).uint(head.entries)
}

fn write_entries<'a>(w: &mut Writer<'_>, entries: impl ExactSizeIterator<Item = Borrowed<'a>>) {
    w.array(entries.len());
    for (key, id, data, away) in entries {
        w.array(4).text(key).uint(id).binary(data).boolean(away);
    }
}

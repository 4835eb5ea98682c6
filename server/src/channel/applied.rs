//! Which pushes of a membership were applied, and how they were answered.

use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// Remembers the last replies, so that a push which comes again after a reconnect is answered, not applied, again.
///
/// A client keeps at most `window` pushes without a reply. So when push `n` arrives, every reply up to
/// `n - window` has been received, and `window` replies are all that can still be asked for. A channel with long
/// replies is remembered for fewer pushes.
#[derive(Debug)]
pub(crate) struct Applied {
    window: usize,
    last: u64,
    replies: VecDeque<(u64, Bytes)>,
    /// Length of all replies.
    bytes: usize,
}

/// Most bytes of replies that a membership keeps.
const MOST_BYTES: usize = 256 * 1024;

/// The same while its member is away: far more than the replies of the built-in channel take.
const MOST_BYTES_AWAY: usize = 32 * 1024;

/// What is known of a push.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// It is new: apply it.
    New,
    /// It was applied, and this frame was the reply.
    Reply(Bytes),
    /// It was applied; the reply is gone.
    Forgotten,
}

impl Applied {
    pub(crate) fn new(window: usize) -> Self {
        Self { window, last: 0, replies: VecDeque::new(), bytes: 0 }
    }

    /// The highest reference applied so far.
    pub(crate) fn last(&self) -> u64 {
        self.last
    }

    pub(crate) fn check(&self, reference: u64) -> Known {
        if reference > self.last {
            return Known::New;
        }
        match self.replies.binary_search_by_key(&reference, |(r, _)| *r) {
            Ok(at) => Known::Reply(self.replies[at].1.clone()),
            Err(_) => Known::Forgotten,
        }
    }

    /// Keeps the reply to a new push.
    pub(crate) fn record(&mut self, reference: u64, reply: Bytes) {
        debug_assert!(reference > self.last, "references rise");
        self.last = reference;
        self.bytes += reply.len();
        self.replies.push_back((reference, reply));
        self.forget(MOST_BYTES);
    }

    /// Takes no more room than it must: for the time until the member is back, if it ever is.
    pub(crate) fn shrink(&mut self) {
        self.forget(MOST_BYTES_AWAY);
        // Each reply has a buffer of its own, with room for more: one for all takes a third.
        let mut all = BytesMut::with_capacity(self.bytes);
        for (_, reply) in &self.replies {
            all.extend_from_slice(reply);
        }
        let mut all = all.freeze();
        for (_, reply) in &mut self.replies {
            *reply = all.split_to(reply.len());
        }
        self.replies.shrink_to_fit();
    }

    fn forget(&mut self, most_bytes: usize) {
        while self.replies.len() > self.window || self.bytes > most_bytes {
            let Some((_, oldest)) = self.replies.pop_front() else { break };
            self.bytes -= oldest.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeated_push_gets_its_reply_again() {
        let mut applied = Applied::new(2);
        assert_eq!(applied.check(1), Known::New);
        for reference in [1, 2, 5] {
            applied.record(reference, Bytes::from(reference.to_string()));
        }
        assert_eq!(applied.check(5), Known::Reply("5".into()));
        assert_eq!(applied.check(2), Known::Reply("2".into()));
        assert_eq!(applied.check(1), Known::Forgotten);
        assert_eq!(applied.check(3), Known::Forgotten);
        assert_eq!((applied.check(6), applied.last()), (Known::New, 5));
    }

    #[test]
    fn what_is_shrunk_gives_the_same_answers() {
        let mut applied = Applied::new(3);
        for (reference, reply) in [(1, "one"), (4, ""), (9, "nine")] {
            applied.record(reference, reply.into());
        }
        applied.shrink();
        assert_eq!(applied.check(1), Known::Reply("one".into()));
        assert_eq!(applied.check(4), Known::Reply("".into()));
        assert_eq!(applied.check(9), Known::Reply("nine".into()));
        applied.record(10, "ten".into());
        assert_eq!((applied.check(1), applied.check(10)), (Known::Forgotten, Known::Reply("ten".into())));
        applied.record(11, vec![0; MOST_BYTES_AWAY].into());
        applied.shrink();
        assert_eq!((applied.check(10), applied.replies.len()), (Known::Forgotten, 1));
    }

    #[test]
    fn long_replies_are_kept_for_fewer_pushes() {
        let mut applied = Applied::new(10);
        applied.record(1, vec![0; MOST_BYTES].into());
        applied.record(2, "short".into());
        assert_eq!(applied.check(1), Known::Forgotten);
        assert_eq!(applied.check(2), Known::Reply("short".into()));
    }
}

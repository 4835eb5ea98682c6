//! Which pushes of a membership were applied, and how they were answered.

use bytes::Bytes;
use std::collections::VecDeque;

/// Remembers the last replies, so that a push which comes again after a reconnect is answered, not applied, again.
///
/// A client keeps at most `window` pushes without a reply. So when push `n` arrives, every reply up to
/// `n - window` has been received, and `window` replies are all that can still be asked for.
#[derive(Debug)]
pub(crate) struct Applied {
    window: usize,
    last: u64,
    replies: VecDeque<(u64, Bytes)>,
}

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
        Self { window, last: 0, replies: VecDeque::new() }
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
        if self.replies.len() == self.window {
            self.replies.pop_front();
        }
        self.replies.push_back((reference, reply));
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
}

//! Pushes without an answer yet, to be sent again when the connection was lost.

use std::collections::VecDeque;

use dunlin_proto::frame::channel::Push;

/// The unanswered pushes of one channel, oldest first, each with a ticket for its answer.
///
/// References rise, and survive the connection: the server applies each one once, so sending all of them again in
/// order after a loss is always right. The server's limit of unanswered pushes bounds what is in here.
#[derive(Debug)]
pub(crate) struct Outbox<T> {
    waiting: VecDeque<(Push, T)>,
    /// How many of them, from the front, were written to the stream in use.
    written: usize,
}

impl<T> Outbox<T> {
    pub(crate) fn new() -> Self {
        Self { waiting: VecDeque::new(), written: 0 }
    }

    /// How many pushes have no answer.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes a push in, to be written after those before it. Its reference must be higher than theirs.
    pub(crate) fn accept(&mut self, push: Push, ticket: T) {
        debug_assert!(self.waiting.back().is_none_or(|(last, _)| last.reference < push.reference));
        self.waiting.push_back((push, ticket));
    }

    /// The next push to write to the stream in use.
    pub(crate) fn next(&mut self) -> Option<&Push> {
        let (push, _) = self.waiting.get(self.written)?;
        self.written += 1;
        Some(push)
    }

    /// A new stream is in use: everything without an answer is to be written again.
    pub(crate) fn rewind(&mut self) {
        self.written = 0;
    }

    /// The ticket of the push that was answered; `None` if it is not known, or was not written to this stream.
    pub(crate) fn answered(&mut self, reference: u64) -> Option<T> {
        let written = self.waiting.iter().take(self.written);
        let at = written.map(|(push, _)| push.reference).position(|waiting| waiting == reference)?;
        self.written -= 1;
        self.waiting.remove(at).map(|(_, ticket)| ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn push(reference: u64) -> Push {
        Push { reference, event: "e".into(), payload: Bytes::new(), key: None }
    }

    fn outbox(references: impl IntoIterator<Item = u64>) -> Outbox<u64> {
        let mut outbox = Outbox::new();
        references.into_iter().for_each(|reference| outbox.accept(push(reference), reference));
        outbox
    }

    fn written(outbox: &mut Outbox<u64>) -> Vec<u64> {
        std::iter::from_fn(|| outbox.next().map(|push| push.reference)).collect()
    }

    #[test]
    fn what_has_no_answer_is_written_again_in_order() {
        let mut outbox = outbox([1, 4, 6]);
        assert_eq!(written(&mut outbox), [1, 4, 6]);
        assert_eq!(outbox.answered(4), Some(4));
        assert!(written(&mut outbox).is_empty());
        outbox.rewind();
        assert_eq!(written(&mut outbox), [1, 6]);
    }

    #[test]
    fn an_answer_to_nothing_that_was_asked_is_not_one() {
        let mut outbox = outbox([1, 2]);
        assert_eq!(outbox.answered(1), None);
        written(&mut outbox);
        assert_eq!(outbox.answered(3), None);
        assert_eq!(outbox.answered(1), Some(1));
        assert_eq!(outbox.answered(1), None);
        assert_eq!((outbox.len(), outbox.is_empty()), (1, false));
    }

    /// A server that applies each reference once, in order, and a connection that is cut anywhere.
    #[derive(Default)]
    struct Server {
        applied: Vec<u64>,
        /// Arrived on the connection in use and not answered on it.
        to_answer: VecDeque<u64>,
    }

    impl Server {
        fn take(&mut self, reference: u64) {
            if self.applied.last().is_none_or(|last| *last < reference) {
                self.applied.push(reference);
            }
            self.to_answer.push_back(reference);
        }
    }

    proptest! {
        #[test]
        fn wherever_connections_are_cut_each_push_is_applied_and_answered_once_in_order(
            steps in prop::collection::vec((0u8..4, 0usize..5), 1..200),
        ) {
            let (mut outbox, mut server, mut answers) = (Outbox::new(), Server::default(), Vec::new());
            let mut pushed = 0;
            // A last connection that is not cut takes and answers everything.
            for (step, n) in steps.into_iter().chain([(3, 0), (1, usize::MAX), (2, usize::MAX)]) {
                match step {
                    0 => for _ in 0..n {
                        pushed += 1;
                        outbox.accept(push(pushed), pushed);
                    },
                    1 => for reference in std::iter::from_fn(|| outbox.next().map(|p| p.reference)).take(n) {
                        server.take(reference);
                    },
                    2 => for reference in server.to_answer.drain(..n.min(server.to_answer.len())) {
                        answers.extend(outbox.answered(reference));
                    },
                    _ => {
                        server.to_answer.clear();
                        outbox.rewind();
                    }
                }
            }
            let all: Vec<u64> = (1..=pushed).collect();
            prop_assert_eq!(&server.applied, &all);
            prop_assert_eq!(&answers, &all);
            prop_assert!(outbox.is_empty());
        }
    }
}

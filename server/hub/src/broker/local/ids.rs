//! The idempotency ids of one topic.

use crate::{Dedup, MessageId, budget::Share, config::is_younger};
use std::collections::{HashMap, VecDeque};

/// The ids that were published lately, and where. Pure: time comes in.
pub(super) struct Ids {
    bounds: Dedup,
    offsets: HashMap<MessageId, u64>,
    /// The same ids with their times, oldest first.
    times: VecDeque<(u64, MessageId)>,
    share: Share,
}

impl Ids {
    /// `share` is of the ids that all topics may remember together.
    pub(super) fn new(bounds: Dedup, share: Share) -> Self {
        Self { bounds, offsets: HashMap::new(), times: VecDeque::new(), share }
    }

    /// The offset of the event that was published with this id.
    pub(super) fn find(&mut self, id: &MessageId, now: u64) -> Option<u64> {
        self.expire(now);
        self.offsets.get(id).copied()
    }

    /// Remembers an id that is not known.
    pub(super) fn remember(&mut self, id: MessageId, offset: u64, now: u64) {
        if self.bounds.count == 0 {
            return;
        }
        let all = self.share.budget();
        if self.times.len() >= self.bounds.count || all.used() >= all.limit() {
            self.forget_oldest();
        }
        self.share.take(1);
        // A clock that goes back must not put a newer id in front of an older one.
        let at = self.times.back().map_or(now, |(newest, _)| now.max(*newest));
        self.times.push_back((at, id.clone()));
        self.offsets.insert(id, offset);
    }

    /// Forgets ids that are past their time.
    pub(super) fn expire(&mut self, now: u64) {
        while self.times.front().is_some_and(|(at, _)| !is_younger(*at, now, self.bounds.age)) {
            self.forget_oldest();
        }
        if self.times.capacity() > 64 && self.times.capacity() / 4 > self.times.len() {
            self.times.shrink_to(self.times.len() * 2);
            self.offsets.shrink_to(self.offsets.len() * 2);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    fn forget_oldest(&mut self) {
        if let Some((_, id)) = self.times.pop_front() {
            self.offsets.remove(&id);
            self.share.give_back(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;
    use std::time::Duration;

    fn id(n: u8) -> MessageId {
        MessageId::new(&[n]).unwrap()
    }

    fn bounds(count: usize, millis: u64) -> Dedup {
        Dedup { count, age: Duration::from_millis(millis), total: usize::MAX }
    }

    #[test]
    fn the_oldest_is_forgotten_beyond_the_count() {
        let mut ids = Ids::new(bounds(2, 1000), Budget::new(9).share());
        for n in 1..=3 {
            ids.remember(id(n), n.into(), 0);
        }
        assert_eq!([1, 2, 3].map(|n| ids.find(&id(n), 0)), [None, Some(2), Some(3)]);
    }

    #[test]
    fn each_is_forgotten_when_its_time_is_over() {
        let mut ids = Ids::new(bounds(9, 1000), Budget::new(9).share());
        ids.remember(id(1), 1, 0);
        ids.remember(id(2), 2, 500);
        assert_eq!([999, 1000, 1499, 1500].map(|now| ids.find(&id(1), now)), [Some(1), None, None, None]);
        assert!(ids.is_empty());
    }

    #[test]
    fn an_id_remembered_while_the_clock_went_back_lives_its_full_time() {
        let mut ids = Ids::new(bounds(9, 1000), Budget::new(9).share());
        ids.remember(id(1), 1, 700);
        ids.remember(id(2), 2, 0);
        assert_eq!(ids.find(&id(2), 1699), Some(2));
        assert_eq!(ids.find(&id(2), 1700), None);
    }

    #[test]
    fn a_topic_makes_room_for_itself_when_all_together_remember_too_many() {
        let all = Budget::new(3);
        let mut busy = Ids::new(bounds(9, 1000), all.share());
        let mut calm = Ids::new(bounds(9, 1000), all.share());
        for n in 1..=5 {
            busy.remember(id(n), n.into(), 0);
        }
        assert_eq!(all.used(), 3);
        calm.remember(id(9), 1, 0);
        assert_eq!((busy.find(&id(3), 0), calm.find(&id(9), 0)), (Some(3), Some(1)));
        drop(busy);
        assert_eq!(all.used(), 1);
    }

    #[test]
    fn a_count_of_0_remembers_nothing() {
        let mut ids = Ids::new(bounds(0, 1000), Budget::new(9).share());
        ids.remember(id(1), 1, 0);
        assert_eq!(ids.find(&id(1), 0), None);
    }
}

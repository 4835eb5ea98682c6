//! Where a reader is in a topic's log, and whether what arrives may follow.

use std::time::Duration;

use dunlin_proto::{
    Position, Topic,
    frame::channel::{self, Delivery, Start},
};

use crate::message::{Event, Joined, Message};

/// How far one channel has read. Turns frames into messages, so that the application never gets an event twice or
/// out of order, whatever a server sends.
#[derive(Debug)]
pub(crate) struct Progress {
    topic: Topic,
    delivery: Delivery,
    position: Option<Position>,
    joins: u64,
}

/// What arrived cannot come after what arrived before.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct OutOfOrder(String);

impl Progress {
    pub(crate) fn new(topic: Topic, delivery: Delivery, since: Option<Position>) -> Self {
        Self { topic, delivery, position: since, joins: 0 }
    }

    /// What the next join asks to go on from.
    pub(crate) fn position(&self) -> Option<Position> {
        self.position
    }

    pub(crate) fn joined(&mut self, answer: channel::Joined, away: Duration) -> Result<Joined, OutOfOrder> {
        let channel::Joined { position, start, reply, head, .. } = answer;
        let previous = self.position;
        // From the oldest position a server recovers to wherever its history begins.
        let elsewhere = previous.is_some_and(|asked| asked != Position::OLDEST && asked != position);
        if start == Start::Recovered && elsewhere {
            return Err(OutOfOrder(format!("recovered from {position}, which is not what was asked for")));
        }
        self.position = Some(position);
        self.joins += 1;
        let missed = head.map_or(0, |head| head.saturating_sub(position.offset));
        let recovered = if start == Start::Recovered { missed } else { 0 };
        Ok(Joined { again: self.joins > 1, start, position, previous, recovered, away, reply })
    }

    pub(crate) fn event(&mut self, event: channel::Event) -> Result<Message, OutOfOrder> {
        let last = self.follow("event", event.offset)?;
        let position = self.move_to(last.epoch, event.offset);
        let channel::Event { at, event, payload, key, .. } = event;
        Ok(Message::Event(Event { topic: self.topic.clone(), position, at, event, payload, key }))
    }

    pub(crate) fn gap(&mut self, from: u64, to: u64) -> Result<Message, OutOfOrder> {
        let last = self.follow("a gap from event", from)?;
        if to < from {
            return Err(OutOfOrder(format!("a gap from {from} to {to}")));
        }
        let to = self.move_to(last.epoch, to);
        Ok(Message::Gap { from: Position::new(last.epoch, from), to })
    }

    pub(crate) fn restarted(&mut self, position: Position) -> Message {
        self.position = Some(position);
        Message::Restarted(position)
    }

    /// The last position, if `offset` may come next.
    fn follow(&self, what: &str, offset: u64) -> Result<Position, OutOfOrder> {
        let last = self.position.ok_or_else(|| OutOfOrder("an event before the join was answered".into()))?;
        let follows = match self.delivery {
            // Offsets may have holes; what is missing is named in a gap.
            Delivery::Reliable | Delivery::Latest => offset > last.offset,
            Delivery::None => false,
        };
        if follows { Ok(last) } else { Err(OutOfOrder(format!("{what} {offset} cannot follow {last}"))) }
    }

    fn move_to(&mut self, epoch: u64, offset: u64) -> Position {
        *self.position.insert(Position::new(epoch, offset))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const AT: fn(u64) -> Position = |offset| Position::new(7, offset);

    fn joined(delivery: Delivery) -> Progress {
        let mut progress = Progress::new("a".parse().unwrap(), delivery, None);
        progress.joined(answer(AT(5), Start::Live, None), Duration::ZERO).unwrap();
        progress
    }

    fn answer(position: Position, start: Start, head: Option<u64>) -> channel::Joined {
        channel::Joined { position, start, applied: 0, reply: Bytes::new(), head }
    }

    fn event(offset: u64) -> channel::Event {
        channel::Event { offset, at: 0, event: "e".into(), payload: Bytes::new(), key: None }
    }

    #[test]
    fn events_may_leave_offsets_out_but_not_go_back() {
        for delivery in [Delivery::Reliable, Delivery::Latest] {
            let mut progress = joined(delivery);
            assert_eq!(progress.event(event(6)).unwrap().position(), Some(AT(6)));
            progress.event(event(8)).unwrap();
            for wrong in [5, 6, 8] {
                progress.event(event(wrong)).unwrap_err();
            }
            assert_eq!(progress.position(), Some(AT(8)));
        }
    }

    #[test]
    fn a_member_that_wants_no_events_gets_none() {
        joined(Delivery::None).event(event(6)).unwrap_err();
    }

    #[test]
    fn a_gap_moves_the_reader_to_its_end() {
        let mut progress = joined(Delivery::Reliable);
        assert_eq!(progress.gap(6, 8), Ok(Message::Gap { from: AT(6), to: AT(8) }));
        progress.event(event(9)).unwrap();
        for (from, to) in [(9, 12), (11, 10)] {
            progress.gap(from, to).unwrap_err();
        }
    }

    #[test]
    fn a_restart_begins_another_epoch() {
        let mut progress = joined(Delivery::Reliable);
        progress.restarted(Position::new(8, 0));
        assert_eq!(progress.event(event(1)).unwrap().position(), Some(Position::new(8, 1)));
    }

    #[test]
    fn a_rejoin_says_where_from_and_must_recover_exactly_there() {
        let mut progress = joined(Delivery::Reliable);
        let mut rejoin = |at, start| progress.joined(answer(at, start, None), Duration::from_secs(1));
        rejoin(AT(4), Start::Recovered).unwrap_err();
        let joined = rejoin(AT(5), Start::Recovered).unwrap();
        assert!(joined.again && joined.previous == Some(AT(5)));
        assert_eq!(rejoin(AT(9), Start::Lost).unwrap().previous, Some(AT(5)));
    }

    #[test]
    fn all_of_history_begins_where_the_server_says() {
        let mut progress = Progress::new("a".parse().unwrap(), Delivery::Reliable, Some(Position::OLDEST));
        progress.joined(answer(AT(3), Start::Recovered, None), Duration::ZERO).unwrap();
        progress.event(event(4)).unwrap();
    }

    #[test]
    fn what_is_recovered_is_counted_up_to_where_the_log_ended() {
        let mut progress = joined(Delivery::Reliable);
        let again = progress.joined(answer(AT(5), Start::Recovered, Some(9)), Duration::ZERO).unwrap();
        assert_eq!(again.recovered, 4);
        let elsewhere = progress.joined(answer(AT(20), Start::Lost, Some(20)), Duration::ZERO).unwrap();
        assert_eq!(elsewhere.recovered, 0);
    }
}

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
    /// What was asked for, and from the join on what is in force.
    delivery: Delivery,
    position: Option<Position>,
    joins: u64,
    /// Where the member was when it joined: what a datagram member began with before is not told again.
    floor: u64,
    /// The last event that came on the stream, of a datagram member.
    streamed: u64,
    /// The last event that came in a datagram.
    received: u64,
}

/// What arrived cannot come after what arrived before.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct OutOfOrder(String);

impl Progress {
    pub(crate) fn new(topic: Topic, delivery: Option<Delivery>, since: Option<Position>) -> Self {
        let delivery = delivery.unwrap_or_default();
        Self { topic, delivery, position: since, joins: 0, floor: 0, streamed: 0, received: 0 }
    }

    /// What the next join asks to go on from. Datagrams that were missed are not wanted any more.
    pub(crate) fn since(&self) -> Option<Position> {
        let is_past = self.joins > 0 && self.delivery == Delivery::Datagram;
        self.position.filter(|_| !is_past)
    }

    pub(crate) fn joined(&mut self, answer: channel::Joined, away: Duration) -> Result<Joined, OutOfOrder> {
        let channel::Joined { position, start, reply, head, delivery, .. } = answer;
        let previous = self.since();
        // From the oldest position a server recovers to wherever its history begins.
        let elsewhere = previous.is_some_and(|asked| asked != Position::OLDEST && asked != position);
        if start == Start::Recovered && elsewhere {
            return Err(OutOfOrder(format!("recovered from {position}, which is not what was asked for")));
        }
        let same_life = self.position.filter(|last| last.epoch == position.epoch);
        let reached = same_life.map_or(0, |last| last.offset);
        (self.floor, self.streamed, self.received) = (reached, 0, reached);
        self.delivery = delivery.unwrap_or(self.delivery);
        let position_now = match self.delivery {
            Delivery::Datagram => Position { offset: position.offset.max(reached), ..position },
            _ => position,
        };
        self.position = Some(position_now);
        self.joins += 1;
        let missed = head.map_or(0, |head| head.saturating_sub(position.offset));
        let recovered = if start == Start::Recovered { missed } else { 0 };
        Ok(Joined { again: self.joins > 1, start, position, previous, delivery, recovered, away, reply })
    }

    /// An event on the stream; `None` if the application has it already.
    pub(crate) fn event(&mut self, event: channel::Event) -> Result<Option<Message>, OutOfOrder> {
        let last = self.follow("event", event.offset)?;
        if self.delivery == Delivery::Datagram {
            self.streamed = event.offset;
            if event.offset <= self.floor {
                return Ok(None);
            }
        }
        Ok(Some(self.message(last, event)))
    }

    /// An event in a datagram; `None` if it is late, or nobody has asked for datagrams.
    pub(crate) fn datagram(&mut self, event: channel::Event) -> Option<Message> {
        let last = self.position?;
        if self.delivery != Delivery::Datagram || event.offset <= self.received {
            return None;
        }
        self.received = event.offset;
        Some(self.message(last, event))
    }

    fn message(&mut self, last: Position, event: channel::Event) -> Message {
        self.move_to(last.epoch, last.offset.max(event.offset));
        let channel::Event { offset, at, event, payload, key } = event;
        let position = Position { offset, ..last };
        Message::Event(Event { topic: self.topic.clone(), position, at, event, payload, key })
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
        (self.floor, self.streamed, self.received) = (0, 0, 0);
        Message::Restarted(position)
    }

    /// The last position, if `offset` may come next.
    fn follow(&self, what: &str, offset: u64) -> Result<Position, OutOfOrder> {
        let last = self.position.ok_or_else(|| OutOfOrder("an event before the join was answered".into()))?;
        let follows = match self.delivery {
            // Offsets may have holes; what is missing is named in a gap.
            Delivery::Reliable | Delivery::Latest => offset > last.offset,
            Delivery::Datagram => offset > self.streamed,
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
        let mut progress = Progress::new("a".parse().unwrap(), Some(delivery), None);
        progress.joined(answer(AT(5), Start::Live, None), Duration::ZERO).unwrap();
        progress
    }

    fn answer(position: Position, start: Start, head: Option<u64>) -> channel::Joined {
        channel::Joined { position, start, applied: 0, reply: Bytes::new(), head, delivery: None }
    }

    fn event(offset: u64) -> channel::Event {
        channel::Event { offset, at: 0, event: "e".into(), payload: Bytes::new(), key: None }
    }

    #[test]
    fn events_may_leave_offsets_out_but_not_go_back() {
        for delivery in [Delivery::Reliable, Delivery::Latest] {
            let mut progress = joined(delivery);
            assert_eq!(progress.event(event(6)).unwrap().unwrap().position(), Some(AT(6)));
            progress.event(event(8)).unwrap();
            for wrong in [5, 6, 8] {
                progress.event(event(wrong)).unwrap_err();
            }
            assert_eq!(progress.since(), Some(AT(8)));
        }
    }

    #[test]
    fn a_member_that_wants_no_events_gets_none() {
        joined(Delivery::None).event(event(6)).unwrap_err();
    }

    #[test]
    fn late_datagrams_are_dropped_and_the_stream_has_an_order_of_its_own() {
        let mut progress = joined(Delivery::Datagram);
        let offset = |message: Option<Message>| message.map(|message| message.position().unwrap().offset);
        assert_eq!(offset(progress.datagram(event(9))), Some(9));
        assert_eq!(offset(progress.datagram(event(8))), None);
        assert_eq!(offset(progress.event(event(7)).unwrap()), Some(7));
        progress.event(event(7)).unwrap_err();
        assert_eq!(progress.since(), None);
        // Joined again: what it begins with may be known.
        progress.joined(answer(AT(6), Start::Live, Some(10)), Duration::ZERO).unwrap();
        assert_eq!([7, 9, 10].map(|n| offset(progress.event(event(n)).unwrap())), [None, None, Some(10)]);
        assert_eq!([9, 11].map(|n| offset(progress.datagram(event(n)))), [None, Some(11)]);
        assert!(joined(Delivery::Latest).datagram(event(6)).is_none());
    }

    #[test]
    fn what_is_in_force_is_what_the_server_says() {
        let mut progress = joined(Delivery::Datagram);
        let latest = channel::Joined { delivery: Some(Delivery::Latest), ..answer(AT(6), Start::Live, None) };
        assert_eq!(progress.joined(latest, Duration::ZERO).unwrap().delivery, Some(Delivery::Latest));
        assert_eq!(progress.since(), Some(AT(6)));
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
        assert_eq!(progress.event(event(1)).unwrap().unwrap().position(), Some(Position::new(8, 1)));
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
        let mut progress = Progress::new("a".parse().unwrap(), None, Some(Position::OLDEST));
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

//! Whether everybody is back after an interruption, and what it has cost.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use dunlin_proto::{Position, frame::channel::Start};
use dunlin_transport::Kind as Transport;
use tokio::{sync::broadcast, time::Instant};

use crate::{
    change::{Cause, Change, Changes, Rung},
    message::Joined,
};

/// How long after a welcome channels are waited for that do not come back; then what is known is told.
const PATIENCE: Duration = Duration::from_secs(10);

/// Changes that wait for an application that does not look.
const KEPT: usize = 16;

/// Shared by the supervisor, which calls, and the members, which answer.
#[derive(Debug, Clone)]
pub(crate) struct RollCall(Arc<Mutex<Roll>>);

#[derive(Debug)]
struct Roll {
    /// Members that have been let in at least once.
    members: usize,
    lost: Option<Interruption>,
    call: Option<Call>,
    /// `None` when the client has ended.
    changes: Option<broadcast::Sender<Change>>,
}

/// An interruption that is not over.
#[derive(Debug, Clone, Copy)]
struct Interruption {
    /// The last sign of life before it.
    since: Instant,
    cause: Cause,
    from: Option<SocketAddr>,
}

/// The members are joining on another connection.
#[derive(Debug)]
struct Call {
    generation: u64,
    /// Members that have not answered.
    pending: usize,
    welcome: Option<Welcome>,
    rung: Rung,
    recovered: u64,
    lost: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
struct Welcome {
    at: Instant,
    transport: Transport,
    to: Option<SocketAddr>,
}

/// One member's part in it; the member is gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Presence {
    roll: RollCall,
    /// The call that this member has answered last.
    answered: u64,
}

impl RollCall {
    pub(crate) fn new() -> Self {
        let (changes, _) = broadcast::channel(KEPT);
        Self(Arc::new(Mutex::new(Roll { members: 0, lost: None, call: None, changes: Some(changes) })))
    }

    /// The changes from now on.
    pub(crate) fn changes(&self) -> Changes {
        let ended = || broadcast::channel(1).1;
        Changes(self.roll().changes.as_ref().map_or_else(ended, broadcast::Sender::subscribe))
    }

    /// The connection is gone, or is to be replaced. Of several interruptions in a row the first counts.
    pub(crate) fn lost(&self, since: Instant, cause: Cause, from: Option<SocketAddr>) {
        self.roll().lost.get_or_insert(Interruption { since, cause, from });
    }

    /// Nothing was replaced after all: the connection is as good as before.
    pub(crate) fn kept(&self) {
        let mut roll = self.roll();
        (roll.lost, roll.call) = (None, None);
    }

    /// How long there has been no sign of life; nothing while the connection in use is as good as ever.
    pub(crate) fn away(&self) -> Duration {
        match self.roll().lost {
            Some(Interruption { cause: Cause::BetterWay, .. }) | None => Duration::ZERO,
            Some(lost) => lost.since.elapsed(),
        }
    }

    /// The connection has moved; nobody has to join again.
    pub(crate) fn migrated(&self, change: Change) {
        let mut roll = self.roll();
        (roll.lost, roll.call) = (None, None);
        roll.tell(change);
    }

    /// From this generation of the link on, members join on another connection.
    pub(crate) fn call(&self, generation: u64) {
        let mut roll = self.roll();
        if roll.lost.is_some() {
            let pending = roll.members;
            let (rung, recovered, lost) = (Rung::Resumed, 0, Some(0));
            roll.call = Some(Call { generation, pending, welcome: None, rung, recovered, lost });
        }
    }

    /// The server has welcomed this client on it.
    pub(crate) fn welcomed(&self, transport: Transport, to: Option<SocketAddr>) {
        let mut roll = self.roll();
        if let Some(call) = &mut roll.call {
            call.welcome = Some(Welcome { at: Instant::now(), transport, to });
        }
        roll.conclude_if_complete();
    }

    /// A member was let in for the first time.
    pub(crate) fn enter(&self) -> Presence {
        let mut roll = self.roll();
        roll.members += 1;
        // It takes no part in a call that has begun before.
        let answered = roll.call.as_ref().map_or(0, |call| call.generation);
        Presence { roll: self.clone(), answered }
    }

    /// When to [conclude](Self::conclude) without those who are missing.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        Some(self.roll().call.as_ref()?.welcome?.at + PATIENCE)
    }

    /// Tells what is known.
    pub(crate) fn conclude(&self) {
        self.roll().conclude();
    }

    /// The client has ended: there is nothing more to tell.
    pub(crate) fn end(&self) {
        self.roll().changes = None;
    }

    fn roll(&self) -> MutexGuard<'_, Roll> {
        // Nothing panics while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Presence {
    /// This member was let in again, on the link of this generation.
    pub(crate) fn answer(&mut self, generation: u64, joined: &Joined) {
        let mut roll = self.roll.roll();
        let Some(call) = &mut roll.call else { return };
        if generation < call.generation || self.answered >= call.generation {
            return;
        }
        self.answered = call.generation;
        call.pending -= 1;
        call.recovered += joined.recovered;
        if joined.start == Start::Lost {
            call.rung = Rung::Resync;
            call.lost = call
                .lost
                .zip(joined.previous.and_then(|before| skipped(before, joined.position)))
                .map(|(sum, more)| sum + more);
        }
        roll.conclude_if_complete();
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut roll = self.roll.roll();
        roll.members -= 1;
        if let Some(call) = &mut roll.call
            && self.answered < call.generation
        {
            call.pending -= 1;
        }
        roll.conclude_if_complete();
    }
}

/// How many events lie between, if that can be said.
fn skipped(before: Position, after: Position) -> Option<u64> {
    (before.epoch == after.epoch).then(|| after.offset.saturating_sub(before.offset))
}

impl Roll {
    fn conclude_if_complete(&mut self) {
        if self.call.as_ref().is_some_and(|call| call.pending == 0 && call.welcome.is_some()) {
            self.conclude();
        }
    }

    fn conclude(&mut self) {
        let Some((call, lost)) = self.call.take().zip(self.lost.take()) else { return };
        let Some(welcome) = call.welcome else { return };
        self.tell(Change {
            rung: call.rung,
            cause: lost.cause,
            gap: lost.since.elapsed(),
            recovered: call.recovered,
            lost: call.lost,
            from: lost.from,
            to: welcome.to,
            transport: welcome.transport,
        });
    }

    fn tell(&self, change: Change) {
        tracing::debug!(?change, "the network has changed");
        if let Some(changes) = &self.changes {
            // Nobody may be interested.
            let _ = changes.send(change);
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const GAP: Duration = Duration::from_millis(70);

    fn joined(start: Start, previous: u64, position: Position, recovered: u64) -> Joined {
        let previous = Some(Position::new(7, previous));
        let (away, reply) = (GAP, Bytes::new());
        Joined { again: true, start, position, previous, delivery: None, recovered, away, reply }
    }

    fn recovered(n: u64) -> Joined {
        joined(Start::Recovered, 5, Position::new(7, 5), n)
    }

    fn lost(position: Position) -> Joined {
        joined(Start::Lost, 5, position, 0)
    }

    /// Two members, and an interruption after which they join by the link of generation 2.
    async fn interrupted() -> (RollCall, Changes, Presence, Presence) {
        let roll = RollCall::new();
        let changes = roll.changes();
        let members = (roll.enter(), roll.enter());
        roll.lost(Instant::now(), Cause::Silence, None);
        tokio::time::advance(GAP).await;
        roll.call(2);
        (roll, changes, members.0, members.1)
    }

    fn told(changes: &mut Changes) -> Option<Change> {
        changes.0.try_recv().ok()
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_over_when_everybody_is_back_and_the_server_has_welcomed_us() {
        let (roll, mut changes, mut one, mut other) = interrupted().await;
        one.answer(2, &recovered(3));
        // Only once.
        one.answer(2, &recovered(3));
        roll.welcomed(Transport::Quic, None);
        assert_eq!(told(&mut changes), None);
        other.answer(2, &recovered(4));
        let change = told(&mut changes).unwrap();
        assert_eq!((change.rung, change.cause, change.gap), (Rung::Resumed, Cause::Silence, GAP));
        assert_eq!((change.recovered, change.lost), (7, Some(0)));
    }

    #[tokio::test(start_paused = true)]
    async fn members_may_be_back_before_the_welcome_is_read() {
        let (roll, mut changes, mut one, mut other) = interrupted().await;
        one.answer(2, &recovered(0));
        other.answer(2, &recovered(0));
        assert_eq!(told(&mut changes), None);
        roll.welcomed(Transport::WebSocket, None);
        assert_eq!(told(&mut changes).unwrap().transport, Transport::WebSocket);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_lost_is_counted_where_it_can_be() {
        let (roll, mut changes, mut one, mut other) = interrupted().await;
        roll.welcomed(Transport::Quic, None);
        one.answer(2, &lost(Position::new(7, 9)));
        other.answer(2, &recovered(2));
        let change = told(&mut changes).unwrap();
        assert_eq!((change.rung, change.recovered, change.lost), (Rung::Resync, 2, Some(4)));
        roll.lost(Instant::now(), Cause::Lost, None);
        roll.call(3);
        roll.welcomed(Transport::Quic, None);
        one.answer(3, &lost(Position::new(7, 9)));
        other.answer(3, &lost(Position::new(8, 0)));
        assert_eq!(told(&mut changes).unwrap().lost, None);
    }

    #[tokio::test(start_paused = true)]
    async fn who_leaves_meanwhile_is_not_waited_for_and_who_comes_is_not_counted() {
        let (roll, mut changes, mut one, other) = interrupted().await;
        roll.welcomed(Transport::Quic, None);
        let mut new = roll.enter();
        new.answer(2, &recovered(9));
        one.answer(2, &recovered(1));
        drop(other);
        assert_eq!(told(&mut changes).unwrap().recovered, 1);
        drop(new);
    }

    #[tokio::test(start_paused = true)]
    async fn when_all_streams_are_opened_again_all_are_called_again() {
        let (roll, mut changes, mut one, mut other) = interrupted().await;
        one.answer(2, &recovered(1));
        roll.call(3);
        roll.welcomed(Transport::Quic, None);
        // This was said on a stream that was void.
        other.answer(2, &recovered(1));
        for member in [&mut one, &mut other] {
            assert_eq!(told(&mut changes), None);
            member.answer(3, &recovered(1));
        }
        assert_eq!(told(&mut changes).unwrap().recovered, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_come_back_is_waited_for_ten_seconds() {
        let (roll, mut changes, mut one, _other) = interrupted().await;
        assert_eq!(roll.deadline(), None);
        roll.welcomed(Transport::Quic, None);
        assert_eq!(roll.deadline(), Some(Instant::now() + PATIENCE));
        one.answer(2, &recovered(1));
        roll.conclude();
        assert_eq!(told(&mut changes).unwrap().recovered, 1);
        assert_eq!(roll.deadline(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn several_interruptions_in_a_row_are_one() {
        let (roll, mut changes, mut one, mut other) = interrupted().await;
        roll.lost(Instant::now(), Cause::Lost, None);
        tokio::time::advance(GAP).await;
        roll.call(3);
        roll.welcomed(Transport::Quic, None);
        one.answer(3, &recovered(0));
        other.answer(3, &recovered(0));
        let change = told(&mut changes).unwrap();
        assert_eq!((change.cause, change.gap), (Cause::Silence, 2 * GAP));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_connection_is_no_change() {
        let roll = RollCall::new();
        let mut changes = roll.changes();
        roll.call(1);
        roll.welcomed(Transport::Quic, None);
        assert_eq!(told(&mut changes), None);
        roll.end();
        assert_eq!(changes.next().await, None);
        assert_eq!(roll.changes().next().await, None);
    }
}

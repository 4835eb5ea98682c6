//! What a channel knows and can do.

use super::{
    assigns::Assigns,
    error::{BroadcastError, PushError, SubscribeError, TrackError},
    facts::Facts,
    mailbox::{Handle, Mailbox},
    outgoing::Outgoing,
    presence,
    session::{Session, direct},
    subscription::{News, Subscription},
    timers::{Timer, Timers, TooManyTimers},
};
use crate::{auth::Pass, clock};
use bytes::Bytes;
use dunlin_hub::{
    Order, Origin, Published, Start,
    presence::{Entry, Occupancy, Tracked, Wish},
};
use dunlin_proto::{Topic, frame::presence::Ask};
use std::{
    collections::HashMap,
    convert::Infallible,
    mem,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};
use tokio::time::Instant;

/// One membership, as its channel sees it; `I` is the channel's [`Info`](super::Channel::Info).
pub struct Context<I = Infallible> {
    pub(crate) facts: Facts,
    pub(crate) mailbox: Arc<Mailbox<I>>,
    agenda: Mutex<Agenda<I>>,
}

/// What the channel has asked for in its callbacks, and its task is to look after.
struct Agenda<I> {
    timers: Timers<I>,
    /// Subscriptions that the task has yet to take over.
    begun: Vec<Subscription<I>>,
    /// Topics whose subscriptions the task has yet to drop.
    ended: Vec<Topic>,
    /// How many subscriptions there are.
    subscriptions: usize,
    /// What this channel shows of its member, by key.
    tracked: HashMap<Box<str>, Tracked>,
    is_away: bool,
}

/// Most entries that one channel shows.
const MOST_TRACKED: usize = 16;

/// Most subscriptions of one channel to other topics: each costs a look whenever the channel wakes up.
const MOST_SUBSCRIPTIONS: usize = 32;

impl<I: Send + 'static> Context<I> {
    pub(crate) fn new(facts: Facts) -> Self {
        let most = facts.bounds.mailbox;
        let agenda = Agenda {
            timers: Timers::new(most),
            begun: Vec::new(),
            ended: Vec::new(),
            subscriptions: 0,
            tracked: HashMap::new(),
            is_away: false,
        };
        Self { facts, mailbox: Mailbox::new(most), agenda: Mutex::new(agenda) }
    }

    /// The topic of this membership.
    #[must_use]
    pub fn topic(&self) -> &Topic {
        &self.facts.topic
    }

    /// The member's session, which may be in other topics as well.
    #[must_use]
    pub fn session(&self) -> Session {
        Session::new(self.facts.session.clone(), self.facts.owner.clone(), self.facts.limits)
    }

    /// The member's user, if its token names one (`sub`). It is the same as long as the membership lasts.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.facts.user.as_deref()
    }

    /// What the member may do now, and what its token says besides. What it may not do never reaches the channel.
    #[must_use]
    pub fn pass(&self) -> Arc<Pass> {
        self.facts.pass.get()
    }

    /// What [`Builder::connect`](crate::Builder::connect) has set.
    #[must_use]
    pub fn assigns(&self) -> &Assigns {
        &self.facts.assigns
    }

    /// Publishes to all members of the topic, this one included: a member's push as it is, once however often it is repeated,
    /// or an event of the channel's own.
    ///
    /// # Errors
    /// The event is not legal, or the topic could not take it.
    pub async fn broadcast(&self, event: impl Into<Outgoing>) -> Result<Published, BroadcastError> {
        self.publish(event.into(), None).await
    }

    /// The same, to all members but this one. Its position stays behind the event, and history gives it to everybody else.
    ///
    /// # Errors
    /// As [`Context::broadcast`].
    pub async fn broadcast_from(&self, event: impl Into<Outgoing>) -> Result<Published, BroadcastError> {
        self.publish(event.into(), Some(self.facts.origin)).await
    }

    /// Sends something to this member alone. While it is away, a little waits for it; what was on its way when a connection
    /// broke is lost, for nothing of this is ever repeated.
    ///
    /// # Errors
    /// The event is not legal, or too much waits for this member already.
    pub fn push(&self, event: &str, payload: impl Into<Bytes>) -> Result<(), PushError> {
        let frame = direct(event, payload.into(), self.facts.namespace.payload)?;
        self.facts.downlink.offer(frame).map_err(|_| super::session::full())
    }

    /// Sends to this channel's `handle_info`, from any task; it can be given away.
    #[must_use]
    pub fn handle(&self) -> Handle<I> {
        self.mailbox.handle()
    }

    /// Has `handle_info` called with this after some time, unless the channel has ended by then.
    ///
    /// # Errors
    /// There are too many timers.
    pub fn schedule(&self, after: Duration, info: I) -> Result<Timer, TooManyTimers> {
        self.agenda().timers.schedule(Instant::now() + after, info)
    }

    /// Takes back what was scheduled. `None` if it has been delivered, or was taken back before.
    pub fn cancel(&self, timer: Timer) -> Option<I> {
        self.agenda().timers.cancel(timer)
    }

    /// Has `handle_info` called with what happens in another topic from now on, as `make` turns it into a message. In place of
    /// an earlier subscription to the same topic.
    ///
    /// # Errors
    /// There are too many subscriptions, or the topic cannot be had.
    pub async fn subscribe(
        &self,
        topic: &Topic,
        make: impl FnMut(News) -> I + Send + 'static,
    ) -> Result<(), SubscribeError> {
        self.unsubscribe(topic);
        if self.agenda().subscriptions >= MOST_SUBSCRIPTIONS {
            return Err(SubscribeError::TooMany(MOST_SUBSCRIPTIONS));
        }
        let cursor = self.facts.hub.subscribe(topic, Start::Now, Order::All, clock::now_ms()).await?;
        let mut agenda = self.agenda();
        agenda.begun.push(Subscription::new(topic.clone(), cursor, make));
        agenda.subscriptions += 1;
        Ok(())
    }

    /// Ends the subscription to another topic, if there is one. What was read of it before is not taken back.
    pub fn unsubscribe(&self, topic: &Topic) {
        let mut agenda = self.agenda();
        agenda.begun.retain(|begun| begun.topic() != topic);
        agenda.ended.push(topic.clone());
    }

    /// What this member asked to be told of who is in the topic, as far as the configuration allows it.
    #[must_use]
    pub fn presence_asked(&self) -> Ask {
        match presence::grant(self.facts.ask, self.facts.shows.mode) {
            None => Ask::None,
            Some(Wish::List) => Ask::Full,
            Some(Wish::Counts) => Ask::Counts,
        }
    }

    /// Shows this member to those who watch who is in the topic, under the key of its user and with some data, MessagePack by
    /// convention; in place of what this channel has shown under the key before.
    ///
    /// The entry stays as long as the membership, also while the client has no connection: it may then be shown as away
    /// (`presence.away` of the configuration).
    ///
    /// # Errors
    /// It is beyond a bound.
    pub fn track(&self, key: &str, data: impl Into<Bytes>) -> Result<(), TrackError> {
        let mut agenda = self.agenda();
        if let Some(tracked) = agenda.tracked.get(key) {
            return Ok(tracked.update(data.into())?);
        }
        if agenda.tracked.len() >= MOST_TRACKED {
            return Err(TrackError::TooMany(MOST_TRACKED));
        }
        let tracked = self.facts.presence.track(&self.facts.topic, key, data.into())?;
        if agenda.is_away {
            tracked.set_away(true);
        }
        agenda.tracked.insert(key.into(), tracked);
        Ok(())
    }

    /// Changes the data of what this channel shows under a key.
    ///
    /// # Errors
    /// There is nothing, or it is beyond a bound.
    pub fn update(&self, key: &str, data: impl Into<Bytes>) -> Result<(), TrackError> {
        let agenda = self.agenda();
        Ok(agenda.tracked.get(key).ok_or(TrackError::NotTracked)?.update(data.into())?)
    }

    /// Shows no more what this channel has shown under a key. False if that was nothing.
    pub fn untrack(&self, key: &str) -> bool {
        self.agenda().tracked.remove(key).is_some()
    }

    /// Who is in the topic, as those who watch it were told last: in a large topic, many. A copy.
    #[must_use]
    pub fn presence(&self) -> Vec<Entry> {
        self.facts.presence.list(&self.facts.topic)
    }

    /// How many are in the topic, as those who watch it were told last.
    #[must_use]
    pub fn occupancy(&self) -> Occupancy {
        self.facts.presence.occupancy(&self.facts.topic)
    }

    /// Whether the client counts as away.
    pub(crate) fn set_away(&self, away: bool) {
        let mut agenda = self.agenda();
        agenda.is_away = away;
        agenda.tracked.values().for_each(|tracked| tracked.set_away(away));
    }

    async fn publish(&self, event: Outgoing, origin: Option<Origin>) -> Result<Published, BroadcastError> {
        let Facts { hub, topic, client, namespace, .. } = &self.facts;
        let message = event.message(*client, origin, namespace.payload)?;
        Ok(hub.publish(topic, message, clock::now_ms()).await?)
    }

    /// Changes the subscriptions as the channel has asked.
    pub(crate) fn settle(&self, subscriptions: &mut Vec<Subscription<I>>) {
        let mut agenda = self.agenda();
        if !agenda.ended.is_empty() {
            let ended = mem::take(&mut agenda.ended);
            subscriptions.retain(|subscription| !ended.contains(subscription.topic()));
        }
        subscriptions.append(&mut agenda.begun);
        agenda.subscriptions = subscriptions.len();
    }

    /// Waits for the next timer. Never returns without one. Cancel-safe.
    pub(crate) async fn timer(&self) -> I {
        loop {
            let due = self.agenda().timers.due();
            match due {
                // In a box: most channels have no timers.
                Some(due) => Box::pin(tokio::time::sleep_until(due)).await,
                None => std::future::pending().await,
            }
            if let Some(info) = self.agenda().timers.take(Instant::now()) {
                return info;
            }
        }
    }

    fn agenda(&self) -> MutexGuard<'_, Agenda<I>> {
        self.agenda.lock().expect("no code panics while it holds this lock")
    }
}

impl<I> Drop for Context<I> {
    fn drop(&mut self) {
        self.mailbox.close();
    }
}

//! A membership: one task that runs a channel for one member of one topic, over as many streams as it takes.

use super::{
    Channel, Context, End,
    allowance::Allowance,
    applied::Applied,
    attached::{Attached, Next, inform},
    callbacks::{Callbacks, contain},
    delivery::{Delivery, OUTBOX},
    facts::Facts,
    presence::grant,
    router::Opening,
    standing::Standing,
    terms::Terms,
};
use crate::{
    clock,
    frames::Frames,
    queue,
    session::{Generation, flag::Flag},
    tally::Tally,
};
use bytes::Bytes;
use dunlin_hub::{Cursor, Hold, Order, Outcome, Start as From, SubscribeError, presence::Watcher};
use dunlin_proto::{
    Code, Position,
    frame::{
        Refusal,
        channel::{Delivery as Mode, FromServer, Join, Joined, Start},
        presence::Ask,
    },
};
use dunlin_transport::{Connection, SendStream};
use metrics::gauge;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// A stream whose client has asked to join: the way a membership gets its first stream, and each later one.
pub(crate) struct Attach {
    pub(crate) join: Join,
    pub(crate) send: SendStream,
    pub(crate) frames: Frames,
    /// What it came on, for datagrams.
    pub(crate) connection: Connection,
    /// The same, among those of the session.
    pub(crate) generation: Generation,
    /// Whether the client has paused its topics.
    pub(crate) paused: Arc<Flag>,
}

impl Attach {
    /// Answers the join with a refusal and ends the stream. A slow client is not waited for.
    pub(crate) async fn refuse(self: Box<Self>, tally: &Tally, refusal: Refusal) {
        let Self { send, mut frames, .. } = *self;
        tally.refused(refusal.code);
        farewell(send, FromServer::Refused(refusal.clone()).encode(), &refusal).await;
        frames.stop(refusal.code);
    }
}

/// How long a client may take to read the last frames of a stream that ends.
pub(super) const FAREWELL: Duration = Duration::from_secs(5);

/// Writes the last frame of a stream that is refused, and ends it.
pub(crate) async fn farewell(mut send: SendStream, frame: Bytes, refusal: &Refusal) {
    match tokio::time::timeout(FAREWELL, send.write(frame)).await {
        Ok(Ok(())) => send.finish(),
        _ => send.reset(refusal.code.0),
    }
}

/// One membership, from the making of its channel to its end. What panics in the channel's code, panics in here.
pub(crate) async fn run<C: Channel>(new: impl FnOnce() -> C + Send, opening: Box<Opening>) {
    gauge!("dunlin_channels").increment(1);
    // What it takes to begin is given back before the long time that follows.
    if let Some((membership, first, reply)) = Box::pin(begin(new, opening)).await {
        membership.run(first, reply).await;
    }
    gauge!("dunlin_channels").decrement(1);
}

/// Asks the channel about its first join. `None` if that was refused.
async fn begin<C: Channel>(
    new: impl FnOnce() -> C + Send,
    opening: Box<Opening>,
) -> Option<(Box<Membership<C>>, Box<Attach>, Bytes)> {
    let Opening { facts, mailbox, linger, allowance, first } = *opening;
    let params = first.join.params.clone();
    match Box::pin(Callbacks::join(new, Context::new(facts), params)).await {
        Ok((callbacks, reply)) => {
            let standing = Standing::new(callbacks.context.facts.shows.away);
            let membership = Membership { callbacks, mailbox, linger, allowance, standing, held: None };
            Some((Box::new(membership), first, reply))
        }
        Err((context, refusal)) => {
            let tally = &context.facts.tally;
            first.refuse(tally, refusal).await;
            turn_away(mailbox, tally).await;
            None
        }
    }
}

/// Ends the mailbox. Who has joined too late for this membership is to try again, and then begins another.
async fn turn_away(mut mailbox: queue::Receiver<Box<Attach>>, tally: &Tally) {
    mailbox.close();
    while let Some(late) = mailbox.recv().await {
        late.refuse(tally, Refusal::because(Code::UNAVAILABLE, "the membership was just ending")).await;
    }
}

/// What a membership runs with for its whole life.
struct Membership<C: Channel> {
    callbacks: Callbacks<C>,
    mailbox: queue::Receiver<Box<Attach>>,
    /// How long it waits for its member to come back.
    linger: Duration,
    allowance: Allowance,
    /// Whether the member counts as away.
    standing: Standing,
    /// Keeps the topic in being while the member is away, or wants no events: its position stays good.
    held: Option<Hold>,
}

impl<C: Channel> Membership<C> {
    /// Serves the member, whom the channel has accepted with this reply, until the membership is over.
    async fn run(mut self: Box<Self>, first: Box<Attach>, reply: Bytes) {
        let (topic, session) = (self.facts().topic.clone(), self.facts().session.clone());
        let tally = self.facts().tally.clone();
        let mut attached = None;
        let served = contain(&topic, &session, self.serve(first, reply, &mut attached)).await;
        let (why, refusal) = served.unwrap_or_else(|failed| (End::Failed, Some(failed)));
        if let (End::Failed | End::Overrun | End::Closed, Some(refusal)) = (why, &refusal) {
            tally.refused(refusal.code);
        }
        Box::pin(self.end(attached, why, refusal)).await;
    }

    async fn end(self: Box<Self>, attached: Option<Attached>, why: End, refusal: Option<Refusal>) {
        let tally = self.facts().tally.clone();
        let Self { callbacks, mailbox, .. } = *self;
        turn_away(mailbox, &tally).await;
        if let Some(attached) = attached {
            attached.close(refusal).await;
        }
        callbacks.terminate(why).await;
    }

    fn facts(&self) -> &Facts {
        &self.callbacks.context.facts
    }

    async fn serve(
        &mut self,
        first: Box<Attach>,
        reply: Bytes,
        attached: &mut Option<Attached>,
    ) -> (End, Option<Refusal>) {
        let mut applied = Applied::new(self.facts().limits.pushes as usize);
        let mut next = Next::Attach(first);
        let mut is_member = false;
        loop {
            next = match next {
                // What serves a stream lies in boxes of its own: a membership that waits for its member is small.
                Next::Attach(attach) => match Box::pin(self.attach(attach, &applied, reply.clone())).await {
                    Some(stream) => {
                        is_member = true;
                        let stream = attached.insert(stream);
                        let serve = stream.serve(
                            &mut self.callbacks,
                            &mut self.mailbox,
                            &mut self.allowance,
                            &mut self.standing,
                            &mut applied,
                        );
                        let next = Box::pin(serve).await;
                        match &next {
                            Next::Attach(_) => replace(attached, Some(Refusal::new(Code::REPLACED))),
                            Next::Detached => drop(attached.take()),
                            Next::Over(..) => {}
                        }
                        next
                    }
                    None if is_member => Next::Detached,
                    // Refused before it ever was one: there is nothing to come back to.
                    None => Next::Over(End::Failed, None),
                },
                Next::Detached => {
                    applied.shrink();
                    Box::pin(self.wait()).await
                }
                Next::Over(why, refusal) => match self.mailbox.try_recv() {
                    // Ended and joined again, and the end was seen only now.
                    Some(attach) => {
                        replace(attached, refusal);
                        Next::Attach(attach)
                    }
                    None => return (why, refusal),
                },
            }
        }
    }

    async fn attach(&mut self, mut attach: Box<Attach>, applied: &Applied, reply: Bytes) -> Option<Attached> {
        let since = attach.join.since;
        let asked = attach.join.delivery.unwrap_or(self.facts().namespace.default);
        let is_allowed = since.is_none_or(|since| self.allowance.may_read_after(since));
        let (terms, datagrams) = Terms::settle(&attach.join, asked, &attach.connection);
        let mut cursor = match self.subscribe(&attach.join, terms, is_allowed).await {
            Ok(cursor) => cursor,
            Err(error) => {
                let code = match error {
                    SubscribeError::TopicLimit => Code::TOPIC_LIMIT,
                    _ => Code::UNAVAILABLE,
                };
                attach.refuse(&self.facts().tally, Refusal::because(code, &error.to_string())).await;
                return None;
            }
        };
        self.held = Some(cursor.hold());
        if cursor.outcome() != Outcome::Recovered
            && since != Some(Position::OLDEST)
            && terms.mode != Mode::None
        {
            // Only the newest event is part of joining: what is before is history.
            let count = attach.join.rewind.filter(|_| self.allowance.may_read_history()).unwrap_or(0);
            cursor.rewind(count as usize, clock::now_ms());
        }
        let start = match cursor.outcome() {
            _ if since.is_none() => Start::Live,
            _ if !is_allowed => Start::Lost,
            Outcome::Lost => Start::Lost,
            _ => Start::Recovered,
        };
        let joined = Joined {
            position: cursor.position(),
            start,
            applied: applied.last(),
            reply,
            head: Some(cursor.head().offset),
            delivery: Some(terms.mode),
        };
        self.facts().tally.joined(start);
        self.allowance.begin(cursor.position());
        let (outbox, frames) = queue::bounded(OUTBOX);
        attach.send.set_priority(attach.join.priority.into());
        let delivery = Delivery {
            stream: attach.send,
            terms,
            datagrams,
            joined: FromServer::Joined(joined).encode(),
            tap: self.facts().downlink.tap(attach.generation.clone()),
            cursor: (terms.mode != Mode::None).then_some(cursor),
            held_back: None,
            outbox: frames,
            watcher: self.watch(attach.join.presence),
            paused: attach.paused.clone(),
            waiting: Vec::new(),
        };
        Some(Attached {
            frames: attach.frames,
            generation: attach.generation,
            paused: attach.paused,
            outbox,
            // In a box: a future has its arguments twice.
            delivery: AbortOnDropHandle::new(tokio::spawn(Box::new(delivery).run())),
            limits: self.facts().limits,
            mode: asked,
            ask: attach.join.presence,
            handling: None,
        })
    }

    /// What the member of this stream is told of who is in the topic.
    fn watch(&self, ask: Ask) -> Option<Watcher> {
        let Facts { presence, topic, shows, .. } = self.facts();
        Some(presence.watch(topic, grant(ask, shows.mode)?))
    }

    async fn subscribe(
        &mut self,
        join: &Join,
        terms: Terms,
        is_allowed: bool,
    ) -> Result<Cursor, SubscribeError> {
        let from = match join.since.filter(|_| is_allowed) {
            None => From::Now,
            Some(Position::OLDEST) => From::Oldest,
            Some(position) => From::After(position),
        };
        let order = if terms.mode == Mode::Latest { Order::Latest } else { Order::All };
        let Facts { hub, topic, origin, .. } = self.facts();
        Ok(hub.subscribe(topic, from, order, clock::now_ms()).await?.passing_by(*origin))
    }

    /// Waits for the member to come back; the channel goes on meanwhile.
    async fn wait(&mut self) -> Next {
        let now = Instant::now();
        let expiry = now + self.linger;
        self.standing.is_missing(now);
        loop {
            let woken = tokio::select! {
                attach = self.mailbox.recv() => return Next::moved(attach, &self.facts().downlink),
                woken = self.callbacks.next() => woken,
                () = self.standing.away() => {
                    self.callbacks.context.set_away(true);
                    continue;
                }
                () = tokio::time::sleep_until(expiry) => return Next::Over(End::Expired, None),
            };
            if let Some(over) = Box::pin(inform(&mut self.callbacks, woken)).await {
                return over;
            }
        }
    }
}

/// Ends the stream that another takes over from.
fn replace(attached: &mut Option<Attached>, refusal: Option<Refusal>) {
    if let Some(old) = attached.take() {
        // The old stream's client may be slow or gone: the new one does not wait for it.
        tokio::spawn(old.close(refusal));
    }
}

//! A membership: one task that runs a channel for one member of one topic, over as many streams as it takes.

use super::{
    Channel, Context, End,
    allowance::Allowance,
    applied::{Applied, Known},
    callbacks::{Callbacks, Overrun, contain},
    delivery::{Delivery, OUTBOX},
    facts::Facts,
    presence::grant,
    router::Opening,
    standing::Standing,
};
use crate::{
    clock,
    frames::{FrameError, Frames},
    session::Generation,
    tally::Tally,
};
use bytes::Bytes;
use dunlin_hub::{Cursor, Hold, Order, Outcome, Start as From, SubscribeError, presence::Watcher};
use dunlin_proto::{
    Code, Limits, Position,
    frame::{
        Refusal,
        channel::{Delivery as Mode, FromClient, FromServer, Join, Joined, Start},
        presence::Ask,
    },
};
use dunlin_transport::{ReadError, SendStream, WriteError};
use metrics::{counter, gauge};
use std::time::Duration;
use tokio::{
    sync::{mpsc, watch},
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;

/// A stream whose client has asked to join: the way a membership gets its first stream, and each later one.
pub(crate) struct Attach {
    pub(crate) join: Join,
    pub(crate) send: SendStream,
    pub(crate) frames: Frames,
    /// The connection that it came on.
    pub(crate) generation: Generation,
    /// Whether the client has paused its topics.
    pub(crate) paused: watch::Receiver<bool>,
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
const FAREWELL: Duration = Duration::from_secs(5);

/// Writes the last frame of a stream that is refused, and ends it.
pub(crate) async fn farewell(mut send: SendStream, frame: Bytes, refusal: &Refusal) {
    match tokio::time::timeout(FAREWELL, send.write(frame)).await {
        Ok(Ok(())) => send.finish(),
        _ => send.reset(refusal.code.0),
    }
}

/// One membership, from the making of its channel to its end. What panics in the channel's code, panics in here.
pub(crate) async fn run<C: Channel>(new: impl FnOnce() -> C + Send, opening: Opening) {
    let Opening { facts, mailbox, linger, allowance, first } = opening;
    gauge!("dunlin_channels").increment(1);
    let params = first.join.params.clone();
    match Callbacks::join(new, Context::new(facts), params).await {
        Ok((callbacks, reply)) => {
            let standing = Standing::new(callbacks.context.facts.shows.away);
            let membership = Membership { callbacks, mailbox, linger, allowance, standing, held: None };
            membership.run(first, reply).await;
        }
        Err((context, refusal)) => {
            let tally = &context.facts.tally;
            Box::pin(first.refuse(tally, refusal)).await;
            Box::pin(turn_away(mailbox, tally)).await;
        }
    }
    gauge!("dunlin_channels").decrement(1);
}

/// Ends the mailbox. Who has joined too late for this membership is to try again, and then begins another.
async fn turn_away(mut mailbox: mpsc::Receiver<Box<Attach>>, tally: &Tally) {
    mailbox.close();
    while let Some(late) = mailbox.recv().await {
        late.refuse(tally, Refusal::because(Code::UNAVAILABLE, "the membership was just ending")).await;
    }
}

/// What a membership runs with for its whole life.
struct Membership<C: Channel> {
    callbacks: Callbacks<C>,
    mailbox: mpsc::Receiver<Box<Attach>>,
    /// How long it waits for its member to come back.
    linger: Duration,
    allowance: Allowance,
    /// Whether the member counts as away.
    standing: Standing,
    /// Keeps the topic in being while the member is away, or wants no events: its position stays good.
    held: Option<Hold>,
}

/// The stream that a membership has now.
struct Attached {
    frames: Frames,
    generation: Generation,
    /// Whether the client has paused its topics.
    paused: watch::Receiver<bool>,
    outbox: mpsc::Sender<Bytes>,
    delivery: AbortOnDropHandle<Result<(), WriteError>>,
    limits: Limits,
    mode: Mode,
    ask: Ask,
    /// The push that the channel is handling: still set when its code has panicked.
    handling: Option<u64>,
}

/// What became of an attached stream.
enum Next {
    /// A new stream takes over.
    Attach(Box<Attach>),
    /// The connection is gone; the member may come back.
    Detached,
    /// The membership is over; the refusal, if any, is the stream's last frame.
    Over(End, Option<Refusal>),
}

impl Next {
    /// What the mailbox says while a stream is attached.
    fn moved(attach: Option<Box<Attach>>) -> Self {
        match attach {
            Some(attach) => Self::Attach(attach),
            None => Self::Over(End::SessionEnded, Some(Refusal::new(Code::SESSION_ENDED))),
        }
    }

    fn violation<C: Channel>(callbacks: &Callbacks<C>, refusal: Refusal) -> Self {
        callbacks.context.facts.tally.refused(refusal.code);
        Self::Over(End::Violation, Some(refusal))
    }

    fn overrun<C: Channel>(callbacks: &Callbacks<C>, overrun: Overrun) -> Self {
        Self::Over(End::Overrun, Some(overrun.refusal(&callbacks.context)))
    }
}

impl<C: Channel> Membership<C> {
    /// Serves the member, whom the channel has accepted with this reply, until the membership is over.
    async fn run(mut self, first: Box<Attach>, reply: Bytes) {
        let (topic, session) = (self.facts().topic.clone(), self.facts().session.clone());
        let tally = self.facts().tally.clone();
        let mut attached = None;
        let served = contain(&topic, &session, self.serve(first, reply, &mut attached)).await;
        let (why, refusal) = served.unwrap_or_else(|failed| (End::Failed, Some(failed)));
        if let (End::Failed | End::Overrun | End::Closed, Some(refusal)) = (why, &refusal) {
            tally.refused(refusal.code);
        }
        Box::pin(turn_away(self.mailbox, &tally)).await;
        if let Some(attached) = attached {
            Box::pin(attached.close(refusal)).await;
        }
        self.callbacks.terminate(why).await;
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
                    self.wait().await
                }
                Next::Over(why, refusal) => match self.mailbox.try_recv() {
                    // Ended and joined again, and the end was seen only now.
                    Ok(attach) => {
                        replace(attached, refusal);
                        Next::Attach(attach)
                    }
                    Err(_) => return (why, refusal),
                },
            }
        }
    }

    async fn attach(&mut self, attach: Box<Attach>, applied: &Applied, reply: Bytes) -> Option<Attached> {
        let since = attach.join.since;
        let is_allowed = since.is_none_or(|since| self.allowance.may_read_after(since));
        let cursor = match self.subscribe(&attach.join, is_allowed).await {
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
        };
        self.facts().tally.joined(start);
        self.allowance.begin(cursor.position());
        let (outbox, frames) = mpsc::channel(OUTBOX);
        attach.send.set_priority(i32::from(attach.join.priority) - 128);
        let wants_events = attach.join.delivery != Mode::None;
        let delivery = Delivery {
            stream: attach.send,
            joined: FromServer::Joined(joined).encode(),
            tap: self.facts().downlink.tap(attach.generation.clone()),
            cursor: wants_events.then_some(cursor),
            outbox: frames,
            watcher: self.watch(attach.join.presence),
            paused: attach.paused.clone(),
        };
        Some(Attached {
            frames: attach.frames,
            generation: attach.generation,
            paused: attach.paused,
            outbox,
            delivery: AbortOnDropHandle::new(tokio::spawn(delivery.run())),
            limits: self.facts().limits,
            mode: attach.join.delivery,
            ask: attach.join.presence,
            handling: None,
        })
    }

    /// What the member of this stream is told of who is in the topic.
    fn watch(&self, ask: Ask) -> Option<Watcher> {
        let Facts { presence, topic, shows, .. } = self.facts();
        Some(presence.watch(topic, grant(ask, shows.mode)?))
    }

    async fn subscribe(&mut self, join: &Join, is_allowed: bool) -> Result<Cursor, SubscribeError> {
        let from = match join.since.filter(|_| is_allowed) {
            None => From::Now,
            Some(Position::OLDEST) => From::Oldest,
            Some(position) => From::After(position),
        };
        let order = if join.delivery == Mode::Latest { Order::Latest } else { Order::All };
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
                attach = self.mailbox.recv() => return match attach {
                    Some(attach) => Next::Attach(attach),
                    None => Next::Over(End::SessionEnded, None),
                },
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

/// Has the channel handle what woke it; how it ended, if it does.
async fn inform<C: Channel>(callbacks: &mut Callbacks<C>, woken: Result<C::Info, Overrun>) -> Option<Next> {
    let handled = match woken {
        Ok(info) => callbacks.handle_info(info).await,
        Err(overrun) => Err(overrun),
    };
    match handled {
        Ok(Ok(())) => None,
        Ok(Err(refusal)) => Some(Next::Over(End::Closed, Some(refusal))),
        Err(overrun) => Some(Next::overrun(callbacks, overrun)),
    }
}

/// Ends the stream that another takes over from.
fn replace(attached: &mut Option<Attached>, refusal: Option<Refusal>) {
    if let Some(old) = attached.take() {
        // The old stream's client may be slow or gone: the new one does not wait for it.
        tokio::spawn(old.close(refusal));
    }
}

impl Attached {
    /// Handles what the member sends and what else concerns the channel, until the stream ends or another takes its place.
    async fn serve<C: Channel>(
        &mut self,
        callbacks: &mut Callbacks<C>,
        mailbox: &mut mpsc::Receiver<Box<Attach>>,
        allowance: &mut Allowance,
        standing: &mut Standing,
        applied: &mut Applied,
    ) -> Next {
        // A reply for which the outbox has no room: nothing is read before there is some.
        let mut unsent = None;
        loop {
            if *self.paused.borrow_and_update() {
                standing.is_missing(Instant::now());
            } else if standing.is_back() {
                callbacks.context.set_away(false);
            }
            let frame = tokio::select! {
                attach = mailbox.recv() => return Next::moved(attach),
                allowed = allowance.changed(self.mode, self.ask) => match allowed {
                    Ok(()) => continue,
                    Err(refusal) => {
                        callbacks.context.facts.tally.refused(refusal.code);
                        return Next::Over(End::Forbidden, Some(refusal));
                    }
                },
                ended = &mut self.delivery => return match ended {
                    Ok(Err(WriteError::Stopped(_))) if self.generation.is_present() => Next::Over(End::Left, None),
                    _ => Next::Detached,
                },
                room = self.outbox.reserve(), if unsent.is_some() => {
                    // Without a room the delivery has ended, which the next turn looks at.
                    if let (Ok(room), Some(reply)) = (room, unsent.take()) {
                        room.send(reply);
                    }
                    continue;
                }
                // Without its sender the connection is gone, which others notice.
                Ok(()) = self.paused.changed() => continue,
                () = standing.away() => {
                    callbacks.context.set_away(true);
                    continue;
                }
                woken = callbacks.next() => match inform(callbacks, woken).await {
                    None => continue,
                    Some(over) => return over,
                },
                frame = self.frames.next(), if unsent.is_none() => frame,
            };
            // What a connection still brings that the session has left is as good as lost: a push comes again on the next one,
            // and an end may be nothing but the client's way of dropping the connection.
            if !self.generation.is_present() {
                return Next::Detached;
            }
            unsent = match frame {
                Ok(Some(frame)) => match self.handle(callbacks, allowance, applied, &frame).await {
                    Ok(reply) => Some(reply),
                    Err(over) => return over,
                },
                Ok(None) => return Next::Over(End::Left, None),
                Err(FrameError::Stream(ReadError::Reset(_))) => return Next::Over(End::Left, None),
                Err(error) => match error.code() {
                    Some(code) => {
                        return Next::violation(callbacks, Refusal::because(code, &error.to_string()));
                    }
                    None => return Next::Detached,
                },
            };
        }
    }

    /// The reply to a frame, or how it ends the membership.
    async fn handle<C: Channel>(
        &mut self,
        callbacks: &mut Callbacks<C>,
        allowance: &mut Allowance,
        applied: &mut Applied,
        frame: &Bytes,
    ) -> Result<Bytes, Next> {
        let push = match FromClient::decode(frame) {
            Ok(FromClient::Push(push)) => push,
            Ok(FromClient::Join(_)) => {
                let refusal = Refusal::because(Code::UNEXPECTED_FRAME, "a second Join on one stream");
                return Err(Next::violation(callbacks, refusal));
            }
            Err(error) => {
                return Err(Next::violation(callbacks, Refusal::because(error.code(), &error.to_string())));
            }
        };
        let reference = push.reference;
        match applied.check(reference) {
            Known::Reply(reply) => {
                counter!("dunlin_pushes_repeated_total").increment(1);
                return Ok(reply);
            }
            Known::Forgotten => {
                counter!("dunlin_pushes_repeated_total").increment(1);
                return Ok(reply(reference, Code::ALREADY_APPLIED, Bytes::new()));
            }
            Known::New => {}
        }
        let answer = if push.payload.len() > self.limits.payload {
            Err(Refusal::new(Code::PAYLOAD_TOO_LARGE))
        } else if let Err(refusal) = allowance.push(&push) {
            Err(refusal)
        } else {
            self.handling = Some(reference);
            callbacks.handle_in(push).await.map_err(|overrun| Next::overrun(callbacks, overrun))?
        };
        self.handling = None;
        counter!("dunlin_pushes_total").increment(1);
        let frame = match answer {
            Ok(payload) => reply(reference, Code::OK, payload),
            Err(refusal) => {
                callbacks.context.facts.tally.refused(refusal.code);
                reply(reference, refusal.code, refusal.message.into())
            }
        };
        applied.record(reference, frame.clone());
        Ok(frame)
    }

    /// Ends the stream, after what is still to be written and the refusal, if there is one.
    async fn close(self, refusal: Option<Refusal>) {
        let Self { mut frames, outbox, mut delivery, handling, .. } = self;
        if let Some(refusal) = refusal {
            if let Some(reference) = handling {
                // Or its client would push it again, and break the next membership too.
                let failed = reply(reference, refusal.code, refusal.message.clone().into());
                let _ = tokio::time::timeout(FAREWELL, outbox.send(failed)).await;
            }
            frames.stop(refusal.code);
            let closed = FromServer::Closed(refusal).encode();
            let _ = tokio::time::timeout(FAREWELL, outbox.send(closed)).await;
        }
        drop(outbox);
        if !delivery.is_finished() {
            let _ = tokio::time::timeout(FAREWELL, &mut delivery).await;
        }
    }
}

fn reply(reference: u64, code: Code, payload: Bytes) -> Bytes {
    FromServer::Reply { reference, code, payload }.encode()
}

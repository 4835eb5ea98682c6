//! One stream of a membership: what comes up it, and what it is told when it ends.

use super::{
    Channel, End,
    allowance::Allowance,
    applied::{Applied, Known},
    callbacks::{Callbacks, Overrun},
    delivery::Down,
    downlink::Downlink,
    membership::{Attach, FAREWELL},
    standing::Standing,
};
use crate::{
    frames::{FrameError, Frames},
    queue,
    session::{Generation, flag::Flag},
};
use bytes::Bytes;
use dunlin_proto::{
    Code, Limits,
    frame::{
        Refusal,
        channel::{Delivery as Mode, FromClient, FromServer, Push},
        presence::Ask,
    },
};
use dunlin_transport::{ReadError, WriteError};
use metrics::counter;
use std::sync::Arc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// The stream that a membership has now.
pub(super) struct Attached {
    pub(super) frames: Frames,
    pub(super) generation: Generation,
    /// Whether the client has paused its topics.
    pub(super) paused: Arc<Flag>,
    pub(super) outbox: queue::Sender<Box<Down>>,
    pub(super) delivery: AbortOnDropHandle<Result<(), WriteError>>,
    pub(super) limits: Limits,
    pub(super) mode: Mode,
    pub(super) ask: Ask,
    /// The push that the channel is handling: still set when its code has panicked.
    pub(super) handling: Option<u64>,
}

/// What became of an attached stream.
pub(super) enum Next {
    /// A new stream takes over.
    Attach(Box<Attach>),
    /// The connection is gone; the member may come back.
    Detached,
    /// The membership is over; the refusal, if any, is the stream's last frame.
    Over(End, Option<Refusal>),
}

impl Next {
    /// What the mailbox says.
    pub(super) fn moved(attach: Option<Box<Attach>>, downlink: &Downlink) -> Self {
        match (attach, downlink.evicted()) {
            (Some(attach), _) => Self::Attach(attach),
            (None, Some(why)) => Self::Over(End::Evicted, Some(why)),
            (None, None) => Self::Over(End::SessionEnded, Some(Refusal::new(Code::SESSION_ENDED))),
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

impl Attached {
    /// Handles what the member sends and what else concerns the channel, until the stream ends or another takes its place.
    pub(super) async fn serve<C: Channel>(
        &mut self,
        callbacks: &mut Callbacks<C>,
        mailbox: &mut queue::Receiver<Box<Attach>>,
        allowance: &mut Allowance,
        standing: &mut Standing,
        applied: &mut Applied,
    ) -> Next {
        // A reply for which the outbox has no room: nothing is read before there is some.
        let mut unsent = None;
        loop {
            let is_paused = self.paused.is_on();
            if is_paused {
                standing.is_missing(Instant::now());
            } else if standing.is_back() {
                callbacks.context.set_away(false);
            }
            let frame = tokio::select! {
                attach = mailbox.recv() => return Next::moved(attach, &callbacks.context.facts.downlink),
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
                () = self.outbox.room(), if unsent.is_some() => {
                    if let Some(reply) = unsent.take() {
                        // Without its receiver the delivery has ended, which the next turn looks at.
                        let _ = self.outbox.try_send(Box::new(Down::Frame(reply)));
                    }
                    continue;
                }
                () = self.paused.changed_from(is_paused) => continue,
                () = standing.away() => {
                    callbacks.context.set_away(true);
                    continue;
                }
                woken = callbacks.next() => match Box::pin(inform(callbacks, woken)).await {
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
                Ok(Some(frame)) => match self.hear(callbacks, allowance, applied, &frame).await {
                    Ok(reply) => reply,
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

    /// The reply to a frame, if it has one, or how it ends the membership.
    async fn hear<C: Channel>(
        &mut self,
        callbacks: &mut Callbacks<C>,
        allowance: &mut Allowance,
        applied: &mut Applied,
        frame: &Bytes,
    ) -> Result<Option<Bytes>, Next> {
        match FromClient::decode(frame) {
            // A push is rare beside the time that a member only listens: what it takes is not kept ready.
            Ok(FromClient::Push(push)) => {
                Box::pin(self.handle(callbacks, allowance, applied, push)).await.map(Some)
            }
            Ok(FromClient::Adjust(adjust)) => {
                // Without its receiver the delivery has ended, which the next turn looks at.
                let _ = self.outbox.send(Box::new(Down::Adjust(adjust))).await;
                Ok(None)
            }
            Ok(FromClient::Join(_)) => {
                let refusal = Refusal::because(Code::UNEXPECTED_FRAME, "a second Join on one stream");
                Err(Next::violation(callbacks, refusal))
            }
            Err(error) => Err(Next::violation(callbacks, Refusal::because(error.code(), &error.to_string()))),
        }
    }

    /// The reply to a push, or how it ends the membership.
    async fn handle<C: Channel>(
        &mut self,
        callbacks: &mut Callbacks<C>,
        allowance: &mut Allowance,
        applied: &mut Applied,
        push: Push,
    ) -> Result<Bytes, Next> {
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
    pub(super) async fn close(self, refusal: Option<Refusal>) {
        let Self { mut frames, mut outbox, mut delivery, handling, .. } = self;
        if let Some(refusal) = refusal {
            if let Some(reference) = handling {
                // Or its client would push it again, and break the next membership too.
                let failed = reply(reference, refusal.code, refusal.message.clone().into());
                let _ = tokio::time::timeout(FAREWELL, outbox.send(Box::new(Down::Frame(failed)))).await;
            }
            frames.stop(refusal.code);
            let closed = FromServer::Closed(refusal).encode();
            let _ = tokio::time::timeout(FAREWELL, outbox.send(Box::new(Down::Frame(closed)))).await;
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

/// Has the channel handle what woke it; how it ended, if it does.
pub(super) async fn inform<C: Channel>(
    callbacks: &mut Callbacks<C>,
    woken: Result<C::Info, Overrun>,
) -> Option<Next> {
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

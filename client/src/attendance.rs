//! One stream of one membership, from its `Join` to its end.

use bytes::Bytes;
use dunlin_proto::{
    Code,
    frame::{
        Refusal,
        channel::{Delivery, Event, FromClient, FromServer, Join},
        presence::Ask,
    },
    limits,
};
use dunlin_transport::{ReadError, WriteError};
use tokio::select;

use crate::{
    Closed, PushError,
    flows::Flow,
    frames::{FrameError, Frames},
    link::{Link, Live},
    member::Member,
    message::Reply,
};

/// Longest frame taken from a server in bytes: what it announces as its limit is about pushes.
const MAX_FRAME: usize = 16 * 1024 * 1024;

/// Frames handed to the transport at once.
const BATCH: usize = 32;

/// Why a stream is of no use any more.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Loss {
    /// The connection is gone, or all streams have to be opened again.
    #[error("the connection was lost")]
    Link,
    /// The server said no, with a code.
    #[error("{}: {}", .0.code, .0.message)]
    Refused(Refusal),
    /// The stream ended without a word, or with one that makes no sense.
    #[error("{0}")]
    Broken(String),
}

/// Joins on a connection and attends until the stream is lost, or the member leaves for good.
pub(crate) async fn run(member: &mut Member, live: &Live) -> Result<Closed, Loss> {
    let opened = loop {
        // Servers grant a number of streams; a member may have to wait until another one leaves.
        select! {
            opened = live.connection.open_bi() => break opened,
            () = member.departure.is_due() => {
                if member.departure.begin(&mut member.requests) || member.is_flushed() {
                    return Ok(Closed::by_us());
                }
            }
            () = member.inbox.hand_over() => {}
        }
    };
    let (mut stream, recv) = opened.map_err(|_| Loss::Link)?;
    stream.set_priority(member.wishes.borrow_and_update().priority.into());
    let mut frames = Frames::new(recv, MAX_FRAME);
    let mut link = member.link.clone();
    let mut limits = live.limits();
    let mut held = live.held;
    let mut joined = false;
    let wants_datagrams = member.options.delivery == Some(Delivery::Datagram);
    let mut flow = wants_datagrams.then(|| live.flows.open(&live.connection));
    let mut unwritten: Vec<Bytes> = vec![join(member, flow.as_ref().map(|flow| flow.number))];
    loop {
        if member.departure.has_begun() && member.is_flushed() {
            stream.finish();
            return Ok(Closed::by_us());
        }
        if unwritten.is_empty() && joined && limits.is_some() {
            let pushes = std::iter::from_fn(|| member.outbox.next().cloned()).take(BATCH);
            unwritten.extend(pushes.map(|push| FromClient::Push(push).encode()));
        }
        let window = limits.filter(|_| joined).map_or(0, |limits| limits.pushes as usize);
        let pushes_wait = !member.outbox.is_empty() || member.departure.has_begun();
        select! {
            frame = frames.next(), if member.inbox.has_room(pushes_wait) => {
                let took = match frame {
                    Ok(frame) => {
                        live.pulse.beat();
                        take(member, live.generation, &frame, &mut joined)
                    }
                    Err(error) => Err(error.into()),
                };
                if let Err(loss) = took {
                    if let Loss::Broken(_) = loss {
                        stream.reset(Code::UNEXPECTED_FRAME.0);
                        frames.stop(Code::UNEXPECTED_FRAME);
                    }
                    return Err(loss);
                }
            }
            written = stream.write_chunks(&mut unwritten), if !held && !unwritten.is_empty() => {
                written?;
                unwritten.clear();
                live.pulse.wrote();
            }
            event = datagram(&mut flow), if joined && member.inbox.has_room(pushes_wait) => {
                live.pulse.beat();
                if let Some(message) = member.progress.datagram(event) {
                    member.inbox.offer(message);
                }
            }
            // Without a sender the channel was dropped, and is about to leave.
            Ok(()) = member.wishes.changed(), if joined => {
                let wishes = *member.wishes.borrow_and_update();
                stream.set_priority(wishes.priority.into());
                unwritten.push(FromClient::Adjust(wishes.adjust()).encode());
            }
            Some(request) = member.requests.recv(), if member.outbox.len() < window => {
                let limit = limits.map_or(0, |limits| limits.payload);
                member.accept(request, limit);
            }
            () = member.inbox.hand_over() => {}
            changed = link.changed() => {
                match &*link.borrow_and_update() {
                    Link::Up(now) if now.generation == live.generation => {
                        (limits, held) = (now.limits(), now.held);
                    }
                    _ => return Err(Loss::Link),
                }
                changed.map_err(|_| Loss::Link)?;
            }
            () = member.departure.is_due() => {
                if member.departure.begin(&mut member.requests) {
                    stream.finish();
                    return Ok(Closed::by_us());
                }
            }
        }
    }
}

async fn datagram(flow: &mut Option<Flow>) -> Event {
    match flow {
        Some(flow) => flow.next().await,
        None => std::future::pending().await,
    }
}

fn join(member: &Member, flow: Option<u32>) -> Bytes {
    let (options, wishes) = (&member.options, *member.wishes.borrow());
    let join = Join {
        topic: member.membership.topic.clone(),
        since: member.progress.since(),
        delivery: options.delivery,
        priority: wishes.priority,
        params: options.params.clone(),
        presence: options.presence,
        interval_ms: wishes.interval_ms(),
        deadline_ms: wishes.deadline_ms(),
        rewind: (options.rewind > 0).then(|| options.rewind.min(limits::MAX_REWIND)),
        flow,
    };
    FromClient::Join(join).encode()
}

fn take(member: &mut Member, generation: u64, frame: &Bytes, joined: &mut bool) -> Result<(), Loss> {
    let frame = FromServer::decode(frame).map_err(Loss::broken)?;
    let message = match frame {
        FromServer::Refused(refusal) | FromServer::Closed(refusal) => return Err(Loss::Refused(refusal)),
        FromServer::Joined(answer) if !*joined => {
            *joined = true;
            let away = member.away();
            let answer = member.progress.joined(answer, away);
            member.joined(generation, answer.map_err(Loss::broken)?);
            return Ok(());
        }
        other if !*joined => return Err(Loss::broken(format_args!("{other:?} before the join's answer"))),
        FromServer::Joined(_) => return Err(Loss::broken("a second answer to one join")),
        FromServer::Reply { reference, code, payload } => {
            answer(member, reference, code, payload);
            return Ok(());
        }
        FromServer::Event(event) => match member.progress.event(event).map_err(Loss::broken)? {
            Some(event) => event,
            None => return Ok(()),
        },
        FromServer::Gap { from, to } => member.progress.gap(from, to).map_err(Loss::broken)?,
        FromServer::Restarted(position) => member.progress.restarted(position),
        FromServer::Direct { event, payload } => crate::Message::Direct { event, payload },
        FromServer::PresenceState(_) | FromServer::PresenceDiff(_)
            if member.options.presence == Ask::None =>
        {
            return Err(Loss::broken("presence that was not asked for"));
        }
        FromServer::PresenceState(state) => match member.presence.state(state).map_err(Loss::broken)? {
            Some(diff) => crate::Message::Presence(diff),
            None => return Ok(()),
        },
        FromServer::PresenceDiff(diff) => match member.presence.diff(diff).map_err(Loss::broken)? {
            Some(diff) => crate::Message::Presence(diff),
            None => return Ok(()),
        },
    };
    member.inbox.offer(message);
    Ok(())
}

fn answer(member: &mut Member, reference: u64, code: Code, payload: Bytes) {
    let Some(ticket) = member.outbox.answered(reference) else { return };
    let answer = match code {
        Code::OK => Ok(Reply { payload }),
        Code::ALREADY_APPLIED => Ok(Reply { payload: Bytes::new() }),
        code => Err(PushError::Refused { code, message: String::from_utf8_lossy(&payload).into_owned() }),
    };
    // Nobody may be waiting for the answer.
    let _ = ticket.send(answer);
}

impl Loss {
    fn broken(what: impl std::fmt::Display) -> Self {
        Self::Broken(format!("the server breaks the protocol: {what}"))
    }

    fn by_code(code: u32) -> Self {
        match Code(code) {
            Code::OK => Self::Broken("the server cut the stream off".into()),
            code => Self::Refused(Refusal::new(code)),
        }
    }
}

impl From<FrameError> for Loss {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Read(ReadError::Connection(_) | ReadError::EarlyDataRejected) => Self::Link,
            FrameError::Read(ReadError::Reset(code)) => Self::by_code(code),
            FrameError::TooLarge(error) => Self::broken(error),
            FrameError::End => Self::Broken("the server ended the stream".into()),
        }
    }
}

impl From<WriteError> for Loss {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Connection(_) | WriteError::EarlyDataRejected => Self::Link,
            WriteError::Stopped(code) => Self::by_code(code),
            WriteError::Finished => Self::Broken("the stream was finished".into()),
        }
    }
}

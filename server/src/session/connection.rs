//! One connection from its `Hello` to its end: the control stream, and a task for each stream that wants to join.

use super::{
    Carrier, Generation, Session,
    flag::Flag,
    handshake::{self, Greeted},
    hook::Connecting,
    registry::Opened,
};
use crate::{
    AGENT,
    admission::Permit,
    auth::{Gate, Pass},
    channel::membership::{self, Attach},
    frames::{Frames, Room},
    guard::{Access, Place},
    node::Node,
    webhook::Who,
};
use bytes::Bytes;
use dunlin_proto::{
    Code,
    frame::{
        Refusal,
        channel::{self, FromServer as ChannelFrame},
        control::{FromClient, FromServer, Welcome},
    },
    limits::MAX_CONTROL_FRAME,
};
use dunlin_transport::{Connection, ConnectionError, RecvStream, SendStream};
use futures_util::FutureExt;
use metrics::counter;
use std::{
    panic::{AssertUnwindSafe, resume_unwind},
    sync::Arc,
    time::Instant,
};
use tokio::task::JoinSet;

/// Streams a client may open before the server has seen what it needs. Credit costs memory from the start, so it begins
/// small and is doubled while it is used (`transport` starts with the same number).
const FIRST_STREAMS: u32 = 16;

/// Streams beyond the channel limit: the control stream, and some whose join is yet to be refused.
const SPARE_STREAMS: u32 = 16;

/// How a connection ended.
enum Ending {
    /// The session is over.
    Closed,
    /// The client may come back.
    Lost,
}

/// Serves a connection to its end.
pub(crate) async fn serve(node: Arc<Node>, connection: Connection, permit: Permit) {
    // What it takes to begin is given back before the long time that follows.
    if let Some(begun) = Box::pin(begin(&node, &connection, permit)).await {
        attend(&node, &connection, begun).await;
    }
}

/// A session that has begun on a connection.
struct Begun {
    opened: Opened,
    /// Where the client was when it said hello.
    place: Place,
    greeted: Box<Greeted>,
}

/// Goes from the `Hello` to a session. `None` if the client was refused.
async fn begin(node: &Arc<Node>, connection: &Connection, permit: Permit) -> Option<Box<Begun>> {
    let mut greeted = handshake::greet(&node.shared, connection).await?;
    // Settled here: an address that the client has later, and may not have proved to have, opens nothing.
    let place = Place::from(connection);
    // Not kept: what it allows is.
    let token = greeted.hello.token.take();
    let who = |pass: &Pass| Who::greeting(&greeted.hello, connection, pass);
    let held = node.registry.held(&greeted.hello);
    let pass = match node.admit(token.as_deref(), held.as_deref(), who).await {
        Ok(pass) => pass,
        Err(refusal) => {
            handshake::refuse(&node.shared.tally, connection, greeted.send, refusal).await;
            return None;
        }
    };
    let access = Access::of(&node.console, place, token.as_deref());
    let connecting = Connecting::new(&greeted.hello, connection.remote_address(), pass.user(), token);
    let assigns = match node.hook.ask(connecting, node.shared.bounds.deadline).await {
        Ok(assigns) => assigns,
        Err(refusal) => {
            handshake::refuse(&node.shared.tally, connection, greeted.send, refusal).await;
            return None;
        }
    };
    let opened = node.registry.open(&greeted.hello, Carrier::new(connection.clone(), permit), access, pass);
    let Opened { session, generation, resumed } = &opened;
    session.assign(generation, assigns);
    if let Some(farewell) =
        node.webhooks.as_ref().filter(|_| !resumed).and_then(|hooks| hooks.farewell(session))
    {
        let _ = session.farewell.set(farewell);
    }
    tracing::debug!(
        session = &*session.name, peer = %connection.remote_address(), transport = %connection.kind(),
        agent = greeted.hello.agent, resumed, user = session.user(), "session opened"
    );
    // Between the look at the token and the session's beginning it may have been revoked.
    if node.gate.has_revoked(&session.pass()) {
        session.revoke();
    }
    Some(Box::new(Begun { opened, place, greeted }))
}

/// Serves the session to the connection's end.
async fn attend(node: &Arc<Node>, connection: &Connection, begun: Box<Begun>) {
    let Begun { opened, place, greeted } = unbox(begun);
    let Opened { session, generation, .. } = &opened;
    let paused = Arc::default();
    let room = Room::for_frames(longest(node));
    let served = Served { node, connection, place, opened: &opened, paused, room };
    let ran = AssertUnwindSafe(served.run(greeted)).catch_unwind().await;
    match &ran {
        Ok(Ending::Closed) => node.registry.close(session, generation, Instant::now()),
        Ok(Ending::Lost) => node.registry.park(session, generation, Instant::now()),
        Err(_) => {
            // The session holds the connection: neither would ever end.
            connection.close(Code::INTERNAL.0, "the server failed");
            node.registry.park(session, generation, Instant::now());
        }
    }
    if let Err(panic) = ran {
        resume_unwind(panic);
    }
    tracing::debug!(session = &*session.name, reason = ?connection.close_reason(), "connection ended");
}

struct Served<'a> {
    node: &'a Arc<Node>,
    connection: &'a Connection,
    /// Where the client was when it said hello.
    place: Place,
    opened: &'a Opened,
    paused: Arc<Flag>,
    room: Room,
}

impl Served<'_> {
    async fn run(&self, greeted: Box<Greeted>) -> Ending {
        let Greeted { mut send, mut frames, version, .. } = unbox(greeted);
        let mut write = FromServer::Welcome(self.welcome(version)).encode();
        let mut openers = JoinSet::new();
        let mut streams = FIRST_STREAMS;
        let mut drain = self.node.drain.subscribe();
        let revoked = &self.opened.session.revoked;
        let mut end = self.expiry();
        let mut passes = self.opened.session.passes();
        loop {
            let written = tokio::select! {
                written = Box::pin(self.write(&mut send, write.clone())) => written,
                // A frame that was begun cannot be followed by another: the close says it all.
                () = revoked.changed_from(false) => {
                    handshake::close(&self.node.shared.tally, self.connection, &Refusal::because(Code::TOKEN_EXPIRED, REVOKED));
                    return Ending::Closed;
                }
            };
            if written.is_err() {
                return Box::pin(self.cut_off(send)).await;
            }
            write = loop {
                tokio::select! {
                    frame = frames.next() => match frame {
                        Ok(Some(frame)) => match Box::pin(self.hear(FromClient::decode(&frame))).await {
                            Ok(Some(answer)) => {
                                end = self.expiry();
                                passes.look();
                                break answer.encode();
                            }
                            Ok(None) => {}
                            Err(refusal) => return Box::pin(self.end(send, refusal)).await,
                        },
                        Ok(None) => {
                            self.connection.close(Code::OK.0, "goodbye");
                            return Ending::Closed;
                        }
                        Err(error) => match error.code() {
                            Some(code) => return Box::pin(self.end(send, Refusal::because(code, &error.to_string()))).await,
                            None => return Box::pin(self.cut_off(send)).await,
                        },
                    },
                    stream = self.connection.accept_bi() => match stream {
                        Ok((send, recv)) => {
                            openers.spawn(self.open(send, recv));
                            streams = self.grant(streams, openers.len());
                        }
                        Err(_) => return self.lost(),
                    },
                    Some(_) = openers.join_next() => {}
                    () = revoked.changed_from(false) => {
                        return Box::pin(self.end(send, Refusal::because(Code::TOKEN_EXPIRED, REVOKED))).await;
                    }
                    () = until(end) => return self.expire(),
                    // The backend has another token for the session; the client's own is answered above.
                    () = passes.changed() => {
                        end = self.expiry();
                        let left = Gate::left(&self.opened.session.pass());
                        break FromServer::Refreshed { expires_in_ms: left.map(millis) }.encode();
                    }
                    within_ms = drain.begun() => break FromServer::GoAway { code: Code::GOING_AWAY, within_ms, url: None }.encode(),
                }
            };
        }
    }

    fn welcome(&self, version: u32) -> Welcome {
        let bounds = &self.node.shared.bounds;
        Welcome {
            version,
            session: self.opened.session.name.to_string(),
            resume: self.opened.session.ticket.to_vec().into(),
            resumed: self.opened.resumed,
            linger_ms: millis(bounds.linger),
            idle_ms: millis(self.node.idle_timeout),
            limits: bounds.limits,
            agent: AGENT.into(),
            expires_in_ms: Gate::left(&self.opened.session.pass()).map(millis),
        }
    }

    /// When the token's time is over, and with it the connection.
    fn expiry(&self) -> Option<tokio::time::Instant> {
        let left = self.node.gate.ends_in(&self.opened.session.pass())?;
        tokio::time::Instant::now().checked_add(left)
    }

    /// The token has expired: the client is to come back with a new one, and finds its session waiting.
    fn expire(&self) -> Ending {
        let refusal = Refusal::because(Code::TOKEN_EXPIRED, "the token has expired");
        handshake::close(&self.node.shared.tally, self.connection, &refusal);
        Ending::Lost
    }

    /// A client that has moved says something soon, if only a ping.
    async fn hear(
        &self,
        frame: Result<FromClient, dunlin_proto::frame::DecodeError>,
    ) -> Result<Option<FromServer>, Refusal> {
        self.node.registry.look(&self.opened.session, Instant::now());
        self.answer(frame).await
    }

    /// What a control frame is answered with, if anything; or why the connection ends.
    async fn answer(
        &self,
        frame: Result<FromClient, dunlin_proto::frame::DecodeError>,
    ) -> Result<Option<FromServer>, Refusal> {
        match frame {
            Ok(FromClient::Ping { n }) => return Ok(Some(FromServer::Pong { n })),
            Ok(FromClient::Refresh { token }) => return self.refresh(&token).await.map(Some),
            Ok(FromClient::Pause) => self.paused.set(true),
            Ok(FromClient::Resume) => self.paused.set(false),
            Ok(FromClient::Goodbye { .. }) => return Err(Refusal::because(Code::OK, "goodbye")),
            Ok(FromClient::Hello(_)) => return Err(Refusal::new(Code::HELLO_REPEATED)),
            Err(error) => return Err(Refusal::because(error.code(), &error.to_string())),
        };
        Ok(None)
    }

    /// Takes another token of the same user for the session, or ends it.
    async fn refresh(&self, token: &str) -> Result<FromServer, Refusal> {
        let Opened { session, generation, .. } = self.opened;
        session.rates.join()?;
        let held = session.pass();
        let pass = self.node.admit(Some(token), Some(&held), |pass| Who::refreshing(session, pass)).await?;
        if pass.user() != session.user() {
            return Err(Refusal::because(Code::FORBIDDEN, "the token is another user's"));
        }
        let left = Gate::left(&pass);
        session.allow(generation, Access::of(&self.node.console, self.place, Some(token)), pass);
        if self.node.gate.has_revoked(&session.pass()) {
            return Err(Refusal::because(Code::TOKEN_EXPIRED, REVOKED));
        }
        Ok(FromServer::Refreshed { expires_in_ms: left.map(millis) })
    }

    /// The control stream can be read or written no more: because the connection is gone, or because the client has
    /// reset or stopped this one stream.
    async fn cut_off(&self, send: SendStream) -> Ending {
        if self.connection.close_reason().is_some() {
            return self.lost();
        }
        self.end(send, Refusal::because(Code::UNEXPECTED_FRAME, "the control stream must stay open")).await
    }

    /// Ends session and connection, with a word about why.
    async fn end(&self, mut send: SendStream, refusal: Refusal) -> Ending {
        handshake::farewell(&mut send, FromServer::Goodbye(refusal.clone()).encode()).await;
        if refusal.code == Code::OK {
            self.connection.close(Code::OK.0, &refusal.message);
        } else {
            handshake::close(&self.node.shared.tally, self.connection, &refusal);
        }
        Ending::Closed
    }

    /// A client that does not read its control stream is cut off.
    async fn write(&self, send: &mut SendStream, frame: Bytes) -> Result<(), ()> {
        let written = tokio::time::timeout(self.node.shared.bounds.deadline, send.write(frame)).await;
        match written {
            Ok(written) => written.map_err(drop),
            Err(_) => {
                handshake::close(
                    &self.node.shared.tally,
                    self.connection,
                    &Refusal::because(Code::DEADLINE, "the control stream is not read"),
                );
                Err(())
            }
        }
    }

    /// The task of a stream that is yet to join.
    fn open(&self, send: SendStream, recv: RecvStream) -> impl Future<Output = ()> + use<> {
        let deadline = self.node.shared.bounds.deadline;
        let frames = Frames::new(recv, longest(self.node), deadline, self.room.clone());
        let Opened { session, generation, .. } = self.opened;
        let paused = self.paused.clone();
        let connection = self.connection.clone();
        open(self.node.clone(), session.clone(), connection, generation.clone(), paused, send, frames)
    }

    /// Doubles the stream credit when half of it is used.
    fn grant(&self, granted: u32, opening: usize) -> u32 {
        let used = u32::try_from(self.opened.session.channels() + opening).unwrap_or(u32::MAX);
        let most = self.node.shared.bounds.limits.channels + SPARE_STREAMS;
        if used < granted / 2 || granted >= most {
            return granted;
        }
        let more = (granted * 2).min(most);
        self.connection.grant_streams(more);
        more
    }

    /// What the end of the connection means for the session. A client that closed with OK will not be back; what this side
    /// closed has moved to another connection, which the registry knows, or was a violation.
    fn lost(&self) -> Ending {
        match self.connection.close_reason() {
            Some(ConnectionError::Closed { code, .. }) if code == Code::OK.0 => Ending::Closed,
            Some(ConnectionError::LocallyClosed) => Ending::Closed,
            _ => Ending::Lost,
        }
    }
}

/// What a client is told whose session was revoked.
const REVOKED: &str = "the token was revoked";

fn millis(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Takes it out of its box, which is given back here: one that a future takes apart stays until the future ends.
#[expect(clippy::boxed_local, reason = "that it comes in a box is the point")]
fn unbox<T>(it: Box<T>) -> T {
    *it
}

async fn until(at: Option<tokio::time::Instant>) {
    match at {
        // In a box: most sessions do not end by themselves.
        Some(at) => Box::pin(tokio::time::sleep_until(at)).await,
        None => std::future::pending().await,
    }
}

/// Longest frame that a client may send on a channel.
fn longest(node: &Node) -> usize {
    node.shared.bounds.limits.frame().max(MAX_CONTROL_FRAME)
}

/// Reads the join that a stream must begin with, and hands the stream to its membership.
async fn open(
    node: Arc<Node>,
    session: Arc<Session>,
    connection: Connection,
    generation: Generation,
    paused: Arc<Flag>,
    send: SendStream,
    mut frames: Frames,
) {
    let refusal = match frames.first().await {
        Ok(Some(frame)) => match channel::FromClient::decode(&frame) {
            Ok(channel::FromClient::Join(join)) => {
                let attach = Attach { join, send, frames, connection, generation, paused };
                session.attach(&node.shared, Box::new(attach)).await;
                return;
            }
            Ok(channel::FromClient::Push(_) | channel::FromClient::Adjust(_)) => {
                Refusal::because(Code::UNEXPECTED_FRAME, "the first frame must be Join")
            }
            Err(error) => Refusal::because(error.code(), &error.to_string()),
        },
        Ok(None) => Refusal::because(Code::UNEXPECTED_FRAME, "the stream ended before Join"),
        Err(error) => match error.code() {
            Some(code) => Refusal::because(code, &error.to_string()),
            None => return,
        },
    };
    counter!("dunlin_streams_refused_total").increment(1);
    node.shared.tally.refused(refusal.code);
    membership::farewell(send, ChannelFrame::Refused(refusal.clone()).encode(), &refusal).await;
    frames.stop(refusal.code);
}

//! The time from a server's welcome to the end of the connection.

use std::{collections::BTreeMap, net::SocketAddr, pin::pin, time::Duration};

use dunlin_proto::{
    code::Code,
    frame::control::{FromClient, FromServer},
};
use dunlin_transport::Kind;
use rand::{Rng, rngs::StdRng};
use tokio::{
    select,
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until, timeout},
};

use crate::{
    Cause, Change, Rung, State, backoff,
    candidate::{Candidate, abandon},
    continuity::{Act, Continuity, Moment},
    credential::ASK_AGAIN,
    ending::Ending,
    greeting::{Greeted, Greeter, Joins},
    local_route,
    network::{Network, Word},
    rollcall::RollCall,
    supervisor::Command,
    upgrade::{Pauses, Upgrade},
    watchdog::{Traffic, Watchdog},
};

/// How long the server may take to move the session to a connection on which it has just answered. Everything else on
/// the control stream waits meanwhile.
const MOVE_PATIENCE: Duration = Duration::from_secs(3);

/// How the time online came to its end.
#[derive(Debug)]
pub(crate) enum End {
    /// The application wants it; the server was told. Who waits for it, if anybody.
    Told(Option<oneshot::Sender<()>>),
    /// The session has moved to this connection, which is better.
    Moved(Greeted),
    /// This connection may be gone: another one is to be made beside it.
    Suspect(Greeted, Cause),
    /// The application has paused for long: the connection was let go.
    Parked,
    /// Something else; and when the server was heard last.
    Ended(Ending, Instant),
}

/// What the supervisor lends for the time online.
#[derive(Debug)]
pub(crate) struct Lent<'a> {
    pub(crate) commands: &'a mut mpsc::Receiver<Command>,
    pub(crate) paused: &'a mut watch::Receiver<bool>,
    pub(crate) network: &'a mut Network,
    pub(crate) greeter: &'a mut Greeter,
    pub(crate) pauses: &'a mut Pauses,
    pub(crate) rng: &'a mut StdRng,
    pub(crate) state: &'a watch::Sender<State>,
    pub(crate) roll: &'a RollCall,
    pub(crate) keep_alive: Duration,
    pub(crate) park_after: Duration,
}

/// Listens to the server and to the application until the connection's end, and meanwhile looks for a better connection
/// if there can be one.
pub(crate) async fn run(greeted: Greeted, upgrade: Option<Upgrade>, lent: Lent<'_>) -> End {
    let kind = greeted.connection.kind();
    let server = greeted.connection.remote_address();
    // In memory there is no network to lose.
    let route = (kind != Kind::Memory).then(|| lent.network.route(&[server])).flatten();
    let now = Moment::now();
    let watchdog = Watchdog::new(lent.keep_alive, now.at, greeted.connection.stats().received_bytes);
    let continuity = Continuity::new(watchdog, route, matches!(kind, Kind::Quic | Kind::WebTransport), now);
    let mut online = Online { greeted, server, continuity, pings: BTreeMap::new(), away: None, moving: None };
    match online.listen(upgrade, lent).await {
        Ok(Over::Told(done)) => {
            farewell(online.greeted).await;
            End::Told(done)
        }
        Ok(Over::Suspect(cause)) => End::Suspect(online.greeted, cause),
        Ok(Over::Moved(better)) => {
            abandon(&online.greeted.connection);
            End::Moved(*better)
        }
        Ok(Over::Parked) => {
            abandon(&online.greeted.connection);
            End::Parked
        }
        Err(ending) => {
            abandon(&online.greeted.connection);
            End::Ended(ending, online.greeted.pulse.heard())
        }
    }
}

/// Ends the session and its connection: says so to the server, and waits for it, but not for long.
pub(crate) async fn farewell(greeted: Greeted) {
    let goodbye = FromClient::Goodbye { code: Code::OK, message: String::new() };
    greeted.control.finish(&greeted.connection, &goodbye).await;
    greeted.connection.close(Code::OK.0, "");
}

#[derive(Debug)]
struct Online {
    greeted: Greeted,
    server: SocketAddr,
    continuity: Continuity,
    /// Pings of the application without an answer, by number. Each is held by a caller that waits.
    pings: BTreeMap<u64, (Instant, oneshot::Sender<Duration>)>,
    /// When to leave for where the server sent us.
    away: Option<(Instant, Option<String>)>,
    /// The connection has moved to another socket, and there is no answer yet.
    moving: Option<Moving>,
}

/// A move on its way.
#[derive(Debug, Clone, Copy)]
struct Moving {
    /// Where this device was before.
    from: Option<SocketAddr>,
    /// The number of the `Ping` that is answered on the new path.
    probe: u64,
}

/// Why listening is over.
#[derive(Debug)]
enum Over {
    Told(Option<oneshot::Sender<()>>),
    Moved(Box<Greeted>),
    Suspect(Cause),
    Parked,
}

impl Online {
    async fn listen(&mut self, upgrade: Option<Upgrade>, lent: Lent<'_>) -> Result<Over, Ending> {
        let Lent { commands, paused, network, greeter, pauses, rng, state, roll, park_after, .. } = lent;
        let mut look = || Some(upgrade.clone()?.attempt(pauses.next(&mut rand::rng())));
        let mut better = pin!(maybe(look()));
        let mut renew_at = greeter.credential.renew_at();
        let mut asked = None;
        let mut park = self.pause(*paused.borrow_and_update(), park_after);
        loop {
            let leave = self.away.as_ref().map(|(at, _)| *at);
            let late = roll.deadline();
            let held = self.continuity.is_away();
            let act = select! {
                command = commands.recv() => match command {
                    Some(Command::Ping(pong)) => {
                        self.ping(Some(pong));
                        Act::Rest
                    }
                    Some(Command::Close(done)) => return Ok(Over::Told(Some(done))),
                    None => return Ok(Over::Told(None)),
                },
                frame = self.greeted.control.next(!held) => {
                    let frame = frame?;
                    self.greeted.pulse.beat();
                    if let FromServer::Refreshed { expires_in_ms } = &frame {
                        greeter.credential.accepted(*expires_in_ms);
                        renew_at = greeter.credential.renew_at();
                    }
                    self.hear(frame, rng, state, roll)?;
                    Act::Rest
                }
                () = until(renew_at) => {
                    renew_at = None;
                    asked = greeter.credential.ask();
                    Act::Rest
                }
                found = maybe(asked.as_mut()) => {
                    asked = None;
                    match found {
                        Ok(token) => {
                            greeter.credential.replace(token.clone());
                            self.greeted.control.say(&FromClient::Refresh { token });
                        }
                        Err(problem) => {
                            tracing::debug!(problem, "there is no new token");
                            renew_at = Instant::now().checked_add(ASK_AGAIN);
                        }
                    }
                    Act::Rest
                }
                Ok(()) = paused.changed() => {
                    park = self.pause(*paused.borrow_and_update(), park_after);
                    Act::Rest
                }
                () = sleep_until(self.continuity.due()) => self.look(network),
                () = self.greeted.pulse.felt(), if self.continuity.is_idle() => self.look(network),
                word = network.changed() => self.routed(network, word),
                () = until(park) => return Ok(Over::Parked),
                () = until(late) => {
                    roll.conclude();
                    Act::Rest
                }
                () = until(leave) => {
                    let url = self.away.take().and_then(|(_, url)| url);
                    // A URL that cannot be dialled sends us to the usual address.
                    return Err(Ending::Moved(url.and_then(|url| url.parse().ok())));
                }
                found = &mut better => {
                    if let Some((candidate, dialled)) = found {
                        roll.lost(self.greeted.pulse.heard(), Cause::BetterWay, self.greeted.local);
                        match move_to(candidate, dialled, greeter).await {
                            Some(greeted) => return Ok(Over::Moved(Box::new(greeted))),
                            None => roll.kept(),
                        }
                    }
                    better.set(maybe(look()));
                    Act::Rest
                }
            };
            match act {
                Act::Rest => {}
                Act::Ask => self.ping(None),
                Act::Hold => {
                    tracing::debug!("there is no network");
                    greeter.hold(true);
                    roll.lost(self.greeted.pulse.heard(), Cause::NetworkChanged, self.greeted.local);
                    let since = self.greeted.pulse.heard().into_std();
                    state.send_replace(State::Recovering { attempt: 0, since });
                }
                Act::Migrate => {
                    greeter.hold(false);
                    if let Err(error) = self.migrate() {
                        tracing::debug!(%error, "no socket on the new network");
                        return Ok(Over::Suspect(Cause::NetworkChanged));
                    }
                }
                Act::Race(cause) => return Ok(Over::Suspect(cause)),
                Act::Leave => return Err(Ending::Offline),
            }
        }
    }

    /// Has events held back or not; gives when to let the connection go.
    fn pause(&mut self, pause: bool, park_after: Duration) -> Option<Instant> {
        if std::mem::replace(&mut self.greeted.is_paused, pause) != pause {
            self.greeted.control.say(if pause { &FromClient::Pause } else { &FromClient::Resume });
        }
        if pause { Instant::now().checked_add(park_after) } else { None }
    }

    /// Looks at what has been received.
    fn look(&mut self, network: &Network) -> Act {
        if self.greeted.pulse.take_wrote() && self.greeted.connection.kind() != Kind::Memory {
            self.continuity.wrote(Instant::now());
        }
        let act = self.continuity.look(Moment::now(), self.traffic());
        if act == Act::Rest && !self.continuity.is_away() {
            return act;
        }
        // Where nothing tells of another network, its route does.
        match self.routed(network, Word::System) {
            Act::Rest => act,
            routed => routed,
        }
    }

    fn routed(&mut self, network: &Network, word: Word) -> Act {
        let route = network.route(&[self.server]);
        self.continuity.routed(Moment::now(), route, word == Word::Host, self.traffic().rtt)
    }

    fn traffic(&self) -> Traffic {
        let stats = self.greeted.connection.stats();
        Traffic { received: stats.received_bytes, rtt: stats.rtt }
    }

    /// Moves the connection to a new socket, and asks there for a sign of life.
    fn migrate(&mut self) -> std::io::Result<()> {
        self.greeted.dialer.rebind()?;
        let from = match self.moving {
            Some(moving) => moving.from,
            None => {
                self.greeted.pulse.measure();
                self.greeted.local
            }
        };
        self.greeted.local = local_route::address(&self.greeted.connection);
        tracing::debug!(?from, to = ?self.greeted.local, "moving to another socket");
        self.ping(None);
        self.moving = Some(Moving { from, probe: self.greeted.asked });
        Ok(())
    }

    fn ping(&mut self, pong: Option<oneshot::Sender<Duration>>) {
        self.greeted.asked += 1;
        let n = self.greeted.asked;
        self.greeted.control.say(&FromClient::Ping { n });
        if let Some(pong) = pong {
            self.pings.insert(n, (Instant::now(), pong));
        }
    }

    fn hear(
        &mut self,
        frame: FromServer,
        rng: &mut impl Rng,
        state: &watch::Sender<State>,
        roll: &RollCall,
    ) -> Result<(), Ending> {
        match frame {
            FromServer::Pong { n } => {
                if let Some((sent, pong)) = self.pings.remove(&n) {
                    // Nobody may be waiting any more.
                    let _ = pong.send(sent.elapsed());
                }
                if let Some(moving) = self.moving.take_if(|moving| n >= moving.probe) {
                    self.moved(moving, state, roll);
                }
            }
            FromServer::GoAway { within_ms, url, .. } => {
                let jitter = backoff::up_to(Duration::from_millis(within_ms), rng);
                self.away = Some((Instant::now() + jitter, url));
            }
            FromServer::Goodbye(refusal) => return Err(Ending::Goodbye(refusal)),
            FromServer::Refreshed { .. } => {}
            FromServer::Welcome(_) | FromServer::Refused(_) => {
                return Err(Ending::broken("a second answer to Hello"));
            }
        }
        Ok(())
    }

    /// The server has answered on the new path.
    fn moved(&self, moving: Moving, state: &watch::Sender<State>, roll: &RollCall) {
        roll.migrated(Change {
            rung: Rung::Migrated,
            cause: Cause::NetworkChanged,
            gap: self.greeted.pulse.longest(),
            recovered: 0,
            lost: Some(0),
            from: moving.from,
            to: self.greeted.local,
            transport: self.greeted.connection.kind(),
        });
        self.greeted.show(state);
    }
}

/// Moves the session to another connection. If that fails, what becomes of this one is seen there: the server may have
/// moved the session all the same.
async fn move_to(candidate: Candidate, dialled: Instant, greeter: &mut Greeter) -> Option<Greeted> {
    let greet = greeter.greet(candidate, dialled, Joins::AfterWelcome);
    match timeout(MOVE_PATIENCE, greet).await.unwrap_or_else(|_| Err(Ending::silence())) {
        Ok(greeted) => Some(greeted),
        Err(ending) => {
            tracing::debug!("the session could not be moved: {}", ending.problem());
            None
        }
    }
}

/// What a future gives, if there is one.
async fn maybe<F: Future>(future: Option<F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

/// Waits until then, if it is ever to come.
async fn until(at: Option<Instant>) {
    maybe(at.map(sleep_until)).await;
}

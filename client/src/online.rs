//! The time from a server's welcome to the end of the connection.

use std::{collections::BTreeMap, pin::pin, time::Duration};

use dunlin_proto::{
    code::Code,
    frame::control::{FromClient, FromServer},
};
use dunlin_transport::Connection;
use rand::{Rng, rngs::StdRng};
use tokio::{
    select,
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until, timeout},
};

use crate::{
    backoff,
    candidate::{Candidate, abandon},
    control::Control,
    ending::Ending,
    greeting::{Greeted, Greeter, Joins},
    liveness::{Act, Liveness},
    supervisor::Command,
    upgrade::{Pauses, Upgrade},
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
    /// Something else.
    Ended(Ending),
}

/// What the supervisor lends for the time online.
#[derive(Debug)]
pub(crate) struct Lent<'a> {
    pub(crate) commands: &'a mut mpsc::Receiver<Command>,
    pub(crate) paused: &'a mut watch::Receiver<bool>,
    pub(crate) greeter: &'a mut Greeter,
    pub(crate) pauses: &'a mut Pauses,
    pub(crate) rng: &'a mut StdRng,
    pub(crate) keep_alive: Duration,
}

/// Listens to the server and to the application until the connection's end, and meanwhile looks for a better connection
/// if there can be one.
pub(crate) async fn run(
    connection: Connection,
    control: Control,
    upgrade: Option<Upgrade>,
    lent: Lent<'_>,
) -> End {
    let liveness = Liveness::new(lent.keep_alive, Instant::now());
    let mut online = Online { connection, control, liveness, pings: BTreeMap::new(), asked: 0, away: None };
    let end = online.listen(upgrade, lent).await.unwrap_or_else(End::Ended);
    let Online { connection, control, .. } = online;
    if let End::Told(_) = end {
        let goodbye = FromClient::Goodbye { code: Code::OK, message: String::new() };
        control.finish(&connection, &goodbye).await;
        connection.close(Code::OK.0, "");
    } else {
        abandon(&connection);
    }
    end
}

#[derive(Debug)]
struct Online {
    connection: Connection,
    control: Control,
    liveness: Liveness,
    /// Pings of the application without an answer, by number. Each is held by a caller that waits.
    pings: BTreeMap<u64, (Instant, oneshot::Sender<Duration>)>,
    /// The number of the last `Ping`.
    asked: u64,
    /// When to leave for where the server sent us.
    away: Option<(Instant, Option<String>)>,
}

impl Online {
    async fn listen(&mut self, upgrade: Option<Upgrade>, lent: Lent<'_>) -> Result<End, Ending> {
        let Lent { commands, paused, greeter, pauses, rng, .. } = lent;
        let mut look = || Some(upgrade.clone()?.attempt(pauses.next(&mut rand::rng())));
        let mut better = pin!(maybe(look()));
        // A server does not remember a pause beyond the connection.
        if *paused.borrow_and_update() {
            self.control.write(&FromClient::Pause).await?;
        }
        loop {
            let leave = self.away.as_ref().map(|(at, _)| *at);
            select! {
                command = commands.recv() => match command {
                    Some(Command::Ping(pong)) => self.ping(Some(pong)).await?,
                    Some(Command::Close(done)) => return Ok(End::Told(Some(done))),
                    None => return Ok(End::Told(None)),
                },
                frame = self.control.read() => self.hear(frame?, rng)?,
                Ok(()) = paused.changed() => {
                    let pause = *paused.borrow_and_update();
                    let frame = if pause { FromClient::Pause } else { FromClient::Resume };
                    self.control.write(&frame).await?;
                }
                () = sleep_until(self.liveness.due()) => {
                    match self.liveness.act(Instant::now(), self.connection.stats().received_bytes) {
                        Act::Ping => self.ping(None).await?,
                        Act::Rest => {}
                        Act::GiveUp => return Err(Ending::Lost("the server has gone silent".into())),
                    }
                }
                () = sleep_until(leave.unwrap_or_else(Instant::now)), if leave.is_some() => {
                    let url = self.away.take().and_then(|(_, url)| url);
                    // A URL that cannot be dialled sends us to the usual address.
                    return Err(Ending::Moved(url.and_then(|url| url.parse().ok())));
                }
                found = &mut better => {
                    if let Some((candidate, dialled)) = found
                        && let Some(greeted) = move_to(candidate, dialled, greeter).await
                    {
                        return Ok(End::Moved(greeted));
                    }
                    better.set(maybe(look()));
                }
            }
        }
    }

    async fn ping(&mut self, pong: Option<oneshot::Sender<Duration>>) -> Result<(), Ending> {
        self.asked += 1;
        self.control.write(&FromClient::Ping { n: self.asked }).await?;
        if let Some(pong) = pong {
            self.pings.insert(self.asked, (Instant::now(), pong));
        }
        Ok(())
    }

    fn hear(&mut self, frame: FromServer, rng: &mut impl Rng) -> Result<(), Ending> {
        match frame {
            FromServer::Pong { n } => {
                if let Some((sent, pong)) = self.pings.remove(&n) {
                    // Nobody may be waiting any more.
                    let _ = pong.send(sent.elapsed());
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

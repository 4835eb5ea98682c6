//! The time from a server's welcome to the end of the connection.

use std::{collections::BTreeMap, time::Duration};

use dunlin_proto::{
    code::Code,
    frame::control::{FromClient, FromServer},
};
use dunlin_transport::Connection;
use rand::Rng;
use tokio::{
    select,
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};

use crate::{
    backoff,
    control::Control,
    ending::Ending,
    liveness::{Act, Liveness},
    supervisor::Command,
};

/// How the time online came to its end.
#[derive(Debug)]
pub(crate) enum End {
    /// The application wants it; the server was told. Who waits for it, if anybody.
    Told(Option<oneshot::Sender<()>>),
    /// Something else.
    Ended(Ending),
}

/// Listens to the server and to the application until the connection's end.
pub(crate) async fn run(
    connection: &Connection,
    control: Control,
    commands: &mut mpsc::Receiver<Command>,
    paused: &mut watch::Receiver<bool>,
    keep_alive: Duration,
    rng: &mut impl Rng,
) -> End {
    let now = Instant::now();
    let liveness = Liveness::new(keep_alive, now);
    let mut online = Online { control, liveness, pings: BTreeMap::new(), asked: 0, away: None };
    let done = match online.listen(connection, commands, paused, rng).await {
        Ok(done) => done,
        Err(ending) => return End::Ended(ending),
    };
    let goodbye = FromClient::Goodbye { code: Code::OK, message: String::new() };
    online.control.finish(connection, &goodbye).await;
    connection.close(Code::OK.0, "");
    End::Told(done)
}

#[derive(Debug)]
struct Online {
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
    /// Returns when the application wants an end, with whom to tell about it.
    async fn listen(
        &mut self,
        connection: &Connection,
        commands: &mut mpsc::Receiver<Command>,
        paused: &mut watch::Receiver<bool>,
        rng: &mut impl Rng,
    ) -> Result<Option<oneshot::Sender<()>>, Ending> {
        // A server does not remember a pause beyond the connection.
        if *paused.borrow_and_update() {
            self.control.write(&FromClient::Pause).await?;
        }
        loop {
            let leave = self.away.as_ref().map(|(at, _)| *at);
            select! {
                command = commands.recv() => match command {
                    Some(Command::Ping(pong)) => self.ping(Some(pong)).await?,
                    Some(Command::Close(done)) => return Ok(Some(done)),
                    None => return Ok(None),
                },
                frame = self.control.read() => self.hear(frame?, rng)?,
                Ok(()) = paused.changed() => {
                    let pause = *paused.borrow_and_update();
                    let frame = if pause { FromClient::Pause } else { FromClient::Resume };
                    self.control.write(&frame).await?;
                }
                () = sleep_until(self.liveness.due()) => {
                    match self.liveness.act(Instant::now(), connection.stats().received_bytes) {
                        Act::Ping => self.ping(None).await?,
                        Act::Rest => {}
                        Act::GiveUp => return Err(Ending::Lost("the server has gone silent".into())),
                    }
                }
                () = sleep_until(leave.unwrap_or_else(Instant::now)), if leave.is_some() => {
                    let url = self.away.take().and_then(|(_, url)| url);
                    // A URL that this version cannot dial sends us to the usual address.
                    return Err(Ending::Moved(url.and_then(|url| url.parse().ok())));
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

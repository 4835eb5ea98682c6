//! The task that keeps a client connected.

use std::time::Duration;

use rand::rngs::StdRng;
use tokio::{
    select,
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep, timeout_at},
};

use crate::{
    Builder, Closed, State,
    address::Address,
    attempt::{Attempt, Reached},
    dial::Dial,
    ending::Ending,
    greeting::{Greeted, Greeter, Joins},
    link::Link,
    online::{self, End, Lent},
    state::Outage,
    upgrade::{Pauses, Upgrade},
};

/// How long an attempt may take from dialling to the server's welcome: short at first, for a new attempt reaches a server
/// that has just come up sooner than the packets that an old one repeats at growing intervals; then long enough for any
/// network.
fn patience(failures: u32) -> Duration {
    Duration::from_secs(u64::from(failures.saturating_mul(2).saturating_add(3)).min(10))
}

/// What handles ask of the supervisor.
#[derive(Debug)]
pub(crate) enum Command {
    /// Measure a round trip to the server's session; without an answer the connection was lost.
    Ping(oneshot::Sender<Duration>),
    /// Say goodbye and end.
    Close(oneshot::Sender<()>),
}

/// What handles and channels see of the supervisor.
#[derive(Debug)]
pub(crate) struct Views {
    pub(crate) link: watch::Receiver<Link>,
    pub(crate) state: watch::Receiver<State>,
    pub(crate) problem: watch::Receiver<Option<String>>,
}

/// Owns the connection: dials, greets, listens on the control stream, and begins again when it is lost.
#[derive(Debug)]
pub(crate) struct Supervisor {
    settings: Builder,
    dial: Dial,
    greeter: Greeter,
    /// Where the server sent this client: tried once, before the usual address.
    elsewhere: Option<Address>,
    /// Between attempts to come back to the first choice of transports.
    pauses: Pauses,
    rng: StdRng,
    paused: watch::Receiver<bool>,
    state: watch::Sender<State>,
    problem: watch::Sender<Option<String>>,
}

/// A supervisor to run, and its views. `commands` closes when all handles and channels are gone.
pub(crate) fn new(settings: &Builder, paused: watch::Receiver<bool>) -> (Supervisor, Views) {
    let (link, link_view) = watch::channel(Link::Down);
    let (state, state_view) = watch::channel(State::Connecting);
    let (problem, problem_view) = watch::channel(None);
    let supervisor = Supervisor {
        settings: settings.clone(),
        dial: Dial::new(settings.clone()),
        greeter: Greeter::new(settings, link),
        elsewhere: None,
        pauses: Pauses::new(settings.retry_quic),
        rng: rand::make_rng(),
        paused,
        state,
        problem,
    };
    (supervisor, Views { link: link_view, state: state_view, problem: problem_view })
}

/// A way to say goodbye, or that there is nobody who waits for it.
type Done = Option<oneshot::Sender<()>>;

impl Supervisor {
    /// Runs until it is told to close, all handles are gone, or the server's answer is final.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let (closed, done) = self.keep_connected(&mut commands).await;
        tracing::debug!(%closed, "the client ends");
        self.greeter.hang_up(Link::Closed(closed.clone()));
        self.state.send_replace(State::Closed(closed));
        drop(commands);
        if let Some(done) = done {
            // Nobody may be waiting any more.
            let _ = done.send(());
        }
    }

    async fn keep_connected(&mut self, commands: &mut mpsc::Receiver<Command>) -> (Closed, Done) {
        let mut outage = Outage::at_start(now());
        loop {
            let attempt = select! {
                biased;
                done = told_to_close(commands) => return (Closed::by_us(), done),
                attempt = self.attempt(outage.failures) => attempt,
            };
            let ending = match attempt {
                Ok((greeted, upgrade)) => {
                    let start = now();
                    let ending = match self.stay_online(greeted, upgrade, commands).await {
                        Ok(done) => return (Closed::by_us(), done),
                        Err(ending) => ending,
                    };
                    outage = Outage::after(now() - start, outage.failures, now());
                    ending
                }
                Err(ending) => {
                    outage.failures += 1;
                    ending
                }
            };
            self.greeter.hang_up(Link::Down);
            tracing::debug!(problem = ending.problem(), failures = outage.failures, "no connection");
            self.problem.send_replace(Some(ending.problem()));
            if ending.ends_session() {
                self.greeter.ticket = None;
            }
            let advice = ending.advice(!self.greeter.welcomed);
            let Some(delay) = self.settings.backoff.delay(outage.failures, advice, &mut self.rng) else {
                return (ending.closed(), None);
            };
            if let Ending::Moved(elsewhere) = ending {
                self.elsewhere = elsewhere.filter(|to| self.dial.may_follow(to));
            }
            self.state.send_replace(outage.state(now()));
            select! {
                biased;
                done = told_to_close(commands) => return (Closed::by_us(), done),
                () = sleep(delay) => {}
            }
            self.state.send_replace(outage.state(now()));
        }
    }

    /// Dials, and goes as far as the server's welcome. With it comes the connection that would be better, if another
    /// transport than the first choice was faster.
    async fn attempt(&mut self, failures: u32) -> Result<(Greeted, Option<Upgrade>), Ending> {
        let start = Instant::now();
        let deadline = start + patience(failures);
        let to = self.elsewhere.take().unwrap_or_else(|| self.settings.address.clone());
        let attempt = Attempt { dial: &self.dial, greeter: &mut self.greeter, to: &to, failures, deadline };
        let Reached { candidate, rather } = attempt.run().await?;
        let greet = self.greeter.greet(candidate, start, Joins::WithHello);
        let greeted = timeout_at(deadline, greet).await;
        let greeted =
            greeted.unwrap_or_else(|_| Err(Ending::Lost("the server does not answer in time".into())))?;
        self.dial.answered(greeted.connection.remote_address());
        let upgrade = rather.map(|way| Upgrade { dial: self.dial.clone(), to, way });
        Ok((greeted, upgrade))
    }

    /// Is online, on one connection after the other as long as the session moves to a better one without a loss.
    async fn stay_online(
        &mut self,
        mut greeted: Greeted,
        mut upgrade: Option<Upgrade>,
        commands: &mut mpsc::Receiver<Command>,
    ) -> Result<Done, Ending> {
        loop {
            self.problem.send_replace(None);
            self.state.send_replace(greeted.state);
            if upgrade.is_none() {
                self.pauses.reset();
            }
            let lent = Lent {
                commands,
                paused: &mut self.paused,
                greeter: &mut self.greeter,
                pauses: &mut self.pauses,
                rng: &mut self.rng,
                keep_alive: self.settings.keep_alive,
            };
            match online::run(greeted.connection, greeted.control, upgrade.take(), lent).await {
                End::Told(done) => return Ok(done),
                End::Moved(better) => greeted = better,
                End::Ended(ending) if self.greeter.is_ghost(&ending) => {
                    return Err(Ending::Lost("an earlier attempt of this client came late".into()));
                }
                End::Ended(ending) => return Err(ending),
            }
        }
    }
}

/// Waits for the order to close, or for the last handle to go; a `Ping` meanwhile gets no answer.
async fn told_to_close(commands: &mut mpsc::Receiver<Command>) -> Done {
    loop {
        match commands.recv().await {
            Some(Command::Ping(_)) => {}
            Some(Command::Close(done)) => return Some(done),
            None => return None,
        }
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

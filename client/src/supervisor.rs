//! The task that keeps a client connected.

mod contest;

use std::time::Duration;

use dunlin_proto::code::Retry;
use rand::rngs::StdRng;
use tokio::{
    select,
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep, timeout_at},
};

use crate::{
    Builder, Cause, Closed, State,
    address::Address,
    attempt::{Attempt, Reached},
    dial::Dial,
    ending::Ending,
    greeting::{Greeted, Greeter, Joins},
    link::Link,
    network::{Hint, Network},
    online::{self, End, Lent},
    rollcall::RollCall,
    state::Outage,
    upgrade::{Pauses, Upgrade},
};
use contest::Winner;

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
    roll: RollCall,
    /// Where the server sent this client: tried once, before the usual address.
    elsewhere: Option<Address>,
    /// Between attempts to come back to the first choice of transports.
    pauses: Pauses,
    rng: StdRng,
    paused: watch::Receiver<bool>,
    hints: watch::Receiver<Hint>,
    state: watch::Sender<State>,
    problem: watch::Sender<Option<String>>,
}

/// What the application says, for the supervisor to look at.
#[derive(Debug)]
pub(crate) struct Wishes {
    pub(crate) paused: watch::Receiver<bool>,
    pub(crate) hints: watch::Receiver<Hint>,
}

/// A supervisor to run, and its views. `commands` closes when all handles and channels are gone.
pub(crate) fn new(settings: &Builder, wishes: Wishes, roll: RollCall) -> (Supervisor, Views) {
    let (link, link_view) = watch::channel(Link::Down);
    let (state, state_view) = watch::channel(State::Connecting);
    let (problem, problem_view) = watch::channel(None);
    let Wishes { paused, hints } = wishes;
    let supervisor = Supervisor {
        settings: settings.clone(),
        dial: Dial::new(settings.clone()),
        greeter: Greeter::new(settings, link, roll.clone()),
        roll,
        elsewhere: None,
        pauses: Pauses::new(settings.retry_quic),
        rng: rand::make_rng(),
        paused,
        hints,
        state,
        problem,
    };
    (supervisor, Views { link: link_view, state: state_view, problem: problem_view })
}

/// A way to say goodbye, or that there is nobody who waits for it.
type Done = Option<oneshot::Sender<()>>;

/// A connection in use, and the one that would be better, if another transport than the first choice was faster.
type Connected = (Greeted, Option<Upgrade>);

/// What ended the time online.
enum Offline {
    /// The application wants it.
    Told(Done),
    /// The application has paused for long.
    Parked,
    /// Something else; and when the server was heard last.
    Lost(Ending, Instant),
}

impl Supervisor {
    /// Runs until it is told to close, all handles are gone, or the server's answer is final.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut network = Network::new(self.hints.clone());
        let (closed, done) = self.keep_connected(&mut commands, &mut network).await;
        tracing::debug!(%closed, "the client ends");
        self.greeter.hang_up(Link::Closed(closed.clone()));
        self.state.send_replace(State::Closed(closed));
        self.roll.end();
        drop(commands);
        if let Some(done) = done {
            // Nobody may be waiting any more.
            let _ = done.send(());
        }
    }

    async fn keep_connected(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
        network: &mut Network,
    ) -> (Closed, Done) {
        let mut outage = Outage::at_start(now());
        loop {
            let known = self.dial.known().to_vec();
            select! {
                biased;
                done = told_to_close(commands) => return (Closed::by_us(), done),
                () = network.available(&known) => {}
            }
            let attempt = select! {
                biased;
                done = told_to_close(commands) => return (Closed::by_us(), done),
                attempt = self.attempt_here(outage.failures, outage.failures > 0, network) => attempt,
            };
            let ending = match attempt {
                Ok(connected) => {
                    let start = now();
                    match self.stay_online(connected, commands, network).await {
                        Offline::Told(done) => return (Closed::by_us(), done),
                        Offline::Parked => match self.wait_parked(commands).await {
                            Some(done) => return (Closed::by_us(), done),
                            None => {
                                outage = Outage::after(now() - start, 0, now());
                                continue;
                            }
                        },
                        Offline::Lost(ending, heard) => {
                            self.roll.lost(heard, Cause::Lost, None);
                            outage = Outage::after(now() - start, outage.failures, heard.into_std());
                            ending
                        }
                    }
                }
                Err(Ending::Offline) => Ending::Offline,
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
            let advice = match (ending.advice(!self.greeter.welcomed), &ending) {
                (Retry::NewToken, Ending::Refused(refusal) | Ending::Goodbye(refusal))
                    if self.greeter.credential.refused(refusal) =>
                {
                    Retry::Now
                }
                (advice, _) => advice,
            };
            let Some(delay) = self.settings.backoff.delay(outage.failures, advice, &mut self.rng) else {
                return (ending.closed(), None);
            };
            // Others were not cut off at the same time: there is no crowd to stay clear of.
            let delay = if ending == Ending::Offline { Duration::ZERO } else { delay };
            if let Ending::Moved(elsewhere) = ending {
                self.elsewhere = elsewhere.filter(|to| self.dial.may_follow(to));
            }
            self.state.send_replace(outage.state(now()));
            let known = self.dial.known().to_vec();
            select! {
                biased;
                done = told_to_close(commands) => return (Closed::by_us(), done),
                () = sleep(delay) => {}
                () = network.moved(&known) => outage.failures = 0,
            }
            self.state.send_replace(outage.state(now()));
        }
    }

    /// Waits, without a connection, until the application wants to go on; or until it wants to end.
    async fn wait_parked(&mut self, commands: &mut mpsc::Receiver<Command>) -> Option<Done> {
        self.roll.lost(Instant::now(), Cause::Resumed, None);
        self.greeter.hang_up(Link::Down);
        self.state.send_replace(State::Paused);
        let goes_on = select! {
            biased;
            done = told_to_close(commands) => return Some(done),
            goes_on = self.paused.wait_for(|paused| !paused) => goes_on.is_ok(),
        };
        if goes_on { None } else { Some(None) }
    }

    /// One attempt, unless the network changes under it.
    async fn attempt_here(
        &mut self,
        failures: u32,
        in_doubt: bool,
        network: &mut Network,
    ) -> Result<Connected, Ending> {
        let known = self.dial.known().to_vec();
        select! {
            // Boxed, as the next: large, rare, and held in the client's task otherwise.
            attempt = Box::pin(self.attempt(failures, in_doubt)) => attempt,
            () = network.moved(&known) => Err(Ending::Offline),
        }
    }

    /// Dials, and goes as far as the server's welcome. `in_doubt` says that the network that the system prefers may be dead.
    async fn attempt(&mut self, failures: u32, in_doubt: bool) -> Result<Connected, Ending> {
        self.greeter.credential.prepare().await?;
        let start = Instant::now();
        let deadline = start + patience(failures);
        let to = self.elsewhere.take().unwrap_or_else(|| self.settings.address.clone());
        let Self { dial, greeter, settings, .. } = self;
        let detours = in_doubt && settings.any_network;
        let attempt = Attempt { dial, greeter, to: &to, failures, detours, deadline };
        let Reached { candidate, rather, addresses } = attempt.run().await?;
        let greet = self.greeter.greet(candidate, start, Joins::WithHello);
        let greeted = timeout_at(deadline, greet).await;
        let greeted =
            greeted.unwrap_or_else(|_| Err(Ending::Lost("the server does not answer in time".into())))?;
        self.dial.answered(&to, addresses, greeted.connection.remote_address());
        let upgrade = rather.map(|way| Upgrade { dial: self.dial.clone(), to, way });
        Ok((greeted, upgrade))
    }

    /// Is online, on one connection after the other as long as there is one.
    async fn stay_online(
        &mut self,
        (mut greeted, mut upgrade): Connected,
        commands: &mut mpsc::Receiver<Command>,
        network: &mut Network,
    ) -> Offline {
        loop {
            self.problem.send_replace(None);
            greeted.show(&self.state);
            if upgrade.is_none() {
                self.pauses.reset();
            }
            let lent = Lent {
                commands,
                paused: &mut self.paused,
                network,
                greeter: &mut self.greeter,
                pauses: &mut self.pauses,
                rng: &mut self.rng,
                state: &self.state,
                roll: &self.roll,
                keep_alive: self.settings.keep_alive,
                park_after: self.settings.park_after,
            };
            match Box::pin(online::run(greeted, upgrade.clone(), lent)).await {
                End::Told(done) => return Offline::Told(done),
                End::Parked => return Offline::Parked,
                End::Moved(better) => (greeted, upgrade) = (better, None),
                End::Suspect(old, cause) => match Box::pin(self.contest(old, cause, commands, network)).await
                {
                    Winner::New(connected) => (greeted, upgrade) = *connected,
                    Winner::Old(old) => greeted = *old,
                    Winner::Nobody(offline) => return offline,
                },
                End::Ended(ending, heard) if self.greeter.is_ghost(&ending) => {
                    let late = Ending::Lost("an earlier attempt of this client came late".into());
                    return Offline::Lost(late, heard);
                }
                End::Ended(ending, heard) => return Offline::Lost(ending, heard),
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

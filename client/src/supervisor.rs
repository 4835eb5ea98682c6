//! The task that keeps a client connected.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use dunlin_proto::{
    code::Code,
    frame::control::{ClientId, Hello},
    version,
};
use dunlin_transport::{Connection, EarlyData};
use rand::rngs::StdRng;
use tokio::{
    select,
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep, timeout_at},
};

use crate::{
    Builder, Closed, State,
    address::Address,
    control::Control,
    dial::Dial,
    ending::Ending,
    link::{Link, Live, Session},
    online::{self, End},
    state::Outage,
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
    client: ClientId,
    /// Resumes the session of the last welcome.
    ticket: Option<Bytes>,
    /// Where the server sent this client: tried once, before the usual address.
    elsewhere: Option<Address>,
    welcomed: bool,
    generation: u64,
    rng: StdRng,
    paused: watch::Receiver<bool>,
    link: watch::Sender<Link>,
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
        client: rand::random(),
        ticket: None,
        elsewhere: None,
        welcomed: false,
        generation: 0,
        rng: rand::make_rng(),
        paused,
        link,
        state,
        problem,
    };
    (supervisor, Views { link: link_view, state: state_view, problem: problem_view })
}

impl Supervisor {
    /// Runs until it is told to close, all handles are gone, or the server's answer is final.
    pub(crate) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let (closed, done) = self.keep_connected(&mut commands).await;
        tracing::debug!(%closed, "the client ends");
        self.link.send_replace(Link::Closed(closed.clone()));
        self.state.send_replace(State::Closed(closed));
        drop(commands);
        if let Some(done) = done {
            // Nobody may be waiting any more.
            let _ = done.send(());
        }
    }

    async fn keep_connected(
        &mut self,
        commands: &mut mpsc::Receiver<Command>,
    ) -> (Closed, Option<oneshot::Sender<()>>) {
        let mut outage = Outage::at_start(now());
        loop {
            let attempt = select! {
                biased;
                done = told_to_close(commands) => return (Closed::by_us(), done),
                attempt = self.attempt(outage.failures) => attempt,
            };
            let ending = match attempt {
                Ok((connection, control)) => {
                    let start = now();
                    let end = online::run(
                        &connection,
                        control,
                        commands,
                        &mut self.paused,
                        self.settings.keep_alive,
                        &mut self.rng,
                    )
                    .await;
                    outage = Outage::after(now() - start, outage.failures, now());
                    match end {
                        End::Told(done) => return (Closed::by_us(), done),
                        End::Ended(ending) => {
                            abandon(&connection);
                            ending
                        }
                    }
                }
                Err(ending) => {
                    outage.failures += 1;
                    ending
                }
            };
            self.link.send_replace(Link::Down);
            tracing::debug!(problem = ending.problem(), failures = outage.failures, "no connection");
            self.problem.send_replace(Some(ending.problem()));
            if ending.ends_session() {
                self.ticket = None;
            }
            let advice = ending.advice(!self.welcomed);
            let Some(delay) = self.settings.backoff.delay(outage.failures, advice, &mut self.rng) else {
                return (ending.closed(), None);
            };
            if let Ending::Moved(elsewhere) = ending {
                self.elsewhere = elsewhere;
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

    /// Dials, and goes as far as the server's welcome.
    async fn attempt(&mut self, failures: u32) -> Result<(Connection, Control), Ending> {
        let start = Instant::now();
        let too_late = || Ending::Lost("the server does not answer in time".into());
        let deadline = start + patience(failures);
        let to = self.elsewhere.take().unwrap_or_else(|| self.settings.address.clone());
        let dialled = timeout_at(deadline, self.dial.dial(&to, failures)).await;
        let connection = dialled.unwrap_or_else(|_| Err(too_late()))?;
        let greeted = timeout_at(deadline, self.greet(&connection, start)).await;
        match greeted.unwrap_or_else(|_| Err(too_late())) {
            Ok(control) => Ok((connection, control)),
            Err(ending) => {
                abandon(&connection);
                Err(ending)
            }
        }
    }

    async fn greet(&mut self, connection: &Connection, start: Instant) -> Result<Control, Ending> {
        let mut control = self.hello(connection).await?;
        if connection.handshake_complete().await? == EarlyData::Rejected {
            // The server has seen no stream so far. Channels open theirs again as well: the generation has risen.
            control = self.hello(connection).await?;
        }
        let welcome = control.welcome().await?;
        self.welcomed = true;
        self.dial.answered(connection.remote_address());
        self.ticket = Some(welcome.resume.clone());
        let state = State::Online { session: welcome.session.clone(), resumed: welcome.resumed };
        tracing::debug!(session = welcome.session, resumed = welcome.resumed, "online");
        self.publish(connection, Some(Arc::new(Session { welcome, handshake: start.elapsed() })));
        self.problem.send_replace(None);
        self.state.send_replace(state);
        Ok(control)
    }

    /// Opens the control stream and lets channels open theirs: all of it fits in the first flight.
    async fn hello(&mut self, connection: &Connection) -> Result<Control, Ending> {
        let hello = Hello {
            versions: vec![version::VERSION],
            agent: self.settings.agent.clone(),
            client: self.client,
            resume: self.ticket.clone(),
            token: self.settings.token.clone(),
        };
        let control = Control::open(connection, hello).await?;
        self.generation += 1;
        self.publish(connection, None);
        Ok(control)
    }

    fn publish(&self, connection: &Connection, session: Option<Arc<Session>>) {
        let live = Live { generation: self.generation, connection: connection.clone(), session };
        self.link.send_replace(Link::Up(live));
    }
}

/// Lets go of a connection to go on with another one. Code 0 would say that this client has finished.
fn abandon(connection: &Connection) {
    connection.close(Code::GOING_AWAY.0, "going on with another connection");
}

/// Waits for the order to close, or for the last handle to go; a `Ping` meanwhile gets no answer.
async fn told_to_close(commands: &mut mpsc::Receiver<Command>) -> Option<oneshot::Sender<()>> {
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

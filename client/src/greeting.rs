//! Saying hello on a connection, and showing channels the connection that was welcomed.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use dunlin_proto::{
    Code,
    frame::control::{ClientId, Hello, Welcome},
    version,
};
use dunlin_transport::{Connection, Dialer, EarlyData};
use tokio::{sync::watch, time::Instant};

use crate::{
    Builder, State,
    candidate::Candidate,
    control::Control,
    credential::Credential,
    ending::Ending,
    flows::Flows,
    info::Connections,
    link::{Link, Live, Session},
    pulse::Pulse,
    rollcall::RollCall,
};

/// How long a `Hello` that was given up may still be on its way to the server: no network's queue is longer.
const GHOST: Duration = Duration::from_secs(60);

/// When channels join on a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joins {
    /// In one flight with `Hello`: there is no other connection.
    WithHello,
    /// When the server has welcomed this client: until then they go on with the connection that they are on.
    AfterWelcome,
}

/// A connection on which the server has welcomed this client.
#[derive(Debug)]
pub(crate) struct Greeted {
    pub(crate) connection: Connection,
    /// What it was dialled with, and moves with.
    pub(crate) dialer: Arc<Dialer>,
    pub(crate) pulse: Pulse,
    pub(crate) control: Control,
    pub(crate) session: Arc<Session>,
    /// Of the link by which channels use it.
    pub(crate) generation: u64,
    /// The number of the last `Ping`.
    pub(crate) asked: u64,
    /// Whether the server was asked to hold events back; it does not remember that beyond the connection.
    pub(crate) is_paused: bool,
    /// This device's address, as far as it is known.
    pub(crate) local: Option<SocketAddr>,
}

impl Greeted {
    /// Tells the application that it is online, unless it knows.
    pub(crate) fn show(&self, state: &watch::Sender<State>) {
        let Welcome { session, resumed, .. } = &self.session.welcome;
        let (session, resumed) = (session.clone(), *resumed);
        let online = State::Online { session, resumed, transport: self.connection.kind() };
        state.send_if_modified(|shown| {
            let is_news = *shown != online;
            *shown = online;
            is_news
        });
    }
}

/// Says hello for one client, and tells its channels.
#[derive(Debug)]
pub(crate) struct Greeter {
    agent: String,
    pub(crate) credential: Credential,
    client: ClientId,
    /// Resumes the session of the last welcome.
    pub(crate) ticket: Option<Bytes>,
    /// Whether a server has ever welcomed this client.
    pub(crate) welcomed: bool,
    generation: u64,
    /// Of the connection that channels are shown.
    flows: Flows,
    connections: Connections,
    /// How many times `Hello` was sent since the last welcome.
    asked: u32,
    /// When a welcome came while another `Hello` had no answer.
    ghost: Option<Instant>,
    link: watch::Sender<Link>,
    roll: RollCall,
}

impl Greeter {
    pub(crate) fn new(settings: &Builder, link: watch::Sender<Link>, roll: RollCall) -> Self {
        Self {
            agent: settings.agent.clone(),
            credential: Credential::new(settings.tokens.clone()),
            client: rand::random(),
            ticket: None,
            welcomed: false,
            generation: 0,
            flows: Flows::default(),
            connections: Connections::default(),
            asked: 0,
            ghost: None,
            link,
            roll,
        }
    }

    /// Sends `Hello` and lets channels join before the server has answered at all, then waits for its answer to the
    /// handshake. If it rejects early data it has seen no stream so far, and all are opened again.
    pub(crate) async fn greet_early(&mut self, candidate: &mut Candidate) -> Result<(), Ending> {
        let control = self.hello(&candidate.connection).await?;
        candidate.control = Some(control);
        self.offer(candidate);
        if candidate.connection.handshake_complete().await? == EarlyData::Rejected {
            self.asked -= 1;
            candidate.control = Some(self.hello(&candidate.connection).await?);
            self.offer(candidate);
        }
        Ok(())
    }

    /// Goes as far as the server's welcome, and takes the connection into use.
    pub(crate) async fn greet(
        &mut self,
        mut candidate: Candidate,
        dialled: Instant,
        joins: Joins,
    ) -> Result<Greeted, Ending> {
        let mut control = match candidate.control.take() {
            Some(control) => control,
            None => {
                let control = self.hello(&candidate.connection).await?;
                if joins == Joins::WithHello {
                    self.offer(&candidate);
                }
                control
            }
        };
        let welcome = control.welcome().await?;
        let local = candidate.local();
        let (connection, dialer, pulse) = candidate.into_use();
        pulse.beat();
        if self.asked > 1 {
            self.ghost = Some(Instant::now());
        }
        self.asked = 0;
        self.welcomed = true;
        self.ticket = Some(welcome.resume.clone());
        self.credential.accepted(welcome.expires_in_ms);
        self.connections.count(connection.kind());
        if joins == Joins::AfterWelcome {
            self.advance();
        }
        let transport = connection.kind();
        tracing::debug!(session = welcome.session, resumed = welcome.resumed, %transport, "online");
        let session = Session { welcome, handshake: dialled.elapsed(), connections: self.connections };
        let session = Arc::new(session);
        self.publish(&connection, &pulse, Some(session.clone()));
        self.roll.welcomed(transport, local);
        let generation = self.generation;
        Ok(Greeted {
            connection,
            dialer,
            pulse,
            control,
            session,
            generation,
            asked: 0,
            is_paused: false,
            local,
        })
    }

    /// Has channels go on with a connection that they were to leave for another one.
    pub(crate) fn offer_again(&mut self, greeted: &mut Greeted) {
        self.advance();
        greeted.generation = self.generation;
        self.publish(&greeted.connection, &greeted.pulse, Some(greeted.session.clone()));
        self.roll.welcomed(greeted.connection.kind(), greeted.local);
    }

    /// Tells channels whether anything may be written now.
    pub(crate) fn hold(&self, hold: bool) {
        self.link.send_if_modified(|link| match link {
            Link::Up(live) => std::mem::replace(&mut live.held, hold) != hold,
            _ => false,
        });
    }

    /// The link as channels see it.
    pub(crate) fn link(&self) -> watch::Receiver<Link> {
        self.link.subscribe()
    }

    /// Tells channels that there is no connection.
    pub(crate) fn hang_up(&self, link: Link) {
        self.link.send_replace(link);
    }

    /// Whether this end may be this client's own doing: a `Hello` of its own that was given up has arrived after all,
    /// and the server has moved the session to a connection that is no more.
    pub(crate) fn is_ghost(&self, ending: &Ending) -> bool {
        let is_move = matches!(ending, Ending::Refused(refusal) if refusal.code == Code::SESSION_MOVED);
        is_move && (self.asked > 0 || self.ghost.is_some_and(|at| at.elapsed() < GHOST))
    }

    async fn hello(&mut self, connection: &Connection) -> Result<Control, Ending> {
        let hello = Hello {
            versions: vec![version::VERSION],
            agent: self.agent.clone(),
            client: self.client,
            resume: self.ticket.clone(),
            token: self.credential.token().map(Into::into),
        };
        self.asked += 1;
        Control::open(connection, hello).await
    }

    /// Lets channels open their streams, which then travel with the `Hello`.
    fn offer(&mut self, candidate: &Candidate) {
        self.advance();
        self.publish(&candidate.connection, &candidate.pulse, None);
    }

    /// From now on members join anew.
    fn advance(&mut self) {
        self.generation += 1;
        self.flows = Flows::default();
        self.roll.call(self.generation);
    }

    fn publish(&self, connection: &Connection, pulse: &Pulse, session: Option<Arc<Session>>) {
        let (connection, pulse, flows) = (connection.clone(), pulse.clone(), self.flows.clone());
        let live = Live { generation: self.generation, connection, pulse, flows, held: false, session };
        self.link.send_replace(Link::Up(live));
    }
}

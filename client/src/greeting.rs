//! Saying hello on a connection, and showing channels the connection that was welcomed.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use dunlin_proto::{
    Code,
    frame::control::{ClientId, Hello},
    version,
};
use dunlin_transport::{Connection, EarlyData};
use tokio::{sync::watch, time::Instant};

use crate::{
    Builder, State,
    candidate::Candidate,
    control::Control,
    ending::Ending,
    info::Connections,
    link::{Link, Live, Session},
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
    pub(crate) control: Control,
    pub(crate) state: State,
}

/// Says hello for one client, and tells its channels.
#[derive(Debug)]
pub(crate) struct Greeter {
    agent: String,
    token: Option<String>,
    client: ClientId,
    /// Resumes the session of the last welcome.
    pub(crate) ticket: Option<Bytes>,
    /// Whether a server has ever welcomed this client.
    pub(crate) welcomed: bool,
    generation: u64,
    connections: Connections,
    /// How many times `Hello` was sent since the last welcome.
    asked: u32,
    /// When a welcome came while another `Hello` had no answer.
    ghost: Option<Instant>,
    link: watch::Sender<Link>,
}

impl Greeter {
    pub(crate) fn new(settings: &Builder, link: watch::Sender<Link>) -> Self {
        Self {
            agent: settings.agent.clone(),
            token: settings.token.clone(),
            client: rand::random(),
            ticket: None,
            welcomed: false,
            generation: 0,
            connections: Connections::default(),
            asked: 0,
            ghost: None,
            link,
        }
    }

    /// Sends `Hello` and lets channels join before the server has answered at all, then waits for its answer to the
    /// handshake. If it rejects early data it has seen no stream so far, and all are opened again.
    pub(crate) async fn greet_early(&mut self, candidate: &mut Candidate) -> Result<(), Ending> {
        let control = self.hello(&candidate.connection).await?;
        candidate.control = Some(control);
        self.offer(&candidate.connection);
        if candidate.connection.handshake_complete().await? == EarlyData::Rejected {
            self.asked -= 1;
            candidate.control = Some(self.hello(&candidate.connection).await?);
            self.offer(&candidate.connection);
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
                    self.offer(&candidate.connection);
                }
                control
            }
        };
        let welcome = control.welcome().await?;
        let connection = candidate.into_use();
        if self.asked > 1 {
            self.ghost = Some(Instant::now());
        }
        self.asked = 0;
        self.welcomed = true;
        self.ticket = Some(welcome.resume.clone());
        self.connections.count(connection.kind());
        if joins == Joins::AfterWelcome {
            self.generation += 1;
        }
        let transport = connection.kind();
        tracing::debug!(session = welcome.session, resumed = welcome.resumed, %transport, "online");
        let state = State::Online { session: welcome.session.clone(), resumed: welcome.resumed, transport };
        let session = Session { welcome, handshake: dialled.elapsed(), connections: self.connections };
        self.publish(&connection, Some(Arc::new(session)));
        Ok(Greeted { connection, control, state })
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
            token: self.token.clone(),
        };
        self.asked += 1;
        Control::open(connection, hello).await
    }

    /// Lets channels open their streams, which then travel with the `Hello`.
    fn offer(&mut self, connection: &Connection) {
        self.generation += 1;
        self.publish(connection, None);
    }

    fn publish(&self, connection: &Connection, session: Option<Arc<Session>>) {
        let live = Live { generation: self.generation, connection: connection.clone(), session };
        self.link.send_replace(Link::Up(live));
    }
}

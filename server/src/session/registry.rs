//! All sessions of the node, connected and parked.

use super::{Carrier, Generation, Session, Ticket, UNPOISONED};
use crate::{
    auth::{Pass, Revoke},
    config,
    guard::Access,
    rates::Rates,
    tally::Tally,
};
use dunlin_proto::frame::control::Hello;
use dunlin_transport::Kind;
use metrics::{counter, gauge};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Instant,
};

/// Sessions by their ticket.
pub(crate) struct Registry {
    bounds: config::Session,
    tally: Arc<Tally>,
    rates: Arc<Rates>,
    sessions: Mutex<HashMap<Ticket, Arc<Session>>>,
}

/// A session on the connection that has just said hello.
pub(crate) struct Opened {
    pub(crate) session: Arc<Session>,
    /// Tells this connection from those that the session was on before.
    pub(crate) generation: Generation,
    pub(crate) resumed: bool,
}

impl Registry {
    pub(crate) fn new(bounds: config::Session, tally: Arc<Tally>, rates: Arc<Rates>) -> Self {
        Self { bounds, tally, rates, sessions: Mutex::default() }
    }

    /// What the session may do that the hello asks for, if it is this client's.
    pub(crate) fn held(&self, hello: &Hello) -> Option<Arc<Pass>> {
        let sessions = self.sessions.lock().expect(UNPOISONED);
        Some(asked_for(&sessions, hello)?.pass())
    }

    /// Resumes the session that the hello asks for, if it is the same user's, or else begins a new one.
    pub(crate) fn open(&self, hello: &Hello, carrier: Carrier, access: Access, pass: Pass) -> Opened {
        let mut sessions = self.sessions.lock().expect(UNPOISONED);
        let held = asked_for(&sessions, hello).filter(|held| held.user() == pass.user());
        if let Some(session) = held {
            let generation = session.connect(carrier, access, pass);
            self.tally.resumed();
            return Opened { session: session.clone(), generation, resumed: true };
        }
        let ticket: Ticket = rand::random();
        let name = format!("{:016x}", rand::random::<u64>());
        let session = Session::new(name.into(), ticket, hello, carrier, access, pass, self.rates.session());
        let session = Arc::new(session);
        sessions.insert(ticket, session.clone());
        self.tally.opened();
        gauge!("dunlin_sessions").set(sessions.len() as f64);
        let generation = Generation::clone(&session.state().generation);
        Opened { session, generation, resumed: false }
    }

    /// The session's connection is gone: it waits for its client, unless it has moved to another connection.
    pub(crate) fn park(&self, session: &Session, generation: &Generation, now: Instant) {
        if self.bounds.linger.is_zero() {
            self.close(session, generation, now);
        } else {
            session.park(generation, now);
        }
    }

    /// Ends the session of a connection that closed on purpose, unless it has moved to another connection.
    pub(crate) fn close(&self, session: &Session, generation: &Generation, now: Instant) {
        // Locked first, or another worker could resume it between its parking and its end.
        let mut sessions = self.sessions.lock().expect(UNPOISONED);
        if session.park(generation, now) {
            sessions.remove(&session.ticket);
            session.end();
            gauge!("dunlin_sessions").set(sessions.len() as f64);
        }
    }

    /// Notices when a client's address has changed: to be called when the client has said something, and now and then.
    pub(crate) fn look(&self, session: &Session, now: Instant) {
        let (change, admitted) = session.look(now);
        if let Some(change) = change {
            self.tally.migrated(change.kind);
            let kind = change.kind.name();
            tracing::debug!(session = &*session.name, kind, from = %change.from, to = %change.to, "path changed");
        }
        if let Err(code) = admitted {
            self.tally.refused(code);
            tracing::info!(session = &*session.name, %code, "closed after a change of path");
        }
    }

    /// Looks after sessions, once in a while: where their clients are, and which have waited too long for theirs.
    pub(crate) fn sweep(&self, now: Instant) {
        for session in self.all() {
            self.look(&session, now);
        }
        self.expire(now);
    }

    /// Ends sessions that have waited too long, and the longest waiting ones beyond the bound.
    fn expire(&self, now: Instant) {
        let mut sessions = self.sessions.lock().expect(UNPOISONED);
        let mut parked: Vec<(Instant, Ticket)> = sessions
            .iter()
            .filter_map(|(ticket, session)| Some((session.parked_since()?, *ticket)))
            .collect();
        parked.sort_unstable();
        let excess = parked.len().saturating_sub(self.bounds.parked);
        let mut ended = 0;
        for (at, (since, ticket)) in parked.iter().enumerate() {
            let is_over = sessions.get(ticket).is_some_and(|session| session.is_over());
            if at < excess || is_over || now.duration_since(*since) >= self.bounds.linger {
                if let Some(session) = sessions.remove(ticket) {
                    session.end();
                }
                ended += 1;
                let why = if at < excess { "evicted" } else { "expired" };
                counter!("dunlin_sessions_ended_parked_total", "why" => why).increment(1);
            }
        }
        let mut carried = HashMap::new();
        for kind in sessions.values().filter_map(|session| session.transport()) {
            *carried.entry(kind).or_insert(0_u32) += 1;
        }
        for kind in [Kind::Quic, Kind::WebTransport, Kind::WebSocket, Kind::Memory] {
            let carried = carried.get(&kind).copied().unwrap_or(0);
            gauge!("dunlin_sessions_connected", "transport" => kind.to_string()).set(carried);
        }
        gauge!("dunlin_sessions").set(sessions.len() as f64);
        gauge!("dunlin_sessions_parked").set((parked.len() - ended) as f64);
    }

    /// Ends the sessions that something revoked concerns, and says how many there were.
    pub(crate) fn revoke(&self, what: &Revoke) -> usize {
        let mut revoked = Vec::new();
        let mut sessions = self.sessions.lock().expect(UNPOISONED);
        sessions.retain(|_, session| {
            let concerns = match what {
                Revoke::User(user) => session.user() == Some(user),
                Revoke::Session(name) => *session.name == **name,
                Revoke::Token(id) => session.pass().token_id() == Some(id),
            };
            if concerns {
                revoked.push(session.clone());
            }
            !concerns
        });
        gauge!("dunlin_sessions").set(sessions.len() as f64);
        drop(sessions);
        for session in &revoked {
            session.revoke();
        }
        revoked.len()
    }

    /// The session of this public name.
    pub(crate) fn named(&self, name: &str) -> Option<Arc<Session>> {
        self.sessions.lock().expect(UNPOISONED).values().find(|session| &*session.name == name).cloned()
    }

    /// How many sessions there are.
    pub(crate) fn len(&self) -> usize {
        self.sessions.lock().expect(UNPOISONED).len()
    }

    /// All sessions of this moment.
    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        self.sessions.lock().expect(UNPOISONED).values().cloned().collect()
    }

    /// Ends all sessions, at shutdown.
    pub(crate) fn end_all(&self) {
        for (_, session) in self.sessions.lock().expect(UNPOISONED).drain() {
            session.end();
        }
        gauge!("dunlin_sessions").set(0.0);
    }
}

/// The session that the hello asks for, if it is this client's.
fn asked_for<'a>(sessions: &'a HashMap<Ticket, Arc<Session>>, hello: &Hello) -> Option<&'a Arc<Session>> {
    let ticket = Ticket::try_from(hello.resume.as_deref()?).ok()?;
    sessions.get(&ticket).filter(|held| held.client == hello.client && !held.is_over())
}

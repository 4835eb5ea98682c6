//! Sessions: who is connected, over which connection, with which channels.

mod carrier;
pub(crate) mod connection;
mod end;
pub(crate) mod flag;
mod generation;
mod handshake;
pub(crate) mod hook;
pub(crate) mod latest;
pub(crate) mod path;
pub(crate) mod registry;
#[cfg(test)]
mod tests;

use crate::{
    auth::Pass,
    channel::{
        Assigns,
        allowance::Allowance,
        downlink::Downlink,
        facts::Facts,
        membership::Attach,
        router::{Opening, Router},
    },
    config,
    guard::Access,
    queue::{self, Refused},
    rates::{Rates, SessionRates},
    tally::Tally,
    testing::Ended,
    webhook::farewell::Farewell,
};
pub(crate) use carrier::{Carrier, Seen};
use dunlin_hub::{Hub, Origin, Presence};
use dunlin_proto::{
    Code, Topic,
    frame::Refusal,
    frame::control::{ClientId, Hello},
};
use dunlin_transport::Kind;
use flag::Flag;
pub(crate) use generation::Generation;
use latest::Latest;
use path::{Change, Path};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock},
    time::Instant,
};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

/// Names one session and gives the right to resume it: 16 random bytes.
pub(crate) type Ticket = [u8; 16];

/// What sessions share: the topics, the channel types, the bounds.
pub(crate) struct Shared {
    pub(crate) hub: Arc<Hub>,
    pub(crate) router: Router,
    pub(crate) bounds: config::Session,
    pub(crate) channels: config::Channels,
    pub(crate) namespaces: Arc<config::Namespaces>,
    pub(crate) presence: Arc<Presence>,
    pub(crate) shows: config::Presence,
    pub(crate) tally: Arc<Tally>,
    pub(crate) rates: Arc<Rates>,
    /// All memberships, for a worker that ends to wait for.
    pub(crate) memberships: TaskTracker,
    /// A test that wants to know how memberships end.
    pub(crate) witness: Option<mpsc::Sender<Ended>>,
}

impl Shared {
    /// Wakes those who read topics, and who watch who is in them; never returns. Each worker runs one.
    pub(crate) fn wake(&self) -> impl Future<Output = ()> + use<> {
        let (hub, presence) = (self.hub.clone(), self.presence.clone());
        async move {
            tokio::join!(hub.drive(), presence.drive());
        }
    }
}

/// A client's identity over several connections, and its memberships.
pub(crate) struct Session {
    /// Public name, for logs.
    pub(crate) name: Arc<str>,
    pub(crate) ticket: Ticket,
    /// Name and version of the client library.
    pub(crate) agent: Box<str>,
    client: ClientId,
    /// Whose it is, if its tokens name a user: it is resumed and refreshed with theirs only.
    user: Option<Arc<str>>,
    /// What it may do, by the token that it has presented last.
    pass: Arc<Latest<Pass>>,
    /// Whether it was revoked.
    revoked: Flag,
    rates: Arc<SessionRates>,
    /// Said when it is over.
    farewell: OnceLock<Arc<Farewell>>,
    state: Mutex<State>,
}

/// Where the session's client is, and its memberships: under one lock, so that a stream goes to its membership either
/// before the session moves to another connection, or not at all.
struct State {
    at: At,
    /// The connection that it is on, or was on last.
    generation: Generation,
    /// When the client connected last.
    connected: Instant,
    /// What it may see of the server's own figures.
    access: Access,
    path: Path,
    /// What the application knows of the client.
    assigns: Arc<Assigns>,
    channels: HashMap<Topic, Seat>,
    /// The application has ended it: nobody can resume it.
    is_over: bool,
}

/// The ways to a membership.
struct Seat {
    mailbox: queue::Sender<Box<Attach>>,
    downlink: Arc<Downlink>,
}

enum At {
    /// On a connection.
    Here(Carrier),
    /// Away since.
    Away { since: Instant, last: Seen },
}

/// What there is to be seen of a session's client.
#[derive(Debug, Clone)]
pub(crate) struct Whereabouts {
    /// The connection, or the last one.
    pub(crate) seen: Seen,
    pub(crate) connected: Instant,
    pub(crate) resumed: u64,
    pub(crate) is_parked: bool,
    pub(crate) path: Path,
}

/// Most joins of one topic that wait for its membership to take them: more than one only when a client repeats itself.
const MAILBOX: usize = 4;

impl Session {
    fn new(
        name: Arc<str>,
        ticket: Ticket,
        hello: &Hello,
        carrier: Carrier,
        access: Access,
        pass: Pass,
        rates: SessionRates,
    ) -> Self {
        let state = State {
            path: Path::new(carrier.address()),
            at: At::Here(carrier),
            generation: Generation::first(),
            connected: Instant::now(),
            access,
            assigns: Arc::default(),
            channels: HashMap::new(),
            is_over: false,
        };
        let (agent, client) = (hello.agent.as_str().into(), hello.client);
        Self {
            name,
            ticket,
            agent,
            client,
            user: pass.user().map(Into::into),
            pass: Arc::new(Latest::new(pass)),
            revoked: Flag::default(),
            rates: Arc::new(rates),
            farewell: OnceLock::new(),
            state: Mutex::new(state),
        }
    }

    /// Hands a stream with a join to its membership, an existing or a new one, or refuses it.
    pub(crate) async fn attach(self: &Arc<Self>, shared: &Shared, attach: Box<Attach>) {
        if let Some((attach, refusal)) = self.route(shared, attach) {
            attach.refuse(&shared.tally, refusal).await;
        }
    }

    /// Gives back what cannot be attached, and why.
    fn route(self: &Arc<Self>, shared: &Shared, attach: Box<Attach>) -> Option<(Box<Attach>, Refusal)> {
        let mut state = self.state();
        let State { channels, access, assigns, .. } = &mut *state;
        if !attach.generation.is_present() {
            return Some((attach, Refusal::new(Code::SESSION_MOVED)));
        }
        let namespace = shared.namespaces.of(&attach.join.topic).clone();
        let delivery = attach.join.delivery.unwrap_or(namespace.default);
        let allowed = self
            .rates
            .join()
            .and_then(|()| self.pass.get().check_join(&attach.join, delivery))
            .and_then(|()| namespace.check_join(self.user(), delivery));
        if let Err(refusal) = allowed {
            return Some((attach, refusal));
        }
        let attach = match channels.get(&attach.join.topic) {
            Some(seat) => match seat.mailbox.try_send(attach) {
                Ok(()) => return None,
                // That membership has ended; this is the first stream of a new one.
                Err(Refused::Closed(attach)) => attach,
                Err(Refused::Full(attach)) => return Some((attach, Refusal::new(Code::UNAVAILABLE))),
            },
            None => attach,
        };
        channels.retain(|_, seat| !seat.mailbox.is_closed());
        if channels.len() >= shared.bounds.limits.channels as usize {
            return Some((attach, Refusal::new(Code::CHANNEL_LIMIT)));
        }
        let topic = attach.join.topic.clone();
        let Some(route) = shared.router.route(&topic) else {
            return Some((attach, Refusal::new(Code::NO_CHANNEL)));
        };
        let (sender, mailbox) = queue::bounded(MAILBOX);
        let downlink = Arc::<Downlink>::default();
        let facts = Facts {
            hub: shared.hub.clone(),
            topic: topic.clone(),
            session: self.name.clone(),
            owner: Arc::downgrade(self),
            client: self.client,
            user: self.user.clone(),
            pass: self.pass.clone(),
            access: *access,
            tally: shared.tally.clone(),
            assigns: assigns.clone(),
            downlink: downlink.clone(),
            origin: Origin(rand::random()),
            limits: shared.bounds.limits,
            presence: shared.presence.clone(),
            shows: config::Presence { mode: namespace.presence, ..shared.shows },
            ask: attach.join.presence,
            delivery,
            namespace: namespace.clone(),
            bounds: shared.channels,
            farewell: self.farewell.get().cloned(),
            witness: shared.witness.clone(),
        };
        let allowance =
            Allowance::new(topic.clone(), namespace, self.pass.follow(), self.rates.clone(), &shared.rates);
        let opening =
            Box::new(Opening { facts, mailbox, linger: shared.bounds.linger, allowance, first: attach });
        shared.memberships.spawn(route(opening));
        channels.insert(topic, Seat { mailbox: sender, downlink });
        None
    }

    /// How many memberships there are.
    pub(crate) fn channels(&self) -> usize {
        self.state().channels.values().filter(|seat| !seat.mailbox.is_closed()).count()
    }

    /// Ends every membership.
    fn end(&self) {
        self.state().channels.clear();
    }

    /// Moves the session to a new connection and cuts off the one it was on.
    fn connect(&self, carrier: Carrier, access: Access, pass: Pass) -> Generation {
        let mut state = self.state();
        if let At::Here(old) = &state.at {
            old.close(Code::SESSION_MOVED, "resumed on another connection");
        }
        state.path.begin(carrier.address());
        state.at = At::Here(carrier);
        state.generation = state.generation.next();
        state.connected = Instant::now();
        state.access = access;
        self.pass.replace(pass);
        state.generation.clone()
    }

    /// What the application knows of the client, for the channels that begin from now on.
    fn assign(&self, on: &Generation, assigns: Arc<Assigns>) {
        let mut state = self.state();
        if on.is_present() {
            state.assigns = assigns;
        }
    }

    /// This connection is gone. `false` if the session has moved on since.
    fn park(&self, ended: &Generation, now: Instant) -> bool {
        let mut state = self.state();
        if !ended.is_present() {
            return false;
        }
        state.at.leave(now)
    }

    fn parked_since(&self) -> Option<Instant> {
        match self.state().at {
            At::Here(_) => None,
            At::Away { since, .. } => Some(since),
        }
    }

    /// Looks at where the client's packets come from: what has changed since the last look, and whether there is room for
    /// the connection there. If not it is closed, and the session waits for its client to come back from elsewhere.
    fn look(&self, now: Instant) -> (Option<Change>, Result<(), Code>) {
        let mut state = self.state();
        let State { at: At::Here(carrier), path, .. } = &mut *state else { return (None, Ok(())) };
        let address = carrier.address();
        let change = path.look(address, now);
        let admitted = carrier.follow(address);
        if admitted.is_err() {
            state.at.leave(now);
        }
        (change, admitted)
    }

    /// The client has presented another token, on this connection.
    fn allow(&self, on: &Generation, access: Access, pass: Pass) {
        let mut state = self.state();
        if on.is_present() {
            state.access = access;
            self.pass.replace(pass);
        }
    }

    /// What it may do now.
    pub(crate) fn pass(&self) -> Arc<Pass> {
        self.pass.get()
    }

    /// Whose it is, if its tokens name a user.
    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// Ends the session, wherever its client is. Its connection hears of it and says why.
    fn revoke(&self) {
        self.revoked.set(true);
        if matches!(self.state().at, At::Away { .. }) {
            self.end();
        }
    }

    /// What carries the session now; `None` while its client is away.
    pub(crate) fn transport(&self) -> Option<Kind> {
        match &self.state().at {
            At::Here(carrier) => Some(carrier.kind()),
            At::Away { .. } => None,
        }
    }

    /// When the client connected last.
    pub(crate) fn connected(&self) -> Instant {
        self.state().connected
    }

    pub(crate) fn whereabouts(&self) -> Whereabouts {
        let state = self.state();
        let (seen, is_parked) = match &state.at {
            At::Here(carrier) => (carrier.seen(), false),
            At::Away { last, .. } => (*last, true),
        };
        Whereabouts {
            seen,
            connected: state.connected,
            resumed: state.generation.number(),
            is_parked,
            path: state.path.clone(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect(UNPOISONED)
    }
}

impl At {
    /// The connection is given up. `false` if there was none.
    fn leave(&mut self, now: Instant) -> bool {
        let Self::Here(carrier) = self else { return false };
        let last = Seen { rtt: None, ..carrier.seen() };
        *self = Self::Away { since: now, last };
        true
    }
}

const UNPOISONED: &str = "no code panics while it holds this lock";

//! Sessions: who is connected, over which connection, with which channels.

pub(crate) mod connection;
mod handshake;
pub(crate) mod registry;

use crate::{
    channel::{
        Context,
        membership::Attach,
        router::{Opening, Router},
    },
    config,
};
use dunlin_hub::Hub;
use dunlin_proto::{Code, Topic, frame::Refusal, frame::control::ClientId};
use dunlin_transport::Connection;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Instant,
};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio_util::task::TaskTracker;

/// Names one session and gives the right to resume it: 16 random bytes.
pub(crate) type Ticket = [u8; 16];

/// What sessions share: the topics, the channel types, the bounds.
pub(crate) struct Shared {
    pub(crate) hub: Arc<Hub>,
    pub(crate) router: Router,
    pub(crate) bounds: config::Session,
    /// All memberships, for a worker that ends to wait for.
    pub(crate) memberships: TaskTracker,
}

/// A client's identity over several connections, and its memberships.
pub(crate) struct Session {
    /// Public name, for logs.
    pub(crate) name: Arc<str>,
    pub(crate) ticket: Ticket,
    client: ClientId,
    place: Mutex<Place>,
    channels: Mutex<HashMap<Topic, mpsc::Sender<Attach>>>,
}

/// Where the session's client is.
enum Place {
    /// On this connection. The number tells an old connection's end from the present one's.
    Connected { connection: Connection, generation: u64 },
    /// Away since.
    Parked { since: Instant, generation: u64 },
}

/// Most joins of one topic that wait for its membership to take them: more than one only when a client repeats itself.
const MAILBOX: usize = 4;

impl Session {
    fn new(name: Arc<str>, ticket: Ticket, client: ClientId, connection: Connection) -> Self {
        let place = Mutex::new(Place::Connected { connection, generation: 0 });
        Self { name, ticket, client, place, channels: Mutex::default() }
    }

    /// Hands a stream with a join to its membership, an existing or a new one, or refuses it.
    pub(crate) async fn attach(&self, shared: &Shared, attach: Attach) {
        if let Some((attach, refusal)) = self.route(shared, attach) {
            attach.refuse(refusal).await;
        }
    }

    /// Gives back what cannot be attached, and why.
    fn route(&self, shared: &Shared, attach: Attach) -> Option<(Attach, Refusal)> {
        let mut channels = self.channels.lock().expect(UNPOISONED);
        let attach = match channels.get(&attach.join.topic) {
            Some(mailbox) => match mailbox.try_send(attach) {
                Ok(()) => return None,
                // That membership has ended; this is the first stream of a new one.
                Err(TrySendError::Closed(attach)) => attach,
                Err(TrySendError::Full(attach)) => return Some((attach, Refusal::new(Code::UNAVAILABLE))),
            },
            None => attach,
        };
        channels.retain(|_, mailbox| !mailbox.is_closed());
        if channels.len() >= shared.bounds.limits.channels as usize {
            return Some((attach, Refusal::new(Code::CHANNEL_LIMIT)));
        }
        let topic = attach.join.topic.clone();
        if topic.is_reserved() {
            return Some((attach, Refusal::new(Code::FORBIDDEN)));
        }
        let Some(route) = shared.router.route(&topic) else {
            return Some((attach, Refusal::new(Code::NO_CHANNEL)));
        };
        let (sender, mailbox) = mpsc::channel(MAILBOX);
        let context = Context {
            hub: shared.hub.clone(),
            topic: topic.clone(),
            session: self.name.clone(),
            client: self.client,
        };
        let bounds = &shared.bounds;
        let opening =
            Opening { context, mailbox, linger: bounds.linger, limits: bounds.limits, first: attach };
        shared.memberships.spawn(route(opening));
        channels.insert(topic, sender);
        None
    }

    /// How many memberships there are.
    pub(crate) fn channels(&self) -> usize {
        self.channels.lock().expect(UNPOISONED).values().filter(|mailbox| !mailbox.is_closed()).count()
    }

    /// Ends every membership.
    fn end(&self) {
        self.channels.lock().expect(UNPOISONED).clear();
    }

    /// Moves the session to a new connection and cuts off the one it was on. Returns the new generation.
    fn connect(&self, connection: Connection) -> u64 {
        let mut place = self.place.lock().expect(UNPOISONED);
        let generation = match &*place {
            Place::Connected { connection: old, generation } => {
                old.close(Code::SESSION_MOVED.0, "resumed on another connection");
                generation + 1
            }
            Place::Parked { generation, .. } => generation + 1,
        };
        *place = Place::Connected { connection, generation };
        generation
    }

    /// The connection of this generation is gone. `false` if the session has moved on since.
    fn park(&self, ended: u64, now: Instant) -> bool {
        let mut place = self.place.lock().expect(UNPOISONED);
        let current = matches!(&*place, Place::Connected { generation, .. } if *generation == ended);
        if current {
            *place = Place::Parked { since: now, generation: ended };
        }
        current
    }

    fn parked_since(&self) -> Option<Instant> {
        match &*self.place.lock().expect(UNPOISONED) {
            Place::Connected { .. } => None,
            Place::Parked { since, .. } => Some(*since),
        }
    }
}

const UNPOISONED: &str = "no code panics while it holds this lock";

//! The client as the application holds it.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use dunlin_proto::Topic;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Changes, Channel, Closed, ConnectionInfo, JoinError, JoinOptions, State,
    address::UrlError,
    builder::{Builder, ConnectError},
    link::Link,
    member,
    network::Hint,
    rollcall::RollCall,
    supervisor::{self, Command, Wishes},
};

/// How long a client or a channel that is being closed waits for the answers to its pushes.
pub(crate) const FLUSH: Duration = Duration::from_secs(5);

/// A session with a server that outlives its connections. Cheap to clone.
///
/// When the last clone and the last channel are gone, the client says goodbye to the server and ends.
#[derive(Debug, Clone)]
pub struct Client(Arc<Shared>);

/// What handles and channel tasks share. The supervisor holds none of it, so that it sees when all are gone.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Builder,
    pub(crate) link: watch::Receiver<Link>,
    state: watch::Receiver<State>,
    problem: watch::Receiver<Option<String>>,
    pause: watch::Sender<bool>,
    hints: watch::Sender<Hint>,
    pub(crate) roll: RollCall,
    commands: mpsc::Sender<Command>,
    /// Topics that are joined or being left.
    topics: Mutex<HashSet<Topic>>,
    /// The last push reference given out. One row of numbers for all topics: in each of them references rise
    /// whatever becomes of its channels, which is all the server asks.
    references: AtomicU64,
    /// Ends every channel.
    pub(crate) closing: CancellationToken,
    pub(crate) members: TaskTracker,
}

pub(crate) fn start(settings: Builder) -> Client {
    let (commands, inbox) = mpsc::channel(16);
    let (pause, paused) = watch::channel(false);
    let (hint, hints) = watch::channel(Hint { online: true });
    let roll = RollCall::new();
    let (supervisor, views) = supervisor::new(&settings, Wishes { paused, hints }, roll.clone());
    tokio::spawn(supervisor.run(inbox));
    Client(Arc::new(Shared {
        settings,
        link: views.link,
        state: views.state,
        problem: views.problem,
        pause,
        hints: hint,
        roll,
        commands,
        topics: Mutex::default(),
        references: AtomicU64::new(0),
        closing: CancellationToken::new(),
        members: TaskTracker::new(),
    }))
}

impl Client {
    /// Connects to a URL such as `dunlin://HOST[:PORT]` ([others](crate#ways-to-a-server)) with default settings and
    /// waits for the server's welcome.
    ///
    /// # Errors
    /// If the URL is wrong, the server says no for good, or none is reached in ten seconds.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::builder(url)?.connect().await
    }

    /// The settings of a client to be, at their defaults.
    ///
    /// # Errors
    /// If the URL is none of [those](crate#ways-to-a-server).
    pub fn builder(url: &str) -> Result<Builder, UrlError> {
        Builder::new(url)
    }

    /// Joins a topic and waits until the server has let this client in, however long there is no connection.
    ///
    /// # Errors
    /// If the topic cannot be joined; see [`JoinError`].
    pub async fn join(&self, topic: impl AsRef<str>, options: JoinOptions) -> Result<Channel, JoinError> {
        let topic = Topic::new(topic.as_ref())?;
        if !self.0.topics().insert(topic.clone()) {
            return Err(JoinError::AlreadyJoined(topic));
        }
        member::join(Membership { shared: self.0.clone(), topic }, options).await
    }

    /// Whether the client is connected, to look at or to wait for.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<State> {
        self.0.state.clone()
    }

    /// Why the last attempt to connect failed, or the last connection ended, in words for people.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        self.0.problem.borrow().clone()
    }

    /// Asks the server for a sign of life and gives the time it took; while there is no connection, waits for one.
    ///
    /// # Errors
    /// If the client has ended.
    pub async fn ping(&self) -> Result<Duration, Closed> {
        loop {
            self.online().await?;
            let (pong, answer) = oneshot::channel();
            let _ = self.0.commands.send(Command::Ping(pong)).await;
            // Without an answer the connection was lost meanwhile.
            if let Ok(time) = answer.await {
                return Ok(time);
            }
        }
    }

    /// The connection in use, if there is one.
    #[must_use]
    pub fn connection(&self) -> Option<ConnectionInfo> {
        self.0.link.borrow().info()
    }

    /// How this client comes through interruptions, from now on: each is told when it is over.
    #[must_use]
    pub fn changes(&self) -> Changes {
        self.0.roll.changes()
    }

    /// Says that the network of this device has changed, and whether there is one now. For hosts that know better or earlier
    /// than this library: it listens to the system by itself where it can ([which is where](crate#when-the-network-changes)),
    /// and not on Android and iOS, whose callbacks should end here.
    ///
    /// A connection moves to a new socket at once, on the same network too, as is right after an app was suspended.
    pub fn network_changed(&self, online: bool) {
        self.0.hints.send_replace(Hint { online });
    }

    /// Asks the server to hold all events back until [`Client::resume`], over reconnects as well: for an
    /// application in the background.
    ///
    /// If the pause lasts ([`Builder::park_after`]) the connection is let go, and the radio can sleep
    /// ([`State::Paused`]). The server keeps the session for its linger time; pushes wait.
    pub fn pause(&self) {
        self.0.pause.send_replace(true);
    }

    /// Ends a pause: each channel goes on from where it stopped, as after an interruption.
    pub fn resume(&self) {
        self.0.pause.send_replace(false);
    }

    /// Ends every channel, after the pushes in their outboxes are answered or five seconds are over, and then the
    /// session. Other clones end with it.
    pub async fn close(self) {
        self.0.closing.cancel();
        self.0.members.close();
        self.0.members.wait().await;
        let (done, over) = oneshot::channel();
        let _ = self.0.commands.send(Command::Close(done)).await;
        // An error says that the supervisor had ended before.
        let _ = over.await;
    }

    /// Waits for a welcome.
    pub(crate) async fn online(&self) -> Result<(), Closed> {
        let mut state = self.state();
        let settled = state.wait_for(|state| matches!(state, State::Online { .. } | State::Closed(_))).await;
        match settled.as_deref() {
            Ok(State::Closed(closed)) => Err(closed.clone()),
            Ok(_) => Ok(()),
            Err(_) => Err(Closed::by_us()),
        }
    }
}

impl Shared {
    fn topics(&self) -> std::sync::MutexGuard<'_, HashSet<Topic>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next push reference.
    pub(crate) fn reference(&self) -> u64 {
        self.references.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// The right to be in a topic, which a client has once. Keeps the client alive; gives the topic free when dropped.
#[derive(Debug)]
pub(crate) struct Membership {
    pub(crate) shared: Arc<Shared>,
    pub(crate) topic: Topic,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.shared.topics().remove(&self.topic);
    }
}

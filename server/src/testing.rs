//! Tests of an application's channels, in memory and with tokio's clock paused.
//!
//! A [`World`] is a server without network: what connects, joins and pushes there goes through the same code as everywhere. All of
//! it runs on the test's own runtime and nothing in it sleeps, so a test of what happens after ten minutes takes none.
//!
//! ```
//! use bytes::Bytes;
//! use dunlin_proto::frame::Refusal;
//! use dunlin_server::{Config, Server, channel::{Channel, Context, End, Push}, testing::{Got, World}};
//! use std::time::Duration;
//!
//! struct Egg;
//! struct Done;
//!
//! /// Boils an egg.
//! impl Channel for Egg {
//!     type Info = Done;
//!
//!     async fn join(&mut self, _: &Context<Done>, _: Option<Bytes>) -> Result<Bytes, Refusal> {
//!         Ok("put it in".into())
//!     }
//!
//!     async fn handle_in(&mut self, context: &Context<Done>, push: Push) -> Result<Bytes, Refusal> {
//!         context.schedule(Duration::from_secs(300), Done)?;
//!         Ok(push.payload)
//!     }
//!
//!     async fn handle_info(&mut self, context: &Context<Done>, _: Done) -> Result<(), Refusal> {
//!         context.push("done", "soft")?;
//!         Ok(())
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?.block_on(async {
//! // In a test with `#[tokio::test(start_paused = true)]`:
//! let config = Config::check(&Default::default())?;
//! let mut world = World::start(Server::builder(config).channel("egg:*".parse()?, || Egg));
//! let ada = world.connect().await;
//! let mut egg = ada.join("egg:1").await;
//! assert_eq!(egg.reply(), "put it in");
//! assert_eq!(egg.push("boil", "now").await, Ok("now".into()));
//!
//! egg.nothing_within(Duration::from_secs(299)).await;
//! assert_eq!(egg.next().await, Got::Direct { event: "done".into(), payload: "soft".into() });
//!
//! egg.leave().await;
//! assert_eq!(world.ended().await.why, End::Left);
//! # Ok(()) })
//! # }
//! ```

mod client;
mod member;

use crate::{
    Builder,
    admission::Admission,
    channel::{End, presence},
    node::Node,
    session::connection,
};
pub use client::Client;
use dunlin_proto::{Code, Topic, frame::Refusal};
use dunlin_transport::{Connection, pair};
pub use member::{Got, Member};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinSet};

/// How long, by tokio's clock, a test waits for something before it fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A server without network, on the runtime of the test. It ends when it and all its clients are dropped.
pub struct World {
    inner: Arc<Inner>,
    ends: mpsc::Receiver<Ended>,
}

/// A membership that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its topic.
    pub topic: Topic,
    /// The public name of its session.
    pub session: Box<str>,
    /// Why, as the channel's `terminate` was told.
    pub why: End,
}

/// Ends that wait for a test to ask. Of those beyond, it is not told.
const MOST_ENDS: usize = 1024;

/// What a world and its clients share.
struct Inner {
    node: Arc<Node>,
    admission: Arc<Admission>,
    tasks: Mutex<JoinSet<()>>,
}

impl World {
    /// Starts what the builder has put together. Nothing is bound, and no file is touched.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(builder: Builder) -> Self {
        let (witness, ends) = mpsc::channel(MOST_ENDS);
        let (config, mut node) = builder.node(None, None);
        node.shared.witness = Some(witness);
        let inner = Inner {
            node: Arc::new(node),
            admission: Admission::new(config.session.total, config.session.per_address),
            tasks: Mutex::default(),
        };
        let shared = &inner.node.shared;
        inner.spawn(shared.wake());
        inner.spawn(presence::tell(shared.presence.clone()));
        Self { inner: Arc::new(inner), ends }
    }

    /// Connects a client.
    ///
    /// # Panics
    /// If it is refused.
    pub async fn connect(&self) -> Client {
        self.try_connect(None).await.unwrap_or_else(|refusal| panic!("refused to connect: {refusal:?}"))
    }

    /// Connects a client that presents a token, or none.
    ///
    /// # Errors
    /// It is refused.
    pub async fn try_connect(&self, token: Option<&str>) -> Result<Client, Refusal> {
        Client::connect(self.inner.clone(), token).await
    }

    /// The next membership that is over, in the order of their ends.
    ///
    /// # Panics
    /// If none ends in [`PATIENCE`].
    pub async fn ended(&mut self) -> Ended {
        soon("the end of a membership", self.ends.recv()).await.expect("the world holds a sender")
    }
}

impl Inner {
    /// A connection that is served.
    fn dial(&self) -> Result<Connection, Refusal> {
        let (client, server) = pair();
        let permit = self.admission.admit(server.remote_address().ip());
        let permit = permit.map_err(|code: Code| Refusal::new(code))?;
        self.spawn(connection::serve(self.node.clone(), server, permit));
        Ok(client)
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().expect("no code panics while it holds this lock");
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

/// Waits for something, but not for ever.
async fn soon<T>(what: &str, event: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, event).await;
    waited.unwrap_or_else(|_| panic!("waited {} s in vain for {what}", PATIENCE.as_secs()))
}

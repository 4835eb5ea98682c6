//! The server that is measured, and the sockets by which it is reached.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use dunlin_client::{Topic, Transport};
use dunlin_transport::{Buffers, ClientConfig, Dialer, Tickets};

use super::{
    Common,
    peer::{Peer, PeerError, Ticket},
};
use crate::{
    connect::Server,
    exit::{Exit, Failure},
};

/// Asked of the kernel for each socket: with less, packets for thousands of connections are dropped here, and look like the
/// server's fault.
const BUFFER: usize = 16 * 1024 * 1024;

/// Less than this is told.
const SMALL_BUFFER: usize = 4 * 1024 * 1024;

/// As in clients of the library.
const KEEP_ALIVE: Duration = Duration::from_secs(25);

/// A server that has answered; clones share the sockets.
#[derive(Debug, Clone)]
pub(super) struct Target(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    url: String,
    host: String,
    address: SocketAddr,
    transport: Transport,
    dialers: Vec<Dialer>,
    token: Option<String>,
    timeout: Duration,
}

impl Target {
    /// Opens the sockets and says hello once, at each of the server's addresses until one answers.
    pub(super) async fn open(server: &Server, common: &Common) -> Result<Self, Failure> {
        let builder = server.builder()?.keep_alive(server.keep_alive.unwrap_or(KEEP_ALIVE));
        let timeout = server.timeout;
        let change = move |config: &mut ClientConfig| {
            config.tickets = Tickets::Dropped;
            config.socket_buffer = BUFFER;
            config.handshake_timeout = timeout;
        };
        let opened = builder.dialers(common.sockets.into(), change).await;
        let (dialers, addresses) = opened.map_err(|error| server.explain(error))?;
        let dialers = Arc::new(dialers);
        let token = server.token()?;
        let mut problem = None;
        for address in addresses {
            let greeted = Peer::connect(&dialers[0], address, &server.url.host, token.clone(), None, timeout);
            match greeted.await {
                Ok(peer) => {
                    let transport = peer.connection.kind();
                    peer.leave().await;
                    let dialers = Arc::into_inner(dialers).expect("nobody else has it");
                    let (url, host) = (server.url.to_string(), server.url.host.clone());
                    return Ok(Self(Arc::new(Inner {
                        url,
                        host,
                        address,
                        transport,
                        dialers,
                        token,
                        timeout,
                    })));
                }
                Err(error) => problem = Some(error),
            }
        }
        let problem = problem.expect("a server has an address");
        let exit = match problem {
            PeerError::Refused(..) => Exit::Refused,
            _ => Exit::Unreachable,
        };
        Err(Failure::new(exit, format!("{}: {problem}", server.url)))
    }

    /// Connects peer number `n`, of a session of its own or of the one that this ticket resumes.
    pub(super) async fn connect(&self, n: usize, ticket: Option<Ticket>) -> Result<Peer, PeerError> {
        let Inner { host, address, dialers, token, timeout, .. } = &*self.0;
        Peer::connect(&dialers[n % dialers.len()], *address, host, token.clone(), ticket, *timeout).await
    }

    /// The topic that the options name, or one that nobody else uses.
    pub(super) fn topic(&self, common: &Common) -> Result<String, Failure> {
        let name = common.topic.clone().unwrap_or_else(|| format!("bench:{:016x}", rand::random::<u64>()));
        // With the longest suffix that a benchmark gives it.
        Topic::new(&format!("{name}/idle{}", u32::MAX))
            .map_err(|error| Failure::new(Exit::Usage, format!("--topic: {error}")))?;
        Ok(name)
    }

    pub(super) fn url(&self) -> &str {
        &self.0.url
    }

    pub(super) fn transport(&self) -> Transport {
        self.0.transport
    }

    /// How long an answer may take.
    pub(super) fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// What the kernel gave each socket; `None` over TCP.
    pub(super) fn buffers(&self) -> Option<Buffers> {
        self.0.dialers[0].buffers()
    }

    /// What to know about the sockets.
    pub(super) fn problem(&self) -> Option<String> {
        let receive = self.buffers()?.receive;
        (receive < SMALL_BUFFER).then(|| {
            format!("each socket has a receive buffer of only {receive} bytes: raise net.core.rmem_max, or packets are dropped here")
        })
    }
}

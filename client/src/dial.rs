//! One attempt at a connection.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use dunlin_certs::{Fingerprint, local};
use dunlin_transport::{ClientConfig, Connection, Dialer};
use tokio::{task::JoinSet, time::timeout};

use crate::{
    Builder,
    address::Address,
    ending::Ending,
    trust::{Trust, Verifier},
};

/// How long an address may not answer before the next one is tried beside it (RFC 8305, 8: Connection Attempt Delay).
const STAGGER: Duration = Duration::from_millis(250);

/// Dials by native QUIC, from one socket and with one store of tickets as long as what is trusted stays the same.
#[derive(Debug)]
pub(crate) struct Dial {
    settings: Builder,
    ready: Option<Ready>,
    /// The address that answered last.
    good: Option<SocketAddr>,
}

#[derive(Debug)]
struct Ready {
    dialer: Arc<Dialer>,
    /// The local server's certificate that is trusted.
    local: Option<Fingerprint>,
}

impl Dial {
    pub(crate) fn new(settings: Builder) -> Self {
        Self { settings, ready: None, good: None }
    }

    /// Connects to the first of the server's addresses that answers, beginning with the one that did the last time.
    /// `turn` rotates them: where early data is possible a connection is here before there is an answer, and another
    /// attempt should try another address.
    pub(crate) async fn dial(&mut self, to: &Address, turn: u32) -> Result<Connection, Ending> {
        let dialer = match &self.settings.dialer {
            Some(given) => given.clone(),
            None => self.dialer(to)?,
        };
        let mut addresses = resolve(to).await?;
        if let Some(good) = addresses.iter().position(|address| Some(*address) == self.good) {
            addresses.swap(0, good);
        }
        let turn = turn as usize % addresses.len();
        addresses.rotate_left(turn);
        race(&dialer, addresses, &to.host).await
    }

    /// Remembers an address at which the server has answered.
    pub(crate) fn answered(&mut self, address: SocketAddr) {
        self.good = Some(address);
    }

    /// The dialer in use, or a new one if a local server has announced another certificate. An announcement that is
    /// gone, as while the server restarts, changes nothing: what it said is still true.
    fn dialer(&mut self, to: &Address) -> Result<Arc<Dialer>, Ending> {
        let announced = announced(&self.settings, to);
        if let Some(ready) = &self.ready
            && (announced.is_none() || announced == ready.local)
        {
            return Ok(ready.dialer.clone());
        }
        let dialer = open(&self.settings, announced)?;
        self.ready = Some(Ready { dialer: dialer.clone(), local: announced });
        Ok(dialer)
    }
}

/// A socket with what the settings trust now.
pub(crate) fn socket(settings: &Builder) -> Result<Arc<Dialer>, Ending> {
    open(settings, announced(settings, &settings.address))
}

fn announced(settings: &Builder, to: &Address) -> Option<Fingerprint> {
    let looks = settings.trust == Trust::Auto && to.is_loopback();
    looks.then(|| local::find(to.port)).flatten()
}

fn open(settings: &Builder, announced: Option<Fingerprint>) -> Result<Arc<Dialer>, Ending> {
    let verifier =
        Verifier::new(&settings.trust, announced).map_err(|error| Ending::Untrusted(error.to_string()))?;
    let mut config = ClientConfig::new(Arc::new(verifier));
    config.keep_alive = settings.keep_alive;
    let dialer = Dialer::quic(config).map_err(|error| Ending::Lost(error.to_string()))?;
    Ok(Arc::new(dialer))
}

/// Dials one address after the other, without waiting long for any, and takes the first that answers.
async fn race(dialer: &Arc<Dialer>, addresses: Vec<SocketAddr>, host: &str) -> Result<Connection, Ending> {
    let mut attempts = JoinSet::new();
    let mut last = None;
    for address in addresses {
        let (dialer, host) = (dialer.clone(), host.to_owned());
        attempts.spawn(async move { dialer.dial(address, &host).await });
        match timeout(STAGGER, attempts.join_next()).await {
            Ok(Some(Ok(Ok(connection)))) => return Ok(connection),
            Ok(Some(Ok(Err(error)))) => last = Some(error),
            Ok(Some(Err(_)) | None) | Err(_) => {}
        }
    }
    while let Some(attempt) = attempts.join_next().await {
        match attempt {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) => last = Some(error),
            Err(_) => {}
        }
    }
    Err(last.map_or_else(|| Ending::Lost("no address could be dialled".into()), Ending::from))
}

/// The addresses of the server's host, one at least.
async fn resolve(to: &Address) -> Result<Vec<SocketAddr>, Ending> {
    let found = tokio::net::lookup_host((to.host.as_str(), to.port)).await;
    let addresses: Vec<_> = found
        .map_err(|error| Ending::Lost(format!("cannot find the address of {}: {error}", to.host)))?
        .collect();
    if addresses.is_empty() {
        return Err(Ending::Lost(format!("{} has no address", to.host)));
    }
    Ok(addresses)
}

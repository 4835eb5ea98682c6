//! One attempt at a connection.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use dunlin_certs::{Fingerprint, local};
use dunlin_transport::{ClientConfig, Connection, Dialer};
use tokio::time::timeout;

use crate::{
    Builder,
    address::Address,
    ending::Ending,
    trust::{Trust, Verifier},
};

/// How long an address may not answer before the next one is tried.
const STEP: Duration = Duration::from_secs(2);

/// Dials by native QUIC, from one socket and with one store of tickets as long as what is trusted stays the same.
#[derive(Debug)]
pub(crate) struct Dial {
    settings: Builder,
    ready: Option<Ready>,
}

#[derive(Debug)]
struct Ready {
    dialer: Arc<Dialer>,
    /// The local server's certificate that is trusted.
    local: Option<Fingerprint>,
}

impl Dial {
    pub(crate) fn new(settings: Builder) -> Self {
        Self { settings, ready: None }
    }

    /// Connects to the first of the server's addresses that answers. `turn` rotates them: where early data is
    /// possible a connection is here before there is an answer, and another attempt should try another address.
    pub(crate) async fn dial(&mut self, to: &Address, turn: u32) -> Result<Connection, Ending> {
        let dialer = match &self.settings.dialer {
            Some(given) => given.clone(),
            None => self.dialer(to)?,
        };
        let mut addresses = resolve(to).await?;
        let turn = turn as usize % addresses.len();
        addresses.rotate_left(turn);
        let (last, others) = addresses.split_last().expect("resolving gives one at least");
        for address in others {
            if let Ok(Ok(connection)) = timeout(STEP, dialer.dial(*address, &to.host)).await {
                return Ok(connection);
            }
        }
        Ok(dialer.dial(*last, &to.host).await?)
    }

    /// The dialer in use, or a new one if a local server has announced another certificate. An announcement that is
    /// gone, as while the server restarts, changes nothing: what it said is still true.
    fn dialer(&mut self, to: &Address) -> Result<Arc<Dialer>, Ending> {
        let looks = self.settings.trust == Trust::Auto && to.is_loopback();
        let announced = looks.then(|| local::find(to.port)).flatten();
        if let Some(ready) = &self.ready
            && (announced.is_none() || announced == ready.local)
        {
            return Ok(ready.dialer.clone());
        }
        let verifier = Verifier::new(&self.settings.trust, announced)
            .map_err(|error| Ending::Untrusted(error.to_string()))?;
        let mut config = ClientConfig::new(Arc::new(verifier));
        config.keep_alive = self.settings.keep_alive;
        let dialer = Dialer::new(config).map_err(|error| Ending::Lost(error.to_string()))?;
        let dialer = Arc::new(dialer);
        self.ready = Some(Ready { dialer: dialer.clone(), local: announced });
        Ok(dialer)
    }
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

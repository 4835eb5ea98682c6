//! Connecting by one way to a server with several addresses: the first that answers (RFC 8305, "Happy Eyeballs").

use std::{net::SocketAddr, sync::Arc, time::Duration};

use dunlin_transport::Dialer;
use tokio::{task::JoinSet, time::timeout};

use crate::{
    address::Address,
    candidate::Candidate,
    dial::Dial,
    ending::Ending,
    greeting::Greeter,
    race::{Failure, Winner, race},
    route::Way,
};

/// How long an address may not answer before the next one is tried beside it (RFC 8305, 8: Connection Attempt Delay).
const STAGGER: Duration = Duration::from_millis(250);

/// Connects by one way, up to the server's first answer. With `early` the server gets `Hello` and joins before that, where
/// it knows this client, by the first address.
pub(crate) async fn reach(
    dial: &Dial,
    to: &Address,
    way: Way,
    addresses: &[SocketAddr],
    early: Option<&mut Greeter>,
) -> Result<Candidate, Ending> {
    let dialer = dial.dialer(to, way)?;
    let (first, rest) = addresses.split_first().expect("a server has an address");
    let by_first = async {
        let mut candidate = dial_one(&dialer, *first, &to.host).await?;
        let is_silent = candidate.connection.early_data().is_none();
        if let Some(greeter) = early.filter(|_| is_silent) {
            greeter.greet_early(&mut candidate).await?;
        } else {
            candidate.connection.handshake_complete().await?;
        }
        Ok(candidate)
    };
    if rest.is_empty() {
        return by_first.await;
    }
    match race(by_first, by_turns(&dialer, rest, &to.host), STAGGER, Ending::is_an_answer).await {
        Ok(Winner::First(candidate) | Winner::Second(candidate)) => Ok(candidate),
        Err(Failure::Decided(ending) | Failure::Both(_, ending)) => Err(ending),
    }
}

/// Dials one address after the other, without waiting long for any, and takes the first that answers.
async fn by_turns(dialer: &Arc<Dialer>, addresses: &[SocketAddr], host: &str) -> Result<Candidate, Ending> {
    let mut attempts = JoinSet::new();
    let mut last = Ending::Lost("no address could be dialled".into());
    for address in addresses.iter().copied() {
        let (dialer, host) = (dialer.clone(), host.to_owned());
        attempts.spawn(async move {
            let candidate = dial_one(&dialer, address, &host).await?;
            candidate.connection.handshake_complete().await?;
            Ok(candidate)
        });
        match timeout(STAGGER, attempts.join_next()).await {
            Ok(Some(Ok(Ok(candidate)))) => return Ok(candidate),
            Ok(Some(Ok(Err(ending)))) => last = ending,
            Ok(Some(Err(_)) | None) | Err(_) => {}
        }
    }
    while let Some(attempt) = attempts.join_next().await {
        match attempt {
            Ok(Ok(candidate)) => return Ok(candidate),
            Ok(Err(ending)) => last = ending,
            Err(_) => {}
        }
    }
    Err(last)
}

async fn dial_one(dialer: &Arc<Dialer>, address: SocketAddr, host: &str) -> Result<Candidate, Ending> {
    // Boxed: it is large, and there are several in each attempt.
    Ok(Candidate::new(Box::pin(dialer.dial(address, host)).await?, dialer.clone()))
}

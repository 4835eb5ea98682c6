//! Connecting by one way to a server with several addresses: the first that answers (RFC 8305, "Happy Eyeballs").

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use dunlin_transport::Dialer;
use tokio::{task::JoinSet, time::timeout};

use crate::{
    address::Address,
    candidate::Candidate,
    dial::Dial,
    ending::Ending,
    greeting::Greeter,
    interfaces::{self, Usable},
    local_route::LocalRoute,
    race::{Failure, Winner, race},
    route::Way,
};

/// How long an address may not answer before the next one is tried beside it (RFC 8305, 8: Connection Attempt Delay).
const STAGGER: Duration = Duration::from_millis(250);

/// A head start for the network that the system prefers, which is probably dead: a round trip of a good one.
const DETOUR: Duration = Duration::from_millis(100);

/// Most other interfaces that are tried.
const MOST_DETOURS: usize = 4;

/// Where to connect, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) dial: &'a Dial,
    pub(crate) to: &'a Address,
    pub(crate) addresses: &'a [SocketAddr],
    /// Whether the device's other interfaces are tried too.
    pub(crate) detours: bool,
}

/// One thing to try.
struct Entrant {
    dialer: Arc<Dialer>,
    address: SocketAddr,
    /// See [`Candidate::detour`].
    detour: Option<IpAddr>,
}

/// Connects by one way, up to the server's first answer. With `early` the server gets `Hello` and joins before that, where
/// it knows this client, by the first address.
pub(crate) async fn reach(
    target: Target<'_>,
    way: Way,
    early: Option<&mut Greeter>,
) -> Result<Candidate, Ending> {
    let to = target.to;
    let detours = if target.detours { detours_of(target, way) } else { Vec::new() };
    if detours.is_empty() {
        return straight(target, way, early).await;
    }
    tracing::debug!(n = detours.len(), "trying other interfaces as well");
    let around = by_turns(detours, &to.host);
    first_of(race(straight(target, way, early), around, DETOUR, Ending::is_an_answer).await)
}

/// As the system routes.
async fn straight(target: Target<'_>, way: Way, early: Option<&mut Greeter>) -> Result<Candidate, Ending> {
    let Target { dial, to, addresses, .. } = target;
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
    let entrant = |address: &SocketAddr| Entrant { dialer: dialer.clone(), address: *address, detour: None };
    let rest = rest.iter().map(entrant).collect();
    first_of(race(by_first, by_turns(rest, &to.host), STAGGER, Ending::is_an_answer).await)
}

fn first_of(result: Result<Winner<Candidate>, Failure<Ending>>) -> Result<Candidate, Ending> {
    match result {
        Ok(Winner::First(candidate) | Winner::Second(candidate)) => Ok(candidate),
        Err(Failure::Decided(ending) | Failure::Both(_, ending)) => Err(ending),
    }
}

/// What would connect through the interfaces that the system does not prefer.
fn detours_of(target: Target<'_>, way: Way) -> Vec<Entrant> {
    let Target { dial, to, addresses, .. } = target;
    let route = LocalRoute::to(addresses);
    let others = interfaces::usable().unwrap_or_else(|error| {
        tracing::debug!(%error, "the interfaces cannot be listed");
        Vec::new()
    });
    let others = others.into_iter().filter(|other| route.is_none_or(|route| !other.carries(&route)));
    let entrant = |other: Usable| {
        let ways = addresses.iter().find_map(|address| Some((*address, other.address_like(address.ip())?)));
        let (address, detour) = ways?;
        let dialer = dial.dialer_through(to, way, &other.interface);
        let dialer =
            dialer.inspect_err(|ending| tracing::debug!("{}: {}", other.interface, ending.problem()));
        Some(Entrant { dialer: dialer.ok()?, address, detour: Some(detour) })
    };
    others.filter_map(entrant).take(MOST_DETOURS).collect()
}

/// Tries one after the other, without waiting long for any, and takes the first that answers.
async fn by_turns(entrants: Vec<Entrant>, host: &str) -> Result<Candidate, Ending> {
    let mut attempts = JoinSet::new();
    let mut last = Ending::Lost("no address could be dialled".into());
    for Entrant { dialer, address, detour } in entrants {
        let host = host.to_owned();
        attempts.spawn(async move {
            let mut candidate = dial_one(&dialer, address, &host).await?;
            candidate.detour = detour;
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

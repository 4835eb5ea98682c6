//! One attempt at a connection: by one way, or by two that race.

use std::{net::SocketAddr, time::Duration};

use tokio::time::{Instant, timeout_at};

use crate::{
    address::Address,
    candidate::Candidate,
    dial::Dial,
    ending::Ending,
    greeting::Greeter,
    local_route,
    networks::{Name, Quic},
    race::{Failure, Winner, race},
    reach::{Target, reach},
    route::{Route, Way},
};

/// A connection that was made.
#[derive(Debug)]
pub(crate) struct Reached {
    pub(crate) candidate: Candidate,
    /// The first choice, if another way was faster, or only a detour led there.
    pub(crate) rather: Option<Way>,
    /// The server's addresses.
    pub(crate) addresses: Vec<SocketAddr>,
}

/// What an attempt needs to know.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) dial: &'a Dial,
    pub(crate) greeter: &'a mut Greeter,
    pub(crate) to: &'a Address,
    /// How many attempts before this one have failed.
    pub(crate) failures: u32,
    /// Whether the device's other networks are tried too.
    pub(crate) detours: bool,
    /// When to give up.
    pub(crate) deadline: Instant,
}

impl Attempt<'_> {
    /// Connects by the first way that answers.
    pub(crate) async fn run(self) -> Result<Reached, Ending> {
        let Self { dial, greeter, to, failures, detours, deadline } = self;
        let Route { first, fallback } = dial.route(to).map_err(|error| Ending::Lost(error.to_string()))?;
        let resolved = timeout_at(deadline, dial.resolve(to, failures > 0)).await;
        let addresses = resolved.unwrap_or_else(|_| {
            Err(Ending::Lost(format!("the address of {} is not found in time", to.host)))
        })?;
        let network = local_route::network(&addresses);
        let known = network.as_ref().and_then(|network| dial.networks().recall(network, now()));
        // Where QUIC is not known to fail, the server's answer is not waited for: it hears all at once.
        let early = (known != Some(Quic::Blocked)).then_some(greeter);
        let target = Target { dial, to, addresses: &addresses, detours };
        let by_first = in_time(deadline, reach(target, first, early));
        let Some(second) = fallback else {
            let candidate = by_first.await?;
            let rather = candidate.detour.map(|_| first);
            if rather.is_none() {
                remember(dial, network, first.is_udp().then_some(Quic::Works));
            }
            return Ok(Reached { candidate, rather, addresses });
        };
        let head_start = if known == Some(Quic::Blocked) { Duration::ZERO } else { dial.head_start() };
        let by_first = async {
            let result = by_first.await;
            result.inspect_err(|ending| tracing::debug!("{first}: {}", ending.problem()))
        };
        let by_second = async {
            if known == Some(Quic::Blocked) {
                tracing::debug!("no answer over {first} here lately: {second} at once");
            } else {
                tracing::debug!("no answer over {first} so far: trying {second} as well");
            }
            let result = in_time(deadline, reach(target, second, None)).await;
            result
                .map_err(Ending::on_the_way_out)
                .inspect_err(|ending| tracing::debug!("{second}: {}", ending.problem()))
        };
        let (candidate, rather) = match race(by_first, by_second, head_start, Ending::is_an_answer).await {
            // What works through another interface says nothing of the network that the system prefers.
            Ok(Winner::First(candidate) | Winner::Second(candidate)) if candidate.detour.is_some() => {
                (candidate, Some(first))
            }
            Ok(Winner::First(candidate)) => {
                remember(dial, network, Some(Quic::Works));
                (candidate, None)
            }
            Ok(Winner::Second(candidate)) => {
                tracing::debug!("{second} answered before {first}");
                remember(dial, network, Some(Quic::Blocked));
                (candidate, Some(first))
            }
            Err(Failure::Decided(ending)) => return Err(ending),
            Err(Failure::Both(one, other)) => return Err(Ending::both((first, &one), (second, &other))),
        };
        Ok(Reached { candidate, rather, addresses })
    }
}

async fn in_time<T>(
    deadline: Instant,
    attempt: impl Future<Output = Result<T, Ending>>,
) -> Result<T, Ending> {
    timeout_at(deadline, attempt).await.unwrap_or_else(|_| Err(Ending::silence()))
}

pub(crate) fn remember(dial: &Dial, network: Option<Name>, quic: Option<Quic>) {
    if let (Some(network), Some(quic)) = (network, quic) {
        dial.networks().remember(network, quic, now());
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

//! What must hold when the network changes: each row a story.

use std::{pin::Pin, time::Duration};

use anyhow::Result;

use super::{
    Lab, Measure, Run, Setup, Transport, Uplink, Way,
    network::{CELL_RTT, WIFI_RTT},
    outcome::Rung,
};

/// How much time there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As the bars are written.
    Full,
    /// Long absences shortened, crowds thinned.
    Quick,
}

impl Pace {
    fn of<T>(self, full: T, quick: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }
}

/// What may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Losses {
    /// Nothing.
    None,
    /// What the client is told of, exactly.
    Told,
}

type Telling = Pin<Box<dyn Future<Output = Result<Run>> + Send>>;

/// A row of the table.
#[derive(Debug)]
pub struct Scenario {
    /// Short and unique.
    pub name: &'static str,
    /// The median may not be longer.
    pub bar: fn(Pace) -> Duration,
    /// How clients come back.
    pub rung: fn(Transport) -> Rung,
    /// What may be missing.
    pub losses: Losses,
    /// Tells the story once.
    pub tell: fn(Way, Pace) -> Telling,
}

/// What a client should need to notice a black hole at this rate of messages; not a setting of the library yet.
const WATCHDOG: Duration = Duration::from_secs(1);

/// How long QUIC may be without an answer before a client tries WebSocket beside it (`PROTOCOL.md`, Finding the way).
const HEAD_START: Duration = Duration::from_millis(500);

const MS: fn(u64) -> Duration = Duration::from_millis;
const SECONDS: fn(u64) -> Duration = Duration::from_secs;

macro_rules! scenarios {
    ($($name:literal: $story:expr, at most $bar:expr, $rung:ident, $losses:ident;)*) => {
        /// All of them, in the order of the table.
        pub const ALL: &[Scenario] = &[$(Scenario {
            name: $name,
            bar: $bar,
            rung: rung::$rung,
            losses: Losses::$losses,
            tell: |way, pace| Box::pin($story(way, pace)),
        }),*];
    };
}

scenarios! {
    "wifi down, cell up": switch, at most |_| CELL_RTT * 5 / 2 + MS(20), moved, None;
    "NAT rebinds the port": rebind_port, at most |_| WIFI_RTT * 4, moved, None;
    "NAT rebinds the address": rebind_address, at most |_| WIFI_RTT * 4, moved, None;
    "NAT rebinds, listen-only": rebind_listener, at most |pace| keep_alive(pace), moved, None;
    "NAT rebinds, listen-only, 2 messages a second": rebind_quiet_listener,
        at most |pace| keep_alive(pace) + MS(500), moved, None;
    "black hole on wifi": black_hole, at most |_| WATCHDOG + CELL_RTT * 3, resumed, None;
    "UDP blocked": udp_blocked, at most |_| WATCHDOG + HEAD_START + WIFI_RTT * 5, fell_back, None;
    "0.5 s outage": outage_brief, at most |_| CELL_RTT * 3, moved, None;
    "3 s outage": outage_short, at most |_| CELL_RTT * 3, resumed, None;
    "20 s outage": outage_long, at most |_| CELL_RTT * 3, resumed, None;
    "60 s outage": outage_very_long, at most |_| CELL_RTT * 3, resumed, None;
    "away beyond linger, history covers it": forgotten, at most |_| CELL_RTT * 3, recovered, None;
    "away beyond linger and history": resync, at most |_| CELL_RTT * 3, resynced, Told;
    "server killed, back after 1 s": restart, at most |_| SECONDS(1), resynced, Told;
    "100 sessions switch": crowd, at most |_| CELL_RTT * 5 / 2 + MS(20), moved, None;
}

/// How clients come back, by what carries their messages.
mod rung {
    use super::{Rung, Transport};

    /// With their connection, where it can move.
    pub(super) fn moved(transport: Transport) -> Rung {
        match transport {
            Transport::Quic | Transport::Webtransport => Rung::Migrated,
            Transport::Websocket => Rung::Resumed,
        }
    }

    pub(super) fn resumed(_: Transport) -> Rung {
        Rung::Resumed
    }

    /// Over TCP, where they were not there already.
    pub(super) fn fell_back(transport: Transport) -> Rung {
        match transport {
            Transport::Quic | Transport::Webtransport => Rung::Resumed,
            Transport::Websocket => Rung::Migrated,
        }
    }

    pub(super) fn recovered(_: Transport) -> Rung {
        Rung::Recovered
    }

    pub(super) fn resynced(_: Transport) -> Rung {
        Rung::Resync
    }
}

fn keep_alive(pace: Pace) -> Duration {
    pace.of(SECONDS(5), SECONDS(1))
}

async fn switch(way: Way, _: Pace) -> Result<Run> {
    let mut lab = Lab::start(way, Setup::default()).await?;
    lab.measure_from("switch");
    lab.down(Uplink::Wifi).await?;
    lab.until_messages_flow().await?;
    lab.finish(Measure::Gap).await
}

async fn rebind_port(way: Way, _: Pace) -> Result<Run> {
    let mut lab = Lab::start(way, Setup::default()).await?;
    lab.measure_from("rebinding");
    lab.rebind_port().await?;
    lab.until_messages_flow().await?;
    lab.finish(Measure::Gap).await
}

async fn rebind_address(way: Way, _: Pace) -> Result<Run> {
    let mut lab = Lab::start(way, Setup::default()).await?;
    lab.measure_from("rebinding");
    lab.rebind_address().await?;
    lab.until_messages_flow().await?;
    lab.finish(Measure::Gap).await
}

async fn rebind_listener(way: Way, pace: Pace) -> Result<Run> {
    let setup = Setup { pushes: 0, keep_alive: keep_alive(pace), ..Setup::default() };
    let mut lab = Lab::start(way, setup).await?;
    lab.measure_from("rebinding");
    lab.rebind_port().await?;
    lab.until_messages_flow().await?;
    lab.finish(Measure::Gap).await
}

async fn rebind_quiet_listener(way: Way, pace: Pace) -> Result<Run> {
    let setup = Setup { pushes: 0, keep_alive: keep_alive(pace), topics: 1, rate: 2, ..Setup::default() };
    let mut lab = Lab::start(way, setup).await?;
    // Past the last message's acknowledgement: nothing that is still to be sent gives the new port away.
    lab.wait(MS(200)).await;
    lab.measure_from("rebinding");
    lab.rebind_port().await?;
    lab.until_messages_flow().await?;
    lab.finish(Measure::Gap).await
}

async fn black_hole(way: Way, _: Pace) -> Result<Run> {
    let mut lab = Lab::start(way, Setup::default()).await?;
    lab.measure_from("black hole");
    lab.black_hole(Uplink::Wifi);
    lab.until_messages_flow().await?;
    lab.finish(Measure::Gap).await
}

async fn udp_blocked(way: Way, _: Pace) -> Result<Run> {
    let mut lab = Lab::start(way, Setup::default()).await?;
    lab.measure_from("UDP blocked");
    lab.block_udp().await?;
    lab.until_messages_flow().await?;
    lab.finish(Measure::Gap).await
}

async fn outage_brief(way: Way, _: Pace) -> Result<Run> {
    outage(way, MS(500)).await
}

async fn outage_short(way: Way, _: Pace) -> Result<Run> {
    outage(way, SECONDS(3)).await
}

async fn outage_long(way: Way, pace: Pace) -> Result<Run> {
    outage(way, pace.of(SECONDS(20), SECONDS(8))).await
}

async fn outage_very_long(way: Way, pace: Pace) -> Result<Run> {
    outage(way, pace.of(SECONDS(60), SECONDS(12))).await
}

async fn outage(way: Way, time: Duration) -> Result<Run> {
    let mut lab = Lab::start(way, Setup::default()).await?;
    lab.away(time).await?;
    lab.until_messages_flow().await?;
    lab.finish(Measure::Return).await
}

/// A server that soon forgets who is away.
fn forgetful() -> Setup {
    let server = ["session.linger=1s", "transport.idle_timeout=2s"].map(Into::into).into();
    Setup { server, ..Setup::default() }
}

async fn forgotten(way: Way, _: Pace) -> Result<Run> {
    let mut lab = Lab::start(way, forgetful()).await?;
    lab.away(SECONDS(6)).await?;
    lab.until_messages_flow().await?;
    lab.finish(Measure::Return).await
}

async fn resync(way: Way, _: Pace) -> Result<Run> {
    let mut setup = forgetful();
    setup.server.push("history.count=20".into());
    let mut lab = Lab::start(way, setup).await?;
    // Readers find the last ten seconds whatever history holds.
    lab.away(SECONDS(15)).await?;
    lab.until_messages_flow().await?;
    lab.finish(Measure::Return).await
}

async fn restart(way: Way, _: Pace) -> Result<Run> {
    let mut lab = Lab::start(way, Setup::default()).await?;
    lab.server_kill_and_restart(SECONDS(1)).await?;
    lab.until_messages_flow().await?;
    lab.finish(Measure::Rejoin).await
}

async fn crowd(way: Way, pace: Pace) -> Result<Run> {
    let setup = Setup { clients: pace.of(100, 20), topics: 1, ..Setup::default() };
    let mut lab = Lab::start(way, setup).await?;
    lab.measure_from("switch");
    lab.down(Uplink::Wifi).await?;
    lab.until_messages_flow().await?;
    lab.finish(Measure::Gap).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_scenarios_apart() {
        let names: std::collections::HashSet<_> = ALL.iter().map(|scenario| scenario.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}

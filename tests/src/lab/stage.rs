//! A lab that is set up for a story, and what can happen in it.

use std::{collections::HashSet, time::Duration};

use anyhow::{Context, Result, ensure};
use tokio::time::sleep;

use super::{
    Uplink, Way, clock,
    network::Network,
    peer::{Peer, Writes},
    run::{Measure, Run},
    server::{PATIENCE, Server},
    trace::{Record, What},
};

/// What travels in a story.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Sessions that travel together.
    pub clients: u32,
    /// Topics that each of them reads.
    pub topics: u32,
    /// Events a second, over all topics.
    pub rate: u32,
    /// Pushes a second by each client; none for one that only listens.
    pub pushes: u32,
    /// The client library's setting.
    pub keep_alive: Duration,
    /// The server's settings, as `KEY=VALUE`.
    pub server: Vec<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            clients: 1,
            topics: 5,
            rate: 100,
            pushes: 20,
            keep_alive: Duration::from_secs(25),
            server: Vec::new(),
        }
    }
}

/// How long everything runs undisturbed before the story begins, and after it has ended well.
const CALM: Duration = Duration::from_millis(1500);

/// How long to wait for messages to flow again.
const GIVE_UP: Duration = Duration::from_secs(15);

/// A message is live that is no later than this.
const LIVE: u64 = 300_000;

/// How long the last messages may take to arrive when nothing new is published.
const LAST: Duration = Duration::from_secs(3);

/// A network with server, station and traveller, in which messages flow. Dropping it removes everything.
#[derive(Debug)]
pub struct Lab {
    traveller: Peer,
    station: Peer,
    server: Server,
    setup: Setup,
    marks: Vec<Record>,
    measured_from: u64,
    network: Network,
}

impl Lab {
    /// Builds it, and waits until messages flow.
    ///
    /// # Errors
    /// The system gives no namespaces, something is missing, or there is no connection over the perfect network.
    pub async fn start(way: Way, setup: Setup) -> Result<Self> {
        let network = Network::build().await?;
        let settings: Vec<_> = setup.server.iter().cloned().chain(way.server()).collect();
        let server = Server::start(&network.server, &settings).await?;
        let program = std::env::current_exe().context("this program's path")?;
        let authority = Server::authority();
        let agent = |scheme: &str, more: &str| {
            let (program, ca) = (program.display(), server.certificate());
            format!("{program} agent --url {scheme}://{authority} --ca {} {more}", ca.display())
        };
        let list = |n: u32, name: &str| {
            let topics: Vec<_> = (0..n).map(|n| format!("{name}:{n}")).collect();
            topics.join(",")
        };
        let (up, down) = (list(setup.clients, "up"), list(setup.topics, "down"));
        let arguments = format!("--read {up} --write {down} --rate {} --size 200", setup.rate);
        let station = Peer::start(&network.server, &agent("dunlin", &arguments), Writes::Records)?;
        let arguments = format!(
            "--clients {} --read {down} --write up:{{client}} --rate {} --size 50 --keep-alive {}{}",
            setup.clients,
            setup.pushes,
            setup.keep_alive.as_millis(),
            way.client(),
        );
        let traveller = Peer::start(&network.client, &agent(way.scheme(), &arguments), Writes::Records)?;
        let mut lab =
            Self { traveller, station, server, setup, marks: Vec::new(), measured_from: 0, network };
        for peer in [&lab.station, &lab.traveller] {
            let ready = |records: &[Record]| records.iter().any(|record| record.what == What::Ready);
            ensure!(
                peer.until(PATIENCE, ready).await?,
                "an agent did not connect: {:?}",
                peer.records().last()
            );
        }
        lab.station.say("go").await?;
        lab.traveller.say("go").await?;
        sleep(CALM).await;
        Ok(lab)
    }

    /// Names this moment, and measures from it.
    pub fn measure_from(&mut self, name: &str) {
        self.measured_from = clock::now();
        self.mark(name);
    }

    /// Names this moment.
    pub fn mark(&mut self, name: &str) {
        self.marks.push(Record { at: clock::now(), client: 0, what: What::Mark { name: name.into() } });
    }

    /// The interface goes down, and the system tells everybody.
    ///
    /// # Errors
    /// See [`Network::down`].
    pub async fn down(&mut self, uplink: Uplink) -> Result<()> {
        self.mark(&format!("{uplink:?} down"));
        self.network.down(uplink).await
    }

    /// The interface comes up, with an address and a route.
    ///
    /// # Errors
    /// See [`Network::up`].
    pub async fn up(&mut self, uplink: Uplink) -> Result<()> {
        self.mark(&format!("{uplink:?} up"));
        self.network.up(uplink).await
    }

    /// Nothing gets through any more, and nobody says so.
    pub fn black_hole(&mut self, uplink: Uplink) {
        self.loss(uplink, 1.0);
    }

    /// This share of packets is lost from now on.
    pub fn loss(&mut self, uplink: Uplink, share: f64) {
        self.mark(&format!("{uplink:?} loses {} %", share * 100.0));
        self.network.link(uplink).set(|quality| quality.loss = share);
    }

    /// The link has this round trip from now on.
    pub fn round_trip(&mut self, uplink: Uplink, time: Duration) {
        self.network.link(uplink).set(|quality| quality.delay = time / 2);
    }

    /// See [`Router::rebind_port`](super::router::Router::rebind_port).
    ///
    /// # Errors
    /// What the commands complain about.
    pub async fn rebind_port(&mut self) -> Result<()> {
        self.mark("NAT: other port");
        self.network.router.rebind_port().await
    }

    /// See [`Router::rebind_address`](super::router::Router::rebind_address).
    ///
    /// # Errors
    /// What the commands complain about.
    pub async fn rebind_address(&mut self) -> Result<()> {
        self.mark("NAT: other address");
        self.network.router.rebind_address().await
    }

    /// See [`Router::block_udp`](super::router::Router::block_udp).
    ///
    /// # Errors
    /// What the command complains about.
    pub async fn block_udp(&mut self) -> Result<()> {
        self.mark("UDP blocked");
        self.network.router.block_udp().await
    }

    /// Both networks are away for this long; then the mobile one is there, from which moment is measured.
    ///
    /// # Errors
    /// See [`Network::down`].
    pub async fn away(&mut self, time: Duration) -> Result<()> {
        self.down(Uplink::Cell).await?;
        self.down(Uplink::Wifi).await?;
        sleep(time).await;
        self.measure_from("away no more");
        self.up(Uplink::Cell).await
    }

    /// The server is killed, and starts again after a time; measured from when it serves.
    ///
    /// # Errors
    /// It does not start again.
    pub async fn server_kill_and_restart(&mut self, after: Duration) -> Result<()> {
        self.mark("server killed");
        self.server.kill().await?;
        sleep(after).await;
        self.server.begin(&self.network.server).await?;
        self.measure_from("server serves");
        Ok(())
    }

    /// Messages flow for this long.
    pub async fn wait(&mut self, time: Duration) {
        sleep(time).await;
    }

    /// Waits until every traveller gets messages live that were published from now on, and a while longer, so that a
    /// stall that follows is seen too. If that does not happen, gives up: the run shows it.
    ///
    /// # Errors
    /// A process of the lab has ended.
    pub async fn until_messages_flow(&mut self) -> Result<()> {
        let (from, clients) = (clock::now(), self.setup.clients as usize);
        let (mut seen, mut live) = (0, HashSet::new());
        let flowing = |records: &[Record]| {
            for Record { at, client, what } in &records[seen..] {
                if let What::Received { sent, .. } = what
                    && *sent >= from
                    && at.saturating_sub(*sent) < LIVE
                {
                    live.insert(*client);
                }
            }
            seen = records.len();
            live.len() >= clients
        };
        if !self.traveller.until(GIVE_UP, flowing).await? {
            self.mark("given up");
        }
        sleep(CALM).await;
        Ok(())
    }

    /// Ends the story: the last messages arrive, and everything is written down.
    ///
    /// # Errors
    /// A process of the lab has ended.
    pub async fn finish(mut self, measure: Measure) -> Result<Run> {
        let end = clock::now();
        self.mark("end");
        self.station.say("stop").await?;
        self.traveller.say("stop").await?;
        for peer in [&self.station, &self.traveller] {
            let finished = |what: &What| matches!(what, What::Finished { .. });
            let done = |records: &[Record]| records.iter().rev().any(|record| finished(&record.what));
            ensure!(peer.until(PATIENCE, done).await?, "an agent does not finish");
        }
        let answered = |records: &[Record]| {
            let answered = |record: &&Record| matches!(record.what, What::Answered { .. });
            records.iter().filter(answered).count()
        };
        let readers = self.setup.clients as usize;
        let down = answered(&self.station.records()) * readers;
        let up = answered(&self.traveller.records());
        for (reader, expected) in [(&self.traveller, down), (&self.station, up)] {
            let (mut seen, mut received) = (0, 0);
            let all = |records: &[Record]| {
                let new = records[seen..].iter();
                received += new.filter(|record| matches!(record.what, What::Received { .. })).count();
                seen = records.len();
                received >= expected
            };
            reader.until(LAST, all).await?;
        }
        Ok(Run {
            measure,
            from: self.measured_from,
            end,
            clients: self.setup.clients,
            marks: self.marks,
            traveller: self.traveller.records(),
            station: self.station.records(),
            server: self.server.records(),
            packets: self.network.packets(),
        })
    }
}

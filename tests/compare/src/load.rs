//! The load: subscribers who check what they read, and a publisher, in one thread.

// The same that `dunlin bench` waits with.
#[path = "../../../client/cli/src/bench/alarm.rs"]
mod alarm;
mod tally;
mod work;

use std::{
    any::Any,
    net::SocketAddr,
    path::PathBuf,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use bytes::BytesMut;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

pub(crate) use self::work::{Figures, Work};
use self::{
    tally::Tally,
    work::{Meter, measure},
};
use crate::{
    link::{Down, Link, Maker, Up},
    payload::Stamp,
    process,
    wire::{Message, Wire},
};

/// Handshakes on their way at once.
const IN_FLIGHT: usize = 32;

/// How long one handshake may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a server may take to serve.
const START: Duration = Duration::from_secs(20);

/// How long a server rests before its memory is read.
const REST: Duration = Duration::from_secs(1);

/// The readers of [`Work::Latency`].
pub(crate) const FEW: usize = 100;

/// Messages a second of [`Work::Latency`].
pub(crate) const FEW_RATE: u32 = 100;

/// Puts load on one server, and prints what that took.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Args {
    /// What is spoken.
    #[arg(long)]
    pub(crate) wire: Wire,
    /// Where the server is.
    #[arg(long)]
    pub(crate) address: SocketAddr,
    /// The certificate to trust.
    #[arg(long)]
    pub(crate) certificate: PathBuf,
    /// The server's process.
    #[arg(long)]
    pub(crate) pid: u32,
    /// How many read.
    #[arg(long)]
    pub(crate) subscribers: usize,
    /// How long each kind of work goes on.
    #[arg(long)]
    pub(crate) seconds: f64,
    /// What to do once all subscribers are there, in this order.
    #[arg(long, value_delimiter = ',')]
    pub(crate) work: Vec<Work>,
}

/// Runs it all; one line of JSON for each kind of work.
pub(crate) async fn run(args: Args) -> Result<()> {
    process::raise_file_limit();
    let certificate = CertificateDer::from_pem_file(&args.certificate)?;
    let load = Load { maker: Rc::new(args.wire.maker(&certificate)?), args };
    load.wait_for_server().await?;
    let (mut crowd, figures) = load.gather("bench", load.args.subscribers).await?;
    print(&figures)?;
    for work in load.args.work.clone() {
        let figures = match work {
            Work::Latency => {
                let (mut few, _) = load.gather("few", FEW).await?;
                measure(&load.args, work, &mut few).await?
            }
            _ => measure(&load.args, work, &mut crowd).await?,
        };
        print(&figures)?;
        // What is still on its way would count as the next work's. Lost datagrams stay lost.
        if figures.lost > 0 && load.args.wire != Wire::Sealed {
            break;
        }
    }
    Ok(())
}

fn print(figures: &Figures) -> Result<()> {
    println!("{}", serde_json::to_string(figures)?);
    Ok(())
}

struct Load {
    args: Args,
    maker: Rc<Maker>,
}

/// Those who read one topic, and who writes to it. They leave when it is dropped.
struct Crowd {
    tally: Rc<Tally>,
    publisher: Publisher,
    _readers: JoinSet<()>,
}

impl Load {
    async fn wait_for_server(&self) -> Result<()> {
        let Args { wire, address, .. } = self.args;
        let until = Instant::now() + START;
        loop {
            let attempt = wire.enter(&self.maker, address, 0, "bench", false);
            match timeout(Duration::from_secs(1), attempt).await {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) if Instant::now() > until => return Err(error),
                Err(_) if Instant::now() > until => anyhow::bail!("the server does not answer"),
                _ => sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Brings in readers of a topic, and a publisher.
    async fn gather(&self, topic: &'static str, count: usize) -> Result<(Crowd, Figures)> {
        let Args { wire, address, .. } = self.args;
        let tally = Rc::new(Tally::new(count));
        let publisher = Publisher::enter(self, topic, tally.clone()).await?;
        let meter = Meter::start(&self.args)?;
        let turns = Rc::new(Semaphore::new(IN_FLIGHT));
        let mut coming = JoinSet::new();
        for number in 0..count {
            let turn = turns.clone();
            let maker = self.maker.clone();
            coming.spawn_local(async move {
                let _turn = turn.acquire().await?;
                timeout(PATIENCE, wire.enter(&maker, address, number, topic, true)).await?
            });
        }
        let (mut links, mut failures) = (Vec::with_capacity(count), vec![]);
        while let Some(came) = coming.join_next().await {
            match came? {
                Ok(link) => links.push(link),
                Err(error) => failures.push(format!("{error:#}")),
            }
        }
        let mut figures = meter.read(Work::Connect, links.len() as u64)?;
        sleep(REST).await;
        figures.server_bytes = Some(meter.growth()? / links.len().max(1) as f64);
        figures.lost = failures.len() as u64;
        figures.failures = failures;
        let mut readers = JoinSet::new();
        for link in links {
            let tally = tally.clone();
            readers.spawn_local(async move {
                if let Err(error) = read(wire, link, &tally).await {
                    tally.fail(&error);
                }
            });
        }
        Ok((Crowd { tally, publisher, _readers: readers }, figures))
    }
}

/// Reads until the end, which is a failure.
async fn read(wire: Wire, link: Link, tally: &Tally) -> Result<()> {
    let Link { up: _up, mut down, mut buffer, held: _held } = link;
    let mut expected = 0;
    loop {
        down.read(&mut buffer).await?;
        let now = tally.nanos(Instant::now());
        wire.each(&mut buffer, |message| {
            if let Message::Published(payload) = message
                && let Some(stamp) = Stamp::decode(&payload)
            {
                tally.arrive(stamp, now, &mut expected);
            }
        })?;
    }
}

/// Who publishes.
struct Publisher {
    wire: Wire,
    topic: &'static str,
    up: Up,
    tally: Rc<Tally>,
    /// Messages that may be published before another is answered.
    room: Option<Rc<Semaphore>>,
    _answers: JoinSet<()>,
    _held: Box<dyn Any>,
}

impl Publisher {
    async fn enter(load: &Load, topic: &'static str, tally: Rc<Tally>) -> Result<Self> {
        let wire = load.args.wire;
        let entered = timeout(PATIENCE, wire.enter(&load.maker, load.args.address, 0, topic, false));
        let Link { up, down, buffer, held } = entered.await?.context("the publisher")?;
        let room = wire.unanswered().map(|most| Rc::new(Semaphore::new(most)));
        let mut answers = JoinSet::new();
        let (permits, of) = (room.clone(), tally.clone());
        answers.spawn_local(async move {
            if let Err(error) = take_answers(wire, down, buffer, permits).await {
                of.fail(&error);
            }
        });
        Ok(Self { wire, topic, up, tally, room, _answers: answers, _held: held })
    }

    /// Publishes the next message, which was due then.
    async fn publish(&mut self, due: Instant) -> Result<()> {
        if let Some(room) = &self.room {
            timeout(PATIENCE, room.acquire()).await.context("no answers any more")??.forget();
        }
        let number = self.tally.publish();
        let payload = Stamp { number, due: self.tally.nanos(due) }.encode();
        let message = self.wire.publish(self.topic, number, payload);
        timeout(PATIENCE, self.up.write(&message)).await.context("the server does not read")?
    }
}

async fn take_answers(
    wire: Wire,
    mut down: Down,
    mut buffer: BytesMut,
    room: Option<Rc<Semaphore>>,
) -> Result<()> {
    loop {
        down.read(&mut buffer).await?;
        wire.each(&mut buffer, |message| {
            if let (Message::Answer, Some(room)) = (message, &room) {
                room.add_permits(1);
            }
        })?;
    }
}

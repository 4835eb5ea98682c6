//! The lab's command line.

use std::{fs, ops::Range, path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use dunlin_client::Congestion;
use serde_json::json;
use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    Run, Transport, Way, agent, check, loss,
    outcome::Outcome,
    plot, remove_stale,
    report::{self, Row, Verdict},
    scenario::{ALL, Pace, Scenario},
    way::Window,
};

/// A network lab: what happens to Dunlin's clients when the network changes.
#[derive(Debug, clap::Parser)]
#[command(name = "lab", args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, clap::Subcommand)]
enum Part {
    /// Be a client in one of the lab's namespaces
    #[command(hide = true)]
    Agent(agent::Settings),
}

#[derive(Debug, clap::Args)]
struct Options {
    /// Each scenario once, long absences shortened, several labs side by side; times are shown and not judged, and a rung
    /// that is wrong once is looked at twice more
    #[arg(long)]
    quick: bool,
    /// Only scenarios whose name contains one of these, or `loss` or `links`
    #[arg(long)]
    only: Vec<String>,
    /// Times that each story is told
    #[arg(long)]
    repeat: Option<u32>,
    /// Labs side by side
    #[arg(long)]
    labs: Option<usize>,
    /// Ways to the server
    #[arg(long, value_enum, value_delimiter = ',', default_value = "quic,websocket")]
    transport: Vec<Transport>,
    /// Congestion controls of both sides: bbr, cubic, newreno; the default if none is named
    #[arg(long, value_delimiter = ',')]
    congestion: Vec<Congestion>,
    /// Initial windows of both sides, in bytes, or `default`
    #[arg(long, value_delimiter = ',', default_value = "default")]
    initial_window: Vec<Window>,
    /// Write all results to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Draw each run into this directory
    #[arg(long)]
    plot: Option<PathBuf>,
    /// Write down each run in this directory: everything that happened, as lines of JSON
    #[arg(long)]
    trace: Option<PathBuf>,
    /// List the scenarios
    #[arg(long)]
    list: bool,
}

impl Arguments {
    /// Runs what was asked for; true if everything holds.
    ///
    /// # Errors
    /// There is no lab to be had here; the error says what is missing.
    pub async fn run(self) -> Result<bool> {
        match self.part {
            Some(Part::Agent(settings)) => agent::run(settings).await.map(|()| true),
            None => Arc::new(self.options).run().await,
        }
    }
}

impl Options {
    fn pace(&self) -> Pace {
        if self.quick { Pace::Quick } else { Pace::Full }
    }

    fn chosen(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part))
    }

    async fn run(self: Arc<Self>) -> Result<bool> {
        if self.list {
            ALL.iter().for_each(|scenario| println!("{}", scenario.name));
            return Ok(true);
        }
        remove_stale();
        for directory in self.plot.iter().chain(&self.trace) {
            fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        }
        if self.chosen("links") {
            println!("{}", check::run().await?);
        }
        let rows = self.clone().scenarios().await?;
        if !rows.is_empty() {
            println!("\n{}", report::table(&rows));
        }
        let losses = if self.chosen("loss") { self.clone().losses().await? } else { Vec::new() };
        if !losses.is_empty() {
            println!("{}", loss::table(&losses));
        }
        if let Some(path) = &self.json {
            let verdicts: Vec<_> =
                rows.iter().map(|row| json!({"row": row, "verdict": row.verdict()})).collect();
            let text = json!({"scenarios": verdicts, "loss": losses}).to_string();
            fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        let holds = |row: &Row| match row.verdict() {
            Verdict::Holds => true,
            // The bars are QUIC's; the others stand beside it for comparison.
            Verdict::Late => self.quick || row.way.transport != Transport::Quic,
            Verdict::Never => row.way.transport != Transport::Quic,
            Verdict::OtherRung | Verdict::Wrong | Verdict::Failed => false,
        };
        Ok(rows.iter().all(holds) && losses.iter().all(loss::Row::holds))
    }

    fn ways(&self) -> Vec<Way> {
        Way::all(&self.transport, &self.congestion, &self.initial_window)
    }

    fn repeats(&self) -> u32 {
        self.repeat.unwrap_or(if self.quick { 1 } else { 5 })
    }

    /// Tells the stories, and sorts what came out into rows.
    async fn scenarios(self: Arc<Self>) -> Result<Vec<Row>> {
        let chosen = ALL.iter().filter(|scenario| self.chosen(scenario.name));
        let pairs: Vec<_> =
            chosen.flat_map(|scenario| self.ways().into_iter().map(move |way| (scenario, way))).collect();
        let mut rows: Vec<_> =
            pairs.iter().map(|(scenario, way)| Row::new(scenario, *way, self.pace())).collect();
        let every = 0..pairs.len();
        self.clone().tell_all(&pairs, every.collect(), 0..self.repeats(), &mut rows).await?;
        if self.quick {
            // A stall of the machine can cost a client a rung. It is shown which rows that was.
            let doubtful = |n: &usize| rows[*n].verdict() == Verdict::OtherRung;
            let again: Vec<_> = (0..rows.len()).filter(doubtful).collect();
            let from = self.repeats();
            self.clone().tell_all(&pairs, again, from..from + 2, &mut rows).await?;
        }
        Ok(rows)
    }

    /// Tells the stories of some rows so many times.
    async fn tell_all(
        self: Arc<Self>,
        pairs: &[(&'static Scenario, Way)],
        which: Vec<usize>,
        repeats: Range<u32>,
        rows: &mut [Row],
    ) -> Result<()> {
        let mut runs = JoinSet::new();
        let places = self.places();
        for n in which {
            let (scenario, way) = pairs[n];
            for repeat in repeats.clone() {
                let (options, places) = (self.clone(), places.clone());
                runs.spawn(async move {
                    let _place = places.acquire_owned().await;
                    let told = (scenario.tell)(way, options.pace()).await;
                    let name = format!("{} {way} {repeat}", scenario.name);
                    (n, told.and_then(|run| options.keep(&name, &run).map(|()| Outcome::of(&run))))
                });
            }
        }
        while let Some(run) = runs.join_next().await {
            let (n, told) = run?;
            let row = &mut rows[n];
            match told {
                Ok(outcome) => {
                    let rung = outcome.rungs.iter().max();
                    println!("{} {}: {:.0} ms, {rung:?}", row.way, row.name, outcome.time());
                    row.outcomes.push(outcome);
                }
                Err(error) => row.failures.push(format!("{error:#}")),
            }
        }
        Ok(())
    }

    async fn losses(self: Arc<Self>) -> Result<Vec<loss::Row>> {
        let mut rows = Vec::new();
        for share in loss::shares(self.pace()) {
            rows.extend(self.ways().into_iter().map(|way| loss::Row::new(way, *share)));
        }
        let mut runs = JoinSet::new();
        let places = self.places();
        for (n, row) in rows.iter().enumerate() {
            let (way, share) = (row.way, row.loss);
            for repeat in 0..self.repeats() {
                let (options, places) = (self.clone(), places.clone());
                runs.spawn(async move {
                    let _place = places.acquire_owned().await;
                    let told = loss::tell(way, share, options.pace()).await;
                    let name = format!("loss {share} {way} {repeat}");
                    (n, told.and_then(|run| options.keep(&name, &run).map(|()| run)))
                });
            }
        }
        while let Some(run) = runs.join_next().await {
            match run? {
                (n, Ok(run)) => rows[n].add(&run),
                (n, Err(error)) => rows[n].failures.push(format!("{error:#}")),
            }
        }
        Ok(rows)
    }

    /// As many as labs may run side by side.
    fn places(&self) -> Arc<Semaphore> {
        Arc::new(Semaphore::new(self.labs.unwrap_or(if self.quick { 4 } else { 1 })))
    }

    /// Draws and writes down a run, where that is wanted.
    fn keep(&self, name: &str, run: &Run) -> Result<()> {
        let name = name.to_lowercase();
        let file: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        if let Some(directory) = &self.plot {
            fs::write(directory.join(&file).with_extension("svg"), plot::draw(&name, run))?;
        }
        if let Some(directory) = &self.trace {
            run.write(&directory.join(&file).with_extension("jsonl"))?;
        }
        Ok(())
    }
}

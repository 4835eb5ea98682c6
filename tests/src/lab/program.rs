//! The lab's command line.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use serde_json::json;
use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    Transport, agent, check, loss,
    outcome::Outcome,
    plot, remove_stale,
    report::{self, Row, Verdict},
    scenario::{ALL, Pace, Scenario},
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
    /// Each scenario once, long absences shortened, several labs side by side; times are shown and not judged
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
        let losses = if self.chosen("loss") { self.losses().await? } else { Vec::new() };
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
            Verdict::Late => self.quick || row.transport != Transport::Quic,
            Verdict::Never => row.transport != Transport::Quic,
            Verdict::Wrong | Verdict::Failed => false,
        };
        Ok(rows.iter().all(holds) && losses.iter().all(|row| row.wrong == 0))
    }

    /// Tells the stories, several at a time, and sorts what came out into rows.
    async fn scenarios(self: Arc<Self>) -> Result<Vec<Row>> {
        let places = Arc::new(Semaphore::new(self.labs.unwrap_or(if self.quick { 4 } else { 1 })));
        let mut runs = JoinSet::new();
        let mut rows = BTreeMap::new();
        for (n, scenario) in ALL.iter().enumerate().filter(|(_, scenario)| self.chosen(scenario.name)) {
            for transport in self.transport.iter().copied() {
                rows.insert((n, transport), Row::new(scenario, transport, self.pace()));
                let repeats = self.repeat.unwrap_or(if self.quick { 1 } else { 5 });
                for repeat in 0..repeats {
                    let (options, places) = (self.clone(), places.clone());
                    runs.spawn(async move {
                        let _place = places.acquire_owned().await;
                        ((n, transport), options.tell(scenario, transport, repeat).await)
                    });
                }
            }
        }
        while let Some(run) = runs.join_next().await {
            let (key, told) = run?;
            let row = rows.get_mut(&key).context("each run has a row")?;
            match told {
                Ok(outcome) => {
                    println!(
                        "{:?} {}: {:.0} ms, {:?}",
                        row.transport,
                        row.name,
                        outcome.time(),
                        outcome.rungs.iter().max()
                    );
                    row.outcomes.push(outcome);
                }
                Err(error) => row.failures.push(format!("{error:#}")),
            }
        }
        Ok(rows.into_values().collect())
    }

    async fn tell(&self, scenario: &Scenario, transport: Transport, repeat: u32) -> Result<Outcome> {
        let run = (scenario.tell)(transport, self.pace()).await?;
        let name = format!("{} {transport:?} {repeat}", scenario.name).to_lowercase();
        let file: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        if let Some(directory) = &self.plot {
            fs::write(directory.join(&file).with_extension("svg"), plot::draw(&name, &run))?;
        }
        if let Some(directory) = &self.trace {
            run.write(&directory.join(&file).with_extension("jsonl"))?;
        }
        Ok(Outcome::of(&run))
    }

    /// One after the other: what is measured here is small.
    async fn losses(&self) -> Result<Vec<loss::Row>> {
        let mut rows = Vec::new();
        for share in [0.0, 0.02, 0.05] {
            for transport in &self.transport {
                rows.push(loss::measure(*transport, share, self.pace()).await?);
            }
        }
        Ok(rows)
    }
}

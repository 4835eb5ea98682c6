//! `dunlin certs`: shows, makes and checks certificates.

mod report;

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

use dunlin_certs::{Error, development, inspect, inspect::Facts, load, local};

use self::report::Report;
use crate::exit::{Exit, Failure};

/// Shows, makes and checks certificates
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dunlin certs show
  dunlin certs make --dir certs --name dunlin.test
  dunlin certs check fullchain.pem privkey.pem")]
pub(crate) struct Args {
    /// Print JSON, for programs
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Shows what a certificate says; without FILE, those of this user's servers on this machine
    Show {
        /// PEM
        file: Option<PathBuf>,
    },
    /// Makes a development certificate, which browsers accept by its hash
    Make {
        /// Where to put dev.pem (certificate and key, secret) and dev-cert.pem (the certificate alone)
        #[arg(long)]
        dir: PathBuf,
        /// A DNS name or an IP address, besides localhost; may be repeated
        #[arg(long = "name", value_name = "NAME")]
        names: Vec<String>,
    },
    /// Checks that clients will accept a certificate, and that a key belongs to it
    Check {
        /// PEM, the server's own certificate first
        cert: PathBuf,
        /// PEM
        key: Option<PathBuf>,
    },
}

/// Runs the command; `check` fails if something is wrong.
pub(crate) fn run(args: Args) -> Result<Exit, Failure> {
    let report = Report { json: args.json, now: SystemTime::now() };
    match args.command {
        Command::Show { file } => show(&file.map_or_else(announced, |file| Ok(vec![file]))?, report),
        Command::Make { dir, names } => make(&dir, &names, report),
        Command::Check { cert, key } => check(&cert, key.as_deref(), report),
    }
}

fn show(files: &[PathBuf], report: Report) -> Result<Exit, Failure> {
    for file in files {
        for facts in inspect::pem_file(file)? {
            report.certificate(file, &facts)?;
        }
    }
    Ok(Exit::Done)
}

/// The certificates that servers on this machine have left for this user's clients.
fn announced() -> Result<Vec<PathBuf>, Failure> {
    let dir = local::dir().ok_or(Error::NoLocalDir)?;
    // A folder that is not there holds none.
    let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).filter(|path| is_pem(path)).collect();
    files.sort();
    if files.is_empty() {
        let message = format!("no server of this user has left a certificate in {}", dir.display());
        return Err(Failure::new(Exit::Failed, message)
            .hint("start a server without a certificate of its own, or name a FILE"));
    }
    Ok(files)
}

fn is_pem(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "pem")
}

fn make(dir: &Path, names: &[String], report: Report) -> Result<Exit, Failure> {
    development::make(names, report.now)?.save(dir)?;
    let cert = dir.join(development::CERT_FILE);
    report.made(&dir.join(development::PAIR_FILE), &cert)?;
    show(&[cert], report)
}

fn check(cert: &Path, key: Option<&Path>, report: Report) -> Result<Exit, Failure> {
    let chain = inspect::pem_file(cert)?;
    for facts in &chain {
        report.certificate(cert, facts)?;
    }
    if let Some(key) = key {
        load::pair(cert, key)?;
        report.key_fits(key)?;
    }
    let is_good = chain.iter().all(|facts: &Facts| facts.problems(report.now).is_empty());
    Ok(if is_good { Exit::Done } else { Exit::Failed })
}

/// The message names the file.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Name(_) => Self::new(Exit::Usage, error.to_string()),
            _ => Self::new(Exit::Failed, error.to_string()),
        }
    }
}

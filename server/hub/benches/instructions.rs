//! How many instructions the core of the server takes for one thing, counted by callgrind: a figure that a busy machine
//! does not change.
//!
//! Each case runs in a process of its own under valgrind, once a number of times and once twice as often; the difference is
//! what that number of times costs, without start and set-up. `check` compares with the baseline, `write` makes it.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should panic")]

#[path = "instructions/baseline.rs"]
mod baseline;
#[path = "instructions/cases.rs"]
mod cases;
#[path = "shared/crowd.rs"]
mod crowd;

use std::{collections::BTreeMap, path::Path, process::Command};

use baseline::{Baseline, Growth};

/// Where the baseline stands.
const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/instructions.toml");

/// How often a case is run for its count.
const TIMES: u32 = 2000;

fn main() {
    // Cargo adds one of its own.
    let arguments: Vec<_> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["run", case, times] => cases::run(case, times.parse().unwrap()),
        ["write"] => std::fs::write(FILE, Baseline::of(count_all()).to_text()).unwrap(),
        ["check"] => check(),
        _ => println!("what to do? check, or write (the baseline)"),
    }
}

fn check() {
    let baseline = Baseline::parse(&std::fs::read_to_string(FILE).unwrap()).unwrap();
    let mut failed = false;
    for (case, count) in count_all() {
        let growth = baseline.growth(&case, count);
        println!("{case:<16} {count:>8} instructions  {growth}");
        failed |= !matches!(growth, Growth::Within(_));
    }
    if failed {
        eprintln!(
            "where that is meant: INSTRUCTIONS=write tests/run instructions, and say why in the commit"
        );
        std::process::exit(1);
    }
}

fn count_all() -> BTreeMap<String, u64> {
    cases::NAMES.iter().map(|case| ((*case).to_owned(), count(case))).collect()
}

/// Instructions for the case once.
fn count(case: &str) -> u64 {
    let [once, twice] = [TIMES, 2 * TIMES].map(|times| callgrind(case, times));
    (twice - once) / u64::from(TIMES)
}

/// Instructions of a whole process.
fn callgrind(case: &str, times: u32) -> u64 {
    let out = std::env::temp_dir().join(format!("instructions-{}.out", std::process::id()));
    let ran = Command::new("valgrind")
        .args(["--tool=callgrind", &format!("--callgrind-out-file={}", out.display())])
        .arg(std::env::current_exe().unwrap())
        .args(["run", case, &times.to_string()])
        .output()
        .expect("valgrind is installed");
    assert!(ran.status.success(), "{case}: {}", String::from_utf8_lossy(&ran.stderr));
    let total = read_total(&out);
    let _ = std::fs::remove_file(&out);
    total
}

fn read_total(file: &Path) -> u64 {
    let text = std::fs::read_to_string(file).unwrap();
    let total = text.lines().find_map(|line| line.strip_prefix("summary:").or(line.strip_prefix("totals:")));
    total.expect("callgrind's file has a total").trim().parse().unwrap()
}

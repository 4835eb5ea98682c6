//! Running the system's network commands.

use std::process::{Output, Stdio};

use anyhow::{Context, Result, bail};
use tokio::{io::AsyncWriteExt, process::Command};

/// Runs a command line, split at spaces, to its end and gives its standard output.
pub(super) async fn run(line: &str) -> Result<String> {
    run_with_input(line, "").await
}

/// As [`run`], with this on standard input.
pub(super) async fn run_with_input(line: &str, input: &str) -> Result<String> {
    let output = execute(line, input).await.with_context(|| format!("cannot run: {line}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{line}: {}: {}", output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command line to its end, however it ends.
pub(super) async fn execute(line: &str, input: &str) -> Result<Output> {
    let mut words = line.split_whitespace();
    let mut command = Command::new(words.next().context("an empty command line")?);
    command.args(words).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A command that reads no input may have ended.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    Ok(child.wait_with_output().await?)
}

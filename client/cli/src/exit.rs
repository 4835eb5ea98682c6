//! How a command ends: exit codes for scripts, one clear line and a hint for people.

use std::{io, process::ExitCode};

use console::style;

/// What a script can tell from a command's end. The numbers are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    /// As clap does it.
    Usage = 2,
    Unreachable = 3,
    Refused = 4,
    Untrusted = 5,
    Unacknowledged = 6,
    /// 128 + SIGINT, as shells do it.
    Interrupted = 130,
}

/// Every exit code with its meaning, as `--help` shows them.
pub(crate) const TABLE: &[(Exit, &str)] = &[
    (Exit::Done, "done; sub: also when it is interrupted or its output is closed"),
    (Exit::Failed, "failed; ping: no answer; certs, token: something is wrong with what was looked at"),
    (Exit::Usage, "wrong usage"),
    (Exit::Unreachable, "no server answered"),
    (Exit::Refused, "the server refused; the message names the code"),
    (Exit::Untrusted, "the server's certificate is not trusted"),
    (Exit::Unacknowledged, "not everything that was to be published is acknowledged"),
    (Exit::Interrupted, "interrupted before it was done"),
];

/// The table for `--help`.
pub(crate) fn help() -> String {
    let rows = TABLE.iter().map(|(exit, meaning)| format!("\n{:>5}  {meaning}", *exit as u8));
    format!("Exit codes:{}", rows.collect::<String>())
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command did not do what it was asked to.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// One line; empty if there is nothing to say.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), hint: None }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The end by Ctrl-C, of which the user knows.
    pub(crate) fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "")
    }

    /// Tells the user, and gives the exit code to end with.
    pub(crate) fn report(self) -> Exit {
        if !self.message.is_empty() {
            eprintln!("{} {}", style("dunlin:").red().bold().for_stderr(), self.message);
        }
        if let Some(hint) = &self.hint {
            eprintln!("{} {hint}", style("hint:").cyan().for_stderr());
        }
        self.exit
    }
}

/// Of standard output. A reader that has seen enough and is gone (`| head`) is no failure.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Exit::Done, ""),
            _ => Self::new(Exit::Failed, format!("cannot write the output: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_is_gone_is_no_failure() {
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).exit, Exit::Done);
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::StorageFull)).exit, Exit::Failed);
    }

    #[test]
    fn codes_are_told_once_and_in_order() {
        assert!(TABLE.windows(2).all(|pair| (pair[0].0 as u8) < pair[1].0 as u8));
    }
}

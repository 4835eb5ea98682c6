//! Standard output, for commands that say little at a time, and remarks on standard error.

use std::{
    fmt::Display,
    io::{self, Write as _},
};

use console::style;

/// A line on standard output.
pub(crate) fn line(line: impl Display) -> io::Result<()> {
    bytes(format!("{line}\n").as_bytes())
}

/// Bytes on standard output, at once.
pub(crate) fn bytes(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}

/// A dim line on standard error. That it cannot be written stops nothing.
pub(crate) fn remark(remark: impl Display) {
    let _ = writeln!(io::stderr(), "{}", style(format!("-- {remark}")).dim().for_stderr());
}

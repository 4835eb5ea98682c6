//! The room on the screen: what others say appears above the line that is being typed, which stays as it is.
//!
//! The terminal edits the line, so what was typed is not known here. New rows are inserted above it instead, with
//! sequences that every terminal since the VT102 understands. Without a terminal, lines are simply printed.

use std::io::{self, IsTerminal as _};

use console::{Term, measure_text_width, strip_ansi_codes, style};

use super::Said;
use crate::say;

/// Where the room is shown.
#[derive(Debug)]
pub(super) struct Screen {
    /// What stands before the line that is typed; `None` if nobody types here.
    prompt: Option<String>,
}

impl Screen {
    /// Shows the prompt, if there is a terminal at both ends.
    pub(super) fn open(name: &str) -> io::Result<Self> {
        let is_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
        let screen = Self { prompt: is_terminal.then(|| format!("{name}> ")) };
        screen.ask()?;
        Ok(screen)
    }

    /// Something that was said.
    pub(super) fn show(&self, said: &Said, time: &str) -> io::Result<()> {
        let by = style(&said.by).bold();
        self.above(&format!("{} {by}: {}", style(time).dim(), said.text))
    }

    /// Something to know about the room.
    pub(super) fn remark(&self, remark: &str) -> io::Result<()> {
        if self.prompt.is_some() {
            return self.above(&style(format!("-- {remark}")).dim().to_string());
        }
        say::remark(remark);
        Ok(())
    }

    /// A line was typed. It is taken from the screen, to appear where the room heard it.
    pub(super) fn entered(&self, line: &str) -> io::Result<()> {
        if let Some(prompt) = &self.prompt {
            let rows = rows(&format!("{prompt}{line}"), width());
            say::bytes(format!("\x1b[{rows}A\r\x1b[J").as_bytes())?;
        }
        self.ask()
    }

    /// Leaves the terminal at the start of a row.
    pub(super) fn close(&self) -> io::Result<()> {
        if self.prompt.is_some() { say::bytes(b"\r\x1b[K") } else { Ok(()) }
    }

    fn ask(&self) -> io::Result<()> {
        self.prompt.as_ref().map_or(Ok(()), |prompt| say::bytes(prompt.as_bytes()))
    }

    fn above(&self, line: &str) -> io::Result<()> {
        match self.prompt {
            Some(_) => say::bytes(above(line, width()).as_bytes()),
            None => say::line(line),
        }
    }
}

fn width() -> usize {
    let (_, columns) = Term::stdout().size();
    usize::from(columns).max(1)
}

/// Puts a line above the row of the cursor, which keeps its column and what stands in its row.
fn above(line: &str, width: usize) -> String {
    let rows = rows(line, width);
    // Scrolls as far as needed so that there are rows below (IND, and CUU back), remembers the place (DECSC),
    // moves its row down (IL), writes, and goes to where the row is now (DECRC, CUD).
    format!("{}\x1b[{rows}A\x1b7\r\x1b[{rows}L{line}\x1b8\x1b[{rows}B", "\x1bD".repeat(rows))
}

/// How many rows a text takes when the terminal wraps it.
fn rows(text: &str, width: usize) -> usize {
    let (mut rows, mut column) = (1, 0);
    for c in strip_ansi_codes(text).chars() {
        let cells = measure_text_width(c.encode_utf8(&mut [0; 4]));
        if column + cells > width {
            rows += 1;
            column = 0;
        }
        column += cells;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_as_a_terminal_wraps() {
        for (text, expected) in [("", 1), ("1234", 1), ("12345", 2), ("\x1b[1m1234\x1b[0m", 1), ("123日", 2)]
        {
            assert_eq!(rows(text, 4), expected, "{text}");
        }
    }

    #[test]
    fn a_wrapped_line_moves_the_prompt_by_all_its_rows() {
        assert_eq!(above("12345", 4), "\x1bD\x1bD\x1b[2A\x1b7\r\x1b[2L12345\x1b8\x1b[2B");
    }
}

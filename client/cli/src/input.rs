//! Standard input, line by line, with a bound on each line.

use std::{io, mem};

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, BufReader, Stdin, stdin};

use crate::exit::{Exit, Failure};

/// Lines of bytes, counted from 1.
#[derive(Debug)]
pub(crate) struct Lines<R> {
    input: R,
    /// Longest line in bytes, without its end.
    limit: usize,
    /// How many lines were given out.
    count: u64,
    /// The beginning of the line that is being read.
    line: Vec<u8>,
}

/// One line, without `\n` or `\r\n` at its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) number: u64,
    pub(crate) bytes: Vec<u8>,
}

/// Why there is no next line.
#[derive(Debug)]
pub(crate) enum LineError {
    TooLong { number: u64, limit: usize },
    Read(io::Error),
}

impl Lines<BufReader<Stdin>> {
    /// The lines of standard input.
    pub(crate) fn of_stdin(limit: usize) -> Self {
        Self::new(BufReader::with_capacity(64 * 1024, stdin()), limit)
    }
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    pub(crate) fn new(input: R, limit: usize) -> Self {
        Self { input, limit, count: 0, line: Vec::new() }
    }

    /// The next line; `None` at the end of the input. Safe to cancel: what was read is kept.
    pub(crate) async fn next(&mut self) -> Result<Option<Line>, LineError> {
        loop {
            let bytes = self.input.fill_buf().await.map_err(LineError::Read)?;
            if bytes.is_empty() {
                let last = (!self.line.is_empty()).then(|| self.take());
                return Ok(last);
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            self.line.extend_from_slice(&bytes[..end.unwrap_or(bytes.len())]);
            let consumed = end.map_or(bytes.len(), |end| end + 1);
            self.input.consume(consumed);
            if self.line.len() > self.limit {
                return Err(LineError::TooLong { number: self.count + 1, limit: self.limit });
            }
            if end.is_some() {
                return Ok(Some(self.take()));
            }
        }
    }

    fn take(&mut self) -> Line {
        self.count += 1;
        let mut bytes = mem::take(&mut self.line);
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        Line { number: self.count, bytes }
    }
}

impl From<LineError> for Failure {
    fn from(error: LineError) -> Self {
        match error {
            LineError::TooLong { number, limit } => {
                Self::new(Exit::Failed, format!("line {number} of the input is longer than {limit} bytes"))
                    .hint("the server's limit for a payload sets this; `dunlin ping` shows it")
            }
            LineError::Read(error) => Self::new(Exit::Failed, format!("cannot read standard input: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(input: &[u8], limit: usize) -> (Vec<(u64, Vec<u8>)>, Option<LineError>) {
        // A buffer of three bytes parts lines and their ends in every way.
        let mut lines = Lines::new(BufReader::with_capacity(3, input), limit);
        let mut all = Vec::new();
        loop {
            match lines.next().await {
                Ok(Some(line)) => all.push((line.number, line.bytes)),
                Ok(None) => return (all, None),
                Err(error) => return (all, Some(error)),
            }
        }
    }

    #[tokio::test]
    async fn every_end_of_line_ends_a_line() {
        let (lines, error) = all(b"one\n\r\n\nfour\r\nlast", 100).await;
        assert!(error.is_none());
        let expected = [&b"one"[..], b"", b"", b"four", b"last"];
        assert_eq!(lines, (1..).zip(expected.map(<[u8]>::to_vec)).collect::<Vec<_>>());
        assert_eq!(all(b"", 100).await.0, []);
    }

    #[tokio::test]
    async fn a_line_that_never_ends_is_not_kept() {
        let (lines, error) = all(b"12345\n123456", 5).await;
        assert_eq!(lines.len(), 1);
        assert!(matches!(error, Some(LineError::TooLong { number: 2, limit: 5 })));
    }
}

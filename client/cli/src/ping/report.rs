//! What `dunlin ping` shows: the connection, each answer, and the statistics.

use std::{io, time::Duration};

use console::style;
use dunlin_client::{ConnectionInfo, Limits, address::Address};
use serde_json::json;

use crate::{
    say,
    text::{millis, printable, span},
};

/// The form of the report.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report<'a> {
    pub(super) url: &'a Address,
    pub(super) json: bool,
}

impl Report<'_> {
    /// The facts of both connections, the second of which had a ticket.
    pub(super) fn connection(self, first: &ConnectionInfo, second: &ConnectionInfo) -> io::Result<()> {
        if self.json { self.connection_object(first, second) } else { self.connection_lines(first, second) }
    }

    fn connection_object(self, first: &ConnectionInfo, second: &ConnectionInfo) -> io::Result<()> {
        let handshake = |connection: &ConnectionInfo| json!({ "ms": millis(connection.handshake), "early_data": connection.early_data });
        say::line(json!({
            "type": "connection",
            "url": self.url.to_string(),
            "transport": second.transport.to_string(),
            "address": second.remote.map(|address| address.to_string()),
            "server": second.agent,
            "session": second.session,
            "mtu": second.mtu,
            "certificate": second.certificate.map(|certificate| certificate.to_string()),
            "first": handshake(first),
            "second": handshake(second),
            "linger_ms": millis(second.linger),
            "limits": {
                "payload": second.limits.payload,
                "channels": second.limits.channels,
                "pushes": second.limits.pushes,
            },
        }))
    }

    fn connection_lines(self, first: &ConnectionInfo, second: &ConnectionInfo) -> io::Result<()> {
        let address = second.remote.map(|address| format!(" ({address})")).unwrap_or_default();
        say::line(format!("PING {}{address} over {}", self.url, second.transport))?;
        let fact =
            |name: &str, fact: String| say::line(format!("{} {fact}", style(format!("{name:<12}")).dim()));
        fact("server", printable(&second.agent).into())?;
        fact(
            "session",
            format!("{}, kept for {} after a loss", printable(&second.session), span(second.linger)),
        )?;
        if let Some(certificate) = second.certificate {
            fact("certificate", format!("SHA-256 {certificate}"))?;
        }
        fact("handshake", format!("{}, until the server's welcome", span(first.handshake)))?;
        if let Some(mtu) = second.mtu {
            fact("path", format!("packets of up to {mtu} bytes"))?;
        }
        let early = if second.early_data { "with" } else { "without" };
        fact("again", format!("{}, {early} 0-RTT data", span(second.handshake)))?;
        let Limits { payload, channels, pushes } = second.limits;
        fact(
            "limits",
            format!("{payload} bytes a payload, {channels} channels, {pushes} pushes on their way"),
        )
    }

    /// One answer, or that none came in time.
    pub(super) fn pong(self, number: u64, time: Option<Duration>) -> io::Result<()> {
        if self.json {
            return say::line(json!({ "type": "pong", "seq": number, "ms": time.map(millis) }));
        }
        match time {
            Some(time) => say::line(format!("pong {number} in {}", style(span(time)).bold())),
            None => say::line(format!("pong {number} did not come in time")),
        }
    }

    /// The statistics at the end.
    pub(super) fn summary(self, times: &Times, connection: Option<&ConnectionInfo>) -> io::Result<()> {
        let rtt = times.statistics();
        if self.json {
            return say::line(json!({
                "type": "summary",
                "sent": times.sent,
                "received": times.answers.len(),
                "rtt_ms": rtt.map(|rtt| json!({
                    "min": millis(rtt.min), "avg": millis(rtt.avg), "max": millis(rtt.max), "mdev": millis(rtt.mdev),
                })),
                "transport": connection.map(|connection| json!({
                    "name": connection.transport.to_string(),
                    "rtt_ms": millis(connection.rtt),
                    "sent_packets": connection.sent_packets,
                    "lost_packets": connection.lost_packets,
                })),
            }));
        }
        say::line(format!("--- {} ---", self.url))?;
        let lost = times.sent - times.answers.len() as u64;
        say::line(format!("{} sent, {} answered, {lost} lost", times.sent, times.answers.len()))?;
        if let Some(rtt) = rtt {
            let [min, avg, max, mdev] = [rtt.min, rtt.avg, rtt.max, rtt.mdev].map(span);
            say::line(format!("round trip min {min}, avg {avg}, max {max}, mdev {mdev}"))?;
        }
        if let Some(connection) = connection {
            let ConnectionInfo { transport, sent_packets, lost_packets, .. } = connection;
            // Of TCP's packets nothing is known.
            let packets = match connection.mtu {
                Some(_) => format!(", {sent_packets} packets sent, {lost_packets} lost"),
                None => String::new(),
            };
            say::line(format!("{transport}: round trip {}{packets}", span(connection.rtt)))?;
        }
        Ok(())
    }
}

/// The times measured so far.
#[derive(Debug, Default)]
pub(super) struct Times {
    sent: u64,
    answers: Vec<Duration>,
}

/// As ping(8) gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Statistics {
    min: Duration,
    avg: Duration,
    max: Duration,
    /// Standard deviation.
    mdev: Duration,
}

impl Times {
    /// Counts a ping, and its time if it was answered.
    pub(super) fn add(&mut self, time: Option<Duration>) {
        self.sent += 1;
        self.answers.extend(time);
    }

    /// Whether any ping was answered.
    pub(super) fn any(&self) -> bool {
        !self.answers.is_empty()
    }

    fn statistics(&self) -> Option<Statistics> {
        let count = self.answers.len() as f64;
        let avg = self.answers.iter().sum::<Duration>().as_secs_f64() / count;
        let variance =
            self.answers.iter().map(|time| (time.as_secs_f64() - avg).powi(2)).sum::<f64>() / count;
        Some(Statistics {
            min: *self.answers.iter().min()?,
            avg: Duration::from_secs_f64(avg),
            max: *self.answers.iter().max()?,
            mdev: Duration::from_secs_f64(variance.sqrt()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_those_of_ping() {
        let mut times = Times::default();
        assert_eq!(times.statistics(), None);
        for time in [Some(2), Some(4), None, Some(4), Some(4), Some(5), Some(5), Some(7), Some(9)] {
            times.add(time.map(Duration::from_secs));
        }
        let seconds = Duration::from_secs;
        let expected = Statistics { min: seconds(2), avg: seconds(5), max: seconds(9), mdev: seconds(2) };
        assert_eq!((times.statistics(), times.sent, times.any()), (Some(expected), 9, true));
    }
}

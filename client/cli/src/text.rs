//! Texts for terminals: safe characters, local times, spans of time.

use std::{
    borrow::Cow,
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use jiff::{Timestamp, ZonedDateTime, tz::TimeZone};

/// The text without control characters, which could move a terminal's cursor or rename its window: others wrote
/// it. They appear as in JSON, so that JSON stays JSON.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() {
            write!(safe, "\\u{:04x}", u32::from(c)).expect("writing into a String cannot fail");
        } else {
            safe.push(c);
        }
    }
    safe.into()
}

/// The local time of day of a moment in milliseconds since the Unix epoch, and the day if it is not today.
pub(crate) fn time_of_day(at: u64, now: &ZonedDateTime) -> String {
    let moment = i64::try_from(at).ok().and_then(|at| Timestamp::from_millisecond(at).ok());
    let Some(moment) = moment else { return format!("{at} ms") };
    let moment = moment.to_zoned_datetime(now.time_zone().clone());
    let format = if moment.date() == now.date() { "%H:%M:%S%.3f" } else { "%F %H:%M:%S%.3f" };
    moment.strftime(format).to_string()
}

/// A moment as `2026-12-01 12:00:00 +01:00`.
pub(crate) fn moment(at: SystemTime) -> String {
    match Timestamp::try_from(at) {
        Ok(at) => at.to_zoned_datetime(TimeZone::system()).strftime("%F %T %:z").to_string(),
        Err(_) => "beyond the calendar".into(),
    }
}

/// A moment as RFC 3339 in UTC, for programs.
pub(crate) fn rfc3339(at: SystemTime) -> Option<String> {
    Timestamp::try_from(at).ok().map(|at| at.to_string())
}

/// A span with the precision that people read: `412 µs`, `3.14 ms`, `1.2 s`, `12 days`.
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs_f64();
    match span.as_secs() {
        0 if span.as_millis() == 0 => format!("{} µs", span.as_micros()),
        0 if span.as_millis() >= 100 => format!("{} ms", span.as_millis()),
        0 => format!("{:.2} ms", seconds * 1e3),
        1..60 => format!("{seconds:.1} s"),
        60..7200 => format!("{:.0} min", seconds / 60.0),
        7200..172_800 => format!("{:.0} hours", seconds / 3600.0),
        _ => format!("{:.0} days", (seconds / 86_400.0).floor()),
    }
}

/// Milliseconds for programs, exact to the microsecond.
pub(crate) fn millis(span: Duration) -> f64 {
    span.as_micros() as f64 / 1e3
}

/// Reads `0.2`, `5` (seconds), `200ms`, `1m 30s`; nothing is not a span.
pub(crate) fn parse_span(text: &str) -> Result<Duration, String> {
    let span = match text.parse() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?,
        Err(_) => humantime::parse_duration(text).map_err(|error| error.to_string())?,
    };
    if span.is_zero() { Err("must be more than nothing".into()) } else { Ok(span) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_cannot_reach_a_terminal() {
        assert_eq!(printable("grüße 🐦"), "grüße 🐦");
        assert_eq!(
            printable("\x1b]0;title\x07\r\n\u{9b}2J\x7f"),
            r"\u001b]0;title\u0007\u000d\u000a\u009b2J\u007f"
        );
    }

    #[test]
    fn the_day_is_told_if_it_is_not_today() {
        let now = Timestamp::from_second(1_800_000_000).unwrap().to_zoned_datetime(TimeZone::UTC);
        assert_eq!(time_of_day(1_800_000_000_123, &now), "08:00:00.123");
        assert_eq!(time_of_day(1_799_913_600_000, &now), "2027-01-14 08:00:00.000");
        assert_eq!(time_of_day(u64::MAX, &now), "18446744073709551615 ms");
    }

    #[test]
    fn spans_are_short() {
        let text = |micros| span(Duration::from_micros(micros));
        assert_eq!(text(412), "412 µs");
        assert_eq!(text(3_141), "3.14 ms");
        assert_eq!(text(117_400), "117 ms");
        assert_eq!(text(1_230_000), "1.2 s");
        assert_eq!(text(90_000_000), "2 min");
        assert_eq!(text(12 * 86_400_000_000 + 1), "12 days");
    }

    #[test]
    fn spans_are_read_with_and_without_a_unit() {
        assert_eq!(parse_span("0.2"), Ok(Duration::from_millis(200)));
        assert_eq!(parse_span("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(parse_span("1m 30s"), Ok(Duration::from_secs(90)));
        for text in ["0", "-1", "NaN", "1e40", "soon", ""] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }
}

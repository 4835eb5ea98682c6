//! What happens, in the words that people read.

use std::net::SocketAddr;

use console::style;
use dunlin_client::{Cause, Change, Delivery, Joined, Message, Rung, Start};
use jiff::ZonedDateTime;

use super::{feed::Item, missed};
use crate::{
    payload, states,
    text::{printable, span, time_of_day},
};

/// An event as one line of standard output, without its end.
pub(crate) fn line(item: &Item, now: &ZonedDateTime) -> Option<String> {
    match item {
        Item::Message(topic, Message::Event(event)) => {
            let key = event.key.as_ref().map(|key| format!(" [{}]", printable(key))).unwrap_or_default();
            Some(format!(
                "{} {topic} {} {}{key} {}",
                style(time_of_day(event.at, now)).dim(),
                style(format_args!("#{}", event.position.offset)).cyan(),
                style(printable(&event.event)).bold(),
                shown(&event.payload)
            ))
        }
        Item::Message(topic, Message::Direct { event, payload }) => {
            let time = now.strftime("%H:%M:%S%.3f").to_string();
            Some(format!(
                "{} {topic} {} {}",
                style(time).dim(),
                style(printable(event)).bold(),
                shown(payload)
            ))
        }
        _ => None,
    }
}

/// Everything else as a remark on standard error; nothing for what goes without saying.
pub(crate) fn remark(item: &Item) -> Option<String> {
    Some(match item {
        Item::Message(topic, Message::Gap { from, to }) => {
            let missing = to.offset - from.offset + 1;
            format!(
                "{topic}: not read in time, {missing} events are missing (#{} to #{})",
                from.offset, to.offset
            )
        }
        // The change says it, once for all topics.
        Item::Message(_, Message::Joined(joined)) if joined.again && joined.start == Start::Recovered => {
            return None;
        }
        Item::Message(topic, Message::Joined(joined)) => format!("{topic}: {}", joined_as(joined)),
        Item::Message(topic, Message::Restarted(position)) => {
            format!("{topic}: its log started over, at {position}")
        }
        Item::State(state) => return states::trouble(state).map(Into::into),
        Item::Moved(now, before) => format!("now over {now}, no longer over {before}"),
        // The transports have been named.
        Item::Change(change) if change.cause == Cause::BetterWay => return None,
        Item::Change(change) => came_through(change),
        Item::Message(..) | Item::Ended(..) => return None,
    })
}

/// How an interruption was come through.
fn came_through(change: &Change) -> String {
    let gap = span(change.gap);
    let lost =
        change.lost.map_or_else(|| "what was missed cannot be counted".into(), |lost| format!("lost {lost}"));
    let place = |address: Option<SocketAddr>| address.map_or_else(|| "somewhere".into(), |at| at.to_string());
    let recovered = change.recovered;
    match change.rung {
        Rung::Migrated => {
            format!("moved from {} to {}, gap {gap}, {lost}", place(change.from), place(change.to))
        }
        _ => format!("back over {} after {gap}, {recovered} events recovered, {lost}", change.transport),
    }
}

/// Whether the topic went on without a pause: the client has only moved to a better connection.
pub(crate) fn is_seamless(joined: &Joined) -> bool {
    joined.again && joined.start == Start::Recovered && joined.away.is_zero()
}

/// How a join went.
pub(crate) fn joined_as(joined: &Joined) -> String {
    let Joined { position, previous, .. } = joined;
    let again = if joined.again {
        format!(" again after {} without a server", span(joined.away))
    } else {
        String::new()
    };
    let how = match joined.delivery {
        Some(Delivery::Latest) => ", the newest of each key",
        Some(Delivery::Datagram) => ", in datagrams",
        _ => "",
    };
    let joined = match joined.start {
        Start::Live => format!("joined{again} at {position}"),
        Start::Recovered => format!("joined{again}; nothing since {position} is missing"),
        Start::Lost => {
            let since = previous.map_or_else(|| "the start".into(), |previous| previous.to_string());
            match missed(joined) {
                Some(missed) => {
                    format!("joined{again} at {position}; {missed} events since {since} are missing")
                }
                None => format!("joined{again} at {position}; the topic started over, {since} is gone"),
            }
        }
    };
    joined + how
}

fn shown(payload: &[u8]) -> String {
    match payload::to_json(payload) {
        Some(value) => printable(&value.to_string()).into_owned(),
        None => format!("({} bytes) {}", payload.len(), payload::base64(payload)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dunlin_client::{Event, Position, Transport};
    use jiff::{Timestamp, tz::TimeZone};
    use serde_json::json;

    use super::*;

    fn event(payload: &[u8], key: Option<&str>) -> String {
        console::set_colors_enabled(false);
        let event = Event {
            topic: "room:1".parse().unwrap(),
            position: Position::new(7, 42),
            at: 1_800_000_000_123,
            event: "mess\nage".into(),
            payload: payload.to_vec().into(),
            key: key.map(Into::into),
        };
        let now = Timestamp::from_second(1_800_000_000).unwrap().to_zoned_datetime(TimeZone::UTC);
        line(&Item::Message(event.topic.clone(), Message::Event(event)), &now).unwrap()
    }

    #[test]
    fn an_event_is_one_line() {
        let json = payload::from_json(&json!({ "text": "hi\n\u{9b}2J" }));
        let expected = r#"08:00:00.123 room:1 #42 mess\u000aage [k] {"text":"hi\n\u009b2J"}"#;
        assert_eq!(event(&json, Some("k")), expected);
        assert_eq!(event(b"\xc1\xff", None), r"08:00:00.123 room:1 #42 mess\u000aage (2 bytes) wf8=");
    }

    #[test]
    fn a_move_is_one_line_however_many_topics_there_are() {
        let at = Position::new(7, 42);
        let joined = |start| Joined {
            again: true,
            start,
            position: at,
            previous: Some(at),
            delivery: None,
            recovered: 0,
            away: Duration::from_millis(1),
            reply: Default::default(),
        };
        let remark_on =
            |start| remark(&Item::Message("room:1".parse().unwrap(), Message::Joined(joined(start))));
        // The change says it; what is gone is said for each topic.
        assert_eq!(remark_on(Start::Recovered), None);
        assert!(remark_on(Start::Lost).is_some());
        let moved = remark(&Item::Moved(Transport::Quic, Transport::WebSocket)).unwrap();
        assert_eq!(moved, "now over quic, no longer over websocket");
    }

    #[test]
    fn a_join_says_what_is_missing() {
        let joined = |again, start, since| {
            joined_as(&Joined {
                again,
                start,
                position: Position::new(7, 42),
                previous: since,
                delivery: None,
                recovered: 0,
                away: Duration::from_millis(1200 * u64::from(again)),
                reply: Default::default(),
            })
        };
        assert_eq!(joined(false, Start::Live, None), "joined at 7:42");
        assert_eq!(
            joined(true, Start::Recovered, Some(Position::new(7, 42))),
            "joined again after 1.2 s without a server; nothing since 7:42 is missing"
        );
        assert_eq!(
            joined(false, Start::Lost, Some(Position::new(7, 40))),
            "joined at 7:42; 2 events since 7:40 are missing"
        );
        assert_eq!(
            joined(false, Start::Lost, Some(Position::new(6, 40))),
            "joined at 7:42; the topic started over, 6:40 is gone"
        );
    }
}

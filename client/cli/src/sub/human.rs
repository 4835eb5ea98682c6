//! What happens, in the words that people read.

use console::style;
use dunlin_client::{Joined, Message, Start, Topic};
use jiff::ZonedDateTime;

use super::{feed::Item, missed};
use crate::{
    connect, payload,
    text::{printable, span, time_of_day},
};

/// An event as one line of standard output, without its end.
pub(crate) fn line(topic: &Topic, message: &Message, now: &ZonedDateTime) -> String {
    match message {
        Message::Event(event) => {
            let key = event.key.as_ref().map(|key| format!(" [{}]", printable(key))).unwrap_or_default();
            format!(
                "{} {topic} {} {}{key} {}",
                style(time_of_day(event.at, now)).dim(),
                style(format_args!("#{}", event.position.offset)).cyan(),
                style(printable(&event.event)).bold(),
                shown(&event.payload)
            )
        }
        Message::Direct { event, payload } => {
            let time = now.strftime("%H:%M:%S%.3f").to_string();
            format!("{} {topic} {} {}", style(time).dim(), style(printable(event)).bold(), shown(payload))
        }
        _ => String::new(),
    }
}

/// Everything else as a remark on standard error; nothing for what goes without saying.
pub(crate) fn remark(item: &Item) -> Option<String> {
    Some(match item {
        Item::Message(topic, Message::Gap { from, to }) => {
            let missing = to.offset - from.offset + 1;
            format!(
                "{topic}: read too slowly, {missing} events are missing (#{} to #{})",
                from.offset, to.offset
            )
        }
        Item::Message(topic, Message::Joined(joined)) => format!("{topic}: {}", joined_as(joined)),
        Item::Message(topic, Message::Restarted(position)) => {
            format!("{topic}: its log started over, at {position}")
        }
        Item::State(state) => return connect::change(state).map(Into::into),
        Item::Message(..) | Item::Ended(..) => return None,
    })
}

/// How a join went.
pub(crate) fn joined_as(joined: &Joined) -> String {
    let Joined { position, previous, .. } = joined;
    let again = if joined.again {
        format!(" again after {} without a server", span(joined.away))
    } else {
        String::new()
    };
    match joined.start {
        Start::Live => format!("joined{again} at {position}"),
        Start::Recovered => format!("joined{again}; nothing since {position} is missing"),
        Start::Lost => {
            let since = previous.map(|previous| format!(" {previous}")).unwrap_or_default();
            let missed = missed(joined).map(|missed| format!(" ({missed} events)")).unwrap_or_default();
            format!("joined{again} at {position}; history does not reach back to{since}{missed}")
        }
    }
}

fn shown(payload: &[u8]) -> String {
    match payload::to_json(payload) {
        Some(value) => printable(&value.to_string()).into_owned(),
        None => format!("({} bytes) {}", payload.len(), payload::base64(payload)),
    }
}

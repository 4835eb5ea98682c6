//! What happens, as the JSON objects that programs read. Their names are part of the interface.

use dunlin_client::{Closed, Code, Joined, Message, Position, Start, State};
use serde_json::{Value, json};

use super::{feed::Item, missed};
use crate::{payload, text};

/// The object of an item.
pub(crate) fn of(item: &Item) -> Value {
    match item {
        Item::Message(topic, message) => of_message(topic.as_str(), message),
        Item::Ended(topic, closed) => {
            closing(json!({ "type": "closed", "topic": topic.as_str() }), closed.as_ref())
        }
        Item::State(state) => of_state(state),
    }
}

fn of_message(topic: &str, message: &Message) -> Value {
    match message {
        Message::Event(event) => {
            let Position { epoch, offset } = event.position;
            let mut object = json!({
                "type": "event", "topic": topic, "epoch": epoch, "offset": offset, "event": event.event,
            });
            add_payload(&mut object, &event.payload);
            object["at"] = event.at.into();
            if let Some(key) = &event.key {
                object["key"] = (&**key).into();
            }
            object
        }
        Message::Gap { from, to } => {
            json!({ "type": "gap", "topic": topic, "epoch": to.epoch, "from": from.offset, "to": to.offset })
        }
        Message::Joined(joined) => of_join(topic, joined),
        Message::Restarted(position) => at(json!({ "type": "restarted", "topic": topic }), *position),
        Message::Direct { event, payload } => {
            let mut object = json!({ "type": "direct", "topic": topic, "event": event });
            add_payload(&mut object, payload);
            object
        }
    }
}

fn of_join(topic: &str, joined: &Joined) -> Value {
    let kind = match joined.start {
        Start::Live => "joined",
        Start::Recovered => "recovered",
        Start::Lost => "lost",
    };
    let mut object = at(json!({ "type": kind, "topic": topic }), joined.position);
    if joined.start == Start::Lost {
        object["since"] = joined.previous.map(|previous| at(json!({}), previous)).into();
        object["missed"] = missed(joined).into();
    }
    if joined.again {
        object["away_ms"] = text::millis(joined.away).into();
    }
    object
}

fn of_state(state: &State) -> Value {
    let object = |name: &str| json!({ "type": "state", "state": name });
    match state {
        State::Connecting => object("connecting"),
        State::Online { session, resumed } => {
            json!({ "type": "state", "state": "online", "session": session, "resumed": resumed })
        }
        State::Recovering { attempt, .. } => {
            json!({ "type": "state", "state": "recovering", "attempt": attempt })
        }
        State::Offline { .. } => object("offline"),
        State::Closed(closed) => closing(object("closed"), Some(closed)),
    }
}

fn at(mut object: Value, position: Position) -> Value {
    object["epoch"] = position.epoch.into();
    object["offset"] = position.offset.into();
    object
}

fn add_payload(object: &mut Value, payload: &[u8]) {
    let data = payload::to_json(payload);
    if data.is_none() {
        object["base64"] = payload::base64(payload).into();
    }
    object["data"] = data.into();
}

fn closing(mut object: Value, closed: Option<&Closed>) -> Value {
    let code = closed.and_then(|closed| closed.code);
    object["code"] = code.map(|code| code.0).into();
    object["name"] = code.map(Code::name).into();
    object["message"] = closed.map(|closed| closed.message.as_str()).into();
    object
}

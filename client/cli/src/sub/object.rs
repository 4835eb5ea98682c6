//! What happens, as the JSON objects that programs read. Their names are part of the interface.

use std::net::SocketAddr;

use dunlin_client::{Cause, Change, Closed, Code, Joined, Message, Position, Rung, Start, State};
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
        Item::Moved(now, before) => {
            json!({ "type": "moved", "transport": now.to_string(), "before": before.to_string() })
        }
        Item::Change(change) => of_change(change),
    }
}

fn of_change(change: &Change) -> Value {
    let address = |address: Option<SocketAddr>| address.map(|address| address.to_string());
    json!({
        "type": "change",
        "rung": rung(change.rung),
        "cause": cause(change.cause),
        "gap_ms": text::millis(change.gap),
        "recovered": change.recovered,
        "lost": change.lost,
        "from": address(change.from),
        "to": address(change.to),
        "transport": change.transport.to_string(),
    })
}

fn rung(rung: Rung) -> &'static str {
    match rung {
        Rung::Migrated => "migrated",
        Rung::Resumed => "resumed",
        Rung::Resync => "resync",
        _ => "unknown",
    }
}

fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::NetworkChanged => "network_changed",
        Cause::Silence => "silence",
        Cause::Slept => "slept",
        Cause::Lost => "lost",
        Cause::BetterWay => "better_way",
        Cause::Resumed => "resumed",
        _ => "unknown",
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
        Message::Presence(diff) => {
            json!({ "type": "presence", "topic": topic, "users": diff.users, "devices": diff.devices })
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
    if let Some(delivery) = joined.delivery {
        object["delivery"] = delivery.name().into();
    }
    if joined.start == Start::Lost {
        object["since"] = joined.previous.map(|previous| at(json!({}), previous)).into();
        object["missed"] = missed(joined).into();
    }
    if joined.again {
        object["away_ms"] = text::millis(joined.away).into();
        object["recovered"] = joined.recovered.into();
    }
    object
}

fn of_state(state: &State) -> Value {
    let object = |name: &str| json!({ "type": "state", "state": name });
    match state {
        State::Connecting => object("connecting"),
        State::Online { session, resumed, transport } => {
            let mut online = object("online");
            online["session"] = session.as_str().into();
            online["resumed"] = (*resumed).into();
            online["transport"] = transport.to_string().into();
            online
        }
        State::Recovering { .. } => object("recovering"),
        State::Offline { .. } => object("offline"),
        State::Paused => object("paused"),
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
    let is_opaque = data.is_none();
    object["data"] = data.into();
    if is_opaque {
        object["base64"] = payload::base64(payload).into();
    }
}

fn closing(mut object: Value, closed: Option<&Closed>) -> Value {
    let code = closed.and_then(|closed| closed.code);
    object["code"] = code.map(|code| code.0).into();
    object["name"] = code.map(Code::name).into();
    object["message"] = closed.map(|closed| closed.message.as_str()).into();
    object
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use dunlin_client::{Event, Topic, Transport};

    use super::*;

    fn message(message: Message) -> String {
        of(&Item::Message("room:1".parse::<Topic>().unwrap(), message)).to_string()
    }

    fn event(payload: &[u8], key: Option<&str>) -> String {
        message(Message::Event(Event {
            topic: "room:1".parse().unwrap(),
            position: Position::new(7, 42),
            at: 123,
            event: "said".into(),
            payload: payload.to_vec().into(),
            key: key.map(Into::into),
        }))
    }

    fn joined(start: Start, previous: Option<Position>, again: bool) -> String {
        let position = Position::new(7, 42);
        let (away, reply) = (Duration::from_millis(1500), Default::default());
        message(Message::Joined(Joined {
            again,
            start,
            position,
            previous,
            delivery: None,
            recovered: 3,
            away,
            reply,
        }))
    }

    #[test]
    fn events() {
        assert_eq!(
            event(&payload::from_json(&json!({ "b": 1, "a": null })), Some("k")),
            r#"{"type":"event","topic":"room:1","epoch":7,"offset":42,"event":"said","data":{"b":1,"a":null},"at":123,"key":"k"}"#
        );
        assert_eq!(
            event(b"\xc1\xff", None),
            r#"{"type":"event","topic":"room:1","epoch":7,"offset":42,"event":"said","data":null,"base64":"wf8=","at":123}"#
        );
    }

    #[test]
    fn joins() {
        assert_eq!(
            joined(Start::Live, None, false),
            r#"{"type":"joined","topic":"room:1","epoch":7,"offset":42}"#
        );
        assert_eq!(
            joined(Start::Recovered, Some(Position::new(7, 42)), true),
            r#"{"type":"recovered","topic":"room:1","epoch":7,"offset":42,"away_ms":1500.0,"recovered":3}"#
        );
        assert_eq!(
            joined(Start::Lost, Some(Position::new(7, 40)), false),
            r#"{"type":"lost","topic":"room:1","epoch":7,"offset":42,"since":{"epoch":7,"offset":40},"missed":2}"#
        );
        assert!(joined(Start::Lost, Some(Position::new(6, 40)), false).contains(r#""missed":null"#));
    }

    #[test]
    fn what_else_happens_to_a_topic() {
        assert_eq!(
            message(Message::Gap { from: Position::new(7, 3), to: Position::new(7, 9) }),
            r#"{"type":"gap","topic":"room:1","epoch":7,"from":3,"to":9}"#
        );
        assert_eq!(
            message(Message::Restarted(Position::new(8, 0))),
            r#"{"type":"restarted","topic":"room:1","epoch":8,"offset":0}"#
        );
        let closed = Closed { code: Some(Code::FORBIDDEN), message: "no".into() };
        assert_eq!(
            of(&Item::Ended("room:1".parse().unwrap(), Some(closed))).to_string(),
            r#"{"type":"closed","topic":"room:1","code":302,"name":"FORBIDDEN","message":"no"}"#
        );
    }

    #[test]
    fn states() {
        let shown = |state| of(&Item::State(state)).to_string();
        assert_eq!(
            shown(State::Online { session: "s".into(), resumed: true, transport: Transport::Quic }),
            r#"{"type":"state","state":"online","session":"s","resumed":true,"transport":"quic"}"#
        );
        assert_eq!(
            shown(State::Closed(Closed { code: None, message: "bye".into() })),
            r#"{"type":"state","state":"closed","code":null,"name":null,"message":"bye"}"#
        );
        assert_eq!(
            of(&Item::Moved(Transport::Quic, Transport::WebSocket)).to_string(),
            r#"{"type":"moved","transport":"quic","before":"websocket"}"#
        );
    }
}

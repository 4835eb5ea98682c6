//! The numbers of the protocol as TypeScript, for the browser client.

use dunlin_proto::{
    code::{Retry, TABLE},
    frame::kind,
    limits, position, topic, version,
};
use std::fmt::Write;

/// The text of `client/web/src/wire.ts`.
pub(crate) fn wire() -> String {
    let mut text = String::from(
        "// Written by `DUNLIN_GOLDEN=write cargo test -p dunlin-proto --test golden` from the Rust code: do not edit.\n\n",
    );
    line(&mut text, "/** The version of the protocol that this client speaks. */");
    line(&mut text, &format!("export const VERSION = {};\n", version::VERSION));
    line(&mut text, "/** The number that stands first in each frame. */");
    line(&mut text, "export enum Kind {");
    for (name, number) in KINDS {
        line(&mut text, &format!("  {name} = {number},"));
    }
    line(&mut text, "}\n");
    line(&mut text, "/** Bounds on what may cross the wire, in bytes where nothing else is said. */");
    line(&mut text, "export enum Limit {");
    for (comment, name, number) in LIMITS {
        line(&mut text, &format!("  /** {comment} */"));
        line(&mut text, &format!("  {name} = {number},"));
    }
    line(&mut text, "}\n");
    line(&mut text, "/** Why something was refused, answered, reset or closed; the same everywhere. */");
    line(&mut text, "export enum Code {");
    for row in TABLE {
        line(&mut text, &format!("  /** {} */", row.meaning));
        line(&mut text, &format!("  {} = {},", row.name, row.code.0));
    }
    line(&mut text, "}\n");
    line(
        &mut text,
        "/** Whether a code is worth another attempt: a number is a time to wait in milliseconds. */",
    );
    line(&mut text, "export type Retry = \"never\" | \"now\" | \"newToken\" | number;\n");
    line(
        &mut text,
        "/** What to do about each code but those that are final, unless a frame names another time. */",
    );
    line(&mut text, "export const RETRY: Readonly<Record<number, Retry>> = {");
    for row in TABLE {
        let advice = match row.retry {
            Retry::Never => continue,
            Retry::Now => "\"now\"".into(),
            Retry::NewToken => "\"newToken\"".into(),
            Retry::After(time) => time.as_millis().to_string(),
        };
        line(&mut text, &format!("  {}: {advice},", row.code.0));
    }
    line(&mut text, "};");
    text
}

const KINDS: [(&str, u64); 23] = [
    ("HELLO", kind::HELLO),
    ("WELCOME", kind::WELCOME),
    ("REFUSED", kind::REFUSED),
    ("REFRESH", kind::REFRESH),
    ("REFRESHED", kind::REFRESHED),
    ("PAUSE", kind::PAUSE),
    ("RESUME", kind::RESUME),
    ("PING", kind::PING),
    ("PONG", kind::PONG),
    ("GO_AWAY", kind::GO_AWAY),
    ("GOODBYE", kind::GOODBYE),
    ("JOIN", kind::JOIN),
    ("JOINED", kind::JOINED),
    ("PUSH", kind::PUSH),
    ("REPLY", kind::REPLY),
    ("EVENT", kind::EVENT),
    ("GAP", kind::GAP),
    ("RESTARTED", kind::RESTARTED),
    ("DIRECT", kind::DIRECT),
    ("CLOSED", kind::CLOSED),
    ("PRESENCE_STATE", kind::PRESENCE_STATE),
    ("PRESENCE_DIFF", kind::PRESENCE_DIFF),
    ("ADJUST", kind::ADJUST),
];

const LIMITS: [(&str, &str, u64); 11] = [
    ("The body of a frame on the control stream.", "CONTROL_FRAME", limits::MAX_CONTROL_FRAME as u64),
    ("Room in a channel frame for all that is not payload.", "FRAME_OVERHEAD", limits::FRAME_OVERHEAD as u64),
    ("A topic's name.", "TOPIC", topic::MAX_TOPIC_LEN as u64),
    ("An event's name.", "EVENT", limits::MAX_EVENT_LEN as u64),
    ("A key to conflate by.", "KEY", limits::MAX_KEY_LEN as u64),
    ("Text for people.", "TEXT", limits::MAX_TEXT_LEN as u64),
    ("A token or a resume ticket.", "TOKEN", limits::MAX_TOKEN_LEN as u64),
    ("The greatest integer; not bytes.", "INTEGER", position::MAX),
    ("The longest interval between deliveries, in milliseconds.", "INTERVAL", limits::MAX_INTERVAL_MS as u64),
    ("The longest deadline of an event, in milliseconds.", "DEADLINE", limits::MAX_DEADLINE_MS as u64),
    ("The most events before its join that a member may begin with.", "REWIND", limits::MAX_REWIND as u64),
];

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}

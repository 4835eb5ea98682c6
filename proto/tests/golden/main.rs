//! Ties `PROTOCOL.md` to the code: its examples are decoded, encoded and compared byte by byte, its tables to the
//! constants. The same examples are kept as JSON in `golden/frames.json`, for clients in other languages; the numbers as TypeScript in
//! `client/web/src/wire.ts`, for that client.
//!
//! With `DUNLIN_GOLDEN=write` in the environment the files are written instead of checked, and the fuzzer's seed corpus
//! with it.

mod document;
mod examples;
mod msgpack;
mod typescript;

use document::Document;
use dunlin_proto::{
    Limits,
    code::TABLE,
    codec::PREFIX,
    frame::{DecodeError, channel, control},
    limits, position, topic, version,
};
use examples::{Frame, Side, Stream};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

#[test]
fn every_example_is_exactly_what_the_code_reads_and_writes() {
    let mut written = Document::read().examples;
    for (name, frame) in examples::all() {
        let hex = written.remove(name).unwrap_or_else(|| panic!("PROTOCOL.md has no example {name}")).bytes;
        assert_eq!(frame.encode(), hex, "{name}, as encoded");
        assert_eq!(Frame::decode(frame.stream(), frame.side(), &hex.slice(PREFIX..)), Ok(frame), "{name}");
    }
    assert!(written.is_empty(), "examples that no test knows: {:?}", written.keys());
}

#[test]
fn every_kind_has_an_example_and_a_row_in_the_table_of_kinds() {
    let known: BTreeSet<_> = (0..=255)
        .flat_map(|kind| examples::PLACES.map(|(stream, side)| (kind, stream, side)))
        .filter(|(kind, stream, side)| {
            let frame = msgpack::kind_alone(*kind);
            !matches!(Frame::decode(*stream, *side, &frame), Err(DecodeError::Unexpected(_)))
        })
        .collect();
    let shown = examples::all().into_iter().map(|(_, f)| (msgpack::kind(&f.encode()), f.stream(), f.side()));
    assert_eq!(shown.collect::<BTreeSet<_>>(), known, "kinds with an example");

    let mut listed = BTreeSet::new();
    for row in Document::read().table(&["Kind", "Frame", "Stream", "From"]) {
        for stream in row[2].split(", ") {
            for side in row[3].split(", ") {
                listed.insert((row[0].parse().unwrap(), Stream::named(stream), Side::named(side)));
            }
        }
    }
    assert_eq!(listed, known, "kinds in the table");
}

#[test]
fn every_field_of_an_example_is_what_its_table_says() {
    for (name, example) in &Document::read().examples {
        let elements = msgpack::elements(&example.bytes[PREFIX..]);
        let given = elements.len() - 1;
        assert!(given <= example.fields.len(), "{name} has more fields than its table");
        for (field, value) in example.fields.iter().zip(&elements[1..]) {
            assert!(field.allows(value), "{name}: {} is a {}, not {value}", field.name, field.kind);
        }
        assert!(example.fields[given..].iter().all(document::Field::is_optional), "{name} lacks a field");
    }
}

#[test]
fn the_conversation_is_made_of_the_examples() {
    let document = Document::read();
    let turns: Vec<_> = document.conversation.iter().map(|(who, bytes)| (&**who, bytes.clone())).collect();
    let frame = |who, name: &str| (who, Some(document.examples[name].bytes.clone()));
    let expected = [
        frame("0 C", "hello"),
        frame("4 C", "join"),
        frame("0 S", "welcome"),
        frame("4 S", "joined"),
        frame("4 C", "push"),
        frame("4 S", "event"),
        frame("4 S", "reply"),
        ("4 C", None),
        ("4 S", None),
        frame("0 C", "goodbye"),
    ];
    assert_eq!(turns, expected);
}

#[test]
fn the_table_of_codes_is_the_code() {
    let rows = Document::read().table(&["Code", "Name", "Meaning", "Retry"]);
    let expected = TABLE
        .iter()
        .map(|row| [row.code.0.to_string(), row.name.into(), row.meaning.into(), row.retry.to_string()]);
    assert_eq!(rows, expected.collect::<Vec<_>>());
}

#[test]
fn the_limits_are_the_code() {
    let document = Document::read();
    let defaults = Limits::default();
    let expected = [
        ("body of a control frame, either direction", format!("{} bytes", limits::MAX_CONTROL_FRAME)),
        (
            "body of a channel frame, either direction",
            format!(
                "`limits.payload` + {} bytes, or {} if that is more",
                limits::FRAME_OVERHEAD,
                limits::MAX_CONTROL_FRAME
            ),
        ),
        ("`limits.payload` unless configured", format!("{} bytes", defaults.payload)),
        ("`limits.channels` unless configured", defaults.channels.to_string()),
        ("`limits.pushes` unless configured", defaults.pushes.to_string()),
        ("topic", format!("{} bytes", topic::MAX_TOPIC_LEN)),
        ("event name", format!("{} bytes", limits::MAX_EVENT_LEN)),
        ("key", format!("{} bytes", limits::MAX_KEY_LEN)),
        ("interval_ms, deadline_ms", limits::MAX_INTERVAL_MS.to_string()),
        ("rewind", limits::MAX_REWIND.to_string()),
        ("message, agent, session, url", format!("{} bytes", limits::MAX_TEXT_LEN)),
        ("token, resume ticket", format!("{} bytes", limits::MAX_TOKEN_LEN)),
        ("versions in a Hello", limits::MAX_VERSIONS.to_string()),
        ("client id, exactly", format!("{} bytes", size_of::<control::ClientId>())),
        ("integer, epoch, offset", position::MAX.to_string()),
    ];
    assert_eq!(document.table(&["What", "At most"]), expected.map(|(what, most)| [what.into(), most]));

    let alpn = std::str::from_utf8(version::ALPN).unwrap();
    assert!(document.text.contains(&format!("| ALPN | `{alpn}` |")));
    assert!(document.text.contains(&format!("\nVersion {}, ", version::VERSION)));
}

#[test]
fn the_delivery_modes_and_starts_are_the_code() {
    use channel::{Delivery, Start};
    let document = Document::read();
    let modes = Delivery::ALL.map(|mode| (mode as u8, format!("{mode:?}")));
    let rows = document.table(&["Number", "Mode", "Delivers"]);
    let listed = rows.iter().map(|row| format!("{} {}", row[0], row[1]));
    assert_eq!(listed.collect::<Vec<_>>(), modes.map(|(n, name)| format!("{n} {}", name.to_lowercase())));

    let starts =
        [Start::Live, Start::Recovered, Start::Lost].map(|start| (start as u8, format!("{start:?}")));
    let rows = document.table(&["start", "Means", "Tell the application"]);
    let listed = rows.iter().map(|row| row[0].clone());
    assert_eq!(listed.collect::<Vec<_>>(), starts.map(|(n, name)| format!("{n} {}", name.to_lowercase())));
}

#[test]
fn the_examples_as_json_are_up_to_date() {
    let document = Document::read();
    let frames: Vec<_> = examples::all()
        .iter()
        .map(|(name, frame)| {
            let example = &document.examples[*name];
            let elements = msgpack::elements(&example.bytes[PREFIX..]);
            let fields: BTreeMap<_, _> =
                example.fields.iter().map(|field| &field.name).zip(&elements[1..]).collect();
            // A map with an order of its own: that of `serde_json`'s depends on features other crates turn on.
            BTreeMap::from([
                ("name", json!(name)),
                ("kind", elements[0].clone()),
                ("stream", json!(frame.stream().name())),
                ("from", json!(frame.side().name())),
                ("hex", json!(document::hex(&example.bytes))),
                ("fields", json!(fields)),
            ])
        })
        .collect();
    let text = format!("{}\n", serde_json::to_string_pretty(&frames).unwrap());
    if keep("golden/frames.json", &text) {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        write_seeds(&root.join("fuzz/corpus/decode"), &document);
    }
}

#[test]
fn the_numbers_as_typescript_are_up_to_date() {
    let wire = typescript::wire();
    for row in Document::read().table(&["Kind", "Frame", "Stream", "From"]) {
        assert!(wire.contains(&format!(" = {},\n", row[0])), "kind {} is missing", row[0]);
    }
    keep("../client/web/src/wire.ts", &wire);
}

/// Compares a file with what it should hold, after writing it if the environment says so; returns whether it was.
fn keep(path: &str, text: &str) -> bool {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let write = std::env::var("DUNLIN_GOLDEN").is_ok_and(|value| value == "write");
    if write {
        fs::write(&file, text).expect("the generated file can be written");
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == text,
        "{path} is out of date: DUNLIN_GOLDEN=write cargo test -p dunlin-proto --test golden"
    );
    write
}

/// One file for each example, in the form that the fuzz target reads: a zero byte, for one chunk, then the stream.
fn write_seeds(dir: &Path, document: &Document) {
    fs::create_dir_all(dir).expect("a directory for seeds");
    for (name, example) in &document.examples {
        fs::write(dir.join(name), [&[0], &example.bytes[..]].concat()).expect("a seed");
    }
}

/// The decoders under test, by the place of their frames.
impl Frame {
    fn decode(stream: Stream, side: Side, bytes: &bytes::Bytes) -> Result<Self, DecodeError> {
        match (stream, side) {
            (Stream::Control, Side::Client) => {
                control::FromClient::decode(bytes).map(Self::ControlFromClient)
            }
            (Stream::Control, Side::Server) => {
                control::FromServer::decode(bytes).map(Self::ControlFromServer)
            }
            (Stream::Channel, Side::Client) => {
                channel::FromClient::decode(bytes).map(Self::ChannelFromClient)
            }
            (Stream::Channel, Side::Server) => {
                channel::FromServer::decode(bytes).map(Self::ChannelFromServer)
            }
        }
    }
}

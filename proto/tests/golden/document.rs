//! What a test wants to know of `PROTOCOL.md`: its examples and its tables.

use bytes::Bytes;
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path};

/// The specification, taken apart.
pub(crate) struct Document {
    pub(crate) text: String,
    /// The fenced blocks `frame NAME`.
    pub(crate) examples: BTreeMap<String, Example>,
    /// The fenced block `conversation`: who, such as `4 C`, and the frame; `None` for FIN.
    pub(crate) conversation: Vec<(String, Option<Bytes>)>,
}

/// A frame in hex.
pub(crate) struct Example {
    /// With the length prefix.
    pub(crate) bytes: Bytes,
    /// The rows of the table of fields in the same section.
    pub(crate) fields: Vec<Field>,
}

/// One row of a table of fields.
#[derive(Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    /// Such as `uint` or `bin?`.
    pub(crate) kind: String,
}

const FIELDS: &[&str] = &["Field", "Type", "Meaning"];

impl Document {
    pub(crate) fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../PROTOCOL.md");
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut examples = BTreeMap::new();
        let mut conversation = Vec::new();
        for section in text.split("\n##") {
            let fields: Vec<_> = tables(section)
                .into_iter()
                .filter(|table| table[0] == FIELDS)
                .flat_map(|table| table.into_iter().skip(1))
                .map(|row| Field { name: row[0].clone(), kind: row[1].clone() })
                .collect();
            for (info, body) in fences(section) {
                if let Some(name) = info.strip_prefix("frame ") {
                    let example = Example { bytes: unhex(&body), fields: fields.clone() };
                    assert!(examples.insert(name.into(), example).is_none(), "two examples {name}");
                } else if info == "conversation" {
                    conversation = turns(&body);
                }
            }
        }
        Self { text, examples, conversation }
    }

    /// The rows of the one table with this header, as trimmed cells.
    pub(crate) fn table(&self, header: &[&str]) -> Vec<Vec<String>> {
        let mut found = tables(&self.text).into_iter().filter(|table| table[0] == header);
        let table = found.next().unwrap_or_else(|| panic!("no table {header:?}"));
        assert!(found.next().is_none(), "two tables {header:?}");
        table.into_iter().skip(1).collect()
    }
}

impl Field {
    pub(crate) fn is_optional(&self) -> bool {
        self.kind.ends_with('?')
    }

    /// Whether the value is of the field's type.
    pub(crate) fn allows(&self, value: &Value) -> bool {
        match self.kind.trim_end_matches('?') {
            _ if value.is_null() => self.is_optional(),
            "uint" => value.is_u64(),
            "str" => value.is_string(),
            "bool" => value.is_boolean(),
            "bin" => value.get("hex").is_some(),
            "position" => value.as_array().is_some_and(|pair| pair.len() == 2),
            "[entry]" => is_list_of(value, 4),
            "[leave]" => is_list_of(value, 2),
            "[uint]" => value.as_array().is_some_and(|list| list.iter().all(Value::is_u64)),
            other => panic!("PROTOCOL.md uses a type {other} that it does not define"),
        }
    }
}

/// Whether it is an array of arrays of this length.
fn is_list_of(value: &Value, len: usize) -> bool {
    let is_one = |one: &Value| one.as_array().is_some_and(|one| one.len() == len);
    value.as_array().is_some_and(|list| list.iter().all(is_one))
}

/// All tables, each with its header as the first row. Cells are stripped of the markup of links.
fn tables(text: &str) -> Vec<Vec<Vec<String>>> {
    let mut tables: Vec<Vec<Vec<String>>> = Vec::new();
    let mut within = false;
    for line in text.lines() {
        let Some(row) = line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
            within = false;
            continue;
        };
        let cells: Vec<_> = row.split('|').map(|cell| cell.trim().to_owned()).collect();
        if !within {
            tables.push(Vec::new());
            within = true;
        }
        // The line of dashes under a header is no row; nor is the empty header of a table that has none.
        if !cells.iter().all(|cell| cell.trim_matches('-').is_empty()) {
            tables.last_mut().expect("pushed above").push(cells);
        }
    }
    tables
}

/// Fenced blocks: what stands after the opening fence, and the body.
fn fences(text: &str) -> Vec<(String, String)> {
    let mut parts = text.split("\n```").skip(1);
    let mut fences = Vec::new();
    while let Some(block) = parts.next() {
        let (info, body) = block.split_once('\n').unwrap_or((block, ""));
        fences.push((info.into(), body.into()));
        parts.next();
    }
    fences
}

fn turns(body: &str) -> Vec<(String, Option<Bytes>)> {
    let mut turns: Vec<(String, String)> = Vec::new();
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        match line.split_once("  ") {
            Some(("", more)) => turns.last_mut().expect("a first line names who").1.push_str(more),
            Some((who, text)) => turns.push((who.into(), text.into())),
            None => panic!("neither a turn nor its continuation: {line}"),
        }
    }
    turns.into_iter().map(|(who, text)| (who, (text != "FIN").then(|| unhex(&text)))).collect()
}

/// Reads hex digits; white space and everything from `#` to the end of a line are skipped.
fn unhex(text: &str) -> Bytes {
    let without_comments = text.lines().filter_map(|line| line.split('#').next());
    let digits: Vec<u8> = without_comments
        .flat_map(str::chars)
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).unwrap_or_else(|| panic!("{c:?} is no hex digit")) as u8)
        .collect();
    assert!(digits.len().is_multiple_of(2), "half a byte in {text}");
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

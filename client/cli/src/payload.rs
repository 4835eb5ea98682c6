//! Payloads as JSON and back. By convention a payload is one MessagePack value; a JSON text goes in and out
//! unchanged, and whatever else MessagePack can say is shown so that nothing fails and little is lost.

use std::borrow::Cow;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rmpv::{Value as Packed, decode::read_value_with_max_depth, encode::write_value};
use serde_json::{Map, Number, Value, json};

/// Values in more than 127 lists and objects are shown as bytes: serde_json reads none that are deeper. rmpv counts
/// each of these as two levels, and a text as three.
const MAX_DEPTH: usize = 2 * 127 + 3;

/// The payload as JSON, or `None` if it is not exactly one MessagePack value.
///
/// Bytes become `{"base64": …}`, extensions `{"ext": TYPE, "base64": …}`; a text that is not UTF-8 is bytes.
/// NaN and the infinities, for which JSON has no numbers, become texts. A key that is not a text becomes its
/// JSON text; of equal keys the last one counts. (rmpv takes the byte 0xc1, with which no value begins, for nil.)
pub(crate) fn to_json(payload: &[u8]) -> Option<Value> {
    let mut rest = payload;
    let value = read_value_with_max_depth(&mut rest, MAX_DEPTH).ok()?;
    rest.is_empty().then(|| unpack(value))
}

/// The JSON value as MessagePack.
///
/// Integers from -2^63 to 2^64 - 1 stay exact. Numbers beyond were rounded to 64-bit floats when JSON was read.
pub(crate) fn from_json(value: &Value) -> Vec<u8> {
    packed(&pack(value))
}

/// The text as MessagePack.
pub(crate) fn from_text(text: &str) -> Vec<u8> {
    packed(&text.into())
}

/// The payload for a reader of data alone: a text as it is, another value as JSON, other bytes as they are.
pub(crate) fn raw(payload: &[u8]) -> Cow<'_, [u8]> {
    match to_json(payload) {
        Some(Value::String(text)) => text.into_bytes().into(),
        Some(value) => value.to_string().into_bytes().into(),
        None => payload.into(),
    }
}

/// Bytes as base64, for payloads that JSON cannot show.
pub(crate) fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Bytes from base64 with the standard alphabet.
pub(crate) fn from_base64(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    STANDARD.decode(text.trim())
}

fn packed(value: &Packed) -> Vec<u8> {
    let mut out = Vec::new();
    write_value(&mut out, value).expect("writing into a Vec cannot fail");
    out
}

fn unpack(value: Packed) -> Value {
    match value {
        Packed::Nil => Value::Null,
        Packed::Boolean(boolean) => boolean.into(),
        Packed::Integer(integer) => match integer.as_u64() {
            Some(natural) => natural.into(),
            None => integer.as_i64().into(),
        },
        Packed::F32(float) => unpack_float(float.into()),
        Packed::F64(float) => unpack_float(float),
        Packed::String(text) if text.is_err() => json!({ "base64": base64(text.as_bytes()) }),
        Packed::String(text) => text.into_str().into(),
        Packed::Binary(bytes) => json!({ "base64": base64(&bytes) }),
        Packed::Array(items) => items.into_iter().map(unpack).collect(),
        Packed::Map(entries) => entries
            .into_iter()
            .map(|(key, value)| (unpack_key(key), unpack(value)))
            .collect::<Map<_, _>>()
            .into(),
        Packed::Ext(kind, bytes) => json!({ "ext": kind, "base64": base64(&bytes) }),
    }
}

fn unpack_float(float: f64) -> Value {
    match Number::from_f64(float) {
        Some(number) => number.into(),
        None if float.is_nan() => "NaN".into(),
        None if float > 0.0 => "Infinity".into(),
        None => "-Infinity".into(),
    }
}

fn unpack_key(key: Packed) -> String {
    match unpack(key) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

fn pack(value: &Value) -> Packed {
    match value {
        Value::Null => Packed::Nil,
        Value::Bool(boolean) => (*boolean).into(),
        Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
            (Some(natural), ..) => natural.into(),
            (_, Some(integer), _) => integer.into(),
            (.., float) => float.expect("a number that is no integer is a float").into(),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => Packed::Array(items.iter().map(pack).collect()),
        Value::Object(object) => {
            Packed::Map(object.iter().map(|(key, value)| (key.as_str().into(), pack(value))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(value: &Packed) -> String {
        to_json(&packed(value)).unwrap().to_string()
    }

    #[test]
    fn numbers_are_exact() {
        for text in
            ["0", "-1", "18446744073709551615", "-9223372036854775808", "0.1", "-0.0", "1e300", "5e-324"]
        {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(to_json(&from_json(&value)), Some(value), "{text}");
        }
    }

    #[test]
    fn what_json_cannot_say_is_shown_all_the_same() {
        assert_eq!(shown(&Packed::Binary(b"\0\xff".to_vec())), r#"{"base64":"AP8="}"#);
        assert_eq!(shown(&Packed::Ext(-1, vec![1, 2, 3, 4])), r#"{"ext":-1,"base64":"AQIDBA=="}"#);
        assert_eq!(to_json(b"\xa2\xc3\x28"), Some(json!({ "base64": "wyg=" })));
        let floats = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(Packed::from);
        assert_eq!(shown(&Packed::Array(floats.into())), r#"["NaN","Infinity","-Infinity"]"#);
    }

    #[test]
    fn raw_data_is_what_was_said() {
        for (payload, expected) in [
            (from_text("a\"b"), &b"a\"b"[..]),
            (from_json(&json!({ "a": 1 })), b"{\"a\":1}"),
            (b"\xc1\x00".to_vec(), b"\xc1\x00"),
        ] {
            assert_eq!(raw(&payload), expected);
        }
    }

    #[test]
    fn keys_are_texts() {
        let keys = [Packed::Nil, 1.into(), "a".into(), Packed::Array(vec![true.into()])];
        let map = keys.into_iter().map(|key| (key, 0.into())).collect();
        assert_eq!(shown(&Packed::Map(map)), r#"{"null":0,"1":0,"a":0,"[true]":0}"#);
    }

    #[test]
    fn other_bytes_are_not_messagepack() {
        let deep = [vec![0x91; 200], vec![0xc0]].concat();
        for bytes in [&b""[..], b"\xc1\x00", b"\xa5cut", b"\x01\x02", b"\xdd\xff\xff\xff\xff", &deep] {
            assert_eq!(to_json(bytes), None, "{bytes:x?}");
        }
    }

    #[test]
    fn the_deepest_json_that_is_read_comes_back() {
        let text = "[".repeat(127) + r#""leaf""# + &"]".repeat(127);
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(to_json(&from_json(&value)).unwrap().to_string(), text);
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            proptest::num::f64::NORMAL.prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 64, 8, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..8)
                    .prop_map(|entries| entries.into_iter().collect::<Map<_, _>>().into()),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_comes_back_as_it_was(value in any_json()) {
            let text = value.to_string();
            let read: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(to_json(&from_json(&read)).unwrap().to_string(), text);
        }

        #[test]
        fn no_bytes_fail(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(value) = to_json(&bytes) {
                prop_assert!(serde_json::from_str::<Value>(&value.to_string()).is_ok());
            }
        }
    }
}

//! Payloads at the edge where JSON is spoken: one MessagePack value goes in and out as JSON if nothing is lost, and as bytes otherwise.

use bytes::Bytes;
use rmpv::{Value as Packed, decode::read_value_with_max_depth};
use serde_json::{Map, Number, Value};

/// How many arrays and maps may lie in each other: `serde_json` reads no more. Of rmpv's levels, each takes two.
const MAX_DEPTH: usize = 2 * 127 + 3;

/// A payload as JSON can carry it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Payload {
    /// One MessagePack value of which JSON can say everything.
    Data(Value),
    /// Anything else.
    Binary(Bytes),
}

impl Payload {
    /// What the bytes of a payload are.
    pub(crate) fn of(payload: &Bytes) -> Self {
        let value = read(payload).and_then(unpack);
        value.map_or_else(|| Self::Binary(payload.clone()), Self::Data)
    }
}

/// The one MessagePack value that a payload is; `None` if it is none, or lies too deep.
pub(crate) fn read(payload: &Bytes) -> Option<Packed> {
    let mut rest = &payload[..];
    let value = read_value_with_max_depth(&mut rest, MAX_DEPTH).ok().filter(|_| rest.is_empty());
    // rmpv takes 0xc1, with which no value begins, for nil.
    value.filter(|_| payload.first() != Some(&0xc1))
}

/// A JSON value as MessagePack. Integers from -2^63 to 2^64 - 1 stay exact; what JSON was read with has rounded others.
pub(crate) fn pack(value: &Value) -> Bytes {
    rmp_serde::to_vec(value).expect("a JSON value can be written, into memory").into()
}

/// The JSON value that says exactly the same; `None` if there is none.
fn unpack(value: Packed) -> Option<Value> {
    Some(match value {
        Packed::Nil => Value::Null,
        Packed::Boolean(boolean) => boolean.into(),
        Packed::Integer(integer) => match integer.as_u64() {
            Some(natural) => natural.into(),
            None => integer.as_i64()?.into(),
        },
        Packed::F32(float) => Number::from_f64(float.into())?.into(),
        Packed::F64(float) => Number::from_f64(float)?.into(),
        Packed::String(text) => text.into_str()?.into(),
        Packed::Array(items) => items.into_iter().map(unpack).collect::<Option<Vec<_>>>()?.into(),
        Packed::Map(entries) => {
            let mut object = Map::with_capacity(entries.len());
            for (key, value) in entries {
                let Packed::String(key) = key else { return None };
                // Of equal keys one would be lost.
                if object.insert(key.into_str()?, unpack(value)?).is_some() {
                    return None;
                }
            }
            object.into()
        }
        Packed::Binary(_) | Packed::Ext(..) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_filter_map("finite", Number::from_f64).prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(".*", inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_comes_back_as_it_was(value in value()) {
            prop_assert_eq!(Payload::of(&pack(&value)), Payload::Data(value));
        }

        #[test]
        fn any_bytes_come_back_as_they_were_or_say_the_same(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let bytes = Bytes::from(bytes);
            match Payload::of(&bytes) {
                Payload::Binary(same) => prop_assert_eq!(same, bytes),
                Payload::Data(value) => prop_assert_eq!(Payload::of(&pack(&value)), Payload::Data(value)),
            }
        }
    }

    #[test]
    fn what_json_cannot_say_stays_bytes() {
        let binary = |bytes: &'static [u8]| {
            let bytes = Bytes::from_static(bytes);
            assert_eq!(Payload::of(&bytes), Payload::Binary(bytes.clone()), "{bytes:?}");
        };
        binary(b"");
        binary(b"plain text, which begins with a number and goes on");
        binary(b"\xc1");
        binary(b"\xc4\x01x");
        binary(b"\xd4\x01x");
        binary(b"\xca\x7f\xc0\0\0");
        binary(b"\x81\x01\x02");
        binary(b"\x82\xa1a\x01\xa1a\x02");
        binary(b"\xa1\xff");
        assert_eq!(Payload::of(&Bytes::from_static(b"\x81\xa1a\x01")), Payload::Data(json!({"a": 1})));
        // Deeper than JSON is read.
        let deep = Bytes::from([vec![0x91; 1000], vec![1]].concat());
        assert_eq!(Payload::of(&deep), Payload::Binary(deep.clone()));
    }
}

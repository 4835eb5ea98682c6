//! Payloads at the edge to a backend: MessagePack that JSON can say as JSON, everything else as base64. Pure.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use rmpv::Value as Pack;
use serde_json::{Map, Value};

/// Puts a payload into an object: as `name`, or as `binary` where it is no MessagePack that JSON can say.
pub(super) fn put(object: &mut Map<String, Value>, name: &str, payload: &Bytes) {
    if payload.is_empty() {
        return;
    }
    match to_json(payload) {
        Some(value) => object.insert(name.into(), value),
        None => object.insert("binary".into(), STANDARD.encode(payload).into()),
    };
}

/// JSON as MessagePack.
pub(super) fn from_json(value: &Value) -> Bytes {
    rmp_serde::to_vec_named(value).expect("JSON can be said in MessagePack").into()
}

fn to_json(payload: &[u8]) -> Option<Value> {
    let mut rest = payload;
    let value = rmpv::decode::read_value_with_max_depth(&mut rest, 64).ok()?;
    if rest.is_empty() { json(value) } else { None }
}

fn json(value: Pack) -> Option<Value> {
    Some(match value {
        Pack::Nil => Value::Null,
        Pack::Boolean(is) => is.into(),
        Pack::Integer(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => number.into(),
            (None, number) => number?.into(),
        },
        Pack::F32(number) => serde_json::Number::from_f64(number.into())?.into(),
        Pack::F64(number) => serde_json::Number::from_f64(number)?.into(),
        Pack::String(text) => text.into_str()?.into(),
        Pack::Array(items) => Value::Array(items.into_iter().map(json).collect::<Option<_>>()?),
        Pack::Map(entries) => {
            let mut object = Map::new();
            for (key, value) in entries {
                let Pack::String(key) = key else { return None };
                if object.insert(key.into_str()?, json(value)?).is_some() {
                    return None;
                }
            }
            object.into()
        }
        Pack::Binary(_) | Pack::Ext(..) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(payload: impl Into<Bytes>) -> Value {
        let mut object = Map::new();
        put(&mut object, "data", &payload.into());
        object.into()
    }

    #[test]
    fn what_json_can_say_comes_as_json_and_goes_back_unchanged() {
        let value = json!({"a": [1, -2, 2.5, null, true, "x"], "b": {"c": u64::MAX}});
        assert_eq!(shown(from_json(&value)), json!({"data": value}));
        assert_eq!(shown(""), json!({}));
    }

    #[test]
    fn everything_else_stays_bytes() {
        let deep = [vec![0x91; 1000], vec![0xc0]].concat();
        // Binary, a number as key, one key twice, not a number, more than one value, half a value.
        let others: [&[u8]; 7] = [
            &[0xc4, 1, 7],
            &[0x81, 1, 2],
            &[0x82, 0xa1, b'a', 1, 0xa1, b'a', 2],
            &[0xca, 0x7f, 0xc0, 0, 0],
            &[1, 2],
            &[0xd9],
            &deep,
        ];
        for bytes in others {
            assert_eq!(shown(bytes.to_vec()), json!({"binary": STANDARD.encode(bytes)}));
        }
    }
}

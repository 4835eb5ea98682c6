//! Payloads in what the backend is asked and told.

use crate::payload::Payload;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde_json::{Map, Value};

/// Puts a payload into an object: as `name`, or as `binary` where JSON cannot say it. An empty one is left out.
pub(super) fn put(object: &mut Map<String, Value>, name: &str, payload: &Bytes) {
    if payload.is_empty() {
        return;
    }
    match Payload::of(payload) {
        Payload::Data(value) => object.insert(name.into(), value),
        Payload::Binary(bytes) => object.insert("binary".into(), STANDARD.encode(bytes).into()),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_json_can_say_comes_as_json_and_everything_else_as_bytes() {
        let shown = |payload: &'static [u8]| {
            let mut object = Map::new();
            put(&mut object, "data", &Bytes::from_static(payload));
            Value::from(object)
        };
        assert_eq!(shown(b"\x91\x01"), json!({"data": [1]}));
        assert_eq!(shown(b"\xc4\x01x"), json!({"binary": "xAF4"}));
        assert_eq!(shown(b""), json!({}));
    }
}

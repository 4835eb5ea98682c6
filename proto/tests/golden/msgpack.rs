//! MessagePack as JSON, read without the code under test.

use crate::document::hex;
use bytes::Bytes;
use rmp::{Marker, decode};
use serde_json::{Value, json};

/// The elements of a frame's array, which must be all there is.
pub(crate) fn elements(mut frame: &[u8]) -> Vec<Value> {
    let Value::Array(elements) = value(&mut frame) else { panic!("a frame is an array") };
    assert!(frame.is_empty(), "bytes after the array");
    elements
}

const MARKED: &str = "the marker says so";

/// A binary becomes `{"hex": "…"}`, everything else what it is.
fn value(rest: &mut &[u8]) -> Value {
    match Marker::from_u8(rest[0]) {
        Marker::Null => {
            *rest = &rest[1..];
            Value::Null
        }
        Marker::True | Marker::False => json!(decode::read_bool(rest).expect(MARKED)),
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
            let len = decode::read_array_len(rest).expect(MARKED);
            (0..len).map(|_| value(rest)).collect()
        }
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
            let (text, after) = decode::read_str_from_slice(*rest).expect("UTF-8");
            *rest = after;
            json!(text)
        }
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => {
            let len = decode::read_bin_len(rest).expect(MARKED) as usize;
            let (data, after) = rest.split_at(len);
            *rest = after;
            json!({ "hex": hex(data) })
        }
        _ => json!(decode::read_int::<u64, _>(rest).expect("a type that frames use")),
    }
}

/// The kind of an encoded frame, which begins with its length.
pub(crate) fn kind(frame: &[u8]) -> u64 {
    elements(&frame[dunlin_proto::codec::PREFIX..])[0].as_u64().expect("a kind is a number")
}

/// The array of a frame without fields, of any kind.
pub(crate) fn kind_alone(kind: u64) -> Bytes {
    let mut out = vec![0x91];
    rmp::encode::write_uint(&mut out, kind).expect("writing into a Vec cannot fail");
    out.into()
}

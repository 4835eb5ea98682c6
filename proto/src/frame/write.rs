//! Writing the elements of a frame's array. Writing into memory cannot fail.

use super::Refusal;
use crate::{codec, position::Position};
use bytes::Bytes;
use rmp::encode;

const INFALLIBLE: &str = "writing into a Vec cannot fail";

/// The elements of a frame that is being written.
pub(super) struct Writer<'a>(&'a mut Vec<u8>);

/// A whole frame of `len` elements with its length prefix; `size` is the payload's, to size the buffer.
pub(super) fn frame(kind: u64, len: u32, size: usize, fields: impl FnOnce(&mut Writer<'_>)) -> Bytes {
    codec::frame(size + 64, |out| {
        encode::write_array_len(out, len + 1).expect(INFALLIBLE);
        let mut writer = Writer(out);
        writer.uint(kind);
        fields(&mut writer);
    })
}

impl Writer<'_> {
    pub(super) fn nil(&mut self) -> &mut Self {
        encode::write_nil(self.0).expect(INFALLIBLE);
        self
    }

    pub(super) fn uint(&mut self, value: u64) -> &mut Self {
        encode::write_uint(self.0, value).expect(INFALLIBLE);
        self
    }

    pub(super) fn optional_uint(&mut self, value: Option<u64>) -> &mut Self {
        match value {
            Some(value) => self.uint(value),
            None => self.nil(),
        }
    }

    pub(super) fn boolean(&mut self, value: bool) -> &mut Self {
        encode::write_bool(self.0, value).expect(INFALLIBLE);
        self
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        encode::write_str(self.0, text).expect(INFALLIBLE);
        self
    }

    pub(super) fn optional_text(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(text),
            None => self.nil(),
        }
    }

    pub(super) fn binary(&mut self, data: &[u8]) -> &mut Self {
        encode::write_bin(self.0, data).expect(INFALLIBLE);
        self
    }

    pub(super) fn optional_binary(&mut self, data: Option<&[u8]>) -> &mut Self {
        match data {
            Some(data) => self.binary(data),
            None => self.nil(),
        }
    }

    pub(super) fn array(&mut self, len: usize) -> &mut Self {
        let len = u32::try_from(len).expect("arrays in frames are short");
        encode::write_array_len(self.0, len).expect(INFALLIBLE);
        self
    }

    pub(super) fn position(&mut self, position: Position) -> &mut Self {
        self.array(2).uint(position.epoch).uint(position.offset)
    }

    pub(super) fn refusal(&mut self, refusal: &Refusal) -> &mut Self {
        self.uint(refusal.code.0.into()).text(&refusal.message).optional_uint(refusal.retry_after_ms)
    }
}

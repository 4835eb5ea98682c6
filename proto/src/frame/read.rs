//! Reading the elements of a frame's array, one by one and bounded.

use super::{DecodeError, Refusal};
use crate::{code::Code, limits, position, position::Position};
use bytes::Bytes;
use rmp::{Marker, decode};

/// A cursor over the array of one frame.
pub(super) struct Reader<'a> {
    frame: &'a Bytes,
    rest: &'a [u8],
    /// Elements of the array that are still to come.
    left: u32,
}

impl<'a> Reader<'a> {
    /// Opens the array and reads the kind.
    pub(super) fn open(frame: &'a Bytes) -> Result<(u64, Self), DecodeError> {
        let mut rest = &frame[..];
        let left = decode::read_array_len(&mut rest).map_err(|_| DecodeError::Malformed("not an array"))?;
        let mut reader = Self { frame, rest, left };
        let kind = reader.uint("kind")?;
        Ok((kind, reader))
    }

    /// Call after the last known field: fails if bytes follow that no element accounts for.
    ///
    /// Elements of a newer version are not looked at.
    pub(super) fn close<T>(self, value: T) -> Result<T, DecodeError> {
        if self.left == 0 && !self.rest.is_empty() {
            return Err(DecodeError::Malformed("bytes after the array"));
        }
        Ok(value)
    }

    fn element(&mut self, name: &'static str) -> Result<(), DecodeError> {
        self.left = self.left.checked_sub(1).ok_or(DecodeError::Malformed(name))?;
        Ok(())
    }

    /// Whether the next element is nil or missing; a nil is consumed.
    pub(super) fn none(&mut self) -> bool {
        if self.left == 0 {
            return true;
        }
        let nil = self.rest.first() == Some(&Marker::Null.to_u8());
        if nil {
            self.left -= 1;
            self.rest = &self.rest[1..];
        }
        nil
    }

    pub(super) fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.none() { Ok(None) } else { read(self).map(Some) }
    }

    pub(super) fn uint(&mut self, name: &'static str) -> Result<u64, DecodeError> {
        self.element(name)?;
        let value: u64 = decode::read_int(&mut self.rest).map_err(|_| DecodeError::Malformed(name))?;
        if value > position::MAX { Err(DecodeError::Value(name)) } else { Ok(value) }
    }

    pub(super) fn uint32(&mut self, name: &'static str) -> Result<u32, DecodeError> {
        u32::try_from(self.uint(name)?).map_err(|_| DecodeError::Value(name))
    }

    pub(super) fn text(&mut self, name: &'static str, max: usize) -> Result<&'a str, DecodeError> {
        self.element(name)?;
        let (text, rest) =
            decode::read_str_from_slice(self.rest).map_err(|_| DecodeError::Malformed(name))?;
        self.rest = rest;
        if text.len() > max { Err(DecodeError::Value(name)) } else { Ok(text) }
    }

    /// Binary data as a slice of the frame, not a copy.
    pub(super) fn binary(&mut self, name: &'static str) -> Result<Bytes, DecodeError> {
        self.element(name)?;
        let len = decode::read_bin_len(&mut self.rest).map_err(|_| DecodeError::Malformed(name))? as usize;
        let data = self.rest.get(..len).ok_or(DecodeError::Malformed(name))?;
        self.rest = &self.rest[len..];
        Ok(self.frame.slice_ref(data))
    }

    pub(super) fn boolean(&mut self, name: &'static str) -> Result<bool, DecodeError> {
        self.element(name)?;
        decode::read_bool(&mut self.rest).map_err(|_| DecodeError::Malformed(name))
    }

    /// An array within the frame, read to its end by `read`; its own unknown elements are not skipped.
    pub(super) fn array<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&mut Self, u32) -> Result<T, DecodeError>,
    ) -> Result<T, DecodeError> {
        self.element(name)?;
        let len = decode::read_array_len(&mut self.rest).map_err(|_| DecodeError::Malformed(name))?;
        let outer = std::mem::replace(&mut self.left, len);
        let value = read(self, len)?;
        if self.left > 0 {
            return Err(DecodeError::Malformed(name));
        }
        self.left = outer;
        Ok(value)
    }

    pub(super) fn position(&mut self, name: &'static str) -> Result<Position, DecodeError> {
        self.array(name, |array, _| Ok(Position::new(array.uint(name)?, array.uint(name)?)))
    }

    pub(super) fn code(&mut self) -> Result<Code, DecodeError> {
        self.uint32("code").map(Code)
    }

    pub(super) fn refusal(&mut self) -> Result<Refusal, DecodeError> {
        Ok(Refusal {
            code: self.code()?,
            message: self.text("message", limits::MAX_TEXT_LEN)?.into(),
            retry_after_ms: self.optional(|r| r.uint("retry_after_ms"))?,
        })
    }

    pub(super) fn event(&mut self) -> Result<Box<str>, DecodeError> {
        let event = self.text("event", limits::MAX_EVENT_LEN)?;
        if event.is_empty() { Err(DecodeError::Value("event")) } else { Ok(event.into()) }
    }

    pub(super) fn key(&mut self) -> Result<Option<Box<str>>, DecodeError> {
        self.optional(|r| r.text("key", limits::MAX_KEY_LEN).map(Into::into))
    }
}

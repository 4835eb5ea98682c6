//! Frames on a byte stream: a four-byte big-endian length, then as many bytes of one MessagePack array.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Bytes of the length prefix.
pub const PREFIX: usize = 4;

/// A frame that is longer than its stream allows. Nothing after it can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {len} bytes exceeds the limit of {limit}")]
pub struct TooLarge {
    /// Length the prefix announced, in bytes.
    pub len: usize,
    /// The decoder's limit, in bytes.
    pub limit: usize,
}

/// Cuts a byte stream into frames, however the stream was chunked.
///
/// Feed it with [`Decoder::push`] and take frames with [`Decoder::next_frame`] until it returns `None`. A frame
/// that lies within one chunk is handed out as a slice of that chunk; only one that spans chunks is copied
/// together. What is buffered grows with the bytes that arrive, never with what a prefix promises, and never
/// beyond one frame of the limit and the chunk last pushed.
#[derive(Debug)]
pub struct Decoder {
    limit: usize,
    input: Bytes,
    partial: BytesMut,
}

impl Decoder {
    /// A decoder that refuses frames of more than `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, input: Bytes::new(), partial: BytesMut::new() }
    }

    /// Adds bytes from the stream.
    ///
    /// # Panics
    /// If frames of the chunk before are still to be taken: take until `None` first.
    pub fn push(&mut self, chunk: Bytes) {
        assert!(self.input.is_empty(), "take every frame before the next chunk");
        self.input = chunk;
    }

    /// The next whole frame without its prefix, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`TooLarge`] as soon as a prefix exceeds the limit, and at every call after.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, TooLarge> {
        if self.partial.is_empty()
            && let Some(len) = self.announced(&self.input)?
            && self.input.len() >= PREFIX + len
        {
            self.input.advance(PREFIX);
            return Ok(Some(self.input.split_to(len)));
        }
        self.fill(PREFIX);
        let Some(len) = self.announced(&self.partial)? else { return Ok(None) };
        self.fill(PREFIX + len);
        if self.partial.len() < PREFIX + len {
            return Ok(None);
        }
        let mut frame = std::mem::take(&mut self.partial);
        frame.advance(PREFIX);
        Ok(Some(frame.freeze()))
    }

    /// Whether a frame has begun and is not complete: end of stream now would cut it off.
    #[must_use]
    pub fn is_mid_frame(&self) -> bool {
        !self.partial.is_empty() || !self.input.is_empty()
    }

    /// Length of the frame that is in the making, once its prefix is there.
    #[must_use]
    pub fn awaited(&self) -> Option<usize> {
        self.partial.first_chunk::<PREFIX>().map(|prefix| u32::from_be_bytes(*prefix) as usize)
    }

    fn announced(&self, bytes: &[u8]) -> Result<Option<usize>, TooLarge> {
        let Some(prefix) = bytes.first_chunk::<PREFIX>() else { return Ok(None) };
        let len = u32::from_be_bytes(*prefix) as usize;
        if len > self.limit { Err(TooLarge { len, limit: self.limit }) } else { Ok(Some(len)) }
    }

    fn fill(&mut self, wanted: usize) {
        let missing = wanted.saturating_sub(self.partial.len()).min(self.input.len());
        self.partial.put(self.input.split_to(missing));
    }
}

/// Writes a frame: `body` appends the MessagePack array, whose `size_hint` saves growing the buffer.
pub(crate) fn frame(size_hint: usize, body: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut out = Vec::with_capacity(PREFIX + size_hint);
    out.extend_from_slice(&[0; PREFIX]);
    body(&mut out);
    let len = u32::try_from(out.len() - PREFIX).expect("a frame is bounded far below 4 GiB");
    out[..PREFIX].copy_from_slice(&len.to_be_bytes());
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(frames: &[Vec<u8>]) -> Vec<u8> {
        frames.iter().flat_map(|f| frame(0, |out| out.extend(f))).collect()
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_frames(
            frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..20),
            cuts in prop::collection::vec(1usize..64, 1..200),
        ) {
            let bytes = Bytes::from(stream(&frames));
            let mut decoder = Decoder::new(200);
            let (mut at, mut got) = (0, Vec::new());
            for cut in cuts.iter().cycle() {
                if at == bytes.len() { break }
                let end = (at + cut).min(bytes.len());
                decoder.push(bytes.slice(at..end));
                at = end;
                while let Some(frame) = decoder.next_frame().unwrap() { got.push(frame.to_vec()) }
                prop_assert!(decoder.partial.capacity() <= 2 * (PREFIX + 200));
            }
            prop_assert_eq!(got, frames);
            prop_assert!(!decoder.is_mid_frame());
        }
    }

    #[test]
    fn a_frame_within_one_chunk_is_not_copied() {
        let chunk = frame(3, |out| out.extend(b"abc"));
        let mut decoder = Decoder::new(16);
        decoder.push(chunk.clone());
        assert_eq!(decoder.next_frame().unwrap().unwrap().as_ptr(), chunk[PREFIX..].as_ptr());
    }

    #[test]
    fn a_promise_allocates_nothing() {
        let mut decoder = Decoder::new(1 << 30);
        decoder.push(Bytes::from_static(&[0x3f, 0xff, 0xff, 0xff]));
        assert_eq!(decoder.next_frame(), Ok(None));
        assert!(decoder.partial.capacity() < 1024 && decoder.is_mid_frame());
        assert_eq!(decoder.awaited(), Some(0x3fff_ffff));
    }

    #[test]
    fn too_large_is_said_at_the_prefix_and_stays() {
        let mut decoder = Decoder::new(10);
        decoder.push(Bytes::from_static(&[0, 0, 0, 11]));
        for _ in 0..2 {
            assert_eq!(decoder.next_frame(), Err(TooLarge { len: 11, limit: 10 }));
        }
    }
}

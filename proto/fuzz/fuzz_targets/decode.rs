//! Arbitrary bytes, however chunked, through the decoder and all four kinds of frames.
//!
//! The input is a count, as many sizes of chunks (taken in turn, 0 for all that is left), and the stream. What decodes
//! must encode to something that decodes to the same; memory must stay within the limit that the decoder was given.
//!
//! `DUNLIN_GOLDEN=write cargo test -p dunlin-proto --test golden` writes the examples of `PROTOCOL.md` as seeds.

#![no_main]

use bytes::Bytes;
use dunlin_proto::{
    codec::{Decoder, PREFIX},
    datagram,
    frame::{channel, control},
};
use libfuzzer_sys::fuzz_target;
use peak_alloc::PeakAlloc;
use std::fmt::Debug;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Longest frame, in bytes: small, so that the fuzzer reaches it.
const LIMIT: usize = 2048;

/// What may be held beyond the input: the frame in the making (its buffer grows by doubling), a decoded value and its
/// encoding, each of which is at most about a frame, and the constant parts of all these.
const ALLOWANCE: usize = 2 * LIMIT + 2 * LIMIT + 4096;

fuzz_target!(|input: &[u8]| {
    let Some((&count, rest)) = input.split_first() else { return };
    let Some((sizes, stream)) = rest.split_at_checked(count.into()) else { return };
    let stream = Bytes::copy_from_slice(stream);

    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    decode(sizes, stream);
    let held = MEMORY.peak_usage().saturating_sub(before);
    assert!(held <= ALLOWANCE, "{held} bytes for frames of at most {LIMIT}");
});

fn decode(sizes: &[u8], mut stream: Bytes) {
    let mut decoder = Decoder::new(LIMIT);
    let mut sizes = sizes.iter().cycle();
    while !stream.is_empty() {
        let size = match sizes.next() {
            None | Some(0) => stream.len(),
            Some(&size) => stream.len().min(size.into()),
        };
        decoder.push(stream.split_to(size));
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => interpret(&frame),
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

fn interpret(frame: &Bytes) {
    assert!(frame.len() <= LIMIT);
    round_trip(frame, control::FromClient::decode, control::FromClient::encode);
    round_trip(frame, control::FromServer::decode, control::FromServer::encode);
    round_trip(frame, channel::FromClient::decode, channel::FromClient::encode);
    round_trip(frame, channel::FromServer::decode, channel::FromServer::encode);
    if let Ok((flow, event)) = datagram::decode(frame) {
        let again = datagram::encode(flow, &channel::FromServer::Event(event.clone()).encode());
        assert_eq!(datagram::decode(&again), Ok((flow, event)));
    }
}

fn round_trip<F: PartialEq + Debug, E: PartialEq + Debug>(
    frame: &Bytes,
    decode: impl Fn(&Bytes) -> Result<F, E>,
    encode: impl Fn(&F) -> Bytes,
) {
    if let Ok(value) = decode(frame) {
        assert_eq!(decode(&encode(&value).slice(PREFIX..)), Ok(value));
    }
}

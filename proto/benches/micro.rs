//! What it costs to write frames, to cut a stream into them, and to read them, in time.
//!
//! On a busy machine, compare within one run, and the fastest times rather than the means.
#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should panic")]

use std::time::Duration;

use bytes::Bytes;
use divan::{
    Bencher, black_box,
    counter::{BytesCount, ItemsCount},
};
use dunlin_proto::{
    Code, Decoder,
    codec::PREFIX,
    frame::channel::{Event, FromClient, FromServer, Join, Push},
};

/// Bytes in a payload.
const SIZES: [usize; 3] = [16, 128, 4096];

/// Bytes of a stream.
const STREAM: usize = 64 * 1024;

/// Longest frame that is allowed, in bytes.
const LIMIT: usize = 1024 * 1024;

/// How often a case that takes nanoseconds runs for one look at the clock.
const TOGETHER: u32 = 100;

/// How long each case runs; what the command line says goes before.
const LEAST: Duration = Duration::from_millis(200);

fn main() {
    divan::Divan::default().min_time(LEAST).config_with_args().main();
}

#[divan::bench(consts = SIZES, args = Kind::ALL, sample_size = TOGETHER)]
fn encode<const SIZE: usize>(bencher: Bencher<'_, '_>, kind: Kind) {
    match kind.frame(SIZE) {
        Frame::Up(frame) => measure(bencher, frame.encode().len(), 1, || black_box(&frame).encode()),
        Frame::Down(frame) => measure(bencher, frame.encode().len(), 1, || black_box(&frame).encode()),
    }
}

#[divan::bench(consts = SIZES, args = Kind::ALL, sample_size = TOGETHER)]
fn decode<const SIZE: usize>(bencher: Bencher<'_, '_>, kind: Kind) {
    let frame = kind.frame(SIZE);
    let bytes = frame.encode();
    let (len, body) = (bytes.len(), bytes.slice(PREFIX..));
    match frame {
        Frame::Up(_) => measure(bencher, len, 1, || FromClient::decode(black_box(&body)).unwrap()),
        Frame::Down(_) => measure(bencher, len, 1, || FromServer::decode(black_box(&body)).unwrap()),
    }
}

/// A stream of events that comes in chunks of so many bytes: as from packets, or all at once.
#[divan::bench(consts = SIZES, args = [1200, STREAM])]
fn cut<const SIZE: usize>(bencher: Bencher<'_, '_>, chunk: usize) {
    let event = Kind::Event.frame(SIZE).encode();
    let frames = STREAM / event.len();
    let stream = Bytes::from(event.repeat(frames));
    let chunks: Vec<_> = stream.chunks(chunk).map(|chunk| stream.slice_ref(chunk)).collect();
    measure(bencher, stream.len(), frames, || {
        let mut decoder = Decoder::new(LIMIT);
        for chunk in &chunks {
            decoder.push(chunk.clone());
            while let Some(frame) = decoder.next_frame().unwrap() {
                black_box(frame);
            }
        }
    });
}

/// Runs what handles so many bytes in so many frames. What it makes is dropped at once, as frames are: kept until later,
/// the allocator's slow path would count.
fn measure<T>(bencher: Bencher<'_, '_>, bytes: usize, frames: usize, mut run: impl FnMut() -> T) {
    bencher
        .counter(BytesCount::new(bytes))
        .counter(ItemsCount::new(frames))
        .bench_local(|| drop(black_box(run())));
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Push,
    Event,
    Reply,
    Join,
}

/// A frame in its direction.
enum Frame {
    Up(FromClient),
    Down(FromServer),
}

impl Kind {
    const ALL: [Self; 4] = [Self::Push, Self::Event, Self::Reply, Self::Join];

    fn frame(self, size: usize) -> Frame {
        let payload = Bytes::from(vec![7; size]);
        match self {
            Self::Push => {
                Frame::Up(FromClient::Push(Push { reference: 7, event: "say".into(), payload, key: None }))
            }
            Self::Join => {
                let join = Join::new("room:42".parse().unwrap());
                Frame::Up(FromClient::Join(Join { params: Some(payload), ..join }))
            }
            Self::Event => {
                let at = 1_800_000_000_000;
                let event = Event { offset: 70_000, at, event: "said".into(), payload, key: None };
                Frame::Down(FromServer::Event(event))
            }
            Self::Reply => Frame::Down(FromServer::Reply { reference: 7, code: Code::OK, payload }),
        }
    }
}

impl Frame {
    fn encode(&self) -> Bytes {
        match self {
            Self::Up(frame) => frame.encode(),
            Self::Down(frame) => frame.encode(),
        }
    }
}

//! Streams, over every transport.

use bytes::Bytes;
use dunlin_transport::{ConnectionError, Kind, ReadError, WriteError};

use crate::support::{Pair, now, pattern, read_all, stream};

crate::over_every_transport! { pair {
    streams_come_in_the_order_opened
    a_stream_is_not_seen_before_it_is_used
    large_data_arrives_whole_both_ways
    a_reader_that_does_not_read_blocks_only_its_stream
    a_cancelled_write_goes_on_where_it_stopped
    a_cancelled_read_loses_nothing
    reads_are_as_short_as_asked
    a_reset_carries_its_code
    a_stop_carries_its_code
    the_end_is_read_once_all_is_read
    a_finished_stream_takes_no_more
    a_dropped_sender_resets
    a_sender_dropped_after_its_end_does_not_reset
    a_dropped_receiver_stops
    what_this_side_stopped_reads_as_ended
    the_end_of_one_half_leaves_the_other
    more_streams_wait_for_a_grant
    streams_that_ended_make_room_for_others
    streams_end_with_their_connection
} }

const MEGABYTE: usize = 1024 * 1024;

async fn streams_come_in_the_order_opened(pair: Pair) {
    let (mut a, _ra) = pair.client.open_bi().await.unwrap();
    let (mut b, _rb) = pair.client.open_bi().await.unwrap();
    let (mut c, _rc) = pair.client.open_bi().await.unwrap();
    c.write(Bytes::from_static(b"c")).await.unwrap();
    let mut accepted = Vec::new();
    for _ in 0..3 {
        accepted.push(pair.server.accept_bi().await.unwrap());
    }
    b.write(Bytes::from_static(b"b")).await.unwrap();
    a.write(Bytes::from_static(b"a")).await.unwrap();
    for ((_, recv), expected) in accepted.iter_mut().zip(["a", "b", "c"]) {
        assert_eq!(recv.read(8).await.unwrap().unwrap(), expected);
    }
}

async fn a_stream_is_not_seen_before_it_is_used(pair: Pair) {
    let mut first = stream(&pair).await;
    let (mut send, _recv) = pair.client.open_bi().await.unwrap();
    first.client.0.write(Bytes::from_static(b"it is open")).await.unwrap();
    first.server.1.read(64).await.unwrap();
    let accepted = now(pair.server.accept_bi());
    send.finish();
    let (_send, mut recv) = match accepted {
        None => pair.server.accept_bi().await.unwrap(),
        Some(early) => {
            assert_eq!(pair.server.kind(), Kind::WebTransport, "there alone a stream begins with a header");
            early.unwrap()
        }
    };
    assert_eq!(recv.read(8).await.unwrap(), None);
}

async fn large_data_arrives_whole_both_ways(pair: Pair) {
    let data = pattern(4 * MEGABYTE);
    let mut stream = stream(&pair).await;
    let mut chunks = [data.slice(..9), Bytes::new(), data.slice(9..MEGABYTE), data.slice(MEGABYTE..)];
    let up = async {
        stream.client.0.write_chunks(&mut chunks).await.unwrap();
        stream.client.0.finish();
    };
    let down = async {
        stream.server.0.write(data.clone()).await.unwrap();
        stream.server.0.finish();
    };
    let (_, _, at_server, at_client) =
        tokio::join!(up, down, read_all(&mut stream.server.1), read_all(&mut stream.client.1));
    assert!(at_server.unwrap() == data, "what the client sent arrived changed");
    assert!(at_client.unwrap() == data, "what the server sent arrived changed");
}

async fn a_reader_that_does_not_read_blocks_only_its_stream(pair: Pair) {
    let mut slow = stream(&pair).await;
    let mut quick = stream(&pair).await;
    let data = pattern(4 * MEGABYTE);
    let to_slow = data.clone();
    let blocked = tokio::spawn(async move {
        slow.client.0.write(to_slow).await.unwrap();
        slow.client.0.finish();
        slow.client
    });
    let to_quick = async {
        quick.client.0.write(data.clone()).await.unwrap();
        quick.client.0.finish();
    };
    let (_, at_quick) = tokio::join!(to_quick, read_all(&mut quick.server.1));
    assert!(at_quick.unwrap() == data);
    assert!(!blocked.is_finished(), "a window smaller than the data bounds the stream");
    assert!(read_all(&mut slow.server.1).await.unwrap() == data);
    blocked.await.unwrap();
}

async fn a_cancelled_write_goes_on_where_it_stopped(pair: Pair) {
    let mut stream = stream(&pair).await;
    let data = pattern(4 * MEGABYTE);
    let mut chunks = [data.slice(..100), data.slice(100..)];
    assert!(now(stream.client.0.write_chunks(&mut chunks)).is_none());
    assert!(chunks[0].is_empty() && chunks[1].len() < data.len() - 100, "some of it was written");
    let rest = async {
        stream.client.0.write_chunks(&mut chunks).await.unwrap();
        stream.client.0.finish();
    };
    let (_, read) = tokio::join!(rest, read_all(&mut stream.server.1));
    assert!(read.unwrap() == data);
}

async fn a_cancelled_read_loses_nothing(pair: Pair) {
    let mut stream = stream(&pair).await;
    assert!(now(stream.server.1.read(8)).is_none());
    stream.client.0.write(Bytes::from_static(b"late")).await.unwrap();
    assert_eq!(stream.server.1.read(8).await.unwrap().unwrap(), "late");
}

async fn reads_are_as_short_as_asked(pair: Pair) {
    let mut stream = stream(&pair).await;
    stream.client.0.write(Bytes::from_static(b"abc")).await.unwrap();
    stream.client.0.finish();
    for expected in ["a", "b", "c"] {
        assert_eq!(stream.server.1.read(1).await.unwrap().unwrap(), expected);
    }
    assert_eq!(stream.server.1.read(1).await.unwrap(), None);
}

async fn a_reset_carries_its_code(pair: Pair) {
    let mut stream = stream(&pair).await;
    stream.client.0.write(Bytes::from_static(b"never mind")).await.unwrap();
    stream.client.0.reset(70_000);
    assert_eq!(read_all(&mut stream.server.1).await, Err(ReadError::Reset(70_000)));
    assert_eq!(stream.client.0.write(Bytes::from_static(b"more")).await, Err(WriteError::Finished));
}

async fn a_stop_carries_its_code(pair: Pair) {
    let mut stream = stream(&pair).await;
    stream.server.1.stop(9);
    assert_eq!(stream.client.0.stopped().await, Ok(Some(9)));
    assert_eq!(stream.client.0.write(Bytes::from_static(b"more")).await, Err(WriteError::Stopped(9)));
    // Finishing what was stopped is no mistake.
    stream.client.0.finish();
}

async fn the_end_is_read_once_all_is_read(pair: Pair) {
    let mut stream = stream(&pair).await;
    stream.client.0.write(Bytes::from_static(b"the end")).await.unwrap();
    stream.client.0.finish();
    assert_eq!(read_all(&mut stream.server.1).await.unwrap(), b"the end");
    assert_eq!(stream.server.1.read(8).await.unwrap(), None, "and again");
    assert_eq!(stream.client.0.stopped().await, Ok(None));
}

async fn a_finished_stream_takes_no_more(pair: Pair) {
    let mut stream = stream(&pair).await;
    stream.client.0.finish();
    assert_eq!(stream.client.0.write(Bytes::from_static(b"more")).await, Err(WriteError::Finished));
    stream.client.0.finish();
    assert_eq!(read_all(&mut stream.server.1).await.unwrap(), b"");
}

async fn a_dropped_sender_resets(pair: Pair) {
    let mut stream = stream(&pair).await;
    drop(stream.client.0);
    assert_eq!(read_all(&mut stream.server.1).await, Err(ReadError::Reset(0)));
}

async fn a_sender_dropped_after_its_end_does_not_reset(pair: Pair) {
    let mut stream = stream(&pair).await;
    stream.client.0.write(Bytes::from_static(b"all")).await.unwrap();
    stream.client.0.finish();
    drop(stream.client.0);
    assert_eq!(read_all(&mut stream.server.1).await.unwrap(), b"all");
}

async fn a_dropped_receiver_stops(pair: Pair) {
    let mut stream = stream(&pair).await;
    drop(stream.server.1);
    assert_eq!(stream.client.0.stopped().await, Ok(Some(0)));
}

async fn what_this_side_stopped_reads_as_ended(pair: Pair) {
    let mut stream = stream(&pair).await;
    stream.client.0.write(Bytes::from_static(b"unread")).await.unwrap();
    stream.server.1.stop(1);
    assert_eq!(stream.server.1.read(8).await.unwrap(), None);
}

async fn the_end_of_one_half_leaves_the_other(pair: Pair) {
    let mut stream = stream(&pair).await;
    stream.client.0.reset(1);
    stream.server.0.write(Bytes::from_static(b"still here")).await.unwrap();
    stream.server.0.finish();
    assert_eq!(read_all(&mut stream.client.1).await.unwrap(), b"still here");
}

async fn more_streams_wait_for_a_grant(pair: Pair) {
    let mut held = Vec::new();
    for granted in [16, 32, 100] {
        pair.server.grant_streams(granted);
        while held.len() < granted as usize {
            held.push(pair.client.open_bi().await.unwrap());
        }
        while let Some(opened) = now(pair.client.open_bi()) {
            held.push(opened.unwrap());
        }
        assert!(held.len() <= (granted + granted / 7) as usize, "{} streams for {granted}", held.len());
    }
}

async fn streams_that_ended_make_room_for_others(pair: Pair) {
    let mut held = Vec::new();
    while held.len() < 15 {
        held.push(stream(&pair).await);
    }
    for _ in 0..50 {
        let mut last = stream(&pair).await;
        last.client.0.finish();
        assert_eq!(last.server.1.read(8).await.unwrap(), None);
        last.server.0.finish();
        assert_eq!(last.client.1.read(8).await.unwrap(), None);
    }
}

async fn streams_end_with_their_connection(pair: Pair) {
    let mut stream = stream(&pair).await;
    pair.server.close(3, "enough");
    let reason = ConnectionError::Closed { code: 3, reason: "enough".to_owned() };
    assert_eq!(stream.client.1.read(8).await, Err(ReadError::Connection(reason.clone())));
    let write = stream.client.0.write(Bytes::from_static(b"more")).await;
    assert_eq!(write, Err(WriteError::Connection(reason.clone())));
    assert_eq!(stream.client.0.stopped().await, Err(WriteError::Connection(reason)));
    let ours = ReadError::Connection(ConnectionError::LocallyClosed);
    assert_eq!(stream.server.1.read(8).await, Err(ours));
}

//! Connections as a whole, over every transport.

use bytes::Bytes;
use dunlin_transport::{ConnectionError, EarlyData, SendDatagramError};

use crate::support::{Pair, echo, now, stream};

crate::over_every_transport! { crate::support::quic_pair, crate::support::memory_pair:
    datagrams_go_both_ways
    the_largest_datagram_fits_and_no_larger
    datagrams_that_nobody_reads_are_dropped
    a_close_carries_its_code_and_reason
    the_first_close_counts
    what_waits_fails_when_the_connection_ends
    dropping_all_handles_closes
    a_stream_keeps_its_connection
    a_handshake_without_a_ticket_has_no_early_data
    both_ends_are_described
}

async fn datagrams_go_both_ways(pair: Pair) {
    pair.client.send_datagram(Bytes::from_static(b"up")).unwrap();
    assert_eq!(pair.server.read_datagram().await.unwrap(), "up");
    pair.server.send_datagram(Bytes::from_static(b"down")).unwrap();
    assert_eq!(pair.client.read_datagram().await.unwrap(), "down");
}

async fn the_largest_datagram_fits_and_no_larger(pair: Pair) {
    let max = pair.client.max_datagram_size().unwrap();
    pair.client.send_datagram(Bytes::from(vec![7; max])).unwrap();
    assert_eq!(pair.server.read_datagram().await.unwrap().len(), max);
    // The path may grow at any time, but not to this.
    let huge = Bytes::from(vec![7; 100_000]);
    assert_eq!(pair.client.send_datagram(huge), Err(SendDatagramError::TooLarge));
}

async fn datagrams_that_nobody_reads_are_dropped(pair: Pair) {
    const SENT: u16 = 200;
    for n in 0..SENT {
        pair.client.send_datagram(Bytes::from(n.to_be_bytes().repeat(500))).unwrap();
    }
    // Streams are not hindered; once all bytes are here, no datagram is on its way.
    while pair.server.stats().received_bytes < u64::from(SENT) * 1_000 {
        echo(&pair).await;
    }
    let mut read = Vec::new();
    while let Some(datagram) = now(pair.server.read_datagram()) {
        read.push(u16::from_be_bytes(*datagram.unwrap().first_chunk().unwrap()));
    }
    assert!(!read.is_empty() && read.len() < 70, "{} datagrams waited", read.len());
    assert!(read.is_sorted(), "the oldest are dropped, not the newest: {read:?}");
    assert_eq!(read.last(), Some(&(SENT - 1)));
}

async fn a_close_carries_its_code_and_reason(pair: Pair) {
    assert_eq!(pair.client.close_reason(), None);
    pair.client.close(4_000_000_000, "good night");
    assert_eq!(pair.client.closed().await, ConnectionError::LocallyClosed);
    let theirs = ConnectionError::Closed { code: 4_000_000_000, reason: "good night".to_owned() };
    assert_eq!(pair.server.closed().await, theirs);
    assert_eq!(pair.server.close_reason(), Some(theirs));
}

async fn the_first_close_counts(pair: Pair) {
    pair.client.close(1, "first");
    pair.client.close(2, "second");
    let theirs = ConnectionError::Closed { code: 1, reason: "first".to_owned() };
    assert_eq!(pair.server.closed().await, theirs);
    pair.server.close(3, "third");
    assert_eq!(pair.server.close_reason(), Some(theirs));
}

async fn what_waits_fails_when_the_connection_ends(pair: Pair) {
    let Pair { client, server } = &pair;
    let (accept, datagram, open, _) = tokio::join!(
        client.accept_bi(),
        client.read_datagram(),
        // Servers wait for a grant.
        server.open_bi(),
        async { server.close(5, "") }
    );
    let theirs = ConnectionError::Closed { code: 5, reason: String::new() };
    assert_eq!(accept.unwrap_err(), theirs);
    assert_eq!(datagram.unwrap_err(), theirs);
    assert_eq!(open.unwrap_err(), ConnectionError::LocallyClosed);
    assert_eq!(client.open_bi().await.unwrap_err(), theirs);
    assert_eq!(client.send_datagram(Bytes::new()), Err(SendDatagramError::Connection(theirs)));
}

async fn dropping_all_handles_closes(pair: Pair) {
    let other = pair.client.clone();
    drop(pair.client);
    other.send_datagram(Bytes::from_static(b"still open")).unwrap();
    assert_eq!(pair.server.read_datagram().await.unwrap(), "still open");
    drop(other);
    let closed = ConnectionError::Closed { code: 0, reason: String::new() };
    assert_eq!(pair.server.closed().await, closed);
}

async fn a_stream_keeps_its_connection(pair: Pair) {
    let mut stream = stream(&pair).await;
    drop(pair.client);
    stream.client.0.write(Bytes::from_static(b"still open")).await.unwrap();
    assert_eq!(stream.server.1.read(64).await.unwrap().unwrap(), "still open");
    drop(stream.client);
    assert_eq!(pair.server.closed().await, ConnectionError::Closed { code: 0, reason: String::new() });
}

async fn a_handshake_without_a_ticket_has_no_early_data(pair: Pair) {
    for end in [&pair.client, &pair.server] {
        assert_eq!(end.handshake_complete().await, Ok(EarlyData::NotUsed));
        assert_eq!(end.early_data(), Some(EarlyData::NotUsed));
    }
}

async fn both_ends_are_described(pair: Pair) {
    echo(&pair).await;
    for end in [&pair.client, &pair.server] {
        let stats = end.stats();
        // The words went there and back.
        assert!(stats.sent_bytes >= 14 && stats.received_bytes >= 14, "{stats:?}");
        assert_eq!(end.alpn().as_deref(), Some(dunlin_transport::ALPN));
        assert!(end.remote_address().ip().is_loopback());
    }
    assert_eq!(pair.client.kind(), pair.server.kind());
    assert_ne!(pair.client.remote_address(), pair.server.remote_address());
}

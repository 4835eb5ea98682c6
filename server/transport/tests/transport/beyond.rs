//! What connections do beyond streams of the client, where the transport can: a WebSocket cannot.

use bytes::Bytes;
use dunlin_transport::{ConnectionError, SendDatagramError};

use crate::support::{Pair, echo, now};

crate::over! { [quic webtransport memory] pair {
    datagrams_go_both_ways
    the_largest_datagram_fits_and_no_larger
    datagrams_that_nobody_reads_are_dropped
    codes_have_32_bits
    a_client_lets_the_server_open_streams
} }

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
    // Streams are not hindered; once as many bytes are here, not many datagrams are still on their way.
    while pair.server.stats().received_bytes < u64::from(SENT) * 1_000 {
        echo(&pair).await;
    }
    let mut read = Vec::new();
    while read.last() != Some(&(SENT - 1)) {
        let datagram = pair.server.read_datagram().await.unwrap();
        read.push(u16::from_be_bytes(*datagram.first_chunk().unwrap()));
    }
    // 65 fit the buffer; as many as the sender paces may have come while it was read.
    assert!(read.len() < 100, "{} datagrams waited", read.len());
    assert!(read.is_sorted(), "the oldest are dropped, not the newest: {read:?}");
}

async fn codes_have_32_bits(pair: Pair) {
    pair.client.close(4_000_000_000, "");
    let theirs = ConnectionError::Closed { code: 4_000_000_000, reason: String::new() };
    assert_eq!(pair.server.closed().await, theirs);
}

async fn a_client_lets_the_server_open_streams(pair: Pair) {
    assert!(now(pair.server.open_bi()).is_none());
    pair.client.grant_streams(1);
    let (mut send, _recv) = pair.server.open_bi().await.unwrap();
    send.finish();
    let (_send, mut recv) = pair.client.accept_bi().await.unwrap();
    assert_eq!(recv.read(8).await.unwrap(), None);
}

//! Connections as a whole, over every transport.

use bytes::Bytes;
use dunlin_transport::{ALPN, ConnectionError, EarlyData, Kind, SUBPROTOCOL, SendDatagramError};

use crate::support::{Pair, echo, stream};

crate::over_every_transport! { pair {
    a_close_carries_its_code_and_reason
    the_first_close_counts
    what_waits_fails_when_the_connection_ends
    dropping_all_handles_closes
    a_stream_keeps_its_connection
    a_handshake_without_a_ticket_has_no_early_data
    both_ends_are_described
} }

async fn a_close_carries_its_code_and_reason(pair: Pair) {
    assert_eq!(pair.client.close_reason(), None);
    pair.client.close(999, "good night");
    assert_eq!(pair.client.closed().await, ConnectionError::LocallyClosed);
    let theirs = ConnectionError::Closed { code: 999, reason: "good night".to_owned() };
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
    let pair = Pair { client: other, server: pair.server };
    echo(&pair).await;
    drop(pair.client);
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
        let protocol = match end.kind() {
            Kind::WebTransport => b"h3",
            Kind::WebSocket => SUBPROTOCOL.as_bytes(),
            _ => ALPN,
        };
        assert_eq!(end.alpn().as_deref(), Some(protocol));
        assert!(end.remote_address().ip().is_loopback());
    }
    assert_eq!(pair.client.kind(), pair.server.kind());
    assert_ne!(pair.client.remote_address(), pair.server.remote_address());
    let port = pair.client.local_address().unwrap().port();
    assert_eq!(port, pair.server.remote_address().port());
}

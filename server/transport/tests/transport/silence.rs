//! Connections that fall silent are lost, which is another thing than closed: a client may come back.

use std::time::Duration;

use dunlin_transport::{ConnectionError, Dialer, Listener, ServerConfig};

use crate::support::{Site, client_config, dialer, in_time, server_config};

/// Connects, falls silent, and says why the server's end is over when all has been tidied up.
async fn end_after_silence(dialer: Dialer) -> Option<ConnectionError> {
    let config = ServerConfig { idle_timeout: Duration::from_millis(300), ..server_config() };
    let pair = Site::new(Listener::bind(config).unwrap(), dialer).connect().await;
    pair.server.closed().await;
    // What is left of the connection is closed meanwhile.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    pair.server.close_reason()
}

#[tokio::test]
async fn silence_is_told_as_such() {
    for dialer in [dialer(), Dialer::webtransport(client_config()).unwrap()] {
        assert_eq!(in_time(end_after_silence(dialer)).await, Some(ConnectionError::TimedOut));
    }
}

//! A server that dies without a word, and comes back on the same port.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use dunlin_transport::{ConnectionError, Keys, Listener, ServerConfig};
use tokio::runtime::{Builder, Runtime};

use crate::support::{NAME, dialer, in_time, loopback, server_config};

#[test]
fn clients_learn_at_once_from_a_server_with_the_same_keys() {
    let keys = Keys::random();
    assert_eq!(end_after_restart(keys.clone(), keys), ConnectionError::Reset);
}

#[test]
fn clients_wait_for_their_idle_timeout_when_the_keys_are_others() {
    assert_eq!(end_after_restart(Keys::random(), Keys::random()), ConnectionError::TimedOut);
}

/// What a client learns that goes on writing to a server that was killed and started again.
fn end_after_restart(first: Keys, second: Keys) -> ConnectionError {
    let client_runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (server_runtime, address) = server(first, loopback(0));
    client_runtime.block_on(in_time(async {
        let dialer = dialer();
        let client = dialer.dial(address, NAME).await.unwrap();
        client.handshake_complete().await.unwrap();
        let (mut send, mut recv) = client.open_bi().await.unwrap();
        send.write(Bytes::from_static(b"hello")).await.unwrap();
        assert_eq!(recv.read(8).await.unwrap().unwrap(), "hello");

        // With the runtime goes everything that could send another packet; then goes the socket.
        let restart = move || {
            drop(server_runtime);
            server(second, address)
        };
        let (server_runtime, _) = tokio::task::spawn_blocking(restart).await.unwrap();
        send.write(Bytes::from_static(b"are you there?")).await.unwrap();
        let end = client.closed().await;
        server_runtime.shutdown_background();
        end
    }))
}

/// A server that echoes, in a runtime of its own.
fn server(keys: Keys, listen: SocketAddr) -> (Runtime, SocketAddr) {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let config = ServerConfig { keys, listen, idle_timeout: Duration::from_secs(2), ..server_config() };
    let listener = runtime.block_on(async { Listener::bind(config).unwrap() });
    let address = listener.local_address();
    runtime.spawn(async move {
        while let Some(incoming) = listener.accept().await {
            let connection = incoming.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut send, mut recv) = connection.accept_bi().await.unwrap();
                while let Ok(Some(chunk)) = recv.read(1024).await {
                    send.write(chunk).await.unwrap();
                }
            });
        }
    });
    (runtime, address)
}

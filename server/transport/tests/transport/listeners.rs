//! Listeners and dialers, over every transport.

use dunlin_transport::ConnectionError;

use crate::support::{Site, echo};

crate::over_every_transport! { site {
    a_refused_client_learns_it
    an_unanswered_attempt_is_refused
    after_a_stop_new_clients_are_refused_and_old_ones_stay
    a_waiting_accept_ends_with_a_stop
    a_close_reaches_every_client
    the_listener_is_idle_when_the_last_client_has_gone
    connections_outlive_listener_and_dialer
    clients_have_addresses
} }

async fn a_refused_client_learns_it(site: Site) {
    let refuse = async { site.listener.accept().await.unwrap().refuse() };
    let (client, ()) = tokio::join!(site.dial(), refuse);
    assert_eq!(client.unwrap_err(), ConnectionError::Refused);
}

async fn an_unanswered_attempt_is_refused(site: Site) {
    let ignore = async { drop(site.listener.accept().await.unwrap()) };
    let (client, ()) = tokio::join!(site.dial(), ignore);
    assert_eq!(client.unwrap_err(), ConnectionError::Refused);
}

async fn after_a_stop_new_clients_are_refused_and_old_ones_stay(site: Site) {
    let old = site.connect().await;
    site.listener.stop_accepting();
    assert_eq!(site.dial_through().await.unwrap_err(), ConnectionError::Refused);
    assert!(site.listener.accept().await.is_none());
    assert_eq!(site.dial_through().await.unwrap_err(), ConnectionError::Refused);
    echo(&old).await;
    assert_eq!(site.listener.open_connections(), 1);
}

async fn a_waiting_accept_ends_with_a_stop(site: Site) {
    let stop = async { site.listener.stop_accepting() };
    let (accepted, ()) = tokio::join!(site.listener.accept(), stop);
    assert!(accepted.is_none());
}

async fn a_close_reaches_every_client(site: Site) {
    let clients = [site.connect().await, site.connect().await];
    site.listener.close(11, "restart");
    for pair in &clients {
        let theirs = ConnectionError::Closed { code: 11, reason: "restart".to_owned() };
        assert_eq!(pair.client.closed().await, theirs);
        assert_eq!(pair.server.closed().await, ConnectionError::LocallyClosed);
    }
    assert!(site.listener.accept().await.is_none());
    assert_eq!(site.dial_through().await.unwrap_err(), ConnectionError::Refused);
}

async fn the_listener_is_idle_when_the_last_client_has_gone(site: Site) {
    let pair = site.connect().await;
    assert_eq!(site.listener.open_connections(), 1);
    let leave = async { pair.client.close(0, "") };
    tokio::join!(site.listener.wait_idle(), leave);
    assert_eq!(site.listener.open_connections(), 0);
}

async fn connections_outlive_listener_and_dialer(site: Site) {
    let pair = site.connect().await;
    drop(site);
    echo(&pair).await;
}

async fn clients_have_addresses(site: Site) {
    let accept = async {
        let incoming = site.listener.accept().await.unwrap();
        let address = incoming.remote_address();
        (address, incoming.accept().await.unwrap())
    };
    let (client, (address, server)) = tokio::join!(site.dial(), accept);
    assert_eq!(client.unwrap().remote_address(), site.address);
    assert_eq!(server.remote_address(), address);
}

//! Connections that are bound to a network interface, and move between interfaces.

use dunlin_transport::{ClientConfig, DialError, Dialer, Interface};

use crate::support::{Site, client_config, echo, in_time, quic, websocket, webtransport};

type Open = fn(ClientConfig) -> Result<Dialer, DialError>;

fn loopback() -> Interface {
    Interface::new("lo", 1).unwrap()
}

fn gone() -> Interface {
    Interface::new("gone0", 4711).unwrap()
}

fn through(interface: Interface) -> ClientConfig {
    ClientConfig { interface: Some(interface), ..client_config() }
}

#[tokio::test]
async fn dialers_take_the_interface_they_are_given() {
    let sites: [(Site, Open); 3] = [
        (quic::site().await, Dialer::quic),
        (webtransport::site().await, Dialer::webtransport),
        (websocket::site().await, Dialer::websocket),
    ];
    for (mut site, open) in sites {
        site.dialer = open(through(loopback())).unwrap();
        let pair = in_time(site.connect()).await;
        echo(&pair).await;
    }
}

#[tokio::test]
async fn an_interface_that_is_gone_cannot_be_dialled_through() {
    assert!(Dialer::quic(through(gone())).is_err());
    assert!(Dialer::webtransport(through(gone())).is_err());
    let mut site = websocket::site().await;
    site.dialer = Dialer::websocket(through(gone())).unwrap();
    assert!(in_time(site.dial()).await.is_err());
}

#[tokio::test]
async fn a_move_that_fails_leaves_the_connection_where_it_is_and_can_be_tried_again() {
    let site = quic::site().await;
    in_time(async {
        let pair = site.connect().await;
        let before = pair.client.local_address();
        assert!(site.dialer.rebind_to(&gone()).is_err());
        assert_eq!(pair.client.local_address(), before);
        echo(&pair).await;
        let moved = site.dialer.rebind_to(&loopback()).unwrap();
        echo(&pair).await;
        assert_eq!(pair.server.remote_address().port(), moved.port());
        assert_eq!(pair.client.local_address().unwrap().port(), moved.port());
    })
    .await;
}

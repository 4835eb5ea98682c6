//! Client, router and server, and what lies between them.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::{
    link::{End, Link},
    namespace::Namespace,
    router::{PUBLIC, Router},
    shaper::Quality,
    trace::Record,
};

/// The server's address.
pub const SERVER: &str = "10.9.0.2";

/// Round trip over the wifi.
pub const WIFI_RTT: Duration = Duration::from_millis(20);

/// Round trip over the mobile network.
pub const CELL_RTT: Duration = Duration::from_millis(60);

/// A way from the client to the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Uplink {
    /// Fast, and preferred while it is up.
    Wifi,
    /// Slower.
    Cell,
}

impl Uplink {
    /// One letter for the names of devices, which are short.
    pub(super) fn letter(self) -> char {
        match self {
            Self::Wifi => 'w',
            Self::Cell => 'c',
        }
    }

    fn interface(self) -> &'static str {
        match self {
            Self::Wifi => "wifi0",
            Self::Cell => "cell0",
        }
    }

    fn default_route(self) -> &'static str {
        match self {
            Self::Wifi => "route replace default via 10.1.0.1 dev wifi0 metric 100",
            Self::Cell => "route replace default via 10.2.0.1 dev cell0 metric 600",
        }
    }
}

/// The whole network; gone when dropped. Fields end in this order: links first, then the namespaces with their devices.
#[derive(Debug)]
pub struct Network {
    wifi: Link,
    cell: Link,
    /// Where the traveller lives.
    pub client: Namespace,
    /// The NAT.
    pub router: Router,
    /// Where the server and the station live.
    pub server: Namespace,
}

impl Network {
    /// Builds a network with both uplinks up. Several may stand side by side.
    ///
    /// # Errors
    /// Not root, or something that the lab needs is missing; the error says what.
    pub async fn build() -> Result<Self> {
        static LABS: AtomicU32 = AtomicU32::new(0);
        // Two digits, for the names of devices are short.
        let lab = LABS.fetch_add(1, Ordering::Relaxed) % 100;
        let client = Namespace::create(lab, "client").await?;
        let router = Namespace::create(lab, "router").await?;
        let server = Namespace::create(lab, "server").await?;
        router.ip(&format!("link add rs type veth peer name eth0 netns {}", server.name())).await?;
        router.ip("addr add 10.9.0.1/24 dev rs").await?;
        for address in PUBLIC {
            router.ip(&format!("addr add {address}/24 dev rs")).await?;
        }
        router.ip("link set rs up").await?;
        server.ip(&format!("addr add {SERVER}/24 dev eth0")).await?;
        server.ip("link set eth0 up").await?;
        server.ip("route add default via 10.9.0.1").await?;
        let wifi = Link::lay(
            lab,
            Uplink::Wifi,
            Quality::round_trip(WIFI_RTT),
            End { namespace: &client, name: "wifi0", address: "10.1.0.2/24" },
            End { namespace: &router, name: "rwifi", address: "10.1.0.1/24" },
        )
        .await?;
        let cell = Link::lay(
            lab,
            Uplink::Cell,
            Quality::round_trip(CELL_RTT),
            End { namespace: &client, name: "cell0", address: "10.2.0.2/24" },
            End { namespace: &router, name: "rcell", address: "10.2.0.1/24" },
        )
        .await?;
        let router = Router::start(router).await?;
        let network = Self { wifi, cell, client, router, server };
        for uplink in [Uplink::Wifi, Uplink::Cell] {
            network.client.ip(uplink.default_route()).await?;
        }
        Ok(network)
    }

    /// The link of this uplink.
    #[must_use]
    pub fn link(&self, uplink: Uplink) -> &Link {
        match uplink {
            Uplink::Wifi => &self.wifi,
            Uplink::Cell => &self.cell,
        }
    }

    /// Takes the client's interface down; its routes go, its address stays.
    ///
    /// # Errors
    /// What `ip` complains about.
    pub async fn down(&self, uplink: Uplink) -> Result<()> {
        self.client.ip(&format!("link set {} down", uplink.interface())).await.map(drop)
    }

    /// Brings the client's interface up, with its route.
    ///
    /// # Errors
    /// What `ip` complains about.
    pub async fn up(&self, uplink: Uplink) -> Result<()> {
        self.client.ip(&format!("link set {} up", uplink.interface())).await?;
        self.client.ip(uplink.default_route()).await.map(drop)
    }

    /// The packets on both uplinks so far.
    #[must_use]
    pub fn packets(&self) -> Vec<Record> {
        let mut packets = self.wifi.packets();
        packets.extend(self.cell.packets());
        packets
    }
}

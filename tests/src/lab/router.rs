//! The router between the uplinks and the server: a NAT with a public address for each uplink.

use anyhow::{Context, Result};

use super::{command::run_with_input, namespace::Namespace};

/// The router's public addresses: one for each uplink (to a server, another address is another network), then the ones
/// that a NAT rebinding may turn to.
pub const PUBLIC: [&str; 4] = ["10.9.0.11", "10.9.0.12", "10.9.0.13", "10.9.0.14"];

/// The NAT of a router.
#[derive(Debug)]
pub struct Router {
    namespace: Namespace,
    /// Rebindings so far.
    turns: u16,
    /// Where the wifi's clients appear.
    wifi_at: &'static str,
}

impl Router {
    /// Sets a namespace up as router. `nft` and `conntrack` do the work.
    ///
    /// # Errors
    /// A command is missing, or the kernel cannot translate addresses.
    pub async fn start(namespace: Namespace) -> Result<Self> {
        namespace.set("net.ipv4.ip_forward=1").await?;
        let router = Self { namespace, turns: 0, wifi_at: PUBLIC[0] };
        let table = "table ip lab {
            chain post { type nat hook postrouting priority 100; }
            chain forw { type filter hook forward priority 0; }
        }";
        router.nft(table).await.context("the router needs nftables with NAT")?;
        router.translate("").await?;
        Ok(router)
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// The wifi's NAT forgets its clients and gives them other ports, as after a restart or when it is full.
    ///
    /// # Errors
    /// What the commands complain about.
    pub async fn rebind_port(&mut self) -> Result<()> {
        self.turns += 1;
        let first = 20_000 + 1000 * (self.turns % 40);
        self.translate(&format!(":{first}-{}", first + 999)).await?;
        self.forget().await
    }

    /// The wifi's NAT forgets its clients and gives them another public address.
    ///
    /// # Errors
    /// What the commands complain about.
    pub async fn rebind_address(&mut self) -> Result<()> {
        self.wifi_at = if self.wifi_at == PUBLIC[2] { PUBLIC[3] } else { PUBLIC[2] };
        self.translate("").await?;
        self.forget().await
    }

    /// Lets no UDP through from now on, as some companies' and hotels' networks.
    ///
    /// # Errors
    /// What the commands complain about.
    pub async fn block_udp(&self) -> Result<()> {
        self.nft("add rule ip lab forw meta l4proto udp drop").await
    }

    /// Sets the translation, in one step: between two, packets would leave untranslated.
    async fn translate(&self, wifi_ports: &str) -> Result<()> {
        let (wifi, cell) = (self.wifi_at, PUBLIC[1]);
        self.nft(&format!(
            "flush chain ip lab post
             add rule ip lab post ip saddr 10.1.0.0/24 ip protocol {{ tcp, udp }} snat to {wifi}{wifi_ports}
             add rule ip lab post ip saddr 10.2.0.0/24 snat to {cell}"
        ))
        .await
    }

    async fn forget(&self) -> Result<()> {
        self.namespace.run("conntrack -F").await.context("the router needs conntrack").map(drop)
    }

    async fn nft(&self, rules: &str) -> Result<()> {
        run_with_input(&self.namespace.inside("nft -f -"), rules).await.map(drop)
    }
}

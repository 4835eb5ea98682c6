//! Whether the lab's links do what they are told, as seen by `ping`.

use anyhow::{Context, Result, ensure};

use super::{Uplink, command::execute, network::Network};

/// What `ping` reports.
#[derive(Debug, PartialEq)]
struct Ping {
    sent: f64,
    received: f64,
    /// Milliseconds.
    average: f64,
    /// Milliseconds.
    longest: f64,
}

/// Measures round trip, loss and rate, and says what it saw. Bounds are wide: machines are busy.
///
/// # Errors
/// The links cannot be built, or are wrong.
pub async fn run() -> Result<String> {
    let network = Network::build().await?;
    let wifi = ping(&network, "-c 50 -i 0.01 10.1.0.1").await?;
    ensure!((19.5..30.0).contains(&wifi.average), "the wifi's round trip is 20 ms, but {wifi:?}");
    let cell = ping(&network, "-c 50 -i 0.01 10.2.0.1").await?;
    ensure!((59.5..70.0).contains(&cell.average), "the mobile network's round trip is 60 ms, but {cell:?}");

    network.link(Uplink::Wifi).set(|quality| quality.loss = 0.1);
    let lossy = ping(&network, "-c 1000 -i 0.002 -W 1 10.1.0.1").await?;
    let arrived = lossy.received / lossy.sent;
    ensure!((0.76..0.86).contains(&arrived), "of 10 % loss each way 81 % should be left, but {lossy:?}");

    network.link(Uplink::Wifi).set(|quality| {
        quality.loss = 0.0;
        quality.rate = Some(2_000_000);
    });
    // A burst of 100 packets of 1,400 bytes is 1.1 Mbit: the last one comes after some 560 ms.
    let narrow = ping(&network, "-c 100 -l 100 -s 1372 -W 5 10.1.0.1").await?;
    ensure!(
        narrow.received == narrow.sent,
        "a narrow link loses nothing that fits its queue, but {narrow:?}"
    );
    ensure!((550.0..800.0).contains(&narrow.longest), "1.1 Mbit at 2 Mbit/s take 560 ms, but {narrow:?}");

    network.down(Uplink::Wifi).await?;
    let rerouted = ping(&network, "-c 20 -i 0.01 10.9.0.2").await?;
    ensure!(
        (59.5..70.0).contains(&rerouted.average),
        "without wifi the way is the mobile one, but {rerouted:?}"
    );
    Ok(format!(
        "links: wifi {:.1} ms, cell {:.1} ms, {:.0} % left of 10 % loss each way, {:.0} ms of queue at 2 Mbit/s, {:.1} \
         ms without wifi",
        wifi.average,
        cell.average,
        arrived * 100.0,
        narrow.longest,
        rerouted.average,
    ))
}

async fn ping(network: &Network, arguments: &str) -> Result<Ping> {
    // It fails when an answer is missing, which may be right.
    let output = execute(&network.client.inside(&format!("ping -q {arguments}")), "").await?;
    let text = String::from_utf8_lossy(&output.stdout);
    parse(&text).with_context(|| {
        format!("ping (Debian: iputils-ping): {text}{}", String::from_utf8_lossy(&output.stderr))
    })
}

/// Reads the summary that `ping -q` ends with.
fn parse(text: &str) -> Option<Ping> {
    let numbers = text.lines().find(|line| line.contains("packets transmitted"))?;
    let mut numbers = numbers.split(", ").map(|part| part.split(' ').next().and_then(|n| n.parse().ok()));
    let times = text.lines().find_map(|line| line.strip_prefix("rtt min/avg/max/mdev = "))?;
    let mut times = times.split('/').map(|time| time.parse().ok());
    Some(Ping {
        sent: numbers.next()??,
        received: numbers.next()??,
        average: times.nth(1)??,
        longest: times.next()??,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_is_read() {
        let text = "PING 10.1.0.1 (10.1.0.1) 56(84) bytes of data.\n\n--- 10.1.0.1 ping statistics ---\n\
                    50 packets transmitted, 49 received, 2% packet loss, time 507ms\n\
                    rtt min/avg/max/mdev = 20.1/20.4/21.9/0.3 ms, pipe 3\n";
        assert_eq!(parse(text), Some(Ping { sent: 50.0, received: 49.0, average: 20.4, longest: 21.9 }));
        assert_eq!(parse("ping: socket: Operation not permitted"), None);
    }
}

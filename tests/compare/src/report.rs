//! Results as a page for people: what was asked, what was found, and how.

mod bars;

use std::{fmt::Write, fs, path::Path};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{
    load::{FEW, FEW_RATE, Figures, Work},
    payload,
    peers::{ABSENT, ALL, Peer},
    plot::Chart,
    results::{Results, Spread},
    scale,
};

/// The share of its core from which the load counts as the bottleneck.
const BUSY: f64 = 0.95;

/// Cores that others may take before a figure is marked.
const DISTURBED: f64 = 0.15;

/// The windows of the closed loops, and the rates of the open ones.
const WINDOWS: [usize; 3] = [1, 8, 32];
const RATES: [u32; 2] = [200, 1000];

/// Writes `README.md` and the pictures beside `results.json`.
pub(crate) fn write(directory: &Path) -> Result<()> {
    let path = directory.join("results.json");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let results: Results = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    for (name, picture) in pictures(&results) {
        fs::write(directory.join(name), picture)?;
    }
    Ok(fs::write(directory.join("README.md"), page(&results))?)
}

fn pictures(results: &Results) -> Vec<(&'static str, String)> {
    let groups = |work: &[Work], figure: fn(&Figures) -> f64| {
        let bars = |peer: &Peer| work.iter().map(|work| results.of(peer.key, *work, figure)).collect();
        present(results)
            // A floor has no memory to speak of for each connection.
            .filter(|peer| !peer.is_floor() || work != [Work::Connect])
            .map(|peer| (format!("{}, {}", peer.name, peer.transport), bars(peer)))
            .collect()
    };
    let closed = WINDOWS.map(Work::Closed);
    let cpu = Chart {
        title: "Server CPU for each delivery to one of 1,000 subscribers (less is better)",
        series: &["1 message in flight", "8", "32"],
        groups: groups(&closed, |f| f.server_cpu_us),
        label: |value| format!("{} µs", short(value)),
    };
    let rate = Chart {
        title: "Deliveries a second from one core to 1,000 subscribers (more is better)",
        series: &["1 message in flight", "8", "32"],
        groups: groups(&closed, |f| f.per_second),
        label: short,
    };
    let memory = Chart {
        title: "Server memory for each connection that has joined one topic (less is better)",
        series: &["memory"],
        groups: groups(&[Work::Connect], |f| f.server_bytes.unwrap_or_default() / 1e3),
        label: |value| format!("{} KB", short(value)),
    };
    let open = Chart {
        title: "1,000 subscribers, a fixed rate: 99 of 100 deliveries take at most (less is better)",
        series: &["200 messages a second", "1,000"],
        groups: groups(&RATES.map(Work::Open), |f| f.p99_us / 1e3),
        label: |value| format!("{} ms", short(value)),
    };
    vec![
        ("deliveries.svg", rate.draw()),
        ("cpu.svg", cpu.draw()),
        ("memory.svg", memory.draw()),
        ("open-loop.svg", open.draw()),
    ]
}

/// Those that have figures.
fn present(results: &Results) -> impl Iterator<Item = &'static Peer> {
    ALL.iter().filter(|peer| results.figures.get(peer.key).is_some_and(|figures| !figures.is_empty()))
}

// Writing to a String cannot fail.
macro_rules! line {
    ($out:expr, $($text:tt)*) => {{
        let _ = writeln!($out, $($text)*);
    }};
}
use line;

fn page(results: &Results) -> String {
    let mut out = String::new();
    let machine = &results.machine;
    line!(out, "# Dunlin beside its peers\n");
    line!(
        out,
        "Measured on {} at revision {}{}, by `tests/bench{}`, on {} with {} cores and {} GiB, {}.",
        results.date,
        results.revision,
        if results.quick {
            ", the quick way: one short run of each, good for a look and no more"
        } else {
            ""
        },
        if results.quick { " --quick" } else { "" },
        machine.processor,
        machine.cores,
        machine.memory_gib,
        machine.system,
    );
    line!(
        out,
        "Each server had one core and the load another one. Figures are {}. Compare them with each other, not with those of other \
         machines: `tests/bench` runs on yours.",
        match results.rounds {
            1 => "of one round".to_owned(),
            rounds => format!(
                "medians of {rounds} rounds, each in another order, with the least and the most in parentheses"
            ),
        },
    );
    line!(out, "\n{}", trouble(results));
    bars::section(&mut out, results);
    fanout(&mut out, results);
    open_loop(&mut out, results);
    connections(&mut out, results);
    few(&mut out, results);
    alone(&mut out, results);
    who(&mut out, results);
    how(&mut out, results);
    out
}

/// What may be wrong with the figures.
fn trouble(results: &Results) -> String {
    let all = || results.figures.values().flatten();
    let others = Spread::of(all().map(|figures| figures.other_cpu_share));
    let mut text = format!(
        "Other processes took {:.2} of {} cores while it was measured (median; {:.2} at most, and {} of {} figures had more than \
         {DISTURBED}); the load average was {:.2} when it began. ",
        others.median().unwrap_or_default(),
        results.machine.cores,
        others.max().unwrap_or_default(),
        all().filter(|figures| figures.other_cpu_share > DISTURBED).count(),
        all().count(),
        results.machine.load,
    );
    text += "`*`: the load had no time left on its own core in the median round, so that the server might do more.";
    for failure in &results.failures {
        let first = failure.lines().next().unwrap_or_default();
        let _ = write!(text, "\n\nCame to no end: {first}");
    }
    text
}

fn fanout(out: &mut String, results: &Results) {
    line!(out, "\n## Fan-out: one publisher, {} subscribers\n", grouped(results.subscribers as f64));
    line!(
        out,
        "Messages of {} bytes. The next one is published when everybody has read all but the newest 1, 8 or 32: with one in \
         flight nothing can be batched. Every subscriber checks that nothing is missing, doubled or out of order.\n",
        payload::SIZE,
    );
    line!(out, "![deliveries a second](deliveries.svg)\n\n![server CPU for each delivery](cpu.svg)\n");
    line!(
        out,
        "| | 1 in flight: deliveries/s | µs of server CPU each | 8 in flight | µs | 32 in flight | µs | lost |"
    );
    line!(out, "|---|--:|--:|--:|--:|--:|--:|--:|");
    for peer in present(results) {
        let mut cells = String::new();
        for window in WINDOWS {
            let work = Work::Closed(window);
            let mark = saturated(results, peer, work);
            let rate = results.of(peer.key, work, |f| f.per_second);
            let cpu = results.of(peer.key, work, |f| f.server_cpu_us);
            let _ = write!(cells, " {}{mark} | {} |", spread(&rate, grouped), spread(&cpu, short));
        }
        let lost: f64 =
            WINDOWS.iter().map(|window| total(results, peer, Work::Closed(*window), |f| f.lost)).sum();
        line!(out, "| {} |{cells} {} |", title(peer), grouped(lost));
    }
}

fn open_loop(out: &mut String, results: &Results) {
    line!(out, "\n## A fixed rate, whether or not the server keeps up\n");
    line!(
        out,
        "{} subscribers and 200 or 1,000 messages a second, which are 200,000 and {} deliveries a second. Times count from when a message was \
         due. What has not arrived 5 s after the end counts as behind; who was behind at 200 was not asked for 1,000.\n",
        grouped(results.subscribers as f64),
        grouped(1000.0 * results.subscribers as f64),
    );
    line!(out, "![latency at a fixed rate](open-loop.svg)\n");
    line!(
        out,
        "| | 200/s: delivered | p50 ms | p99 ms | µs of server CPU each | 1,000/s: delivered | p50 ms | p99 ms | µs |"
    );
    line!(out, "|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for peer in present(results) {
        let mut cells = String::new();
        for rate in RATES {
            let work = Work::Open(rate);
            let millis = |value: f64| short(value / 1e3);
            let mark = saturated(results, peer, work);
            let share = results.of(peer.key, work, |f| f.units as f64 / (f.units + f.lost) as f64);
            let p50 = results.of(peer.key, work, |f| f.p50_us);
            let p99 = results.of(peer.key, work, |f| f.p99_us);
            let cpu = results.of(peer.key, work, |f| f.server_cpu_us);
            let share = share.min().map_or("behind".to_owned(), percent);
            let _ = write!(
                cells,
                " {share}{mark} | {} | {} | {} |",
                spread(&p50, millis),
                spread(&p99, millis),
                spread(&cpu, short)
            );
        }
        line!(out, "| {} |{cells}", title(peer));
    }
}

fn connections(out: &mut String, results: &Results) {
    line!(out, "\n## Connections\n");
    line!(
        out,
        "{} clients connect, 32 at a time, say what their protocol asks for, subscribe to one topic and wait for the answer. \
         Memory is what the process grew by (RSS); what the kernel holds for each TCP socket is not in it.\n",
        grouped(results.subscribers as f64),
    );
    line!(out, "![memory for each connection](memory.svg)\n");
    line!(out, "| | connections/s | µs of server CPU each | KB each |\n|---|--:|--:|--:|");
    for peer in present(results) {
        let work = Work::Connect;
        let mark = saturated(results, peer, work);
        let rate = results.of(peer.key, work, |f| f.per_second);
        let cpu = results.of(peer.key, work, |f| f.server_cpu_us);
        let memory = results.of(peer.key, work, |f| f.server_bytes.unwrap_or_default() / 1e3);
        line!(
            out,
            "| {} | {}{mark} | {} | {} |",
            title(peer),
            spread(&rate, grouped),
            spread(&cpu, short),
            spread(&memory, short)
        );
    }
}

fn few(out: &mut String, results: &Results) {
    line!(out, "\n## Few subscribers\n");
    line!(out, "{FEW} subscribers of a topic of their own, {FEW_RATE} messages a second.\n");
    line!(out, "| | p50 µs | p99 µs | µs of server CPU for each delivery |\n|---|--:|--:|--:|");
    for peer in present(results) {
        let of = |figure: fn(&Figures) -> f64, show: fn(f64) -> String| {
            spread(&results.of(peer.key, Work::Latency, figure), show)
        };
        line!(
            out,
            "| {} | {} | {} | {} |",
            title(peer),
            of(|f| f.p50_us, grouped),
            of(|f| f.p99_us, grouped),
            of(|f| f.server_cpu_us, short)
        );
    }
}

fn alone(out: &mut String, results: &Results) {
    let scale = &results.scale;
    let Some(idle) = &scale.idle else { return };
    let of = |value: &Value, key: &str| value[key].as_f64().unwrap_or(f64::NAN);
    line!(out, "\n## Dunlin with {} connections\n", grouped(scale.many.into()));
    line!(out, "By `dunlin bench`, as users have it.\n");
    line!(
        out,
        "- **Idle**, each with one joined topic and a keep-alive of 25 s, held for {} s: {} up, {} refused, {} lost; {} came a second at {} µs of server \
         CPU; {} KB each; {} of a core while they were held.",
        grouped(of(idle, "held_seconds").round()),
        grouped(of(idle, "connections")),
        grouped(of(idle, "failed")),
        grouped(of(idle, "lost")),
        grouped(of(idle, "per_second")),
        short(of(idle, "server_cpu_us_per_handshake")),
        short(of(idle, "server_rss_bytes_per_connection") / 1e3),
        percent(of(idle, "server_cpu_share")),
    );
    let quantile = |key: &str, many: bool| {
        let pick = |(few, large): &(Value, Value)| of(if many { large } else { few }, key);
        spread(&Spread::of(scale.latency.iter().map(pick)), grouped)
    };
    line!(
        out,
        "- **Latency**, {} messages a second to one reader, beside {} idle connections and beside {}: p50 {} µs and {} µs, p99 {} µs and {} µs.",
        scale::RATE,
        grouped(scale.few.into()),
        grouped(scale.many.into()),
        quantile("p50_us", false),
        quantile("p50_us", true),
        quantile("p99_us", false),
        quantile("p99_us", true),
    );
    if let Some(storm) = &scale.storm {
        line!(
            out,
            "- **Storm**: {} clients are cut off and come back at once, each with a full handshake, and resume their sessions from where they were: {} back, {} \
             lost messages, p50 {} ms, p99 {} ms, {} µs of server CPU each.",
            grouped(of(storm, "connections")),
            grouped(of(storm, "returned")),
            grouped(of(storm, "lost")),
            grouped(of(storm, "p50_us") / 1e3),
            grouped(of(storm, "p99_us") / 1e3),
            short(of(storm, "server_cpu_us_per_return")),
        );
    }
}

fn who(out: &mut String, results: &Results) {
    line!(out, "\n## Who was compared\n");
    line!(out, "| | transport | version | as it ran here |\n|---|---|---|---|");
    for peer in present(results) {
        let version = results.versions.get(peer.key).map_or("", String::as_str);
        line!(out, "| {} | {} | {version} | {} |", peer.name, peer.transport, peer.does);
    }
    line!(out, "\nWho was not:\n");
    for (key, why) in &results.missing {
        let name = ALL.iter().find(|peer| peer.key == key).map_or(key.as_str(), |peer| peer.name);
        line!(out, "- {name}: not installed ({why})");
    }
    for (name, why) in ABSENT {
        line!(out, "- {name}: {why}");
    }
}

fn how(out: &mut String, results: &Results) {
    line!(
        out,
        "\n## How\n\n\
         `tests/bench install` gets the peers, `tests/bench` runs everything and writes this page; `results.json` has every figure of every round.\n\n\
         - One client program speaks all protocols, by hand and in one thread, so that it is the same for all and cheaper than the servers. Each \
         kind of work took {} s.\n\
         - TLS 1.3 everywhere, with one certificate (ECDSA P-256) that clients verify, and no session resumption.\n\
         - CPU is user and system time of the server's process, the kernel's work in its system calls included.\n\
         - Limits on what waits for a slow client were lifted where a broker has them, so that nobody is better for dropping. Keep-alives were \
         long or off, as the load answers none.\n\
         - Over loopback nothing is lost and segmentation is free, which is kind to TCP; batching many messages into a packet is kind to all who do it.",
        results.seconds,
    );
}

fn title(peer: &Peer) -> String {
    let name = if peer.is_ours() { format!("**{}**", peer.name) } else { peer.name.to_owned() };
    format!("{name}, {}", peer.transport)
}

fn total(results: &Results, peer: &Peer, work: Work, figure: impl Fn(&Figures) -> u64) -> f64 {
    let figures = results.figures.get(peer.key).into_iter().flatten();
    figures.filter(|figures| figures.work == work).map(figure).sum::<u64>() as f64
}

fn saturated(results: &Results, peer: &Peer, work: Work) -> &'static str {
    let load = results.of(peer.key, work, |figures| figures.load_cpu_share).median();
    if load.is_some_and(|load| load >= BUSY) { "\\*" } else { "" }
}

/// The median, and least and most if there are several.
fn spread(spread: &Spread, show: impl Fn(f64) -> String) -> String {
    match (spread.median(), spread.min(), spread.max()) {
        (Some(median), Some(min), Some(max)) if min < max => {
            format!("{} ({}–{})", show(median), show(min), show(max))
        }
        (Some(median), ..) => show(median),
        _ => "–".into(),
    }
}

/// Two or three digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{:.1} M", value / 1e6),
        size if size >= 1000.0 => grouped(value),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        0.0 => "0".into(),
        _ => format!("{value:.2}"),
    }
}

/// A whole number, with commas.
fn grouped(value: f64) -> String {
    if !value.is_finite() {
        return "–".into();
    }
    let digits = format!("{:.0}", value.abs());
    let mut text = String::from(if value < 0.0 { "-" } else { "" });
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            [0.0, 0.456, 12.34, 123.4, 12_345.6, 2_345_678.0].map(short),
            ["0", "0.46", "12.3", "123", "12,346", "2.3 M"]
        );
        assert_eq!([999.6, 1_234_567.0, -1000.0].map(grouped), ["1,000", "1,234,567", "-1,000"]);
    }
}

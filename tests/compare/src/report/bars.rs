//! What Dunlin has set itself, and whether it holds.

use std::fmt::Write;

use serde_json::Value;

use super::{grouped, line, percent, present, short, total};
use crate::{
    load::{Figures, Work},
    peers::{ALL, Peer},
    results::{Results, Spread},
};

/// One aim.
struct Bar {
    figure: String,
    aim: String,
    found: String,
    holds: bool,
}

pub(super) fn section(out: &mut String, results: &Results) {
    let bars: Vec<_> = [alone(results), beside(results)].into_iter().flatten().collect();
    if bars.is_empty() {
        return;
    }
    line!(out, "\n## What Dunlin has set itself\n");
    line!(out, "| figure | aim | found | |\n|---|---|---|---|");
    for Bar { figure, aim, found, holds } in bars {
        line!(out, "| {figure} | {aim} | {found} | {} |", if holds { "holds" } else { "**falls short**" });
    }
}

/// Of Dunlin with many connections.
fn alone(results: &Results) -> Vec<Bar> {
    let scale = &results.scale;
    let of = |value: &Value, key: &str| value[key].as_f64().unwrap_or(f64::NAN);
    let mut bars = vec![];
    if let Some(idle) = &scale.idle {
        let (failed, lost) = (of(idle, "failed"), of(idle, "lost"));
        bars.push(Bar {
            figure: format!("{} idle connections, each with one joined topic", grouped(scale.many.into())),
            aim: format!("all up, none lost in {} s", grouped(of(idle, "held_seconds").round())),
            found: format!("{} up, {} lost", grouped(of(idle, "connections")), grouped(lost)),
            holds: failed == 0.0 && lost == 0.0,
        });
        let memory = of(idle, "server_rss_bytes_per_connection") / 1e3;
        bars.push(Bar {
            figure: "memory for each of them".into(),
            aim: "at most 40 KB".into(),
            found: format!("{} KB", short(memory)),
            holds: memory <= 40.0,
        });
        let cpu = of(idle, "server_cpu_share");
        bars.push(Bar {
            figure: "CPU while they are idle, with a keep-alive of 25 s".into(),
            aim: "at most 10 % of a core".into(),
            found: percent(cpu),
            holds: cpu <= 0.1,
        });
    }
    let ratios = scale.latency.iter().map(|(few, many)| of(many, "p99_us") / of(few, "p99_us"));
    let ratios = Spread::of(ratios);
    if let (Some(median), Some(min), Some(max)) = (ratios.median(), ratios.min(), ratios.max()) {
        bars.push(Bar {
            figure: format!(
                "p99 of deliveries beside {} connections, against {}",
                grouped(scale.many.into()),
                grouped(scale.few.into())
            ),
            aim: "at most 1.5 times".into(),
            found: format!("{median:.2} ({min:.2}–{max:.2})"),
            holds: median <= 1.5,
        });
    }
    if let Some(storm) = &scale.storm {
        let (all, back, lost) = (of(storm, "connections"), of(storm, "returned"), of(storm, "lost"));
        bars.push(Bar {
            figure: format!("a storm of {} reconnects", grouped(all)),
            aim: "all back, nothing lost".into(),
            found: format!("{} back, {} lost", grouped(back), grouped(lost)),
            holds: all == back && lost == 0.0,
        });
    }
    bars
}

/// Of Dunlin over QUIC beside others.
fn beside(results: &Results) -> Vec<Bar> {
    let median = |peer: &str, work, figure: fn(&Figures) -> f64| results.of(peer, work, figure).median();
    let mut bars = vec![];
    for (window, aim) in [(32, 2.0), (8, 1.4), (1, 1.0 / 1.2)] {
        let work = Work::Closed(window);
        let rate = |peer: &'static Peer| Some((median(peer.key, work, |f| f.per_second)?, peer));
        let cpu = |peer: &'static Peer| Some((median(peer.key, work, |f| f.server_cpu_us)?, peer));
        let others = || present(results).filter(|peer| !peer.is_ours() && !peer.is_floor());
        let fastest = others().filter_map(rate).max_by(|a, b| a.0.total_cmp(&b.0));
        let cheapest = others().filter_map(cpu).min_by(|a, b| a.0.total_cmp(&b.0));
        let dunlin = &ALL[0];
        let (Some((fast, first)), Some((cheap, second)), Some((our_rate, _)), Some((our_cpu, _))) =
            (fastest, cheapest, rate(dunlin), cpu(dunlin))
        else {
            continue;
        };
        let (faster, cheaper) = (our_rate / fast, cheap / our_cpu);
        let lost = total(results, dunlin, work, |f| f.lost + f.wrong);
        bars.push(Bar {
            figure: format!(
                "fan-out, {window} in flight: deliveries a second, and CPU for each, against the best peer"
            ),
            aim: match window {
                1 => "within 1.2 times".into(),
                _ => format!("at least {aim} times as good, nothing lost"),
            },
            found: format!(
                "{faster:.2} times as many as {}, {cheaper:.2} times cheaper than {}, {} lost",
                first.name,
                second.name,
                grouped(lost)
            ),
            holds: faster >= aim && cheaper >= aim && lost == 0.0,
        });
    }
    for (rate, aim) in [(200, 20.0), (1000, 60.0)] {
        let work = Work::Open(rate);
        let Some(p99) = median("dunlin", work, |f| f.p99_us / 1e3) else { continue };
        let lost = total(results, &ALL[0], work, |f| f.lost);
        bars.push(Bar {
            figure: format!(
                "{} messages a second to {} subscribers",
                grouped(rate.into()),
                grouped(results.subscribers as f64)
            ),
            aim: format!("all delivered, p99 under {aim} ms"),
            found: format!("{} lost, p99 {} ms", grouped(lost), short(p99)),
            holds: lost == 0.0 && p99 < aim,
        });
    }
    let cpu = |peer| median(peer, Work::Connect, |f| f.server_cpu_us);
    if let (Some(ours), Some(bare)) = (cpu("dunlin"), cpu("bare-quinn")) {
        let ratio = ours / bare;
        bars.push(Bar {
            figure: "CPU for a handshake with hello and join, against bare quinn".into(),
            aim: "at most 1.5 times".into(),
            found: format!("{ratio:.2} ({} µs against {} µs)", short(ours), short(bare)),
            holds: ratio <= 1.5,
        });
    }
    bars
}

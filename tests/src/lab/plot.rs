//! A run as a picture: every message, every packet, and what happened, over time.

use std::fmt::Write;

use super::{
    Uplink,
    run::Run,
    trace::{Fate, Record, What},
};

const WIDTH: f64 = 1200.0;
const LEFT: f64 = 90.0;
/// The messages' part, with a logarithmic axis from 1 ms to 100 s.
const TALL: f64 = 300.0;
const ROW: f64 = 22.0;
const TOP: f64 = 40.0;

/// Draws it as SVG.
#[must_use]
pub fn draw(title: &str, run: &Run) -> String {
    let begin = run.marks.first().map_or(run.from, |mark| mark.at).min(run.from).saturating_sub(1_000_000);
    let scale = WIDTH / (run.end.saturating_sub(begin).max(1)) as f64;
    let x = |at: u64| LEFT + at.saturating_sub(begin).min(run.end.saturating_sub(begin)) as f64 * scale;
    let shown = |record: &&Record| record.at >= begin && record.at <= run.end;
    let height = TOP + TALL + 6.0 * ROW + 20.0;
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' width='{}' height='{height}' font-family='sans-serif' \
         font-size='11'><rect width='100%' height='100%' fill='white'/><text x='{LEFT}' y='14' \
         font-size='14'>{}</text>",
        LEFT + WIDTH + 20.0,
        escape(title),
    );
    axes(&mut svg, begin, run.end, x);
    let mut states: Vec<&str> = Vec::new();
    for record in run.traveller.iter().filter(shown) {
        match &record.what {
            What::Received { sent, .. } => {
                let (x, y) = (x(record.at), latency(record.at.saturating_sub(*sent)));
                let _ = write!(svg, "<circle cx='{x:.1}' cy='{y:.1}' r='1.5' fill='#1565c0'/>");
            }
            What::Answered { .. } => tick(&mut svg, x(record.at), 5, "#2e7d32"),
            // A client that tries again and again says so once.
            What::State { state, .. } if states.last() != Some(&state.as_str()) => {
                states.push(state);
                note(&mut svg, x(record.at), states.len(), state);
            }
            What::Joined { start, .. } => {
                tick(&mut svg, x(record.at), 4, if start == "Lost" { "#d50000" } else { "#2e7d32" });
            }
            _ => {}
        }
    }
    for record in run.packets.iter().filter(shown) {
        if let What::Packet { link, up, fate, .. } = record.what {
            let row = match (link, up) {
                (Uplink::Wifi, true) => 0,
                (Uplink::Wifi, false) => 1,
                (Uplink::Cell, true) => 2,
                (Uplink::Cell, false) => 3,
            };
            tick(&mut svg, x(record.at), row, if fate == Fate::Arrived { "#546e7a" } else { "#d50000" });
        }
    }
    for (n, record) in run.marks.iter().filter(shown).enumerate() {
        if let What::Mark { name } = &record.what {
            let (x, y) = (x(record.at), TOP + 10.0 + 12.0 * (n % 6) as f64);
            let (beside, anchor) =
                if x > LEFT + WIDTH - 60.0 { (x - 3.0, "end") } else { (x + 3.0, "start") };
            let _ = write!(
                svg,
                "<line x1='{x:.1}' x2='{x:.1}' y1='{TOP}' y2='{}' stroke='#ef6c00'/><text x='{beside:.1}' y='{y}' \
                 text-anchor='{anchor}' fill='#ef6c00'>{}</text>",
                height - 20.0,
                escape(name),
            );
        }
    }
    svg + "</svg>\n"
}

fn axes(svg: &mut String, begin: u64, end: u64, x: impl Fn(u64) -> f64) {
    for (micros, label) in
        [(1000, "1 ms"), (10_000, "10 ms"), (100_000, "100 ms"), (1_000_000, "1 s"), (10_000_000, "10 s")]
    {
        let y = latency(micros);
        let _ = write!(
            svg,
            "<line x1='{LEFT}' x2='{}' y1='{y}' y2='{y}' stroke='#ddd'/><text x='4' y='{}'>{label}</text>",
            LEFT + WIDTH,
            // Above the line: the rows begin right under the lowest.
            y - 2.0,
        );
    }
    for (row, label) in
        ["wifi up", "wifi down", "cell up", "cell down", "client", "answers"].iter().enumerate()
    {
        let _ = write!(svg, "<text x='4' y='{}'>{label}</text>", row_y(row) + 14.0);
    }
    let step = ((end - begin) / 10_000_000).max(1) * 1_000_000;
    for at in (begin..end).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
        let _ = write!(
            svg,
            "<text x='{:.1}' y='{}'>{} s</text>",
            x(at),
            row_y(6) + 14.0,
            (at - begin) / 1_000_000,
        );
    }
}

fn latency(micros: u64) -> f64 {
    let decades = (micros.max(1000) as f64 / 1000.0).log10().min(5.0);
    TOP + TALL - decades / 5.0 * TALL
}

fn row_y(row: usize) -> f64 {
    TOP + TALL + ROW * row as f64
}

fn tick(svg: &mut String, x: f64, row: usize, colour: &str) {
    let y = row_y(row) + 4.0;
    let _ = write!(svg, "<rect x='{x:.1}' y='{y}' width='0.7' height='{}' fill='{colour}'/>", ROW - 8.0);
}

/// A change of the client's state, by turns at two heights: there may be another one right after it.
fn note(svg: &mut String, x: f64, n: usize, text: &str) {
    let colour = "#6a1b9a";
    tick(svg, x, 4, colour);
    let y = row_y(4) + if n.is_multiple_of(2) { 10.0 } else { 19.0 };
    let _ = write!(svg, "<text x='{:.1}' y='{y}' fill='{colour}'>{}</text>", x + 2.0, escape(text));
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

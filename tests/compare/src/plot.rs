//! Figures as pictures: bars, one group for each peer.

use std::fmt::Write;

use crate::results::Spread;

const LEFT: f64 = 230.0;
const WIDTH: f64 = 620.0;
const RIGHT: f64 = 190.0;
const BAR: f64 = 15.0;
const TOP: f64 = 64.0;
const COLOURS: [&str; 3] = ["#90caf9", "#1e88e5", "#0d47a1"];

/// Bars with a logarithmic axis.
pub(crate) struct Chart<'a> {
    pub(crate) title: &'a str,
    /// What a bar stands for, by its place in each group.
    pub(crate) series: &'a [&'a str],
    /// A name, and a bar for each of the series: the median, with a line from least to most.
    pub(crate) groups: Vec<(String, Vec<Spread>)>,
    /// How a value is written.
    pub(crate) label: fn(f64) -> String,
}

impl Chart<'_> {
    /// As SVG.
    pub(crate) fn draw(&self) -> String {
        let values = || self.groups.iter().flat_map(|(_, bars)| bars);
        let least = values().filter_map(Spread::min).filter(|value| *value > 0.0).fold(f64::MAX, f64::min);
        let most = values().filter_map(Spread::max).fold(0.0, f64::max).max(least);
        // Whole decades, so that lengths can be compared by the lines between them.
        let (low, high) = (least.log10().floor(), most.log10().ceil());
        let x = |value: f64| LEFT + (value.log10() - low).max(0.0) / (high - low).max(1.0) * WIDTH;
        let group = BAR * self.series.len() as f64 + 10.0;
        let height = TOP + group * self.groups.len() as f64 + 10.0;
        let mut svg = format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='{}' height='{height}' font-family='sans-serif' \
             font-size='12'>\n<rect width='100%' height='100%' fill='white'/>\n<text x='10' y='20' font-size='15'>{}\
             </text>",
            LEFT + WIDTH + RIGHT,
            escape(self.title),
        );
        // Writing to a String cannot fail.
        let mut beside = 10.0;
        for (name, colour) in self.series.iter().zip(COLOURS).filter(|_| self.series.len() > 1) {
            let _ = writeln!(
                svg,
                "<rect x='{beside}' y='32' width='11' height='11' fill='{colour}'/><text x='{}' y='42'>{}</text>",
                beside + 16.0,
                escape(name),
            );
            beside += 40.0 + 7.0 * name.len() as f64;
        }
        for decade in low as i32..=high as i32 {
            let at = x(10_f64.powi(decade));
            let _ = writeln!(
                svg,
                "<line x1='{at:.1}' x2='{at:.1}' y1='{}' y2='{height}' stroke='#ddd'/><text x='{at:.1}' y='{}' \
                 text-anchor='middle' fill='#777'>{}</text>",
                TOP - 4.0,
                TOP - 7.0,
                escape(&(self.label)(10_f64.powi(decade))),
            );
        }
        for (n, (name, bars)) in self.groups.iter().enumerate() {
            let top = TOP + group * n as f64;
            let _ = writeln!(
                svg,
                "<text x='{}' y='{:.1}' text-anchor='end'>{}</text>",
                LEFT - 8.0,
                top + BAR * bars.len() as f64 / 2.0 + 4.0,
                escape(name),
            );
            for ((bar, colour), row) in bars.iter().zip(COLOURS).zip(0..) {
                let y = top + BAR * f64::from(row);
                let (Some(median), Some(min), Some(max)) = (bar.median(), bar.min(), bar.max()) else {
                    let _ =
                        writeln!(svg, "<text x='{}' y='{:.1}' fill='#777'>none</text>", LEFT + 4.0, y + 12.0);
                    continue;
                };
                let middle = y + BAR / 2.0;
                let _ = writeln!(
                    svg,
                    "<rect x='{LEFT}' y='{y:.1}' width='{:.1}' height='{}' fill='{colour}'/>\
                     <line x1='{:.1}' x2='{:.1}' y1='{middle:.1}' y2='{middle:.1}' stroke='#ef6c00' stroke-width='2'/>\
                     <text x='{:.1}' y='{:.1}'>{}</text>",
                    x(median) - LEFT,
                    BAR - 2.0,
                    x(min),
                    x(max),
                    x(max) + 6.0,
                    y + 12.0,
                    escape(&(self.label)(median)),
                );
            }
        }
        svg + "</svg>\n"
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_written_and_names_are_escaped() {
        let groups = vec![("a<b".to_owned(), vec![Spread::of([3.0, 1.0, 2.0]), Spread::default()])];
        let label = |value: f64| format!("{value} us");
        let svg = Chart { title: "CPU & time", series: &["one", "two"], groups, label }.draw();
        for text in ["a&lt;b", "CPU &amp; time", ">2 us<", ">none<", ">one<"] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
    }
}

//! A small SVG writer: the three kinds of picture that the report needs, each with a title and a text alternative.
//!
//! Coordinates are whole pixels of a fixed view box; the page scales the picture. Colours are classes of the page's
//! style sheet, so that a picture follows light and dark.

use std::fmt::Write;

use crate::faults::FaultKind;
use crate::payload::Phase;
use crate::report::{Latency, Mark, Timeline};
use crate::text::{plain, short_count, time_us};

const WIDTH: f64 = 520.0;
const LEFT: f64 = 46.0;
const RIGHT: f64 = 10.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 22.0;
const GRID_LINES: u32 = 4;

/// Text that is safe inside HTML and SVG.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in plain(text).chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

struct Picture {
    out: String,
    height: f64,
}

impl Picture {
    fn new(height: f64, title: &str, describe: &str) -> Picture {
        let mut out = String::new();
        let title = escaped(title);
        let describe = escaped(describe);
        // Writing to a string cannot fail, here and below.
        let _infallible = write!(
            out,
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{title}. {describe}\"><title>{title}</title>\
             <desc>{describe}</desc><text class=\"title\" x=\"{LEFT}\" y=\"14\">{title}</text>"
        );
        Picture { out, height }
    }

    fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let _infallible = write!(
            self.out,
            "<line class=\"{class}\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>",
            from.0, from.1, to.0, to.1
        );
    }

    fn text(&mut self, at: (f64, f64), anchor: &str, text: &str) {
        let _infallible = write!(
            self.out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            at.0,
            at.1,
            escaped(text)
        );
    }

    fn bar(&mut self, class: &str, at: (f64, f64), size: (f64, f64), hint: &str) {
        let _infallible = write!(
            self.out,
            "<rect class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"1\"><title>{}</title></rect>",
            at.0,
            at.1,
            size.0,
            size.1,
            escaped(hint)
        );
    }

    fn path(&mut self, class: &str, points: &[(f64, f64)], closed_at: Option<f64>) {
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return };
        let mut path = String::new();
        for (at, (x, y)) in points.iter().enumerate() {
            let _infallible = write!(path, "{}{x:.1} {y:.1}", if at == 0 { 'M' } else { 'L' });
        }
        if let Some(base) = closed_at {
            let _infallible = write!(path, "L{:.1} {base:.1}L{:.1} {base:.1}Z", last.0, first.0);
        }
        let _infallible = write!(self.out, "<path class=\"{class}\" d=\"{path}\"/>");
    }

    /// Horizontal grid lines with their values.
    fn grid(&mut self, top_value: f64, label: impl Fn(f64) -> String) {
        let bottom = self.height - BOTTOM;
        for step in 0..=GRID_LINES {
            let share = f64::from(step) / f64::from(GRID_LINES);
            let y = bottom - share * (bottom - TOP);
            self.line(if step == 0 { "axis" } else { "grid" }, (LEFT, y), (WIDTH - RIGHT, y));
            self.text((LEFT - 5.0, y + 4.0), "end", &label(share * top_value));
        }
    }

    fn finish(mut self) -> String {
        self.out.push_str("</svg>");
        self.out
    }
}

#[expect(clippy::cast_precision_loss, reason = "a picture needs no last digit")]
fn float(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "labels of positive, small numbers"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// A value at or above `value` whose quarters are round numbers.
fn round_top(value: f64) -> f64 {
    let unit = 10_f64.powf(value.max(1.0).log10().floor());
    [1.0, 2.0, 4.0, 8.0, 10.0]
        .into_iter()
        .map(|step| step * unit)
        .find(|top| *top >= value)
        .unwrap_or(10.0 * unit)
}

fn x_of(at_us: f64, span_us: f64) -> f64 {
    LEFT + (WIDTH - LEFT - RIGHT) * (at_us / span_us.max(1.0)).clamp(0.0, 1.0)
}

fn time_axis(picture: &mut Picture, span_us: f64, marks: &[Mark], phase: Phase) {
    let bottom = picture.height - BOTTOM;
    for step in 0..=4_u32 {
        let at_us = span_us * f64::from(step) / 4.0;
        let anchor = if step == 4 { "end" } else { "middle" };
        picture.text((x_of(at_us, span_us), picture.height - 7.0), anchor, &time_us(whole(at_us)));
    }
    for mark in marks {
        let x = x_of(float(mark.at_us), span_us);
        let (class, from) = match mark.kind {
            FaultKind::BrokerEnded => ("mark-end", TOP),
            FaultKind::ConsumerCrashed => ("mark-consumer", bottom - 14.0),
            _ => ("mark-net", bottom - 8.0),
        };
        let _infallible = write!(picture.out, "<g><title>{}</title>", escaped(mark.kind.title(phase)));
        picture.line(class, (x, from), (x, bottom));
        picture.out.push_str("</g>");
    }
}

/// Records per second over time, with the faults.
pub(crate) fn throughput(line: &Timeline, phase: Phase, acknowledges: bool) -> String {
    let span_us = float(line.step_us * line.sent.len() as u64);
    let per_second = |count: u64| float(count) * 1e6 / float(line.step_us.max(1));
    let peak = line.sent.iter().chain(&line.handled).copied().max().unwrap_or(0);
    let top = round_top(per_second(peak));
    let what = if acknowledges { "acknowledged" } else { "handed over" };
    let describe = format!(
        "Over {}, at most {} records per second {what} (area) and handled (line). {} faults are marked.",
        time_us(whole(span_us)),
        short_count(whole(per_second(peak))),
        line.marks.len()
    );
    let mut picture = Picture::new(170.0, &format!("Records per second: {what}, and handled"), &describe);
    picture.grid(top, |value| short_count(whole(value)));
    let bottom = picture.height - BOTTOM;
    let points = |counts: &[u64]| -> Vec<(f64, f64)> {
        let at = |step: usize| float(line.step_us) * (float(step as u64) + 0.5);
        let y = |count: u64| bottom - (bottom - TOP) * per_second(count) / top;
        counts.iter().enumerate().map(|(step, count)| (x_of(at(step), span_us), y(*count))).collect()
    };
    picture.path("sent", &points(&line.sent), Some(bottom));
    picture.path("handled", &points(&line.handled), None);
    time_axis(&mut picture, span_us, &line.marks, phase);
    picture.finish()
}

/// Median and 99th percentile over time on a logarithmic scale, with the faults.
pub(crate) fn latency_over_time(line: &Timeline, phase: Phase, acknowledges: bool) -> String {
    let span_us = float(line.step_us * line.sent.len() as u64);
    let highest = line.p99_us.iter().flatten().copied().max().unwrap_or(1).max(1_000);
    let lowest = line.p50_us.iter().flatten().copied().min().unwrap_or(1).clamp(1, 1_000);
    let (low, high) = (float(lowest).log10().floor(), float(highest).log10().ceil());
    let what = if acknowledges { "send to acknowledgement" } else { "send to handler" };
    let describe = format!(
        "Median and 99th percentile from {what} over {}; the highest 99th percentile is {}.",
        time_us(whole(span_us)),
        time_us(highest)
    );
    let mut picture =
        Picture::new(170.0, &format!("Latency from {what}: median and 99th percentile"), &describe);
    picture.grid(1.0, |share| time_us(whole(10_f64.powf(low + share * (high - low)))));
    let bottom = picture.height - BOTTOM;
    let point = |step: usize, value: u64| {
        let share = (float(value.max(1)).log10() - low) / (high - low).max(1.0);
        (x_of(float(line.step_us) * (float(step as u64) + 0.5), span_us), bottom - (bottom - TOP) * share)
    };
    for (class, values) in [("p99", &line.p99_us), ("p50", &line.p50_us)] {
        // Where nothing ended, nothing was measured: the line is broken there.
        let mut from = 0;
        for run in values.chunk_by(|left, right| left.is_some() == right.is_some()) {
            let mut points: Vec<(f64, f64)> =
                run.iter().enumerate().filter_map(|(at, value)| Some(point(from + at, (*value)?))).collect();
            if let [(x, y)] = points[..] {
                points.push((x + 1.5, y));
            }
            picture.path(class, &points, None);
            from += run.len();
        }
    }
    time_axis(&mut picture, span_us, &line.marks, phase);
    picture.finish()
}

/// A latency histogram: four columns per doubling.
pub(crate) fn histogram(latency: &Latency, title: &str) -> String {
    let describe = match latency.count {
        0 => "Nothing was measured.".to_owned(),
        _ => format!(
            "{} records: median {}, 90th percentile {}, 99th percentile {}, largest {}.",
            short_count(latency.count),
            time_us(latency.p50_us),
            time_us(latency.p90_us),
            time_us(latency.p99_us),
            time_us(latency.max_us)
        ),
    };
    let mut picture = Picture::new(150.0, title, &describe);
    let top = round_top(float(latency.columns.iter().map(|(_, count)| *count).max().unwrap_or(1)));
    picture.grid(top, |value| short_count(whole(value)));
    let bottom = picture.height - BOTTOM;
    let columns = latency.columns.len().max(1);
    let step = (WIDTH - LEFT - RIGHT) / float(columns as u64);
    let label_every = columns.div_ceil(6);
    for (at, (bound_us, count)) in latency.columns.iter().enumerate() {
        let x = LEFT + step * float(at as u64);
        let height = (bottom - TOP) * float(*count) / top;
        let hint = format!("{count} records up to {}", time_us(*bound_us));
        picture.bar("bar", (x + 0.5, bottom - height), ((step - 1.0).max(0.5), height), &hint);
        if at % label_every == label_every / 2 {
            picture.text((x + step / 2.0, picture.height - 7.0), "middle", &time_us(*bound_us));
        }
    }
    picture.finish()
}

/// Planned and effective faults as bars.
pub(crate) fn fault_bars(counts: &[(String, u64, u64)], title: &str) -> String {
    const ROW: f64 = 18.0;
    const NAMES: f64 = 270.0;
    let height = TOP + ROW * float(counts.len() as u64) + 6.0;
    let told: Vec<String> =
        counts.iter().map(|(what, planned, effective)| format!("{what}: {effective} of {planned}")).collect();
    let mut picture = Picture::new(height, title, &told.join("; "));
    let most = counts.iter().map(|(_, planned, effective)| *planned.max(effective)).max().unwrap_or(1).max(1);
    let unit = (WIDTH - NAMES - 70.0) / float(most);
    for (at, (what, planned, effective)) in counts.iter().enumerate() {
        let y = TOP + ROW * float(at as u64);
        picture.text((NAMES - 8.0, y + 12.0), "end", what);
        picture.bar(
            "bar-planned",
            (NAMES, y + 3.0),
            (unit * float(*planned), 11.0),
            &format!("{planned} planned"),
        );
        picture.bar(
            "bar",
            (NAMES, y + 3.0),
            (unit * float(*effective), 11.0),
            &format!("{effective} took effect"),
        );
        let end = NAMES + unit * float(*planned.max(effective)) + 6.0;
        picture.text((end, y + 12.0), "start", &format!("{effective} / {planned}"));
    }
    picture.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_records_cannot_leave_its_place() {
        assert_eq!(escaped("<b>&\"'\u{7}"), "&lt;b&gt;&amp;&quot;&#39;\u{fffd}");
    }

    #[test]
    fn axis_ends_are_round() {
        assert_eq!([0.0, 1.0, 3.0, 19_000.0, 81_000.0].map(round_top), [1.0, 1.0, 4.0, 20_000.0, 100_000.0]);
    }

    #[test]
    fn an_empty_measurement_is_still_a_picture_with_words() {
        let picture = histogram(&Latency::default(), "Latency");
        assert!(picture.contains("Nothing was measured.") && picture.ends_with("</svg>"));
    }
}

//! The matrix for a terminal: seven names by ten anomalies, aligned, with what stands behind each verdict.

use std::fmt::Write;

use poruka_guarantee::Anomaly;

use super::{Cell, CellState, NameReport, Report, Verdict};
use crate::text::{plain, short_count, time_us};

const GREEN: &str = "\u{1b}[32m";
const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[33m";
const DIM: &str = "\u{1b}[2m";
const PLAIN: &str = "\u{1b}[0m";

/// The matrix and what a reader needs with it. Colour is for a terminal only: the caller knows whether it is one.
pub fn render_matrix(report: &Report, colour: bool) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _infallible = write_all(&mut out, report, colour);
    out
}

fn write_all(out: &mut String, report: &Report, colour: bool) -> std::fmt::Result {
    let rows: Vec<Vec<String>> = report.names.iter().map(row).collect();
    let head: Vec<String> = std::iter::once("guarantee".to_owned())
        .chain(Anomaly::ALL.iter().map(|anomaly| anomaly.code().to_owned()))
        .chain(["verdict".to_owned()])
        .collect();
    let widths: Vec<usize> = (0..head.len())
        .map(|at| rows.iter().chain([&head]).map(|row| row[at].chars().count()).max().unwrap_or(0))
        .collect();
    line(out, &head, &widths, |_| if colour { DIM } else { "" })?;
    for (row, name) in rows.iter().zip(&report.names) {
        line(out, row, &widths, |at| if colour { tint(name, at) } else { "" })?;
    }
    legend(out)?;
    for name in report.names.iter().filter(|name| name.verdict.is_some_and(|v| v != Verdict::Kept)) {
        explain(out, name)?;
    }
    writeln!(out)?;
    writeln!(out, "{}", summary(report))
}

fn line<'c>(
    out: &mut String,
    fields: &[String],
    widths: &[usize],
    tint: impl Fn(usize) -> &'c str,
) -> std::fmt::Result {
    let last = fields.len() - 1;
    for (at, (field, width)) in fields.iter().zip(widths).enumerate() {
        let pad = " ".repeat(width - field.chars().count());
        let (before, after) = if at == 0 || at == last { ("", pad.as_str()) } else { (pad.as_str(), "") };
        let tint = tint(at);
        let end = if tint.is_empty() { "" } else { PLAIN };
        let gap = if at == last { "\n" } else { "  " };
        let after = if at == last { "" } else { after };
        write!(out, "{before}{tint}{field}{end}{after}{gap}")?;
    }
    Ok(())
}

fn row(name: &NameReport) -> Vec<String> {
    let verdict = match name.verdict {
        Some(verdict) => verdict.as_str().to_owned(),
        None if !name.name.built() => "not built yet".to_owned(),
        None => "not run".to_owned(),
    };
    std::iter::once(name.name.to_string()).chain(name.cells.iter().map(field)).chain([verdict]).collect()
}

fn field(cell: &Cell) -> String {
    match cell.state {
        CellState::Forbidden(verdict) => {
            let mark = match verdict {
                Verdict::Kept => "✓",
                Verdict::NotProven => "?",
                Verdict::Broken => "✗",
            };
            format!("{}/{} {mark}", short_count(cell.seen_forbidden), short_count(cell.checked))
        }
        CellState::Allowed => format!("({})", short_count(cell.seen)),
        CellState::NotApplicable | CellState::NotBuilt => "·".to_owned(),
    }
}

fn tint(name: &NameReport, at: usize) -> &'static str {
    let of = |verdict| match verdict {
        Verdict::Kept => GREEN,
        Verdict::NotProven => YELLOW,
        Verdict::Broken => RED,
    };
    match at.checked_sub(1).map(|at| name.cells.get(at)) {
        None => "",
        Some(None) => name.verdict.map_or(DIM, of),
        Some(Some(cell)) => match cell.state {
            CellState::Forbidden(verdict) => of(verdict),
            CellState::Allowed | CellState::NotApplicable | CellState::NotBuilt => DIM,
        },
    }
}

fn legend(out: &mut String) -> std::fmt::Result {
    writeln!(out)?;
    let titles: Vec<String> = Anomaly::ALL.iter().map(ToString::to_string).collect();
    for part in titles.chunks(5) {
        writeln!(out, "{}", part.join(", "))?;
    }
    writeln!(
        out,
        "seen/checked where it is forbidden (✓ kept, ? not proven, ✗ broken), (seen) where it is allowed, \
         · not looked for"
    )
}

fn explain(out: &mut String, name: &NameReport) -> std::fmt::Result {
    let verdict = name.verdict.map_or("", Verdict::as_str);
    writeln!(out, "\n{} is {verdict}:", name.name)?;
    for reason in &name.reasons {
        writeln!(out, "  - {reason}")?;
    }
    for cell in &name.cells {
        if cell.state == CellState::Forbidden(Verdict::Broken) {
            for example in &cell.examples {
                let id = plain(example.id.as_deref().unwrap_or("?"));
                writeln!(out, "  {} {id}: {}", cell.anomaly.code(), example.what)?;
                for fault in &example.faults {
                    writeln!(out, "      near: {fault}")?;
                }
            }
        }
    }
    Ok(())
}

fn summary(report: &Report) -> String {
    let kept = report.names.iter().filter(|name| name.verdict == Some(Verdict::Kept)).count();
    let ran = report.names.iter().filter(|name| name.verdict.is_some()).count();
    format!(
        "{kept} of {ran} guarantees kept in {}; {} records each, seed {}",
        time_us(report.duration_us),
        short_count(report.records),
        report.seed
    )
}

//! The page: self-contained, no script, nothing from the network, readable in light and dark.

use std::fmt::Write;

use poruka_guarantee::Anomaly;

use super::palette::STYLE;
use super::svg::{self, escaped};
use super::{Cell, CellState, NameReport, PhaseReport, Report, Verdict};
use crate::check::Example;
use crate::payload::Phase;
use crate::text::{long_count, time_us};

/// The whole page. `hash` is the receipt's.
pub fn render(report: &Report, hash: &str) -> String {
    let mut page = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <title>Poruka: what was proven</title><style>",
    );
    page.push_str(STYLE);
    page.push_str("</style></head><body><main>");
    // Writing to a string cannot fail.
    let _infallible = write_all(&mut page, report, hash);
    page.push_str("</main></body></html>\n");
    page
}

fn write_all(page: &mut String, report: &Report, hash: &str) -> std::fmt::Result {
    head(page, report)?;
    matrix(page, report)?;
    for name in report.names.iter().filter(|name| !name.phases.is_empty()) {
        section(page, name)?;
    }
    settings(page, report, hash)
}

fn badge(verdict: Option<Verdict>, none: &str) -> String {
    let (class, word) = match verdict {
        Some(verdict) => (class_of(verdict), verdict.as_str().to_lowercase()),
        None => ("none", none.to_owned()),
    };
    format!("<span class=\"badge {class}\">{word}</span>")
}

fn class_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Kept => "kept",
        Verdict::NotProven => "not-proven",
        Verdict::Broken => "broken",
    }
}

fn head(page: &mut String, report: &Report) -> std::fmt::Result {
    let kept = report.names.iter().filter(|name| name.verdict == Some(Verdict::Kept)).count();
    let ran = report.names.iter().filter(|name| name.verdict.is_some()).count();
    write!(
        page,
        "<header><h1>What was proven {}</h1><p class=\"soft\">{kept} of {ran} guarantees kept · {} records under each \
         name and phase · {} keys · {} · seed {}</p></header>",
        badge(Some(report.verdict), ""),
        long_count(report.records),
        long_count(report.keys),
        time_us(report.duration_us),
        report.seed,
    )?;
    page.push_str("<ul class=\"soft\">");
    for note in &report.input {
        write!(page, "<li>{}</li>", escaped(note))?;
    }
    page.push_str("</ul>");
    Ok(())
}

fn matrix(page: &mut String, report: &Report) -> std::fmt::Result {
    page.push_str(
        "<section class=\"card\" aria-label=\"Matrix of guarantees and anomalies\"><div class=\"scroll\"><table>\
         <thead><tr><th scope=\"col\">guarantee</th><th scope=\"col\">verdict</th>",
    );
    for anomaly in Anomaly::ALL {
        write!(page, "<th scope=\"col\" title=\"{}\">{}</th>", escaped(anomaly.meaning()), anomaly.code())?;
    }
    page.push_str("</tr></thead><tbody>");
    for name in &report.names {
        let none = if name.name.built() { "not run" } else { "not built yet" };
        write!(page, "<tr><td><b>{}</b></td><td>{}</td>", name.name, badge(name.verdict, none))?;
        for cell in &name.cells {
            matrix_cell(page, cell)?;
        }
        page.push_str("</tr>");
    }
    page.push_str("</tbody></table></div><p class=\"soft\">Seen/checked where the guarantee forbids it, (seen) where it \
         allows it, · where nothing looked for it. ");
    let titles: Vec<String> = Anomaly::ALL.iter().map(|anomaly| escaped(&anomaly.to_string())).collect();
    write!(page, "{}.</p></section>", titles.join(", "))
}

fn matrix_cell(page: &mut String, cell: &Cell) -> std::fmt::Result {
    match cell.state {
        CellState::Forbidden(verdict) => {
            let mark = match verdict {
                Verdict::Kept => "✓",
                Verdict::NotProven => "?",
                Verdict::Broken => "✗",
            };
            write!(
                page,
                "<td class=\"{}\" title=\"{}\">{}/{} <span aria-label=\"{}\">{mark}</span></td>",
                class_of(verdict),
                escaped(&cell.notes.join("; ")),
                long_count(cell.seen_forbidden),
                long_count(cell.checked),
                verdict.as_str().to_lowercase(),
            )
        }
        CellState::Allowed => write!(page, "<td class=\"allowed\">({})</td>", long_count(cell.seen)),
        CellState::NotApplicable | CellState::NotBuilt => {
            write!(page, "<td class=\"none\" title=\"not looked for\">·</td>")
        }
    }
}

fn section(page: &mut String, name: &NameReport) -> std::fmt::Result {
    write!(
        page,
        "<section><h2>{} {}</h2><p class=\"soft\">{}</p>",
        name.name,
        badge(name.verdict, ""),
        escaped(name.name.promise())
    )?;
    if !name.reasons.is_empty() {
        page.push_str("<ul>");
        for reason in &name.reasons {
            write!(page, "<li>{}</li>", escaped(reason))?;
        }
        page.push_str("</ul>");
    }
    for cell in &name.cells {
        counter_examples(page, cell)?;
    }
    page.push_str("<div class=\"card\"><p class=\"soft\"><span class=\"key\" style=\"background:var(--sent)\"></span>acknowledged or \
         handed over, median<span class=\"key\" style=\"background:var(--handled)\"></span>handled<span class=\"key\" \
         style=\"background:var(--p99)\"></span>99th percentile<span class=\"key\" style=\"background:var(--kill)\"></span>broker \
         ended<span class=\"key\" style=\"background:var(--warn)\"></span>consumer crashed<span class=\"key\" \
         style=\"background:var(--net)\"></span>network fault</p><div class=\"phases\">");
    for phase in &name.phases {
        phase_column(page, phase)?;
    }
    page.push_str("</div>");
    controls(page, name)?;
    page.push_str("</div></section>");
    Ok(())
}

fn counter_examples(page: &mut String, cell: &Cell) -> std::fmt::Result {
    if cell.state != CellState::Forbidden(Verdict::Broken) {
        return Ok(());
    }
    write!(
        page,
        "<h3>Counter-examples for {} ({} seen)</h3>",
        escaped(&cell.anomaly.to_string()),
        long_count(cell.seen_forbidden)
    )?;
    for Example { what, id, key, index, at_us, faults } in &cell.examples {
        write!(page, "<blockquote><p>{}</p><p class=\"soft\">", escaped(what))?;
        if let Some(id) = id {
            write!(page, "record <code>{}</code> ", escaped(id))?;
        }
        if let Some(index) = index {
            write!(page, "(number {index}) ")?;
        }
        if let Some(key) = key {
            write!(page, "of key <code>{}</code> ", escaped(key))?;
        }
        write!(page, "at {}</p>", time_us(*at_us))?;
        for fault in faults {
            write!(page, "<p class=\"soft\">near: {}</p>", escaped(fault))?;
        }
        page.push_str("</blockquote>");
    }
    Ok(())
}

fn phase_column(page: &mut String, phase: &PhaseReport) -> std::fmt::Result {
    let title = match phase.phase {
        Phase::Kill => "The broker is killed",
        Phase::Power => "The power is cut (simulated disk)",
    };
    let acknowledges = phase.ack_latency.count > 0;
    let done = &phase.successes;
    write!(page, "<div><h3>{title}</h3><p class=\"soft\">{} sent, ", long_count(done.sent))?;
    if acknowledges {
        write!(page, "{} acknowledged, ", long_count(done.acked))?;
    }
    write!(
        page,
        "{} handled, {} unknown, {} refused; {}</p>",
        long_count(done.handled),
        long_count(done.unknown),
        long_count(done.refused),
        time_us(phase.duration_us)
    )?;
    page.push_str(&svg::throughput(&phase.timeline, phase.phase, acknowledges));
    page.push_str(&svg::latency_over_time(&phase.timeline, phase.phase, acknowledges));
    let (latency, what) = match acknowledges {
        true => (&phase.ack_latency, "Latency to the acknowledgement"),
        false => (&phase.handled_latency, "Latency to the handler"),
    };
    let title = match latency.count {
        0 => what.to_owned(),
        _ => format!("{what}: p50 {}, p99 {}", time_us(latency.p50_us), time_us(latency.p99_us)),
    };
    page.push_str(&svg::histogram(latency, &title));
    let bars: Vec<(String, u64, u64)> = phase
        .faults
        .iter()
        .map(|count| {
            (count.kind.title(phase.phase).replace(" (simulated disk)", ""), count.planned, count.effective)
        })
        .collect();
    page.push_str(&svg::fault_bars(&bars, "Faults: took effect / planned"));
    for note in &phase.notes {
        write!(page, "<p class=\"soft\">{}</p>", escaped(note))?;
    }
    page.push_str("</div>");
    Ok(())
}

fn controls(page: &mut String, name: &NameReport) -> std::fmt::Result {
    page.push_str("<details><summary>What stands behind each verdict</summary><ul>");
    for cell in &name.cells {
        if let CellState::Forbidden(verdict) = cell.state {
            write!(
                page,
                "<li><b>{}</b>: {}, {} seen in {} checked. {}</li>",
                escaped(&cell.anomaly.to_string()),
                verdict.as_str().to_lowercase(),
                long_count(cell.seen_forbidden),
                long_count(cell.checked),
                escaped(&cell.notes.join("; "))
            )?;
        }
    }
    page.push_str("</ul></details>");
    Ok(())
}

fn settings(page: &mut String, report: &Report, hash: &str) -> std::fmt::Result {
    page.push_str("<section><h2>How it was run</h2><div class=\"card\"><dl>");
    let fixed = [
        ("version", report.version.clone()),
        ("target", report.target.clone()),
        ("seed", report.seed.to_string()),
        ("run", report.run.clone()),
        ("receipt", format!("SHA-256 {hash}")),
    ];
    let fixed = fixed.iter().map(|(what, value)| (*what, value));
    for (what, value) in fixed.chain(report.settings.iter().map(|(what, value)| (what.as_str(), value))) {
        write!(page, "<dt>{}</dt><dd>{}</dd>", escaped(what), escaped(value))?;
    }
    page.push_str("</dl></div></section>");
    Ok(())
}

#[cfg(test)]
mod tests;

//! docs/performance.md, from the JSON of a run: a test compares the two, so that no figure is written by hand.

use std::fmt::Write;

use super::goal::{Bound, GOALS, Judged};
use super::table::number;
use super::{CaseReport, Report, judge};

const HEAD: &str = include_str!("head.md");
const TAIL: &str = include_str!("tail.md");

/// The page.
pub fn markdown(report: &Report) -> String {
    let mut page = String::from(HEAD);
    page.push_str(&machine(report));
    page.push_str("\n## Goals\n\n");
    page.push_str(&goals(report));
    page.push_str("\n### What is missed, and what bounds it\n\n");
    page.push_str(&missed(report));
    page.push_str("\n## Every case\n\n");
    page.push_str(&cases(report));
    page.push_str("\n## The warm-up\n\n");
    page.push_str(&warm_ups(report));
    page.push('\n');
    page.push_str(TAIL);
    page
}

fn machine(report: &Report) -> String {
    let machine = &report.machine;
    let (program, settings) = (&report.program, &report.settings);
    let commit = program.commit.as_deref().unwrap_or("of no known commit");
    let mut text = String::new();
    let _ = write!(
        text,
        "Measured: {} {} ({commit}{}) on {} × {}, {:.0} GiB, Linux {}, {}; load average {:.1} before, {:.1} after.\n\
         {} runs a case after a warm-up, seed {}; {:.0} s in all.\n",
        report.target,
        program.version,
        if program.optimised { "" } else { ", not optimised" },
        machine.cpus,
        machine.cpu_model,
        machine.memory_bytes as f64 / f64::from(1 << 30),
        machine.kernel,
        machine.file_system,
        machine.load[0],
        machine.load[1],
        settings.runs,
        settings.seed,
        report.seconds,
    );
    if settings.part < 1.0 {
        let _ = writeln!(
            text,
            "Each run took {} % of its usual bytes and seconds; start-1gb had so much less data.",
            number(settings.part * 100.0)
        );
    }
    // An idle neighbour's share is small; one that wants a processor of its own is felt in every latency.
    if machine.load.iter().any(|load| *load > machine.cpus as f64) {
        let _ = writeln!(
            text,
            "Other programs wanted the processors at the same time: rates and latencies of this run are those of a busy \
             machine, and say little about a quiet one. Processor time per record is disturbed less."
        );
    }
    for note in &report.notes {
        let _ = writeln!(text, "{note}");
    }
    text
}

fn goals(report: &Report) -> String {
    let mut text = String::from(
        "| figure | Kafka | kfake | klite | goal | measured | |\n|---|---|---|---|---|---|---|\n",
    );
    for goal in GOALS {
        let bound = match goal.bound {
            Bound::AtMost(most) => format!("≤ {}", number(most)),
            Bound::AtLeast(least) => format!("≥ {}", number(least)),
        };
        let (measured, word) = match (goal.value(report), judge(goal, report)) {
            (Some(value), Judged::Reached) => (number(value), "reached"),
            (Some(value), _) => (number(value), "**missed**"),
            (None, _) => (String::new(), "not measured"),
        };
        let [kafka, kfake, klite] = goal.peers;
        let unit = goal.unit;
        let _ = writeln!(
            text,
            "| {} | {kafka} | {kfake} | {klite} | {bound} {unit} | {measured} | {word} |",
            goal.what
        );
    }
    let count = |wanted| GOALS.iter().filter(|goal| judge(goal, report) == wanted).count();
    let _ = writeln!(
        text,
        "\n{} reached, {} missed, {} not measured.",
        count(Judged::Reached),
        count(Judged::Missed),
        count(Judged::NotMeasured)
    );
    text
}

fn missed(report: &Report) -> String {
    let missed = GOALS.iter().filter(|goal| judge(goal, report) == Judged::Missed);
    let told: String = missed.map(|goal| format!("- {}: {}.\n", goal.what, goal.figure.limit())).collect();
    if told.is_empty() { "Nothing.\n".to_owned() } else { told }
}

/// The figures of a case that are shown, with what they are.
const SHOWN: [(&str, &str); 15] = [
    ("records_per_second", "records/s"),
    ("mb_per_second", "MB/s"),
    ("cpu_us_per_record", "broker CPU, µs/record"),
    ("ack_p50_ms", "ack p50, ms"),
    ("ack_p99_ms", "ack p99, ms"),
    ("ack_p999_ms", "ack p99.9, ms"),
    ("end_to_end_p50_ms", "end-to-end p50, ms"),
    ("end_to_end_p99_ms", "end-to-end p99, ms"),
    ("end_to_end_p999_ms", "end-to-end p99.9, ms"),
    ("records_per_request", "records a request or answer"),
    ("late_p50_ms", "generator late p50, ms"),
    ("generator_cpu_us_per_record", "generator CPU, µs/record"),
    ("rss_mib", "RSS after, MiB"),
    ("first_ack_ms", "start to first ack, ms"),
    ("size_mb", "size, MB"),
];

fn cases(report: &Report) -> String {
    let mut text = String::new();
    for case in &report.cases {
        let _ = writeln!(text, "### {}\n\n{}", case.name, about(case));
        text.push_str("| figure | median | least – most | floor | × floor |\n|---|---|---|---|---|\n");
        for (name, what) in SHOWN {
            let Some(ours) = case.medians.get(name) else { continue };
            let floor = case.floor.get(name).map(|floor| number(floor.median)).unwrap_or_default();
            let ratio = case.ratios.get(name).map(|ratio| number(*ratio)).unwrap_or_default();
            let (median, min, max) = (number(ours.median), number(ours.min), number(ours.max));
            let _ = writeln!(text, "| {what} | {median} | {min} – {max} | {floor} | {ratio} |");
        }
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn about(case: &CaseReport) -> String {
    let size =
        if case.record_bytes > 0 { format!(", {} B records", case.record_bytes) } else { String::new() };
    format!("{}, {}{size}.\n", capital(&case.class), case.what)
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn warm_ups(report: &Report) -> String {
    let mut text = String::from(
        "The first run of each case fills pages that the host may have taken back, and is in no median.\n\n\
         | case | broker CPU, µs/record | records/s | median of the runs: CPU | records/s |\n|---|---|---|---|---|\n",
    );
    let warmed = report.cases.iter().filter_map(|case| case.warm_up.as_ref().map(|run| (case, run)));
    for (case, run) in warmed {
        let first = |name: &str| run.get(name).copied().map(number).unwrap_or_default();
        let later = |name: &str| case.median(name).map(number).unwrap_or_default();
        if run.contains_key("cpu_us_per_record") {
            let (cpu, rate) = ("cpu_us_per_record", "records_per_second");
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                case.name,
                first(cpu),
                first(rate),
                later(cpu),
                later(rate)
            );
        }
    }
    text
}

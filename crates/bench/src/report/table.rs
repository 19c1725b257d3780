//! The table that people see at the end of a run.

use super::goal::{Figure, GOALS, Judged};
use super::{CaseReport, Report, judge};

/// Its columns.
pub const TABLE_HEAD: [&str; 12] = [
    "case",
    "guarantee",
    "records/s",
    "ack p50/p99/p99.9 ms",
    "end-to-end p50/p99/p99.9 ms",
    "CPU µs/record",
    "cold",
    "RSS MiB",
    "floor CPU",
    "× floor",
    "other",
    "goals",
];

/// A row for each case.
pub fn table_rows(report: &Report) -> Vec<Vec<String>> {
    report.cases.iter().map(|case| row(report, case)).collect()
}

fn row(report: &Report, case: &CaseReport) -> Vec<String> {
    let told = |name: &str| case.median(name).map(number).unwrap_or_default();
    let percentiles = |name: &str| {
        let parts: Vec<String> = ["p50_ms", "p99_ms", "p999_ms"]
            .iter()
            .filter_map(|ending| case.median(&format!("{name}_{ending}")).map(number))
            .collect();
        parts.join(" / ")
    };
    let other = [("first_ack_ms", "ms to first ack"), ("size_mb", "MB")]
        .iter()
        .filter_map(|(name, unit)| Some(format!("{} {unit}", number(case.median(name)?))));
    vec![
        case.name.clone(),
        guarantee(case),
        told("records_per_second"),
        percentiles("ack"),
        percentiles("end_to_end"),
        told("cpu_us_per_record"),
        case.warm_up
            .as_ref()
            .and_then(|run| run.get("cpu_us_per_record"))
            .copied()
            .map(number)
            .unwrap_or_default(),
        told("rss_mib"),
        case.floor.get("cpu_us_per_record").map(|floor| number(floor.median)).unwrap_or_default(),
        case.ratios.get("cpu_us_per_record").map(|ratio| number(*ratio)).unwrap_or_default(),
        other.collect::<Vec<_>>().join(", "),
        goals(report, case),
    ]
}

/// What the load's records are given: acks=all and retries, on a topic of the class.
fn guarantee(case: &CaseReport) -> String {
    if case.record_bytes == 0 { String::new() } else { format!("at-least-once + {}", case.class) }
}

/// How many of the goals about a case were reached.
fn goals(report: &Report, case: &CaseReport) -> String {
    let about = GOALS.iter().filter(|goal| match goal.figure {
        Figure::Of(name, _) | Figure::OverFloor(name, _) | Figure::Over(name, ..) => name == case.name,
    });
    let judged: Vec<Judged> =
        about.map(|goal| judge(goal, report)).filter(|judged| *judged != Judged::NotMeasured).collect();
    if judged.is_empty() {
        return String::new();
    }
    let reached = judged.iter().filter(|judged| **judged == Judged::Reached).count();
    format!("{reached} of {}", judged.len())
}

/// Three digits that count, and no more.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        10_000.0.. => thousands(value),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.3}"),
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_have_the_digits_that_count() {
        let shown: Vec<String> = [1_234_567.0, 10_000.0, 450.0, 11.84, 1.239, 0.1234, 0.0].map(number).into();
        assert_eq!(shown, ["1,234,567", "10,000", "450", "11.8", "1.24", "0.123", "0"]);
    }
}

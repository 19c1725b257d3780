//! Throughput and latency out of a history. Pure.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::faults::FaultKind;
use crate::history::{History, Outcome};

/// Steps of a time line at most.
pub(crate) const STEPS_MAX: u64 = 160;
/// A step of a time line is at least this long, in microseconds.
pub(crate) const STEP_US_MIN: u64 = 25_000;
/// Latencies above this are counted as this: one hour, in microseconds.
const LATENCY_US_MAX: u64 = 3_600_000_000;
/// Columns of a latency histogram per doubling.
const COLUMNS_PER_OCTAVE: f64 = 4.0;

/// A fault on the time line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Mark {
    /// When, in microseconds since the start of the phase.
    pub at_us: u64,
    /// What.
    pub kind: FaultKind,
}

/// Counts and latencies per step of time.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Timeline {
    /// Length of a step in microseconds.
    pub step_us: u64,
    /// Records acknowledged per step; where nothing is acknowledged, handed over.
    pub sent: Vec<u64>,
    /// First deliveries per step.
    pub handled: Vec<u64>,
    /// Median latency of the sends that ended in the step, microseconds; `None` without any.
    pub p50_us: Vec<Option<u64>>,
    /// 99th percentile of the same.
    pub p99_us: Vec<Option<u64>>,
    /// The faults that took effect.
    pub marks: Vec<Mark>,
}

/// A latency distribution.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// How many.
    pub count: u64,
    /// Median, microseconds.
    pub p50_us: u64,
    /// 90th percentile.
    pub p90_us: u64,
    /// 99th percentile.
    pub p99_us: u64,
    /// The largest.
    pub max_us: u64,
    /// (upper bound in microseconds, count) per column, four columns per doubling, from the first to the last used.
    pub columns: Vec<(u64, u64)>,
}

/// The time line, the latency to the acknowledgement and the latency to the first handler.
pub fn measure(history: &History, duration_us: u64, marks: Vec<Mark>) -> (Timeline, Latency, Latency) {
    let step_us = (duration_us / STEPS_MAX).max(STEP_US_MIN);
    let steps = usize::try_from(duration_us / step_us + 1).unwrap_or(usize::MAX);
    let mut line = Timeline {
        step_us,
        sent: vec![0; steps],
        handled: vec![0; steps],
        p50_us: vec![None; steps],
        p99_us: vec![None; steps],
        marks,
    };
    let step_of = |at_us: u64| usize::try_from(at_us / step_us).unwrap_or(usize::MAX).min(steps - 1);
    let mut per_step: Vec<Vec<u64>> = vec![Vec::new(); steps];
    let mut acks = Vec::new();
    for send in &history.sends {
        if matches!(send.outcome, Outcome::Acked { .. } | Outcome::Sent) {
            line.sent[step_of(send.ended_us)] += 1;
        }
        if matches!(send.outcome, Outcome::Acked { .. }) {
            let took = send.ended_us.saturating_sub(send.began_us);
            acks.push(took);
            per_step[step_of(send.ended_us)].push(took);
        }
    }
    let mut handled = Vec::new();
    let mut met = vec![false; history.sends.len()];
    for delivery in &history.deliveries {
        let Some(index) = delivery.truth.map(|truth| truth.index as usize) else { continue };
        let Some(send) = history.sends.get(index) else { continue };
        if std::mem::replace(&mut met[index], true) {
            continue;
        }
        let took = delivery.at_us.saturating_sub(send.began_us);
        line.handled[step_of(delivery.at_us)] += 1;
        handled.push(took);
        if !history.acknowledges {
            per_step[step_of(delivery.at_us)].push(took);
        }
    }
    for (step, latencies) in per_step.iter_mut().enumerate() {
        latencies.sort_unstable();
        line.p50_us[step] = latencies.get(latencies.len() / 2).copied();
        line.p99_us[step] = latencies.get(latencies.len() * 99 / 100).copied();
    }
    (line, Latency::of(&acks), Latency::of(&handled))
}

impl Latency {
    /// The distribution of these latencies, in microseconds.
    pub fn of(latencies: &[u64]) -> Latency {
        let Ok(mut histogram) = Histogram::<u64>::new_with_bounds(1, LATENCY_US_MAX, 3) else {
            return Latency::default();
        };
        let mut columns: Vec<u64> = Vec::new();
        for took in latencies {
            let took = (*took).clamp(1, LATENCY_US_MAX);
            histogram.saturating_record(took);
            let column = column_of(took);
            if columns.len() <= column {
                columns.resize(column + 1, 0);
            }
            columns[column] += 1;
        }
        if latencies.is_empty() {
            return Latency::default();
        }
        let first = columns.iter().position(|count| *count > 0).unwrap_or(0);
        Latency {
            count: histogram.len(),
            p50_us: histogram.value_at_quantile(0.5),
            p90_us: histogram.value_at_quantile(0.9),
            p99_us: histogram.value_at_quantile(0.99),
            max_us: histogram.max(),
            columns: columns
                .iter()
                .enumerate()
                .skip(first)
                .map(|(at, count)| (bound_of(at), *count))
                .collect(),
        }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a logarithm of at most 32")]
fn column_of(took_us: u64) -> usize {
    #[expect(clippy::cast_precision_loss, reason = "the column of a latency needs no last digit")]
    let octaves = (took_us as f64).log2();
    (octaves * COLUMNS_PER_OCTAVE).floor() as usize
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "two to the power of at most 33")]
fn bound_of(column: usize) -> u64 {
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let octaves = (column + 1) as f64 / COLUMNS_PER_OCTAVE;
    octaves.exp2().round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_and_columns_describe_what_was_measured() {
        let latency = Latency::of(&(1..=1000).collect::<Vec<u64>>());
        assert_eq!((latency.count, latency.max_us), (1000, 1000));
        assert!((495..=505).contains(&latency.p50_us), "{latency:?}");
        assert!((985..=995).contains(&latency.p99_us), "{latency:?}");
        assert_eq!(latency.columns.iter().map(|(_, count)| count).sum::<u64>(), 1000);
    }

    #[test]
    fn nothing_measured_is_no_latency() {
        assert_eq!(Latency::of(&[]), Latency::default());
    }
}

//! The canonical form of a run: text, one line per event, in a fixed order, numbers in decimal.

use std::fmt::Write;

use super::SimRun;
use crate::history::{Entry, LogRead, Outcome};
use crate::payload::Truth;

pub(super) fn of(run: &SimRun) -> Vec<u8> {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _infallible = write(run, &mut out);
    out.into_bytes()
}

fn write(run: &SimRun, out: &mut String) -> std::fmt::Result {
    writeln!(out, "poruka-sim 1 seed {} name {}", run.seed, run.name)?;
    for line in &run.settings {
        writeln!(out, "setting {line}")?;
    }
    let history = &run.history;
    for (index, send) in history.sends.iter().enumerate() {
        write!(out, "send {index} {} {} ", send.began_us, send.ended_us)?;
        match send.outcome {
            Outcome::NotSent => writeln!(out, "not-sent")?,
            Outcome::Acked { partition, offset } => writeln!(out, "acked {partition}:{offset}")?,
            Outcome::Sent => writeln!(out, "sent")?,
            Outcome::NotAppended => writeln!(out, "not-appended")?,
            Outcome::Unknown => writeln!(out, "unknown")?,
        }
    }
    for delivery in &history.deliveries {
        let (at, by, partition, offset) =
            (delivery.at_us, delivery.consumer, delivery.partition, delivery.offset);
        write!(out, "delivery {at} by {by} {partition}:{offset} ")?;
        truth(delivery.truth, out)?;
    }
    for end in &history.ends {
        writeln!(out, "end {}", end.at_us)?;
    }
    read("live", &history.live, out)?;
    read("after", &history.after, out)?;
    for fault in &history.faults {
        writeln!(out, "fault {} {}", fault.at_us, fault.what)?;
    }
    for count in &run.faults {
        writeln!(out, "faults {:?} planned {} effective {}", count.kind, count.planned, count.effective)?;
    }
    for finding in &run.findings {
        writeln!(
            out,
            "finding {} checked {} seen {}",
            finding.anomaly.code(),
            finding.checked,
            finding.seen
        )?;
    }
    for note in &run.notes {
        writeln!(out, "note {note}")?;
    }
    writeln!(out, "finished {} after {} us", run.finished, run.virtual_us)?;
    writeln!(out, "frames {} sum {:016x}", run.frames, run.frames_sum)
}

fn read(which: &str, read: &LogRead, out: &mut String) -> std::fmt::Result {
    for partition in &read.partitions {
        writeln!(out, "{which} {} committed {}", partition.partition, partition.committed)?;
        for Entry { offset, truth: says } in &partition.entries {
            write!(out, "{which} {}:{offset} ", partition.partition)?;
            truth(*says, out)?;
        }
    }
    Ok(())
}

fn truth(says: Option<Truth>, out: &mut String) -> std::fmt::Result {
    match says {
        Some(Truth { index, key_hash, key_seq }) => {
            writeln!(out, "record {index} key {key_hash:016x} number {key_seq}")
        }
        None => writeln!(out, "unreadable"),
    }
}

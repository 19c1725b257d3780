//! Many runs, on as many threads as are asked for, and what they come to together.
//!
//! A batch that saw nothing proves nothing by itself. So the controls are judged too: the weaker name of each
//! control has to show its anomaly somewhere in the batch, what no name allows is planted in every history and has to be
//! found, and every kind of fault must have taken effect under every name that it can hurt.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use poruka_env::Env;
use poruka_guarantee::{Anomaly, Delivery, Name, controls_of};

use super::{SimRun, simulate};
use crate::faults::FaultKind;
use crate::payload::Phase;

/// What is wrong with one run.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// The seed.
    pub seed: u64,
    /// The name.
    pub name: Name,
    /// What was seen, in lines.
    pub lines: Vec<String>,
}

/// The sum of many runs; the same whatever the number of threads.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Runs per name.
    pub runs: BTreeMap<Name, u64>,
    /// Records handed over, acknowledged and handled, per name.
    pub records: BTreeMap<Name, [u64; 3]>,
    /// Effective faults per name and kind.
    pub faults: BTreeMap<(Name, FaultKind), u64>,
    /// Effective endings per name and phase.
    pub ends: BTreeMap<(Name, Phase), u64>,
    /// Sightings per name and anomaly, allowed or not.
    pub seen: BTreeMap<(Name, Anomaly), u64>,
    /// Runs that broke their contract, did not end or had no history.
    pub troubles: Vec<Trouble>,
    /// Virtual time, in microseconds.
    pub virtual_us: u64,
    /// Frames that went through the proxies.
    pub frames: u64,
}

type Outcome = Result<Box<SimRun>, Trouble>;

/// Runs every seed for every name. `each` is told of every run that ended, in any order.
///
/// # Errors
/// When no thread can be started.
pub fn run_batch(
    seeds: &[u64],
    names: &[Name],
    threads: usize,
    each: &mut dyn FnMut(Name, u64, bool),
) -> std::io::Result<Batch> {
    let all: Vec<(u64, Name)> =
        seeds.iter().flat_map(|seed| names.iter().map(|name| (*seed, *name))).collect();
    let cases = Arc::new(Mutex::new(all.into_iter()));
    let (ended, outcomes) = mpsc::channel::<(u64, Name, Outcome)>();
    let env = Env::real();
    for _ in 0..threads.max(1) {
        let (cases, ended) = (Arc::clone(&cases), ended.clone());
        env.spawn_thread("sim", move || {
            loop {
                let next = cases.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some((seed, name)) = next else { return };
                if ended.send((seed, name, one(seed, name))).is_err() {
                    return;
                }
            }
        })?;
    }
    drop(ended);
    let mut batch = Batch::default();
    for (seed, name, outcome) in outcomes {
        batch.add(outcome);
        each(name, seed, batch.troubles.last().is_none_or(|last| (last.seed, last.name) != (seed, name)));
    }
    batch.troubles.sort_by_key(|trouble| (trouble.seed, trouble.name));
    Ok(batch)
}

/// A panic is trouble as any other.
fn one(seed: u64, name: Name) -> Outcome {
    let lines = match catch_unwind(AssertUnwindSafe(|| simulate(seed, name))) {
        Ok(Ok(run)) => match troubles(&run) {
            lines if lines.is_empty() => return Ok(Box::new(run)),
            lines => lines,
        },
        Ok(Err(error)) => vec![format!("no history: {error}")],
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let words = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no words");
            vec![format!("panic: {words}")]
        }
    };
    Err(Trouble { seed, name, lines })
}

/// What is wrong with a run, in lines; empty when nothing is.
pub(super) fn troubles(run: &SimRun) -> Vec<String> {
    let mut lines = Vec::new();
    for found in run.broken() {
        lines.push(format!("{} ({}) seen {} times", found.anomaly.code(), found.anomaly, found.seen));
        for example in &found.examples {
            let id = example.id.as_deref().unwrap_or("no record");
            lines.push(format!("  {} us: {id}: {}", example.at_us, example.what));
            lines.extend(example.faults.iter().map(|fault| format!("    near: {fault}")));
        }
    }
    if !run.finished {
        lines.push("the work did not end in time".to_owned());
    }
    for anomaly in &run.blind {
        lines.push(format!("{} was planted in a copy of the history and not found", anomaly.code()));
    }
    lines
}

impl Batch {
    fn add(&mut self, outcome: Outcome) {
        let run = match outcome {
            Ok(run) => run,
            Err(trouble) => {
                *self.runs.entry(trouble.name).or_default() += 1;
                self.troubles.push(trouble);
                return;
            }
        };
        *self.runs.entry(run.name).or_default() += 1;
        let records = self.records.entry(run.name).or_default();
        let of_run = [run.successes.sent, run.successes.acked, run.successes.handled];
        records.iter_mut().zip(of_run).for_each(|(sum, more)| *sum += more);
        for count in &run.faults {
            *self.faults.entry((run.name, count.kind)).or_default() += count.effective;
        }
        *self.ends.entry((run.name, run.phase)).or_default() += run.history.ends.len() as u64;
        for found in &run.findings {
            *self.seen.entry((run.name, found.anomaly)).or_default() += found.seen;
        }
        self.virtual_us += run.virtual_us;
        self.frames += run.frames;
    }

    /// What the batch could not have seen: controls that did not show their anomaly, and faults without an effect.
    /// Empty for a batch that means something.
    pub fn unproven(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for name in self.runs.keys() {
            for control in controls_of(*name).filter(|control| self.runs.contains_key(&control.weaker)) {
                if self.seen.get(&(control.weaker, control.anomaly)).is_none_or(|seen| *seen == 0) {
                    let (code, weaker) = (control.anomaly.code(), control.weaker);
                    missing.push(format!(
                        "{name}: its control {weaker} never showed {code} ({})",
                        control.because
                    ));
                }
            }
            for phase in Phase::ALL {
                if self.ends.get(&(*name, phase)).is_none_or(|ends| *ends == 0) {
                    missing.push(format!("{name}: {}: never", FaultKind::BrokerEnded.title(phase)));
                }
            }
            for kind in FaultKind::ALL.into_iter().filter(|kind| can_hurt(*kind, *name)) {
                if self.faults.get(&(*name, kind)).is_none_or(|effective| *effective == 0) {
                    missing.push(format!("{name}: {}: never took effect", kind.title(Phase::Kill)));
                }
            }
        }
        missing
    }
}

/// Without acknowledgements there is no answer to a produce; the proxy makes up for it where it can.
fn can_hurt(kind: FaultKind, name: Name) -> bool {
    let acknowledges = name.guarantee().delivery >= Delivery::AtLeastOnce;
    kind != FaultKind::Delayed || acknowledges || name.guarantee().delivery == Delivery::AtMostOnce
}

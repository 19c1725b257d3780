//! The fault plan: what goes wrong, and at which point of the work. Pure, and the same for the same seed.
//!
//! Faults are placed by progress (records handed to producers), never by time, so that a slow machine meets the same
//! faults as a fast one. A fault that had no effect (a dropped response that carried an error, an ending with nothing
//! in flight) does not count and is made again, for as long as there is work left.

use poruka_guarantee::Name;
use serde::Serialize;

use crate::payload::{Phase, fnv64};

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The broker has appended; the answer never reaches the producer and its connection is cut.
    ResponseDropped,
    /// The connection is cut in the middle of a produce request.
    RequestCut,
    /// A produce request reaches the broker a second time, on another connection.
    RequestRepeated,
    /// The broker has stored a commit; the answer never reaches the consumer and its connection is cut.
    CommitResponseDropped,
    /// A request reaches the broker in small pieces.
    Dribbled,
    /// An answer is held back for a while.
    Delayed,
    /// An answer reaches its client twice. Only in the simulation.
    AnswerRepeated,
    /// One way of a connection is closed, the other stays open. Only in the simulation.
    HalfClosed,
    /// A consumer stops without a word, its work uncommitted.
    ConsumerCrashed,
    /// A producer stops without a word, its sends without an outcome, and another goes on. Only in the simulation, where
    /// a process takes its tasks and sockets with it.
    ProducerCrashed,
    /// The broker's process is killed with sends in flight; on the simulated disk this is a power cut.
    BrokerEnded,
}

impl FaultKind {
    /// Every kind, in the order of reports.
    pub const ALL: [FaultKind; 11] = [
        FaultKind::ResponseDropped,
        FaultKind::RequestCut,
        FaultKind::RequestRepeated,
        FaultKind::CommitResponseDropped,
        FaultKind::Dribbled,
        FaultKind::Delayed,
        FaultKind::AnswerRepeated,
        FaultKind::HalfClosed,
        FaultKind::ConsumerCrashed,
        FaultKind::ProducerCrashed,
        FaultKind::BrokerEnded,
    ];

    /// A few words for tables.
    pub const fn title(self, phase: Phase) -> &'static str {
        match self {
            FaultKind::ResponseDropped => "response dropped after the append",
            FaultKind::RequestCut => "request cut in mid-frame",
            FaultKind::RequestRepeated => "request repeated on another connection",
            FaultKind::CommitResponseDropped => "commit response dropped",
            FaultKind::Dribbled => "request in small pieces",
            FaultKind::Delayed => "response delayed",
            FaultKind::AnswerRepeated => "answer repeated",
            FaultKind::HalfClosed => "connection half closed",
            FaultKind::ConsumerCrashed => "consumer crashed",
            FaultKind::ProducerCrashed => "producer crashed with sends in flight",
            FaultKind::BrokerEnded => match phase {
                Phase::Kill => "broker killed with sends in flight",
                Phase::Power => "power cut with sends in flight (simulated disk)",
            },
        }
    }

    /// How many are planned per phase of a run against a real process.
    const fn per_phase(self) -> u64 {
        match self {
            FaultKind::ResponseDropped | FaultKind::RequestCut => 12,
            FaultKind::RequestRepeated => 6,
            FaultKind::CommitResponseDropped | FaultKind::Dribbled | FaultKind::Delayed => 3,
            FaultKind::ConsumerCrashed => 2,
            FaultKind::BrokerEnded => 3,
            FaultKind::AnswerRepeated | FaultKind::HalfClosed | FaultKind::ProducerCrashed => 0,
        }
    }

    /// How many must have taken effect per name (both phases together; an ending: in each), or nothing is proven.
    pub const fn required(self) -> u64 {
        match self {
            FaultKind::ResponseDropped | FaultKind::RequestCut => 20,
            FaultKind::BrokerEnded => 3,
            FaultKind::ConsumerCrashed => 1,
            FaultKind::RequestRepeated
            | FaultKind::CommitResponseDropped
            | FaultKind::Dribbled
            | FaultKind::Delayed
            | FaultKind::AnswerRepeated
            | FaultKind::HalfClosed
            | FaultKind::ProducerCrashed => 0,
        }
    }
}

/// One fault to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planned {
    /// What.
    pub kind: FaultKind,
    /// Not before this many records were handed over.
    pub at: u64,
    /// Where in the frame, how long, and other details: a seeded number.
    pub salt: u64,
}

/// All faults of one phase, in the order of their places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultPlan {
    /// The faults.
    pub faults: Vec<Planned>,
}

impl FaultPlan {
    /// The plan for one name and phase over so many records.
    ///
    /// The first and the last part of the work stay without faults: at the start nothing is in flight yet, and a
    /// fault at the very end would leave no work to make it again. Endings are spread evenly.
    pub fn new(seed: u64, name: Name, phase: Phase, records: u64) -> FaultPlan {
        let own = fnv64(format!("{seed}/{name}/{}", phase.as_str()).as_bytes());
        FaultPlan::of(own, records, FaultKind::per_phase)
    }

    /// A plan with so many faults of each kind, placed by the seed.
    pub(crate) fn of(seed: u64, records: u64, count_of: impl Fn(FaultKind) -> u64) -> FaultPlan {
        let mut random = fastrand::Rng::with_seed(seed);
        let (first, last) = (records / 20, (records * 17 / 20).max(records / 20 + 1));
        let mut faults = Vec::new();
        for kind in FaultKind::ALL {
            let count = count_of(kind);
            for number in 0..count {
                let share = (last - first) / count.max(1);
                let from = first + share * number;
                let at = from + random.u64(0..share.max(1));
                faults.push(Planned { kind, at, salt: random.u64(..) });
            }
        }
        faults.sort_by_key(|fault| fault.at);
        FaultPlan { faults }
    }

    /// How many of a kind are planned.
    pub fn count(&self, kind: FaultKind) -> u64 {
        self.faults.iter().filter(|fault| fault.kind == kind).count() as u64
    }
}

/// How many of a kind were planned and how many took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct FaultCount {
    /// The kind.
    pub kind: FaultKind,
    /// In the plan.
    pub planned: u64,
    /// With a proven effect.
    pub effective: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_plans_the_same_faults_and_names_and_phases_differ() {
        let of = |seed, name, phase| FaultPlan::new(seed, name, phase, 20_000);
        assert_eq!(of(1, Name::Durable, Phase::Kill), of(1, Name::Durable, Phase::Kill));
        assert_ne!(of(1, Name::Durable, Phase::Kill), of(2, Name::Durable, Phase::Kill));
        assert_ne!(of(1, Name::Durable, Phase::Kill), of(1, Name::Durable, Phase::Power));
        assert_ne!(of(1, Name::Durable, Phase::Kill), of(1, Name::Ordered, Phase::Kill));
    }

    #[test]
    fn both_phases_together_plan_more_than_a_verdict_requires_and_leave_work_behind() {
        for records in [1_000, 20_000, 336_776] {
            let plans = Phase::ALL.map(|phase| FaultPlan::new(9, Name::Ordered, phase, records));
            for kind in FaultKind::ALL {
                let planned: u64 = plans.iter().map(|plan| plan.count(kind)).sum();
                assert!(planned >= kind.required(), "{kind:?}");
            }
            assert!(plans.iter().all(|plan| plan.count(FaultKind::BrokerEnded) >= 3));
            let latest = plans.iter().flat_map(|plan| &plan.faults).map(|fault| fault.at).max();
            assert!(latest.is_some_and(|at| at <= records * 9 / 10));
        }
    }

    #[test]
    fn a_handful_of_records_still_has_a_plan() {
        assert!(!FaultPlan::new(1, Name::Durable, Phase::Kill, 3).faults.is_empty());
    }
}

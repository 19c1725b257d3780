//! What all handles of a fake disk share: the names, the fault plan, the dice.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use super::names::Names;
use super::{DiskOp, EARLY_NAME_ONE_IN, EARLY_SECTOR_ONE_IN, no_power};

/// What the fault plan says to one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Go,
    /// Answer an error.
    Fail,
    /// The power goes while the call runs.
    Cut,
}

pub(super) struct State {
    pub(super) names: Names,
    pub(super) rng: fastrand::Rng,
    pub(super) off: bool,
    /// Handles and locks of an earlier generation are dead.
    pub(super) generation: u64,
    pub(super) changes: u64,
    pub(super) cut_after: Option<u64>,
    /// (kind, calls that pass first, calls that fail then)
    pub(super) faults: Vec<(DiskOp, u32, u32)>,
    pub(super) capacity: Option<u64>,
    pub(super) locks: BTreeSet<PathBuf>,
}

impl State {
    pub(super) fn new(names: Names, seed: u64) -> State {
        State {
            names,
            rng: fastrand::Rng::with_seed(seed),
            off: false,
            generation: 0,
            changes: 0,
            cut_after: None,
            faults: Vec::new(),
            capacity: None,
            locks: BTreeSet::new(),
        }
    }

    pub(super) fn powered(&self) -> io::Result<()> {
        if self.off { Err(no_power()) } else { Ok(()) }
    }

    /// Counts a call and asks the fault plan about it.
    pub(super) fn admit(&mut self, op: DiskOp) -> io::Result<Verdict> {
        self.powered()?;
        if op != DiskOp::Read {
            self.changes += 1;
            match &mut self.cut_after {
                Some(0) => {
                    self.off = true;
                    return Ok(Verdict::Cut);
                }
                Some(left) => *left -= 1,
                None => {}
            }
        }
        for (kind, skip, times) in &mut self.faults {
            if *kind != op || *times == 0 {
                continue;
            }
            if *skip > 0 {
                *skip -= 1;
            } else {
                *times -= 1;
                return Ok(Verdict::Fail);
            }
        }
        Ok(Verdict::Go)
    }

    /// How many of `wanted` more bytes fit.
    pub(super) fn room(&self, wanted: u64) -> u64 {
        match self.capacity {
            None => wanted,
            Some(capacity) => capacity.saturating_sub(self.names.used()).min(wanted),
        }
    }

    pub(super) fn sector_goes_early(&mut self) -> bool {
        self.rng.u32(0..EARLY_SECTOR_ONE_IN) == 0
    }

    pub(super) fn write_names_early(&mut self) -> io::Result<()> {
        if self.rng.u32(0..EARLY_NAME_ONE_IN) == 0 { self.names.write_last_early() } else { Ok(()) }
    }

    pub(super) fn restart(&mut self) {
        self.off = false;
        self.generation += 1;
        self.cut_after = None;
        self.faults.clear();
        self.capacity = None;
        self.locks.clear();
    }

    pub(super) fn crash(&mut self, seed: u64) -> io::Result<()> {
        let mut rng = fastrand::Rng::with_seed(seed);
        self.names.crash(&mut rng)?;
        self.restart();
        Ok(())
    }
}

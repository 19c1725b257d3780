//! Recovery that goes on after damage, for `check` and its repair: what can still be read is taken in, and the end of
//! each loss is marked, so that no offset is ever used twice.
//!
//! Runs on an overlay (crate::check): what it writes reaches the disk, if at all, only after the damaged bytes are in
//! quarantine. `originals` is the disk under it.

use poruka_env::{Disk, OpenMode};

use super::recover::Recovering;
use crate::batch::{self, Head};
use crate::error::{OpenError, at};
use crate::journal::entry::Place;
use crate::layout::{LOG, parse_segment_name, segment_path};
use crate::walk::{Step, Walk};

/// Where it is not known how many offsets were given out, so many are left out: the largest reservation.
pub(crate) const UNSEEN_OFFSETS: i64 = 1 << 22;

/// What a repair knows of a partition beyond what a start does.
pub(crate) struct Salvage<'a> {
    pub(crate) originals: &'a dyn Disk,
    /// Batches are no longer where the journal says.
    pub(crate) moved: bool,
    /// Behind the last batch that was taken in, in the original files: segment and position.
    pub(crate) raw: (i64, u32),
    /// Bytes that the checkpoint covers: segment and length.
    pub(crate) known: Vec<(i64, u32)>,
    /// Offsets whose records are lost: from, until.
    pub(crate) lost: Vec<(i64, i64)>,
    /// The journal is damaged, so that it does not name everything that was appended.
    pub(crate) journal_damaged: bool,
    /// What was in the damaged place is not known.
    pub(crate) uncertain: bool,
    pub(crate) now_ms: i64,
}

impl<'a> Salvage<'a> {
    pub(crate) fn new(originals: &'a dyn Disk, raw: (i64, u32), now_ms: i64) -> Self {
        Self {
            originals,
            moved: false,
            raw,
            known: Vec::new(),
            lost: Vec::new(),
            journal_damaged: false,
            uncertain: false,
            now_ms,
        }
    }
}

impl<'a> Recovering<'a> {
    pub(crate) fn with_salvage(mut self, salvage: Salvage<'a>) -> Self {
        self.salvage = Some(salvage);
        self
    }

    pub(super) fn is_moved(&self) -> bool {
        self.salvage.as_ref().is_some_and(|salvage| salvage.moved)
    }

    /// The next batch was appended where the log did not end: what is between is looked for in the segment, or lost.
    pub(super) fn close_gap(&mut self, head: &Head) -> Result<(), OpenError> {
        if self.salvage.is_none() || head.base_offset <= self.record.end {
            return Ok(());
        }
        self.take_whole(head.base_offset)?;
        if self.record.end < head.base_offset {
            self.lose(head.base_offset)?;
        }
        Ok(())
    }

    /// An entry of this place was taken in.
    pub(super) fn took_from(&mut self, place: Place, bytes: usize) {
        if let Some(salvage) = &mut self.salvage {
            salvage.raw = (place.segment, place.position.saturating_add(bytes as u32));
            salvage.uncertain = false;
        }
    }

    /// The journal is damaged, and may have had an entry of this partition there.
    pub(crate) fn missed(&mut self, uncertain: bool) {
        if let Some(salvage) = &mut self.salvage {
            salvage.journal_damaged = true;
            salvage.uncertain |= uncertain;
        }
    }

    /// A batch that the journal should have, from bytes that are whole by themselves; true when the log goes on behind it.
    pub(crate) fn take_or_find(&mut self, place: Place, bytes: &[u8]) -> Result<bool, OpenError> {
        let Some(head) = Head::read(bytes) else { return Ok(false) };
        if head.base_offset == self.record.end
            && head.size == bytes.len()
            && Head::read_whole(bytes).is_some()
        {
            self.gather_at_end(&head, bytes)?;
            self.took_from(place, bytes.len());
            return Ok(true);
        }
        if head.base_offset == self.record.end {
            self.take_whole(head.next_offset())?;
        }
        Ok(self.record.end == head.next_offset())
    }

    /// Takes in whole batches that follow, from the original files, below `until`.
    pub(super) fn take_whole(&mut self, until: i64) -> Result<(), OpenError> {
        loop {
            let Some(salvage) = &self.salvage else { return Ok(()) };
            let (disk, (base, mut position)) = (salvage.originals, salvage.raw);
            let path = segment_path(&self.dir, base, LOG);
            if let Ok(file) = disk.open(&path, OpenMode::Read) {
                let len = file.len().map_err(at(&path))?.min(i32::MAX as u64);
                let mut walk = Walk::new(&*file, u64::from(position), len, true);
                loop {
                    match walk.step().map_err(at(&path))? {
                        Step::Batch { at: place, head }
                            if self.goes_on(&head) && head.next_offset() <= until =>
                        {
                            let mut bytes = vec![0; head.size];
                            file.read_exact_at(&mut bytes, place).map_err(at(&path))?;
                            self.gather_at_end(&head, &bytes)?;
                            position = (place + head.size as u64) as u32;
                            if let Some(salvage) = &mut self.salvage {
                                salvage.raw = (base, position);
                            }
                        }
                        Step::End => break,
                        Step::Batch { .. } | Step::Bad { .. } => return Ok(()),
                    }
                }
            }
            // The next file goes on where this one ends, or nothing does.
            let end = self.record.end;
            let next = self.originals()?.into_iter().find(|other| *other > base || position == 0);
            match (next, &mut self.salvage) {
                (Some(next), Some(salvage)) if next == end && (next, 0) != salvage.raw && end < until => {
                    salvage.raw = (next, 0);
                    if !salvage.moved {
                        self.roll(next)?;
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    fn originals(&self) -> Result<Vec<i64>, OpenError> {
        let Some(salvage) = &self.salvage else { return Ok(Vec::new()) };
        if !salvage.originals.exists(&self.dir) {
            return Ok(Vec::new());
        }
        let names = salvage.originals.list(&self.dir).map_err(at(&self.dir))?;
        let logs =
            names.iter().filter_map(|name| parse_segment_name(name)).filter(|(_, ending)| *ending == LOG);
        Ok(logs.map(|(base, _)| base).collect())
    }

    /// Puts a batch at the end of the log, whatever place it came from.
    pub(super) fn gather_at_end(&mut self, head: &Head, bytes: &[u8]) -> Result<(), OpenError> {
        let has_room = self
            .files
            .active
            .as_ref()
            .is_some_and(|active| active.has_room(bytes.len(), head.last_offset(), i32::MAX as u32));
        if !has_room {
            self.roll(head.base_offset)?;
        }
        self.gather(bytes);
        self.took(head);
        Ok(())
    }

    /// Records up to `until` are gone: a control batch stands at the last of their offsets.
    fn lose(&mut self, until: i64) -> Result<(), OpenError> {
        let from = self.record.end;
        let Some(salvage) = &mut self.salvage else { return Ok(()) };
        salvage.lost.push((from, until));
        salvage.moved = true;
        let gap_end = batch::gap_end(until - 1, self.record.epochs.current(), salvage.now_ms);
        match Head::read(&gap_end) {
            Some(head) => self.gather_at_end(&head, &gap_end),
            None => Ok(()),
        }
    }

    /// The journal has no more to say, and may have said too little.
    pub(super) fn salvage_rest(&mut self) -> Result<(), OpenError> {
        let Some(salvage) = &self.salvage else { return Ok(()) };
        if salvage.journal_damaged || salvage.moved {
            self.take_whole(i64::MAX)?;
        }
        self.flush()?;
        if self.salvage.as_ref().is_some_and(|salvage| salvage.uncertain) {
            self.record.reserved = self.record.reserved.max(self.record.end + UNSEEN_OFFSETS);
        }
        Ok(())
    }
}

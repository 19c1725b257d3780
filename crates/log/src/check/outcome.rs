//! What became of every partition, once everything that could be read has been taken in.

use std::collections::HashSet;
use std::path::Path;

use poruka_env::OpenMode;

use super::examine::Examiner;
use super::{CheckError, FolderCheck, PartitionCheck, Soundness};
use crate::checkpoint::PartitionRecord;
use crate::error::{OpenError, at};
use crate::journal::entry::PartitionId;
use crate::layout::{LOG, parse_segment_name, partition_dir, segment_path};
use crate::open::Recovery;
use crate::partition::recover::Recovered;
use crate::walk::{Step, Walk};

impl<'a> Examiner<'a> {
    /// What became of every partition.
    pub(super) fn finish(
        &mut self,
        recovery: Recovery<'a>,
        check: &mut FolderCheck,
    ) -> Result<(Vec<PartitionRecord>, HashSet<String>), CheckError> {
        let (mut records, mut folders) = (Vec::new(), recovery.deleted.clone());
        for (id, recovering) in recovery.partitions {
            let recovered = recovering.finish(self.now_ms)?;
            let dir = partition_dir(self.root, &recovered.record.topic, recovered.record.key.partition);
            folders.insert(format!("{}-{}", recovered.record.topic, recovered.record.key.partition));
            let (record, partition) = self.tell(id, recovered, &dir)?;
            records.push(record);
            check.partitions.push(partition);
        }
        check.partitions.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
        Ok((records, folders))
    }

    fn tell(
        &mut self,
        id: PartitionId,
        recovered: Recovered,
        dir: &Path,
    ) -> Result<(PartitionRecord, PartitionCheck), OpenError> {
        let Recovered { mut record, mut files, mended, lost, uncertain, .. } = recovered;
        for segment in files.sealed.values_mut().chain(files.active.as_mut()) {
            let path = segment.path();
            if let Some(save) = segment.index_to_save(1) {
                save.run(self.overlay).map_err(at(&path))?;
                segment.index_saved(&save);
            }
        }
        record.segments =
            files.sealed.values().chain(&files.active).map(|segment| segment.record()).collect();
        let last = record.segments.last().map(|last| (last.base, u64::from(last.len)));
        let (more_bytes, torn_records) = self.torn(dir, last)?;
        let torn_bytes = mended.torn_bytes + more_bytes;
        let told = |from: i64| {
            self.findings.iter().any(|finding| {
                finding.lost.as_ref().is_some_and(|(topic, number, first, _)| {
                    (topic, *number, *first) == (&record.topic, record.key.partition, from)
                })
            })
        };
        let untold: Vec<_> = lost.iter().copied().filter(|(from, _)| !told(*from)).collect();
        for (from, until) in untold {
            // The journal's damage was told before anybody knew what it cost.
            let place = last.map_or(dir.to_owned(), |(base, _)| segment_path(dir, base, LOG));
            self.damage(&place, 0, "records that only the damaged journal had", &record, Some((from, until)));
        }
        let torn = if torn_bytes > 0 { Soundness::Torn } else { Soundness::Sound };
        if torn_bytes > 0 {
            let (base, at) = last.unwrap_or((record.end, 0));
            let file = segment_path(dir, base, LOG);
            let what = format!("{torn_bytes} bytes past the proven end; a start cuts them");
            self.find(Soundness::Torn, &file, at, what);
        }
        let worst = self.worst.get(&id).copied().unwrap_or(Soundness::Sound);
        let worst = worst.max(if lost.is_empty() && !uncertain { torn } else { Soundness::Damaged });
        let check = PartitionCheck {
            topic: record.topic.clone(),
            partition: record.key.partition,
            class: record.class,
            soundness: worst,
            log_start: record.log_start,
            end: record.end - mended.gap_offsets,
            segments: record.segments.len(),
            bytes: record.segments.iter().map(|segment| u64::from(segment.len)).sum(),
            batches: self.batches.get(&id).copied().unwrap_or(0),
            torn_bytes,
            torn_records,
            left_out: mended.gap_offsets,
            lost,
            may_have_lost_more: uncertain,
        };
        Ok((record, check))
    }

    /// Bytes of the files behind the last segment, and whole records in what a start cuts.
    fn torn(&self, dir: &Path, last: Option<(i64, u64)>) -> Result<(u64, u64), OpenError> {
        let (mut bytes, mut records) = (0, 0);
        for name in self.under.list(dir).unwrap_or_default() {
            let Some((base, LOG)) = parse_segment_name(&name) else { continue };
            let path = dir.join(&name);
            let from = match last {
                Some((last, len)) if base == last => len,
                Some((last, _)) if base < last => continue,
                _ => 0,
            };
            let file = self.under.open(&path, OpenMode::Read).map_err(at(&path))?;
            let len = file.len().map_err(at(&path))?;
            if last.is_none_or(|(last, _)| base > last) {
                bytes += len;
            }
            let mut walk = Walk::new(&*file, from, len, true);
            while let Step::Batch { head, .. } = walk.step().map_err(at(&path))? {
                records += u64::from(head.last_offset_delta.unsigned_abs()) + 1;
            }
        }
        Ok((bytes, records))
    }
}

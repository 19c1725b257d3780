//! What compaction replaced before a crash: which segments count, and under which names their files are.
//!
//! A replacement counts when its journal entry is there, or when the checkpoint has its generation. Its files were synced,
//! names included, before the entry was pushed, and took their final names only after the entry was durable. So files with
//! the generation that counts are renamed now, over what they replace, and all others were never needed. Assumes S1 and S3;
//! every step may be repeated.

use std::path::Path;

use poruka_env::Disk;

use crate::checkpoint::PartitionRecord;
use crate::error::{OpenError, at};
use crate::journal::entry::Cleaned;
use crate::layout::{parse_cleaned_name, segment_path};
use crate::segment::SegmentRecord;

/// Takes a replacement into the record, unless it is there.
pub(crate) fn apply(record: &mut PartitionRecord, cleaned: Cleaned, segment: &SegmentRecord) {
    if cleaned.generation <= record.cleaned.generation {
        return;
    }
    record.cleaned = cleaned;
    let segments = &mut record.segments;
    let first = segments.partition_point(|known| known.base < segment.base);
    let last = segments.partition_point(|known| known.base < segment.end);
    if first < last {
        segments.splice(first..last, [*segment]);
    }
}

/// True for the base of a segment that compaction merged into the one before, and whose files were not removed yet.
pub(crate) fn is_left_over(record: &PartitionRecord, base: i64) -> bool {
    record.cleaned.generation > 0
        && record.segments.iter().any(|segment| segment.base < base && base < segment.end)
}

/// Gives the files of the last replacement their final names, durably, and removes what never counted.
pub(crate) fn settle_names(disk: &dyn Disk, dir: &Path, record: &PartitionRecord) -> Result<(), OpenError> {
    if !disk.exists(dir) {
        return Ok(());
    }
    let mut renamed = false;
    for name in disk.list(dir).map_err(at(dir))? {
        let Some((base, ending, generation)) = parse_cleaned_name(&name) else { continue };
        let aside = dir.join(&name);
        let counts = generation == record.cleaned.generation
            && record.segments.iter().any(|segment| segment.base == base);
        if counts {
            disk.rename(&aside, &segment_path(dir, base, ending)).map_err(at(&aside))?;
            renamed = true;
        } else {
            disk.remove(&aside).map_err(at(&aside))?;
        }
    }
    if renamed {
        // Before another generation is begun: then the old names must not come back.
        disk.sync_dir(dir).map_err(at(dir))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Class, PartitionKey};
    use poruka_wire::Uuid;

    fn segment(base: i64, end: i64) -> SegmentRecord {
        SegmentRecord { end, len: 10, ..SegmentRecord::empty(base) }
    }

    #[test]
    fn a_replacement_is_taken_once_and_only_over_what_it_replaced() {
        let key = PartitionKey { topic_id: Uuid([9; 16]), partition: 0 };
        let mut record = PartitionRecord::new(1, "t", key, Class::Synced, 0);
        record.segments = vec![segment(0, 10), segment(10, 20), segment(20, 30), segment(30, 40)];
        let one = |generation| Cleaned { generation, until: 0 };
        apply(&mut record, one(1), &segment(10, 30));
        let after = vec![segment(0, 10), segment(10, 30), segment(30, 40)];
        assert_eq!(record.segments, after);
        apply(&mut record, one(1), &segment(0, 10));
        assert_eq!(record.segments, after, "that generation is there");
        apply(&mut record, one(2), &segment(0, 30));
        assert_eq!(record.segments, [segment(0, 30), segment(30, 40)]);
        assert_eq!(record.cleaned.generation, 2);
    }
}

//! Files and folders that belong to nothing: named, and never touched.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::Path;

use super::Soundness;
use super::examine::Examiner;
use crate::checkpoint::PartitionRecord;
use crate::error::{OpenError, at};
use crate::journal::state::Shape;
use crate::journal::writer::lap_path;
use crate::layout::{
    CHECKPOINT, DELETED, INDEX, JOURNAL, LOCK, LOG, META, PARTITION_METADATA, QUARANTINE, TIME_INDEX, TOPICS,
    parse_segment_name, partition_dir,
};
use crate::partition::replaced::is_left_over;

const NOTHING: &str = "belongs to nothing here; it is left alone";

/// Looks through the folder. `folders`: those of partitions, living or deleted.
pub(super) fn look(
    examiner: &mut Examiner<'_>,
    folders: &HashSet<String>,
    records: &[PartitionRecord],
    shape: Shape,
) -> Result<(), OpenError> {
    let root = examiner.root;
    let known = [META, "meta.new", LOCK, JOURNAL, TOPICS, "lost+found"];
    name_strays(examiner, root, |name| known.contains(&name) || name.starts_with(QUARANTINE))?;
    let journal = root.join(JOURNAL);
    let laps: Vec<_> = (0..shape.files).map(|slot| lap_path(&journal, shape, slot)).collect();
    name_strays(examiner, &journal, |name| {
        name == CHECKPOINT
            || ["checkpoint.copy", "checkpoint.new"].contains(&name)
            || laps.contains(&journal.join(name))
    })?;
    name_strays(examiner, &root.join(TOPICS), |name| folders.contains(name) || name.ends_with(DELETED))?;
    for record in records {
        let dir = partition_dir(root, &record.topic, record.key.partition);
        let first = record.segments.first().map_or(i64::MAX, |segment| segment.base);
        let last = record.segments.last().map_or(-1, |segment| segment.base);
        name_strays(examiner, &dir, |name| match parse_segment_name(name) {
            // Below the log start a start removes them, past the end it cuts them.
            Some((base, LOG | INDEX | TIME_INDEX)) => {
                base < first
                    || base > last
                    || is_left_over(record, base)
                    || record.segments.iter().any(|segment| segment.base == base)
            }
            Some((_, ending)) => crate::layout::is_segment_file_aside(ending),
            None => name == PARTITION_METADATA || name == "partition.new",
        })?;
    }
    Ok(())
}

fn name_strays(
    examiner: &mut Examiner<'_>,
    folder: &Path,
    is_known: impl Fn(&str) -> bool,
) -> Result<(), OpenError> {
    let names = match examiner.under.list(folder) {
        Ok(names) => names,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(at(folder)(error)),
    };
    for name in names.into_iter().filter(|name| !is_known(name)) {
        examiner.find(Soundness::Sound, &folder.join(name), 0, NOTHING);
    }
    Ok(())
}

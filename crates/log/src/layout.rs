//! Names inside a data folder (docs/storage-format.md §Folder).

use std::path::{Path, PathBuf};

use poruka_wire::Uuid;

use crate::config::PartitionKey;

/// Version of the folder's format that this build writes, and the newest that it reads.
pub(crate) const FORMAT_VERSION: u32 = 2;
/// Held by the process that has the folder open; contains its number.
pub(crate) const LOCK: &str = "poruka.lock";
/// Format version of the folder.
pub(crate) const META: &str = "meta";
pub(crate) const META_MAGIC: [u8; 8] = *b"PRKFOLDR";
pub(crate) const JOURNAL: &str = "journal";
pub(crate) const TOPICS: &str = "topics";
/// The last checkpoint, inside the journal's folder.
pub(crate) const CHECKPOINT: &str = "checkpoint";
/// Kafka's own file inside a partition's folder: the topic id.
pub(crate) const PARTITION_METADATA: &str = "partition.metadata";
/// Says that a repair is under way, and what it does.
pub(crate) const REPAIR_PLAN: &str = "repair.plan";
/// Folders in which a repair left what it changed begin with this.
pub(crate) const QUARANTINE: &str = "quarantine-";
/// Ending of the folder of a deleted partition until it is removed.
pub(crate) const DELETED: &str = "-delete";

pub(crate) const LOG: &str = "log";
pub(crate) const INDEX: &str = "index";
pub(crate) const TIME_INDEX: &str = "timeindex";

/// Longest topic name, as in Kafka.
const TOPIC_CHARS_MAX: usize = 249;

/// `<20 digits>.<ending>`
pub(crate) fn segment_path(dir: &Path, base: i64, ending: &str) -> PathBuf {
    dir.join(format!("{base:020}.{ending}"))
}

/// Ending of a compacted segment's files until they have taken the names of those that they replace.
const CLEANED: &str = "cleaned";

/// `<20 digits>.<ending>.<generation>.cleaned`
pub(crate) fn cleaned_path(dir: &Path, base: i64, ending: &str, generation: u64) -> PathBuf {
    dir.join(format!("{base:020}.{ending}.{generation}.{CLEANED}"))
}

/// Base offset, ending and generation of such a name.
pub(crate) fn parse_cleaned_name(name: &str) -> Option<(i64, &str, u64)> {
    let (base, rest) = parse_segment_name(name)?;
    let (ending, rest) = rest.split_once('.')?;
    let (generation, cleaned) = rest.split_once('.')?;
    (cleaned == CLEANED).then_some((base, ending, generation.parse().ok()?))
}

/// Base offset and ending of a segment's file name.
pub(crate) fn parse_segment_name(name: &str) -> Option<(i64, &str)> {
    let (digits, ending) = name.split_once('.')?;
    (digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
        .map(|base| (base, ending))
}

/// Folder of a partition.
pub(crate) fn partition_dir(root: &Path, topic: &str, partition: i32) -> PathBuf {
    root.join(TOPICS).join(format!("{topic}-{partition}"))
}

/// Where that folder goes when the partition is deleted.
pub(crate) fn deleted_dir(root: &Path, topic: &str, key: &PartitionKey) -> PathBuf {
    let id: String = key.topic_id.0.iter().map(|byte| format!("{byte:02x}")).collect();
    root.join(TOPICS).join(format!("{topic}-{}.{id}{DELETED}", key.partition))
}

/// Content of [`PARTITION_METADATA`].
pub(crate) fn metadata_text(topic_id: &Uuid) -> String {
    format!("version: 0\ntopic_id: {topic_id}")
}

/// Endings of files that are made beside a segment and take its place, or are removed, at the next start.
pub(crate) fn is_segment_file_aside(ending: &str) -> bool {
    ending.rsplit_once('.').is_some_and(|(_, last)| last == CLEANED)
}

/// True for a name that is safe as part of a path and that Kafka accepts.
pub(crate) fn is_topic_name(topic: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    !topic.is_empty()
        && topic.len() <= TOPIC_CHARS_MAX
        && topic != "."
        && topic != ".."
        && topic.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_names_are_kafkas_and_come_back() {
        let path = segment_path(Path::new("t-0"), 4711, LOG);
        assert_eq!(path, Path::new("t-0/00000000000000004711.log"));
        assert_eq!(parse_segment_name("00000000000000004711.log"), Some((4711, "log")));
        assert_eq!(parse_segment_name("4711.log"), None);
        assert_eq!(parse_segment_name("-0000000000000004711.log"), None);
    }

    #[test]
    fn names_of_compacted_segments_are_no_segments_names_and_come_back() {
        let path = cleaned_path(Path::new("t-0"), 4711, LOG, 3);
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        assert_eq!(parse_cleaned_name(name), Some((4711, LOG, 3)));
        assert_ne!(parse_segment_name(name).map(|(_, ending)| ending), Some(LOG));
        assert_eq!(parse_cleaned_name("00000000000000004711.log"), None);
    }

    #[test]
    fn a_topic_name_cannot_leave_the_folder() {
        for bad in ["", ".", "..", "a/b", "../x", "a\0b", "ä", &"x".repeat(250)] {
            assert!(!is_topic_name(bad), "{bad}");
        }
        assert!(is_topic_name("orders.v1_x-y"));
    }
}

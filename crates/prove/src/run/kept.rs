//! What stays of a run for other readers: the brokers' folders, and `kept.json`, which counts what the last read of
//! each found. Only what a killed broker keeps is listed: a reader that comes later starts the broker anew.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use poruka_guarantee::{Durability, Name};
use serde::Serialize;
use tempfile::TempDir;

use crate::history::LogRead;
use crate::payload::Phase;

/// A topic in a data folder.
#[derive(Debug, Serialize)]
struct Entry {
    /// Relative to the folder of kept.json.
    data: String,
    topic: String,
    records: u64,
}

/// The folder of a run.
pub(crate) struct Kept {
    folder: PathBuf,
    /// Removed at the end, unless the data is to be kept.
    temporary: Option<TempDir>,
    entries: Mutex<Vec<Entry>>,
}

impl Kept {
    /// A folder that is to be kept, or a temporary one.
    pub(crate) fn make(keep: Option<PathBuf>) -> io::Result<Kept> {
        let entries = Mutex::default();
        let Some(folder) = keep else {
            let temporary = tempfile::Builder::new().prefix("poruka-prove-").tempdir()?;
            return Ok(Kept { folder: temporary.path().to_owned(), temporary: Some(temporary), entries });
        };
        std::fs::create_dir_all(&folder)?;
        if std::fs::read_dir(&folder)?.next().is_some() {
            let words = format!("{} is not empty; name another folder, or remove it", folder.display());
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, words));
        }
        Ok(Kept { folder, temporary: None, entries })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Notes what was in the log at the end of a phase, if it survives the end of its broker.
    pub(crate) fn note(&self, name: Name, phase: Phase, topic: &str, read: &LogRead) {
        let survives = match phase {
            Phase::Kill => Durability::Cached,
            Phase::Power => Durability::Synced,
        };
        if self.temporary.is_some() || name.guarantee().durability < survives {
            return;
        }
        let records = read.partitions.iter().map(|partition| partition.entries.len() as u64).sum();
        let data = format!("{name}-{}/data", phase.as_str());
        let entry = Entry { data, topic: topic.to_owned(), records };
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }

    /// Writes kept.json, if anything is kept.
    pub(crate) fn write(&self) -> io::Result<()> {
        if self.temporary.is_some() {
            return Ok(());
        }
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let text = serde_json::to_string_pretty(&*entries).map_err(io::Error::other)?;
        std::fs::write(self.folder.join("kept.json"), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_empty_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Kept::make(Some(folder.path().join("new"))).is_ok());
        assert!(Kept::make(Some(folder.path().to_owned())).is_err());
    }

    #[test]
    fn only_what_survives_the_end_of_its_broker_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::make(Some(folder.path().to_owned())).unwrap();
        for name in [Name::BestEffort, Name::AtLeastOnce, Name::Durable] {
            for phase in Phase::ALL {
                kept.note(name, phase, "t", &LogRead::default());
            }
        }
        kept.write().unwrap();
        let text = std::fs::read_to_string(folder.path().join("kept.json")).unwrap();
        let entries: Vec<serde_json::Value> = serde_json::from_str(&text).unwrap();
        let data: Vec<&str> = entries.iter().filter_map(|entry| entry["data"].as_str()).collect();
        assert_eq!(data.len(), 3, "{data:?}");
        assert!(
            data.contains(&"at-least-once-kill/data") && data.contains(&"durable-power/data"),
            "{data:?}"
        );
    }
}

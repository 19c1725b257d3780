//! The partitions of an engine, by identity and by name.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::PartitionKey;
use crate::journal::entry::PartitionId;
use crate::partition::PartitionLog;

#[derive(Default)]
pub(crate) struct Table {
    pub(crate) by_key: HashMap<PartitionKey, Arc<PartitionLog>>,
    /// Folder names in use: (topic, partition). Also those of partitions that are being deleted.
    pub(crate) names: HashMap<(String, i32), PartitionKey>,
    pub(crate) next_id: PartitionId,
}

/// See the module.
pub(crate) struct Registry {
    table: Mutex<Table>,
}

impl Registry {
    pub(crate) fn new(next_id: PartitionId) -> Self {
        Self { table: Mutex::new(Table { next_id, ..Table::default() }) }
    }

    pub(crate) fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn next_id(&self) -> PartitionId {
        self.table().next_id
    }

    /// All partitions, by topic name and number.
    pub(crate) fn all(&self) -> Vec<Arc<PartitionLog>> {
        let mut all: Vec<_> = self.table().by_key.values().cloned().collect();
        all.sort_by(|a, b| (a.topic(), a.key().partition).cmp(&(b.topic(), b.key().partition)));
        all
    }
}

impl Table {
    pub(crate) fn insert(&mut self, log: Arc<PartitionLog>) {
        self.names.insert((log.topic().to_owned(), log.key().partition), log.key());
        self.by_key.insert(log.key(), log);
    }
}

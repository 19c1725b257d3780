//! What is sent: records from a file, from the clone's own history or from a seeded generator.
//!
//! The workload is the ground truth of a run. It is read once, before anything is sent, and never changed:
//! who the record is (its index and id), which key it belongs to and its place within that key. The checker
//! judges by this and by what each payload says of itself, never by what the library remembers.
//!
//! Not here: parents are read for their form and counted; causal order, which would use them, is not built.

mod generate;
mod git;
mod jsonl;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::PathBuf;

use poruka_env::Env;

use generate::generate;
use git::read_history;
use jsonl::read_file;
pub use jsonl::{InputError, JsonFields};

use crate::text::long_count;

/// Records of a default run, history and generated ones together.
pub const RECORDS_DEFAULT: usize = 20_000;
/// Records that one run holds in memory at most.
pub const RECORDS_MAX: usize = 5_000_000;
/// Bytes of payload bodies that one run holds in memory at most.
pub const BODY_BYTES_TOTAL_MAX: usize = 2 << 30;
/// Bytes of an id or of a key at most.
pub const NAME_BYTES_MAX: usize = 4096;
/// Bytes of a record's own text that travel in its payload; longer text is sent cut off.
pub const BODY_BYTES_MAX: usize = 64 << 10;

/// Where the records come from.
#[derive(Clone, Debug)]
pub enum Input {
    /// `git log` of the repository around this folder, topped up by the generator.
    History {
        /// A folder inside the clone.
        folder: PathBuf,
    },
    /// A file of one JSON object per line, plain or gzip (told by its content).
    File {
        /// The file.
        path: PathBuf,
        /// Which fields hold what.
        fields: JsonFields,
    },
    /// The generator alone.
    Generated,
}

/// One record to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The name that people know it by; unique in the workload.
    pub id: Box<str>,
    /// Index into [`Workload::keys`].
    pub key: Option<u32>,
    /// Its place among the records of its key, from 0.
    pub key_seq: u32,
    /// The record's own text.
    pub body: Box<[u8]>,
}

/// Everything that will be sent, in order.
#[derive(Clone, Debug, Default)]
pub struct Workload {
    /// The records.
    pub records: Vec<Record>,
    /// The distinct keys.
    pub keys: Vec<Box<str>>,
    /// What a reader of the report should know about where the records came from.
    pub notes: Vec<String>,
}

impl Workload {
    /// The key of a record.
    pub fn key_of(&self, index: usize) -> Option<&str> {
        let key = self.records.get(index)?.key?;
        self.keys.get(key as usize).map(AsRef::as_ref)
    }
}

/// Collects records, numbers them within their key and keeps their ids unique.
#[derive(Default)]
pub(crate) struct Collector {
    workload: Workload,
    key_index: HashMap<Box<str>, u32>,
    key_count: Vec<u32>,
    ids: HashMap<Box<str>, ()>,
    body_bytes: usize,
    pub(crate) unkeyed: u64,
    pub(crate) renamed: u64,
    pub(crate) shortened: u64,
}

/// The workload would not fit into memory.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Collector {
    pub(crate) fn len(&self) -> usize {
        self.workload.records.len()
    }

    /// Adds one record. An id that was used before gets ` @place` appended: the records stay distinct.
    pub(crate) fn add(&mut self, id: &str, key: Option<&str>, body: &[u8], place: u64) -> Result<(), Full> {
        if self.len() >= RECORDS_MAX || self.body_bytes.saturating_add(body.len()) > BODY_BYTES_TOTAL_MAX {
            return Err(Full);
        }
        let id = self.unique(id, place);
        let (key, key_seq) = match key {
            Some(key) => {
                let key = self.intern(key);
                let count = &mut self.key_count[key as usize];
                *count += 1;
                (Some(key), *count - 1)
            }
            None => {
                self.unkeyed += 1;
                (None, 0)
            }
        };
        let kept = &body[..body.len().min(BODY_BYTES_MAX)];
        self.shortened += u64::from(kept.len() < body.len());
        self.body_bytes += kept.len();
        self.workload.records.push(Record { id, key, key_seq, body: kept.into() });
        Ok(())
    }

    fn unique(&mut self, id: &str, place: u64) -> Box<str> {
        let mut candidate: Box<str> = id.into();
        let mut tries = 0_u64;
        loop {
            if let Entry::Vacant(free) = self.ids.entry(candidate.clone()) {
                free.insert(());
                return candidate;
            }
            self.renamed += u64::from(tries == 0);
            candidate = match tries {
                0 => format!("{id} @{place}").into(),
                more => format!("{id} @{place}.{more}").into(),
            };
            tries += 1;
        }
    }

    fn intern(&mut self, key: &str) -> u32 {
        if let Some(known) = self.key_index.get(key) {
            return *known;
        }
        let index = u32::try_from(self.workload.keys.len()).unwrap_or(u32::MAX);
        self.workload.keys.push(key.into());
        self.key_count.push(0);
        self.key_index.insert(key.into(), index);
        index
    }

    pub(crate) fn note(&mut self, note: String) {
        self.workload.notes.push(note);
    }

    pub(crate) fn finish(mut self) -> Workload {
        if self.unkeyed > 0 {
            self.workload
                .notes
                .push(format!("{} records have no key and are sent without one", long_count(self.unkeyed)));
        }
        if self.renamed > 0 {
            self.workload
                .notes
                .push(format!("{} ids were used before and had their place appended", self.renamed));
        }
        if self.shortened > 0 {
            self.workload.notes.push(format!(
                "{} records are longer than {BODY_BYTES_MAX} bytes and are sent cut off",
                self.shortened
            ));
        }
        self.workload
    }
}

/// Reads the whole workload; blocks, so it runs on a thread of its own where there is one.
///
/// # Errors
/// [`InputError`] names the file, the line and what was expected there.
pub async fn load(env: &Env, input: Input, limit: Option<usize>, seed: u64) -> Result<Workload, InputError> {
    if !env.has_threads() {
        return load_blocking(env, &input, limit, seed);
    }
    let (done, result) = tokio::sync::oneshot::channel();
    let on_thread = env.clone();
    env.spawn_thread("prove-input", move || {
        // The receiver is gone only when the run was given up.
        drop(done.send(load_blocking(&on_thread, &input, limit, seed)));
    })
    .map_err(InputError::Thread)?;
    result.await.map_err(|_| InputError::Thread(std::io::Error::other("input thread ended")))?
}

fn load_blocking(env: &Env, input: &Input, limit: Option<usize>, seed: u64) -> Result<Workload, InputError> {
    let mut collector = Collector::default();
    match input {
        Input::File { path, fields } => read_file(path, fields, limit, &mut collector)?,
        Input::Generated => {
            let count = limit.unwrap_or(RECORDS_DEFAULT);
            generate(seed, count, &mut collector).map_err(|Full| InputError::TooLarge)?;
            let told = long_count(count as u64);
            collector.note(format!("{told} records from the generator with seed {seed}"));
        }
        Input::History { folder } => {
            history_and_generated(env, folder, limit.unwrap_or(RECORDS_DEFAULT), seed, &mut collector)?;
        }
    }
    if collector.len() == 0 {
        return Err(InputError::Empty { what: describe(input) });
    }
    Ok(collector.finish())
}

fn history_and_generated(
    env: &Env,
    folder: &std::path::Path,
    count: usize,
    seed: u64,
    collector: &mut Collector,
) -> Result<(), InputError> {
    let commits = match read_history(env, folder, count) {
        Ok(commits) => commits,
        Err(reason) => {
            collector.note(format!("no history was read: {reason}"));
            Vec::new()
        }
    };
    for (place, line) in commits.iter().enumerate() {
        collector
            .add(&line.id, Some(&line.key), line.text.as_bytes(), place as u64)
            .map_err(|Full| InputError::TooLarge)?;
    }
    let from_history = collector.len();
    let more = count.saturating_sub(from_history);
    generate(seed, more, collector).map_err(|Full| InputError::TooLarge)?;
    collector.note(format!(
        "{} records from git log (one per commit and file, key: the file), {} from the generator with seed {seed}",
        long_count(from_history as u64),
        long_count(more as u64),
    ));
    Ok(())
}

fn describe(input: &Input) -> String {
    match input {
        Input::History { .. } | Input::Generated => "the generator".to_owned(),
        Input::File { path, .. } => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_count_within_a_key_and_ids_stay_unique() {
        let mut collector = Collector::default();
        for (id, key) in [("a", Some("x")), ("b", Some("y")), ("a", Some("x")), ("c", None), ("a", Some("x"))]
        {
            collector.add(id, key, b"", 7).expect("fits");
        }
        let workload = collector.finish();
        let seqs: Vec<u32> = workload.records.iter().map(|r| r.key_seq).collect();
        assert_eq!(seqs, [0, 0, 1, 0, 2]);
        let ids: Vec<&str> = workload.records.iter().map(|r| &*r.id).collect();
        assert_eq!(ids, ["a", "b", "a @7", "c", "a @7.1"]);
        assert_eq!(workload.notes.len(), 2, "unkeyed and renamed records are told");
    }
}

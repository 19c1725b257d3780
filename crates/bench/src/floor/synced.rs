//! The synced floor's second thread: one `fdatasync` for all that arrived while the last one ran, then the answers.

use std::fs::File;
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use poruka_env::{Env, ThreadHandle};

use super::child::{answer, relayed};
use crate::error::{BenchError, During, Result};

/// What waits for the next sync.
#[derive(Default)]
struct Waiting {
    answers: Vec<u8>,
    /// Frames for the consumer.
    batches: Vec<u8>,
    finished: bool,
    failed: bool,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

pub(super) struct Syncer {
    shared: Arc<Shared>,
    thread: ThreadHandle,
    relays: bool,
}

impl Syncer {
    pub(super) fn start(
        env: &Env,
        file: Arc<File>,
        producer: TcpStream,
        consumer: Option<TcpStream>,
    ) -> Result<Syncer> {
        let shared = Arc::new(Shared::default());
        let (theirs, relays) = (Arc::clone(&shared), consumer.is_some());
        let body = move || {
            if sync_all(&theirs, &file, producer, consumer).is_err() {
                lock(&theirs).failed = true;
            }
        };
        let thread = env.spawn_thread("floor-sync", body);
        let thread = thread.map_err(|source| BenchError::Start { what: "the floor's thread", source })?;
        Ok(Syncer { shared, thread, relays })
    }

    /// A batch is written and waits for its sync.
    pub(super) fn push(&self, number: i32, base_offset: i64, batch: &[u8]) -> Result<()> {
        let mut waiting = lock(&self.shared);
        if waiting.failed {
            return Err(BenchError::Wrong("the floor could not sync or answer".to_owned()));
        }
        waiting.answers.extend_from_slice(&answer(number, base_offset));
        if self.relays {
            waiting.batches.extend_from_slice(&relayed(batch));
        }
        drop(waiting);
        self.shared.more.notify_one();
        Ok(())
    }

    pub(super) fn finish(self) -> Result<()> {
        lock(&self.shared).finished = true;
        self.shared.more.notify_one();
        self.thread.join();
        Ok(())
    }
}

fn sync_all(
    shared: &Shared,
    file: &File,
    mut producer: TcpStream,
    mut consumer: Option<TcpStream>,
) -> Result<()> {
    let (mut answers, mut batches) = (Vec::new(), Vec::new());
    loop {
        let waiting = lock(shared);
        let nothing = |waiting: &mut Waiting| waiting.answers.is_empty() && !waiting.finished;
        let mut waiting = shared.more.wait_while(waiting, nothing).unwrap_or_else(PoisonError::into_inner);
        if waiting.answers.is_empty() {
            return Ok(());
        }
        std::mem::swap(&mut answers, &mut waiting.answers);
        std::mem::swap(&mut batches, &mut waiting.batches);
        drop(waiting);
        file.sync_data().during("sync the file")?;
        producer.write_all(&answers).during("answer")?;
        if let Some(consumer) = &mut consumer {
            consumer.write_all(&batches).during("pass batches on")?;
        }
        answers.clear();
        batches.clear();
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Waiting> {
    shared.waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

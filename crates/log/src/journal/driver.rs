//! Runs the journal: on one OS thread of the real host, as one task of the simulation.

use std::io;
use std::sync::Arc;

use poruka_env::{Env, Task, ThreadHandle};

use super::writer::Writer;
use super::{FULL_RETRY, Journal, PROOF_DELAY, Turn};

/// A running worker of the engine.
#[derive(Debug)]
pub(crate) enum Worker {
    Thread(ThreadHandle),
    Task(Task),
}

impl Worker {
    pub(crate) fn is_finished(&self) -> bool {
        match self {
            Worker::Thread(thread) => thread.is_finished(),
            Worker::Task(task) => task.is_finished(),
        }
    }
}

/// Starts the driver; it ends after [`Journal::stop`], and drops `keep` then.
pub(crate) fn start(
    env: &Env,
    journal: Arc<Journal>,
    mut writer: Writer,
    keep: impl Send + Sync + 'static,
) -> io::Result<Worker> {
    let mut retry = None;
    if env.has_threads() {
        let body = move || {
            let _keep = keep;
            loop {
                match journal.turn(&mut writer, &mut retry) {
                    Turn::Worked => {}
                    Turn::Idle => journal.wait_for_work(None),
                    Turn::Unproven => {
                        if !journal.wait_for_work_at_most(PROOF_DELAY) {
                            journal.prove(&mut writer);
                        }
                    }
                    Turn::Full => journal.wait_for_work(Some(FULL_RETRY)),
                    Turn::Stopped => break,
                }
            }
        };
        return env.spawn_thread("journal", body).map(Worker::Thread);
    }
    let clock = env.clone();
    let body = async move {
        let _keep = keep;
        loop {
            match journal.turn(&mut writer, &mut retry) {
                Turn::Worked => clock.sleep(std::time::Duration::ZERO).await,
                Turn::Idle => journal.work_task.notified().await,
                Turn::Unproven => {
                    if clock.timeout(PROOF_DELAY, journal.work_task.notified()).await.is_err() {
                        journal.prove(&mut writer);
                    }
                }
                Turn::Full => clock.sleep(FULL_RETRY).await,
                Turn::Stopped => break,
            }
        }
    };
    Ok(Worker::Task(env.spawn("journal", body)))
}

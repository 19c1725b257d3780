//! The worker that makes checkpoints: a thread of the real host, a task of the simulated one.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::checkpointer::{Checkpointing, Next};
use crate::context::Context;
use crate::doorbell::Doorbell;
use crate::journal::driver::Worker;
use crate::partition::snapshot::Kind;
use crate::registry::Registry;

/// Tells the worker to end.
#[derive(Debug, Default)]
pub(crate) struct Stop(AtomicBool);

impl Stop {
    pub(crate) fn stop(&self, bell: &Doorbell) {
        self.0.store(true, Ordering::Release);
        bell.ring();
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Pause before a checkpoint that failed is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// Starts the worker; it makes a checkpoint whenever the bell rings, until told to stop, and drops `keep`
/// then.
pub(crate) fn start_checkpoints(
    context: &Arc<Context>,
    registry: &Arc<Registry>,
    stop: Arc<Stop>,
    keep: impl Send + Sync + 'static,
) -> io::Result<Worker> {
    let (env, context, registry) = (context.env.clone(), Arc::clone(context), Arc::clone(registry));
    if env.has_threads() {
        let body = move || {
            let _keep = keep;
            loop {
                context.checkpoint.wait();
                let mut making = Checkpointing::begin(&context, &registry, Kind::Running);
                while !stop.is_set() {
                    match making.step() {
                        Next::Step => {}
                        Next::AfterJournal(index) => context.journal.wait_durable_blocking(index),
                        Next::Done => break,
                        Next::Failed => {
                            context.checkpoint.wait_at_most(RETRY);
                            context.checkpoint.ring();
                            break;
                        }
                    }
                }
                if stop.is_set() || context.journal.is_poisoned() {
                    break;
                }
            }
        };
        return env.spawn_thread("checkpoint", body).map(Worker::Thread);
    }
    let clock = env.clone();
    let body = async move {
        let _keep = keep;
        loop {
            context.checkpoint.wait_async().await;
            let mut making = Checkpointing::begin(&context, &registry, Kind::Running);
            while !stop.is_set() {
                match making.step() {
                    Next::Step => clock.sleep(Duration::ZERO).await,
                    Next::AfterJournal(_) => clock.sleep(Duration::from_millis(1)).await,
                    Next::Done => break,
                    Next::Failed => {
                        clock.sleep(RETRY).await;
                        context.checkpoint.ring();
                        break;
                    }
                }
            }
            if stop.is_set() || context.journal.is_poisoned() {
                break;
            }
        }
    };
    Ok(Worker::Task(env.spawn("checkpoint", body)))
}

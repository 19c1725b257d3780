//! The worker that makes checkpoints: a thread of the real host, a task of the simulated one.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::checkpointer::{Checkpointing, Next};
use crate::context::Context;
use crate::journal::driver::Worker;
use crate::partition::snapshot::Kind;
use crate::registry::Registry;

/// Pause before a checkpoint that failed is tried again.
const RETRY: Duration = Duration::from_millis(200);

/// Starts the worker; it makes a checkpoint whenever the bell rings. It ends, and drops `keep`, after the journal's
/// driver has: a journal whose ring is full can only end with its help.
pub(crate) fn start_checkpoints(
    context: &Arc<Context>,
    registry: &Arc<Registry>,
    keep: impl Send + Sync + 'static,
) -> io::Result<Worker> {
    let (env, context, registry) = (context.env.clone(), Arc::clone(context), Arc::clone(registry));
    if env.has_threads() {
        let body = move || {
            let _keep = keep;
            loop {
                context.checkpoint.wait();
                if is_over(&context) {
                    break;
                }
                let mut making = Checkpointing::begin(&context, &registry, Kind::Running);
                loop {
                    match making.step() {
                        Next::Step => {}
                        Next::AfterJournal(index) => context.journal.wait_durable_blocking(index),
                        Next::Done => break,
                        Next::Failed => {
                            give_up_if_stopping(&context);
                            context.checkpoint.wait_at_most(RETRY);
                            context.checkpoint.ring();
                            break;
                        }
                    }
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
            if is_over(&context) {
                break;
            }
            let mut making = Checkpointing::begin(&context, &registry, Kind::Running);
            loop {
                match making.step() {
                    Next::Step => clock.sleep(Duration::ZERO).await,
                    Next::AfterJournal(_) => clock.sleep(Duration::from_millis(1)).await,
                    Next::Done => break,
                    Next::Failed => {
                        give_up_if_stopping(&context);
                        clock.sleep(RETRY).await;
                        context.checkpoint.ring();
                        break;
                    }
                }
            }
        }
    };
    Ok(Worker::Task(env.spawn("checkpoint", body)))
}

fn is_over(context: &Context) -> bool {
    context.journal.is_finished() || context.journal.is_poisoned()
}

/// A journal that waits for a checkpoint that cannot be made would never end.
fn give_up_if_stopping(context: &Context) {
    if context.journal.is_stopping() && context.journal.is_starved() {
        let error = io::Error::other("the journal is full and no checkpoint can be written");
        context.journal.poison(&context.root, &error);
    }
}

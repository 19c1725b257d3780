//! The worker that cleans: a thread of the real host, a task of the simulated one.
//!
//! It looks at all partitions every [`crate::LogConfig::clean_interval`], and when settings change. It ends at once when
//! the journal stops: whatever it was about is begun again after the next start.

use std::io;
use std::sync::Arc;

use super::counters::Counters;
use crate::context::Context;
use crate::journal::driver::Worker;
use crate::registry::Registry;

/// Starts the worker; it drops `keep` when it ends.
pub(crate) fn start(
    context: &Arc<Context>,
    registry: &Arc<Registry>,
    keep: impl Send + Sync + 'static,
) -> io::Result<Worker> {
    let (env, context, registry) = (context.env.clone(), Arc::clone(context), Arc::clone(registry));
    let interval = context.config.clean_interval;
    if env.has_threads() {
        let body = move || {
            let _keep = keep;
            loop {
                context.cleaner.wait_at_most(interval);
                if is_over(&context) {
                    break;
                }
                retain_all(&context, &registry);
            }
        };
        return env.spawn_thread("cleaner", body).map(Worker::Thread);
    }
    let clock = env.clone();
    let body = async move {
        let _keep = keep;
        loop {
            context.cleaner.wait_at_most_async(&clock, interval).await;
            if is_over(&context) {
                break;
            }
            retain_all(&context, &registry);
        }
    };
    Ok(Worker::Task(env.spawn("cleaner", body)))
}

fn is_over(context: &Context) -> bool {
    context.journal.is_stopping() || context.journal.is_poisoned()
}

/// Drops what no partition keeps any more.
fn retain_all(context: &Context, registry: &Registry) {
    let now_ms = context.env.wall_ms();
    let mut changed = false;
    for log in registry.all() {
        match log.retain(now_ms) {
            Ok(some) => changed |= some,
            Err(error) => {
                Counters::add(&context.cleaned.failures, 1);
                tracing::warn!(?log, %error, "retention is put off");
            }
        }
    }
    if changed {
        // Files of dropped segments go once a checkpoint does not name them.
        context.checkpoint.ring();
    }
}

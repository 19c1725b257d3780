//! A bell that one worker waits at, be it a thread or a task. Ringing twice before it looks counts once.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use poruka_env::Env;
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub(crate) struct Doorbell {
    rung: Mutex<bool>,
    thread: Condvar,
    task: Notify,
}

impl Doorbell {
    pub(crate) fn ring(&self) {
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.thread.notify_one();
        self.task.notify_one();
    }

    /// Blocks until rung.
    pub(crate) fn wait(&self) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rung = self.thread.wait_while(rung, |rung| !*rung).unwrap_or_else(PoisonError::into_inner);
        *rung = false;
    }

    /// Blocks until rung, or for that long.
    pub(crate) fn wait_at_most(&self, limit: Duration) {
        let rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.thread.wait_timeout_while(rung, limit, |rung| !*rung);
        *waited.unwrap_or_else(PoisonError::into_inner).0 = false;
    }

    /// Waits until rung, or for that long.
    pub(crate) async fn wait_at_most_async(&self, clock: &Env, limit: Duration) {
        let _ = clock.timeout(limit, self.wait_async()).await;
    }

    /// Waits until rung.
    pub(crate) async fn wait_async(&self) {
        self.task.notified().await;
        *self.rung.lock().unwrap_or_else(PoisonError::into_inner) = false;
    }
}

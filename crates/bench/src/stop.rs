//! Stopping early: whoever waits is woken, and every process that was started is ended, so that none is left behind.

use std::process::Child;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{BenchError, Result};

/// A process that is ended when this is dropped, or when [`Stop::now`] is called.
#[derive(Debug)]
pub(crate) struct Running {
    child: Arc<Mutex<Child>>,
    pub(crate) pid: u32,
}

impl Running {
    /// Ends the process at once and waits until it is gone.
    pub(crate) fn kill(&self) {
        let mut child = lock(&self.child);
        // An error means that it is gone already; a killed process is gone within milliseconds.
        drop(child.kill());
        drop(child.wait());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

#[derive(Debug, Default)]
struct Shared {
    stopped: Mutex<bool>,
    told: Condvar,
    children: Mutex<Vec<Arc<Mutex<Child>>>>,
}

/// The way to end a run from outside. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    shared: Arc<Shared>,
}

impl Stop {
    /// A run that goes on until it is done.
    pub fn new() -> Stop {
        Stop::default()
    }

    /// Ends every process that the run has started; the run returns [`BenchError::Stopped`] soon after.
    pub fn now(&self) {
        *lock(&self.shared.stopped) = true;
        self.shared.told.notify_all();
        for child in lock(&self.shared.children).iter() {
            drop(lock(child).kill());
        }
    }

    /// [`BenchError::Stopped`] once it was asked to stop.
    pub(crate) fn check(&self) -> Result<()> {
        if *lock(&self.shared.stopped) { Err(BenchError::Stopped) } else { Ok(()) }
    }

    /// Waits for `period`.
    pub(crate) fn wait(&self, period: Duration) -> Result<()> {
        let stopped = lock(&self.shared.stopped);
        let waited = self.shared.told.wait_timeout_while(stopped, period, |stopped| !*stopped);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        self.check()
    }

    /// Takes charge of a child.
    pub(crate) fn keep(&self, child: Child) -> Running {
        let pid = child.id();
        let child = Arc::new(Mutex::new(child));
        let mut children = lock(&self.shared.children);
        children.retain(|known| Arc::strong_count(known) > 1);
        children.push(Arc::clone(&child));
        drop(children);
        let running = Running { child, pid };
        if self.check().is_err() {
            running.kill();
        }
        running
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

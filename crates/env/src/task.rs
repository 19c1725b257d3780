//! Spawned tasks: one handle for both hosts, so that cancelling and joining mean the same on each.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;

/// How a task came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its future returned.
    Finished,
    /// It was aborted, or its executor was shut down before it returned.
    Aborted,
    /// It panicked.
    Panicked,
}

const RUNNING: u8 = 0;
const FINISHED: u8 = 1;
const ABORTED: u8 = 2;
const PANICKED: u8 = 3;

#[derive(Debug, Default)]
struct Shared {
    state: AtomicU8,
    abort: AtomicBool,
    waker: Mutex<Option<Waker>>,
    ended: Notify,
}

/// A spawned task. Dropping the handle leaves the task running.
#[derive(Clone, Debug)]
pub struct Task {
    shared: Arc<Shared>,
}

impl Task {
    /// Asks the task to stop: its future is dropped at the next point where it waits. Asking twice does no harm.
    pub fn abort(&self) {
        self.shared.abort.store(true, Ordering::Release);
        let waker = self.shared.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// True once the future has returned, panicked or been dropped.
    pub fn is_finished(&self) -> bool {
        self.shared.state.load(Ordering::Acquire) != RUNNING
    }

    /// Waits for the end of the task. May be called by several waiters and after the end.
    pub async fn join(&self) -> Ended {
        loop {
            let notified = self.shared.ended.notified();
            match self.shared.state.load(Ordering::Acquire) {
                FINISHED => return Ended::Finished,
                ABORTED => return Ended::Aborted,
                PANICKED => return Ended::Panicked,
                _ => notified.await,
            }
        }
    }
}

/// Wraps `future` so that the returned handle can end it and see its end, whatever executor runs it.
pub(crate) fn controlled(
    future: impl Future<Output = ()> + Send + 'static,
) -> (Task, Pin<Box<dyn Future<Output = ()> + Send>>) {
    let shared = Arc::new(Shared::default());
    let body = Controlled { future: Some(Box::pin(future)), shared: Arc::clone(&shared) };
    (Task { shared }, Box::pin(body))
}

struct Controlled {
    future: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    shared: Arc<Shared>,
}

impl Controlled {
    fn end(&mut self, state: u8) {
        // The future goes first: whoever joins may rely on what its destructors release.
        self.future = None;
        if self.shared.state.swap(state, Ordering::AcqRel) == RUNNING {
            self.shared.ended.notify_waiters();
        }
    }
}

impl Future for Controlled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        {
            let mut waker = self.shared.waker.lock().unwrap_or_else(PoisonError::into_inner);
            if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
        }
        if self.shared.abort.load(Ordering::Acquire) {
            self.end(ABORTED);
            return Poll::Ready(());
        }
        let Some(future) = self.future.as_mut() else { return Poll::Ready(()) };
        match future.as_mut().poll(cx) {
            Poll::Ready(()) => {
                self.end(FINISHED);
                Poll::Ready(())
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Controlled {
    fn drop(&mut self) {
        if self.shared.state.load(Ordering::Acquire) == RUNNING {
            self.end(if std::thread::panicking() { PANICKED } else { ABORTED });
        }
    }
}

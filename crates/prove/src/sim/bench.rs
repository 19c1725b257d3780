//! The library in processes of its own: a crashed producer or consumer takes its tasks and sockets with it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use poruka_env::FakeDisk;
use poruka_env::sim::{Process, Sim};

use crate::history::Outcome;
use crate::run::{BenchProducer, Boxed, Handler, Library, Started, Words, Workbench};

/// Makes a process for each producer and consumer.
pub(crate) struct SimBench {
    pub(crate) sim: Weak<Sim>,
    /// What the library is told; its `env` is that of no process.
    pub(crate) library: Library,
}

/// A process that ends with its owner.
struct OwnProcess(Process);

impl Drop for OwnProcess {
    fn drop(&mut self) {
        self.0.kill();
    }
}

impl SimBench {
    fn process(&self) -> Result<(OwnProcess, Library), Words> {
        let sim = self.sim.upgrade().ok_or("the simulation is over")?;
        // Clients have no files.
        let process = OwnProcess(sim.process(FakeDisk::in_memory(0)));
        let library = Library { env: process.0.env(), ..self.library.clone() };
        Ok((process, library))
    }
}

impl Workbench for SimBench {
    fn prepare(&self) -> Boxed<'_, Result<(), Words>> {
        self.library.prepare()
    }

    fn producer(&self) -> Boxed<'_, Result<Arc<dyn BenchProducer>, Words>> {
        Box::pin(async {
            let (process, library) = self.process()?;
            let inner = library.producer().await?;
            Ok(Arc::new(SimProducer { inner, process, crashed: Arc::default() }) as Arc<dyn BenchProducer>)
        })
    }

    fn consume(&self, handler: Handler) -> Boxed<'_, Words> {
        Box::pin(async move {
            match self.process() {
                // The future of the library goes first, the process right behind it, without a wait between.
                Ok((_process, library)) => library.consume(handler).await,
                Err(words) => words,
            }
        })
    }
}

struct SimProducer {
    inner: Arc<dyn BenchProducer>,
    process: OwnProcess,
    crashed: Arc<AtomicBool>,
}

impl BenchProducer for SimProducer {
    fn send(&self, key: Option<Bytes>, value: Bytes) -> Boxed<'_, Started> {
        Box::pin(async move {
            let pending = match self.inner.send(key, value).await {
                Started::Pending(pending) => pending,
                ended @ Started::Ended(_) => return ended,
            };
            let crashed = Arc::clone(&self.crashed);
            Started::Pending(Box::pin(async move {
                let outcome = pending.await;
                // What a dead process would have said nobody heard.
                if crashed.load(Ordering::Relaxed) { Outcome::Unknown } else { outcome }
            }))
        })
    }

    fn close(&self) -> Boxed<'_, ()> {
        self.inner.close()
    }

    fn crash(&self) {
        self.crashed.store(true, Ordering::Relaxed);
        self.process.0.kill();
    }
}

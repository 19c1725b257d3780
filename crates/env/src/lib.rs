//! Time, randomness, disk, network and tasks behind one seam: the real one and the simulated one.
//!
//! Everything above this crate asks an [`Env`] for the time, for random numbers, for a task, a thread, a
//! socket or a file, and never the operating system itself. Two hosts stand behind it:
//!
//! - [`Env::real`]: tokio for tasks and sockets, plain OS threads, [`RealDisk`].
//! - [`sim::Sim`]: one thread, virtual time, a seeded network and a [`FakeDisk`]; the same seed gives the same
//!   run twice.
//!
//! The disk is chosen apart from the host ([`Env::with_disk`]), so that a real process can run on a disk that
//! loses power ([`FakeDisk::over_folder`]).
//!
//! What it does not do: no signals, no child processes, no files in asynchronous form (disk calls block; the
//! journal's thread is the place for them).

mod disk;
mod host;
mod mono;
mod net;
mod process;
mod program;
mod real;
pub mod sim;
mod task;

pub use disk::{
    Disk, DiskFile, DiskLock, DiskOp, EARLY_NAME_ONE_IN, EARLY_SECTOR_ONE_IN, FakeDisk, LockError, OpenMode,
    RealDisk, raise_open_files_limit,
};
pub use host::{Elapsed, Env, ThreadHandle};
pub use mono::Mono;
pub use net::{Accepting, Listener, Stream};
pub use process::ProcessFigures;
pub use program::{READY_MARK, log_tail, ready_address};
pub use task::{Ended, Task};

//! The storage engine as its users see it: on the real host, on the disk that loses power, and under other faults.

mod check;
mod common;
mod compaction;
mod crash;
mod faults;
mod oracle;
mod real_disk;
mod retention;
mod state;
mod world;

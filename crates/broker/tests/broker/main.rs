//! The broker from outside: requests over sockets and from inside the process, restarts, faults of the disk.
//!
//! The disk is a real folder where only the protocol is at stake, and the disk that loses power where restarts and
//! faults are: there a kill leaves handles and locks of the old broker dead, as a killed process does.

mod bounds;
mod configs;
mod connections;
mod exposition;
mod fetches;
mod floods;
mod groups;
mod harness;
mod metrics;
mod produces;
mod restarts;
mod retention;
mod storage_faults;
mod timestamps;
mod topics;

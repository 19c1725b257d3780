//! Workloads, faults, histories, checkers and reports: the proof that a guarantee was kept.

pub mod check;
pub mod faults;
pub mod history;
pub mod input;
pub mod payload;
mod proxy;
pub mod report;
mod run;
pub mod sim;
mod text;

pub use run::{Progress, ProveError, ProveOptions, ReadError, Step, TargetError, Unwatched, prove};

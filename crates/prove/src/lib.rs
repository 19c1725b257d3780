//! Workloads, faults, histories, checkers and reports: the proof that a guarantee was kept.

pub mod check;
pub mod faults;
pub mod history;
pub mod input;
pub mod payload;
pub mod report;
mod proxy;

//! One file per command: its arguments, what it teaches in `--help`, and what it does.

pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod consume;
mod dials;
pub(crate) mod explain;
pub(crate) mod group;
pub(crate) mod produce;
pub(crate) mod prove;
pub(crate) mod serve;
pub(crate) mod topic;

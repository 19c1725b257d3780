//! One file per command: its arguments, what it teaches in `--help`, and what it does.

pub(crate) mod explain;

//! Offsets of partitions and of groups: look-ups at leaders, commits and committed offsets at coordinators.

mod commit;
mod committed;
mod list;

pub use commit::{Commit, CommitError};
pub(crate) use commit::{Committer, commit};
pub use committed::Committed;
pub(crate) use committed::fetch_committed;
pub(crate) use list::list_offsets;
pub use list::{Found, Spot};

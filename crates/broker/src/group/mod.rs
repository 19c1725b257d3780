//! Group coordinators as pure state machines: classic groups, consumer-protocol groups (KIP-848), committed offsets.
//!
//! No I/O, no clock, no tasks: requests, time and topics go in, [`Effect`]s come out. So every interleaving of joins,
//! timeouts, commits and restarts can be tried in a test, and is.
//!
//! # How to drive it
//! 1. [`Groups::new`] with a seed drawn at this start, then [`Groups::replay`] with every record of the log (the last
//!    value of each key is enough, in any order), then [`Groups::start`] with the topics there are.
//! 2. Requests go to [`Groups::handle`] under a [`Token`] of the driver's choice; each is answered exactly once, by the
//!    effects of this call or of a later one. Version negotiation and decoding are done before.
//! 3. Call [`Groups::tick`] when [`Groups::next_deadline`] is reached, and [`Groups::topics_changed`] with the whole new
//!    view whenever a topic is made, deleted or given partitions.
//! 4. Effects are carried out in their order, those of one call after those of the call before. [`Effect::Persist`] is
//!    one atomic append. An [`Effect::Reply`] may leave only when every `Persist` before it, of any call, is durable: the
//!    state in memory runs ahead of the log, and a reply reveals it. Nothing else needs to wait: the next call may be
//!    made before the append is durable. If the append fails the coordinator must not be used any more.
//!
//! # Faults
//! The process may die at any moment and lose any suffix of the effects that were not durable; replaying what is
//! durable gives a state in which everything that was ever answered still holds: members, generations and epochs,
//! assignments, offsets. Who waited for an answer is not remembered: the connection is gone too.
//!
//! Not here: transactional offset commits, share groups, authorization, FindCoordinator.

mod admin;
mod classic;
mod classic_calls;
mod consumer;
mod coordinator;
mod cx;
mod figures;
mod ids;
pub mod limits;
mod load;
mod offsets;
mod partitions;
mod record;
mod request;
mod state;
#[cfg(test)]
mod tests;
mod timers;
mod topics;

pub use coordinator::Groups;
pub use figures::GroupFigures;
pub use limits::GroupConfig;
pub use record::RecordError;
pub use request::{Effect, GroupCall, GroupRequest, GroupResponse, Now, Token};
pub use topics::{TopicInfo, TopicView};

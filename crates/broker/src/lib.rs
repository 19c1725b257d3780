//! The broker: coordinators as pure state machines, and the server that drives them.

pub mod group;

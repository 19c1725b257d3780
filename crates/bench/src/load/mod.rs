//! The loads: batches as fast as they are taken, a log read from end to end, records at a fixed rate.
//!
//! Each checks what it measures: every batch acknowledged at the offset that follows the one before, every record read
//! once and in order. A load that was not served in full is an error, not a figure.

pub(crate) mod consume;
pub(crate) mod paced;
pub(crate) mod produce;

//! How an append ended, as told to the caller: one of three (and `Sent`, for producers that ask for no answer).
//!
//! `NotAppended` is only said when it is proven for *every* attempt; one attempt that may have been processed makes the
//! whole outcome `Unknown`, whatever the last answer was.

use std::fmt;

use super::verdict;

/// How one record's append ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// In the log, with the durability that the acks setting and the topic promise.
    Acked(Acked),
    /// Handed to the network once, no answer asked for (`acks=0`). Nothing more will ever be known.
    Sent {
        /// The partition it was sent to.
        partition: i32,
    },
    /// Proven not to be in the log by any attempt of ours.
    NotAppended(Failure),
    /// May or may not be in the log.
    Unknown(Failure),
}

/// Where a record was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acked {
    /// Its partition.
    pub partition: i32,
    /// Its offset; `None` when the broker recognised a repeat but no longer knows where the first one went.
    pub offset: Option<i64>,
    /// Its timestamp in milliseconds: the broker's append time if the topic uses that, else the record's own.
    pub timestamp_ms: i64,
}

/// Why a record was not acked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The last thing that went wrong.
    pub cause: Cause,
    /// Attempts that left this machine, or may have.
    pub attempts: u32,
    /// The broker's own words, if it sent any.
    pub message: Option<String>,
}

/// The last thing that went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The broker answered with this code.
    Code(i16),
    /// The connection broke, or the answer did not come in time, after the request may have left.
    Lost,
    /// The request was never written: no connection, or it was refused locally.
    NotSent,
    /// The delivery deadline passed.
    Deadline,
    /// The producer was closed first.
    Closed,
    /// The record could not be encoded: too large, or too many headers.
    Unencodable(String),
}

impl Failure {
    /// What a person can do about it.
    pub fn remedy(&self) -> &'static str {
        match &self.cause {
            Cause::Code(code) => verdict::lookup(*code)
                .map_or("look up the error code in Kafka's protocol guide", |row| row.remedy),
            Cause::Lost | Cause::NotSent => "check that the broker runs and can be reached",
            Cause::Deadline => "check that the broker keeps up, or raise the delivery timeout",
            Cause::Closed => "flush the producer before it is closed",
            Cause::Unencodable(_) => "send smaller records",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Code(code) => match verdict::lookup(*code) {
                Some(row) => write!(f, "{} ({code})", row.name)?,
                None => write!(f, "error code {code}")?,
            },
            Cause::Lost => f.write_str("the answer was lost")?,
            Cause::NotSent => f.write_str("the request could not be sent")?,
            Cause::Deadline => f.write_str("the delivery deadline passed")?,
            Cause::Closed => f.write_str("the producer was closed")?,
            Cause::Unencodable(why) => write!(f, "the record cannot be encoded: {why}")?,
        }
        if let Some(message) = &self.message {
            write!(f, ": {message}")?;
        }
        write!(f, " after {} attempt(s); {}", self.attempts, self.remedy())
    }
}

impl Outcome {
    /// Whether the record may be in the log.
    pub fn may_be_appended(&self) -> bool {
        !matches!(self, Outcome::NotAppended(_))
    }
}

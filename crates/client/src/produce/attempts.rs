//! What all attempts of one batch prove together: the outcome rule.
//!
//! Rule: one attempt that may have been processed makes the final answer unknown, whatever the last answer was; only an
//! ack resolves it. The counterpart of `verdict.rs`, which judges a single attempt.

use super::outcome::{Cause, Failure, Outcome};

/// The attempts of one batch so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attempts {
    /// Attempts that left this machine, or may have.
    count: u32,
    /// Whether one of them may have been processed without our knowing how it ended.
    unknown: bool,
    last: Option<Cause>,
    message: Option<String>,
}

impl Attempts {
    /// An attempt that provably did not append: `cause` says how we know.
    pub(crate) fn refused(&mut self, cause: Cause, message: Option<String>) {
        self.count += 1;
        self.last = Some(cause);
        self.message = message;
    }

    /// An attempt that may have appended.
    pub(crate) fn ambiguous(&mut self, cause: Cause, message: Option<String>) {
        self.refused(cause, message);
        self.unknown = true;
    }

    /// An attempt that never left: it does not count, but it explains.
    pub(crate) fn not_sent(&mut self) {
        self.last = Some(Cause::NotSent);
        self.message = None;
    }

    /// The batch cannot be encoded, so it never leaves.
    pub(crate) fn unencodable(&mut self, why: &str) {
        self.last = Some(Cause::Unencodable(why.to_owned()));
        self.message = None;
    }

    /// Whether an attempt may have been processed without our knowing how it ended.
    pub(crate) fn is_unknown(&self) -> bool {
        self.unknown
    }

    /// The outcome if nothing more is tried, for `cause`. A deadline keeps the last answer in its message.
    pub(crate) fn end(&self, cause: Cause) -> Outcome {
        let message = match (&self.message, &cause, &self.last) {
            (Some(message), _, _) => Some(message.clone()),
            (None, Cause::Deadline | Cause::Closed, Some(last)) => {
                let last = Failure { cause: last.clone(), attempts: self.count, message: None };
                Some(format!("before that, {last}"))
            }
            _ => None,
        };
        let failure = Failure { cause, attempts: self.count, message };
        if self.unknown { Outcome::Unknown(failure) } else { Outcome::NotAppended(failure) }
    }

    /// The outcome by the last thing that went wrong.
    pub(crate) fn end_by_last(&self) -> Outcome {
        self.end(self.last.clone().unwrap_or(Cause::NotSent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_earlier_unknown_attempt_makes_the_final_answer_unknown_whatever_its_code() {
        let mut attempts = Attempts::default();
        attempts.ambiguous(Cause::Lost, None);
        attempts.refused(Cause::Code(10), None);
        assert!(matches!(
            attempts.end_by_last(),
            Outcome::Unknown(Failure { cause: Cause::Code(10), attempts: 2, .. })
        ));
    }

    #[test]
    fn attempts_that_were_all_refused_end_as_not_appended() {
        let mut attempts = Attempts::default();
        attempts.refused(Cause::Code(19), None);
        attempts.not_sent();
        assert!(matches!(attempts.end(Cause::Deadline), Outcome::NotAppended(Failure { attempts: 1, .. })));
    }
}

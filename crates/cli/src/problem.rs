//! What went wrong, told to a person: one line that says what, one that says why, one that says what to do next.

use std::error::Error;
use std::fmt;

use crate::exit::Exit;

/// An error on its way to the person at the terminal.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) exit: Exit,
    what: String,
    because: Vec<String>,
    next: Option<String>,
}

pub(crate) type Result<T> = std::result::Result<T, Problem>;

impl Problem {
    /// `what` is a fragment that reads after "error:".
    pub(crate) fn new(exit: Exit, what: impl Into<String>) -> Problem {
        Problem { exit, what: what.into(), because: Vec::new(), next: None }
    }

    /// Adds an error and its sources as reasons; a source that the line above already contains is left out.
    pub(crate) fn because(mut self, error: &(dyn Error + 'static)) -> Problem {
        let mut error = Some(error);
        while let Some(current) = error {
            let text = current.to_string();
            let told = self.because.last().unwrap_or(&self.what);
            if !told.contains(&text) {
                self.because.push(text);
            }
            error = current.source();
        }
        self
    }

    /// What to do next.
    pub(crate) fn next(mut self, next: impl Into<String>) -> Problem {
        self.next = Some(next.into());
        self
    }

    pub(crate) fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "error": self.what, "because": self.because, "next": self.next, "exit": self.exit.code(),
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.what)?;
        for reason in &self.because {
            write!(f, "\n  because: {reason}")?;
        }
        if let Some(next) = &self.next {
            write!(f, "\n  next: {next}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_says_what_why_and_what_next() {
        let inner = std::io::Error::other("the disk is full");
        let problem = Problem::new(Exit::Machine, "cannot open data").because(&inner).next("free some space");
        let wanted = "error: cannot open data\n  because: the disk is full\n  next: free some space";
        assert_eq!(problem.to_string(), wanted);
        assert_eq!(problem.to_json()["exit"], 5);
    }

    #[test]
    fn a_reason_that_is_already_told_is_not_repeated() {
        let inner = std::io::Error::other("the disk is full");
        let problem = Problem::new(Exit::Machine, "cannot open data: the disk is full").because(&inner);
        assert_eq!(problem.to_string(), "error: cannot open data: the disk is full");
    }
}

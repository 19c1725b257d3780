//! `cargo xtask sim`: broker, proxy and clients in one thread on virtual time, many seeds of it, or one seed again.
//!
//! The simulation is an example of poruka-prove, so that it is built with the tests and is in no released binary.

use std::process::Command;
use std::time::Duration;

use crate::failure::{Failure, Result};
use crate::{paths, process, tools};

/// Seeds of each name that must hold before a change lands.
pub(crate) const SEEDS_CI: &str = "200";
const BUILD_TIME_MAX: Duration = Duration::from_secs(30 * 60);
/// A batch of a night.
const RUN_TIME_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The command line.
pub(crate) fn main(arguments: &[String]) -> Result<()> {
    let with_value = ["--seeds", "--from", "--name", "--threads", "--seed", "--history"];
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if !with_value.contains(&word.as_str()) {
            return Err(Failure::new(format!(
                "unknown option {word}; the options are {}",
                with_value.join(", ")
            )));
        }
        words.next().ok_or_else(|| Failure::new(format!("{word} needs a value")))?;
    }
    run(arguments, RUN_TIME_MAX)
}

/// Builds the simulation and runs it.
pub(crate) fn run(arguments: &[String], bound: Duration) -> Result<()> {
    // The whole workspace is named so that nothing is built anew with other features.
    let mut build = tools::cargo();
    build.args(["build", "--quiet", "--workspace", "--example", "simulate"]);
    process::stream(&mut build, BUILD_TIME_MAX.min(bound))?;
    let program = paths::target().join("debug/examples/simulate");
    process::stream(Command::new(program).args(arguments), bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_option_is_refused_before_anything_is_built() {
        let said = main(&["--sead".to_owned()]).unwrap_err().to_string();
        assert!(said.contains("--seed"), "{said}");
        let said = main(&["--seeds".to_owned()]).unwrap_err().to_string();
        assert!(said.contains("needs a value"), "{said}");
    }
}

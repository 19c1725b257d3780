//! `cargo xtask ci`: everything that must hold before a change lands, one step after the other. A failed step does
//! not stop the rest; the table at the end says what ran, how long it took, and what failed.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::failure::{Context as _, Failure, Result};
use crate::{clock, kafka, paths, process, sim, tidy, tools};

/// What a step needs to know.
struct Context {
    real_data: Option<PathBuf>,
}

/// How a step went, if it did not fail.
enum Done {
    Ran,
    /// The one thing that may be left out, with the reason: printed, never silent.
    Skipped(String),
}

struct Step {
    name: &'static str,
    minutes_max: u64,
    run: fn(&Context, Duration) -> Result<Done>,
}

const STEPS: &[Step] = &[
    Step { name: "format", minutes_max: 2, run: format },
    Step { name: "tidy", minutes_max: 1, run: |_, _| tidy::main().map(|()| Done::Ran) },
    Step { name: "clippy", minutes_max: 15, run: clippy },
    Step { name: "deny", minutes_max: 15, run: deny },
    Step { name: "advisories", minutes_max: 5, run: advisories },
    Step { name: "docs", minutes_max: 10, run: docs },
    Step { name: "tests", minutes_max: 25, run: tests },
    Step { name: "sim", minutes_max: 4, run: simulation },
    Step { name: "kafka-conformance", minutes_max: 15, run: kafka_conformance },
    Step { name: "release", minutes_max: 20, run: release },
    Step { name: "foreign-clients", minutes_max: 25, run: foreign_clients },
    Step { name: "prove", minutes_max: 5, run: prove_default },
    Step { name: "reread", minutes_max: 2, run: reread },
    Step { name: "prove-flights", minutes_max: 8, run: prove_flights },
    Step { name: "prove-history", minutes_max: 8, run: prove_history },
];

/// The command line.
pub(crate) fn main(arguments: &[String]) -> Result<()> {
    let (mut only, mut from, mut context) = (None, None, Context { real_data: None });
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().cloned().ok_or("it needs a value").context(word.as_str());
        match word.as_str() {
            "--only" => only = Some(known(value()?)?),
            "--from" => from = Some(known(value()?)?),
            "--real-data" => context.real_data = Some(real_data(PathBuf::from(value()?))?),
            "--list" => {
                STEPS.iter().for_each(|step| println!("{}", step.name));
                return Ok(());
            }
            other => return Err(Failure::new(format!("unknown option {other}"))),
        }
    }
    let skipped =
        STEPS.iter().take_while(|step| from.as_deref().is_some_and(|from| from != step.name)).count();
    let chosen = STEPS[skipped..].iter().filter(|step| only.as_deref().is_none_or(|only| only == step.name));
    run(&context, chosen)
}

fn known(name: String) -> Result<String> {
    let names: Vec<&str> = STEPS.iter().map(|step| step.name).collect();
    match names.contains(&name.as_str()) {
        true => Ok(name),
        false => Err(Failure::new(format!("no step {name:?}; the steps are {}", names.join(", ")))),
    }
}

fn real_data(folder: PathBuf) -> Result<PathBuf> {
    folder.canonicalize().context(format!("--real-data {}", folder.display()))
}

fn run<'a>(context: &Context, steps: impl Iterator<Item = &'a Step>) -> Result<()> {
    let began = clock::now();
    let mut rows = Vec::new();
    for step in steps {
        println!("\n==== {} (at most {} min)", step.name, step.minutes_max);
        let step_began = clock::now();
        let outcome = (step.run)(context, Duration::from_secs(step.minutes_max * 60));
        if let Err(failure) = &outcome {
            println!("{} failed: {failure}", step.name);
        }
        rows.push((step.name, step_began.elapsed().as_secs_f64(), outcome));
    }
    println!("\n{:20} {:>9}  result", "step", "seconds");
    let (mut passed, mut failed) = (0, 0);
    for (name, seconds, outcome) in &rows {
        let word = match outcome {
            Ok(Done::Ran) => "passed".to_string(),
            Ok(Done::Skipped(reason)) => format!("SKIPPED: {reason}"),
            Err(_) => "FAILED".to_string(),
        };
        println!("{name:20} {seconds:9.1}  {word}");
        match outcome {
            Ok(Done::Ran) => passed += 1,
            Ok(Done::Skipped(_)) => {}
            Err(_) => failed += 1,
        }
    }
    println!("{:20} {:9.1}\n", "all", began.elapsed().as_secs_f64());
    println!("{passed} passed, {failed} failed");
    if failed == 0 { Ok(()) } else { Err(Failure::new("ci failed")) }
}

fn cargo(arguments: &[&str], bound: Duration) -> Result<Done> {
    cargo_with(arguments, &[], bound)
}

fn cargo_with(arguments: &[&str], environment: &[(&str, &str)], bound: Duration) -> Result<Done> {
    println!("$ cargo {}", arguments.join(" "));
    let mut command = tools::cargo();
    command.args(arguments).envs(environment.iter().copied());
    process::stream(&mut command, bound).map(|()| Done::Ran)
}

fn format(_: &Context, bound: Duration) -> Result<Done> {
    cargo(&["fmt", "--all", "--", "--check"], bound)
}

fn clippy(_: &Context, bound: Duration) -> Result<Done> {
    cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"], bound)
}

fn docs(_: &Context, bound: Duration) -> Result<Done> {
    cargo_with(&["doc", "--workspace", "--no-deps"], &[("RUSTDOCFLAGS", "-D warnings")], bound)
}

fn tests(_: &Context, bound: Duration) -> Result<Done> {
    cargo(&["test", "--workspace"], bound)
}

/// One seed drives everything, many times. The tests step has built it.
fn simulation(_: &Context, bound: Duration) -> Result<Done> {
    let arguments = ["--seeds", sim::SEEDS_CI].map(str::to_owned);
    sim::run(&arguments, bound).map(|()| Done::Ran)
}

fn cargo_deny(arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(tools::cargo_deny()?);
    command.arg("--manifest-path").arg(paths::root().join("Cargo.toml")).args(arguments);
    Ok(command)
}

fn deny(_: &Context, bound: Duration) -> Result<Done> {
    let mut command = cargo_deny(&["check", "bans", "licenses", "sources"])?;
    process::stream(&mut command, bound).map(|()| Done::Ran)
}

/// The advisories stand in a database that some networks do not reach: the only thing that may be skipped.
fn advisories(_: &Context, bound: Duration) -> Result<Done> {
    let fetched = process::capture(&mut cargo_deny(&["fetch", "db"])?, b"", bound / 2);
    match fetched.and_then(|finished| finished.stdout_if_ok("cargo deny fetch db")) {
        Ok(_) => process::stream(&mut cargo_deny(&["check", "advisories"])?, bound).map(|()| Done::Ran),
        Err(failure) => {
            println!("{failure}");
            Ok(Done::Skipped("the advisory database cannot be reached".to_string()))
        }
    }
}

/// The library's suite, that the tests step ran on two targets, on a real Apache Kafka too.
fn kafka_conformance(_: &Context, bound: Duration) -> Result<Done> {
    let address = kafka::up(None)?;
    println!("PORUKA_KAFKA={address}");
    // The whole workspace is named so that nothing is built anew with other features.
    let suites = ["test", "--workspace", "--test", "kafka", "--test", "round_trip"];
    let tested = cargo_with(&suites, &[("PORUKA_KAFKA", &address)], bound);
    kafka::down()?;
    tested
}

/// Built here, so that no later step pays for it within its own bound.
fn release(_: &Context, bound: Duration) -> Result<Done> {
    cargo(&["build", "--release", "--package", "poruka-cli"], bound)
}

fn foreign_clients(_: &Context, _: Duration) -> Result<Done> {
    crate::clients::main(&[]).map(|()| Done::Ran)
}

fn prove(arguments: &[&str], bound: Duration) -> Result<Done> {
    let run = ["run", "--quiet", "--release", "--package", "poruka-cli", "--", "prove"];
    cargo(&[&run, arguments].concat(), bound)
}

/// Where the default prove run leaves its data for the reread step.
fn prove_data() -> PathBuf {
    paths::target().join("ci/prove-data")
}

fn prove_default(_: &Context, bound: Duration) -> Result<Done> {
    let data = prove_data();
    drop(std::fs::remove_dir_all(&data));
    prove(&["--keep-data", &data.to_string_lossy(), "--out", &report_folder("default")], bound)
}

fn report_folder(name: &str) -> String {
    paths::target().join("ci/report").join(name).to_string_lossy().into_owned()
}

fn reread(_: &Context, _: Duration) -> Result<Done> {
    let data = prove_data().to_string_lossy().into_owned();
    crate::clients::main(&["--prove-data".to_string(), data]).map(|()| Done::Ran)
}

fn prove_flights(context: &Context, bound: Duration) -> Result<Done> {
    prove_file(context, "flights.jsonl.gz", &["--key", "tailnum", "--id", "id"], bound)
}

fn prove_history(context: &Context, bound: Duration) -> Result<Done> {
    let fields = ["--key", "author", "--id", "id", "--parents", "parents"];
    prove_file(context, "git-history.jsonl.gz", &fields, bound)
}

fn prove_file(context: &Context, name: &str, fields: &[&str], bound: Duration) -> Result<Done> {
    let Some(folder) = &context.real_data else {
        return Ok(Done::Skipped("no --real-data DIR was given".to_string()));
    };
    let input = folder.join(name).to_string_lossy().into_owned();
    let report = report_folder(name);
    prove(&[&["--input", &input, "--out", &report], fields].concat(), bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_step_names_the_known_ones() {
        let said = known("clipy".to_string()).unwrap_err().to_string();
        assert!(said.contains("clippy") && said.contains("prove-history"), "{said}");
    }

    #[test]
    fn all_steps_together_stay_inside_their_bound() {
        // A machine that hits every bound still ends; the usual run is far below.
        let minutes: u64 = STEPS.iter().map(|step| step.minutes_max).sum();
        assert!(minutes <= 160, "{minutes} minutes");
    }
}

//! Everything a maintainer runs: `cargo xtask ci | sim | clients | kafka | tidy`.
//!
//! Depends on nothing of Poruka's own crates, on purpose: what checks the product must not share its mistakes. The
//! broker under test is a program that is started, killed and spoken to over a socket.

mod ci;
mod clients;
mod clock;
mod failure;
mod kafka;
mod paths;
mod process;
mod raw;
mod sim;
mod tidy;
mod tools;

use failure::{Failure, Result};

const USAGE: &str = "\
usage: cargo xtask COMMAND

  ci [--only STEP] [--from STEP] [--real-data DIR] [--list]
        everything that must hold before a change lands, and a table of what ran
  sim [--seeds N] [--from SEED] [--name NAME] [--threads N]
  sim --seed SEED [--name NAME] [--history FILE]
        broker, proxy and clients in one thread on virtual time: many seeds (200 of each name
        unless told otherwise), or one seed again in full
  clients [--only NAME] [--case CASE] [--target poruka|kafka] [--binary FILE]
          [--prove-data DIR] [--list]
        foreign Kafka clients against `poruka serve`, or against Apache Kafka to prove the tests
  kafka up [--port N] | down | status
        one real Apache Kafka node; `up` prints PORUKA_KAFKA=127.0.0.1:PORT
  tidy  rules that no compiler checks: file sizes, words, decisions
";

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            std::process::ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => return Err(Failure::new(USAGE)),
    };
    match command {
        "ci" => ci::main(rest),
        "sim" => sim::main(rest),
        "clients" => clients::main(rest),
        "kafka" => kafka::main(rest),
        "tidy" => tidy::main(),
        "help" | "--help" | "-h" => {
            print!("{USAGE}");
            Ok(())
        }
        other => Err(Failure::new(format!("unknown command {other:?}\n\n{USAGE}"))),
    }
}

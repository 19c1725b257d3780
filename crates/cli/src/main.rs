//! The `poruka` binary: serve, topic, group, produce, consume, prove, explain.
//!
//! Results go to standard output, logs and errors to standard error; the exit code says how it ended (exit.rs).
//! This crate holds no logic of its own beyond reading arguments and printing: the broker, the library and the prover
//! do the work.

mod commands;
mod exit;
mod output;
mod problem;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use exit::Exit;
use output::Form;

/// Name a delivery guarantee, get it, prove it.
#[derive(Parser, Debug)]
#[command(name = "poruka", version, after_long_help = exit::help(), arg_required_else_help = true)]
struct Cli {
    /// What the results look like.
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORM")]
    output: Form,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Explain(commands::explain::Explain),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let form = cli.output;
    let outcome = match cli.command {
        Command::Explain(command) => commands::explain::run(&command, form),
    };
    let exit = match outcome {
        Ok(()) => Exit::Done,
        Err(problem) => {
            match form {
                Form::Text => eprintln!("{problem}"),
                Form::Json => eprintln!("{}", problem.to_json()),
            }
            problem.exit
        }
    };
    ExitCode::from(exit.code())
}

//! The `poruka` binary: serve, topic, group, produce, consume, prove, bench, check, explain.
//!
//! Results go to standard output, logs and errors to standard error; the exit code says how it ended (exit.rs).
//! This crate holds no logic of its own beyond reading arguments and printing: the broker, the library and the prover
//! do the work.

mod commands;
mod connect;
mod exit;
mod output;
mod position;
mod problem;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use commands::{bench, check, consume, explain, group, produce, prove, serve, topic};
use exit::Exit;
use output::Form;
use problem::{Problem, Result};

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
    Serve(serve::Serve),
    Topic(topic::Topic),
    Group(group::Group),
    Produce(produce::Produce),
    Consume(consume::Consume),
    Prove(prove::Prove),
    Bench(bench::Bench),
    Check(check::Check),
    Explain(explain::Explain),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let form = cli.output;
    let exit = match run(cli) {
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

fn run(cli: Cli) -> Result<()> {
    let form = cli.output;
    // The broker tells what it does; the other commands speak only when something is wrong.
    log_to_stderr(if matches!(cli.command, Command::Serve(_)) { "info" } else { "warn" });
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| Problem::new(Exit::Machine, "cannot start threads").because(&error))?;
    let done = runtime.block_on(async {
        match cli.command {
            Command::Serve(command) => serve::run(command, form).await,
            Command::Topic(command) => topic::run(command, form).await,
            Command::Group(command) => group::run(command, form).await,
            Command::Produce(command) => produce::run(command, form).await,
            Command::Consume(command) => consume::run(command, form).await,
            Command::Prove(command) => prove::run(command, form).await,
            Command::Bench(command) => bench::run(command, form).await,
            Command::Check(command) => check::run(&command, form),
            Command::Explain(command) => explain::run(&command, form),
        }
    });
    // A thread that waits on standard input would hold the end up for ever.
    runtime.shutdown_background();
    done
}

fn log_to_stderr(usual: &str) {
    let filter = EnvFilter::try_from_env("PORUKA_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let colours = std::io::stderr().is_terminal();
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    logs.with_ansi(colours).with_target(false).init();
}

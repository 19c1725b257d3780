//! `poruka prove`: runs the prover, shows how far it is, prints the matrix, and says where the report is. The proof
//! itself is made in crates/prove.

use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use poruka_env::Env;
use poruka_guarantee::Name;
use poruka_prove::input::{Input, InputError, JsonFields};
use poruka_prove::report::{Report, Verdict, matrix::render_matrix, write};
use poruka_prove::{Progress, ProveError, ProveOptions, Step, prove};

use crate::exit::Exit;
use crate::output::{self, Form};
use crate::problem::{Problem, Result};

/// Prove the guarantees: real input, real faults, a verdict per name.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  poruka prove                                     every built name, on the history of this clone
  poruka prove --only durable --seed 42            one name and its controls; the seed replays the fault plan
  poruka prove --input flights.jsonl.gz --key tailnum --id id
  poruka prove --input commits.jsonl --key author --id id --parents parents

A broker is started in a temporary folder. Records go to it through a proxy that cuts connections and drops responses;
the broker is killed, and its power is cut (a simulated disk keeps unsynced bytes in memory). What comes out is compared
with the input. The matrix shows each name and anomaly: checked, seen, verdict.
The exit code is 0 only if every claim held.")]
pub(crate) struct Prove {
    /// A file with one JSON object a line, plain or gzip; without it the git history around this folder is sent,
    /// topped up by a generator.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// The field that holds a record's key.
    #[arg(long, value_name = "FIELD", requires = "input")]
    key: Option<String>,
    /// The field that holds a record's id; without it the line number is the id.
    #[arg(long, value_name = "FIELD", requires = "input")]
    id: Option<String>,
    /// The field that holds the ids of the records that came before.
    #[arg(long, value_name = "FIELD", requires = "input")]
    parents: Option<String>,
    /// Send generated records only.
    #[arg(long, conflicts_with = "input")]
    generated: bool,
    /// Take at most so many records.
    #[arg(long, value_name = "N")]
    records: Option<usize>,
    /// Replays the workload and the plan of faults.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Only this name (such as durable) and the weaker ones that it needs as controls; may be repeated.
    #[arg(long, value_name = "NAME")]
    only: Vec<Name>,
    /// Where report.html and report.json go.
    #[arg(long, value_name = "DIR", default_value = "poruka-report")]
    out: PathBuf,
    /// Keep the brokers' data folders here, with kept.json that counts what was read from them.
    #[arg(long, value_name = "DIR")]
    keep_data: Option<PathBuf>,
}

pub(crate) async fn run(command: Prove, form: Form) -> Result<()> {
    let input = match (&command.input, command.generated) {
        (Some(path), _) => {
            let Prove { key, id, parents, .. } = &command;
            let fields = JsonFields { key: key.clone(), id: id.clone(), parents: parents.clone() };
            Input::File { path: path.clone(), fields }
        }
        (None, true) => Input::Generated,
        (None, false) => Input::History { folder: PathBuf::from(".") },
    };
    let options = ProveOptions {
        input,
        records: command.records,
        seed: command.seed,
        only: command.only.clone(),
        serve_exe: None,
        keep_data: command.keep_data.clone(),
    };
    let bar = Bar::new(form);
    let proven = tokio::select! {
        biased;
        _ = tokio::signal::ctrl_c() => Err(Problem::new(Exit::Interrupted, "interrupted: no verdict")),
        proven = prove(Env::real(), options, &bar) => proven.map_err(|error| no_report(&error)),
    };
    bar.0.finish_and_clear();
    tell(&proven?, &command, form)
}

fn tell(report: &Report, command: &Prove, form: Form) -> Result<()> {
    let written = write(report, &command.out).map_err(|error| {
        Problem::new(Exit::Machine, format!("cannot write the report into {}", command.out.display()))
            .because(&error)
            .next("name a folder that this user may write with --out")
    })?;
    let json = serde_json::to_value(report)
        .map_err(|error| Problem::new(Exit::Failed, "cannot write the report as JSON").because(&error))?;
    let colour = std::io::IsTerminal::is_terminal(&std::io::stdout());
    output::either(form, &json, || {
        let (html, json) = (written.html.display(), written.json.display());
        format!("{}\nreport: {html}\nreceipt: {json}", render_matrix(report, colour))
    })?;
    let next = format!("open {}", written.html.display());
    match report.verdict {
        Verdict::Kept => Ok(()),
        Verdict::Broken => Err(Problem::new(Exit::Broken, "a claim was broken").next(next)),
        Verdict::NotProven => Err(Problem::new(Exit::NotProven, "not every claim was proven").next(next)),
    }
}

fn no_report(error: &ProveError) -> Problem {
    match error {
        ProveError::Input(InputError::Thread(_)) => {
            Problem::new(Exit::Machine, "cannot read the input").because(error)
        }
        ProveError::Input(_) => Problem::new(Exit::Input, "cannot read the input")
            .because(error)
            .next("mend the file, or name its fields"),
        ProveError::NotBuilt(_) => {
            Problem::new(Exit::Usage, error.to_string()).next("poruka explain lists the names")
        }
        _ => Problem::new(Exit::Machine, "the prover could not do its work").because(error),
    }
}

/// The progress bar; hidden where nobody looks.
struct Bar(ProgressBar);

impl Bar {
    fn new(form: Form) -> Bar {
        if form == Form::Json {
            return Bar(ProgressBar::hidden());
        }
        let style = ProgressStyle::with_template("{bar:30} {percent:>3}%  {elapsed}  {msg}");
        Bar(ProgressBar::new(1).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())))
    }
}

impl Progress for Bar {
    fn step(&self, step: Step) {
        self.0.set_length(step.of);
        self.0.set_position(step.done);
        self.0.set_message(format!("{} · {} · {} handled", step.name, step.phase.as_str(), step.handled));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_provers_exit_codes_are_those_of_the_table() {
        use poruka_prove::report::{EXIT_BROKEN, EXIT_KEPT, EXIT_NOT_PROVEN};
        let ours = [Exit::Done, Exit::Broken, Exit::NotProven].map(Exit::code);
        assert_eq!(ours, [EXIT_KEPT, EXIT_BROKEN, EXIT_NOT_PROVEN]);
    }
}

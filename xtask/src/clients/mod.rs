//! Other people's Kafka clients against `poruka serve`: each case is a test with assertions, and in the middle of
//! each client's run the broker is killed with SIGKILL and started again on the same data.
//!
//! `--target kafka` runs the same cases against a real Apache Kafka: a case that fails there is wrong itself.
//! Cases that are left out stand, each with its reason, in xtask/clients/excluded.txt.

mod dump;
mod java;
mod kcat;
mod python;
mod reread;
mod target;

use std::path::PathBuf;

use crate::failure::{Context, Failure, Result};
use crate::{clock, paths};
pub(crate) use target::{Kind, Target};

/// One client's part: its name and how its cases are run.
struct Client {
    name: &'static str,
    cases: fn() -> Result<Vec<String>>,
    run: fn(&mut Target, &[String]) -> Result<Vec<Verdict>>,
}

const CLIENTS: &[Client] = &[
    Client { name: "kcat", cases: kcat::cases, run: kcat::run },
    Client { name: "confluent-kafka", cases: python::confluent_cases, run: python::confluent },
    Client { name: "kafka-python", cases: python::kafka_python_cases, run: python::kafka_python },
    Client { name: "java", cases: java::cases, run: java::run },
    Client { name: "kafka-dump-log", cases: dump::cases, run: dump::run },
];

/// How one case ended.
pub(crate) struct Verdict {
    case: String,
    seconds: f64,
    error: Option<String>,
}

/// A case written in Rust.
type Case = (&'static str, fn(&mut Target) -> Result<()>);

/// What the command line asked for.
#[derive(Default)]
pub(crate) struct Options {
    only: Option<String>,
    case: Option<String>,
    kafka: bool,
    list: bool,
    binary: Option<PathBuf>,
    prove_data: Option<PathBuf>,
}

/// The command line.
pub(crate) fn main(arguments: &[String]) -> Result<()> {
    let options = Options::parse(arguments)?;
    let kind = match options.kafka {
        true => Kind::Kafka,
        false if options.list => Kind::Kafka,
        false => Kind::Poruka(target::poruka_binary(options.binary.clone())?),
    };
    if let Some(folder) = &options.prove_data {
        return reread::run(&kind, folder);
    }
    let excluded = Excluded::read(matches!(kind, Kind::Kafka))?;
    let mut rows = Vec::new();
    for client in
        CLIENTS.iter().filter(|client| options.only.as_deref().is_none_or(|only| only == client.name))
    {
        run_client(client, &kind, &options, &excluded, &mut rows)?;
    }
    if options.list {
        return Ok(());
    }
    if rows.is_empty() {
        return Err(Failure::new("nothing ran: see `cargo xtask clients --list` for the names"));
    }
    report(&rows)
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Options> {
        let mut options = Options::default();
        let mut words = arguments.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().cloned().ok_or("it needs a value").context(word.as_str());
            match word.as_str() {
                "--only" => options.only = Some(value()?),
                "--case" => options.case = Some(value()?),
                "--binary" => options.binary = Some(PathBuf::from(value()?)),
                "--prove-data" => options.prove_data = Some(PathBuf::from(value()?)),
                "--target" => options.kafka = value()? == "kafka",
                "--list" => options.list = true,
                other => return Err(Failure::new(format!("unknown option {other}"))),
            }
        }
        Ok(options)
    }
}

struct Row {
    client: &'static str,
    case: String,
    seconds: f64,
    verdict: std::result::Result<(), String>,
    excluded: Option<String>,
}

fn run_client(
    client: &Client,
    kind: &Kind,
    options: &Options,
    excluded: &Excluded,
    rows: &mut Vec<Row>,
) -> Result<()> {
    let cases = (client.cases)()?;
    let mut chosen = Vec::new();
    for case in cases {
        if options.case.as_ref().is_some_and(|only| *only != case) {
            continue;
        }
        if options.list {
            println!("{:16} {case}", client.name);
            continue;
        }
        match excluded.reason(client.name, &case) {
            Some(reason) => rows.push(Row::excluded(client.name, case, reason)),
            None => chosen.push(case),
        }
    }
    if chosen.is_empty() {
        return Ok(());
    }
    let began = clock::now();
    println!("xtask: {} ({} cases)", client.name, chosen.len());
    let outcome = Target::start(kind).and_then(|mut target| {
        let verdicts = (client.run)(&mut target, &chosen)?;
        if verdicts.iter().any(|verdict| verdict.error.is_some()) {
            println!("{}", target.keep()?);
        }
        Ok(verdicts)
    });
    match outcome {
        Ok(verdicts) => rows.extend(verdicts.into_iter().map(|verdict| Row::ran(client.name, verdict))),
        Err(failure) => rows.push(Row {
            client: client.name,
            case: "(the run itself)".to_string(),
            seconds: began.elapsed().as_secs_f64(),
            verdict: Err(failure.to_string()),
            excluded: None,
        }),
    }
    Ok(())
}

impl Row {
    fn excluded(client: &'static str, case: String, reason: String) -> Row {
        Row { client, case, seconds: 0.0, verdict: Ok(()), excluded: Some(reason) }
    }

    fn ran(client: &'static str, verdict: Verdict) -> Row {
        let Verdict { case, seconds, error } = verdict;
        Row { client, case, seconds, verdict: error.map_or(Ok(()), Err), excluded: None }
    }
}

fn report(rows: &[Row]) -> Result<()> {
    println!("\n{:16} {:58} {:>7}", "client", "case", "seconds");
    for row in rows {
        let word = match (&row.excluded, &row.verdict) {
            (Some(reason), _) => format!("left out: {reason}"),
            (None, Ok(())) => "passed".to_string(),
            (None, Err(_)) => "FAILED".to_string(),
        };
        println!("{:16} {:58} {:7.1}  {word}", row.client, row.case, row.seconds);
    }
    let failed: Vec<&Row> = rows.iter().filter(|row| row.verdict.is_err()).collect();
    for row in &failed {
        println!("\n{} {}:\n{}", row.client, row.case, row.verdict.as_ref().err().map_or("", String::as_str));
    }
    let excluded = rows.iter().filter(|row| row.excluded.is_some()).count();
    let passed = rows.len() - failed.len() - excluded;
    println!("\nforeign clients: {passed} passed, {} failed, {excluded} left out", failed.len());
    if failed.is_empty() { Ok(()) } else { Err(Failure::new("a foreign client failed")) }
}

/// Runs the chosen ones of a table of cases, one after the other, on one broker.
fn run_cases(table: &[Case], target: &mut Target, chosen: &[String]) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for (name, case) in table.iter().filter(|(name, _)| chosen.iter().any(|chosen| chosen == name)) {
        let began = clock::now();
        let error = case(target).err().map(|failure| failure.to_string());
        verdicts.push(Verdict::told(name, began.elapsed().as_secs_f64(), error));
    }
    verdicts
}

fn names(table: &[Case]) -> Vec<String> {
    table.iter().map(|(name, _)| name.to_string()).collect()
}

impl Verdict {
    /// A verdict that is also printed as it falls.
    fn told(case: &str, seconds: f64, error: Option<String>) -> Verdict {
        println!("  {case}: {} ({seconds:.1} s)", if error.is_none() { "passed" } else { "FAILED" });
        Verdict { case: case.to_string(), seconds, error }
    }
}

/// Cases that do not run, with the reason of each: `TARGET CLIENT CASE: reason` lines.
struct Excluded(Vec<(String, String)>);

impl Excluded {
    fn read(kafka: bool) -> Result<Excluded> {
        let path = paths::xtask("clients/excluded.txt");
        let text = std::fs::read_to_string(&path).context("read excluded.txt")?;
        let prefix = if kafka { "kafka " } else { "poruka " };
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        let mut excluded = Vec::new();
        for line in lines {
            let parts = line.split_once(": ").filter(|(_, reason)| !reason.trim().is_empty());
            let (what, reason) = parts.ok_or("needs `TARGET CLIENT CASE: reason`").context(line)?;
            if let Some(what) = what.strip_prefix(prefix) {
                excluded.push((what.to_string(), reason.to_string()));
            }
        }
        Ok(Excluded(excluded))
    }

    fn reason(&self, client: &str, case: &str) -> Option<String> {
        let wanted = format!("{client} {case}");
        self.0.iter().find(|(what, _)| *what == wanted).map(|(_, reason)| reason.clone())
    }
}

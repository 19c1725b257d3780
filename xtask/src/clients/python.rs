//! Clients that are Python packages: the scripts in xtask/clients, driven over the line protocol that harness.py
//! describes.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::{Target, Verdict};
use crate::failure::{Context, Failure, Result};
use crate::process::{self, Running};
use crate::{clock, paths, tools};

/// No case takes longer, on a slow machine, than its own bound inside the script.
const SCRIPT: Duration = Duration::from_secs(900);
const LIST: Duration = Duration::from_secs(60);

pub(super) fn confluent_cases() -> Result<Vec<String>> {
    list("confluent.py")
}

pub(super) fn confluent(target: &mut Target, cases: &[String]) -> Result<Vec<Verdict>> {
    drive("confluent.py", target, cases)
}

pub(super) fn kafka_python_cases() -> Result<Vec<String>> {
    list("kafka_python.py")
}

pub(super) fn kafka_python(target: &mut Target, cases: &[String]) -> Result<Vec<Verdict>> {
    drive("kafka_python.py", target, cases)
}

fn command(script: &str) -> Result<Command> {
    let mut command = Command::new(tools::python()?);
    // -B: leaves no byte code in the source tree.
    command.args(["-u", "-B"]).arg(paths::xtask("clients").join(script));
    Ok(command)
}

fn list(script: &str) -> Result<Vec<String>> {
    let listed = process::capture(command(script)?.arg("--list"), b"", LIST)?.stdout_if_ok(script)?;
    Ok(listed.lines().map(str::to_string).collect())
}

fn drive(script: &str, target: &mut Target, cases: &[String]) -> Result<Vec<Verdict>> {
    let mut running = Running::start(command(script)?.arg(target.address()).args(cases), true)?;
    let mut verdicts = Vec::new();
    let mut read = 0;
    let done = clock::wait_for(SCRIPT, || match step(&mut running, &mut read, target, &mut verdicts) {
        Ok(false) => None,
        Ok(true) => Some(Ok(())),
        Err(failure) => Some(Err(failure)),
    });
    done.unwrap_or_else(|| Err(Failure::new(format!("{script} takes longer than {} s", SCRIPT.as_secs()))))?;
    if verdicts.len() != cases.len() {
        let stderr = running.stderr();
        return Err(Failure::new(format!(
            "{script} reported {} of {} cases: {stderr}",
            verdicts.len(),
            cases.len()
        )));
    }
    Ok(verdicts)
}

/// Handles the lines that came since; true when the script has ended and everything is read.
fn step(
    running: &mut Running,
    read: &mut usize,
    target: &mut Target,
    verdicts: &mut Vec<Verdict>,
) -> Result<bool> {
    let ended = running.ended();
    let stdout = running.stdout();
    let fresh: Vec<&str> =
        stdout.split_inclusive('\n').skip(*read).filter(|line| line.ends_with('\n')).collect();
    *read += fresh.len();
    for line in &fresh {
        let Ok(Value::Object(message)) = serde_json::from_str(line) else {
            print!("    {line}");
            continue;
        };
        if message.contains_key("restart") {
            target.kill_and_restart()?;
            running.write(b"restarted\n")?;
        } else if let Some(case) = message.get("case").and_then(Value::as_str) {
            let error = message.get("error").and_then(Value::as_str).map(str::to_string);
            let seconds =
                message.get("seconds").and_then(Value::as_f64).ok_or("no seconds").context("verdict")?;
            verdicts.push(Verdict::told(case, seconds, error));
        }
    }
    Ok(ended && fresh.is_empty())
}

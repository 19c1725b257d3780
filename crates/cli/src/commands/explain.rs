//! `poruka explain`: what a guarantee promises, through which failures, and how that is shown to be true. Everything
//! printed here comes from the contract in crates/guarantee.

use clap::Args;
use poruka_guarantee::{Anomaly, Failure, Name, controls_of, table::word};
use serde_json::{Value, json};

use crate::exit::Exit;
use crate::output::{self, Form};
use crate::problem::{Problem, Result};

/// What a guarantee promises: what survives what.
#[derive(Args, Debug)]
#[command(after_long_help = "\
Examples:
  poruka explain                  the seven names in one table
  poruka explain durable          the contract of one name
  poruka explain A3               what an anomaly is, and who forbids it
  poruka explain ordered --output json")]
pub(crate) struct Explain {
    /// A guarantee (durable, ordered, ...) or an anomaly (A1 to A10); nothing lists the names.
    what: Option<String>,
}

pub(crate) fn run(command: &Explain, form: Form) -> Result<()> {
    let Some(what) = &command.what else { return output::either(form, &names_json(), names_text) };
    if let Some(anomaly) = Anomaly::ALL.into_iter().find(|anomaly| anomaly.code().eq_ignore_ascii_case(what))
    {
        return output::either(form, &anomaly_json(anomaly), || anomaly_text(anomaly));
    }
    match what.parse::<Name>() {
        Ok(name) => output::either(form, &name_json(name), || name_text(name)),
        Err(unknown) => {
            let next = unknown
                .nearest()
                .map_or("poruka explain".to_string(), |near| format!("poruka explain {near}"));
            Err(Problem::new(Exit::Usage, unknown.to_string()).next(next))
        }
    }
}

fn names_text() -> String {
    let row = |name: &Name| {
        let forbidden = forbidden_codes(*name).join(" ");
        let built = if name.built() { "" } else { " (not built yet)" };
        vec![format!("{name}{built}"), name.guarantee().to_string(), forbidden]
    };
    let rows: Vec<Vec<String>> = Name::ALL.iter().map(row).collect();
    let table = output::table(&["guarantee", "dials", "forbids"], &rows);
    format!("{table}\nOne of them: poruka explain durable. An anomaly: poruka explain A1.")
}

fn names_json() -> Value {
    Name::ALL.iter().map(|name| name_json(*name)).collect()
}

fn forbidden_codes(name: Name) -> Vec<&'static str> {
    name.guarantee().contract().forbidden_ever().iter().map(Anomaly::code).collect()
}

fn name_text(name: Name) -> String {
    let guarantee = name.guarantee();
    let contract = guarantee.contract();
    let mut text = format!("{name}: {}\n\n", name.promise());
    text.push_str(&format!("  dials        {guarantee}\n  kept by      {}\n", name.techniques()));
    let (survives, not): (Vec<Failure>, Vec<Failure>) =
        Failure::ALL.into_iter().partition(|failure| guarantee.survives(*failure));
    text.push_str(&format!("  survives     {}\n", titles(&survives)));
    text.push_str(&format!("  not          {} (on one node)\n", titles(&not)));
    if !name.built() {
        text.push_str("  not built yet: this version refuses it, and never gives something weaker instead\n");
    }
    let mut head = vec!["anomaly"];
    head.extend(Failure::ALL.iter().map(|failure| failure.title()));
    let row = |anomaly: &Anomaly| {
        let words = Failure::ALL.iter().map(|failure| word(&contract, *anomaly, *failure).to_string());
        std::iter::once(anomaly.to_string()).chain(words).collect()
    };
    let rows: Vec<Vec<String>> = Anomaly::ALL.iter().map(row).collect();
    text.push_str(&format!("\n{}", output::table(&head, &rows)));
    text.push_str(
        "\nnever: one sighting breaks the guarantee. may: allowed, and counted. -: not about this failure.\n",
    );
    let controls: Vec<String> = controls_of(name)
        .map(|control| {
            format!("  {}: {} must show it ({})\n", control.anomaly, control.weaker, control.because)
        })
        .collect();
    if !controls.is_empty() {
        text.push_str(&format!("\nA proof counts only if, under the same faults,\n{}", controls.concat()));
    }
    if name.built() {
        text.push_str(&format!(
            "\nUse it:   poruka topic create orders --guarantee {name}\nProve it: poruka prove --only {name}\n"
        ));
    }
    text
}

fn titles(failures: &[Failure]) -> String {
    failures.iter().map(|failure| failure.title()).collect::<Vec<_>>().join(", ")
}

fn name_json(name: Name) -> Value {
    let guarantee = name.guarantee();
    let contract = guarantee.contract();
    let claims: Vec<Value> = Anomaly::ALL
        .iter()
        .map(|anomaly| {
            let words =
                Failure::ALL.iter().map(|f| (f.title().to_string(), word(&contract, *anomaly, *f).into()));
            let words: serde_json::Map<String, Value> = words.collect();
            json!({"anomaly": anomaly.code(), "title": anomaly.title(), "under": words})
        })
        .collect();
    let survives: Vec<&str> =
        Failure::ALL.iter().filter(|f| guarantee.survives(**f)).map(|failure| failure.title()).collect();
    json!({
        "name": name.as_str(), "promise": name.promise(), "techniques": name.techniques(), "built": name.built(),
        "delivery": guarantee.delivery.as_str(), "order": guarantee.order.as_str(),
        "durability": guarantee.durability.as_str(), "forbids": forbidden_codes(name), "survives": survives,
        "contract": claims,
    })
}

fn forbidders(anomaly: Anomaly) -> Vec<&'static str> {
    let forbids = |name: &Name| name.guarantee().contract().forbidden_ever().contains(anomaly);
    Name::ALL.iter().filter(|name| forbids(name)).map(|name| name.as_str()).collect()
}

fn anomaly_text(anomaly: Anomaly) -> String {
    format!("{anomaly}: {}\n\n  forbidden by  {}\n", anomaly.meaning(), forbidders(anomaly).join(", "))
}

fn anomaly_json(anomaly: Anomaly) -> Value {
    json!({
        "anomaly": anomaly.code(), "title": anomaly.title(), "meaning": anomaly.meaning(),
        "forbidden_by": forbidders(anomaly),
    })
}

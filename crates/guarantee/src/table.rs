//! The tables that documents and `poruka explain` print, made from the contract and nothing else.

use std::fmt::Write as _;

use crate::{Anomaly, Claim, Contract, Failure, Name, controls_of};

/// The seven names as a Markdown table: what README shows.
pub fn names_markdown() -> String {
    let mut table = String::from(
        "| name | delivery | order | durability | forbids | promise |\n|---|---|---|---|---|---|\n",
    );
    for name in Name::ALL {
        let guarantee = name.guarantee();
        let forbids: Vec<&str> = guarantee.contract().forbidden_ever().iter().map(Anomaly::code).collect();
        let built = if name.built() { "" } else { " *(not built yet)*" };
        line(
            &mut table,
            &format!(
                "| **{name}**{built} | {} | {} | {} | {} | {} |",
                guarantee.delivery,
                guarantee.order,
                guarantee.durability,
                forbids.join(" "),
                name.promise()
            ),
        );
    }
    table
}

/// The ten anomalies as a Markdown table.
pub fn anomalies_markdown() -> String {
    let mut table = String::from("| code | anomaly | meaning |\n|---|---|---|\n");
    for anomaly in Anomaly::ALL {
        line(&mut table, &format!("| {} | {} | {} |", anomaly.code(), anomaly.title(), anomaly.meaning()));
    }
    table
}

/// One name's contract as a Markdown table: anomalies down, failures across.
pub fn contract_markdown(name: Name) -> String {
    let contract = name.guarantee().contract();
    let mut table = String::from("| |");
    for failure in Failure::ALL {
        let _ = write!(table, " {failure} |");
    }
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(Failure::ALL.len()));
    table.push('\n');
    for anomaly in Anomaly::ALL {
        let cells: Vec<&str> =
            Failure::ALL.iter().map(|failure| word(&contract, anomaly, *failure)).collect();
        line(&mut table, &format!("| {anomaly} | {} |", cells.join(" | ")));
    }
    table
}

/// The negative controls of one name as a Markdown list.
pub fn controls_markdown(name: Name) -> String {
    let mut list = String::new();
    for control in controls_of(name) {
        line(
            &mut list,
            &format!("- {}: {} has to show it, since {}", control.anomaly, control.weaker, control.because),
        );
    }
    list
}

/// The word for one cell of a contract: `never`, `may` or `-`.
pub fn word(contract: &Contract, anomaly: Anomaly, failure: Failure) -> &'static str {
    match contract.claim(anomaly, failure) {
        Claim::Forbidden => "never",
        Claim::Allowed => "may",
        Claim::NotApplicable => "-",
    }
}

/// Replaces what stands between `<!-- NAME:begin -->` and `<!-- NAME:end -->`.
///
/// `None` when the document does not have the two marks in that order.
pub fn replace_marked(document: &str, mark: &str, with: &str) -> Option<String> {
    let begin = format!("<!-- {mark}:begin -->\n");
    let end = format!("<!-- {mark}:end -->");
    let from = document.find(&begin)? + begin.len();
    let to = from + document[from..].find(&end)?;
    Some(format!("{}{with}{}", &document[..from], &document[to..]))
}

fn line(table: &mut String, row: &str) {
    table.push_str(row);
    table.push('\n');
}

//! Reads again, with kcat, what a prove run left behind: a reader that shares nothing with the prover must count the
//! same records in the same topics.
//!
//! `poruka prove --keep-data DIR` leaves its data folders in DIR and `kept.json`, a list of
//! `{"data": FOLDER, "topic": NAME, "records": COUNT}` with the prover's own final counts.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::{Kind, Target, kcat};
use crate::failure::{Context, Failure, Result, ensure};
use crate::tools;

pub(super) fn run(kind: &Kind, folder: &Path) -> Result<()> {
    let Kind::Poruka(binary) = kind else {
        return Err(Failure::new("--prove-data reads the folders of poruka, not of Apache Kafka"));
    };
    tools::need("kcat", &["kcat"])?;
    let manifest = folder.join("kept.json");
    let text = std::fs::read_to_string(&manifest).context(format!("read {}", manifest.display()))?;
    let kept: Value = serde_json::from_str(&text).context("read kept.json")?;
    let mut by_folder: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
    for entry in kept.as_array().map(Vec::as_slice).unwrap_or_default() {
        let parts = (entry["data"].as_str(), entry["topic"].as_str(), entry["records"].as_u64());
        let (Some(data), Some(topic), Some(records)) = parts else {
            return Err(Failure::new(format!("kept.json: {entry} lacks data, topic or records")));
        };
        by_folder.entry(data).or_default().push((topic, records));
    }
    ensure!(!by_folder.is_empty(), "kept.json names no topic");
    let mut wrong = 0;
    for (data, topics) in by_folder {
        let target = Target::serve_folder(binary, &folder.join(data))?;
        for (topic, records) in topics {
            let found =
                kcat::consume(&target, &["-t", topic, "-o", "beginning", "-f", "%p %o\n"])?.len() as u64;
            let word = if found == records { "the same" } else { "DIFFERS" };
            println!("  {data} {topic}: the prover read {records} records, kcat {found}: {word}");
            wrong += u32::from(found != records);
        }
    }
    ensure!(wrong == 0, "kcat reads other counts than the prover in {wrong} topics");
    Ok(())
}

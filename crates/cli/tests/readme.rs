//! What the documents say of the command line is true: every command, subcommand and option that they show exists.

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::{ok, poruka, run};

/// Commands in code blocks and in `code` of a document: the words after `poruka` or `cargo run ... --`.
fn shown(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            found.extend(command(line));
        } else {
            found.extend(line.split('`').skip(1).step_by(2).filter_map(command));
        }
    }
    found
}

fn command(text: &str) -> Option<Vec<String>> {
    let text = text.split(" #").next()?.split('|').next_back()?.trim().trim_start_matches("$ ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let rest = match words[..] {
        ["cargo", "run", ..] => words.iter().position(|word| *word == "--").map(|at| &words[at + 1..])?,
        ["poruka", ..] => &words[1..],
        _ => return None,
    };
    // `poruka: ...` is output, `poruka = ...` and `poruka.durability` are configuration.
    rest.first()?
        .chars()
        .all(|c| c.is_ascii_lowercase())
        .then(|| rest.iter().map(|word| word.to_string()).collect())
}

fn documents(root: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
            .iter()
            .map(|name| root.join(name))
            .collect();
    let folder = std::fs::read_dir(root.join("docs")).into_iter().flatten().flatten();
    found.extend(folder.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "md")));
    found.retain(|path| path.exists());
    found
}

#[test]
fn commands_shown_in_the_documents_exist_with_their_options() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut helps: BTreeMap<Vec<String>, String> = BTreeMap::new();
    for path in documents(&root) {
        let text = std::fs::read_to_string(&path).unwrap();
        for words in shown(&text) {
            let is_group = matches!(words[0].as_str(), "topic" | "group");
            let names: Vec<String> = words.iter().take(if is_group { 2 } else { 1 }).cloned().collect();
            let place = format!("{}: poruka {}", path.display(), words.join(" "));
            let help = helps.entry(names.clone()).or_insert_with(|| {
                let output = run(poruka().args(&names).arg("--help"), b"");
                assert!(output.status.success(), "{place}: no such command");
                ok(output)
            });
            for option in words.iter().filter(|word| word.starts_with("--") && word.len() > 2) {
                let option = option.split('=').next().unwrap_or(option).trim_end_matches(['.', ',', ')']);
                assert!(help.contains(option), "{place}: the help does not know {option}");
            }
        }
    }
}

#[test]
fn commands_are_found_in_blocks_and_in_code() {
    let text = "x `poruka explain durable` y `poruka: ready`\n```\n$ echo a | poruka produce orders # send\n\
                cargo run --release -- prove --seed 1\nporuka.durability = synced\n```\n";
    assert_eq!(
        shown(text),
        [vec!["explain", "durable"], vec!["produce", "orders"], vec!["prove", "--seed", "1"]]
    );
}

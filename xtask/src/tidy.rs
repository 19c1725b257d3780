//! Rules that no compiler checks: file sizes, words, module docs, the form of decisions. Run by `cargo xtask tidy`,
//! by ci, and as a test.

use std::path::{Path, PathBuf};

use crate::failure::{Context, Failure, Result};
use crate::paths;

/// A Rust file above this needs an entry, with its reason, in xtask/large-files.txt.
const FILE_BYTES_MAX: u64 = 25 * 1024;
const SKIPPED_FOLDERS: [&str; 5] = [".git", "target", "poruka-report", "poruka-data", "__pycache__"];
const TEXT: [&str; 9] = ["rs", "md", "toml", "txt", "py", "xml", "html", "css", "js"];
const DECISION_PARTS: [&str; 3] = ["context", "decision", "price"];

/// Prints every breach; fails if there is one.
pub(crate) fn main() -> Result<()> {
    let breaches = check(&paths::root())?;
    for breach in &breaches {
        println!("tidy: {breach}");
    }
    if breaches.is_empty() { Ok(()) } else { Err(Failure::new(format!("tidy: {} breaches", breaches.len()))) }
}

fn check(root: &Path) -> Result<Vec<String>> {
    let large = entries(&root.join("xtask/large-files.txt"))?;
    let banned = entries(&root.join("xtask/banned-words.txt"))?;
    let mut breaches = Vec::new();
    let mut sizes = Vec::new();
    for path in files(root)? {
        let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).context(format!("read {name}"))?;
        if name.ends_with(".rs") {
            sizes.push(text.len() as u64);
            breaches.extend(rust_breaches(&name, &text, &large));
        }
        if name != "xtask/banned-words.txt" {
            breaches.extend(word_breaches(&name, &text, &banned));
        }
        if name.ends_with(".md") {
            breaches.extend(command_breaches(&name, &text));
        }
        if name.starts_with("docs/decisions/") && name.ends_with(".md") {
            breaches.extend(decision_breaches(&name, &text));
        }
    }
    for (name, _) in large.iter().filter(|(name, _)| !root.join(name).exists()) {
        breaches.push(format!("xtask/large-files.txt names {name}, which is gone"));
    }
    sizes.sort_unstable();
    let part = |tenths: usize| sizes.get(sizes.len() * tenths / 10).copied().unwrap_or_default();
    let (median, tenth) = (part(5), part(9));
    println!("tidy: {} Rust files, median {median} bytes, nine of ten below {tenth}", sizes.len());
    Ok(breaches)
}

fn rust_breaches(name: &str, text: &str, large: &[(String, String)]) -> Vec<String> {
    let mut breaches = Vec::new();
    if !text.starts_with("//!") {
        breaches.push(format!("{name} does not open with a //! line that says its job"));
    }
    let bytes = text.len() as u64;
    let listed = large.iter().any(|(listed, _)| listed == name);
    if bytes > FILE_BYTES_MAX && !listed {
        breaches
            .push(format!("{name} has {bytes} bytes: split it, or give the reason in xtask/large-files.txt"));
    }
    if bytes <= FILE_BYTES_MAX && listed {
        breaches.push(format!("{name} is small now: take it out of xtask/large-files.txt"));
    }
    breaches
}

fn word_breaches(name: &str, text: &str, banned: &[(String, String)]) -> Vec<String> {
    let mut breaches = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (word, reason) in banned.iter().filter(|(word, _)| has_word(line, word)) {
            breaches.push(format!("{name}:{}: {word:?} ({reason})", number + 1));
        }
    }
    breaches
}

/// Whether `word` stands in `line` with no letter or digit touching it.
fn has_word(line: &str, word: &str) -> bool {
    let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let bounded_before = !inside(before) || !inside(word.chars().next());
        let bounded_after = !inside(after) || !inside(word.chars().next_back());
        bounded_before && bounded_after
    })
}

fn decision_breaches(name: &str, text: &str) -> Vec<String> {
    let opens = |line: &str, part: &str| {
        let word = line.trim_start_matches(['#', '*', ' ']);
        word.len() < line.len() && word.to_lowercase().starts_with(part)
    };
    let missing = DECISION_PARTS.iter().filter(|part| !text.lines().any(|line| opens(line, part)));
    missing.map(|part| format!("{name} has no part {part:?}, as a heading or in bold")).collect()
}

/// Commands of ours that a document shows and that do not exist.
fn command_breaches(name: &str, text: &str) -> Vec<String> {
    let shown = text.match_indices("cargo xtask ").map(|(at, found)| &text[at + found.len()..]);
    let words = shown.filter_map(|rest| rest.split(|c: char| !c.is_ascii_lowercase()).next());
    let unknown = words.filter(|word| !word.is_empty() && !crate::USAGE.contains(&format!("\n  {word} ")));
    unknown.map(|word| format!("{name} shows `cargo xtask {word}`, which does not exist")).collect()
}

/// `KEY: reason` lines; `#` opens a comment.
fn entries(path: &Path) -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(path).context(format!("read {}", path.display()))?;
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let parts = line.split_once(": ").filter(|(_, reason)| !reason.trim().is_empty());
            let (key, reason) = parts.ok_or("needs `KEY: reason`").context(line)?;
            Ok((key.to_string(), reason.to_string()))
        })
        .collect()
}

fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).context(format!("list {}", folder.display()))? {
            let entry = entry.context("list")?;
            let (path, name) = (entry.path(), entry.file_name());
            let kind = entry.file_type().context("file type")?;
            if kind.is_dir() && !SKIPPED_FOLDERS.iter().any(|skipped| name == *skipped) {
                folders.push(path);
            } else if kind.is_file() && is_text(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn is_text(path: &Path) -> bool {
    path.extension().is_some_and(|extension| TEXT.iter().any(|text| extension == *text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_keeps_its_own_rules() {
        let breaches = check(&paths::root()).unwrap();
        assert!(breaches.is_empty(), "{}", breaches.join("\n"));
    }

    #[test]
    fn a_word_inside_another_is_not_that_word() {
        assert!(has_word("a stub here", "stub") && has_word("stub", "stub") && has_word("(stub)", "stub"));
        assert!(!has_word("stubborn", "stub") && !has_word("a_stub_b", "stub"));
    }

    #[test]
    fn a_command_that_is_shown_has_to_exist() {
        assert!(
            command_breaches("a.md", "`cargo xtask ci` and cargo xtask kafka up, `cargo xtask tidy`")
                .is_empty()
        );
        assert_eq!(command_breaches("a.md", "`cargo xtask plants`").len(), 1);
    }

    #[test]
    fn a_decision_without_its_price_is_a_breach() {
        let said =
            decision_breaches("docs/decisions/0001-x.md", "# X\n## Context\n**Decision.** Yes.\nprice\n");
        assert_eq!(said, ["docs/decisions/0001-x.md has no part \"price\", as a heading or in bold"]);
    }

    #[test]
    fn a_large_file_needs_a_reason_and_a_small_one_must_not_have_one() {
        let large = "//! Long.\n".repeat(3000);
        let listed = [("a.rs".to_string(), "a table".to_string())];
        assert_eq!(rust_breaches("a.rs", &large, &[]).len(), 1);
        assert_eq!(rust_breaches("a.rs", &large, &listed).len(), 0);
        assert_eq!(rust_breaches("a.rs", "//! Short.\n", &listed).len(), 1);
    }
}

//! The clone's own history: one record per commit and file that it touched.
//!
//! `git` is somebody else's program, so its time and its output are bounded and its failure is a note in the
//! report, never a failed run. The key is the file: its changes have an order that matters.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use poruka_env::Env;

use super::NAME_BYTES_MAX;

/// Commits that are asked for at most.
pub(crate) const COMMITS_MAX: usize = 20_000;
/// Bytes of `git log` output that are read at most.
pub(crate) const OUTPUT_BYTES_MAX: u64 = 32 << 20;
/// How long `git log` may take.
pub(crate) const GIT_TIME_MAX: Duration = Duration::from_secs(10);
const COMMIT_MARK: char = '\u{1}';
const FIELD_MARK: char = '\u{2}';

/// One commit's change of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HistoryLine {
    /// Commit and file.
    pub id: String,
    /// The file; for a commit without files, its author.
    pub key: String,
    /// What the record says.
    pub text: String,
}

/// Why there is no history.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    /// `git` cannot be started.
    #[error("git cannot be started ({0})")]
    Start(std::io::Error),
    /// `git` ran and gave nothing.
    #[error("git log found no repository or no commits")]
    Nothing,
    /// `git` did not end in time.
    #[error("git log took longer than {} s", GIT_TIME_MAX.as_secs())]
    Slow,
}

/// Reads at most `count` lines of history, oldest commit first among those read.
///
/// # Errors
/// [`GitError`]: the caller goes on without history.
pub(crate) fn read_history(env: &Env, folder: &Path, count: usize) -> Result<Vec<HistoryLine>, GitError> {
    let mut child = Command::new("git")
        .args(["--no-pager", "-c", "core.quotepath=off", "-c", "log.showSignature=false", "log"])
        .args(["--no-color", "--no-renames", "--name-only", "--format=%x01%H%x02%an%x02%s"])
        .arg(format!("--max-count={COMMITS_MAX}"))
        .current_dir(folder)
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(GitError::Start)?;
    let lines = read_output(env, &mut child, count);
    // What was wanted has been read, or the time is up. An error here means that it has ended already.
    drop(child.kill());
    drop(child.wait());
    let lines = lines?;
    if lines.is_empty() { Err(GitError::Nothing) } else { Ok(lines) }
}

/// Reads on a thread of its own, so that a `git` that hangs without a word costs no more than the limit.
fn read_output(env: &Env, child: &mut Child, count: usize) -> Result<Vec<HistoryLine>, GitError> {
    let Some(output) = child.stdout.take() else { return Err(GitError::Nothing) };
    if !env.has_threads() {
        return Ok(parse(output, count));
    }
    let (done, result) = std::sync::mpsc::channel();
    // Whoever waits may have given up: then nobody wants the lines.
    env.spawn_thread("prove-git", move || drop(done.send(parse(output, count)))).map_err(GitError::Start)?;
    result.recv_timeout(GIT_TIME_MAX).map_err(|_| GitError::Slow)
}

fn parse(output: impl Read, count: usize) -> Vec<HistoryLine> {
    let mut lines = Vec::new();
    let mut commit: Option<Commit> = None;
    let mut reader = BufReader::new(output.take(OUTPUT_BYTES_MAX));
    let mut raw = Vec::new();
    while lines.len() < count {
        raw.clear();
        // A read error ends the history as its end does: what was read so far is good.
        if !matches!(reader.read_until(b'\n', &mut raw), Ok(1..)) {
            break;
        }
        let text = String::from_utf8_lossy(&raw);
        let text = text.trim_end_matches(['\n', '\r']);
        if let Some(head) = text.strip_prefix(COMMIT_MARK) {
            lines.extend(commit.replace(Commit::new(head)).and_then(Commit::without_files));
        } else if let (Some(commit), false) = (commit.as_mut(), text.is_empty()) {
            lines.push(commit.file(text));
        }
    }
    if lines.len() < count {
        lines.extend(commit.and_then(Commit::without_files));
    }
    lines.reverse();
    lines
}

struct Commit {
    id: String,
    author: String,
    subject: String,
    files: usize,
}

impl Commit {
    fn new(head: &str) -> Commit {
        let mut fields = head.splitn(3, FIELD_MARK).map(|field| shortened(field).to_owned());
        let mut next = || fields.next().unwrap_or_default();
        Commit { id: next(), author: next(), subject: next(), files: 0 }
    }

    fn file(&mut self, file: &str) -> HistoryLine {
        self.files += 1;
        let text = serde_json::json!({"commit": self.id, "author": self.author, "subject": self.subject, "file": file});
        let file = shortened(file);
        HistoryLine { id: format!("{:.12} {file}", self.id), key: file.to_owned(), text: text.to_string() }
    }

    fn without_files(self) -> Option<HistoryLine> {
        let text = serde_json::json!({"commit": self.id, "author": self.author, "subject": self.subject});
        (self.files == 0).then(|| HistoryLine { id: self.id, key: self.author, text: text.to_string() })
    }
}

fn shortened(text: &str) -> &str {
    let mut end = text.len().min(NAME_BYTES_MAX / 2);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\u{1}c2\u{2}Ana\u{2}Second\n\nsrc/a.rs\nčitaj me.md\n\u{1}merge\u{2}Bo\u{2}Merge\n\u{1}c1\u{2}Ana\u{2}First\n\nsrc/a.rs\n";

    #[test]
    fn each_commit_and_file_is_a_record_and_the_oldest_comes_first() {
        let lines = parse(LOG.as_bytes(), 10);
        let ids: Vec<&str> = lines.iter().map(|line| line.id.as_str()).collect();
        assert_eq!(ids, ["c1 src/a.rs", "merge", "c2 čitaj me.md", "c2 src/a.rs"]);
        assert_eq!(lines[1].key, "Bo");
    }

    #[test]
    fn reading_stops_at_the_count() {
        assert_eq!(parse(LOG.as_bytes(), 2).len(), 2);
    }
}

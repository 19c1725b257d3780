//! `poruka prove` from outside: bad input is told with file, line and what was expected; a run leaves its report.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use common::{fails, file, ok, poruka, run};

fn prove(arguments: &[&str]) -> std::process::Output {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("report");
    run(poruka().arg("prove").args(arguments).arg("--out").arg(out), b"")
}

#[test]
fn bad_input_is_told_with_its_place_and_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let broken = file(folder.path(), "in.jsonl", b"{\"id\":\"a\"}\n{\"id\":\n");
    let said = fails(prove(&["--input", &broken, "--id", "id"]), 6);
    assert!(said.contains("in.jsonl:2:") && said.contains("expected"), "{said}");
    let whole = file(folder.path(), "whole.jsonl", b"{\"id\":\"a\"}\n");
    let said = fails(prove(&["--input", &whole, "--key", "tail"]), 6);
    assert!(said.contains("no line of") && said.contains("whole.jsonl has the key field \"tail\""), "{said}");
    let said = fails(prove(&["--input", &file(folder.path(), "empty.jsonl", b"")]), 6);
    assert!(said.contains("holds no records"), "{said}");
    let said = fails(prove(&["--input", "/nowhere/in.jsonl"]), 6);
    assert!(said.contains("/nowhere/in.jsonl") && said.contains("next:"), "{said}");
}

#[test]
fn a_name_that_is_unknown_or_not_built_is_refused() {
    let said = fails(prove(&["--only", "durabel"]), 2);
    assert!(said.contains("did you mean durable?"), "{said}");
    let said = fails(prove(&["--only", "exactly-once"]), 2);
    assert!(said.contains("not built yet"), "{said}");
    fails(prove(&["--key", "id"]), 2);
}

#[test]
fn a_run_prints_the_matrix_and_leaves_its_report_and_its_data() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let (out, keep) = (path("report"), path("data"));
    let arguments =
        ["--generated", "--records", "3000", "--only", "best-effort", "--out", &out, "--keep-data", &keep];
    let output = run(poruka().arg("prove").args(arguments), b"");
    // So few records may be too few for a verdict; what must not be is a broken claim.
    assert!(matches!(output.status.code(), Some(0 | 9)), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("best-effort") && said.contains("report.html"), "{said}");
    let html = std::fs::read_to_string(path("report/report.html")).unwrap();
    assert!(
        html.contains("<svg") && !html.contains("src=\"http"),
        "the page is self-contained and has pictures"
    );
    let json: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(path("report/report.json")).unwrap()).unwrap();
    assert_eq!(json["seed"], 1);
    assert!(std::path::Path::new(&path("data/kept.json")).exists());
    let again = run(poruka().arg("prove").args(["--generated", "--keep-data", &keep]), b"");
    assert!(fails(again, 5).contains("is not empty"));
}

#[test]
fn a_folder_that_cannot_be_written_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let occupied = file(folder.path(), "report", b"not a folder");
    let arguments = ["prove", "--generated", "--keep-data", &occupied];
    fails(run(poruka().args(arguments), b""), 5);
    ok(run(poruka().arg("--version"), b""));
}

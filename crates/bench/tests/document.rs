//! docs/performance.md is printed from docs/performance.json. This test fails when they differ;
//! `PORUKA_WRITE_DOCS=1 cargo test -p poruka-bench --test document` writes the page anew.

use std::path::PathBuf;

use poruka_bench::case_list;
use poruka_bench::report::{Report, SCHEMA, markdown};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn report() -> Report {
    let text = std::fs::read_to_string(root().join("docs/performance.json")).expect("the run is there");
    serde_json::from_str(&text).expect("the run has the form of a report")
}

#[test]
fn the_page_is_what_the_run_prints() {
    let path = root().join("docs/performance.md");
    let page = markdown(&report());
    let document = std::fs::read_to_string(&path).unwrap_or_default();
    if page != document && std::env::var_os("PORUKA_WRITE_DOCS").is_some() {
        std::fs::write(&path, page).expect("the page can be written");
        return;
    }
    assert!(page == document, "docs/performance.md differs from docs/performance.json");
}

#[test]
fn the_run_was_whole_and_made_by_a_fast_program() {
    let report = report();
    assert_eq!((report.schema, report.settings.part), (SCHEMA, 1.0));
    assert!(report.program.optimised && report.program.commit.is_some());
    for (name, _) in case_list() {
        let case = report.case(name).unwrap_or_else(|| panic!("not run: {name}"));
        assert!(name == "binary" || case.runs.len() >= 3, "{name}");
    }
}

//! The tables in the documents are printed from the contract. This test fails when they differ;
//! `PORUKA_WRITE_DOCS=1 cargo test -p poruka-guarantee` writes them anew.

use std::path::PathBuf;

use poruka_guarantee::{Name, table};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn holds(file: &str, mark: &str, expected: &str) {
    let path = root().join(file);
    let document = std::fs::read_to_string(&path).expect("the document is there");
    let renewed = table::replace_marked(&document, mark, expected)
        .unwrap_or_else(|| panic!("{file} has no marks for {mark}"));
    if renewed != document && std::env::var_os("PORUKA_WRITE_DOCS").is_some() {
        std::fs::write(&path, renewed).expect("the document can be written");
        return;
    }
    assert!(renewed == document, "{file}: the part {mark} differs from the contract");
}

#[test]
fn readme_shows_the_seven_names_as_the_contract_has_them() {
    holds("README.md", "names", &table::names_markdown());
}

#[test]
fn guarantees_md_shows_every_contract_and_control() {
    holds("docs/guarantees.md", "anomalies", &table::anomalies_markdown());
    for name in Name::ALL {
        holds("docs/guarantees.md", &format!("contract-{name}"), &table::contract_markdown(name));
        holds("docs/guarantees.md", &format!("controls-{name}"), &table::controls_markdown(name));
    }
}

//! docs/rows.md says which test proves each feature and each pitfall. It stays true: every row is there once, and every test it
//! names is one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The rows that a release of Auto Scaling groups, services of ECS and Elastigroups has to speak of.
fn wanted() -> BTreeSet<String> {
    let runs: [(&str, std::ops::RangeInclusive<u32>); 10] = [
        ("E", 1..=9),
        ("O", 1..=8),
        ("B", 1..=15),
        ("C", 1..=4),
        ("G", 1..=11),
        ("S", 1..=9),
        ("P", 1..=49),
        ("P", 59..=61),
        ("P", 63..=67),
        ("P", 69..=102),
    ];
    runs.into_iter().flat_map(|(letter, run)| run.map(move |number| format!("{letter}{number}"))).collect()
}

/// What a row may say of itself, and whether a test has to prove it.
const STATUSES: [(&str, bool); 4] = [("built", true), ("partly", true), ("not built", false), ("open", false)];

struct Row<'a> {
    status: &'a str,
    proof: &'a str,
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The rows of the tables: `| id | what | status | proof |`.
fn rows(text: &str) -> BTreeMap<&str, Row<'_>> {
    let mut rows = BTreeMap::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [id, _, status, proof] = cells.as_slice() else { continue };
        if !id.starts_with(|c: char| c.is_ascii_uppercase()) || !id.ends_with(|c: char| c.is_ascii_digit()) {
            continue;
        }
        assert!(rows.insert(*id, Row { status, proof }).is_none(), "{id} is there twice");
    }
    rows
}

/// The tests that a proof names: `[function](../file.rs)`, with a `<br>` between them.
fn tests(proof: &str) -> Vec<(&str, &str)> {
    fn read(link: &str) -> Option<(&str, &str)> {
        link.strip_prefix('[')?.strip_suffix(".rs)")?.split_once("](../")
    }
    let links = proof.split("<br>").filter(|link| !link.is_empty());
    links.map(|link| read(link).unwrap_or_else(|| panic!("{link:?} is no link to a test"))).collect()
}

/// Whether a file has a test of this name, written out or made by a macro from `name: …`.
fn has_test(source: &str, name: &str) -> bool {
    let written = |line: &&str| line.contains(&format!("fn {name}("));
    let lines: Vec<&str> = source.lines().collect();
    let at = lines.iter().position(written);
    let marked = at.is_some_and(|at| lines[at.saturating_sub(3)..at].iter().any(|line| line.contains("test")));
    // Sweeps are made by a macro.
    marked || lines.iter().any(|line| line.trim_start().starts_with(&format!("{name}: \"")))
}

#[test]
fn every_row_and_pitfall_is_listed_with_the_tests_that_prove_it() {
    let text = std::fs::read_to_string(root().join("docs/rows.md")).expect("it is there");
    let rows = rows(&text);
    let listed: BTreeSet<String> = rows.keys().map(|&id| id.to_owned()).collect();
    assert_eq!(listed, wanted());
    for (id, row) in rows {
        let known = STATUSES.iter().find(|(status, _)| row.status.starts_with(status));
        let (_, proved) = known.unwrap_or_else(|| panic!("{id} is {:?}, expected one of {STATUSES:?}", row.status));
        let tests = tests(row.proof);
        assert!(!proved || !tests.is_empty(), "{id} is {} but names no test", row.status);
        assert!(row.status == "built" || row.status.contains(": "), "{id} is {:?}, but does not say why", row.status);
        for (name, file) in tests {
            let source = std::fs::read_to_string(root().join(format!("{file}.rs"))).unwrap_or_default();
            assert!(has_test(&source, name), "{id}: there is no test {name} in {file}.rs");
        }
    }
}

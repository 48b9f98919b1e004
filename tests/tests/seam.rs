//! What keeps kinds of fleets apart from everything that holds for all of them: which files may name one.

use std::fs;
use std::path::{Path, PathBuf};

/// What only a kind may say: its own names, and its platform's.
const WORDS: [&str; 12] = [
    "AutoScaling",
    "EcsService",
    "Elastigroup",
    "Spot",
    "\"sig-",
    "auto_scaling",
    "launch template",
    "launch configuration",
    "listener-rule",
    "ScheduledActions",
    "warm_pool",
    "task definition",
];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the folder is there").flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => files(&path, found),
            false => found.push(path),
        }
    }
}

/// The code of a file: no comments, no tests.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let (code, _) = text.split_once("#[cfg(test)]\nmod tests {").unwrap_or((text, ""));
    let lines = (1..).zip(code.lines());
    lines.map(|(number, line)| (number, line.split("//").next().unwrap_or_default()))
}

#[test]
fn no_step_and_nothing_of_core_but_its_kinds_names_a_kind_of_fleet() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut found = Vec::new();
    files(&root.join("crates/steps/src"), &mut found);
    files(&root.join("crates/core/src"), &mut found);
    // Tests may say what they are about; so may what reads what a person has misspelt.
    found.retain(|path| path.extension().is_some_and(|it| it == "rs"));
    let excepted = ["/kinds/", "/tests.rs", "/fuzz.rs", "/document/read.rs"];
    found.retain(|path| !excepted.iter().any(|part| path.to_string_lossy().contains(part)));
    assert!(found.len() > 40, "the files are there");
    let mut named = Vec::new();
    for path in found {
        let text = fs::read_to_string(&path).expect("it is text");
        for (number, line) in code(&text) {
            if let Some(word) = WORDS.iter().find(|word| line.contains(**word)) {
                named.push(format!("{}:{number} says {word}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(named.is_empty(), "a kind belongs into core/src/kinds:\n{}", named.join("\n"));
}

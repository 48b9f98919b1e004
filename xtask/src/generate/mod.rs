//! Facts that are written once: files that are generated from tables, so that nobody has to keep copies alike by hand.

mod json;
mod machines;

use std::fs;
use std::path::Path;

use crate::steps::{Result, Steps};

/// A generated file: its path from the root of the repository, and its whole text.
struct Generated {
    path: String,
    text: String,
}

/// Writes what is generated, or compares it.
pub(crate) fn run(steps: &mut Steps, check: bool) -> Result {
    let name = if check { "generated files are up to date" } else { "generate" };
    steps.step(name, |steps| {
        let files = generate(steps.root())?;
        if check { compare(steps.root(), &files) } else { write(steps.root(), &files) }
    })
}

/// Everything that is generated.
fn generate(root: &Path) -> Result<Vec<Generated>> {
    machines::generate(&read(root, machines::TABLE)?)
}

fn write(root: &Path, files: &[Generated]) -> Result {
    for file in files {
        fs::write(root.join(&file.path), &file.text)
            .map_err(|error| format!("{} cannot be written: {error}", file.path))?;
    }
    Ok(())
}

/// Names every file that differs, and where.
fn compare(root: &Path, files: &[Generated]) -> Result {
    let mut differing = Vec::new();
    for file in files {
        let written = read(root, &file.path)?;
        if written != file.text {
            let same = written.lines().zip(file.text.lines()).take_while(|(ours, new)| ours == new).count();
            differing.push(format!("{} from line {} on", file.path, same + 1));
        }
    }
    if differing.is_empty() {
        return Ok(());
    }
    Err(format!("differs from what is generated: {}. Write it again: cargo xtask generate", differing.join("; ")))
}

fn read(root: &Path, path: &str) -> Result<String> {
    fs::read_to_string(root.join(path)).map_err(|error| format!("{path} cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::{Generated, compare};

    #[test]
    fn a_file_that_was_edited_by_hand_is_named_with_the_line() {
        let root = std::env::temp_dir().join(format!("crossfade-generate-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        std::fs::write(root.join("written"), "one\ntwo\n").unwrap();
        let generated = |text: &str| [Generated { path: "written".into(), text: text.into() }];

        assert_eq!(compare(&root, &generated("one\ntwo\n")), Ok(()));
        let problem = compare(&root, &generated("one\nthree\n")).unwrap_err();
        assert!(problem.contains("written from line 2 on"), "{problem}");
        let problem = compare(&root, &[Generated { path: "missing".into(), text: String::new() }]).unwrap_err();
        assert!(problem.contains("missing cannot be read"), "{problem}");
        std::fs::remove_dir_all(&root).unwrap();
    }
}

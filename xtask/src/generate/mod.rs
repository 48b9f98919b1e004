//! Facts that are written once: files that are generated from tables, so that nobody has to keep copies alike by hand.

mod functions;
mod json;
mod machines;
pub(crate) mod marks;
mod people;
mod template;
mod terraform;
mod yaml;

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
        let left_over = left_over(steps.root(), &files)?;
        if check { compare(steps.root(), &files) } else { write(steps.root(), &files) }?;
        if left_over.is_empty() { Ok(()) } else { Err(format!("belongs to no role: {}", left_over.join(", "))) }
    })
}

/// Everything that is generated.
fn generate(root: &Path) -> Result<Vec<Generated>> {
    let mut files = machines::generate(&read(root, machines::TABLE)?)?;
    let functions = functions::all(root)?;
    let called = machines::calls(&files)?;
    let template = read(root, template::FILE)?;
    functions::end_before_their_states(&functions, &called, template::usual_timeout(&template)?)?;
    let people = people::all(root)?;
    let template = template::generate(&template, &functions, &people, &called)?;
    files.extend(terraform::generate(&template)?);
    files.push(terraform::page(&read(root, terraform::PAGE)?, &template, people.keys())?);
    files.push(Generated { path: template::FILE.into(), text: template });
    Ok(files)
}

/// Policies that nothing generates any more.
fn left_over(root: &Path, files: &[Generated]) -> Result<Vec<String>> {
    let policies = functions::names(&root.join(terraform::POLICIES))?;
    let paths = policies.iter().map(|name| format!("{}/{name}", terraform::POLICIES));
    Ok(paths.filter(|path| !files.iter().any(|file| file.path == *path)).collect())
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

/// `WaitSteadyFunction` without `Function` -> `wait-steady`.
fn kebab(logical: &str, suffix: &str) -> String {
    let mut name = String::new();
    for letter in logical.strip_suffix(suffix).unwrap_or(logical).chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::{Generated, compare, left_over, terraform};

    #[test]
    fn files_that_were_edited_by_hand_or_left_over_are_named() {
        let root = std::env::temp_dir().join(format!("crossfade-generate-{}", std::process::id()));
        std::fs::create_dir_all(&root).unwrap();
        std::fs::write(root.join("written"), "one\ntwo\n").unwrap();
        let generated = |text: &str| [Generated { path: "written".into(), text: text.into() }];

        assert_eq!(compare(&root, &generated("one\ntwo\n")), Ok(()));
        let problem = compare(&root, &generated("one\nthree\n")).unwrap_err();
        assert!(problem.contains("written from line 2 on"), "{problem}");
        let problem = compare(&root, &[Generated { path: "missing".into(), text: String::new() }]).unwrap_err();
        assert!(problem.contains("missing cannot be read"), "{problem}");

        let policies = root.join(terraform::POLICIES);
        std::fs::create_dir_all(&policies).unwrap();
        std::fs::write(policies.join("juggle.json.tftpl"), "{}").unwrap();
        let juggle = format!("{}/juggle.json.tftpl", terraform::POLICIES);
        assert_eq!(left_over(&root, &generated("")).unwrap(), std::slice::from_ref(&juggle));
        assert!(left_over(&root, &[Generated { path: juggle, text: String::new() }]).unwrap().is_empty());
        std::fs::remove_dir_all(&root).unwrap();
    }
}

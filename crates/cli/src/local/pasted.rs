//! What somebody pastes of what `crossfade local` prints: it means the same in whichever folder.
//!
//! It must never name a program or a file that is not there without saying so.

use std::env;
use std::path::PathBuf;

/// The folder of the documents, wherever the sources are.
const EXAMPLES: &str = "examples";

/// This command, as a shell finds it: by its name, or by its path where that name is no program, or another one.
pub(super) fn command() -> String {
    const NAME: &str = "crossfade";
    let own = env::current_exe().and_then(|own| own.canonicalize()).ok();
    let found =
        env::var_os("PATH").and_then(|path| env::split_paths(&path).map(|it| it.join(NAME)).find(|it| it.is_file()));
    let found = found.and_then(|found| found.canonicalize().ok());
    match own {
        Some(own) if found.as_ref() != Some(&own) => word(&own.display().to_string()),
        _ => NAME.to_owned(),
    }
}

/// An example by its whole path: of the sources that this command was built from, or of those that the folder belongs to. Nothing
/// where there are no sources.
pub(super) fn example(file: &str) -> Option<String> {
    let own = env::current_exe().and_then(|own| own.canonicalize()).ok();
    let starts = [own, env::current_dir().ok()];
    let folders = starts.iter().flatten().flat_map(|start| start.ancestors().skip(usize::from(start.is_file())));
    let path: PathBuf = folders.map(|folder| folder.join(EXAMPLES).join(file)).find(|path| path.is_file())?;
    Some(path.display().to_string())
}

/// A word of a shell, in quotes where it needs them.
pub(super) fn word(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-:+,@%".contains(character);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_would_take_them_apart() {
        assert_eq!(word("/home/ann/crossfade"), "/home/ann/crossfade");
        assert_eq!(word("/home/ann o'hara/$x"), r"'/home/ann o'\''hara/$x'");
    }

    #[test]
    fn an_example_is_named_by_its_whole_path() {
        let path = example("canary.yaml").expect("this test is built among the sources");
        assert!(PathBuf::from(&path).is_absolute() && PathBuf::from(path).is_file());
        assert_eq!(example("no-such-example.yaml"), None);
    }
}

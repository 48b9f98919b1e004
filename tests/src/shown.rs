//! Blocks of the documentation that show what crossfade prints. Above each stands a mark, `<!-- shown: NAME -->`; a test prints the same
//! and holds it against the block. `cargo xtask docs` lets the tests write what is out of date, `cargo xtask docs --check` only look.
//!
//! What it must never do: change anything outside the block that is named.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;

/// Says, with the value `write`, that blocks are to be written.
const WRITE: &str = "CROSSFADE_DOCS";
/// Stands in a block for what is left out there: any text without a line break, or, on a line of its own, any lines.
const LEFT_OUT: char = '…';

/// Holds what is printed against the block `name` of a page, whose path is relative to the root of the repository. In the block `…`
/// stands for whatever is left out. The test has to say in its name that it `shows` something: so `cargo xtask docs` finds it.
///
/// # Panics
/// Where the page shows something else, unless it is to be written.
#[track_caller]
pub fn hold(page: &str, name: &str, printed: &str) {
    hold_but_for(page, name, printed, str::to_owned);
}

/// The same, where something differs from time to time: `still` takes that out of either text.
///
/// # Panics
/// Where the page shows something else, unless it is to be written.
#[track_caller]
pub fn hold_but_for(page: &str, name: &str, printed: &str, still: impl Fn(&str) -> String) {
    let path = shown_by_its_name(page);
    // Several tests may write one page.
    let lock = File::open(&path).unwrap_or_else(|error| panic!("{page}: {error}"));
    lock.lock().unwrap_or_else(|error| panic!("{page}: {error}"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{page}: {error}"));
    let mark = format!("<!-- shown: {name} -->\n");
    let found = text.find(&mark).and_then(|at| block(&text, at + mark.len()));
    let Some((from, to)) = found else { panic!("{page} has no block below the mark {}", mark.trim_end()) };
    let printed = printed.trim_end_matches('\n');
    let shown = text[from..to].trim_end_matches('\n');
    if stands_for(&still(shown), &still(printed)) {
        return;
    }
    if env::var(WRITE).is_ok_and(|value| value == "write") {
        let written = format!("{}{printed}\n{}", &text[..from], &text[to..]);
        fs::write(&path, written).unwrap_or_else(|error| panic!("{page}: {error}"));
        return;
    }
    panic!(
        "{page} shows {name} otherwise than it is printed; `cargo xtask docs` writes:\n{printed}\ninstead of:\n{shown}"
    );
}

/// Where the page is.
#[track_caller]
fn shown_by_its_name(page: &str) -> PathBuf {
    let test = thread::current();
    let found = test.name().is_some_and(|name| name.contains("shows"));
    assert!(found, "`cargo xtask docs` does not find this test for {page}: put `shows` into its name");
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page)
}

/// From where to where the lines of the block go that begins here: between two fences, or those of a table.
fn block(text: &str, at: usize) -> Option<(usize, usize)> {
    let rest = text.get(at..)?;
    if rest.starts_with('|') {
        let lines = rest.split_inclusive('\n').take_while(|line| line.starts_with('|'));
        return Some((at, at + lines.map(str::len).sum::<usize>()));
    }
    let from = rest.starts_with("```").then(|| rest.find('\n')).flatten()? + 1;
    let to = rest[from..].find("```").filter(|to| *to == 0 || rest.as_bytes()[from + to - 1] == b'\n')?;
    Some((at + from, at + from + to))
}

/// Whether what is shown is what is printed, but for what the block leaves out.
fn stands_for(shown: &str, printed: &str) -> bool {
    fn line(shown: &str, printed: &str) -> bool {
        let mut parts = shown.split(LEFT_OUT);
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = printed.strip_prefix(first) else { return false };
        let mut parts = parts.peekable();
        if parts.peek().is_none() {
            return rest.is_empty();
        }
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                return rest.ends_with(part);
            }
            match rest.find(part) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        true
    }
    fn lines(shown: &[&str], printed: &[&str]) -> bool {
        match (shown.split_first(), printed.split_first()) {
            (None, None) => true,
            (Some((first, later)), _) if first.trim() == LEFT_OUT.to_string() => {
                (0..=printed.len()).any(|skipped| lines(later, &printed[skipped..]))
            }
            (Some((first, later)), Some((one, others))) => (line(first, one) || *first == *one) && lines(later, others),
            _ => false,
        }
    }
    lines(&shown.lines().collect::<Vec<_>>(), &printed.lines().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::{block, stands_for};

    #[test]
    fn what_is_left_out_stands_for_anything() {
        for (shown, printed, same) in [
            ("a b", "a b", true),
            ("a … c", "a b b c", true),
            ("a …", "a b", true),
            ("a … c", "a b", false),
            ("a …:… d", "a b:c d", true),
            ("a\n…\nd", "a\nb\nc\nd", true),
            ("a\n…\nd", "a\nb\nc", false),
            ("a\nb", "a\nb\nc", false),
            ("… waits", "… waits", true),
            ("a", "ab", false),
        ] {
            assert_eq!(stands_for(shown, printed), same, "{shown:?} and {printed:?}");
        }
    }

    #[test]
    fn a_block_is_what_stands_between_its_fences_or_a_table() {
        let within = |text: &str| block(text, 0).map(|(from, to)| text[from..to].to_owned());
        assert_eq!(within("```text\na\n```\nb"), Some("a\n".into()));
        assert_eq!(within("```\n```\n"), Some(String::new()));
        assert_eq!(within("| a |\n| - |\n\nb"), Some("| a |\n| - |\n".into()));
        assert_eq!(within("b"), None);
    }
}

//! Files of which a part is generated: the lines between two marks.

use crate::steps::Result;

/// What stands before and after the words of a mark.
#[derive(Clone, Copy)]
pub(crate) struct Marks(&'static str, &'static str);

/// `# generated: NAME` and `# end`, as in YAML.
pub(crate) const HASHES: Marks = Marks("# ", "");
/// The same as comments of Markdown.
pub(crate) const COMMENTS: Marks = Marks("<!-- ", " -->");

/// The text of a file with these lines between the marks of this name, as far to the right as the marks.
pub(crate) fn fill(file: &str, text: &str, marks: Marks, name: &str, lines: &[String]) -> Result<String> {
    let Marks(before, after) = marks;
    let mark = format!("{before}generated: {name}{after}");
    let ends = format!("{before}end{after}");
    let mut filled = Vec::new();
    let mut rest = text.lines();
    let begin = rest.by_ref().inspect(|line| filled.push((*line).to_owned())).find(|line| line.trim() == mark);
    let begin = begin.ok_or_else(|| format!("{file} has no line \"{mark}\""))?;
    let indent = &begin[..begin.len() - begin.trim_start().len()];
    filled.extend(lines.iter().map(|line| if line.is_empty() { String::new() } else { format!("{indent}{line}") }));
    let end =
        rest.by_ref().find(|line| line.trim() == ends || line.trim().starts_with(&format!("{before}generated: ")));
    let end = end.filter(|line| line.trim() == ends).ok_or_else(|| format!("{file}: nothing ends \"{mark}\""))?;
    filled.push(end.to_owned());
    filled.extend(rest.map(str::to_owned));
    Ok(filled.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::{HASHES, Result};

    fn fill(text: &str, name: &str, lines: &[String]) -> Result<String> {
        super::fill("it", text, HASHES, name, lines)
    }

    const TEXT: &str = "a\n  # generated: one\n  old\n  # end\nb\n# generated: two\n# end\n";

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let lines = ["x:".to_owned(), String::new(), "  y".to_owned()];
        let filled = fill(TEXT, "one", &lines).unwrap();
        assert_eq!(filled, TEXT.replace("  old\n", "  x:\n\n    y\n"));
        assert_eq!(fill(&filled, "one", &lines).unwrap(), filled);
        assert_eq!(fill(TEXT, "two", &[]).unwrap(), TEXT);
    }

    #[test]
    fn missing_marks_are_named() {
        assert!(fill(TEXT, "three", &[]).unwrap_err().contains("# generated: three"));
        assert!(fill(&TEXT.replacen("  # end\n", "", 1), "one", &[]).unwrap_err().contains("nothing ends"));
        assert!(fill(&TEXT.replace("# end\n", ""), "two", &[]).unwrap_err().contains("nothing ends"));
    }
}

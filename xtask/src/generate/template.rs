//! What of `template.yaml` is generated: the lines between `# generated: NAME` and `# end`.

use std::collections::BTreeSet;

use serde_norway::Value;

use super::functions::{self, Functions};
use super::machines::Called;
use crate::steps::Result;

pub(super) const FILE: &str = "template.yaml";

/// The template with what is generated in it.
pub(super) fn generate(template: &str, functions: &Functions, called: &[Called]) -> Result<String> {
    let mut template = fill(template, "functions", &functions::blocks(functions)?)?;
    let machines: BTreeSet<&str> = called.iter().map(|call| call.machine.as_str()).collect();
    for machine in machines {
        let called = called.iter().filter(|call| call.machine == machine);
        let names: BTreeSet<String> = called.map(|call| functions::logical(&call.function) + "Function").collect();
        let invoked: Vec<String> = names.iter().map(|name| format!("- !GetAtt {name}.Arn")).collect();
        let substituted: Vec<String> = names.iter().map(|name| format!("{name}: !GetAtt {name}.Arn")).collect();
        template = fill(&template, &format!("what {machine} invokes"), &invoked)?;
        template = fill(&template, &format!("what {machine} calls its functions"), &substituted)?;
    }
    Ok(template)
}

/// The time-out of the functions that have none of their own.
pub(super) fn usual_timeout(template: &str) -> Result<u64> {
    let template: Value = serde_norway::from_str(template).map_err(|error| format!("{FILE}: {error}"))?;
    template["Globals"]["Function"]["Timeout"].as_u64().ok_or_else(|| format!("{FILE} has no usual time-out"))
}

/// The text with these lines between the marks of this name, as far to the right as the marks.
fn fill(text: &str, name: &str, lines: &[String]) -> Result<String> {
    let mark = format!("# generated: {name}");
    let mut filled = Vec::new();
    let mut rest = text.lines();
    let begin = rest.by_ref().inspect(|line| filled.push((*line).to_owned())).find(|line| line.trim() == mark);
    let begin = begin.ok_or_else(|| format!("{FILE} has no line \"{mark}\""))?;
    let indent = &begin[..begin.len() - begin.trim_start().len()];
    filled.extend(lines.iter().map(|line| if line.is_empty() { String::new() } else { format!("{indent}{line}") }));
    let end = rest.by_ref().find(|line| line.trim() == "# end" || line.trim().starts_with("# generated: "));
    let end = end.filter(|line| line.trim() == "# end").ok_or_else(|| format!("{FILE}: nothing ends \"{mark}\""))?;
    filled.push(end.to_owned());
    filled.extend(rest.map(str::to_owned));
    Ok(filled.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::fill;

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

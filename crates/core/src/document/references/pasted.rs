//! Texts that were written for another tool and pasted: what that tool fills in is filled in here, and everything else is left as it is.

/// What stands before the name of a variable in such a text.
const PREFIXES: [&str; 2] = ["serviceVariable.", "workflow.variables."];

/// A part of a pasted text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// As it stands.
    Text(&'a str),
    /// The value of this variable.
    Variable(&'a str),
}

/// The parts of a pasted text. What looks like a placeholder and is none of these, a shell's for one, is text.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let (mut parts, mut rest, mut from) = (Vec::new(), text, 0);
    while let Some(at) = rest.get(from..).and_then(|it| it.find("${")).map(|at| from + at) {
        let inside = rest.get(at + 2..).unwrap_or_default();
        let end = inside.find('}');
        let name = end.and_then(|end| inside.get(..end)).map(str::trim);
        let name = name.and_then(|name| PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)));
        let (Some(name), Some(end)) = (name, end) else {
            from = at + 2;
            continue;
        };
        parts.push(Part::Text(rest.get(..at).unwrap_or_default()));
        parts.push(Part::Variable(name));
        (rest, from) = (inside.get(end + 1..).unwrap_or_default(), 0);
    }
    parts.push(Part::Text(rest));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k43_what_another_tool_fills_in_is_found_and_everything_else_is_left_alone() {
        let text = "a ${serviceVariable.STAGE} ${HOME} ${ workflow.variables.x }$${b} ${open";
        let expected = [
            Part::Text("a "),
            Part::Variable("STAGE"),
            Part::Text(" ${HOME} "),
            Part::Variable("x"),
            Part::Text("$${b} ${open"),
        ];
        assert_eq!(parts(text), expected);
        assert_eq!(parts(""), [Part::Text("")]);
        assert_eq!(parts("${ü${serviceVariable.x}"), [Part::Text("${ü"), Part::Variable("x"), Part::Text("")]);
    }
}

//! Expressions: `${name}` inside a text stands for a variable, `$${` for a literal `${`. There is nothing else: no nesting,
//! no functions.

use super::variables::is_name;
use crate::document::read::named;

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// As it stands.
    Text(String),
    /// The value of this variable.
    Variable(String),
}

/// The parts of a text, or what is wrong with it and the fix.
pub(super) fn parts(text: &str) -> Result<Vec<Part>, (String, String)> {
    let (mut parts, mut literal, mut rest) = (Vec::new(), String::new(), text);
    while let Some(at) = rest.find('$') {
        literal.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("$${") {
            literal.push_str("${");
            rest = after;
        } else if let Some(after) = rest.strip_prefix("${") {
            let Some((name, after)) = after.split_once('}') else {
                return Err(("an expression is not closed".into(), format!("Add the `}}`. {ESCAPE}")));
            };
            if !is_name(name) {
                let problem = format!("`${{{}}}` is no expression", named(name));
                return Err((problem, format!("Write `${{name}}`, with the name of a variable alone. {ESCAPE}")));
            }
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            parts.push(Part::Variable(name.to_owned()));
            rest = after;
        } else {
            literal.push('$');
            rest = &rest[1..];
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() || parts.is_empty() {
        parts.push(Part::Text(literal));
    }
    Ok(parts)
}

const ESCAPE: &str = "A literal `${` is written `$${`.";

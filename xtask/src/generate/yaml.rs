//! YAML as CloudFormation reads it. `${Topic}` as a whole value is a `!Ref`, `${Table.Arn}` a `!GetAtt`, and any other text with
//! such a reference a `!Sub`.

use serde_norway::{Mapping, Value};

use crate::steps::Result;

/// Appends the fields of a mapping, each on lines of its own.
pub(super) fn fields(fields: &Mapping, indent: usize, lines: &mut Vec<String>) -> Result {
    let blank = " ".repeat(indent);
    for (key, value) in fields {
        let key = quoted(key.as_str().ok_or_else(|| format!("{key:?} is no text"))?);
        match value {
            Value::Mapping(inner) => {
                lines.push(format!("{blank}{key}:"));
                self::fields(inner, indent + 2, lines)?;
            }
            Value::Sequence(elements) => {
                lines.push(format!("{blank}{key}:"));
                for element in elements {
                    lines.push(format!("{blank}  - {}", scalar(element)?));
                }
            }
            value => lines.push(format!("{blank}{key}: {}", scalar(value)?)),
        }
    }
    Ok(())
}

/// A comment of as many lines as it takes.
pub(super) fn comment(text: &str) -> Vec<String> {
    let mut lines = vec!["#".to_owned()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.chars().count() < 118 => *line += &format!(" {word}"),
            _ => lines.push(format!("# {word}")),
        }
    }
    lines
}

fn scalar(value: &Value) -> Result<String> {
    match value {
        Value::Number(number) => Ok(number.to_string()),
        Value::String(text) => Ok(reference(text).unwrap_or_else(|| quoted(text))),
        other => Err(format!("{other:?} has no place here")),
    }
}

/// What refers to something else, in CloudFormation's words.
fn reference(text: &str) -> Option<String> {
    let (before, after) = text.split_once("${")?;
    match after.strip_suffix('}') {
        Some(name) if before.is_empty() && !name.contains('}') => {
            Some(if name.contains('.') { format!("!GetAtt {name}") } else { format!("!Ref {name}") })
        }
        _ => Some(format!("!Sub {text}")),
    }
}

/// In quotes, where YAML would take it for something else than a text.
fn quoted(text: &str) -> String {
    let value = serde_norway::from_str::<Value>(text);
    // Older readers take more words for truth values than ours does.
    let word = ["yes", "no", "on", "off"].contains(&text.to_lowercase().as_str());
    match value {
        Ok(Value::String(read)) if read == text && !word => text.into(),
        _ => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_norway::Value;

    use super::{comment, fields, quoted};

    #[test]
    fn what_is_written_reads_as_what_it_was() {
        for text in ["*", "false", "12", "2012-10-17", "a: b", "a #b", "Null", "no", "aws:RequestTag/a:b", "s3:Get", ""]
        {
            assert_eq!(serde_norway::from_str::<Value>(&quoted(text)).unwrap(), text, "{text}");
        }
        assert_eq!(quoted("Null"), "\"Null\"");
        assert_eq!(quoted("NO"), "\"NO\"");
        assert_eq!(quoted("s3:Get"), "s3:Get");
    }

    #[test]
    fn references_become_cloudformations() {
        let text = "{a: '${Topic}', b: '${Table.Arn}', c: 'x${AWS::Region}', d: ['${A}${B}'], e: 3, f: {g: '*'}}";
        let mut lines = Vec::new();
        fields(&serde_norway::from_str(text).unwrap(), 1, &mut lines).unwrap();
        let expected = [
            " a: !Ref Topic",
            " b: !GetAtt Table.Arn",
            " c: !Sub x${AWS::Region}",
            " d:",
            "   - !Sub ${A}${B}",
            " e: 3",
            " f:",
            "   g: \"*\"",
        ];
        assert_eq!(lines, expected);
        assert!(fields(&serde_norway::from_str("a: [[b]]").unwrap(), 0, &mut lines).is_err());
    }

    #[test]
    fn comments_are_broken_into_lines() {
        assert_eq!(comment("Looks."), ["# Looks."]);
        let lines = comment(&"word ".repeat(50));
        assert!(
            lines.len() == 3 && lines.iter().all(|line| line.len() <= 118 && line.starts_with("# word")),
            "{lines:?}"
        );
    }
}

//! JSON for people: keys in the order of the table, and on one line whatever fits on one.

use serde_norway::{Mapping, Value};

use crate::steps::Result;

/// The longest line; only what `Layout` keeps on one line may be longer.
const WIDTH: usize = 120;

/// The tag of a text that is written without quotes.
pub(super) const RAW: &str = "Raw";

/// A mapping with these fields, in this order.
pub(super) fn mapping<const N: usize>(fields: [(&str, Value); N]) -> Mapping {
    fields.into_iter().map(|(key, value)| (key.into(), value)).collect()
}

/// How a value is to be laid out, by its path from the root.
pub(super) enum Layout {
    /// On one line, however long.
    Line,
    /// One element below the other, even where they would fit on a line.
    Block,
    /// On one line if it fits.
    Fit,
}

/// The value as JSON, laid out as `layout` says for each path.
pub(super) fn print(value: &Value, layout: impl Fn(&[String]) -> Layout) -> Result<String> {
    let mut printer = Printer { layout, path: Vec::new(), text: String::new() };
    printer.value(value, 1)?;
    Ok(printer.text + "\n")
}

struct Printer<L> {
    layout: L,
    path: Vec<String>,
    text: String,
}

impl<L: Fn(&[String]) -> Layout> Printer<L> {
    /// Appends a value; `after` characters follow it on its last line.
    fn value(&mut self, value: &Value, after: usize) -> Result {
        let line = inline(value)?;
        let column = self.text.len() - self.text.rfind('\n').map_or(0, |at| at + 1);
        let scalar = !matches!(value, Value::Mapping(_) | Value::Sequence(_));
        let on_one_line = match (self.layout)(&self.path) {
            _ if scalar || line.len() == 2 => true,
            Layout::Line => true,
            Layout::Block => false,
            Layout::Fit => column + line.chars().count() + after <= WIDTH,
        };
        if on_one_line {
            self.text += &line;
            return Ok(());
        }
        let members: Vec<(String, String, &Value)> = match value {
            Value::Mapping(entries) => entries
                .iter()
                .map(|(key, value)| Ok((text(key)?.into(), format!("{}: ", quoted(text(key)?)?), value)))
                .collect::<Result<_>>()?,
            Value::Sequence(elements) => {
                elements.iter().enumerate().map(|(nth, value)| (nth.to_string(), String::new(), value)).collect()
            }
            _ => Vec::new(),
        };
        let (open, close) = if matches!(value, Value::Mapping(_)) { ("{", "}") } else { ("[", "]") };
        self.text += open;
        for (nth, (name, label, member)) in members.iter().enumerate() {
            self.path.push(name.clone());
            self.new_line();
            self.text += label;
            let last = nth + 1 == members.len();
            self.value(member, usize::from(!last))?;
            if !last {
                self.text += ",";
            }
            self.path.pop();
        }
        self.new_line();
        self.text += close;
        Ok(())
    }

    fn new_line(&mut self) {
        self.text += "\n";
        self.text += &"  ".repeat(self.path.len());
    }
}

fn inline(value: &Value) -> Result<String> {
    Ok(match value {
        Value::Null => "null".into(),
        Value::Bool(value) => value.to_string(),
        Value::Number(value) => value.to_string(),
        Value::String(value) => quoted(value)?,
        Value::Sequence(elements) => {
            format!("[{}]", elements.iter().map(inline).collect::<Result<Vec<_>>>()?.join(", "))
        }
        Value::Mapping(entries) => {
            let entries = entries.iter().map(|(key, value)| Ok(format!("{}: {}", quoted(text(key)?)?, inline(value)?)));
            format!("{{{}}}", entries.collect::<Result<Vec<_>>>()?.join(", "))
        }
        Value::Tagged(tagged) if tagged.tag == RAW => text(&tagged.value)?.into(),
        Value::Tagged(tagged) => return Err(format!("{} has no form in JSON", tagged.tag)),
    })
}

fn text(key: &Value) -> Result<&str> {
    key.as_str().ok_or_else(|| format!("{key:?} is a key and has to be a text"))
}

fn quoted(text: &str) -> Result<String> {
    serde_json::to_string(text).map_err(|error| format!("{text:?} has no form in JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::{Layout, print};

    #[test]
    fn keys_keep_their_order_and_what_fits_stays_on_one_line() {
        let value = serde_norway::from_str("{b: {z: 1, a: [x, \"y\\\"\"]}, a: [], c: null}").unwrap();
        let layout = |path: &[String]| if path.is_empty() { Layout::Block } else { Layout::Fit };
        let expected = "{\n  \"b\": {\"z\": 1, \"a\": [\"x\", \"y\\\"\"]},\n  \"a\": [],\n  \"c\": null\n}\n";
        assert_eq!(print(&value, layout).unwrap(), expected);
    }

    #[test]
    fn what_does_not_fit_is_broken_unless_a_line_is_asked_for() {
        let long = "x".repeat(60);
        let value = serde_norway::from_str(&format!("{{fit: [{long}, {long}], line: [{long}, {long}]}}")).unwrap();
        let layout = |path: &[String]| match path {
            [name] if name == "line" => Layout::Line,
            _ => Layout::Fit,
        };
        let text = print(&value, layout).unwrap();
        let expected = format!(
            "{{\n  \"fit\": [\n    \"{long}\",\n    \"{long}\"\n  ],\n  \"line\": [\"{long}\", \"{long}\"]\n}}\n"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn what_json_cannot_say_is_refused() {
        for text in ["!Ref Table", "{1: x}", "[!Sub x]"] {
            assert!(print(&serde_norway::from_str(text).unwrap(), |_| Layout::Fit).is_err(), "{text}");
        }
    }
}

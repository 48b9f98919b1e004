//! What a function is called with, from its text.
//!
//! Step Functions takes JSON that Rust's reader refuses: nested deeper than 128 levels, numbers beyond every `f64`, halves of surrogate
//! pairs. A function that cannot even read its event fails before a line of it has run, for a reason that no state names, and takes the
//! deployment to a dirty end over something that touched nothing. So every event is read here; what is odd in it stays visible to whoever
//! judges it, and lies in nobody's way who does not look at it.

use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::{Kind, Result};

/// How deep an event is read. Nothing that means something is a quarter as deep.
const DEEPEST: usize = 100;
/// What stands in the place of what is deeper.
const TOO_DEEP: &str = "(nested too deep to be read)";

/// Reads an event.
///
/// # Errors
/// `InvalidDocument` when it is no JSON whatever.
pub fn decode(text: &str) -> Result<Value> {
    read(text).or_else(|_| read(&mended(text))).map_err(|error| {
        Kind::InvalidDocument
            .because(format!("What the state machine passed cannot be read: {error}. Nothing was done."))
    })
}

fn read(text: &str) -> serde_json::Result<Value> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Node(1).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// The same with numbers that do not fit as texts, and half characters as the one that stands for those that cannot be shown.
fn mended(text: &str) -> String {
    let mut mended = String::with_capacity(text.len() + 16);
    let mut rest = text;
    let mut inside = false;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => {
                inside = !inside;
                1
            }
            '\\' if inside => {
                let length = escape(rest);
                if length == 6 && surrogate(rest).is_some() {
                    mended.push_str("\\ufffd");
                    rest = &rest[6..];
                    continue;
                }
                length
            }
            '-' | '0'..='9' if !inside => {
                let end = rest.find(|c: char| !matches!(c, '0'..='9' | '+' | '-' | '.' | 'e' | 'E'));
                let number = &rest[..end.unwrap_or(rest.len())];
                if number.parse::<f64>().is_ok_and(f64::is_infinite) {
                    mended.push_str(&format!("\"{number}\""));
                    rest = &rest[number.len()..];
                    continue;
                }
                number.len()
            }
            other => other.len_utf8(),
        };
        mended.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    mended
}

/// How long the escape is with which a text begins: two escapes that are one character together are one.
fn escape(text: &str) -> usize {
    let pair = match (surrogate(text), text.get(6..).and_then(surrogate)) {
        (Some(high), Some(low)) => (0xd800..0xdc00).contains(&high) && (0xdc00..0xe000).contains(&low),
        _ => false,
    };
    let rest = text.strip_prefix('\\').unwrap_or_default();
    match rest.chars().next() {
        _ if pair => 12,
        Some('u') if text.is_char_boundary(6) && text.len() >= 6 => 6,
        Some(letter) => 1 + letter.len_utf8(),
        None => 1,
    }
}

/// Which half of a character is escaped where a text begins, if it is one.
fn surrogate(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u32::from_str_radix(digits, 16).ok().filter(|code| (0xd800..0xe000).contains(code))
}

/// A value at this depth.
struct Node(usize);

impl<'de> DeserializeSeed<'de> for Node {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> std::result::Result<Value, D::Error> {
        if self.0 > DEEPEST {
            // Skipping needs no depth.
            deserializer.deserialize_ignored_any(IgnoredAny)?;
            return Ok(TOO_DEEP.into());
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, value: bool) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> std::result::Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, value: &str) -> std::result::Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> std::result::Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Value, A::Error> {
        let mut read = Vec::new();
        while let Some(item) = items.next_element_seed(Node(self.0 + 1))? {
            read.push(item);
        }
        Ok(Value::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> std::result::Result<Value, A::Error> {
        let mut read = Map::new();
        while let Some(name) = fields.next_key()? {
            let field = fields.next_value_seed(Node(self.0 + 1))?;
            read.insert(name, field);
        }
        Ok(Value::Object(read))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::document::references::Draft;

    #[test]
    fn what_is_too_deep_for_the_reader_is_an_event_all_the_same() {
        for depth in [1, 99, 127, 128, 129, 1_000, 60_000] {
            let document = format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
            let text = format!("{{\"deploymentId\": \"x\", \"document\": {document}, \"after\": true}}");
            let event = decode(&text).expect("it is JSON");
            assert_eq!((&event["deploymentId"], &event["after"]), (&json!("x"), &json!(true)), "{depth}");
            let problems = Draft::read(&event["document"]).expect_err("it is no document");
            let deep = problems[0].problem.contains("deeper than 32 levels");
            assert_eq!(deep, depth > 32, "{depth}: {problems:?}");
            // What is no longer than it was goes on to the next state.
            assert!(serde_json::from_str::<Value>(&event.to_string()).is_ok());
        }
        let lists = decode(&format!("{}{}", "[".repeat(200), "]".repeat(200))).expect("it is JSON");
        assert!(lists.to_string().contains(TOO_DEEP));
    }

    #[test]
    fn numbers_and_characters_that_do_not_fit_are_shown_to_whoever_judges() {
        let event = decode(
            r#"{"a": 1e999, "b": [-2E+400, 5], "c": "x \ud800 y \udc00\ud83d\ude00 1e999 \\ud800", "d\udfff": 1}"#,
        );
        let expected =
            json!({"a": "1e999", "b": ["-2E+400", 5], "c": "x \u{fffd} y \u{fffd}😀 1e999 \\ud800", "d\u{fffd}": 1});
        assert_eq!(event, Ok(expected));
        assert_eq!(decode("{\"a\": 123456789012345678901234567890}").map(|it| it["a"].is_f64()), Ok(true));
        for broken in ["", "{", "{\"a\": \"\\ud800", "nonsense", "\"\\u12", "1e999e"] {
            assert_eq!(decode(broken).expect_err("it is none").kind, Kind::InvalidDocument, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn what_the_reader_takes_is_read_the_same(text in "([\\[\\]{}:,\"\\\\0-9eE.+-]|true|null|\\\\u[dD][89cC]00|\"a\":|é){0,30}") {
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                prop_assert_eq!(decode(&text), Ok(value));
            } else {
                let _ = decode(&text);
            }
        }
    }
}

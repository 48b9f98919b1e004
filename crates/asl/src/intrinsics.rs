//! Intrinsic functions: `States.Format`, `JsonToString`, `StringToJson`, `MathAdd`, `ArrayLength` and `UUID`.

use serde_json::Value;

use crate::paths::Path;
use crate::template::Scope;

/// A call of an intrinsic function.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Intrinsic {
    text: String,
    function: Function,
    arguments: Vec<Argument>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Format,
    JsonToString,
    StringToJson,
    MathAdd,
    ArrayLength,
    Uuid,
}

#[derive(Clone, Debug, PartialEq)]
enum Argument {
    Literal(Value),
    Path(Path),
    Call(Intrinsic),
}

impl Argument {
    fn paths(&self) -> Vec<&Path> {
        match self {
            Self::Path(path) => vec![path],
            Self::Call(call) => call.paths(),
            Self::Literal(_) => vec![],
        }
    }
}

impl Intrinsic {
    /// Parses `States.Name(argument, …)`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text };
        let call = parser.call()?;
        if parser.rest.trim_start().is_empty() {
            Ok(call)
        } else {
            Err(format!("{:?} follows the intrinsic function", parser.rest))
        }
    }

    /// All paths among the arguments.
    pub(crate) fn paths(&self) -> Vec<&Path> {
        self.arguments.iter().flat_map(Argument::paths).collect()
    }

    /// Its value; the error is a cause for `States.Runtime` (AWS's `States.IntrinsicFailure`).
    pub(crate) fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, String> {
        let argument = |argument: &Argument| match argument {
            Argument::Literal(value) => Ok(value.clone()),
            Argument::Path(path) => scope.get(path, &self.text).cloned(),
            Argument::Call(call) => call.evaluate(scope),
        };
        let arguments = self.arguments.iter().map(argument).collect::<Result<Vec<_>, _>>()?;
        let fail = |why: &str| Err(format!("The function '{}' had the following error: {why}", self.text));
        match (self.function, arguments.as_slice()) {
            (Function::Format, [Value::String(template), values @ ..]) => {
                format_values(template, values).or_else(|why| fail(&why))
            }
            (Function::JsonToString, [value]) => Ok(Value::String(value.to_string())),
            (Function::StringToJson, [Value::String(text)]) => {
                serde_json::from_str(text).or_else(|_| fail("the argument is not valid JSON"))
            }
            (Function::MathAdd, [left, right]) => {
                let integer = |value: &Value| value.as_i64().and_then(|v| i32::try_from(v).ok());
                match integer(left).zip(integer(right)).and_then(|(left, right)| left.checked_add(right)) {
                    Some(sum) => Ok(sum.into()),
                    None => fail("both arguments and the sum must be integers of 32 bits"),
                }
            }
            (Function::ArrayLength, [Value::Array(items)]) => Ok(items.len().into()),
            (Function::Uuid, []) => Ok(Value::String(uuid(scope.random))),
            _ => fail("an argument is of the wrong type"),
        }
    }
}

fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        plain.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    plain
}

fn format_values(template: &str, values: &[Value]) -> Result<Value, String> {
    let mut values = values.iter();
    let mut text = String::new();
    let mut characters = template.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => text.extend(characters.next()),
            '{' if characters.peek() == Some(&'}') => {
                characters.next();
                match values.next() {
                    Some(Value::String(value)) => text.push_str(value),
                    Some(value @ (Value::Number(_) | Value::Bool(_) | Value::Null)) => {
                        text.push_str(&value.to_string())
                    }
                    Some(_) => return Err("only strings, numbers, booleans and null can be formatted".into()),
                    None => return Err("there are more {} than arguments".into()),
                }
            }
            other => text.push(other),
        }
    }
    if values.next().is_some() { Err("there are more arguments than {}".into()) } else { Ok(Value::String(text)) }
}

/// A version 4 UUID.
fn uuid(random: &dyn Fn() -> f64) -> String {
    let mut digits = (0..32).map(|_| (random() * 16.0) as u32 & 15).collect::<Vec<_>>();
    digits[12] = 4;
    digits[16] = digits[16] & 3 | 8;
    let hex = digits.iter().filter_map(|digit| char::from_digit(*digit, 16)).collect::<String>();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

struct Parser<'t> {
    rest: &'t str,
}

impl Parser<'_> {
    fn call(&mut self) -> Result<Intrinsic, String> {
        let start = self.rest;
        let (name, rest) = start.split_once('(').ok_or("an intrinsic function needs arguments in parentheses")?;
        let (function, least, most) = match name {
            "States.Format" => (Function::Format, 1, usize::MAX),
            "States.JsonToString" => (Function::JsonToString, 1, 1),
            "States.StringToJson" => (Function::StringToJson, 1, 1),
            "States.MathAdd" => (Function::MathAdd, 2, 2),
            "States.ArrayLength" => (Function::ArrayLength, 1, 1),
            "States.UUID" => (Function::Uuid, 0, 0),
            _ => return Err(format!("the intrinsic function {name} is not supported")),
        };
        self.rest = rest.trim_start();
        let mut arguments = Vec::new();
        if !self.eat(')') {
            loop {
                arguments.push(self.argument()?);
                if self.eat(')') {
                    break;
                }
                if !self.eat(',') {
                    return Err(format!("a comma or ) is missing before {:?}", self.rest));
                }
            }
        }
        if arguments.len() < least || arguments.len() > most {
            return Err(format!("{name} does not take {} arguments", arguments.len()));
        }
        // Only a format's template still needs to tell an escaped brace from a bare one.
        let template = usize::from(function == Function::Format);
        for argument in arguments.iter_mut().skip(template) {
            if let Argument::Literal(Value::String(text)) = argument {
                *text = unescape(text);
            }
        }
        let text = start[..start.len() - self.rest.len()].to_owned();
        Ok(Intrinsic { text, function, arguments })
    }

    fn eat(&mut self, character: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(character) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn argument(&mut self) -> Result<Argument, String> {
        if self.rest.starts_with('\'') {
            return self.string().map(|text| Argument::Literal(text.into()));
        }
        if self.rest.starts_with("States.") {
            return self.call().map(Argument::Call);
        }
        if self.rest.starts_with('$') {
            let mut quoted = false;
            let ends = |c: char| {
                quoted ^= c == '\'';
                !quoted && (c == ',' || c == ')' || c == ' ')
            };
            let end = self.rest.find(ends).unwrap_or(self.rest.len());
            let (path, rest) = self.rest.split_at(end);
            self.rest = rest;
            return Path::parse(path).map(Argument::Path).map_err(|error| error.to_string());
        }
        let end = self.rest.find([',', ')']).unwrap_or(self.rest.len());
        let (literal, rest) = self.rest.split_at(end);
        self.rest = rest;
        match serde_json::from_str(literal.trim()) {
            Ok(value @ (Value::Number(_) | Value::Bool(_) | Value::Null)) => Ok(Argument::Literal(value)),
            _ => Err(format!("{literal:?} is no argument: a path, a 'string', a number, true, false or null")),
        }
    }

    /// A string in single quotes. `\'` and `\\` are taken here; `\{` and `\}` are left for `States.Format`.
    fn string(&mut self) -> Result<String, String> {
        let mut text = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            match character {
                '\'' => {
                    self.rest = &self.rest[at + 1..];
                    return Ok(text);
                }
                '\\' => match characters.next() {
                    Some((_, '\'')) => text.push('\''),
                    Some((_, '\\')) => text.push_str("\\\\"),
                    Some((_, escaped @ ('{' | '}'))) => text.extend(['\\', escaped]),
                    _ => return Err("only \\', \\{, \\} and \\\\ may follow a backslash".into()),
                },
                other => text.push(other),
            }
        }
        Err("a string is not closed by '".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn evaluate(text: &str) -> Result<Value, String> {
        let (input, context) =
            (json!({"n": 4, "s": "x", "list": [1, 2], "o": {"k": 1}}), json!({"Execution": {"Name": "e"}}));
        Intrinsic::parse(text)?.evaluate(&Scope { input: &input, context: &context, random: &|| 0.5 })
    }

    #[test]
    fn computes_each_function() {
        assert_eq!(
            evaluate("States.Format('{} of {}: {}, {}', $.n, 5, true, $$.Execution.Name)"),
            Ok(json!("4 of 5: true, e"))
        );
        assert_eq!(evaluate(r"States.Format('it\'s \{{}\}', $.s)"), Ok(json!("it's {x}")));
        assert_eq!(evaluate("States.JsonToString($.o)"), Ok(json!(r#"{"k":1}"#)));
        assert_eq!(evaluate("States.StringToJson('[1]')"), Ok(json!([1])));
        assert_eq!(evaluate(r#"States.StringToJson('\{"a": "b\\\\c"\}')"#), Ok(json!({"a": "b\\c"})));
        assert_eq!(evaluate("States.MathAdd($.n, -1)"), Ok(json!(3)));
        assert_eq!(evaluate("States.ArrayLength( $.list )"), Ok(json!(2)));
        assert_eq!(evaluate("States.MathAdd(States.ArrayLength($['list']), 1)"), Ok(json!(3)));
        assert_eq!(evaluate("States.UUID()"), Ok(json!("88888888-8888-4888-8888-888888888888")));
    }

    #[test]
    fn a_uuid_bears_its_version_and_variant() {
        assert_eq!(uuid(&|| 0.0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid(&|| 0.999), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn fails_as_documented() {
        for text in [
            "States.Format('{}', $.missing)",
            "States.Format('{}')",
            "States.Format('x', 1)",
            "States.Format('{}', $.o)",
            "States.MathAdd($.s, 1)",
            "States.MathAdd(2147483647, 1)",
            "States.MathAdd(1.5, 1)",
            "States.ArrayLength($.s)",
            "States.StringToJson($.n)",
            "States.StringToJson('{')",
        ] {
            let call = Intrinsic::parse(text).expect(text);
            let (input, context) = (json!({"n": 4, "s": "x", "o": {}}), json!({}));
            let scope = Scope { input: &input, context: &context, random: &|| 0.0 };
            assert!(call.evaluate(&scope).is_err(), "{text}");
        }
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for text in [
            "States.Hash('a', 'SHA-1')",
            "States.Format",
            "States.Format('a'",
            "States.Format(\"a\")",
            "States.MathAdd(1)",
            "States.MathAdd(1, 2) x",
            "States.Format('{}', $..a)",
            r"States.Format('\n')",
        ] {
            assert!(Intrinsic::parse(text).is_err(), "{text}");
        }
    }
}

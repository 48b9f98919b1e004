//! What a real account's names are in a simulated one, and back.
//!
//! Every simulated account has the same number, in the same region. So the two numbers, regions and partitions are exchanged wherever
//! they stand: what was one is the other, and doing it twice changes nothing.

use crossfade_aws::clone::{Home, State};
use crossfade_core::{Kind, Result};
use serde_json::Value;

/// Where every simulated account is.
const PARTITION: &str = "aws";
const REGION: &str = "eu-west-1";
const ACCOUNT: &str = "123456789012";

/// How names of an account are written in a simulated one. The same way leads back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    pairs: Vec<[String; 2]>,
}

impl Names {
    /// Those of an account.
    pub fn of(home: &Home) -> Self {
        let arn = |partition: &str| match partition {
            "" => String::new(),
            partition => format!("arn:{partition}:"),
        };
        let pairs = [
            [arn(&home.partition), arn(PARTITION)],
            [home.region.clone(), REGION.to_owned()],
            [home.account.clone(), ACCOUNT.to_owned()],
        ];
        let differs = |[real, simulated]: &[String; 2]| !real.is_empty() && real != simulated;
        Self { pairs: pairs.into_iter().filter(differs).collect() }
    }

    /// A text as it stands in the other account.
    pub fn text(&self, text: &str) -> String {
        let (mut written, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(first) = rest.chars().next() {
            let both = self.pairs.iter().flat_map(|[real, simulated]| [(real, simulated), (simulated, real)]);
            match both.into_iter().find(|(from, _)| rest.starts_with(from.as_str())) {
                Some((from, to)) => {
                    written.push_str(to);
                    rest = &rest[from.len()..];
                }
                None => {
                    written.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        written
    }

    /// A document, or anything else in JSON, as it stands in the other account.
    #[must_use]
    pub fn value(&self, value: &Value) -> Value {
        if self.pairs.is_empty() {
            return value.clone();
        }
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(items) => items.iter().map(|item| self.value(item)).collect(),
            Value::Object(members) => {
                members.iter().map(|(name, value)| (self.text(name), self.value(value))).collect()
            }
            other => other.clone(),
        }
    }

    /// A state as it stands in the other account.
    pub(crate) fn state(&self, state: &State) -> Result<State> {
        let broken = |error: serde_json::Error| {
            Kind::InvalidDocument.because(format!("The state of the account is broken: {error}."))
        };
        let value = serde_json::to_value(state).map_err(broken)?;
        serde_json::from_value(self.value(&value)).map_err(broken)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_otherwise_twice_is_as_it_was() {
        let home = Home { partition: "aws-cn".into(), region: "cn-north-1".into(), account: "210987654321".into() };
        let names = Names::of(&home);
        let arn = "arn:aws-cn:sns:cn-north-1:210987654321:shop, in cn-north-1b; not in eu-west-1 of 123456789012";
        let simulated = "arn:aws:sns:eu-west-1:123456789012:shop, in eu-west-1b; not in cn-north-1 of 210987654321";
        assert_eq!(names.text(arn), simulated);
        assert_eq!(names.text(simulated), arn);
        let value = json!({ arn: [arn, 1, null, true] });
        assert_eq!(names.value(&names.value(&value)), value);
        assert_eq!(names.value(&value), json!({ simulated: [simulated, 1, null, true] }));
    }

    #[test]
    fn the_simulated_account_itself_is_written_as_it_is() {
        let home = Home { partition: PARTITION.into(), region: REGION.into(), account: ACCOUNT.into() };
        assert_eq!(Names::of(&home), Names { pairs: Vec::new() });
        assert_eq!(
            Names::of(&Home::default()).text("arn:aws:x:eu-west-1:123456789012:y"),
            "arn:aws:x:eu-west-1:123456789012:y"
        );
    }
}

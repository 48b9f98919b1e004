//! Choice states as they are written: one comparison per rule, nested by And, Or and Not.

use serde_json::Value;

use super::Choice;
use super::fields::Fields;
use crate::choice::{Comparison, Operand, Rule};
use crate::paths::Path;
use crate::problem::Problems;

pub(super) fn choice(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Choice> {
    let filter = fields.filter(problems);
    fields.required("Choices", problems);
    let pointer = fields.at("Choices");
    let values = fields.array("Choices", problems);
    if fields.has("Choices") && values.is_empty() {
        problems.refuse("missing-field", &pointer, "at least one rule is needed");
    }
    let default = fields.string("Default", problems);
    let rules = values.iter().enumerate().filter_map(|(nth, value)| {
        let mut next = None;
        let rule = rule(value, format!("{pointer}/{nth}"), Some(&mut next), problems);
        Some((rule?, next?))
    });
    let choices = rules.collect::<Vec<_>>();
    // A rule that could not be read has an unknown target: the graph must not be judged without it.
    (choices.len() == values.len()).then_some(Choice { filter, choices, default })
}

/// One rule; only a topmost one has a Next.
fn rule(value: &Value, pointer: String, next: Option<&mut Option<String>>, problems: &mut Problems) -> Option<Rule> {
    let mut fields = Fields::new(value, pointer, problems)?;
    fields.string("Comment", problems);
    if let Some(next) = next {
        fields.required("Next", problems);
        *next = fields.string("Next", problems);
    }
    let rule = if fields.has("And") {
        nested(&mut fields, "And", problems).map(Rule::And)
    } else if fields.has("Or") {
        nested(&mut fields, "Or", problems).map(Rule::Or)
    } else if fields.has("Not") {
        let pointer = fields.at("Not");
        fields.raw("Not").and_then(|value| rule(value, pointer, None, problems)).map(|rule| Rule::Not(Box::new(rule)))
    } else {
        comparison(&mut fields, problems)
    };
    fields.finish(problems);
    rule
}

fn nested(fields: &mut Fields<'_>, name: &'static str, problems: &mut Problems) -> Option<Vec<Rule>> {
    let pointer = fields.at(name);
    let values = fields.array(name, problems);
    if values.is_empty() {
        problems.refuse("missing-field", &pointer, "at least one rule is needed");
    }
    let rules = values.iter().enumerate();
    let rules = rules.map(|(nth, value)| rule(value, format!("{pointer}/{nth}"), None, problems)).collect::<Vec<_>>();
    rules.into_iter().collect()
}

fn comparison(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Rule> {
    fields.required("Variable", problems);
    let variable = fields.path("Variable", problems);
    let present = Comparison::ALL.iter().flat_map(|(comparison, name, path_name)| {
        [Some((*comparison, *name, false)), path_name.map(|name| (*comparison, name, true))].into_iter().flatten()
    });
    let present = present.filter(|(_, name, _)| fields.has(name)).collect::<Vec<_>>();
    let [(comparison, name, by_path)] = *present else {
        let message = "exactly one comparison operator (or And, Or, Not) is needed";
        problems.refuse("bad-rule", &fields.pointer, message);
        for (_, name, _) in present {
            fields.raw(name);
        }
        return None;
    };
    let pointer = fields.at(name);
    let value = fields.raw(name)?;
    let operand = if by_path {
        let path = value.as_str().ok_or("must be a path".to_owned());
        path.and_then(|text| Path::parse(text).map_err(|error| error.to_string())).map(Operand::Path)
    } else {
        comparison.literal(value).map(Operand::Literal)
    };
    let operand = operand.map_err(|message| problems.refuse("bad-rule", &pointer, message)).ok();
    Some(Rule::Compare { variable: variable?, comparison, operand: operand? })
}

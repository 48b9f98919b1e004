//! The state types other than Task and Choice, and the dispatch on `Type`.

use serde_json::Value;

use super::fields::Fields;
use super::{Fail, Kind, Pass, Span, State, Text, Until, Wait, choice, task};
use crate::choice::timestamp_millis;
use crate::problem::Problems;
use crate::template::{Expression, Template};

pub(super) fn state(value: &Value, pointer: String, problems: &mut Problems) -> Option<State> {
    let mut fields = Fields::new(value, pointer, problems)?;
    fields.required("Type", problems)?;
    let kind = fields.string("Type", problems)?;
    let comment = fields.string("Comment", problems);
    let kind = match kind.as_str() {
        "Task" => task::task(&mut fields, problems).map(|task| Kind::Task(Box::new(task))),
        "Choice" => choice::choice(&mut fields, problems).map(Kind::Choice),
        "Wait" => wait(&mut fields, problems).map(Kind::Wait),
        "Pass" => Some(Kind::Pass(pass(&mut fields, problems))),
        "Succeed" => Some(Kind::Succeed(fields.filter(problems))),
        "Fail" => Some(Kind::Fail(fail(&mut fields, problems))),
        other => {
            let message = format!("{other:?} is not supported: Task, Choice, Wait, Pass, Succeed and Fail are");
            problems.refuse("unsupported-state", &fields.at("Type"), message);
            // Without a type it cannot be said which fields belong here.
            return None;
        }
    };
    fields.finish(problems);
    Some(State { comment, kind: kind? })
}

/// `$$.Task.Token` exists only in a Task that waits for it: everywhere else it would end the execution.
pub(super) fn refuse_token(template: Option<&Template>, pointer: &str, problems: &mut Problems) {
    for path in template.map(Template::paths).unwrap_or_default() {
        if path.is_context() && path.fields().is_some_and(|fields| fields.first() == Some(&"Task")) {
            problems.refuse(
                "no-token",
                pointer,
                format!("{path} exists only in a .waitForTaskToken Task's Parameters"),
            );
        }
    }
}

fn wait(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Wait> {
    let filter = fields.filter(problems);
    let transition = fields.transition(problems);
    let given = ["Seconds", "SecondsPath", "Timestamp", "TimestampPath"].iter().filter(|name| fields.has(name)).count();
    if given != 1 {
        let message = "exactly one of Seconds, SecondsPath, Timestamp and TimestampPath is needed";
        problems.refuse("missing-field", &fields.pointer, message);
    }
    let span = fields.span("Seconds", "SecondsPath", 0, problems);
    let timestamp = fields.string("Timestamp", problems);
    let timestamp = timestamp.and_then(|text| {
        let millis = timestamp_millis(&text);
        if millis.is_none() {
            problems.refuse("wrong-type", &fields.at("Timestamp"), "must be like 2026-01-31T09:00:00Z");
        }
        millis.map(|millis| u64::try_from(millis).unwrap_or(0))
    });
    let timestamp_path = fields.path("TimestampPath", problems);
    let until = span.map(|span: Span| Until::Seconds(span));
    let until = until.or(timestamp.map(Until::Timestamp)).or(timestamp_path.map(Until::TimestampPath));
    Some(Wait { filter, until: until?, transition })
}

fn pass(fields: &mut Fields<'_>, problems: &mut Problems) -> Pass {
    let parameters = fields.template("Parameters", problems);
    refuse_token(parameters.as_ref(), &fields.at("Parameters"), problems);
    Pass {
        filter: fields.filter(problems),
        result: fields.raw("Result").cloned(),
        parameters,
        result_path: fields.result_path(problems),
        transition: fields.transition(problems),
    }
}

fn fail(fields: &mut Fields<'_>, problems: &mut Problems) -> Fail {
    Fail { error: text(fields, "Error", "ErrorPath", problems), cause: text(fields, "Cause", "CausePath", problems) }
}

fn text(fields: &mut Fields<'_>, name: &'static str, path_name: &'static str, problems: &mut Problems) -> Option<Text> {
    let literal = fields.string(name, problems);
    let path = fields.string(path_name, problems);
    if fields.has(name) && fields.has(path_name) {
        problems.refuse("conflicting-fields", &fields.at(path_name), format!("{name} is given as well"));
    }
    let computed = path.and_then(|text| {
        Expression::parse(&text).map_err(|message| problems.refuse("bad-path", &fields.at(path_name), message)).ok()
    });
    literal.map(Text::Literal).or(computed.map(Text::Computed))
}

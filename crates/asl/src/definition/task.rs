//! Task states: a Lambda function, with or without a task token, and what answers its errors.

use serde_json::Value;

use super::fields::Fields;
use super::states::refuse_token;
use super::{Catcher, Retrier, Task};
use crate::problem::{Problems, child};
use crate::template::Template;

/// AWS: MaxDelaySeconds is below 31,622,400 (366 days).
const MAX_DELAY_LIMIT: u64 = 31_622_400;

pub(super) fn task(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Task> {
    fields.required("Resource", problems);
    let resource = fields.string("Resource", problems);
    let integration = resource.as_deref().and_then(integration);
    if let (Some(resource), None) = (&resource, integration) {
        let message = format!(
            "{resource:?} is not supported: arn:aws:states:::lambda:invoke and \
             arn:aws:states:::lambda:invoke.waitForTaskToken are"
        );
        problems.refuse("unsupported-resource", &fields.at("Resource"), message);
    }
    let waits_for_token = integration.is_some_and(|resource| resource == WITH_TOKEN);

    let parameters = fields.required("Parameters", problems);
    let parameters_at = fields.at("Parameters");
    let (function, payload) = match parameters {
        Some(parameters) => invocation(parameters, &parameters_at, problems),
        None => (None, None),
    };
    let result_selector = fields.template("ResultSelector", problems);
    if integration.is_some() && !waits_for_token {
        refuse_token(function.as_ref(), &parameters_at, problems);
        refuse_token(payload.as_ref(), &parameters_at, problems);
    }
    refuse_token(result_selector.as_ref(), &fields.at("ResultSelector"), problems);

    let timeout = fields.span("TimeoutSeconds", "TimeoutSecondsPath", 1, problems);
    let heartbeat = fields.span("HeartbeatSeconds", "HeartbeatSecondsPath", 1, problems);
    if heartbeat.is_some() && integration.is_some() && !waits_for_token {
        let message = "without .waitForTaskToken nothing can send a heartbeat";
        problems.refuse("unsupported", &fields.at("HeartbeatSeconds"), message);
    }
    let filter = fields.filter(problems);
    let result_path = fields.result_path(problems);
    let retry_at = fields.at("Retry");
    let retry = fields.array("Retry", problems).iter().enumerate();
    let retry = retry.filter_map(|(nth, value)| retrier(value, format!("{retry_at}/{nth}"), problems)).collect();
    let catch_at = fields.at("Catch");
    let catch = fields.array("Catch", problems).iter().enumerate();
    let catch = catch.filter_map(|(nth, value)| catcher(value, format!("{catch_at}/{nth}"), problems)).collect();
    let transition = fields.transition(problems);
    // The rest of a Task without a known resource is still worth reading, for its problems and its targets.
    Some(Task {
        resource: integration.unwrap_or(PLAIN),
        waits_for_token,
        function: function.unwrap_or(Template::Literal(Value::Null)),
        payload,
        filter,
        result_selector,
        result_path,
        timeout,
        heartbeat,
        retry,
        catch,
        transition,
    })
}

const PLAIN: &str = "invoke";
const WITH_TOKEN: &str = "invoke.waitForTaskToken";

/// The integration that a resource names.
fn integration(resource: &str) -> Option<&'static str> {
    let rest = resource.strip_prefix("arn:")?;
    let (partition, rest) = rest.split_once(':')?;
    let known = matches!(partition, "aws" | "aws-cn" | "aws-us-gov");
    let integration = rest.strip_prefix("states:::lambda:")?;
    [PLAIN, WITH_TOKEN].into_iter().find(|name| known && *name == integration)
}

/// `FunctionName` and `Payload`.
fn invocation(value: &Value, pointer: &str, problems: &mut Problems) -> (Option<Template>, Option<Template>) {
    let Template::Object(entries) = Template::parse(value, pointer, problems) else {
        problems.refuse("wrong-type", pointer, "must be an object with FunctionName and Payload");
        return (None, None);
    };
    let (mut function, mut payload) = (None, None);
    for (key, template) in entries {
        match key.as_str() {
            "FunctionName" => function = Some(template),
            "Payload" => payload = Some(template),
            other => {
                let message = format!("{other} is not supported: FunctionName and Payload are");
                problems.refuse("unknown-field", &child(pointer, other), message);
            }
        }
    }
    match &function {
        None => problems.refuse("missing-field", pointer, "FunctionName is missing"),
        Some(Template::Literal(Value::String(name))) if !name.is_empty() => {}
        Some(Template::Computed(_)) => {}
        Some(_) => problems.refuse("wrong-type", &child(pointer, "FunctionName"), "must be a function's name or ARN"),
    }
    (function, payload)
}

fn error_equals(fields: &mut Fields<'_>, problems: &mut Problems) -> Vec<String> {
    fields.required("ErrorEquals", problems);
    let pointer = fields.at("ErrorEquals");
    let values = fields.array("ErrorEquals", problems);
    if fields.has("ErrorEquals") && values.is_empty() {
        problems.refuse("missing-field", &pointer, "at least one error name is needed");
    }
    let names = values.iter().enumerate().filter_map(|(nth, value)| {
        if !value.is_string() {
            problems.refuse("wrong-type", &format!("{pointer}/{nth}"), "must be an error name");
        }
        value.as_str().map(str::to_owned)
    });
    names.collect()
}

fn retrier(value: &Value, pointer: String, problems: &mut Problems) -> Option<Retrier> {
    let mut fields = Fields::new(value, pointer, problems)?;
    // ASL names no Comment here, but AWS accepts one.
    fields.string("Comment", problems);
    let error_equals = error_equals(&mut fields, problems);
    let interval_seconds = fields.integer("IntervalSeconds", 1, problems).unwrap_or(1);
    let max_attempts = fields.integer("MaxAttempts", 0, problems).unwrap_or(3);
    let backoff_rate = match fields.raw("BackoffRate") {
        None => 2.0,
        Some(rate) => rate.as_f64().filter(|rate| *rate >= 1.0).unwrap_or_else(|| {
            problems.refuse("out-of-range", &fields.at("BackoffRate"), "must be a number of at least 1.0");
            1.0
        }),
    };
    let max_delay_seconds = fields.integer("MaxDelaySeconds", 1, problems);
    if max_delay_seconds.is_some_and(|seconds| seconds >= MAX_DELAY_LIMIT) {
        let message = format!("must be below {MAX_DELAY_LIMIT}");
        problems.refuse("out-of-range", &fields.at("MaxDelaySeconds"), message);
    }
    let full_jitter = match fields.string("JitterStrategy", problems).as_deref() {
        None | Some("NONE") => false,
        Some("FULL") => true,
        Some(_) => {
            problems.refuse("out-of-range", &fields.at("JitterStrategy"), "must be FULL or NONE");
            false
        }
    };
    fields.finish(problems);
    Some(Retrier { error_equals, interval_seconds, max_attempts, backoff_rate, max_delay_seconds, full_jitter })
}

fn catcher(value: &Value, pointer: String, problems: &mut Problems) -> Option<Catcher> {
    let mut fields = Fields::new(value, pointer, problems)?;
    fields.string("Comment", problems);
    let error_equals = error_equals(&mut fields, problems);
    fields.required("Next", problems);
    let next = fields.string("Next", problems);
    let result_path = fields.result_path(problems);
    fields.finish(problems);
    Some(Catcher { error_equals, next: next?, result_path })
}

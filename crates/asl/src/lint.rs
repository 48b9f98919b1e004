//! The rules that the public validators miss: what makes a valid definition one that can be operated.
//!
//! What Step Functions itself would refuse is not here but in the parser.

use crate::definition::{Kind, Retrier, Span, State, Task};
use crate::errors::names;
use crate::problem::child;
use crate::retry::backoff_millis;
use crate::{Problem, Severity, StateMachine};

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its stable name, as [`Problem::rule`] gives it.
    pub name: &'static str,
    /// Why it exists.
    pub why: &'static str,
}

/// The errors of the Lambda service itself, which say nothing about the function and pass by themselves.
pub const PLATFORM_ERRORS: [&str; 5] = [
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
];

/// The fewest characters of a comment that says something.
const COMMENT_LEAST: usize = 20;

/// The most attempts of one retrier that still count as bounded.
const ATTEMPTS_MOST: u64 = 120;

/// The longest that one retrier may keep a state waiting: two days, and so, with full jitter, a day on average.
const RETRYING_MOST_MILLIS: u64 = 2 * 86_400_000;

/// All rules.
pub const RULES: &[Rule] = &[
    Rule { name: "machine-timeout", why: "without TimeoutSeconds an execution may hang for a year" },
    Rule { name: "machine-comment", why: "the machine's Comment says what it is for" },
    Rule { name: "state-comment", why: "each state's Comment says what it is for and what has changed by then" },
    Rule { name: "task-timeout", why: "without TimeoutSeconds a lost answer hangs the execution" },
    Rule { name: "token-timeout", why: "without TimeoutSeconds a token that nobody returns hangs the execution" },
    Rule { name: "token-unused", why: "a .waitForTaskToken Task must hand $$.Task.Token to its function" },
    Rule { name: "heartbeat-below-timeout", why: "a heartbeat deadline at or above the timeout never fires" },
    Rule { name: "all-alone", why: "States.ALL must stand alone in its ErrorEquals" },
    Rule { name: "all-last", why: "what follows States.ALL is never reached" },
    Rule { name: "platform-retrier", why: "errors of the Lambda service itself pass; they must not fail a deployment" },
    Rule { name: "retry-jitter", why: "retriers without FULL jitter come back all at once" },
    Rule { name: "retry-max-delay", why: "without MaxDelaySeconds exponential backoff grows without bound" },
    Rule { name: "retry-bounded", why: "a retrier must give up after a day, on average, and 120 attempts" },
    Rule { name: "retry-shadowed", why: "the first match wins: what is in front of States.ALL ends its patience" },
    Rule { name: "catch-all", why: "an error that nothing catches ends the execution without a rollback" },
    Rule {
        name: "uncatchable-error",
        why: "States.Runtime and its kin end the execution; naming them promises too much",
    },
    Rule { name: "choice-default", why: "a Choice that nothing matches ends the execution, and no Catch runs" },
];

/// Everything in `machine` that breaks one of [`RULES`].
pub fn lint(machine: &StateMachine) -> Vec<Problem> {
    let mut report = Report(Vec::new());
    if machine.timeout_seconds.is_none() {
        report.add("machine-timeout", "", "TimeoutSeconds is missing");
    }
    if !says_something(machine.comment.as_deref()) {
        report.add("machine-comment", "", format!("Comment is missing or shorter than {COMMENT_LEAST} characters"));
    }
    for (name, state) in &machine.states {
        let pointer = child("/States", name);
        if !says_something(state.comment.as_deref()) {
            let message = format!("Comment is missing or shorter than {COMMENT_LEAST} characters");
            report.add("state-comment", &pointer, message);
        }
        match state {
            State { kind: Kind::Task(task), .. } => lint_task(task, &pointer, &mut report),
            State { kind: Kind::Choice(choice), .. } if choice.default.is_none() => {
                report.add("choice-default", &pointer, "Default is missing");
            }
            _ => {}
        }
    }
    report.0
}

struct Report(Vec<Problem>);

impl Report {
    fn add(&mut self, rule: &'static str, pointer: &str, message: impl Into<String>) {
        debug_assert!(RULES.iter().any(|known| known.name == rule), "{rule} is not listed");
        let (pointer, message) = (pointer.to_owned(), message.into());
        self.0.push(Problem { rule, pointer, message, severity: Severity::Lint });
    }
}

fn says_something(comment: Option<&str>) -> bool {
    comment.is_some_and(|comment| comment.trim().chars().count() >= COMMENT_LEAST)
}

fn lint_task(task: &Task, pointer: &str, report: &mut Report) {
    if task.timeout.is_none() {
        let rule = if task.waits_for_token { "token-timeout" } else { "task-timeout" };
        report.add(rule, pointer, "TimeoutSeconds or TimeoutSecondsPath is missing");
    }
    if let (Some(Span::Seconds(heartbeat)), Some(Span::Seconds(timeout))) = (&task.heartbeat, &task.timeout)
        && heartbeat >= timeout
    {
        let message = format!("{heartbeat} s is not below TimeoutSeconds, {timeout} s");
        report.add("heartbeat-below-timeout", &child(pointer, "HeartbeatSeconds"), message);
    }
    let templates = [Some(&task.function), task.payload.as_ref()];
    let mut paths = templates.into_iter().flatten().flat_map(|template| template.paths());
    let is_token = |fields: Option<Vec<&str>>| fields.is_some_and(|fields| fields == ["Task", "Token"]);
    if task.waits_for_token && !paths.any(|path| path.is_context() && is_token(path.fields())) {
        report.add("token-unused", &child(pointer, "Parameters"), "nothing in Payload is $$.Task.Token");
    }

    let retry = task.retry.iter().map(|retrier| retrier.error_equals.as_slice()).collect::<Vec<_>>();
    lint_lists(&retry, &child(pointer, "Retry"), report);
    let catch = task.catch.iter().map(|catcher| catcher.error_equals.as_slice()).collect::<Vec<_>>();
    lint_lists(&catch, &child(pointer, "Catch"), report);
    if !catch.iter().any(|errors| errors.iter().any(|error| error == names::ALL)) {
        report.add("catch-all", pointer, "no Catch has States.ALL");
    }
    for (nth, retrier) in task.retry.iter().enumerate() {
        lint_retrier(retrier, &format!("{pointer}/Retry/{nth}"), report);
    }
    let retries = |error: &str| {
        let names = |retrier: &&Retrier| retrier.error_equals.iter().any(|name| name == error || name == names::ALL);
        task.retry.iter().find(names).is_some_and(|retrier| retrier.max_attempts > 0)
    };
    let missing = PLATFORM_ERRORS.into_iter().filter(|error| !retries(error)).collect::<Vec<_>>();
    if !missing.is_empty() {
        let message = format!("no Retry names {}", missing.join(", "));
        report.add("platform-retrier", pointer, message);
    }
    let all = task.retry.iter().position(|retrier| retrier.error_equals.iter().any(|error| error == names::ALL));
    for (nth, retrier) in task.retry.iter().enumerate().take(all.unwrap_or(0)) {
        if let Some(error) = retrier.error_equals.iter().find(|error| PLATFORM_ERRORS.contains(&error.as_str())) {
            let message = format!("{error} never gets to States.ALL");
            report.add("retry-shadowed", &format!("{pointer}/Retry/{nth}"), message);
        }
    }
}

/// The rules that hold for the ErrorEquals of Retry and Catch alike.
fn lint_lists(lists: &[&[String]], pointer: &str, report: &mut Report) {
    for (nth, errors) in lists.iter().enumerate() {
        let pointer = format!("{pointer}/{nth}");
        if errors.iter().any(|error| error == names::ALL) {
            if errors.len() > 1 {
                report.add("all-alone", &pointer, "States.ALL stands beside other names");
            }
            if nth + 1 < lists.len() {
                report.add("all-last", &pointer, "others follow States.ALL");
            }
        }
        for error in errors.iter().filter(|error| UNCATCHABLE.contains(&error.as_str())) {
            report.add("uncatchable-error", &pointer, format!("{error} ends the execution, whatever is written here"));
        }
    }
}

/// Errors that end the execution, by this name or as States.Runtime. `States.DataLimitExceeded` is none of them: AWS only says that
/// States.ALL does not catch it, and machines in use catch it by its name.
const UNCATCHABLE: [&str; 6] = [
    names::RUNTIME,
    "States.NoChoiceMatched",
    "States.ParameterPathFailure",
    "States.ResultPathMatchFailure",
    "States.IntrinsicFailure",
    "States.QueryEvaluationError",
];

fn lint_retrier(retrier: &Retrier, pointer: &str, report: &mut Report) {
    if retrier.max_attempts == 0 {
        // It says "do not retry these", so it has nothing to wait for.
        return;
    }
    if !retrier.full_jitter {
        report.add("retry-jitter", pointer, "JitterStrategy is not FULL");
    }
    let Some(cap) = retrier.max_delay_seconds else {
        report.add("retry-max-delay", pointer, "MaxDelaySeconds is missing");
        return;
    };
    let (interval, rate) = (retrier.interval_seconds, retrier.backoff_rate);
    let plain = |nth| backoff_millis(interval, rate, Some(cap), false, nth, 0.0);
    let many = retrier.max_attempts > ATTEMPTS_MOST;
    if many || (0..retrier.max_attempts).map(plain).sum::<u64>() > RETRYING_MOST_MILLIS {
        let message = format!("{} attempts of up to {cap} s each are too many", retrier.max_attempts);
        report.add("retry-bounded", pointer, message);
    }
}

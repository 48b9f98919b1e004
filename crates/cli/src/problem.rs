//! Why a command could not do what it was asked: in a sentence for people, as one object for scripts, and as an exit code.
//!
//! What it must never do: print anything. One error is told in one form, whatever the command.

use std::process::ExitCode;

use crossfade_core::document::Problem as Wrong;
use crossfade_core::{Failure, Kind};
use schemars::JsonSchema;
use serde::Serialize;

use crate::installed::ActsIn;
use crate::list::Listed;

/// The exit code when the command or the document is wrong, or how things stand does not allow what was asked.
pub(crate) const WRONG: u8 = 2;
/// The exit code when AWS could not be reached or refused, or this machine did.
const FAILED: u8 = 4;
/// The exit code when somebody presses ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub(crate) enum Problem {
    /// The arguments are wrong, or a file or the environment that they lead to.
    Usage(String),
    /// There is nothing of that name.
    NotFound(String),
    /// Several may be meant: these.
    Ambiguous(String, Vec<Listed>),
    /// How things stand does not allow it, or whoever asks may not.
    Refused(String),
    /// crossfade is not installed there.
    NotInstalled(String),
    /// The document is wrong.
    Document(Vec<Wrong>),
    /// Something stands in the way of a deployment: its document, the account, a freeze, another deployment.
    InTheWay(Failure),
    /// AWS could not be reached, or refused.
    Aws(Failure),
    /// Whoever runs it is not signed in (any more).
    NotSignedIn(String),
    /// Something of this machine, such as a file or a port.
    Here(String),
    /// Somebody has pressed ctrl-C.
    Interrupted(String),
    /// One of the others, of a command that knows where it acts.
    In(ActsIn, Box<Problem>),
}

/// What a command prints with `--output json` when it could not do what it was asked: the last object on standard output.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "The error of a command with `--output json`")]
pub(crate) struct Told {
    /// What kind of error it is: a name that `docs/errors` has a page for, or one of the command's own: `Usage`, `NotFound`, `Ambiguous`,
    /// `Refused`, `NotInstalled`, `NotSignedIn`, `ThisMachine`, `Interrupted`.
    error: &'static str,
    /// What happened and what to do, as people are told it.
    message: String,
    /// Each thing that is wrong; at least one.
    problems: Vec<Item>,
    /// Those that may be meant, of an error `Ambiguous`.
    deployments: Vec<Listed>,
    /// What the command exits with.
    exit_code: u8,
    /// The account, the region, and whoever asks; nothing when the command did not come as far.
    acts_in: Option<ActsIn>,
}

/// One thing that is wrong.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
struct Item {
    /// The field of the document, as in `strategy.stages[2].shift.percent`; nothing where it is about something else.
    path: Option<String>,
    /// What is there, shortened; nothing when the field is missing.
    value: Option<String>,
    /// What is wrong.
    problem: String,
    /// What to do, where that does not stand in `problem`.
    fix: Option<String>,
}

impl Item {
    fn of(text: &str) -> Self {
        Self { path: None, value: None, problem: text.to_owned(), fix: None }
    }
}

impl From<&Wrong> for Item {
    fn from(Wrong { path, value, problem, fix }: &Wrong) -> Self {
        let path = Some(path.clone()).filter(|path| !path.is_empty());
        Self { path, value: value.clone(), problem: problem.clone(), fix: Some(fix.clone()) }
    }
}

impl Problem {
    /// What the command exits with.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Problem::Usage(_)
            | Problem::NotFound(_)
            | Problem::Ambiguous(..)
            | Problem::Refused(_)
            | Problem::NotInstalled(_)
            | Problem::Document(_)
            | Problem::InTheWay(_) => WRONG,
            Problem::Aws(_) | Problem::NotSignedIn(_) | Problem::Here(_) => FAILED,
            Problem::Interrupted(_) => INTERRUPTED,
            Problem::In(_, problem) => problem.code(),
        }
    }

    /// The same for the process.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    /// What kind it is of.
    fn error(&self) -> &'static str {
        match self {
            Problem::Usage(_) => "Usage",
            Problem::NotFound(_) => "NotFound",
            Problem::Ambiguous(..) => "Ambiguous",
            Problem::Refused(_) => "Refused",
            Problem::NotInstalled(_) => "NotInstalled",
            Problem::Document(_) => Kind::InvalidDocument.name(),
            Problem::InTheWay(failure) | Problem::Aws(failure) => failure.kind.name(),
            Problem::NotSignedIn(_) => "NotSignedIn",
            Problem::Here(_) => "ThisMachine",
            Problem::Interrupted(_) => "Interrupted",
            Problem::In(_, problem) => problem.error(),
        }
    }

    fn items(&self) -> Vec<Item> {
        match self {
            Problem::Document(problems) => problems.iter().map(Item::from).collect(),
            Problem::InTheWay(failure) => failure.problems().into_iter().map(Item::of).collect(),
            Problem::In(_, problem) => problem.items(),
            one => vec![Item::of(&one.to_string())],
        }
    }

    /// What scripts are told.
    pub(crate) fn told(self) -> Told {
        let (error, message, problems, exit_code) = (self.error(), self.to_string(), self.items(), self.code());
        let (acts_in, problem) = match self {
            Problem::In(acts_in, problem) => (Some(acts_in), *problem),
            problem => (None, problem),
        };
        let deployments = if let Problem::Ambiguous(_, deployments) = problem { deployments } else { Vec::new() };
        Told { error, message, problems, deployments, exit_code, acts_in }
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Problem::Usage(text)
            | Problem::NotFound(text)
            | Problem::Ambiguous(text, _)
            | Problem::Refused(text)
            | Problem::NotInstalled(text)
            | Problem::NotSignedIn(text)
            | Problem::Here(text)
            | Problem::Interrupted(text) => f.write_str(text),
            Problem::Document(problems) => write!(f, "{}", Failure::from(problems.clone())),
            Problem::InTheWay(failure) | Problem::Aws(failure) => write!(f, "{failure}"),
            Problem::In(_, problem) => write!(f, "{problem}"),
        }
    }
}

impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        match failure.kind {
            Kind::InvalidDocument | Kind::PreflightFailed | Kind::LockHeld | Kind::Frozen => Problem::InTheWay(failure),
            _ => Problem::Aws(failure),
        }
    }
}

impl From<Vec<Wrong>> for Problem {
    fn from(problems: Vec<Wrong>) -> Self {
        Problem::Document(problems)
    }
}

/// The error in arguments that could not be read: what is wrong, without the usage below it.
impl From<&clap::Error> for Problem {
    fn from(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let end = ["\n\nUsage:", "\n\nFor more information"].iter().filter_map(|end| text.find(end)).min();
        Problem::Usage(text[..end.unwrap_or(text.len())].trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(problem: Problem) -> Value {
        json!(problem.told())
    }

    #[test]
    fn each_kind_of_error_has_its_name_and_its_code() {
        let text = || "why".to_owned();
        let aws = |kind: Kind| Problem::from(kind.because("why"));
        for (problem, error, code) in [
            (Problem::Usage(text()), "Usage", 2),
            (Problem::NotFound(text()), "NotFound", 2),
            (Problem::Ambiguous(text(), Vec::new()), "Ambiguous", 2),
            (Problem::Refused(text()), "Refused", 2),
            (Problem::NotInstalled(text()), "NotInstalled", 2),
            (aws(Kind::LockHeld), "LockHeld", 2),
            (aws(Kind::Frozen), "Frozen", 2),
            (aws(Kind::PreflightFailed), "PreflightFailed", 2),
            (aws(Kind::ServiceUnavailable), "ServiceUnavailable", 4),
            (aws(Kind::AccessDenied), "AccessDenied", 4),
            (Problem::NotSignedIn(text()), "NotSignedIn", 4),
            (Problem::Here(text()), "ThisMachine", 4),
            (Problem::Interrupted(text()), "Interrupted", 130),
        ] {
            let item = json!({ "path": null, "value": null, "problem": "why", "fix": null });
            let wanted = json!({
                "error": error, "message": "why", "problems": [item], "deployments": [], "exitCode": code, "actsIn": null,
            });
            assert_eq!(told(problem), wanted);
        }
    }

    #[test]
    fn several_problems_are_told_apart_and_those_of_a_document_with_their_fields() {
        let wrong = |path: &str| Wrong {
            path: path.into(),
            value: Some("500".into()),
            problem: "it is more than 100".into(),
            fix: "Write less".into(),
        };
        let document = told(Problem::from(vec![wrong("a.b"), wrong("")]));
        assert_eq!(document["error"], "InvalidDocument");
        let item = |path: Option<&str>| json!({ "path": path, "value": "500", "problem": "it is more than 100", "fix": "Write less" });
        assert_eq!(document["problems"], json!([item(Some("a.b")), item(None)]));
        let both = ["a is missing".to_owned(), "b is full".to_owned()];
        let failure = Kind::PreflightFailed.because_of(&both).expect("there is something");
        let told = told(Problem::from(failure));
        assert_eq!(
            (&told["problems"][0]["problem"], &told["problems"][1]["problem"]),
            (&json!(both[0]), &json!(both[1]))
        );
    }

    #[test]
    fn arguments_that_cannot_be_read_are_told_without_the_usage() {
        let said = |arguments: &[&str]| {
            let error = crate::args::command().try_get_matches_from(arguments).expect_err("it is wrong");
            Problem::from(&error).to_string()
        };
        let unknown = said(&["crossfade", "statis"]);
        assert!(unknown.starts_with("unrecognized subcommand 'statis'") && unknown.contains("'status'"), "{unknown}");
        let missing = said(&["crossfade", "approve"]);
        assert!(missing.contains("<DEPLOYMENT>") && !missing.contains("Usage:"), "{missing}");
        let value = said(&["crossfade", "watch", "--timeout", "soon"]);
        assert!(value.contains("'soon'") && value.ends_with("such as 30m"), "{value}");
    }
}

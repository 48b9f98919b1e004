//! Deployment documents on this machine.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::process::ExitCode;

use crossfade_core::document;
use crossfade_core::document::references::{self, Answers, Draft};
use crossfade_core::trigger::{self, Trigger};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::args::{Output, Source, Validate};
use crate::say::{Problem, aside, line, verbatim};

/// Reads the text of a document; `-` is standard input. Of one that is too long, no more than it takes to say so.
pub(crate) fn text(path: &Path) -> Result<String, Problem> {
    let wrong = |what: &str| Problem::Usage(format!("{} {what}", path.display()));
    let mut bytes = Vec::new();
    let most = document::LONGEST as u64 + 1;
    let read = if path == Path::new("-") {
        std::io::stdin().take(most).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    read.map_err(|error| match error.kind() {
        ErrorKind::NotFound => wrong("cannot be read: there is no such file."),
        ErrorKind::IsADirectory => wrong("cannot be read: it is a folder. Name a file in it."),
        _ => wrong(&format!("cannot be read: {error}")),
    })?;
    if bytes.len() > document::LONGEST {
        let longest = document::LONGEST;
        let path = path.display();
        return Err(Problem::Usage(format!(
            "{path} has more than {longest} bytes, the most that a deployment document may have."
        )));
    }
    String::from_utf8(bytes).map_err(|_| wrong("cannot be read: it is no text in UTF-8. Give a file in YAML or JSON."))
}

/// A document as it is started with: its variables have the values that were given.
pub(crate) struct Given {
    /// What a deployment gets.
    pub(crate) value: Value,
    /// What is known of it before anything is fetched.
    pub(crate) draft: Draft,
}

impl Given {
    /// What is filled in, a line for each variable and each reference.
    pub(crate) fn lines(&self) -> Vec<String> {
        let fields = self.draft.fields().iter();
        let fields = fields.map(|field| format!("{} comes from {}", field.path(), field.reference()));
        self.draft.variables().iter().cloned().chain(fields).collect()
    }

    /// The service and the environment, for a name.
    pub(crate) fn names(&self) -> String {
        format!("{}-{}", self.draft.shown("/service"), self.draft.shown("/environment"))
    }

    /// What is deployed where, in a few words.
    pub(crate) fn summary(&self) -> String {
        format!("{} to {}", self.artifact(), self.place())
    }

    /// What is deployed.
    pub(crate) fn artifact(&self) -> String {
        let image = self.one_of(["/artifact/ami", "/artifact/image"]);
        image.unwrap_or_else(|| format!("revision {}", self.draft.shown("/artifact/revision")))
    }

    /// Where: the infrastructure definition.
    pub(crate) fn place(&self) -> String {
        let base = self.one_of(["/compute/autoScalingGroup/base", "/compute/ecsService/base"]).unwrap_or_default();
        format!("{}/{}/{base}", self.draft.shown("/service"), self.draft.shown("/environment"))
    }

    fn one_of(&self, pointers: [&str; 2]) -> Option<String> {
        pointers.into_iter().map(|pointer| self.draft.shown(pointer)).find(|it| !it.is_empty())
    }
}

/// Reads a document, or finds everything that is wrong with it.
fn given(source: &Source) -> Result<Result<Given, Vec<document::Problem>>, Problem> {
    let mut value = match document::read_text(&text(&source.document)?) {
        Ok(value) => value,
        Err(problems) => return Ok(Err(in_file(problems, &source.document))),
    };
    let set = references::set(&mut value, &source.set);
    Ok(match (set, Draft::read(&value)) {
        (Ok(()), Ok(draft)) => Ok(Given { value, draft }),
        (set, draft) => Err(set.err().into_iter().chain(draft.err()).flatten().collect()),
    })
}

/// That a valid document whose file is called so is no JSON, as AWS's own tools would have it; nothing of what is, or is called otherwise.
fn no_json(path: &Path) -> Result<Option<String>, Problem> {
    if path.extension().is_none_or(|extension| extension != "json") {
        return Ok(None);
    }
    let strict = serde_json::from_str::<Value>(&text(path)?);
    Ok(strict.err().map(|error| {
        let path = path.display();
        format!("note: {path} is read here as YAML. It is no JSON ({error}), and AWS's own tools refuse it.")
    }))
}

/// What is wrong with the whole of a text, with the file that it stands in.
fn in_file(mut problems: Vec<document::Problem>, file: &Path) -> Vec<document::Problem> {
    for problem in problems.iter_mut().filter(|problem| problem.path.is_empty() && file != Path::new("-")) {
        problem.path = file.display().to_string();
    }
    problems
}

/// Reads a document, or says everything that is wrong with it.
pub(crate) fn read(source: &Source) -> Result<Given, Problem> {
    given(source)?.map_err(Problem::from)
}

/// The same of a document that was read before, with the values of its variables.
pub(crate) fn again(value: &Value) -> Result<Given, Problem> {
    let draft = Draft::read(value).map_err(Problem::from)?;
    Ok(Given { value: value.clone(), draft })
}

/// A stored trigger in this file, checked with an event of its kind; nothing when the file is no trigger.
fn of_trigger(source: &Source) -> Result<Option<String>, Problem> {
    let path = &source.document;
    if path == Path::new("-") {
        return Ok(None);
    }
    let text = text(path)?;
    let is_trigger = |value: Value| value.get("when").is_some() && value.get("document").is_some();
    if !document::read_text(&text).is_ok_and(is_trigger) {
        return Ok(None);
    }
    let name = path.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let trigger = Trigger::read(&name, &text)?;
    let Value::Object(_) = &trigger.document else {
        return Ok(Some(format!(
            "{} is a valid trigger of the document {}, which is not checked here",
            path.display(),
            trigger.document
        )));
    };
    let digest = "0".repeat(64);
    let image = format!("123456789012.dkr.ecr.eu-west-1.amazonaws.com/image@sha256:{digest}");
    let ami = "ami-0123456789abcdef0";
    let given = match &trigger.when {
        when if when.new_image.is_some() || when.built_image.is_some() => Some(trigger::Given::MachineImage(ami)),
        when if when.pushed_image.is_some() => Some(trigger::Given::ContainerImage(&image)),
        when if when.parameter.is_some() && trigger.document.pointer("/variables/image").is_some() => {
            Some(trigger::Given::Value(&image))
        }
        when if when.parameter.is_some() => Some(trigger::Given::Value(ami)),
        _ => None,
    };
    let others: Vec<(String, String)> =
        trigger.give.keys().map(|variable| (variable.clone(), "1".to_owned())).collect();
    let filled = trigger::fill_in(trigger.document.clone(), given, &others)?;
    let draft = Draft::read(&filled).map_err(Problem::from)?;
    Ok(Some(format!("{} is a valid trigger: {}", path.display(), Given { value: filled, draft }.summary())))
}

/// What `validate` prints of what is valid.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "The answer of `crossfade validate --output json`")]
pub(crate) struct Answer {
    /// Always: what is not valid is an error.
    valid: bool,
    /// Of the file of a trigger: what that would deploy, in words.
    trigger: Option<String>,
    /// Of a document: the document, with its defaults unless something in it is not known before the deployment.
    document: Option<Value>,
    /// The references in it.
    references: Vec<Reference>,
}

/// A field that is filled in when a deployment starts.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Reference {
    /// The field.
    path: String,
    /// Where its value comes from.
    from: String,
}

pub(crate) fn validate(options: &Validate) -> Result<ExitCode, Problem> {
    if let Some(valid) = of_trigger(&options.source)? {
        match options.output {
            Output::Text => line(&valid),
            Output::Json => {
                let answer = Answer { valid: true, trigger: Some(valid), document: None, references: Vec::new() };
                verbatim(&json!(answer).to_string());
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let given = read(&options.source)?;
    no_json(&options.source.document)?.iter().for_each(|note| aside(note));
    match options.output {
        Output::Text => {
            line(&format!("{} is valid: {}", options.source.document.display(), given.summary()));
            given.lines().iter().for_each(|filled_in| line(filled_in));
        }
        Output::Json => {
            let fields = given.draft.fields().iter();
            let references: Vec<Reference> = fields
                .map(|field| Reference { path: field.path().to_owned(), from: field.reference().to_string() })
                .collect();
            // With its defaults, unless something in it is not known yet.
            let document = if references.is_empty() {
                json!(given.draft.resolve(&Answers::new())?.0)
            } else {
                given.draft.value().clone()
            };
            let answer = Answer { valid: true, trigger: None, document: Some(document), references };
            verbatim(&json!(answer).to_string());
        }
    }
    Ok(ExitCode::SUCCESS)
}

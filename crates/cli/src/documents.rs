//! Deployment documents on this machine.

use std::path::Path;
use std::process::ExitCode;

use crossfade_core::Failure;
use crossfade_core::document::{self, Document};
use serde_json::json;

use crate::args::{Output, Validate};
use crate::say::{Problem, line};

/// Reads the text of a document; `-` is standard input.
fn text(path: &Path) -> Result<String, Problem> {
    let text =
        if path == Path::new("-") { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(path) };
    text.map_err(|error| Problem::Here(format!("{} cannot be read: {error}", path.display())))
}

/// Reads a document, or says everything that is wrong with it.
pub(crate) fn read(path: &Path) -> Result<Document, Problem> {
    Ok(document::parse_text(&text(path)?).map_err(Failure::from)?)
}

pub(crate) fn validate(options: &Validate) -> Result<ExitCode, Problem> {
    let parsed = document::parse_text(&text(&options.document)?);
    match (options.output, parsed) {
        (Output::Text, Ok(document)) => {
            line(&format!(
                "{} is valid: {} to {}",
                options.document.display(),
                document.artifact.ami,
                document.infrastructure()
            ));
            Ok(ExitCode::SUCCESS)
        }
        (Output::Text, Err(problems)) => Err(Failure::from(problems).into()),
        (Output::Json, Ok(document)) => {
            line(&json!({"valid": true, "document": document}).to_string());
            Ok(ExitCode::SUCCESS)
        }
        (Output::Json, Err(problems)) => {
            line(&json!({"valid": false, "problems": problems}).to_string());
            Ok(ExitCode::from(2))
        }
    }
}

pub(crate) fn schema() -> Result<ExitCode, Problem> {
    line(&format!("{:#}", document::json_schema()));
    Ok(ExitCode::SUCCESS)
}

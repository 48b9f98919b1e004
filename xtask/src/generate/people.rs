//! Policies for people, from one manifest for each job: what whoever has the job may do. infra/people/README.md describes the fields.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::functions::{Statement, logical, manifests};
use crate::steps::Result;

/// Where the manifests are.
const FOLDER: &str = "infra/people";

/// All jobs by name.
pub(super) type People = BTreeMap<String, Job>;

/// A manifest.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Job {
    purpose: String,
    statements: Vec<Statement>,
}

/// Reads all manifests.
pub(super) fn all(root: &Path) -> Result<People> {
    manifests(root, FOLDER)
}

/// The blocks of the template: a managed policy of each.
pub(super) fn blocks(people: &People) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for (name, job) in people {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(policy(&logical(name), &job.purpose).lines().map(str::to_owned));
        for statement in &job.statements {
            statement.print(&" ".repeat(8), &mut lines)?;
        }
    }
    Ok(lines)
}

fn policy(logical: &str, purpose: &str) -> String {
    format!(
        r#"{logical}Policy:
  Type: AWS::IAM::ManagedPolicy
  Condition: HasPoliciesForPeople
  Properties:
    Description: {purpose}
    PolicyDocument:
      Version: "2012-10-17"
      Statement:"#
    )
}

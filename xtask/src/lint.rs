//! The template, the roles and the state machines, through linters that nobody here wrote and through rules of our own.
//! Each of them is also shown deliberate mistakes, since a linter that looks at the wrong thing is silent, too.

use std::fs;

use crate::steps::{Result, Steps};
use crate::{generate, tools};

const TRANSFORMED: &str = "target/lint/template.json";

pub(crate) fn run(steps: &mut Steps) -> Result {
    tools::install(steps)?;
    let directory = steps.root().join("target/lint");
    fs::create_dir_all(&directory).map_err(|error| format!("{} cannot be made: {error}", directory.display()))?;

    let transform = ["tests/lint/transform.py", "template.yaml", TRANSFORMED];
    python(steps, "lint: SAM transform", "python", &transform)?;
    let cfn_lint = ["--regions", "eu-west-1", "--template", TRANSFORMED];
    let sample = ["--regions", "eu-west-1", "--template", "infra/sample-base.yaml"];
    let outcomes = [
        generate::run(steps, true),
        python(steps, "lint: sam validate", "sam", &["validate", "--lint", "--template-file", "template.yaml"]),
        python(steps, "lint: cfn-lint on the transformed template", "cfn-lint", &cfn_lint),
        python(steps, "lint: cfn-lint on the sample base", "cfn-lint", &sample),
        python(steps, "lint: cfn-lint notices mistakes", "python", &["tests/lint/linters.py", TRANSFORMED]),
        python(steps, "lint: our rules", "python", &["tests/lint/rules.py"]),
        python(steps, "lint: our rules notice mistakes", "python", &["tests/lint/rules.py", "--self-test"]),
        python(steps, "lint: the Terraform module", "python", &["tests/lint/terraform.py"]),
        python(steps, "lint: its check notices mistakes", "python", &["tests/lint/terraform.py", "--self-test"]),
        python(
            steps,
            "lint: the check of requests notices mistakes",
            "python",
            &["tests/lint/models.py", "--self-test"],
        ),
        python(steps, "lint: the hooks of the examples", "python", &["tests/lint/hooks.py"]),
        node(steps, "lint: asl-validator", &["tests/lint/asl.js"]),
        node(steps, "lint: asl-validator notices mistakes", &["tests/lint/asl.js", "--self-test"]),
        dependencies(steps),
        alone(steps),
    ];
    outcomes.into_iter().collect()
}

/// What has come in by a dependency (deny.toml). Only where the program is installed: to build it takes longer than everything here.
fn dependencies(steps: &mut Steps) -> Result {
    match steps.has("cargo", &["deny", "--version"]) {
        true => steps.cargo("lint: dependencies", &["deny", "check", "bans", "licenses", "sources"]),
        false => Ok(()),
    }
}

/// The command as a newcomer builds it with `cargo run -- demo`: by itself, and so with no feature that another package of the workspace
/// switches on. Packages that have the same features either way are not checked anew.
fn alone(steps: &mut Steps) -> Result {
    steps.cargo("lint: the command builds by itself", &["check"])
}

fn node(steps: &mut Steps, name: &str, arguments: &[&str]) -> Result {
    let command = steps.command("node", arguments);
    steps.run(name, command)
}

fn python(steps: &mut Steps, name: &str, program: &str, arguments: &[&str]) -> Result {
    let mut command = steps.command(tools::python(steps, program), arguments);
    // sam wants a region even where it calls nobody.
    command.env("SAM_CLI_TELEMETRY", "0").env("AWS_DEFAULT_REGION", "eu-west-1");
    steps.run(name, command)
}

//! EC2's API (EC2 Query): launch templates, images, instance types, instances.
//!
//! What it owns: reading requests and writing answers in EC2's own XML dialect.

mod console;
mod data;
mod images;
mod templates;

use super::query::{Xml, answer_ec2, parse};
use crate::world::{Refusal, Tree, World};
use crate::{Request, Response};

/// Answers one request.
pub fn handle(world: &mut World, request: &Request) -> Response {
    let form = parse(&request.form);
    let outcome = dispatch(world, &request.operation, &form);
    answer_ec2(request, outcome)
}

fn dispatch(world: &mut World, operation: &str, form: &Tree) -> Result<Xml, Refusal> {
    match operation {
        "CreateLaunchTemplate" => templates::create(world, form),
        "DescribeLaunchTemplates" => templates::describe(world, form),
        "ModifyLaunchTemplate" => templates::modify(world, form),
        "DeleteLaunchTemplate" => templates::delete(world, form),
        "CreateLaunchTemplateVersion" => templates::create_version(world, form),
        "DescribeLaunchTemplateVersions" => templates::describe_versions(world, form),
        "DeleteLaunchTemplateVersions" => templates::delete_versions(world, form),
        "CopyImage" => images::copy(world, form),
        "DescribeImages" => images::images(world, form),
        "DescribeInstanceTypes" => images::instance_types(world, form),
        "DescribeInstances" => images::instances(world, form),
        "GetConsoleOutput" => console::output(world, form),
        other => Err(Refusal::not_implemented(&format!("the operation {other}"))),
    }
}

/// A parameter that must be there, with EC2's error when it is not.
fn required<'a>(form: &'a Tree, name: &str) -> Result<&'a str, Refusal> {
    form.str(name)
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Refusal::new(400, "MissingParameter", &format!("The request must contain the parameter {name}")))
}

/// The page that a request asks for.
fn paged<T>(items: Vec<T>, form: &Tree) -> Result<(Vec<T>, Option<String>), Refusal> {
    let size = form.num("MaxResults").and_then(|size| usize::try_from(size).ok()).unwrap_or(1000);
    super::query::page(items, form.str("NextToken"), size)
}

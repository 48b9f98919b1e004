//! Elastic Load Balancing v2's API (AWS Query).
//!
//! What it owns: reading requests and writing answers. Which actions are valid and what targets' health is, the world
//! knows.

mod describe;
mod rules;
mod tags;
mod targets;

use super::query::{Xml, answer, parse};
use crate::world::{Reach, Refusal, Tree, World};
use crate::{Request, Response};

const NAMESPACE: &str = "http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/";

/// Answers one request.
pub fn handle(world: &mut World, request: &Request) -> Response {
    let form = parse(&request.form);
    let outcome = dispatch(world, &request.operation, &form);
    // What a rule or listener does changes the targets of groups that come into use, which the account observes itself.
    let reach = form.str("TargetGroupArn").map_or(Reach::Nobody, |arn| Reach::TargetGroup(arn.to_owned()));
    world.settle_after(request, reach);
    answer(request, NAMESPACE, outcome)
}

fn dispatch(world: &mut World, operation: &str, form: &Tree) -> Result<Xml, Refusal> {
    match operation {
        "DescribeLoadBalancers" => describe::load_balancers(world, form),
        "DescribeListeners" => describe::listeners(world, form),
        "DescribeRules" => describe::rules(world, form),
        "DescribeTargetGroups" => describe::target_groups(world, form),
        "DescribeTargetGroupAttributes" => describe::attributes(world, form),
        "ModifyTargetGroupAttributes" => targets::modify_attributes(world, form),
        "DescribeTags" => tags::describe(world, form),
        "AddTags" => tags::add(world, form),
        "RemoveTags" => tags::remove(world, form),
        "DescribeTargetHealth" => targets::health(world, form),
        "RegisterTargets" => targets::register(world, form),
        "DeregisterTargets" => targets::deregister(world, form),
        "CreateRule" => rules::create(world, form),
        "ModifyRule" => rules::modify(world, form),
        "DeleteRule" => rules::delete(world, form),
        "ModifyListener" => rules::modify_listener(world, form),
        "DeleteListener" => rules::delete_listener(world, form),
        other => Err(Refusal::not_implemented(&format!("the operation {other}"))),
    }
}

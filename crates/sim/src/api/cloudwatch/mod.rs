//! CloudWatch's API, as far as alarms go and reading metrics, in all three protocols that it speaks: RPC v2 CBOR (the Rust SDK), AWS JSON
//! (boto3 and the CLI of today) and AWS Query (those of yesterday).
//!
//! What it owns: reading requests and writing answers. What alarms do is the world's business. An operation or
//! parameter that the model does not know is refused, never ignored.

mod alarms;
mod answer;
mod data;
mod tags;

use super::query::{only, parse};
use crate::world::{Reach, Refusal, Tree, World};
use crate::{Protocol, Request, Response};

/// Answers one request.
pub fn handle(world: &mut World, request: &Request) -> Response {
    let parameters = match request.protocol {
        Protocol::Query => parse(&request.form),
        _ => Tree::from_json(&request.json),
    };
    let outcome = dispatch(world, &request.operation, &parameters);
    world.settle_after(request, Reach::All);
    answer::answer(request, outcome)
}

fn dispatch(world: &mut World, operation: &str, parameters: &Tree) -> Result<Tree, Refusal> {
    match operation {
        "PutMetricAlarm" => alarms::put(world, parameters),
        "DescribeAlarms" => alarms::describe(world, parameters),
        "DeleteAlarms" => alarms::delete(world, parameters),
        "SetAlarmState" => alarms::set_state(world, parameters),
        "EnableAlarmActions" => alarms::enable(world, parameters, true),
        "DisableAlarmActions" => alarms::enable(world, parameters, false),
        "GetMetricData" => data::get(world, parameters),
        "TagResource" => tags::add(world, parameters),
        "UntagResource" => tags::remove(world, parameters),
        "ListTagsForResource" => tags::list(world, parameters),
        other => Err(Refusal::not_implemented(&format!("the operation {other}"))),
    }
}

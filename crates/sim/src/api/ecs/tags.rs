//! Tags of services, task definitions, tasks and clusters.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::invalid;
use crate::api::json::{self, strings};
use crate::world::ecs::{check_tags, last_part, tags_of};
use crate::world::{Refusal, World};

/// The tags of what an ARN names.
fn of<'a>(world: &'a mut World, arn: &str) -> Result<&'a mut BTreeMap<String, String>, Refusal> {
    let (kind, path) = arn.splitn(6, ':').nth(5).and_then(|rest| rest.split_once('/')).unwrap_or_default();
    let tags = match kind {
        "service" => path
            .split_once('/')
            .and_then(|(cluster, name)| world.ecs.services.get_mut(&(cluster.to_owned(), name.to_owned())))
            .map(|service| &mut service.tags),
        "task-definition" => world.task_definition_mut(arn).map(|definition| &mut definition.tags),
        "task" => world.ecs.tasks.get_mut(last_part(path)).map(|task| &mut task.tags),
        "cluster" => world.cluster_mut(path).map(|cluster| &mut cluster.tags),
        _ => None,
    };
    tags.ok_or_else(|| invalid("The specified resource was not found."))
}

fn named(request: &Value) -> &str {
    request["resourceArn"].as_str().unwrap_or_default()
}

pub(super) fn tag(world: &mut World, request: &Value) -> Result<Value, Refusal> {
    let tags = of(world, named(request))?;
    let mut all = tags.clone();
    all.extend(tags_of(&request["tags"]));
    check_tags(&all)?;
    *tags = all;
    Ok(json!({}))
}

pub(super) fn untag(world: &mut World, request: &Value) -> Result<Value, Refusal> {
    let keys = strings(&request["tagKeys"]);
    of(world, named(request))?.retain(|key, _| !keys.contains(key));
    Ok(json!({}))
}

pub(super) fn list(world: &mut World, request: &Value) -> Result<Value, Refusal> {
    Ok(json!({ "tags": json::tags(of(world, named(request))?) }))
}

//! Spot's API for Elastigroups (REST, JSON, a bearer token).
//!
//! What it owns: reading requests and writing answers, with the envelopes that Spot writes. What groups and instances do, the world
//! knows.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::wire::{Head, WireError, percent_decode};
use crate::world::spot::{Elastigroup, Roll, SPOT_ACCOUNT, SPOT_TOKEN, SpotState};
use crate::world::{Reach, Refusal, World, timestamp};
use crate::{Protocol, Request, Response, Service};

const GROUPS: &str = "/aws/ec2/group";

/// What a request asks for, in the form in which those of the other services come: the operation and its parameters.
pub(crate) fn decode(head: Head<'_>, token: &str, body: &Bytes, caller: Option<String>) -> Result<Request, WireError> {
    let mut form = BTreeMap::from([("token".to_owned(), (token == SPOT_TOKEN).to_string())]);
    for pair in head.query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        form.insert(percent_decode(name)?, percent_decode(value)?);
    }
    let rest = head.path.strip_prefix(GROUPS).ok_or(WireError::NoOperation("the path"))?;
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    let operation = match (head.method, parts.as_slice()) {
        ("POST", []) => "CreateGroup",
        ("GET", []) => "ListGroups",
        ("GET", [_]) => "GetGroup",
        ("PUT", [_]) => "UpdateGroup",
        ("DELETE", [_]) => "DeleteGroup",
        ("PUT", [_, "capacity"]) => "UpdateCapacity",
        ("GET", [_, "status"]) => "GetStatus",
        ("GET", [_, "instanceHealthiness"]) => "GetInstanceHealthiness",
        ("GET", [_, "suspension"]) => "ListSuspensions",
        ("POST", [_, "suspension"]) => "SuspendProcesses",
        ("DELETE", [_, "suspension"]) => "ResumeProcesses",
        ("GET", [_, "logs"]) => "GetLogs",
        ("GET", [_, "roll"]) => "ListRolls",
        _ => return Err(WireError::NoOperation("method and path")),
    };
    if let Some(id) = parts.first() {
        form.insert("groupId".into(), (*id).to_owned());
    }
    let json = match body.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(body).map_err(|error| WireError::Body(error.to_string()))?,
    };
    let operation = operation.to_owned();
    let (service, protocol, interface) = (Service::Spot, Protocol::Rest, None);
    Ok(Request { service, protocol, interface, operation, form, json, caller })
}

/// Answers one request.
pub(crate) fn handle(world: &mut World, request: &Request) -> Response {
    let of = |name: &str| request.form.get(name).map(String::as_str).unwrap_or_default();
    let left = world.spot_call(&request.operation);
    if left.is_some_and(|left| left.refused) {
        let body = json!({ "response": { "status": { "code": 429, "message": "Too Many Requests" }, "data": "Rate limit exceeded" } });
        return with_limits(Response::json(429, &body), left);
    }
    if of("token") != "true" {
        return refuse(401, "UNAUTHORIZED", "The credentials are not valid");
    }
    let response = match of("accountId") {
        SPOT_ACCOUNT => match answer(world, request, of("groupId")) {
            Ok(items) => found(items),
            Err(refusal) => refuse(refusal.status, &refusal.code, &refusal.message),
        },
        // Without one, the organisation's oldest account answers: it is another one, and has nothing.
        "" => found(Vec::new()),
        other => refuse(403, "FORBIDDEN", &format!("No permission for the account {other}")),
    };
    world.settle_after(request, Reach::All);
    with_limits(response, left)
}

fn answer(world: &mut World, request: &Request, id: &str) -> Result<Vec<Value>, Refusal> {
    let body = &request.json;
    if !id.is_empty() && !known(world, id) {
        return Err(Refusal::new(400, "GROUP_DOESNT_EXIST", &format!("Group {id} doesn't exist")));
    }
    Ok(match request.operation.as_str() {
        "CreateGroup" => {
            let id = world.spot_create(&body["group"])?;
            world.elastigroup(&id).map(Elastigroup::shown).into_iter().collect()
        }
        "ListGroups" => {
            let name = request.form.get("name").map(String::as_str);
            let contains = world.settings.spot.name_contains;
            let called = |group: &&Elastigroup| match name {
                None => true,
                Some(name) if contains => group.name().contains(name),
                Some(name) => group.name() == name,
            };
            let mut groups: Vec<&Elastigroup> = world.elastigroups().filter(called).collect();
            groups.sort_by_key(|group| (group.created_at, group.id.clone()));
            groups.into_iter().map(Elastigroup::shown).collect()
        }
        "GetGroup" => world.elastigroup(id).map(Elastigroup::shown).into_iter().collect(),
        "UpdateGroup" => vec![world.spot_update(id, &body["group"])?],
        "DeleteGroup" => {
            world.spot_delete(id)?;
            Vec::new()
        }
        "UpdateCapacity" => vec![world.spot_resize(id, &body["capacity"])?],
        "GetStatus" => rows(world, id).iter().map(|row| status(row, world.now_millis())).collect(),
        "GetInstanceHealthiness" => rows(world, id).iter().filter(|row| row.id.is_some()).map(healthiness).collect(),
        "ListSuspensions" => vec![world.spot_list_suspensions(id)?],
        "SuspendProcesses" => {
            world.spot_suspend(id, body)?;
            vec![world.spot_suspensions(id)?]
        }
        "ResumeProcesses" => {
            world.spot_resume(id, body)?;
            vec![world.spot_suspensions(id)?]
        }
        "GetLogs" => {
            let number =
                |name: &str, default: u64| request.form.get(name).and_then(|it| it.parse().ok()).unwrap_or(default);
            let (from, to) = (number("fromDate", 0), number("toDate", u64::MAX));
            let most = usize::try_from(number("limit", 500)).unwrap_or(500).min(1000);
            let logs = world.elastigroup(id).map(|group| group.logs.as_slice()).unwrap_or_default();
            let lines = logs.iter().rev().filter(|line| (from..=to).contains(&line.at_millis)).take(most);
            let line = |line: &crate::world::spot::LogLine| json!({ "message": line.message, "severity": line.severity, "createdAt": timestamp(line.at_millis) });
            lines.map(line).collect()
        }
        "ListRolls" => {
            let rolls = world.elastigroup(id).map(|group| group.rolls.as_slice()).unwrap_or_default();
            let roll =
                |roll: &Roll| json!({ "id": roll.id, "status": roll.status, "createdAt": timestamp(roll.created_at) });
            rolls.iter().map(roll).collect()
        }
        other => return Err(Refusal::not_implemented(&format!("the operation {other} of Spot"))),
    })
}

/// Whether a group is found by its id: one that was just made may not be.
fn known(world: &World, id: &str) -> bool {
    let unseen = world.settings.spot.unseen_millis;
    world.elastigroup(id).is_some_and(|group| group.created_at + unseen <= world.now_millis())
}

fn rows(world: &World, id: &str) -> Vec<crate::world::spot::SpotInstance> {
    let mut rows: Vec<_> =
        world.spot.instances.values().filter(|row| row.group == id && row.belongs()).cloned().collect();
    rows.sort_by_key(|row| (row.created_at, row.request.clone()));
    rows
}

fn status(row: &crate::world::spot::SpotInstance, now: u64) -> Value {
    let locked = row.locked_until.filter(|until| *until > now);
    json!({
        "spotInstanceRequestId": if row.on_demand { Value::Null } else { json!(row.request) },
        "instanceId": row.id,
        "instanceType": row.instance_type,
        "product": "Linux/UNIX",
        "groupId": row.group,
        "availabilityZone": row.zone,
        "createdAt": timestamp(row.created_at),
        "status": if row.state == SpotState::Open { "pending-evaluation" } else { "fulfilled" },
        "lockStatus": if locked.is_some() { "locked" } else { "unlocked" },
        "protectedUntil": locked.map(timestamp),
    })
}

fn healthiness(row: &crate::world::spot::SpotInstance) -> Value {
    json!({
        "instanceId": row.id,
        "spotRequestId": row.request,
        "groupId": row.group,
        "availabilityZone": row.zone,
        "lifeCycle": if row.on_demand { "OD" } else { "SPOT" },
        "healthStatus": row.health,
    })
}

fn envelope(status: u16, mut response: Value) -> Response {
    response["status"] = json!({ "code": status, "message": if status == 200 { "OK" } else { "Bad Request" } });
    let body = json!({ "request": { "id": "f1e2d3c4-0000-4000-8000-000000000000" }, "response": response });
    Response { content_type: "application/json", ..Response::json(status, &body) }
}

fn found(items: Vec<Value>) -> Response {
    envelope(200, json!({ "kind": "spotinst:aws:ec2:group", "count": items.len(), "items": items }))
}

/// An error, as Spot writes it.
pub(crate) fn refuse(status: u16, code: &str, message: &str) -> Response {
    let (field, message) = match message.split_once(": ") {
        Some((field, rest)) if field.starts_with("body:") => (Some(field), rest),
        _ => (None, message),
    };
    envelope(status, json!({ "errors": [{ "code": code, "message": message, "field": field }] }))
}

/// The code of an error that Spot has written.
pub(crate) fn code(text: &str) -> Option<String> {
    let body: Value = serde_json::from_str(text).ok()?;
    let response = body.get("response")?;
    let code = response["errors"][0]["code"].as_str().map(str::to_owned);
    code.or_else(|| response["data"].as_str().map(|_| "429".to_owned()))
}

fn with_limits(mut response: Response, left: Option<crate::world::spot::Left>) -> Response {
    if let Some(left) = left {
        response.headers.push(("x-ratelimit-limit", left.limit.to_string()));
        response.headers.push(("x-ratelimit-remaining", left.remaining.to_string()));
        response.headers.push(("x-ratelimit-reset", left.reset_seconds.to_string()));
    }
    response
}

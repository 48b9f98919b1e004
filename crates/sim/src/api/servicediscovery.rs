//! Cloud Map's API (AWS JSON 1.1), as far as it concerns services that ECS registers tasks in.

use serde_json::{Value, json};

use super::json::{answer, compact};
use crate::world::{Refusal, World};
use crate::{Request, Response};

/// Answers one request.
pub fn handle(world: &mut World, request: &Request) -> Response {
    let outcome = dispatch(world, &request.operation, &request.json);
    answer(request, outcome)
}

fn dispatch(world: &World, operation: &str, request: &Value) -> Result<Value, Refusal> {
    let of = |name: &str| request[name].as_str().unwrap_or_default();
    match operation {
        "GetService" => service(world, of("Id")),
        "GetNamespace" => namespace(world, of("Id")),
        "GetInstancesHealthStatus" => health(world, of("ServiceId"), request),
        other => Err(Refusal::not_implemented(&format!("the operation {other}"))),
    }
}

fn missing(id: &str) -> Refusal {
    Refusal::new(400, "ServiceNotFound", &format!("{id} not found"))
}

fn service(world: &World, id: &str) -> Result<Value, Refusal> {
    let service = world.map_service(id).ok_or_else(|| missing(id))?;
    let records: Vec<Value> = service.records.iter().map(|(kind, ttl)| json!({ "Type": kind, "TTL": ttl })).collect();
    let told = service.told.then(|| json!({ "FailureThreshold": 1 }));
    let shown = json!({ "Service": {
        "Id": service.id,
        "Arn": service.arn,
        "Name": service.name,
        "NamespaceId": service.namespace,
        "InstanceCount": world.map_instances(&service.arn).len(),
        "DnsConfig": { "NamespaceId": service.namespace, "RoutingPolicy": "MULTIVALUE", "DnsRecords": records },
        "Type": "DNS_HTTP",
        "HealthCheckCustomConfig": told,
    } });
    Ok(compact(shown))
}

fn namespace(world: &World, id: &str) -> Result<Value, Refusal> {
    let namespace = world.map_namespace(id)?;
    let zone = world.hosted_zone(&namespace.zone)?;
    Ok(json!({ "Namespace": {
        "Id": namespace.id,
        "Name": namespace.name,
        "Type": "DNS_PRIVATE",
        "Properties": {
            "DnsProperties": { "HostedZoneId": namespace.zone, "SOA": { "TTL": zone.negative_seconds } },
            "HttpProperties": { "HttpName": namespace.name },
        },
    } }))
}

fn health(world: &World, id: &str, request: &Value) -> Result<Value, Refusal> {
    let service = world.map_service(id).ok_or_else(|| missing(id))?;
    let instances = world.map_instances(&service.arn);
    if instances.is_empty() {
        return Err(Refusal::new(400, "InstanceNotFound", "No instance found"));
    }
    let size = request["MaxResults"].as_u64().map_or(100, |size| size.clamp(1, 100)) as usize;
    let from = request["NextToken"].as_str().and_then(|token| token.parse::<usize>().ok()).unwrap_or(0);
    let status = |healthy: bool| if healthy { "HEALTHY" } else { "UNHEALTHY" };
    let page = instances.iter().skip(from).take(size).map(|(id, healthy)| (id.clone(), json!(status(*healthy))));
    let mut answer = json!({ "Status": page.collect::<serde_json::Map<_, _>>() });
    if from + size < instances.len() {
        answer["NextToken"] = json!((from + size).to_string());
    }
    Ok(answer)
}

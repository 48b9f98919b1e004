//! Cloud Map services as pools: what they are like, and who is registered in them.
//!
//! They are only read. ECS registers its tasks there, and tells how they are.

use aws_types::SdkConfig;
use crossfade_core::kinds::dns::{self, Registry};
use crossfade_core::observed::{Health, Target};
use crossfade_core::{Failure, Result};
use serde_json::{Value, json};

use crate::call::{Ask, CallError, Client, Protocol, Service};
use crate::refusal::called;

const CLOUD_MAP: Service = Service { id: "ServiceDiscovery", name: "servicediscovery", protocol: Protocol::Json };
/// The most instances of which one call tells (Cloud Map API reference).
const AT_ONCE: u32 = 100;
/// How long resolvers remember a negative answer where the namespace does not say, in seconds: what AWS has said of namespaces.
const NEGATIVE_SECONDS: u32 = 900;

/// The Cloud Map services of the account.
#[derive(Clone, Debug)]
pub(crate) struct Registries {
    client: Client,
}

/// A Cloud Map service as it was read, and the hosted zone of its namespace.
pub(crate) struct Found {
    pub(crate) registry: Registry,
    pub(crate) zone: Option<String>,
}

impl Registries {
    pub(crate) fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(&CLOUD_MAP, config) }
    }

    async fn call(&self, operation: &'static str, body: &Value) -> std::result::Result<Value, CallError> {
        let target = format!("Route53AutoNaming_v20170314.{operation}");
        self.client.call(Ask::json(operation, &target, body)).await?.json()
    }

    /// A Cloud Map service, if there is one.
    pub(crate) async fn read(&self, pool: &str) -> Result<Option<Found>> {
        let id = id(pool);
        let answer = match self.call("GetService", &json!({ "Id": id })).await {
            Err(error) if error.code() == Some("ServiceNotFound") => return Ok(None),
            answer => answer.map_err(|error| failure("GetService", pool, &error))?,
        };
        let service = &answer["Service"];
        // Another account's has the same form of id.
        if service["Arn"].as_str() != Some(pool) {
            return Ok(None);
        }
        let config = &service["DnsConfig"];
        let namespace = service["NamespaceId"].as_str().or(config["NamespaceId"].as_str()).unwrap_or_default();
        let answer = self.call("GetNamespace", &json!({ "Id": namespace })).await;
        let answer = answer.map_err(|error| failure("GetNamespace", namespace, &error))?;
        let properties = &answer["Namespace"]["Properties"]["DnsProperties"];
        let zone = properties["HostedZoneId"].as_str().map(str::to_owned);
        let names = (service["Name"].as_str(), answer["Namespace"]["Name"].as_str());
        let name = match (&zone, names) {
            (Some(_), (Some(service), Some(namespace))) => Some(dns::full(&format!("{service}.{namespace}"))),
            _ => None,
        };
        let records = config["DnsRecords"].as_array().into_iter().flatten();
        let records = records.map(|it| (it["Type"].as_str().unwrap_or_default().to_owned(), number(&it["TTL"])));
        let negative = &properties["SOA"]["TTL"];
        let registry = Registry {
            pool: pool.to_owned(),
            name,
            records: records.collect(),
            negative_seconds: if negative.is_null() { NEGATIVE_SECONDS } else { number(negative) },
            told: service["HealthCheckCustomConfig"].is_object(),
            vpcs: None,
        };
        Ok(Some(Found { registry, zone }))
    }

    /// The types of the records of a Cloud Map service, if there is one.
    pub(crate) async fn types(&self, pool: &str) -> Result<Vec<String>> {
        let found = self.read(pool).await?;
        Ok(found.map_or_else(Vec::new, |found| found.registry.records.into_iter().map(|(kind, _)| kind).collect()))
    }

    /// Who is registered, with what was told of them. All of them are answered when all are ill.
    pub(crate) async fn targets(&self, pool: &str) -> Result<Vec<Target>> {
        let (mut targets, mut token) = (Vec::new(), Value::Null);
        loop {
            let mut ask = json!({ "ServiceId": id(pool), "MaxResults": AT_ONCE });
            if token.is_string() {
                ask["NextToken"] = token;
            }
            let answer = match self.call("GetInstancesHealthStatus", &ask).await {
                // A service without instances has none to tell of.
                Err(error) if error.code() == Some("InstanceNotFound") => return Ok(targets),
                answer => answer.map_err(|error| failure("GetInstancesHealthStatus", pool, &error))?,
            };
            for (id, status) in answer["Status"].as_object().into_iter().flatten() {
                let health = match status.as_str() {
                    Some("HEALTHY") => Health::Healthy,
                    Some("UNHEALTHY") => Health::Unhealthy,
                    _ => Health::Unavailable,
                };
                targets.push(Target { id: id.clone(), port: None, health, reason: None });
            }
            token = answer["NextToken"].clone();
            if !token.is_string() {
                return Ok(targets);
            }
        }
    }
}

fn id(pool: &str) -> &str {
    pool.rsplit('/').next().unwrap_or(pool)
}

fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|number| u32::try_from(number).ok()).unwrap_or(0)
}

fn failure(operation: &str, on: &str, error: &CallError) -> Failure {
    called(&format!("servicediscovery:{operation}"), on, error)
}

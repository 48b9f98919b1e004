//! Reading services with their tasks and their limits, and setting their sizes.

use std::collections::BTreeMap;

use crossfade_core::capacity::Size;
use crossfade_core::observed::Fleet;
use crossfade_core::{Kind, Result};
use serde_json::{Value, json};

use super::Services;
use super::client::{count, ecs_failure, list, next_page, scaling_failure, tag, text};
use super::read::{self, Hosts, short};

/// The most services that one call describes (ECS API reference).
const SERVICES: usize = 10;
/// The most tasks that one call describes (ECS API reference).
const TASKS: usize = 100;
/// The most tasks whose protection one call changes (ECS API reference).
const PROTECTIONS: usize = 10;
/// The most scalable targets that one call names (Application Auto Scaling API reference).
const TARGETS: usize = 50;

/// What is scaled of a service.
pub(super) const DIMENSION: &str = "ecs:service:DesiredCount";

impl Services {
    /// A service as ECS describes it, if it exists or is being deleted.
    pub(super) async fn service(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.services(&[name]).await?.into_iter().next())
    }

    /// The services of these names, without those that are gone: a name that was deleted is shown for a while.
    pub(super) async fn services(&self, names: &[&str]) -> Result<Vec<Value>> {
        let mut services = Vec::new();
        for names in names.chunks(SERVICES) {
            let ask = json!({ "cluster": self.cluster, "services": names, "include": ["TAGS"] });
            match self.client.ecs("DescribeServices", &ask).await {
                Ok(mut answer) => {
                    if let Some(Value::Array(found)) = answer.get_mut("services").map(Value::take) {
                        services.extend(found);
                    }
                }
                Err(error) if error.code() == Some("ClusterNotFoundException") => {
                    return Err(Kind::PreflightFailed.because(format!(
                        "The ECS cluster {} does not exist in this account and region. Correct compute.ecsService.cluster.",
                        self.cluster
                    )));
                }
                Err(error) => return Err(ecs_failure("DescribeServices", &names.join(", "), &error)),
            }
        }
        services.retain(|service| text(service, "status") != "INACTIVE");
        Ok(services)
    }

    /// The services of the cluster that bear this tag, with this value if one is given.
    pub(super) async fn tagged(&self, key: &str, value: Option<&str>) -> Result<Vec<Fleet>> {
        let ask = json!({ "cluster": self.cluster, "maxResults": 100 });
        let arns = match self.listed("ListServices", ask, "serviceArns", &self.cluster).await {
            // Its services went with it.
            Err(failure) if failure.message.contains("ClusterNotFoundException") => return Ok(Vec::new()),
            arns => arns?,
        };
        let names: Vec<&str> = arns.iter().filter_map(Value::as_str).map(short).collect();
        let mut services = self.services(&names).await?;
        services.retain(|service| tag(service, key).is_some_and(|found| value.is_none_or(|value| value == found)));
        self.fleets(services).await
    }

    /// Services with all that belongs to them.
    pub(super) async fn fleets(&self, services: Vec<Value>) -> Result<Vec<Fleet>> {
        let names: Vec<&str> = services.iter().map(|service| text(service, "serviceName")).collect();
        let targets = self.targets(&names).await?;
        let mut fleets = Vec::new();
        for service in &services {
            let tasks = self.tasks(service).await?;
            let hosts = self.hosts(&tasks).await?;
            fleets.extend(read::fleet(service, &tasks, targets.get(text(service, "serviceName")), &hosts));
        }
        Ok(fleets)
    }

    /// The tasks of a service that have not stopped. Those that are stopping are not counted by it any more (P90), and listed apart.
    async fn tasks(&self, service: &Value) -> Result<Vec<Value>> {
        let name = text(service, "serviceName");
        let counts = ["desiredCount", "runningCount", "pendingCount"];
        let running = counts.iter().any(|name| count(service, name) > 0);
        let mut arns = Vec::new();
        for desired in [running.then_some("RUNNING"), Some("STOPPED")].into_iter().flatten() {
            arns.extend(self.task_arns(name, desired).await?);
        }
        let mut tasks = self.described(&arns).await?;
        // Nothing but protection keeps a task that ECS wants to stop.
        if count(service, "runningCount") > count(service, "desiredCount") {
            self.protections(&mut tasks).await?;
        }
        Ok(tasks)
    }

    pub(super) async fn task_arns(&self, service: &str, desired: &str) -> Result<Vec<String>> {
        let ask =
            json!({ "cluster": self.cluster, "serviceName": service, "desiredStatus": desired, "maxResults": 100 });
        let listed = match self.listed("ListTasks", ask, "taskArns", service).await {
            // Gone since it was seen.
            Err(failure) if failure.message.contains("ServiceNotFoundException") => return Ok(Vec::new()),
            listed => listed?,
        };
        Ok(listed.into_iter().filter_map(|arn| arn.as_str().map(str::to_owned)).collect())
    }

    pub(super) async fn described(&self, arns: &[String]) -> Result<Vec<Value>> {
        let mut tasks = Vec::new();
        for arns in arns.chunks(TASKS) {
            let ask = json!({ "cluster": self.cluster, "tasks": arns });
            let answer = self.client.ecs("DescribeTasks", &ask).await;
            let mut answer = answer.map_err(|error| ecs_failure("DescribeTasks", &self.cluster, &error))?;
            if let Some(Value::Array(found)) = answer.get_mut("tasks").map(Value::take) {
                tasks.extend(found);
            }
        }
        Ok(tasks)
    }

    async fn protections(&self, tasks: &mut [Value]) -> Result<()> {
        for tasks in tasks.chunks_mut(TASKS) {
            let arns: Vec<&str> = tasks.iter().map(|task| text(task, "taskArn")).collect();
            let ask = json!({ "cluster": self.cluster, "tasks": arns });
            let answer = self.client.ecs("GetTaskProtection", &ask).await;
            let answer = answer.map_err(|error| ecs_failure("GetTaskProtection", &self.cluster, &error))?;
            let protected = list(&answer, "protectedTasks").iter().filter(|it| it["protectionEnabled"] == true);
            let protected: Vec<String> = protected.map(|it| text(it, "taskArn").to_owned()).collect();
            for task in tasks.iter_mut().filter(|task| protected.iter().any(|arn| arn == text(task, "taskArn"))) {
                task["protectionEnabled"] = json!(true);
            }
        }
        Ok(())
    }

    /// The instance ids of the hosts of tasks that have no address of their own.
    async fn hosts(&self, tasks: &[Value]) -> Result<Hosts> {
        let with_address =
            |task: &&Value| list(task, "attachments").iter().any(|it| text(it, "type") == "ElasticNetworkInterface");
        let hosts = tasks.iter().filter(|task| !with_address(task)).map(|task| text(task, "containerInstanceArn"));
        let mut arns: Vec<&str> = hosts.filter(|arn| !arn.is_empty()).collect();
        arns.sort_unstable();
        arns.dedup();
        let mut found = BTreeMap::new();
        for arns in arns.chunks(TASKS) {
            let ask = json!({ "cluster": self.cluster, "containerInstances": arns });
            let answer = self.client.ecs("DescribeContainerInstances", &ask).await;
            let answer = answer.map_err(|error| ecs_failure("DescribeContainerInstances", &self.cluster, &error))?;
            for host in list(&answer, "containerInstances") {
                found.insert(text(host, "containerInstanceArn").to_owned(), text(host, "ec2InstanceId").to_owned());
            }
        }
        Ok(found)
    }

    /// What a service is called where it is scaled.
    pub(super) fn resource(&self, service: &str) -> String {
        format!("service/{}/{service}", self.cluster)
    }

    /// The scalable targets of services, by the names of these.
    pub(super) async fn targets(&self, names: &[&str]) -> Result<BTreeMap<String, Value>> {
        let mut targets = BTreeMap::new();
        for names in names.chunks(TARGETS) {
            let ids: Vec<String> = names.iter().map(|name| self.resource(name)).collect();
            let ask = json!({ "ServiceNamespace": "ecs", "ResourceIds": ids, "ScalableDimension": DIMENSION });
            let found = self.scaling_pages("DescribeScalableTargets", ask, "ScalableTargets", &self.cluster).await?;
            for target in found {
                targets.insert(short(text(&target, "ResourceId")).to_owned(), target);
            }
        }
        Ok(targets)
    }

    pub(super) async fn target(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.targets(&[name]).await?.remove(name))
    }

    /// One call to Application Auto Scaling about a service.
    pub(super) async fn scaling(&self, operation: &'static str, on: &str, ask: &Value) -> Result<Value> {
        let answer = self.client.scaling(operation, ask).await;
        answer.map_err(|error| match error.code() {
            // Somebody else changes the same target at this moment.
            Some("ConcurrentUpdateException") => Kind::StaleRevision.because(format!(
                "application-autoscaling:{operation} on {on}: its scalable target is being changed by somebody else."
            )),
            _ => scaling_failure(operation, on, &error),
        })
    }

    /// Every page of a list of Application Auto Scaling.
    pub(super) async fn scaling_pages(
        &self,
        operation: &'static str,
        mut ask: Value,
        items: &'static str,
        on: &str,
    ) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        while {
            let answer = self.scaling(operation, on, &ask).await?;
            next_page(&mut ask, answer, ("NextToken", items), &mut all)
        } {}
        Ok(all)
    }

    /// Every page of a list of ECS.
    pub(super) async fn listed(
        &self,
        operation: &'static str,
        mut ask: Value,
        items: &'static str,
        on: &str,
    ) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        while {
            let answer = self.client.ecs(operation, &ask).await.map_err(|error| ecs_failure(operation, on, &error))?;
            next_page(&mut ask, answer, ("nextToken", items), &mut all)
        } {}
        Ok(all)
    }

    /// Registers the scalable target of a service, or changes of it what is said.
    pub(super) async fn register_target(&self, name: &str, change: Value) -> Result<()> {
        let mut ask = json!({
            "ServiceNamespace": "ecs", "ResourceId": self.resource(name), "ScalableDimension": DIMENSION,
        });
        if let (Some(ask), Value::Object(change)) = (ask.as_object_mut(), change) {
            ask.extend(change);
        }
        self.scaling("RegisterScalableTarget", name, &ask).await.map(drop)
    }

    /// Sets a service's size. Its limits come first: a registration moves the count into them, and never out of what is wanted.
    pub(super) async fn set_size(&self, name: &str, size: Size) -> Result<()> {
        if self.target(name).await?.is_some() {
            self.register_target(name, json!({ "MinCapacity": size.min, "MaxCapacity": size.max })).await?;
        }
        let ask = json!({ "cluster": self.cluster, "service": name, "desiredCount": size.desired });
        let answer = self.client.ecs("UpdateService", &ask).await;
        answer.map(drop).map_err(|error| ecs_failure("UpdateService", name, &error))
    }

    /// Puts scheduled scaling to rest, or lets it go on. The registration that says so must not start tasks of a service at 0 (P91).
    pub(super) async fn set_rest(&self, name: &str, rest: bool) -> Result<()> {
        let Some(target) = self.target(name).await? else { return Ok(()) };
        let Some(service) = self.service(name).await? else { return Ok(()) };
        let mut suspended = target["SuspendedState"].clone();
        suspended["ScheduledScalingSuspended"] = json!(rest);
        let mut change = json!({ "SuspendedState": suspended });
        let desired = count(&service, "desiredCount");
        if rest && desired < count(&target, "MinCapacity") {
            change["MinCapacity"] = json!(desired);
        }
        self.register_target(name, change).await
    }

    /// Lets tasks go that are protected from being stopped (P99).
    pub(super) async fn unprotect(&self, name: &str, tasks: &[String]) -> Result<()> {
        for tasks in tasks.chunks(PROTECTIONS) {
            let ask = json!({ "cluster": self.cluster, "tasks": tasks, "protectionEnabled": false });
            let answer = self.client.ecs("UpdateTaskProtection", &ask).await;
            answer.map_err(|error| ecs_failure("UpdateTaskProtection", name, &error))?;
        }
        Ok(())
    }
}

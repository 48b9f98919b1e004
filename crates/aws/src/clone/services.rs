//! Services of ECS with their tasks, their task definitions, and what scales them.

use std::collections::BTreeSet;

use crossfade_core::document::Artifact;
use crossfade_core::infrastructure::{TAG_INFRASTRUCTURE, series_of};
use crossfade_core::kinds::elb::short;
use crossfade_core::{Kind, Result};
use serde_json::{Value, json};

use super::asking::In;
use super::spelling::{list, only, text};
use super::{Cloning, Service, TaskDefinition};

/// The most services, and the most tasks, instances or task protections that one call describes (ECS API reference).
const SERVICES: usize = 10;
const TASKS: usize = 100;
/// What is scaled of a service.
const DIMENSION: &str = "ecs:service:DesiredCount";
/// What stands for the value of an environment variable, which may be a secret.
const LEFT_OUT: &str = "left out";

/// What of a service, a deployment or a task definition is its history, or goes by itself.
const HISTORY: [&str; 16] = [
    "events",
    "createdAt",
    "createdBy",
    "updatedAt",
    "runningCount",
    "pendingCount",
    "currentServiceRevisions",
    "currentServiceDeployment",
    "rolloutStateReason",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "requiresAttributes",
    "compatibilities",
    "CreationTime",
    "statistics",
];
/// What of a cluster and of an instance in it matters to a deployment.
const OF_CLUSTERS: &[&str] = &["clusterArn", "clusterName", "defaultCapacityProviderStrategy", "tags"];
const OF_INSTANCES: &[&str] =
    &["containerInstanceArn", "ec2InstanceId", "registeredResources", "remainingResources", "attributes"];
const OF_TASKS: &[&str] = &[
    "taskArn",
    "taskDefinitionArn",
    "group",
    "startedBy",
    "lastStatus",
    "availabilityZone",
    "containerInstanceArn",
    "attachments",
    "containers",
];

impl Cloning<'_> {
    /// All services of the cluster: which of them concern the document shows by their tags, and by what they stand behind.
    pub(super) async fn every_service(&self, cluster: &str) -> Result<Vec<Value>> {
        let asked = json!({ "cluster": cluster, "maxResults": 100 });
        let arns = self.asking.json_list(In::Ecs, "ListServices", cluster, "serviceArns", asked).await?;
        let mut all = Vec::new();
        for arns in arns.chunks(SERVICES) {
            let asked = json!({ "cluster": cluster, "services": arns, "include": ["TAGS"] });
            let answer = self.asking.json(In::Ecs, "DescribeServices", cluster, &asked).await?;
            all.extend(list(&answer, "services").iter().filter(|it| text(it, "status") != "INACTIVE").map(settings));
        }
        all.sort_by(|one, other| text(one, "serviceName").cmp(text(other, "serviceName")));
        Ok(all)
    }

    /// The target groups behind which the base and the revisions stand.
    pub(super) fn before_services(&self, all: &[Value]) -> BTreeSet<String> {
        let ours = all.iter().filter(|service| self.is_our_service(service));
        ours.flat_map(pools_of).map(str::to_owned).collect()
    }

    fn is_our_service(&self, service: &Value) -> bool {
        let series = self.document.compute.series();
        let name = text(service, "serviceName");
        let tagged =
            |tag: &Value| text(tag, "key") == TAG_INFRASTRUCTURE && text(tag, "value") == self.state.infrastructure;
        (!series.base.is_empty() && name == series.base)
            || self.state.recorded().any(|fleet| fleet == name)
            || (name != series_of(name) && series_of(name) == series.name)
            || list(service, "tags").iter().any(tagged)
    }

    /// The services that concern the document: its base, its revisions, and whatever else stands on the same load balancers.
    pub(super) async fn services(&mut self, cluster: &str, all: Vec<Value>) -> Result<()> {
        let pools: BTreeSet<String> =
            self.state.target_groups.iter().map(|it| text(&it.group, "TargetGroupArn").to_owned()).collect();
        let own = self.own_pools();
        let asked = json!({ "clusters": [cluster], "include": ["TAGS"] });
        let answer = self.asking.json(In::Ecs, "DescribeClusters", cluster, &asked).await?;
        self.state.clusters.extend(list(&answer, "clusters").iter().map(|it| only(it, OF_CLUSTERS)));
        for service in all {
            let behind = || pools_of(&service);
            let ours = self.is_our_service(&service);
            if !ours && !behind().any(|arn| pools.contains(arn)) {
                continue;
            }
            let whole = ours || behind().any(|arn| own.contains(arn));
            let name = text(&service, "serviceName").to_owned();
            self.seen_of_service(&service, &pools);
            self.tasks(cluster, &service).await?;
            if !whole {
                self.cannot_play(format!("what scales the service {name}"));
            }
            let service = match whole {
                true => self.scaling(cluster, service).await?,
                false => Service { service, ..Service::default() },
            };
            self.state.services.push(service);
        }
        let base = self.document.compute.series().base;
        let found = |it: &Service| text(&it.service, "serviceName") == base;
        if !base.is_empty() && !self.state.services.iter().any(found) {
            let path = self.document.compute.path();
            return Err(Kind::PreflightFailed.because(format!("{path}.base = {base} does not exist in {cluster}.")));
        }
        self.container_instances(cluster).await?;
        self.task_definitions().await
    }

    /// The tasks of a service, without those that are being stopped: they are gone before long.
    async fn tasks(&mut self, cluster: &str, service: &Value) -> Result<()> {
        let name = text(service, "serviceName");
        let asked = json!({ "cluster": cluster, "serviceName": name, "desiredStatus": "RUNNING", "maxResults": 100 });
        let arns = self.asking.json_list(In::Ecs, "ListTasks", name, "taskArns", asked).await?;
        for arns in arns.chunks(TASKS) {
            let asked = json!({ "cluster": cluster, "tasks": arns });
            let answer = self.asking.json(In::Ecs, "DescribeTasks", name, &asked).await?;
            let mut tasks: Vec<Value> = list(&answer, "tasks").iter().map(task).collect();
            let answer = self.asking.json(In::Ecs, "GetTaskProtection", name, &asked).await;
            let answer = answer.map(|it| list(&it, "protectedTasks").to_vec());
            let protections = self.or_say(answer, &format!("the protection of tasks of {name}"))?;
            let protected =
                |arn: &Value| protections.iter().any(|it| it["taskArn"] == *arn && it["protectionEnabled"] == true);
            for task in tasks.iter_mut().filter(|task| protected(&task["taskArn"])) {
                task["protectionEnabled"] = json!(true);
            }
            self.state.tasks.extend(tasks);
        }
        Ok(())
    }

    /// A service with what scales it.
    async fn scaling(&mut self, cluster: &str, service: Value) -> Result<Service> {
        let name = text(&service, "serviceName").to_owned();
        let resource = format!("service/{cluster}/{name}");
        let mut whole = Service { service, whole: true, ..Service::default() };
        let asked = json!({ "ServiceNamespace": "ecs", "ResourceIds": [resource], "ScalableDimension": DIMENSION });
        let asking = &self.asking;
        let found = asking.json_list(In::Scaling, "DescribeScalableTargets", &name, "ScalableTargets", asked).await;
        let found = self.or_say(found, &format!("the scalable target of {name}"))?;
        whole.target = found.iter().map(settings).next();
        let Some(target) = &whole.target else { return Ok(whole) };
        let asked = json!({ "ResourceARN": target["ScalableTargetARN"] });
        match self.asking.json(In::Scaling, "ListTagsForResource", &name, &asked).await {
            Ok(answer) => {
                let pairs = answer["Tags"].as_object().into_iter().flatten();
                whole.tags = pairs.map(|(key, it)| (key.clone(), it.as_str().unwrap_or_default().to_owned())).collect();
            }
            refused => drop(self.or_say(refused.map(|_| Vec::new()), "tags of scalable targets")?),
        }
        let asked = json!({ "ServiceNamespace": "ecs", "ResourceId": resource, "ScalableDimension": DIMENSION });
        let asking = &self.asking;
        let policies =
            asking.json_list(In::Scaling, "DescribeScalingPolicies", &name, "ScalingPolicies", asked.clone());
        let policies = policies.await;
        let policies = self.or_say(policies, &format!("the scaling policies of {name}"))?;
        whole.policies = policies.iter().map(settings).collect();
        for policy in whole.policies.iter().filter(|it| text(it, "PolicyType") == "PredictiveScaling") {
            self.state.not_modelled.push(format!("the predictive policy {} of {name}", text(policy, "PolicyName")));
        }
        let asking = &self.asking;
        let actions = asking.json_list(In::Scaling, "DescribeScheduledActions", &name, "ScheduledActions", asked).await;
        let actions = self.or_say(actions, &format!("the scheduled actions of {name}"))?;
        whole.scheduled_actions = actions.iter().map(settings).collect();
        Ok(whole)
    }

    /// The EC2 instances of the cluster, where tasks run on some.
    async fn container_instances(&mut self, cluster: &str) -> Result<()> {
        let on_fargate = |it: &Service| {
            let provider = text(
                &list(&it.service, "capacityProviderStrategy").first().cloned().unwrap_or_default(),
                "capacityProvider",
            )
            .to_owned();
            text(&it.service, "launchType") == "FARGATE" || provider.starts_with("FARGATE")
        };
        if self.state.services.iter().all(on_fargate) {
            return Ok(());
        }
        let asked = json!({ "cluster": cluster, "maxResults": 100, "status": "ACTIVE" });
        let asking = &self.asking;
        let arns = asking.json_list(In::Ecs, "ListContainerInstances", cluster, "containerInstanceArns", asked).await;
        let arns = self.or_say(arns, "on which EC2 instances tasks can run")?;
        for arns in arns.chunks(TASKS) {
            let asked = json!({ "cluster": cluster, "containerInstances": arns });
            let answer = self.asking.json(In::Ecs, "DescribeContainerInstances", cluster, &asked).await;
            let answer = answer.map(|it| list(&it, "containerInstances").to_vec());
            let found = self.or_say(answer, "on which EC2 instances tasks can run")?;
            self.state.container_instances.extend(found.iter().map(container_instance));
        }
        self.cannot_play("how the cluster's own EC2 instances are scaled");
        Ok(())
    }

    /// What services and tasks are made of, and the last one of each family: the next one gets the number after it.
    async fn task_definitions(&mut self) -> Result<()> {
        let services = self.state.services.iter().map(|it| &it.service);
        let of_services = services.clone().map(|it| text(it, "taskDefinition"));
        let of_deployments = services.flat_map(|it| list(it, "deployments")).map(|it| text(it, "taskDefinition"));
        let of_tasks = self.state.tasks.iter().map(|it| text(it, "taskDefinitionArn"));
        let all = of_services.chain(of_deployments).chain(of_tasks).filter(|arn| !arn.is_empty());
        let mut names: BTreeSet<String> = all.map(str::to_owned).collect();
        let families: Vec<String> =
            names.iter().filter_map(|arn| short(arn).split(':').next()).map(str::to_owned).collect();
        names.extend(families);
        for name in names {
            let asked = json!({ "taskDefinition": name, "include": ["TAGS"] });
            let mut answer = match self.asking.json(In::Ecs, "DescribeTaskDefinition", &name, &asked).await {
                // Deleted, or a family without an active one.
                Err(failure) if failure.kind == Kind::RequestRefused => {
                    self.cannot_play(format!("the task definition {name}, which is gone"));
                    continue;
                }
                answer => answer?,
            };
            let mut definition = settings(&answer["taskDefinition"]);
            let known = |it: &TaskDefinition| it.definition["taskDefinitionArn"] == definition["taskDefinitionArn"];
            if self.state.task_definitions.iter().any(known) {
                continue;
            }
            if leave_out(&mut definition) {
                let arn = text(&definition, "taskDefinitionArn");
                self.state.left_out.push(format!("the values of environment variables of {}", short(arn)));
            }
            let tags = answer.get_mut("tags").and_then(|it| it.take().as_array().cloned()).unwrap_or_default();
            self.state.task_definitions.push(TaskDefinition { definition, tags });
        }
        self.state.task_definitions.sort_by_key(|it| {
            (text(&it.definition, "family").to_owned(), it.definition["revision"].as_u64().unwrap_or(0))
        });
        self.state.left_out.sort();
        if let Artifact::Image(_) = &self.document.artifact {
            self.cannot_play("what is in container images: they are taken for good");
        }
        Ok(())
    }

    /// Names what the simulation does not play of a service.
    fn seen_of_service(&mut self, service: &Value, pools: &BTreeSet<String>) {
        let name = text(service, "serviceName").to_owned();
        for balancer in list(service, "loadBalancers") {
            match (text(balancer, "loadBalancerName"), text(balancer, "targetGroupArn")) {
                ("", arn) if !arn.is_empty() && !pools.contains(arn) => {
                    self.cannot_play(format!("the target group {arn} of {name}"));
                }
                ("", _) => {}
                (classic, _) => self.cannot_play(format!("the classic load balancer {classic} of {name}")),
            }
        }
        for registry in list(service, "serviceRegistries") {
            self.cannot_play(format!("the Cloud Map service {} of {name}", text(registry, "registryArn")));
        }
        let primary = list(service, "deployments").iter().find(|it| text(it, "status") == "PRIMARY");
        if primary.is_some_and(|it| it["serviceConnectConfiguration"]["enabled"] == true) {
            self.cannot_play(format!("Service Connect of {name}"));
        }
        if primary.is_some_and(|it| !list(it, "vpcLatticeConfigurations").is_empty()) {
            self.cannot_play(format!("VPC Lattice of {name}"));
        }
    }
}

/// The target groups that a service registers its tasks in.
fn pools_of(service: &Value) -> impl Iterator<Item = &str> {
    let all = list(service, "loadBalancers").iter().map(|it| text(it, "targetGroupArn"));
    all.filter(|arn| !arn.is_empty())
}

/// A description without its history, and the same of its deployments.
fn settings(described: &Value) -> Value {
    let mut kept = described.clone();
    if let Some(members) = kept.as_object_mut() {
        members.retain(|name, value| !HISTORY.contains(&name.as_str()) && !value.is_null());
        if let Some(Value::Array(deployments)) = members.get_mut("deployments") {
            deployments.iter_mut().for_each(|it| *it = settings(it));
        }
    }
    kept
}

/// Replaces the values of environment variables. Answers whether there were any.
fn leave_out(definition: &mut Value) -> bool {
    let mut some = false;
    let containers = definition["containerDefinitions"].as_array_mut().into_iter().flatten();
    for variable in containers.filter_map(|it| it["environment"].as_array_mut()).flatten() {
        variable["value"] = json!(LEFT_OUT);
        some = true;
    }
    some
}

/// Where a task is, and where it listens.
fn task(described: &Value) -> Value {
    let mut task = only(described, OF_TASKS);
    for attachment in task["attachments"].as_array_mut().into_iter().flatten() {
        let address = |it: &&Value| text(it, "name") == "privateIPv4Address";
        let details: Vec<Value> = list(attachment, "details").iter().filter(address).cloned().collect();
        *attachment = json!({ "type": attachment["type"], "details": details });
    }
    for container in task["containers"].as_array_mut().into_iter().flatten() {
        *container = only(container, &["name", "networkBindings"]);
    }
    task
}

/// What an instance has, and in which zone it is.
fn container_instance(described: &Value) -> Value {
    let mut instance = only(described, OF_INSTANCES);
    for name in ["registeredResources", "remainingResources"] {
        if let Some(all) = instance[name].as_array_mut() {
            all.retain(|it| ["CPU", "MEMORY"].contains(&text(it, "name")));
        }
    }
    if let Some(all) = instance["attributes"].as_array_mut() {
        all.retain(|it| text(it, "name") == "ecs.availability-zone");
    }
    instance
}

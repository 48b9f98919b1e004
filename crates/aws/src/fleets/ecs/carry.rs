//! Application Auto Scaling of a service: its scalable target with policies, their alarms and scheduled actions, given to a service that
//! is made from it. What the document says all of comes the same way.
//!
//! Every registration moves a service into its limits, so the target comes when the service has its size, with everything suspended,
//! and goes on only when all of it is there (P91, P92).

use std::collections::{BTreeMap, BTreeSet};

use crossfade_core::capacity::Size;
use crossfade_core::kinds::ecs::Scaling;
use crossfade_core::kinds::ecs::written::Written;
use crossfade_core::kinds::{Compute, scaling_limits};
use crossfade_core::lane::Counterpart;
use crossfade_core::observed::{Baggage, Fleet, HookTimes, Schedule};
use crossfade_core::{Kind, Result, unless_refused};
use serde_json::{Value, json};

use super::client::{count, list, millis, text};
use super::services::DIMENSION;
use super::{Services, written};
use crate::fleets::Carrying;
use crate::fleets::scaling::{Made, Names, Owner, left_out};

/// How long a container may take to stop unless it says otherwise, in seconds (ECS API reference, stopTimeout).
const STOP_SECONDS: u32 = 30;
/// The dimension by which metrics name a service.
const SERVICE_NAME: &str = "ServiceName";

/// Whose scaling is carried.
#[derive(Clone, Copy)]
enum Given<'a> {
    /// What the document has written out.
    ByDocument(&'a Written),
    /// What the service of this name has.
    ByService(&'a str),
}

impl Services {
    /// How long the tasks of a definition may take to end after they have drained.
    pub(super) async fn stopping(&self, definition: &str) -> Result<HookTimes> {
        let definition = self.definition(definition).await?.map(|(definition, _)| definition).unwrap_or_default();
        let timeout = |container: &Value| match count(container, "stopTimeout") {
            0 => STOP_SECONDS,
            seconds => seconds,
        };
        let longest = list(&definition, "containerDefinitions").iter().map(timeout).max();
        Ok(HookTimes { launching_seconds: 0, terminating_seconds: longest.unwrap_or(STOP_SECONDS) })
    }

    /// What a service carries, and which of its alarms a fleet of this name will not get.
    pub(super) async fn carried_by(&self, name: &str, fleet: &str) -> Result<(Baggage, Vec<String>)> {
        let Some(service) = self.service(name).await? else { return Ok(Default::default()) };
        let hook_times = self.stopping(text(&service, "taskDefinition")).await?;
        if self.target(name).await?.is_none() {
            let baggage = Baggage { from: name.to_owned(), hook_times, ..Baggage::default() };
            return Ok((baggage, Vec::new()));
        }
        let policies = self.policies(name).await?;
        let alarms: BTreeSet<String> = policies.iter().flat_map(steps).collect();
        let notes = left_out(alarms.iter(), name, fleet);
        let crowded = self.client.alarms.crowded(alarms, name).await?;
        if !crowded.is_empty() {
            return Err(Kind::PreflightFailed.because(crowded.join(" ")));
        }
        let names = |of: &[Value], name: &str| of.iter().map(|it| text(it, name).to_owned()).collect();
        let baggage = Baggage {
            from: name.to_owned(),
            policies: names(&policies, "PolicyName"),
            schedules: names(&self.schedules(name).await?, "ScheduledActionName"),
            limits: true,
            hook_times,
            ..Baggage::default()
        };
        Ok((baggage, notes))
    }

    pub(super) async fn policies(&self, name: &str) -> Result<Vec<Value>> {
        self.of_target("DescribeScalingPolicies", "ScalingPolicies", name).await
    }

    pub(super) async fn schedules(&self, name: &str) -> Result<Vec<Value>> {
        self.of_target("DescribeScheduledActions", "ScheduledActions", name).await
    }

    async fn of_target(&self, operation: &'static str, items: &'static str, name: &str) -> Result<Vec<Value>> {
        self.scaling_pages(operation, self.about(name), items, name).await
    }

    fn about(&self, name: &str) -> Value {
        json!({ "ServiceNamespace": "ecs", "ResourceId": self.resource(name), "ScalableDimension": DIMENSION })
    }

    /// The sizes that a service's scheduled actions give it.
    pub(super) async fn schedules_of(&self, name: &str) -> Result<Vec<Schedule>> {
        let schedule = |action: &Value| {
            let limits = &action["ScalableTargetAction"];
            let limit = |name: &str| limits.get(name).is_some_and(|it| !it.is_null()).then(|| count(limits, name));
            Schedule {
                name: text(action, "ScheduledActionName").to_owned(),
                min: limit("MinCapacity"),
                // It has only limits, and what is below them rises into them.
                desired: None,
                max: limit("MaxCapacity"),
                due_millis: millis(action, "StartTime"),
            }
        };
        Ok(self.schedules(name).await?.iter().map(schedule).collect())
    }

    /// Gives a service everything by which another one scales, or by which the document wants it to.
    pub(super) async fn carry_over(&self, carrying: &Carrying<'_>) -> Result<Vec<String>> {
        let Carrying { compute, from, fleet, size, counterparts, now_millis } = *carrying;
        let given = match written(compute) {
            Some(written) => Given::ByDocument(written),
            None => Given::ByService(from),
        };
        let Some(theirs) = self.given_target(given).await? else { return Ok(Vec::new()) };
        let mut lines = Vec::new();
        let limits = scaling_limits(
            size,
            Size { min: count(&theirs, "MinCapacity"), desired: 0, max: count(&theirs, "MaxCapacity") },
        );
        if self.target(fleet).await?.is_none() {
            let mut target = json!({
                "MinCapacity": limits.min,
                "MaxCapacity": limits.max,
                "SuspendedState": {
                    "DynamicScalingInSuspended": true,
                    "DynamicScalingOutSuspended": true,
                    "ScheduledScalingSuspended": true,
                },
            });
            let role = text(&theirs, "RoleARN");
            // The service-linked role is taken where none is given.
            if !role.is_empty() && !role.contains("/aws-service-role/") {
                target["RoleARN"] = json!(role);
            }
            self.register_target(fleet, target).await?;
            lines.push(format!("{fleet} scales between {} and {} tasks", limits.min, limits.max));
        }
        // What the document says is named after the base.
        let named = match given {
            Given::ByDocument(_) => compute.series().base,
            Given::ByService(name) => name,
        };
        let names = Names::read(self.client.alarms.balancing(), (SERVICE_NAME, named, fleet), counterparts).await?;
        let policies = self.given_policies(given).await?;
        let made = self.carry_policies(&policies, &names, &mut lines).await?;
        self.carry_alarms(given, &policies, &made, &names, &mut lines).await?;
        let schedules = self.given_schedules(given).await?;
        self.carry_schedules(schedules, fleet, now_millis, &mut lines).await?;
        // A base keeps them suspended as a template only.
        let mut suspended = theirs["SuspendedState"].clone();
        if suspended.is_object() {
            suspended["ScheduledScalingSuspended"] = json!(false);
        } else {
            suspended = json!({
                "DynamicScalingInSuspended": false,
                "DynamicScalingOutSuspended": false,
                "ScheduledScalingSuspended": false,
            });
        }
        self.register_target(fleet, json!({ "SuspendedState": suspended })).await?;
        Ok(lines)
    }

    async fn given_target(&self, given: Given<'_>) -> Result<Option<Value>> {
        match given {
            Given::ByDocument(written) => Ok(Some(written::target(written))),
            Given::ByService(name) => self.target(name).await,
        }
    }

    async fn given_policies(&self, given: Given<'_>) -> Result<Vec<Value>> {
        match given {
            Given::ByDocument(written) => Ok(written::policies(written, &self.cluster)),
            Given::ByService(name) => self.policies(name).await,
        }
    }

    async fn given_schedules(&self, given: Given<'_>) -> Result<Vec<Value>> {
        match given {
            Given::ByDocument(written) => Ok(written::schedules(written)),
            Given::ByService(name) => self.schedules(name).await,
        }
    }

    /// The alarms of those policies that were made.
    async fn carry_alarms(
        &self,
        given: Given<'_>,
        policies: &[Value],
        made: &Made,
        names: &Names<'_>,
        lines: &mut Vec<String>,
    ) -> Result<()> {
        match given {
            Given::ByDocument(written) => {
                let alarms = written::alarms(written, &self.cluster, made);
                if alarms.is_empty() {
                    return Ok(());
                }
                let owner = Owner::of(&self.existing(names.fleet).await?);
                self.client.alarms.give(&alarms, made, names, &owner, lines).await
            }
            Given::ByService(_) => {
                let those = policies.iter().filter(|policy| made.contains_key(text(policy, "PolicyARN")));
                let wanted: BTreeSet<String> = those.flat_map(steps).collect();
                if wanted.is_empty() {
                    return Ok(());
                }
                let owner = Owner::of(&self.existing(names.fleet).await?);
                self.client.alarms.carry(&wanted, made, names, &owner, lines).await
            }
        }
    }

    async fn existing(&self, name: &str) -> Result<Fleet> {
        let found = self.services(&[name]).await?;
        let fleet = self.fleets(found).await?.into_iter().next();
        fleet.ok_or_else(|| {
            Kind::Drifted.because(format!("The ECS service {name} does not exist any more; somebody deleted it."))
        })
    }

    /// Answers which policies were made of which, by their ARNs.
    async fn carry_policies(
        &self,
        policies: &[Value],
        names: &Names<'_>,
        lines: &mut Vec<String>,
    ) -> Result<BTreeMap<String, String>> {
        let fleet = names.fleet;
        let own = self.policies(fleet).await?;
        let mut made = BTreeMap::new();
        for policy in policies {
            let name = text(policy, "PolicyName");
            let arn = text(policy, "PolicyARN").to_owned();
            if let Some(there) = own.iter().find(|it| text(it, "PolicyName") == name) {
                made.insert(arn, text(there, "PolicyARN").to_owned());
                continue;
            }
            let mut ask = policy.clone();
            if let Err(reason) = fit(&mut ask, names) {
                lines.push(format!("Left policy {name} out: {reason}"));
                continue;
            }
            ask["ResourceId"] = json!(self.resource(fleet));
            let put = self.put_policy(fleet, ask).await;
            match put {
                Ok(own) => {
                    let forecast = text(policy, "PolicyType") == "PredictiveScaling";
                    let doubt = if forecast { "; its forecast begins anew" } else { "" };
                    lines.push(format!("Carried policy {name}{doubt}"));
                    made.insert(arn, own);
                }
                Err(failure) => {
                    if let Some(refused) = unless_refused(Err(failure))? {
                        lines.push(format!("Left policy {name} out: {refused}"));
                    }
                }
            }
        }
        Ok(made)
    }

    async fn put_policy(&self, fleet: &str, mut policy: Value) -> Result<String> {
        if let Some(fields) = policy.as_object_mut() {
            fields.retain(|name, value| {
                !matches!(name.as_str(), "PolicyARN" | "Alarms" | "CreationTime") && !value.is_null()
            });
        }
        let answer = self.scaling("PutScalingPolicy", fleet, &policy).await?;
        Ok(text(&answer, "PolicyARN").to_owned())
    }

    async fn carry_schedules(
        &self,
        theirs: Vec<Value>,
        fleet: &str,
        now_millis: u64,
        lines: &mut Vec<String>,
    ) -> Result<()> {
        if theirs.is_empty() {
            return Ok(());
        }
        let own = self.schedules(fleet).await?;
        for action in theirs {
            let name = text(&action, "ScheduledActionName").to_owned();
            if own.iter().any(|it| text(it, "ScheduledActionName") == name) {
                continue;
            }
            let mut ask = action;
            // AWS takes no time that is over; of what repeats, the next one is found without.
            for field in ["StartTime", "EndTime"] {
                let over = millis(&ask, field).is_some_and(|at| at <= now_millis);
                if over && (field == "EndTime" || text(&ask, "Schedule").starts_with("at(")) {
                    lines.push(format!("Left scheduled action {name} out: its time is over"));
                    ask = Value::Null;
                    break;
                }
                if let (true, Some(fields)) = (over, ask.as_object_mut()) {
                    fields.remove(field);
                }
            }
            let Some(fields) = ask.as_object_mut() else { continue };
            fields.retain(|name, value| {
                !matches!(name.as_str(), "ScheduledActionARN" | "CreationTime") && !value.is_null()
            });
            fields.insert("ResourceId".into(), json!(self.resource(fleet)));
            let put = self.scaling("PutScheduledAction", fleet, &ask).await.map(drop);
            lines.push(match unless_refused(put)? {
                None => format!("Carried scheduled action {name}"),
                Some(refused) => format!("Left scheduled action {name} out: {refused}"),
            });
        }
        Ok(())
    }

    /// Lets what a service has of its own follow it to other pools.
    pub(super) async fn adapt(&self, fleet: &str, counterparts: &[Counterpart]) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        let policies = self.policies(fleet).await?;
        if policies.is_empty() {
            return Ok(lines);
        }
        let names = Names::read(self.client.alarms.balancing(), (SERVICE_NAME, fleet, fleet), counterparts).await?;
        for policy in &policies {
            let (name, mut fitting) = (text(policy, "PolicyName"), policy.clone());
            match fit(&mut fitting, &names) {
                Err(reason) => lines.push(format!("Left policy {name} as it is: {reason}")),
                Ok(()) if fitting == *policy => {}
                Ok(()) => {
                    self.put_policy(fleet, fitting).await?;
                    lines.push(format!("Adapted policy {name}"));
                }
            }
        }
        let wanted: BTreeSet<String> = policies.iter().flat_map(steps).collect();
        self.client.alarms.adapt(wanted, &names, &mut lines).await?;
        Ok(lines)
    }

    /// Takes the scalable target of a service away, with its policies and scheduled actions, and the alarms that were made for it.
    pub(super) async fn unload(&self, fleet: &Fleet) -> Result<()> {
        self.client.alarms.unload(fleet).await?;
        if self.target(&fleet.name).await?.is_none() {
            return Ok(());
        }
        let deregistered = self.client.scaling("DeregisterScalableTarget", &self.about(&fleet.name)).await;
        deregistered.map(drop).or_else(|error| match error.code() {
            Some("ObjectNotFoundException") => Ok(()),
            _ => Err(super::client::scaling_failure("DeregisterScalableTarget", &fleet.name, &error)),
        })
    }
}

/// What the document says of a service's scaling, if it says all of it.
fn written(compute: &Compute) -> Option<&Written> {
    match compute {
        Compute::EcsService(service) => match &service.scaling {
            Scaling::Written(written) => Some(written),
            Scaling::SameAsRunning | Scaling::SameAsBase | Scaling::None => None,
        },
        Compute::AutoScalingGroup(_) | Compute::Elastigroup(_) => None,
    }
}

/// The names of the alarms that trigger a step policy. Those of target tracking are AWS's own (P25).
pub(super) fn steps(policy: &Value) -> Vec<String> {
    let by_alarm = text(policy, "PolicyType") == "StepScaling";
    let alarms = list(policy, "Alarms").iter().filter(|_| by_alarm).map(|alarm| text(alarm, "AlarmName").to_owned());
    alarms.filter(|name| !name.starts_with("TargetTracking-")).collect()
}

/// Makes a policy look at the service that gets it.
fn fit(policy: &mut Value, names: &Names<'_>) -> std::result::Result<(), String> {
    match policy {
        Value::Array(items) => items.iter_mut().try_for_each(|item| fit(item, names)),
        Value::Object(fields) => {
            if let Some(label) = fields.get("ResourceLabel").and_then(Value::as_str) {
                let mut label = Some(label.to_owned());
                names.label(&mut label)?;
                fields.insert("ResourceLabel".into(), json!(label));
            }
            if let Some(Value::Array(dimensions)) = fields.get_mut("Dimensions") {
                let mut pairs: Vec<(Option<String>, Option<String>)> = dimensions
                    .iter()
                    .map(|it| (Some(text(it, "Name").to_owned()), Some(text(it, "Value").to_owned())))
                    .collect();
                names.dimensions(pairs.iter_mut().map(|(name, value)| (&*name, value)));
                for (it, (_, value)) in dimensions.iter_mut().zip(pairs) {
                    it["Value"] = json!(value);
                }
            }
            fields.values_mut().try_for_each(|field| fit(field, names))
        }
        _ => Ok(()),
    }
}

//! What a service's copies take over, beside what a service that serves has: itself, its task definition, its scaling.

use std::collections::BTreeSet;

use crossfade_core::kinds::ecs::{EcsService, Scaling};
use crossfade_core::kinds::{Blueprint, Compute};
use crossfade_core::observed::Schedule;
use crossfade_core::recurrence;
use crossfade_core::settings::{Setting, Settings, Spelling};
use crossfade_core::{Kind, Result};
use serde_json::{Map, Value, json};

use super::client::{list, millis, text};
use super::create::foreign;
use super::definition::edited;
use super::read::primary;
use super::template::COPIED;
use super::{Services, definition_of};
use crate::fleets::inherit::{Heirs, Inherited, without_names};

/// The part that a task definition is in.
const DEFINITION: &str = "task definition";

impl Services {
    pub(super) async fn inherited_by(&self, heirs: &Heirs<'_>) -> Result<Inherited> {
        let blueprint = definition_of(heirs.blueprint)?;
        let mut inherited = match &blueprint.written {
            Some(_) => self.written_twice(heirs),
            None => self.copied(heirs, &blueprint.arn, &blueprint.container).await?,
        };
        match heirs.scaling_from {
            Some(from) if heirs.compute.series().base == from => self.scaled_like(heirs, from, &mut inherited).await?,
            _ => {
                scaling_written(heirs, &mut inherited);
                if let Some(serving) = heirs.serving.filter(|fleet| fleet.bounded()) {
                    let actions = self.schedules(&serving.name).await?;
                    let due = actions.iter().map(|action| schedule(action, heirs.now_millis));
                    inherited.schedules.extend(due.map(|it| (serving.name.clone(), it)));
                }
            }
        }
        Ok(inherited)
    }

    /// A copy of a service, beside one that was copied before.
    async fn copied(&self, heirs: &Heirs<'_>, arn: &str, container: &str) -> Result<Inherited> {
        let base = heirs.compute.series().base;
        let names: Vec<&str> = std::iter::once(base).chain(heirs.serving.map(|it| it.name.as_str())).collect();
        let services = self.services(&names).await?;
        let service = |name: &str| services.iter().find(|it| text(it, "serviceName") == name);
        let gone = || Kind::Drifted.because(format!("The base ECS service {base} does not exist any more."));
        let mut inherited = Inherited::default();
        add_service(&mut inherited.new, service(base).ok_or_else(gone)?);
        if let Some((definition, tags)) = self.definition(arn).await? {
            add_definition(&mut inherited.new, definition, &tags, container);
        }
        let Some((fleet, theirs)) = heirs.serving.and_then(|fleet| Some((fleet, service(&fleet.name)?))) else {
            return Ok(inherited);
        };
        let mut settings = Settings::default();
        add_service(&mut settings, theirs);
        if let Some(Blueprint::EcsService(made)) = &fleet.blueprint
            && let Some((definition, tags)) = self.definition(&made.arn).await?
        {
            add_definition(&mut settings, definition, &tags, container);
        }
        inherited.serving = Some(settings);
        Ok(inherited)
    }

    /// What the document writes out, beside what the document did by which the service that serves was made. What AWS adds to either is
    /// the same.
    fn written_twice(&self, heirs: &Heirs<'_>) -> Inherited {
        let of = |compute: &Compute| {
            let Compute::EcsService(EcsService { definition: Some(written), container, .. }) = compute else {
                return None;
            };
            let (service, definition) = written.read(container, "image:tag").ok()?;
            let mut settings = Settings::default();
            add_service(&mut settings, &service);
            let tags = list(&definition, "tags").to_vec();
            add_definition(&mut settings, definition, &tags, container);
            Some(settings)
        };
        let serving = heirs.earlier.and_then(of);
        let unknown = heirs.serving.filter(|_| serving.is_none()).map(|fleet| {
            format!(
                "What {} was made from is not written down any more: what has changed since is not known",
                fleet.name
            )
        });
        Inherited {
            new: of(heirs.compute).unwrap_or_default(),
            serving,
            notes: unknown.into_iter().collect(),
            ..Inherited::default()
        }
    }

    /// What scales a copy, beside what scales the one that serves.
    async fn scaled_like(&self, heirs: &Heirs<'_>, base: &str, inherited: &mut Inherited) -> Result<()> {
        let serving = heirs.serving.filter(|fleet| fleet.bounded()).map(|fleet| fleet.name.as_str());
        let names: Vec<&str> = std::iter::once(base).chain(serving).collect();
        let mut alarms: Vec<(&str, BTreeSet<String>)> = Vec::new();
        for name in names.iter().copied() {
            let policies = self.policies(name).await?;
            alarms.push((name, policies.iter().flat_map(super::carry::steps).collect()));
            let actions = self.schedules(name).await?;
            let due = actions.iter().map(|action| schedule(action, heirs.now_millis));
            inherited.schedules.extend(due.map(|it| (name.to_owned(), it)));
            let theirs = if name == base { Some(&mut inherited.new) } else { inherited.serving.as_mut() };
            let Some(theirs) = theirs else { continue };
            theirs.parts("policy", &bare(policies, &names), Spelling::Words);
            let over = |it: &Value| millis(it, "EndTime").is_some_and(|at| at <= heirs.now_millis);
            let still = actions.into_iter().filter(|it| !over(it));
            let still = still.filter(|it| {
                !text(it, "Schedule").starts_with("at(") || schedule(it, heirs.now_millis).due_millis.is_some()
            });
            theirs.parts("scheduled action", &bare(still.collect(), &names), Spelling::Words);
        }
        for (name, of) in self.client.alarms.told(&alarms).await? {
            let theirs = if name == base { Some(&mut inherited.new) } else { inherited.serving.as_mut() };
            let of = bare(of, &names);
            theirs.into_iter().for_each(|theirs| theirs.parts("alarm", &of, Spelling::Words));
        }
        Ok(())
    }
}

/// Policies, actions and alarms without what names the service that has them.
fn bare(items: Vec<Value>, fleets: &[&str]) -> Vec<Value> {
    const OF_ONE: [&str; 9] = [
        "PolicyARN",
        "ScheduledActionARN",
        "CreationTime",
        "Alarms",
        "ResourceId",
        "ServiceNamespace",
        "ScalableDimension",
        "StartTime",
        "metricId",
    ];
    let bare = |mut item: Value| {
        if let Some(fields) = item.as_object_mut() {
            fields.retain(|name, _| !OF_ONE.contains(&name.as_str()));
        }
        without_names(&mut item, fleets);
        item
    };
    items.into_iter().map(bare).collect()
}

/// What the document writes of scaling, beside what it wrote.
fn scaling_written(heirs: &Heirs<'_>, inherited: &mut Inherited) {
    let of = |compute: &Compute| match compute {
        Compute::EcsService(EcsService { scaling: Scaling::Written(written), .. }) => Some(json!(written)),
        _ => None,
    };
    if let Some(written) = of(heirs.compute) {
        inherited.new.add("scaling", &written, Spelling::Words);
        let before = heirs.earlier.and_then(of);
        if let (Some(before), Some(settings)) = (before, inherited.serving.as_mut()) {
            settings.add("scaling", &before, Spelling::Words);
        } else if let Some(settings) = inherited.serving.as_mut() {
            settings.take_parts(&inherited.new, "scaling");
        }
    }
}

/// The settings of a service that a copy takes over.
fn add_service(settings: &mut Settings, service: &Value) {
    let mut taken: Map<String, Value> =
        COPIED.iter().filter_map(|name| Some(((*name).to_owned(), service.get(*name)?.clone()))).collect();
    taken.entry("availabilityZoneRebalancing").or_insert(json!("DISABLED"));
    for name in ["volumeConfigurations", "serviceConnectConfiguration"] {
        let configured = primary(service).unwrap_or(service).get(name).cloned();
        taken.extend(configured.map(|it| (name.to_owned(), it)));
    }
    // It stands in no target group, and then ECS takes none.
    if list(service, "loadBalancers").is_empty() {
        taken.remove("healthCheckGracePeriodSeconds");
    }
    settings.add("", &Value::Object(taken), Spelling::Words);
    add_tags(settings, "", list(service, "tags"));
}

/// Those of a task definition: itself, and each of its containers.
fn add_definition(settings: &mut Settings, definition: Value, tags: &[Value], container: &str) {
    let mut definition = edited(definition, "", container, "", &[]);
    let Some(fields) = definition.as_object_mut() else { return };
    ["family", "tags"].iter().for_each(|name| _ = fields.remove(*name));
    if let Some(Value::Array(containers)) = fields.remove("containerDefinitions") {
        settings.parts("container", &containers, Spelling::Words);
    }
    settings.add(DEFINITION, &definition, Spelling::Words);
    add_tags(settings, DEFINITION, tags);
}

fn add_tags(settings: &mut Settings, part: &str, tags: &[Value]) {
    for tag in tags.iter().filter(|tag| foreign(tag)) {
        settings.set(part, &format!("tag {}", text(tag, "key")), Setting::Shown(text(tag, "value").to_owned()));
    }
}

/// A scheduled action, and when it is due next.
fn schedule(action: &Value, now_millis: u64) -> Schedule {
    let limits = &action["ScalableTargetAction"];
    let limit = |name: &str| limits.get(name)?.as_u64().and_then(|it| u32::try_from(it).ok());
    let from = millis(action, "StartTime").map_or(now_millis, |start| start.max(now_millis));
    let due = recurrence::next(text(action, "Schedule"), text(action, "Timezone"), from);
    let due = due.filter(|due| millis(action, "EndTime").is_none_or(|end| *due <= end));
    Schedule {
        name: text(action, "ScheduledActionName").to_owned(),
        min: limit("MinCapacity"),
        desired: None,
        max: limit("MaxCapacity"),
        due_millis: due,
    }
}

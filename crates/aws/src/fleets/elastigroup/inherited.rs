//! What a group's copies take over, beside what a group that serves has: as its JSON spells it, since that is where people change it.

use crossfade_core::kinds::elastigroup::{Source, plain, read as read_definition};
use crossfade_core::kinds::{Compute, Instances};
use crossfade_core::observed::Schedule;
use crossfade_core::recurrence;
use crossfade_core::settings::{Setting, Settings, Spelling};
use crossfade_core::{Kind, Result};
use serde_json::{Value, json};

use super::read::{draining, list, millis, text};
use super::{Groups, source};
use crate::fleets::inherit::{Heirs, Inherited, fingerprint_of, known, without_names};
use crate::fleets::user_data::decoded;

/// What a copy has otherwise in any case: what it is called, how large it is, its image, where it stands.
const OTHERWISE: [&str; 5] = ["name", "id", "capacity", "region", "createdAt"];

impl Groups {
    pub(super) async fn inherited_by(&self, heirs: &Heirs<'_>) -> Result<Inherited> {
        let source = source(heirs.blueprint)?;
        let instances = heirs.compute.instances();
        let serving = heirs.serving.map(|fleet| fleet.name.as_str());
        let all = self.all().await?;
        let group = |name: &str| all.iter().find(|group| super::groups::is(group, name));
        let fleets: Vec<&str> = [serving, Some(source.base.as_str())].into_iter().flatten().collect();
        let mut inherited = Inherited::default();
        if source.base.is_empty() {
            inherited.new = of_definition(heirs.compute, &fleets).unwrap_or_default();
            inherited.serving = heirs.earlier.and_then(|compute| of_definition(compute, &fleets));
            if let (Some(serving), None) = (serving, &inherited.serving) {
                inherited.notes.push(format!(
                    "What {serving} was made from is not written down any more: what has changed since is not known"
                ));
            }
        } else {
            let gone =
                || Kind::Drifted.because(format!("The base Elastigroup {} does not exist any more.", source.base));
            let base = group(&source.base).ok_or_else(gone)?;
            inherited.new = of_copy(plain(base.clone()), source, instances, &fleets);
            inherited.schedules.extend(schedules(base, heirs.now_millis).map(|it| (source.base.clone(), it)));
            let as_it_is = |group: &Value| settings(plain(group.clone()), &fleets);
            inherited.serving = serving.and_then(group).map(as_it_is);
        }
        if let Some((name, theirs)) = serving.and_then(|name| Some((name, group(name)?))) {
            inherited.schedules.extend(schedules(theirs, heirs.now_millis).map(|it| (name.to_owned(), it)));
        }
        inherited.images = known(&self.client.ec2, heirs.images).await;
        Ok(inherited)
    }
}

fn of_definition(compute: &Compute, fleets: &[&str]) -> Option<Settings> {
    let Compute::Elastigroup(group) = compute else { return None };
    let template = read_definition(&group.definition).ok()?;
    Some(of_copy(template, &Source::default(), compute.instances(), fleets))
}

/// What a copy of this template has.
fn of_copy(mut template: Value, source: &Source, instances: Instances<'_>, fleets: &[&str]) -> Settings {
    let drains = draining(&template).max(source.draining_seconds);
    if source.draining_seconds > 0 {
        template["strategy"]["drainingTimeout"] = json!(drains);
    }
    if let Some(user_data) = instances.user_data {
        let specification = &mut template["compute"]["launchSpecification"];
        if let Ok(whole) = user_data.of(decoded(specification["userData"].as_str()).as_deref()) {
            specification["userData"] = json!(aws_smithy_types::base64::encode(whole));
        }
    }
    let mut settings = settings(template, fleets);
    for (key, value) in instances.tags {
        settings.set("", &format!("tag {key}"), Setting::Shown(value.clone()));
    }
    settings
}

/// The settings of a group that copies take over.
fn settings(mut group: Value, fleets: &[&str]) -> Settings {
    let mut settings = Settings::default();
    if let Some(fields) = group.as_object_mut() {
        fields.retain(|name, _| !OTHERWISE.contains(&name.as_str()));
    }
    without_names(&mut group, fleets);
    let specification = &mut group["compute"]["launchSpecification"];
    for tag in list(specification, "tags").to_vec() {
        let key = text(&tag, "tagKey");
        if !key.starts_with("crossfade:") {
            settings.set("", &format!("tag {key}"), Setting::Shown(text(&tag, "tagValue").to_owned()));
        }
    }
    if let Some(user_data) = specification["userData"].as_str() {
        settings.set("", "compute.launchSpecification.userData", fingerprint_of(user_data));
    }
    if let Some(fields) = specification.as_object_mut() {
        fields.retain(|name, _| {
            !["imageId", "images", "loadBalancersConfig", "tags", "userData"].contains(&name.as_str())
        });
    }
    settings.add("", &group, Spelling::Paths);
    settings
}

/// The tasks of a group's schedule, and when each is due next.
fn schedules(group: &Value, now_millis: u64) -> impl Iterator<Item = Schedule> {
    let number = |task: &Value, names: [&str; 2]| {
        let found = names.iter().find_map(|name| task.get(*name)?.as_u64());
        found.and_then(|it| u32::try_from(it).ok())
    };
    let enabled = |task: &&Value| task.get("isEnabled").and_then(Value::as_bool).unwrap_or(true);
    list(&group["scheduling"], "tasks").iter().filter(enabled).map(move |task| {
        let start = millis(text(task, "startTime"));
        let from = start.map_or(now_millis, |start| start.max(now_millis));
        let due = match text(task, "cronExpression") {
            "" => start.filter(|start| *start > now_millis),
            cron => recurrence::next(&format!("crontab({cron})"), text(task, "timezone"), from),
        };
        Schedule {
            name: text(task, "taskType").to_owned(),
            min: number(task, ["scaleMinCapacity", "minCapacity"]),
            desired: number(task, ["scaleTargetCapacity", "targetCapacity"]),
            max: number(task, ["scaleMaxCapacity", "maxCapacity"]),
            due_millis: due,
        }
    })
}

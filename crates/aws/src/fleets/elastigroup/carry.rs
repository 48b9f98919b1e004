//! What lets a group scale by itself: the policies and the schedule of its template, which it gets when it serves alone.

use crossfade_core::Result;
use crossfade_core::kinds::Compute;
use crossfade_core::kinds::elastigroup::{baggage, plain, read};
use crossfade_core::lane::Counterpart;
use crossfade_core::observed::{Baggage, Schedule};
use serde_json::{Map, Value, json};

use super::Groups;
use super::read::{called, draining, id, list, text};
use crate::fleets::Carrying;
use crate::fleets::scaling::Names;

/// No metric is named by an Elastigroup under a name that would have to change.
const DIMENSION: &str = "ElastigroupId";

impl Groups {
    pub(super) async fn carried_by(&self, name: &str) -> Result<Baggage> {
        let group = self.existing(name).await?;
        let mut found = Baggage { from: name.to_owned(), ..baggage(&group) };
        found.hook_times.terminating_seconds = draining(&group);
        Ok(found)
    }

    /// The sizes that the tasks of a group's schedule give it.
    pub(super) async fn tasks_of(&self, name: &str) -> Result<Vec<Schedule>> {
        let Some(group) = self.find(name).await? else { return Ok(Vec::new()) };
        let of =
            |task: &Value, name: &str| task.get(name).and_then(Value::as_u64).and_then(|it| u32::try_from(it).ok());
        let enabled = |task: &&Value| task.get("isEnabled").and_then(Value::as_bool).unwrap_or(true);
        let schedule = |task: &Value| Schedule {
            name: text(task, "taskType").to_owned(),
            min: of(task, "scaleMinCapacity").or_else(|| of(task, "minCapacity")),
            desired: of(task, "scaleTargetCapacity").or_else(|| of(task, "targetCapacity")),
            max: of(task, "scaleMaxCapacity").or_else(|| of(task, "maxCapacity")),
            due_millis: None,
        };
        Ok(list(&group["scheduling"], "tasks").iter().filter(enabled).map(schedule).collect())
    }

    /// Gives a group what its template scales by. What it has already stays.
    pub(super) async fn carry_over(&self, carrying: &Carrying<'_>) -> Result<Vec<String>> {
        let Carrying { compute, from, fleet, counterparts, .. } = *carrying;
        let template = match compute {
            Compute::Elastigroup(group) if group.base.is_empty() => read(&group.definition).unwrap_or_default(),
            _ => self.existing(from).await?,
        };
        let group = self.existing(fleet).await?;
        let names = Names::read(&self.client.balancing, (DIMENSION, from, fleet), counterparts).await?;
        let (mut change, mut lines) = (Map::new(), Vec::new());
        for part in ["scaling", "scheduling"] {
            let theirs = plain(template[part].clone());
            if !has_any(&theirs) || has_any(&group[part]) {
                continue;
            }
            let mut fitting = theirs;
            fit(&mut fitting, &names);
            let carried = baggage(&json!({ (part): fitting }));
            lines.extend(carried.policies.iter().map(|name| format!("Carried policy {name}")));
            lines.extend(carried.schedules.iter().map(|name| format!("Carried scheduled task {name}")));
            change.insert(part.to_owned(), fitting);
        }
        if !change.is_empty() {
            self.patch(id(&group), Value::Object(change)).await?;
        }
        Ok(lines)
    }

    /// Lets the policies of a group follow it to other target groups.
    pub(super) async fn adapt(&self, fleet: &str, counterparts: &[Counterpart]) -> Result<Vec<String>> {
        let group = self.existing(fleet).await?;
        let before = plain(group["scaling"].clone());
        if !has_any(&before) {
            return Ok(Vec::new());
        }
        let names = Names::read(&self.client.balancing, (DIMENSION, fleet, fleet), counterparts).await?;
        let mut after = before.clone();
        fit(&mut after, &names);
        if after == before {
            return Ok(Vec::new());
        }
        self.patch(id(&group), json!({ "scaling": after })).await?;
        Ok(vec![format!("Adapted the policies of {}", called(&group))])
    }
}

fn has_any(part: &Value) -> bool {
    part.as_object().is_some_and(|fields| fields.values().any(|it| it.as_array().is_some_and(|it| !it.is_empty())))
}

/// Makes the dimensions of metrics name what the group stands behind.
fn fit(value: &mut Value, names: &Names<'_>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| fit(item, names)),
        Value::Object(fields) => {
            if let Some(Value::Array(dimensions)) = fields.get_mut("dimensions") {
                let mut pairs: Vec<(Option<String>, Option<String>)> = dimensions
                    .iter()
                    .map(|it| (Some(text(it, "name").to_owned()), Some(text(it, "value").to_owned())))
                    .collect();
                names.dimensions(pairs.iter_mut().map(|(name, value)| (&*name, value)));
                for (it, (_, value)) in dimensions.iter_mut().zip(pairs) {
                    it["value"] = json!(value);
                }
            }
            fields.values_mut().for_each(|field| fit(field, names));
        }
        _ => {}
    }
}

//! Scheduled actions: bounds that a scalable target is given at a time of the day, for good.
//!
//! AWS carries them out up to two minutes late, and never while the target's scheduled scaling is suspended; what was missed is
//! not caught up with.

use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde_json::{Map, Value};

use super::expression::Expression;
use super::{NAMESPACE, requested, validation};
use crate::world::ecs::member;
use crate::world::{Event, Refusal, World};

/// How many scheduled actions a target may have.
const MOST: usize = 200;

/// The settings of a scheduled action.
pub(super) const SETTINGS: [&str; 5] = ["Schedule", "Timezone", "StartTime", "EndTime", "ScalableTargetAction"];

/// A scheduled action.
#[derive(Clone, Debug)]
pub struct ScheduledScaling {
    /// Its ARN.
    pub arn: String,
    /// What it was given, as the API spells it.
    pub settings: Map<String, Value>,
    /// When it is due next.
    pub due: u64,
    pub(crate) created_at: u64,
}

/// An instant as requests write it: seconds since 1970, or a time in words.
fn instant(value: &Value) -> Result<Option<u64>, Refusal> {
    let millis = match value {
        Value::Null => return Ok(None),
        Value::String(text) => {
            text.parse::<jiff::Timestamp>().ok().and_then(|at| u64::try_from(at.as_millisecond()).ok())
        }
        number => number.as_f64().filter(|seconds| *seconds >= 0.0).map(|seconds| (seconds * 1000.0) as u64),
    };
    millis.map(Some).ok_or_else(|| validation(&format!("{value} is not a time")))
}

/// When an action runs.
struct Times {
    expression: Expression,
    zone: TimeZone,
    start: Option<u64>,
    end: Option<u64>,
}

impl Times {
    fn of(settings: &Map<String, Value>) -> Result<Self, Refusal> {
        let zone = match member(settings, "Timezone").as_str() {
            None => TimeZone::UTC,
            Some(name) => TimeZoneDatabase::bundled()
                .get(name)
                .map_err(|_| validation(&format!("The time zone {name} is not valid")))?,
        };
        let text = member(settings, "Schedule").as_str().unwrap_or_default();
        let invalid = || validation(&format!("The schedule expression {text} is not valid"));
        let expression = Expression::parse(text, &zone).ok_or_else(invalid)?;
        let (start, end) = (instant(member(settings, "StartTime"))?, instant(member(settings, "EndTime"))?);
        Ok(Self { expression, zone, start, end })
    }

    fn next_after(&self, millis: u64, created: u64) -> Option<u64> {
        let next = self.expression.next_after(millis, self.start.unwrap_or(created), &self.zone)?;
        Some(next).filter(|next| self.end.is_none_or(|end| *next <= end))
    }
}

impl World {
    /// Creates a scheduled action, or gives one its new settings, with what AWS checks.
    pub(crate) fn put_scheduled_scaling(&mut self, request: &Value) -> Result<(), Refusal> {
        let resource = requested(request)?;
        self.registered(&resource)?;
        let name = request["ScheduledActionName"].as_str().unwrap_or_default().to_owned();
        if name.is_empty() {
            return Err(validation("ScheduledActionName must not be empty"));
        }
        let key = (resource.clone(), name.clone());
        let known = self.scalable.schedules.get(&key).cloned();
        if known.is_none() && self.scalable.schedules.keys().filter(|(it, _)| *it == resource).count() >= MOST {
            let words = format!("A scalable target can have at most {MOST} scheduled actions");
            return Err(Refusal::new(400, "LimitExceededException", &words));
        }
        let mut settings = known.as_ref().map(|known| known.settings.clone()).unwrap_or_default();
        let given = |name: &&&str| !request[**name].is_null();
        settings.extend(SETTINGS.iter().filter(given).map(|name| ((*name).to_owned(), request[*name].clone())));
        let bounds = member(&settings, "ScalableTargetAction");
        let (min, max) = (bounds["MinCapacity"].as_u64(), bounds["MaxCapacity"].as_u64());
        if min.is_none() && max.is_none() {
            return Err(validation("At least one of MinCapacity and MaxCapacity must be given"));
        }
        if min.zip(max).is_some_and(|(min, max)| min > max) {
            return Err(validation("MinCapacity must not be greater than MaxCapacity"));
        }
        let times = Times::of(&settings)?;
        let given_start = instant(&request["StartTime"])?;
        if given_start.is_some_and(|start| start < self.now) || times.end.is_some_and(|end| end < self.now) {
            return Err(validation("Start and end time must not be in the past"));
        }
        let never = || validation("The scheduled action would never run");
        let due = times.next_after(self.now, self.now).ok_or_else(never)?;
        let arn = match &known {
            Some(known) => known.arn.clone(),
            None => {
                let rest = format!(":resource/{NAMESPACE}/{resource}:scheduledActionName/{name}");
                self.arn("autoscaling", "scheduledAction:", &rest)
            }
        };
        let created_at = known.map_or(self.now, |known| known.created_at);
        self.scalable.schedules.insert(key, ScheduledScaling { arn, settings, due, created_at });
        self.expect_scheduled_scaling(&resource, due);
        Ok(())
    }

    /// A scheduled action that has been there for a while, by resource and name.
    pub(super) fn place_schedule(&mut self, (resource, name): (&str, &str), arn: String, settings: Map<String, Value>) {
        let created_at = self.now;
        let due = Times::of(&settings).ok().and_then(|times| times.next_after(created_at, created_at));
        let Some(due) = due else { return };
        let key = (resource.to_owned(), name.to_owned());
        self.scalable.schedules.insert(key, ScheduledScaling { arn, settings, due, created_at });
        self.expect_scheduled_scaling(resource, due);
    }

    pub(crate) fn delete_scheduled_scaling(&mut self, request: &Value) -> Result<(), Refusal> {
        let resource = requested(request)?;
        let name = request["ScheduledActionName"].as_str().unwrap_or_default();
        let words = format!("No scheduled action found for resource ID {resource} and name {name}");
        let unknown = || Refusal::new(400, "ObjectNotFoundException", &words);
        self.scalable.schedules.remove(&(resource, name.to_owned())).map(drop).ok_or_else(unknown)
    }

    fn expect_scheduled_scaling(&mut self, resource: &str, due: u64) {
        let late = self.between(self.settings.schedule_lateness_millis);
        self.schedule(due + late, Event::ScheduledScaling { resource: resource.to_owned() });
    }

    /// Carries out what is due, in the order of the times.
    pub(in crate::world) fn run_scheduled_scaling(&mut self, resource: &str) {
        let now = self.now;
        let all = self.scalable.schedules.iter().filter(|((it, _), action)| it == resource && action.due <= now);
        let mut due: Vec<(u64, String)> = all.map(|((_, name), action)| (action.due, name.clone())).collect();
        due.sort();
        for (at, name) in due {
            let cause = format!("scheduled action name {name} was triggered");
            let key = (resource.to_owned(), name);
            let Some(action) = self.scalable.schedules.get_mut(&key) else { continue };
            let (settings, created) = (action.settings.clone(), action.created_at);
            match Times::of(&settings).ok().and_then(|times| times.next_after(at, created)) {
                Some(next) => {
                    action.due = next;
                    self.expect_scheduled_scaling(resource, next);
                }
                None => drop(self.scalable.schedules.remove(&key)),
            }
            self.apply_bounds(resource, member(&settings, "ScalableTargetAction"), &cause);
        }
    }

    fn apply_bounds(&mut self, resource: &str, bounds: &Value, cause: &str) {
        let Some(target) = self.scalable.targets.get_mut(resource) else { return };
        if target.is_suspended("ScheduledScalingSuspended") {
            return;
        }
        let number = |name: &str| bounds[name].as_u64().and_then(|number| u32::try_from(number).ok());
        target.min = number("MinCapacity").unwrap_or(target.min);
        target.max = number("MaxCapacity").unwrap_or(target.max);
        let (min, max) = (target.min, target.max);
        self.note_activity(resource, format!("Setting min capacity to {min} and max capacity to {max}"), cause);
        self.clamp(resource, cause);
    }
}

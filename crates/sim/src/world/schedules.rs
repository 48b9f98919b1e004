//! Scheduled actions: sizes that a group is given at a time of the day.
//!
//! What it owns: the actions of all groups, when each is due, and what it does then. AWS carries them out up to two
//! minutes late, and never while the group's process `ScheduledActions` is suspended; what was missed is not caught up
//! with.

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::cron::Cron;
use super::groups::Sizes;
use super::{Activity, Event, Refusal, Tree, World, timestamp_seconds};

/// How many scheduled actions a group may have.
const MOST: usize = 125;

/// A scheduled action of a group.
#[derive(Clone, Debug)]
pub struct ScheduledAction {
    /// Its ARN.
    pub arn: String,
    /// What it was given, as the API spells it: times, recurrence, time zone and sizes.
    pub settings: Tree,
    /// When it is due next.
    pub due: u64,
}

impl ScheduledAction {
    /// What Describe shows of its times and sizes: of a recurring one without a start time, its next time is that.
    pub(crate) fn shown(&self) -> Tree {
        let mut shown = self.settings.clone();
        if shown.get("StartTime").is_none() {
            shown.set("StartTime", Tree::text(timestamp_seconds(self.due)));
        }
        shown
    }
}

impl World {
    /// A scheduled action of a group.
    pub fn scheduled_action(&self, group: &str, name: &str) -> Option<&ScheduledAction> {
        self.schedules.get(&(group.to_owned(), name.to_owned()))
    }

    /// What is due from now until then, in order: the group, the action's name, and when, in milliseconds since 1970.
    pub fn scheduled_until(&self, until_millis: u64) -> Vec<(String, String, u64)> {
        let mut all = Vec::new();
        for ((group, name), action) in &self.schedules {
            let times = times(&action.settings).ok();
            let next = |at: &u64| times.as_ref()?.after(*at);
            let due = std::iter::successors(Some(action.due), next).take_while(|at| *at <= until_millis);
            all.extend(due.map(|at| (group.clone(), name.clone(), at)));
        }
        all.sort_by_key(|(_, _, at)| *at);
        all
    }

    /// The scheduled actions of a group with their names.
    pub(crate) fn scheduled_actions(&self, group: &str) -> impl Iterator<Item = (&String, &ScheduledAction)> {
        let of = move |entry: &(&(String, String), &ScheduledAction)| entry.0.0 == group;
        self.schedules.iter().filter(of).map(|((_, name), action)| (name, action))
    }

    /// Creates a scheduled action, or gives one its new settings, with everything that AWS checks.
    pub(crate) fn put_scheduled_action(&mut self, group: &str, name: &str, settings: Tree) -> Result<(), Refusal> {
        let times = times(&settings)?;
        if times.start.is_some_and(|start| start < self.now) {
            return Err(Refusal::validation("Given start time is in the past"));
        }
        if times.end.is_some_and(|end| end < self.now) {
            return Err(Refusal::validation("Given end time is in the past"));
        }
        self.add_scheduled_action(group, name, settings)
    }

    /// The same for an action that may have been created long ago, with a start time that has passed since (P21).
    pub(crate) fn add_scheduled_action(&mut self, group: &str, name: &str, mut settings: Tree) -> Result<(), Refusal> {
        self.group_mut(group)?;
        check_sizes(&settings)?;
        let times = times(&settings)?;
        if times.start.is_some() && times.end.is_some_and(|end| Some(end) <= times.start) {
            return Err(Refusal::validation("Given end time must be after the start time"));
        }
        let key = (group.to_owned(), name.to_owned());
        let known = self.schedules.get(&key).map(|action| action.arn.clone());
        if known.is_none() && self.scheduled_actions(group).count() >= MOST {
            let message = format!("A group can have at most {MOST} scheduled actions");
            return Err(Refusal::new(400, "LimitExceeded", &message));
        }
        let due = times.first(self.now).ok_or_else(|| Refusal::validation("The action would never run"))?;
        if self.scheduled_actions(group).any(|(other, action)| other != name && action.due == due) {
            let message = format!("A scheduled action of {group} at {} exists already", timestamp_seconds(due));
            return Err(Refusal::new(400, "AlreadyExists", &message));
        }
        for (field, at) in [("StartTime", times.start), ("EndTime", times.end)] {
            if let Some(at) = at {
                settings.set(field, Tree::text(timestamp_seconds(at)));
            }
        }
        let rest = format!(":autoScalingGroupName/{group}:scheduledActionName/{name}");
        let arn = known.unwrap_or_else(|| self.arn("autoscaling", "scheduledUpdateGroupAction:", &rest));
        self.schedules.insert(key, ScheduledAction { arn, settings, due });
        self.expect_scheduled_action(group, due);
        Ok(())
    }

    pub(crate) fn delete_scheduled_action(&mut self, group: &str, name: &str) -> Result<(), Refusal> {
        self.group_mut(group)?;
        match self.schedules.remove(&(group.to_owned(), name.to_owned())) {
            Some(_) => Ok(()),
            None => Err(Refusal::validation(&format!("Scheduled action name not found - {name}"))),
        }
    }

    pub(super) fn expect_scheduled_action(&mut self, group: &str, due: u64) {
        let late = self.between(self.settings.schedule_lateness_millis);
        self.schedule(due + late, Event::ScheduledActions { group: group.to_owned() });
    }

    /// When an action with these settings runs next, if it does.
    pub(super) fn due(&self, settings: &Tree) -> Option<u64> {
        times(settings).ok()?.first(self.now)
    }

    /// Whether an action with these settings, which have no start time, runs next at this time.
    pub(super) fn is_due_by_itself(&self, settings: &Tree, at: &str) -> bool {
        self.due(settings).is_some_and(|due| timestamp_seconds(due) == at)
    }

    /// Carries out what is due. All of it, in the order of the times: AWS keeps that order within a group, and how
    /// late one action is must not let a later one overtake it.
    pub(super) fn run_scheduled_actions(&mut self, group: &str) {
        let now = self.now;
        let mut due: Vec<(u64, String)> = self
            .scheduled_actions(group)
            .filter(|(_, action)| action.due <= now)
            .map(|(name, action)| (action.due, name.clone()))
            .collect();
        due.sort();
        for (at, name) in due {
            let key = (group.to_owned(), name);
            let Some(action) = self.schedules.get_mut(&key) else { continue };
            let settings = action.settings.clone();
            match times(&settings).ok().and_then(|times| times.after(at)) {
                Some(next) => {
                    action.due = next;
                    self.expect_scheduled_action(group, next);
                }
                // It has run for the last time. AWS forgets it.
                None => drop(self.schedules.remove(&key)),
            }
            if self.groups.get(group).is_some_and(|group| !group.deleting && group.runs("ScheduledActions")) {
                self.run_scheduled_action(group, &key.1, &settings);
            }
        }
    }

    fn run_scheduled_action(&mut self, name: &str, action: &str, settings: &Tree) {
        let Some(before) = self.groups.get(name).map(|group| (group.min, group.max, group.desired)) else { return };
        let number = |field: &str| settings.num(field).and_then(|number| u32::try_from(number).ok());
        let sizes = Sizes { min: number("MinSize"), max: number("MaxSize"), desired: number("DesiredCapacity") };
        let refused = self.update_group(name, sizes, Tree::default()).err();
        let (now, id) = (timestamp_seconds(self.now), self.uuid());
        let Some(group) = self.groups.get_mut(name) else { return };
        let changes: Vec<String> = [
            ("min size", before.0, group.min),
            ("max size", before.1, group.max),
            ("desired capacity", before.2, group.desired),
        ]
        .into_iter()
        .filter(|(_, from, to)| from != to)
        .map(|(what, from, to)| format!(" Setting {what} from {from} to {to}."))
        .collect();
        let executed = format!("At {now} the scheduled action {action} executed.{}", changes.concat());
        let mut cause = executed;
        if group.desired != before.2 {
            cause = format!(
                "At {now} a scheduled action update of AutoScalingGroup constraints to min: {}, max: {}, desired: {} \
                 changing the desired capacity from {} to {}.  {cause}",
                group.min, group.max, group.desired, before.2, group.desired
            );
            group.cause.clone_from(&cause);
        }
        group.activities.push(Activity {
            id,
            description: format!("Executing scheduled action {action}"),
            cause,
            started_at: self.now,
            ended_at: Some(self.now),
            status: if refused.is_some() { "Failed" } else { "Successful" },
            message: refused.map(|refusal| refusal.message),
            progress: 100,
            details: "{}".into(),
        });
    }
}

/// When an action is to run.
struct Times {
    start: Option<u64>,
    end: Option<u64>,
    recurrence: Option<(Cron, TimeZone)>,
}

impl Times {
    /// The first time that is not before `now`.
    fn first(&self, now: u64) -> Option<u64> {
        match self.start {
            // An action runs at its start time, and from then on by its recurrence.
            Some(start) if start >= now => Some(start),
            start => self.after(now.max(start.unwrap_or(0))),
        }
    }

    fn after(&self, millis: u64) -> Option<u64> {
        let (cron, zone) = self.recurrence.as_ref()?;
        cron.next_after(millis, zone).filter(|next| self.end.is_none_or(|end| *next <= end))
    }
}

fn times(settings: &Tree) -> Result<Times, Refusal> {
    let instant = |field: &str| match settings.str(field) {
        None => Ok(None),
        Some(text) => {
            let millis = text.parse::<jiff::Timestamp>().ok().and_then(|at| u64::try_from(at.as_millisecond()).ok());
            millis.map(Some).ok_or_else(|| Refusal::validation(&format!("{field} '{text}' is not a time")))
        }
    };
    let zone = match settings.str("TimeZone") {
        None => TimeZone::UTC,
        Some(name) => TimeZoneDatabase::bundled()
            .get(name)
            .map_err(|_| Refusal::validation(&format!("Given time zone: {name} is invalid")))?,
    };
    let recurrence = match settings.str("Recurrence") {
        None => None,
        Some(text) => {
            let invalid = |()| Refusal::validation(&format!("Given recurrence string: {text} is invalid"));
            Some((text.parse::<Cron>().map_err(invalid)?, zone))
        }
    };
    let times = Times { start: instant("StartTime")?, end: instant("EndTime")?, recurrence };
    if times.start.is_none() && times.recurrence.is_none() {
        return Err(Refusal::validation("Either the start time or the recurrence must be given"));
    }
    Ok(times)
}

fn check_sizes(settings: &Tree) -> Result<(), Refusal> {
    let mut sizes = Vec::new();
    // In this order, those that are given must not fall.
    for field in ["MinSize", "DesiredCapacity", "MaxSize"] {
        if let Some(text) = settings.str(field) {
            let size = text.parse::<u32>();
            sizes.push(size.map_err(|_| Refusal::validation(&format!("{field} must be a number, not '{text}'")))?);
        }
    }
    if sizes.is_empty() {
        return Err(Refusal::validation("At least one of MinSize, MaxSize and DesiredCapacity must be given"));
    }
    if !sizes.is_sorted() {
        return Err(Refusal::validation("Min size, desired capacity and max size must not fall in this order"));
    }
    Ok(())
}

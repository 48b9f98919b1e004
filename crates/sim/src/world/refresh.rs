//! Instance refreshes: all instances of a group replaced by new ones, some at a time.
//!
//! What it owns: the refreshes, and what is refused while one is active (P32). It replaces instances as the group
//! would; rollbacks, checkpoints and desired configurations are not modelled and are refused.

use super::{Event, Group, Lifecycle, Refusal, Tree, World, timestamp_seconds};

/// How often an active refresh looks at its group.
const STEP_MILLIS: u64 = 15_000;

/// One instance refresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// Its id.
    pub id: String,
    /// `Pending`, `InProgress`, `Cancelling`, `Cancelled`, `Successful`.
    pub status: &'static str,
    /// When it began.
    pub started_at: u64,
    /// When it ended.
    pub ended_at: Option<u64>,
    /// Its preferences, as the API spells them.
    pub preferences: Tree,
    /// The instances that are still to be replaced.
    pub remaining: Vec<String>,
    /// How many instances it began with.
    pub total: usize,
}

impl Refresh {
    /// Whether it still does something.
    pub fn is_active(&self) -> bool {
        self.ended_at.is_none()
    }

    /// How far it is.
    pub fn percentage(&self) -> usize {
        (self.total - self.remaining.len()) * 100 / self.total.max(1)
    }
}

impl Group {
    /// Refuses what AWS refuses while an instance refresh is active (P32).
    pub(super) fn refuse_during_refresh(&self) -> Result<(), Refusal> {
        match self.carried.refreshes.iter().find(|refresh| refresh.is_active()) {
            Some(refresh) => Err(Refusal::new(
                400,
                "InstanceRefreshInProgress",
                &format!("An active instance refresh already exists for the group: {}", refresh.id),
            )),
            None => Ok(()),
        }
    }
}

impl World {
    /// Starts an instance refresh. Answers its id.
    pub fn start_refresh(&mut self, name: &str, preferences: &Tree) -> Result<String, Refusal> {
        let group = self.group_mut(name)?;
        group.refuse_during_refresh()?;
        let remaining = group.members.clone();
        let id = self.uuid();
        let refresh = Refresh {
            id: id.clone(),
            status: "Pending",
            started_at: self.now,
            ended_at: None,
            preferences: preferences.clone(),
            total: remaining.len(),
            remaining,
        };
        self.group_mut(name)?.carried.refreshes.push(refresh);
        self.schedule_in(self.settings.reaction_millis, Event::RefreshStep { group: name.to_owned() });
        Ok(id)
    }

    /// Cancels the active instance refresh. Answers its id.
    pub(crate) fn cancel_refresh(&mut self, name: &str) -> Result<String, Refusal> {
        let group = self.group_mut(name)?;
        let Some(refresh) = group.carried.refreshes.iter_mut().find(|refresh| refresh.is_active()) else {
            return Err(Refusal::new(
                400,
                "ActiveInstanceRefreshNotFound",
                "No in progress or pending Instance Refresh found for the group",
            ));
        };
        refresh.status = "Cancelling";
        Ok(refresh.id.clone())
    }

    /// Replaces as many instances as may be missing, once those before them have been replaced.
    pub(super) fn refresh_step(&mut self, name: &str) {
        let now = self.now;
        let Some(group) = self.groups.get(name) else { return };
        let serving: Vec<String> = group
            .members
            .iter()
            .filter(|id| self.instances.get(*id).is_some_and(|it| it.lifecycle == Lifecycle::InService))
            .cloned()
            .collect();
        let warmup = group.settings.num("DefaultInstanceWarmup").unwrap_or(0);
        let (desired, members) = (group.desired as usize, group.members.clone());
        let since = |id: &String| self.instances.get(id).and_then(|it| it.in_service_at).unwrap_or(now);
        let newest = serving.iter().map(since).max().unwrap_or(0);
        let Some(group) = self.groups.get_mut(name).filter(|group| group.runs("InstanceRefresh")) else { return };
        let Some(refresh) = group.carried.refreshes.iter_mut().find(|refresh| refresh.is_active()) else { return };
        refresh.remaining.retain(|id| members.contains(id));
        let number =
            |field, otherwise: i64| u64::try_from(refresh.preferences.num(field).unwrap_or(otherwise)).unwrap_or(0);
        let warm = now >= newest + number("InstanceWarmup", warmup) * 1000;
        let settled = serving.len() >= desired && warm;
        let mut leave = Vec::new();
        if refresh.status == "Cancelling" {
            (refresh.status, refresh.ended_at) = ("Cancelled", Some(now));
        } else if settled && refresh.remaining.is_empty() {
            (refresh.status, refresh.ended_at) = ("Successful", Some(now));
        } else {
            refresh.status = "InProgress";
            let healthy = desired * usize::try_from(number("MinHealthyPercentage", 90)).unwrap_or(90);
            let may_miss = (desired - healthy.div_ceil(100).min(desired)).max(1);
            if settled {
                leave = refresh.remaining.iter().filter(|id| serving.contains(id)).take(may_miss).cloned().collect();
            }
        }
        if refresh.is_active() {
            self.schedule_in(STEP_MILLIS, Event::RefreshStep { group: name.to_owned() });
        }
        let cause = format!(
            "At {} an instance was taken out of service in response to an instance refresh.",
            timestamp_seconds(now)
        );
        for id in &leave {
            self.terminate(id, &cause);
        }
        if !leave.is_empty() {
            self.reconcile_soon(name);
        }
    }

    /// A group balances its zones: it launches instances beyond its desired capacity, and takes one out for each new one
    /// that is in service (P30). Meanwhile it may exceed its greatest size by a tenth, or by one. Answers whether the
    /// group may do that now.
    pub fn rebalance_zones(&mut self, name: &str) -> bool {
        let now = timestamp_seconds(self.now);
        let Some(group) = self.groups.get(name).filter(|it| !it.deleting && it.runs("AZRebalance")) else {
            return false;
        };
        if group.desired == 0 || self.capacity(group) != group.desired || group.rebalancing > 0 {
            return false;
        }
        let Some(group) = self.groups.get_mut(name) else { return false };
        group.rebalancing = (group.max / 10).max(1).min(group.desired);
        group.cause = format!(
            "At {now} instances were launched to balance instances in zones with other zones resulting in more than \
             desired number of instances in the group."
        );
        self.reconcile_soon(name);
        true
    }
}

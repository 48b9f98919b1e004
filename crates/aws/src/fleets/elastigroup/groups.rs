//! Reading groups with their instances, setting their sizes, and what of them rests.

use std::collections::BTreeMap;

use crossfade_core::capacity::Size;
use crossfade_core::infrastructure::TAG_INFRASTRUCTURE;
use crossfade_core::kinds::elastigroup::{ASLEEP, AUTO_SCALE, Own, RESTING, RESTS_SECONDS, Rest, Rests};
use crossfade_core::observed::Fleet;
use crossfade_core::{Kind, Result};
use serde_json::{Value, json};

use super::Groups;
use super::client::{Call, Refused};
use super::read::{self, Seen, called, id, list, text};
use crate::refusal;

/// The tag that Spot itself gives every instance of a group.
const TAG_GROUP: &str = "spotinst:aws:ec2:group:id";

impl Groups {
    pub(super) async fn get(
        &self,
        operation: &'static str,
        path: String,
        query: String,
    ) -> std::result::Result<Vec<Value>, Refused> {
        self.client.call(&self.account, &Call { operation, method: "GET", path, query, body: None }).await
    }

    pub(super) async fn change(
        &self,
        operation: &'static str,
        method: &'static str,
        path: String,
        body: &Value,
    ) -> std::result::Result<Vec<Value>, Refused> {
        self.client.call(&self.account, &Call { operation, method, path, query: String::new(), body: Some(body) }).await
    }

    /// Every group of the account in this region, the oldest first. Spot lists those of all regions, and finds names as it likes.
    pub(super) async fn all(&self) -> Result<Vec<Value>> {
        let groups = self.get("ListGroups", String::new(), String::new()).await;
        let mut groups = groups.map_err(|refused| refused.failure("ListGroups", &self.account))?;
        groups.retain(|group| read::region(group).is_none_or(|region| region == self.client.region()));
        groups.sort_by_key(|group| (text(group, "createdAt").to_owned(), id(group).to_owned()));
        Ok(groups)
    }

    /// The group of this name or id; of several the oldest.
    pub(super) async fn find(&self, name: &str) -> Result<Option<Value>> {
        Ok(self.all().await?.into_iter().find(|group| is(group, name)))
    }

    pub(super) async fn existing(&self, name: &str) -> Result<Value> {
        self.find(name).await?.ok_or_else(|| {
            Kind::Drifted.because(format!("The Elastigroup {name} does not exist any more; somebody deleted it."))
        })
    }

    pub(super) async fn fleets_named(&self, names: &[&str]) -> Result<Vec<Fleet>> {
        let all = self.all().await?;
        let found = names.iter().filter_map(|name| Some((*name, all.iter().find(|group| is(group, name))?)));
        let found: Vec<(&str, &Value)> = found.collect();
        let mut fleets = self.fleets(found.iter().map(|(_, group)| *group)).await?;
        for (fleet, (name, _)) in fleets.iter_mut().zip(found) {
            // A base goes by its id.
            name.clone_into(&mut fleet.name);
        }
        Ok(fleets)
    }

    /// The groups that bear this tag, with this value if one is given. Of twins, which a lost reply may have made, the oldest.
    pub(super) async fn tagged(&self, key: &str, value: Option<&str>) -> Result<Vec<Fleet>> {
        let all = self.all().await?;
        let bears =
            |group: &&Value| read::tag(group, key).is_some_and(|found| value.is_none_or(|value| value == found));
        let mut groups: Vec<&Value> = Vec::new();
        for group in all.iter().filter(bears) {
            if !groups.iter().any(|other| called(other) == called(group)) {
                groups.push(group);
            }
        }
        self.fleets(groups.into_iter()).await
    }

    /// Groups with their instances, as Spot and EC2 know them: what was taken out of a group Spot lists no more, and it still drains.
    pub(super) async fn fleets<'a>(&self, groups: impl Iterator<Item = &'a Value>) -> Result<Vec<Fleet>> {
        let groups: Vec<&Value> = groups.collect();
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<String> = groups.iter().map(|group| id(group).to_owned()).collect();
        let instances = self.client.ec2.instances_tagged(TAG_GROUP, &ids).await;
        let instances = instances.map_err(|e| refusal::called("ec2:DescribeInstances", &ids.join(", "), &e))?;
        let mut of: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (instance, group) in &instances {
            of.entry(group.as_str()).or_default().push(instance.clone());
        }
        let mut fleets = Vec::new();
        for group in groups {
            let (id, living) = (id(group), of.remove(id(group)).unwrap_or_default());
            let target = read::size(group).desired;
            let mut seen = Seen { living, now_millis: self.client.now_millis(), ..Seen::default() };
            // What has and wants nothing need not be asked.
            if target > 0 || !seen.living.is_empty() {
                let asked = |part: &str| format!("/{id}/{part}");
                let failed = |refused: Refused, operation| refused.failure(operation, called(group));
                seen.rows = match self.get("GetStatus", asked("status"), String::new()).await {
                    Err(refused) if refused.gone() => continue,
                    rows => rows.map_err(|e| failed(e, "GetStatus"))?,
                };
                let health = self.get("GetInstanceHealthiness", asked("instanceHealthiness"), String::new()).await;
                seen.health = match health {
                    Err(refused) if refused.gone() => continue,
                    health => health.map_err(|e| failed(e, "GetInstanceHealthiness"))?,
                };
            }
            let Some(rests) = self.rests(id).await? else { continue };
            seen.rests = rests;
            fleets.push(read::fleet(group, &seen));
        }
        Ok(fleets)
    }

    /// What of a group rests; nothing when it is gone.
    async fn rests(&self, id: &str) -> Result<Option<Rests>> {
        match self.get("ListSuspensions", format!("/{id}/suspension"), String::new()).await {
            Ok(items) => Ok(Some(read::suspensions(&items, self.client.now_millis()))),
            Err(refused) if refused.gone() => Ok(None),
            Err(refused) => Err(refused.failure("ListSuspensions", id)),
        }
    }

    /// Sets all three sizes in one call. What is to stay at 0 must not be woken by its own schedule.
    pub(super) async fn set_size(&self, name: &str, size: Size) -> Result<()> {
        let group = self.existing(name).await?;
        self.without_twins(&group).await?;
        let changes = read::size(&group).desired != size.desired || size == Size::ZERO;
        let rests = match changes {
            true => self.rests(id(&group)).await?.unwrap_or_default(),
            false => Rests::default(),
        };
        if changes {
            self.heed(id(&group), &rests).await?;
        }
        let capacity = json!({ "minimum": size.min, "target": size.desired, "maximum": size.max });
        let path = format!("/{}/capacity", id(&group));
        let answer = self.change("UpdateCapacity", "PUT", path, &json!({ "capacity": capacity })).await;
        let answer = answer.map_err(|refused| refused.failure("UpdateCapacity", name))?;
        if let Some(set) = answer.first().filter(|set| read::size_of(set) != size) {
            return Err(Kind::NotEffective
                .because(format!("Spot was to give {name} {size} and has given it {}.", read::size_of(set))));
        }
        if size == Size::ZERO {
            let id = id(&group);
            let ours: Vec<&str> = ASLEEP.into_iter().filter(|it| rests.has(it)).collect();
            // Whether a new time replaces an old one nobody says.
            self.resume(id, &ours).await?;
            self.suspend(id, &ASLEEP, None).await?;
        }
        Ok(())
    }

    /// Lets a group heed another target: nobody says whether it would while its policies rest. What `rests` says may be from before they
    /// were put to rest, so that they are let go on in any case.
    async fn heed(&self, id: &str, rests: &Rests) -> Result<()> {
        match self.resume(id, &[AUTO_SCALE]).await {
            // What goes on already need not be let go on.
            Err(failure) if !rests.has(AUTO_SCALE) && failure.kind == Kind::RequestRefused => Ok(()),
            done => done,
        }
    }

    /// Puts what moves a group by itself to rest for so long that somebody will be there, or lets it go on. What is kept at 0, or is on its
    /// way there, rests for good, but for its policies: with these it might keep what it has.
    pub(super) async fn set_rest(&self, name: &str, rest: bool) -> Result<()> {
        let group = self.existing(name).await?;
        let rests = self.rests(id(&group)).await?.unwrap_or_default();
        let (there, missing): (Vec<&str>, Vec<&str>) = RESTING.into_iter().partition(|it| rests.has(it));
        if !rest {
            return self.resume(id(&group), &there).await;
        }
        if read::size(&group) == Size::ZERO {
            let missing: Vec<&str> = missing.into_iter().filter(|it| ASLEEP.contains(it)).collect();
            return self.suspend(id(&group), &missing, None).await;
        }
        self.suspend(id(&group), &missing, Some(RESTS_SECONDS)).await
    }

    /// Lets what rests of a group for a deployment rest for so long from now on, and reads that back. Whether a new time replaces an old
    /// one nobody says, so that the old one goes first.
    pub(super) async fn renew_rest(&self, before: &Fleet, seconds: u64) -> Result<()> {
        let Some(then) = super::own(before) else { return Ok(()) };
        let Some(group) = self.find(&then.id).await? else { return Ok(()) };
        // What is kept at 0 rests for good, and what somebody has taken away from us is theirs.
        if read::size(&group) == Size::ZERO || read::tag(&group, TAG_INFRASTRUCTURE).is_none() {
            return Ok(());
        }
        let now = self.rests(id(&group)).await?.unwrap_or_default();
        // What somebody had put to rest for good before rests as they want it, and policies that were let go on for another size go on.
        let theirs = |it: &str| then.rests.of(it) == Rest::ForGood;
        let ours = |it: &&str| !theirs(it) && (now.has(it) || *it != AUTO_SCALE);
        let ours: Vec<&str> = RESTING.into_iter().filter(ours).collect();
        let there: Vec<&str> = ours.iter().copied().filter(|it| now.has(it)).collect();
        self.resume(id(&group), &there).await?;
        self.suspend(id(&group), &ours, Some(seconds)).await?;
        let now = self.rests(id(&group)).await?.unwrap_or_default();
        match ours.iter().find(|it| !now.has(it)) {
            None => Ok(()),
            Some(it) => Err(Kind::StaleRevision.because(format!(
                "{} is to rest of {} for {seconds} s more, and Spot does not list it as suspended yet.",
                it, before.name
            ))),
        }
    }

    /// Lets rest of a group what rested before a deployment, and nothing else of what that has put to rest. What had a time limit gets the
    /// rest of its time, and goes on where that is over. Answers a line for each thing worth telling.
    pub(super) async fn rest_as(&self, name: &str, then: &Own) -> Result<Vec<String>> {
        let Some(now) = self.rests(&then.id).await? else { return Ok(Vec::new()) };
        let owed = then.rests.owed(&now);
        // Whether a new time replaces an old one nobody says.
        let there: Vec<&str> = owed.iter().map(|(it, _)| *it).filter(|it| now.has(it)).collect();
        self.resume(&then.id, &there).await?;
        let mut lines = Vec::new();
        let of = |rest: Rest| owed.iter().filter(move |(_, it)| *it == rest).map(|(it, _)| *it).collect::<Vec<&str>>();
        let goes_on = of(Rest::Not);
        if !goes_on.is_empty() {
            lines.push(format!("Resumed {} of {name}", goes_on.join(", ")));
        }
        let for_good = of(Rest::ForGood);
        self.suspend(&then.id, &for_good, None).await?;
        if !for_good.is_empty() {
            lines.push(format!(
                "Suspended {} of {name} again, for good: Spot tells of no time limit",
                for_good.join(", ")
            ));
        }
        for (it, rest) in &owed {
            if let Rest::Until(end) = rest {
                let seconds = end.saturating_sub(self.client.now_millis()).div_ceil(1000);
                self.suspend(&then.id, &[it], Some(seconds.max(1))).await?;
                lines.push(format!(
                    "{it} of {name} is suspended for the {} minutes that were left",
                    seconds.div_ceil(60)
                ));
            }
        }
        Ok(lines)
    }

    /// Puts these to rest for so many seconds, or for good.
    pub(super) async fn suspend(&self, id: &str, processes: &[&str], seconds: Option<u64>) -> Result<()> {
        if processes.is_empty() {
            return Ok(());
        }
        let suspension = |name: &&str| match seconds {
            Some(seconds) => json!({ "name": name, "ttlInMinutes": seconds.div_ceil(60) }),
            None => json!({ "name": name }),
        };
        let body = json!({ "suspensions": processes.iter().map(suspension).collect::<Vec<_>>() });
        let done = self.change("SuspendProcesses", "POST", format!("/{id}/suspension"), &body).await;
        done.map(drop).map_err(|refused| refused.failure("SuspendProcesses", id))
    }

    pub(super) async fn resume(&self, id: &str, processes: &[&str]) -> Result<()> {
        if processes.is_empty() {
            return Ok(());
        }
        let body = json!({ "processes": processes });
        let done = self.change("ResumeProcesses", "DELETE", format!("/{id}/suspension"), &body).await;
        done.map(drop).map_err(|refused| refused.failure("ResumeProcesses", id))
    }

    /// Changes some fields of a group, and nothing else.
    pub(super) async fn patch(&self, id: &str, group: Value) -> Result<()> {
        let done = self.change("UpdateGroup", "PUT", format!("/{id}"), &json!({ "group": group })).await;
        done.map(drop).map_err(|refused| refused.failure("UpdateGroup", id))
    }

    /// Whether a group has no instances, and is to have none.
    pub(super) async fn empty(&self, group: &Value) -> Result<bool> {
        if read::size(group).desired > 0 {
            return Ok(false);
        }
        let fleets = self.fleets(std::iter::once(group)).await?;
        Ok(fleets.iter().all(|fleet| fleet.members.is_empty()))
    }

    /// The roll that is in the way, and whether it has failed: such a one is until somebody stops it.
    pub(super) async fn roll(&self, group: &Value) -> Result<Option<(String, bool)>> {
        let rolls = self.get("ListRolls", format!("/{}/roll", id(group)), String::new()).await;
        let rolls = match rolls {
            Err(refused) if refused.gone() => Vec::new(),
            rolls => rolls.map_err(|refused| refused.failure("ListRolls", called(group)))?,
        };
        let status = |roll: &Value| text(roll, "status").to_lowercase();
        let runs = rolls.iter().find(|roll| matches!(status(roll).as_str(), "starting" | "in_progress"));
        let last = rolls.iter().max_by_key(|roll| text(roll, "createdAt")).filter(|roll| status(roll) == "failed");
        Ok(runs
            .map(|roll| (roll, false))
            .or(last.map(|roll| (roll, true)))
            .map(|(roll, it)| (text(roll, "id").to_owned(), it)))
    }

    /// How long the target groups of a group let targets drain, at most.
    pub(super) async fn delay(&self, target_groups: &[String]) -> Result<u32> {
        let found = self.client.pools.target_groups(target_groups).await?;
        Ok(found.iter().map(|group| group.drain_seconds).max().unwrap_or(0))
    }
}

/// Whether a group is called so, or has this id.
pub(super) fn is(group: &Value, name: &str) -> bool {
    called(group) == name || id(group) == name
}

/// The target groups of a group as Spot is given them.
pub(super) fn balancers(target_groups: &[String]) -> Value {
    let entry =
        |arn: &String| json!({ "name": crossfade_core::kinds::elb::short(arn), "arn": arn, "type": "TARGET_GROUP" });
    json!({ "loadBalancers": target_groups.iter().map(entry).collect::<Vec<_>>() })
}

/// The entries of a group's load balancers, without those of these target groups.
pub(super) fn others(group: &Value, without: &[String]) -> Vec<Value> {
    let balancers = group.pointer("/compute/launchSpecification/loadBalancersConfig").unwrap_or(&Value::Null);
    let stays = |it: &&Value| !without.iter().any(|arn| arn == text(it, "arn"));
    list(balancers, "loadBalancers").iter().filter(stays).cloned().collect()
}

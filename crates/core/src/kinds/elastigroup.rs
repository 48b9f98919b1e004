//! Elastigroups of Spot by Flexera: what the document says of them, what new ones are made from, and what of one only its kind knows.

pub mod leave;
mod rests;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Ability, Part, UserData, hundred, three, yes};
use crate::document::{Capacity, Problem, read_text};
use crate::observed::{Baggage, Fleet};
use crate::text;

pub use rests::{Rest, Rests};

/// What rests of a group that is held: whatever moves it by itself. It still replaces what is ill.
pub const RESTING: [&str; 4] = [AUTO_SCALE, SCHEDULING, "OUT_OF_STRATEGY", "REVERT_PREFERRED"];
/// What rests of a group that is kept at 0. Policies have no room there.
pub const ASLEEP: [&str; 3] = [SCHEDULING, "OUT_OF_STRATEGY", "REVERT_PREFERRED"];
/// Its policies. Nobody says whether a group of which it is suspended heeds another capacity: so it is never suspended when one is to.
pub const AUTO_SCALE: &str = "AUTO_SCALE";
/// How long what is put to rest for a deployment rests at most, in seconds, unless somebody renews it: should nobody be left to give it
/// back, it goes on by itself.
pub const RESTS_SECONDS: u64 = 7 * 24 * 3600;
/// That of them which resizes it at set times.
const SCHEDULING: &str = "SCHEDULING";
/// Undocumented: instances are registered nowhere.
const LB_REGISTRATION: &str = "LB_REGISTRATION";
const AUTO_HEALING: &str = "AUTO_HEALING";

/// How long an instance that is taken out has when its group does not say, in seconds (Spot's documentation).
pub const DRAINING_SECONDS: u32 = 120;

/// A series of Elastigroups, each made from a live one or from JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Elastigroup {
    /// The Spot account. Its API token is the secret `crossfade/spot/ACCOUNT` in Secrets Manager, or else the SecureString
    /// `/crossfade/spot/ACCOUNT` in Parameter Store.
    #[schemars(
        regex(pattern = r"^act-[0-9a-f]{8}$"),
        extend("x-expected" = "the id of a Spot account: `act-` and 8 hexadecimal digits"),
        example = &"act-1a2b3c4d"
    )]
    pub account: String,
    /// The id of the Elastigroup that serves as the template. It is read, never changed. Either this or `definition`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(
        regex(pattern = r"^(sig-[0-9a-f]{8})?$"),
        extend("x-expected" = "the id of an Elastigroup: `sig-` and 8 hexadecimal digits"),
        example = &"sig-0ff1ce00"
    )]
    pub base: String,
    /// The template, written out as Spot's API and its console spell it, in JSON or YAML: an object with `group`. Name, capacity and
    /// image are replaced, and so are its load balancers. `${serviceVariable.NAME}` and `${workflow.variables.NAME}` in it are variables of
    /// the document, and every other `${` is left as it is. Either this or `base`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 131_072))]
    pub definition: String,
    /// The name of the series: revision 7 of `shop` is the Elastigroup `shop__7`.
    /// Default: the service and the environment, `shop__production`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(
        regex(pattern = r"^([A-Za-z0-9_.-]{1,200})?$"),
        extend("x-expected" = "up to 200 letters, digits, underscores, dots and hyphens"),
        example = &"shop"
    )]
    pub name: String,
    /// How many instances the new Elastigroup ends with: minimum, target and maximum.
    #[serde(default)]
    pub capacity: Capacity,
    /// How many old Elastigroups at size 0 are kept for a later rollback; older ones are deleted after a success.
    #[serde(default = "three")]
    #[schemars(range(min = 0, max = 50))]
    pub keep_revisions: u32,
    /// Whether another base starts a series of its own, with its own revision numbers, and leaves the Elastigroups of this one
    /// alone. Switched off, those of every base of this service and environment are one series.
    #[serde(default = "yes")]
    pub reset_revisions_for_new_base: bool,
    /// How far the healthy capacity may fall while the old Elastigroup shrinks before the new one has grown, in percent of
    /// what was there.
    #[serde(default = "hundred")]
    #[schemars(range(min = 1, max = 100))]
    pub minimum_healthy_percent: u32,
    /// User data of the new instances; that of the base, unless something is said here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<UserData>,
    /// Tags of the new instances, beside those of the base and in place of those with the same keys.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub instance_tags: BTreeMap<String, String>,
}

impl Elastigroup {
    /// The base as it stands in the infrastructure definition. No other kind has two colons.
    pub(super) fn base_of_definition(&self) -> String {
        let account = &self.account;
        match (self.reset_revisions_for_new_base, self.base.as_str()) {
            (false, _) => format!("spot:{account}:"),
            // No Elastigroup has such an id.
            (true, "") => format!("spot:{account}:={}", self.name),
            (true, base) => format!("spot:{account}:{base}"),
        }
    }

    /// What contradicts itself.
    pub(super) fn contradictions(&self) -> Vec<Problem> {
        let problem = |path: &str, problem: &str, fix: &str| Problem {
            path: format!("compute.elastigroup{path}"),
            value: None,
            problem: problem.into(),
            fix: fix.into(),
        };
        match (self.base.is_empty(), self.definition.is_empty()) {
            (true, true) => vec![problem(
                "",
                "it has no template",
                "Name an Elastigroup with `base`, or write one out with `definition`.",
            )],
            (false, false) => vec![problem("", "it has two templates", "Leave out `base` or `definition`.")],
            (false, true) => Vec::new(),
            (true, false) => read(&self.definition).err().unwrap_or_default(),
        }
    }

    /// The template as a fleet, where it is written out.
    pub(super) fn baggage(&self) -> Option<Baggage> {
        let group = read(&self.definition).ok()?;
        Some(Baggage { from: "the definition".into(), ..baggage(&group) })
    }
}

/// What lets a group scale by itself, by the names of its policies and of the tasks of its schedule.
pub fn baggage(group: &Value) -> Baggage {
    let policies = ["up", "down", "target"].iter().flat_map(|way| list(&group["scaling"], way));
    let name = |policy: &Value| policy["policyName"].as_str().unwrap_or("without a name").to_owned();
    let tasks = list(&group["scheduling"], "tasks").map(|task| task["taskType"].as_str().unwrap_or("task").to_owned());
    Baggage { policies: policies.map(name).collect(), schedules: tasks.collect(), ..Baggage::default() }
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Where a template stands in the document.
pub(super) const DEFINITION: &str = "compute.elastigroup.definition";

/// What nobody sets, and a template may hold because it was copied from what Spot shows.
const READ_ONLY: [&str; 3] = ["id", "createdAt", "updatedAt"];

/// Reads a template: what stands in `group`, without what is read-only, and without what is null, which Spot takes for given.
///
/// # Errors
/// Every problem of it.
pub fn read(definition: &str) -> Result<Value, Vec<Problem>> {
    let problem =
        |problem: String, fix: &str| Problem { path: DEFINITION.into(), value: None, problem, fix: fix.into() };
    let inside = |it: Problem| {
        let place = if it.path.is_empty() { String::new() } else { format!("{}: ", it.path) };
        problem(format!("{place}{}", it.problem), &it.fix)
    };
    let mut value = read_text(definition).map_err(|all| all.into_iter().map(inside).collect::<Vec<_>>())?;
    let Some(group) = value.get_mut("group").map(Value::take).filter(Value::is_object) else {
        return Err(vec![problem(
            "it has no `group`".into(),
            "Paste what Spot's console shows: an object with `group`.",
        )]);
    };
    let group = plain(group);
    let refused = refusals(&group);
    if refused.is_empty() {
        return Ok(group);
    }
    Err(refused.into_iter().map(|(what, fix)| problem(what, fix)).collect())
}

/// A group without what is read-only and without what is null.
pub fn plain(group: Value) -> Value {
    let mut group = without_nulls(group);
    if let Some(fields) = group.as_object_mut() {
        fields.retain(|name, _| !READ_ONLY.contains(&name.as_str()));
    }
    group
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            kept.map(|(name, value)| (name, without_nulls(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(without_nulls).collect(),
        other => other,
    }
}

/// What else moves instances, registers them or sizes a group, once it is integrated with it.
const INTEGRATIONS: [&str; 12] = [
    "ecs",
    "codeDeploy",
    "elasticBeanstalk",
    "route53",
    "kubernetes",
    "nomad",
    "dockerSwarm",
    "opsWorks",
    "rancher",
    "mesosphere",
    "gitlab",
    "mlbRuntime",
];

/// What of a group crossfade cannot handle, each with what to do.
pub fn refusals(group: &Value) -> Vec<(String, &'static str)> {
    let mut found = Vec::new();
    let specification = &group["compute"]["launchSpecification"];
    if !specification["itf"].is_null() {
        let fix = "Take itf out, and let routing say where the traffic goes.";
        found.push(("it has itf, by which Spot itself rewrites the weights of rules".to_owned(), fix));
    }
    let persists = group["strategy"]["persistence"].as_object();
    if persists.is_some_and(|it| it.values().any(|value| *value == Value::Bool(true))) {
        found.push(("it keeps the state of its instances".into(), "Take strategy.persistence out."));
    }
    let balancers: Vec<&Value> = list(&specification["loadBalancersConfig"], "loadBalancers").collect();
    if balancers.iter().any(|it| it["type"] != "TARGET_GROUP") {
        found.push(("it stands behind load balancers that are no target groups".into(), "Use target groups alone."));
    }
    for integration in INTEGRATIONS {
        if !group["thirdPartiesIntegration"][integration].is_null() {
            let what = format!("it is integrated with {integration}, which moves its instances, too");
            found.push((what, "Take it out of thirdPartiesIntegration."));
        }
    }
    let images = list(specification, "images").count();
    if images > 1 {
        found.push((format!("it has {images} images, one for each architecture"), "Give imageId alone."));
    }
    let weighs = list(&group["compute"]["instanceTypes"], "weights").next().is_some();
    if weighs || group["capacity"]["unit"] == "weight" {
        let fix = "Count in instances, and take compute.instanceTypes.weights out.";
        found.push(("its instances count differently".into(), fix));
    }
    let mut keys: Vec<&str> = list(specification, "tags").filter_map(|tag| tag["tagKey"].as_str()).collect();
    if let Some(key) = keys.iter().find(|key| key.starts_with("spotinst")) {
        found.push((format!("it has a tag {key}, and Spot keeps what begins with spotinst"), "Take that tag out."));
    }
    keys.sort_unstable();
    if let Some(twice) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
        found.push((format!("it has the tag {} twice", twice[0]), "Give each tag once."));
    }
    found
}

/// What an Elastigroup is made from: the base, or the template that is written out, and how long its instances have to drain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Source {
    /// The id of the base; nothing when the template is written out.
    pub base: String,
    /// The template, where it is written out.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub definition: String,
    /// The longest that a target group of the router lets targets drain, in seconds: Spot must not end instances sooner.
    pub draining_seconds: u32,
}

/// What of an Elastigroup only its kind knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Own {
    /// Its id.
    pub id: String,
    /// Its name at Spot: a label, that nothing goes by.
    pub label: String,
    /// What rests.
    #[serde(flatten)]
    pub rests: Rests,
    /// How long an instance that is taken out has, in seconds.
    pub draining_seconds: u32,
    /// Whether Spot judges its instances by their target groups.
    pub heeds_balancer: bool,
    /// Whether it takes on-demand instances when the market has none.
    pub falls_back: bool,
    /// What of it crossfade cannot handle, each in a sentence with what to do.
    pub problems: Vec<String>,
    /// What its label tells of who serves, to be told again after a rollback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Own {
    fn suspends(&self, process: &str) -> bool {
        self.rests.has(process)
    }

    /// Whether something moves it by itself that rests while it is held.
    pub(super) fn moves(&self) -> bool {
        RESTING.iter().any(|process| !self.suspends(process))
    }

    /// Whether something of it that rests would go on by itself.
    pub(super) fn stirs(&self) -> bool {
        RESTING.iter().any(|process| matches!(self.rests.of(process), Rest::Until(_)))
    }

    pub(super) fn owes(&self, now: &Self) -> bool {
        !self.rests.owed(&now.rests).is_empty()
    }

    pub(super) fn lacks(&self, ability: Ability) -> bool {
        match ability {
            Ability::Schedules => self.suspends(SCHEDULING),
            Ability::Registering => self.suspends(LB_REGISTRATION),
            Ability::Launching | Ability::Ending => false,
        }
    }

    pub(super) fn replaces_ill(&self) -> bool {
        self.heeds_balancer && !self.suspends(AUTO_HEALING)
    }

    pub(super) fn hindered(&self, fleet: &Fleet, abilities: &[Ability]) -> String {
        let name = &fleet.name;
        if abilities.contains(&Ability::Registering) && self.suspends(LB_REGISTRATION) {
            return format!("; {name} has {LB_REGISTRATION} suspended: resume it");
        }
        let locked = locked(fleet);
        if abilities.contains(&Ability::Ending) && !locked.is_empty() {
            return format!("; {name} has instances that are locked: unlock {}", text::few(&locked));
        }
        String::new()
    }

    pub(super) fn differences(&self, now: &Self, fleet: &str) -> Vec<String> {
        let (before, at_millis) = (&self.rests, now.rests.at_millis());
        if before.rest_alike(&now.rests) {
            return Vec::new();
        }
        vec![format!(
            "{fleet} has {} suspended, it had {} suspended",
            now.rests.words(at_millis),
            before.words(at_millis)
        )]
    }
}

/// The instances that no smaller capacity takes out.
fn locked(fleet: &Fleet) -> Vec<&str> {
    fleet.members.iter().filter(|it| it.said.contains("locked")).map(|it| it.id.as_str()).collect()
}

pub(super) fn obstacles(part: Part, own: &Own, fleet: &Fleet) -> Vec<String> {
    let mut obstacles: Vec<String> = own.problems.clone();
    if part != Part::Base && own.suspends(LB_REGISTRATION) {
        obstacles.push(format!(
            "{} has {LB_REGISTRATION} suspended, so that its instances are registered nowhere. Resume it.",
            fleet.name
        ));
    }
    let locked = locked(fleet);
    if part == Part::Shrinks && !locked.is_empty() {
        obstacles.push(format!(
            "{} has instances that are locked, and none of them goes when it shrinks: {}. Unlock them.",
            fleet.name,
            locked.join(", ")
        ));
    }
    obstacles
}

pub(super) fn remarks(part: Part, own: &Own, fleet: &Fleet) -> Vec<String> {
    let mut remarks = Vec::new();
    if !matches!(part, Part::Base | Part::Kept) {
        return remarks;
    }
    if !own.heeds_balancer && !fleet.target_groups.is_empty() {
        remarks.push(format!(
            "{} does not have the health check type TARGET_GROUP: Spot replaces no instance that its target groups find ill",
            fleet.name
        ));
    }
    if !own.falls_back {
        remarks.push(format!("{} does not fall back to on-demand instances when the market has none", fleet.name));
    }
    remarks
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn e1_a_template_keeps_what_nobody_here_knows_and_loses_what_spot_would_refuse() {
        let text = json!({ "group": {
            "id": "sig-1", "createdAt": "x", "name": "old", "capacity": { "target": 3 },
            "compute": { "launchSpecification": { "images": null, "imageId": "ami-1", "soonToCome": [1, null, { "a": null }] } },
        } });
        let read = read(&text.to_string()).expect("it can be read");
        let specification = json!({ "imageId": "ami-1", "soonToCome": [1, null, {}] });
        assert_eq!(
            read,
            json!({ "name": "old", "capacity": { "target": 3 }, "compute": { "launchSpecification": specification } })
        );
        assert!(super::read("{}").unwrap_err()[0].problem.contains("no `group`"));
        assert!(!super::read("{").unwrap_err().is_empty());
    }

    #[test]
    fn e1_everything_that_cannot_be_handled_is_refused_at_once() {
        let group = json!({
            "strategy": { "persistence": { "shouldPersistRootDevice": true } },
            "capacity": { "unit": "weight" },
            "thirdPartiesIntegration": { "route53": {} },
            "compute": { "launchSpecification": {
                "itf": {}, "images": [1, 2],
                "loadBalancersConfig": { "loadBalancers": [{ "type": "CLASSIC", "name": "old" }] },
                "tags": [{ "tagKey": "spotinst:x" }, { "tagKey": "a" }, { "tagKey": "a" }],
            } },
        });
        let all: String = refusals(&group).into_iter().map(|(what, fix)| format!("{what} {fix}\n")).collect();
        for it in INTEGRATIONS {
            let refused = refusals(&json!({ "thirdPartiesIntegration": { it: {} } }));
            assert!(refused.len() == 1 && refused[0].0.contains(it), "{it}: {refused:?}");
        }
        for words in [
            "itf",
            "persistence",
            "no target groups",
            "route53",
            "2 images",
            "count differently",
            "spotinst:x",
            "tag a twice",
        ] {
            assert!(all.contains(words), "{words}: {all}");
        }
        let fine = json!({ "strategy": { "persistence": { "shouldPersistRootDevice": false } }, "capacity": { "unit": "instance" } });
        assert_eq!(refusals(&fine), Vec::new());
    }

    #[test]
    fn e8_what_rests_and_what_replaces_is_read_from_what_is_suspended() {
        let own = |suspended: &[&str]| Own {
            rests: Rests::seen(suspended.iter().map(|it| ((*it).to_owned(), None)), 0),
            heeds_balancer: true,
            ..Own::default()
        };
        assert!(own(&["SCHEDULING"]).lacks(Ability::Schedules) && !own(&["AUTO_SCALE"]).lacks(Ability::Schedules));
        assert!(own(&[]).replaces_ill() && !own(&["AUTO_HEALING"]).replaces_ill());
        assert_eq!(
            own(&["AUTO_SCALE"]).differences(&own(&[]), "shop__6"),
            ["shop__6 has nothing suspended, it had AUTO_SCALE suspended"]
        );
    }
}

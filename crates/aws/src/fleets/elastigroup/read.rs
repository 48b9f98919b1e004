//! A group and its instances as Spot and EC2 describe them, in the domain's words.

use std::collections::BTreeMap;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use crossfade_core::capacity::Size;
use crossfade_core::infrastructure::{TAG_DEPLOYMENT, TAG_FLEET, TAG_INFRASTRUCTURE, TAG_REVISION, revision_of};
use crossfade_core::kinds::elastigroup::{DRAINING_SECONDS, Own, Rests, Source, refusals};
use crossfade_core::kinds::{Blueprint, Own as AnyOwn};
use crossfade_core::observed::{Fleet, Member, MemberState};
use serde_json::Value;

/// What was seen of a group's instances.
#[derive(Default)]
pub(super) struct Seen {
    /// Spot's rows: requests, and the instances that they have become.
    pub(super) rows: Vec<Value>,
    /// What Spot thinks of their health.
    pub(super) health: Vec<Value>,
    /// The instances that EC2 has, whether Spot still lists them or not.
    pub(super) living: Vec<String>,
    /// What of the group rests.
    pub(super) rests: Rests,
    /// When, in milliseconds since 1970.
    pub(super) now_millis: u64,
}

/// How long a request may wait for the market and still be on its way, in milliseconds. What has waited for longer may come, and is no
/// launch that works.
const ASKED_MILLIS: u64 = 300_000;

/// A time as Spot writes it: with `Z`, or with `+0000`.
pub(super) fn millis(at: &str) -> Option<u64> {
    let at = at.strip_suffix("+0000").map_or_else(|| at.to_owned(), |at| format!("{at}Z"));
    let at = DateTime::from_str(&at, Format::DateTime).ok()?;
    u64::try_from(at.to_millis().ok()?).ok()
}

pub(super) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn id(group: &Value) -> &str {
    text(group, "id")
}

fn specification(group: &Value) -> &Value {
    group.pointer("/compute/launchSpecification").unwrap_or(&Value::Null)
}

pub(super) fn tag<'a>(group: &'a Value, key: &str) -> Option<&'a str> {
    list(specification(group), "tags").iter().find(|tag| text(tag, "tagKey") == key)?.get("tagValue")?.as_str()
}

/// What a group is called: by our tag, since its name is a label that anybody may change; by its name, where it has no such tag.
pub(super) fn called(group: &Value) -> &str {
    tag(group, TAG_FLEET).unwrap_or_else(|| text(group, "name"))
}

/// The region of a group. Old ones do not say: then the first of their zones does.
pub(super) fn region(group: &Value) -> Option<&str> {
    match text(group, "region") {
        "" => {
            let zone = list(&group["compute"], "availabilityZones").first().map(|zone| text(zone, "name"))?;
            Some(zone.trim_end_matches(|letter: char| letter.is_ascii_lowercase()))
        }
        region => Some(region),
    }
}

pub(super) fn size(group: &Value) -> Size {
    size_of(&group["capacity"])
}

pub(super) fn size_of(capacity: &Value) -> Size {
    let of = |name: &str| {
        let number = capacity.get(name).and_then(Value::as_u64).unwrap_or(0);
        u32::try_from(number).unwrap_or(u32::MAX)
    };
    Size { min: of("minimum"), desired: of("target"), max: of("maximum") }
}

pub(super) fn target_groups(group: &Value) -> Vec<String> {
    let balancers = list(&specification(group)["loadBalancersConfig"], "loadBalancers").iter();
    balancers.map(|it| text(it, "arn").to_owned()).filter(|arn| !arn.is_empty()).collect()
}

/// How long an instance that is taken out has, in seconds.
pub(super) fn draining(group: &Value) -> u32 {
    let seconds = group.pointer("/strategy/drainingTimeout").and_then(Value::as_u64);
    seconds.map_or(DRAINING_SECONDS, |seconds| u32::try_from(seconds).unwrap_or(u32::MAX))
}

/// What rests, in whichever of its ways Spot tells it: names alone, or each with the time until when. With null it rests for good.
pub(super) fn suspensions(items: &[Value], now_millis: u64) -> Rests {
    let mut all: BTreeMap<String, Option<u64>> = BTreeMap::new();
    for item in items {
        let nested = list(item, "processes").iter().chain(list(item, "suspensions"));
        for it in nested.chain(std::iter::once(item)) {
            let name = it.as_str().or_else(|| it.get("name")?.as_str()).or_else(|| it.get("process")?.as_str());
            let Some(name) = name else { continue };
            let end = all.entry(name.to_owned()).or_default();
            *end = millis(text(it, "expiresAt")).or(*end);
        }
    }
    Rests::seen(all.into_iter(), now_millis)
}

/// A group as a fleet.
pub(super) fn fleet(group: &Value, seen: &Seen) -> Fleet {
    let (name, label) = (called(group).to_owned(), text(group, "name").to_owned());
    let behind = target_groups(group);
    let classic = list(&specification(group)["loadBalancersConfig"], "loadBalancers").iter();
    let classic = classic.filter(|it| text(it, "arn").is_empty()).map(|it| text(it, "name"));
    let zones = list(&group["compute"], "availabilityZones").iter().map(|zone| text(zone, "name").to_owned());
    let mut zones: Vec<String> = zones.filter(|zone| !zone.is_empty()).collect();
    zones.sort();
    zones.dedup();
    let problem = |(what, fix): (String, &'static str)| format!("{name}: {what}. {fix}");
    Fleet {
        infrastructure: tag(group, TAG_INFRASTRUCTURE).map(str::to_owned),
        revision: tag(group, TAG_REVISION).and_then(revision_of),
        deployment: tag(group, TAG_DEPLOYMENT).map(str::to_owned),
        size: size(group),
        sources: classic.map(|name| format!("the classic load balancer {name}")).collect(),
        zones,
        members: members(seen, !behind.is_empty()),
        blueprint: Some(Blueprint::Elastigroup(Source { base: id(group).to_owned(), ..Source::default() })),
        deleting: false,
        own: AnyOwn::Elastigroup(Own {
            id: id(group).to_owned(),
            rests: seen.rests.clone(),
            draining_seconds: draining(group),
            heeds_balancer: matches!(text(specification(group), "healthCheckType"), "TARGET_GROUP" | "ELB"),
            falls_back: falls_back(group),
            problems: refusals(group).into_iter().map(problem).collect(),
            version: Some(label.clone()),
            label,
        }),
        wakes: None,
        target_groups: behind,
        name,
    }
}

/// Whether a group takes on-demand instances when the market has none.
pub(super) fn falls_back(group: &Value) -> bool {
    group.pointer("/strategy/fallbackToOd").and_then(Value::as_bool).unwrap_or(true)
}

/// The instances of a group: those that Spot lists, and those that EC2 still has of it.
fn members(seen: &Seen, behind: bool) -> Vec<Member> {
    let waits = |row: &&Value| {
        let asked = millis(text(row, "createdAt")).unwrap_or(seen.now_millis);
        text(row, "instanceId").is_empty() && asked + ASKED_MILLIS <= seen.now_millis
    };
    let rows = seen.rows.iter().filter(|row| !waits(row));
    let mut members: Vec<Member> = rows.map(|row| member(row, seen, behind)).collect();
    for instance in &seen.living {
        if !members.iter().any(|member| member.id == *instance) {
            members.push(Member {
                id: instance.clone(),
                targets: vec![instance.clone()],
                state: MemberState::Leaving,
                said: "taken out, and not terminated yet".into(),
                weight: 1,
                protected: false,
            });
        }
    }
    members
}

fn member(row: &Value, seen: &Seen, behind: bool) -> Member {
    let instance = text(row, "instanceId");
    let status = text(row, "status");
    let locked = if text(row, "lockStatus").eq_ignore_ascii_case("locked") { ", locked" } else { "" };
    if instance.is_empty() {
        let (id, state) = (text(row, "spotInstanceRequestId").to_owned(), MemberState::Starting);
        let said = format!("asked for ({status})");
        return Member { id, targets: Vec::new(), state, said, weight: 1, protected: false };
    }
    let health = seen.health.iter().find(|it| text(it, "instanceId") == instance);
    let health = health.map_or("UNKNOWN", |it| text(it, "healthStatus"));
    let there = seen.living.iter().any(|it| it == instance);
    let state = match health {
        _ if !there => MemberState::Starting,
        "HEALTHY" => MemberState::Serving,
        // Where a load balancer looks at it, that one says what it is worth.
        "UNHEALTHY" if behind => MemberState::Serving,
        _ => MemberState::Starting,
    };
    let gone = if there { "" } else { ", not there in EC2" };
    Member {
        id: instance.to_owned(),
        targets: vec![instance.to_owned()],
        state,
        said: format!("{status}, {health}{locked}{gone}"),
        weight: 1,
        protected: false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn e2_a_member_serves_when_ec2_has_it_and_spot_calls_it_healthy() {
        let seen = Seen {
            rows: vec![
                json!({ "spotInstanceRequestId": "sir-1", "instanceId": null, "createdAt": "2026-01-05T09:00:00.000+0000" }),
                json!({ "spotInstanceRequestId": "sir-2", "instanceId": null, "createdAt": "2026-01-05T08:50:00.000Z" }),
                json!({ "instanceId": "i-1", "status": "fulfilled" }),
                json!({ "instanceId": "i-2", "status": "fulfilled" }),
                json!({ "instanceId": "i-3", "status": "fulfilled", "lockStatus": "locked" }),
            ],
            health: vec![
                json!({ "instanceId": "i-1", "healthStatus": "HEALTHY" }),
                json!({ "instanceId": "i-2", "healthStatus": "UNKNOWN" }),
                json!({ "instanceId": "i-3", "healthStatus": "HEALTHY" }),
            ],
            living: vec!["i-1".into(), "i-2".into(), "i-9".into()],
            rests: Rests::default(),
            now_millis: 1_767_603_660_000,
        };
        let found: Vec<(String, MemberState)> = members(&seen, true).into_iter().map(|it| (it.id, it.state)).collect();
        let expected = [
            ("sir-1", MemberState::Starting),
            ("i-1", MemberState::Serving),
            ("i-2", MemberState::Starting),
            ("i-3", MemberState::Starting),
            ("i-9", MemberState::Leaving),
        ];
        assert_eq!(found, expected.map(|(id, state)| (id.to_owned(), state)));
        assert!(members(&seen, true)[3].said.contains("locked"));
    }

    #[test]
    fn a_group_that_does_not_say_its_region_is_in_that_of_its_zones() {
        let zone = json!({ "compute": { "availabilityZones": [{ "name": "eu-west-1b" }] } });
        assert_eq!(region(&zone), Some("eu-west-1"));
        assert_eq!(region(&json!({ "region": "us-east-1" })), Some("us-east-1"));
        assert_eq!(region(&json!({})), None);
    }

    #[test]
    fn what_rests_is_read_in_every_way_that_it_may_be_told() {
        let ends = |a: Option<u64>| Rests::seen([("A".to_owned(), a), ("B".to_owned(), None)].into_iter(), 7);
        let read = |item: Value| suspensions(&[item], 7);
        assert_eq!(suspensions(&[json!({ "name": "B" }), json!({ "name": "A" })], 7), ends(None));
        assert_eq!(read(json!({ "suspensions": [{ "name": "A" }, { "name": "B" }] })), ends(None));
        assert_eq!(read(json!({ "processes": ["A", "B"] })), ends(None));
        let limited =
            json!([{ "name": "A", "expiresAt": "2018-10-03T07:23:24.000+0000" }, { "name": "B", "expiresAt": null }]);
        let told = json!({ "groupId": "sig-1", "processes": ["A", "B"], "suspensions": limited });
        assert_eq!(read(told), ends(millis("2018-10-03T07:23:24.000Z")));
    }

    #[test]
    fn p67_a_group_is_called_by_its_tag_whatever_its_name_says() {
        let tags = json!([{ "tagKey": "crossfade:fleet", "tagValue": "shop__7" }]);
        let group = json!({ "name": "shop", "compute": { "launchSpecification": { "tags": tags } } });
        assert_eq!((called(&group), called(&json!({ "name": "shop" }))), ("shop__7", "shop"));
    }
}

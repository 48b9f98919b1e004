//! Making a new group from its template, moving an empty one to other target groups, naming, and deleting.

use crossfade_core::infrastructure::{
    TAG_DEPLOYMENT, TAG_FLEET, TAG_INFRASTRUCTURE, TAG_REVISION, VERSION_SERVED, VERSION_SERVES, series_of,
};
use crossfade_core::kinds::elastigroup::{Source, plain, read as read_definition};
use crossfade_core::observed::Fleet;
use crossfade_core::plan::Marked;
use crossfade_core::{Kind, Result};
use serde_json::{Value, json};

use super::client::Call;
use super::groups::{balancers, others};
use super::read::{self, called, id, list, tag, text};
use super::{Groups, source};
use crate::fleets::user_data::encoded;
use crate::fleets::{Deletion, Order};

impl Groups {
    /// The template of new groups, without what Spot would refuse.
    pub(super) async fn template_of(&self, source: &Source) -> Result<Value> {
        if !source.definition.is_empty() {
            return read_definition(&source.definition).map_err(|problems| {
                let words = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
                Kind::Drifted.because(words)
            });
        }
        self.find(&source.base).await?.map(plain).ok_or_else(|| {
            Kind::Drifted
                .because(format!("The base Elastigroup {} has been deleted since the deployment began.", source.base))
        })
    }

    /// Makes the group. Spot knows no token that would make two calls one, and lets two groups have one name: so it is looked for before,
    /// made in one call that nothing repeats, and looked for again, whatever came back.
    pub(super) async fn make(&self, order: &Order<'_>) -> Result<Vec<String>> {
        let source = source(order.blueprint)?;
        if self.adopted(order).await? {
            return Ok(Vec::new());
        }
        let group = copy(self.template_of(source).await?, order, source)?;
        let body = json!({ "group": group });
        let call = Call {
            operation: "CreateGroup",
            method: "POST",
            path: String::new(),
            query: String::new(),
            body: Some(&body),
        };
        if let Err(refused) = self.client.call(&self.account, &call).await {
            let unknown = refused.unknown();
            let failure = refused.failure("CreateGroup", order.name);
            if !(unknown && self.adopted(order).await?) {
                return Err(failure);
            }
        }
        if let Some(made) = self.find(order.name).await? {
            self.without_twins(&made).await?;
        }
        let from = if order.base.is_empty() { "its definition" } else { order.base };
        let mut lines =
            vec![format!("Created Elastigroup {} from {from} with {} at size 0", order.name, order.artifact)];
        let user_data = order.instances.user_data;
        lines.extend(user_data.map(|it| format!("The user data of the document {} that of {from}", it.does())));
        Ok(lines)
    }

    /// Whether there is the group already that an earlier attempt made.
    async fn adopted(&self, order: &Order<'_>) -> Result<bool> {
        let Some(existing) = self.find(order.name).await? else { return Ok(false) };
        match tag(&existing, TAG_DEPLOYMENT) {
            Some(deployment) if deployment == order.deployment => Ok(true),
            other => Err(Kind::Drifted.because(format!(
                "An Elastigroup named {} exists already and its tag {TAG_DEPLOYMENT} is {}, not {}. It is left alone. Rename or \
                 delete it, or choose another compute.elastigroup.name.",
                order.name,
                other.unwrap_or("missing"),
                order.deployment
            ))),
        }
    }

    /// Deletes what a call whose reply was lost has made once more: the same name and the same deployment, younger, and empty (P66).
    pub(super) async fn without_twins(&self, group: &Value) -> Result<()> {
        let Some(deployment) = tag(group, TAG_DEPLOYMENT) else { return Ok(()) };
        let all = self.all().await?;
        let same = |it: &&Value| called(it) == called(group) && tag(it, TAG_DEPLOYMENT) == Some(deployment);
        for twin in all.iter().filter(same).skip(1).filter(|it| id(it) != id(group)) {
            if self.empty(twin).await? {
                self.delete_one(id(twin)).await?;
            }
        }
        Ok(())
    }

    async fn delete_one(&self, id: &str) -> Result<Deletion> {
        let (path, query) = (format!("/{id}"), String::new());
        let call = Call { operation: "DeleteGroup", method: "DELETE", path, query, body: None };
        match self.client.call(&self.account, &call).await {
            Ok(_) => Ok(Deletion::UnderWay),
            Err(refused) if refused.gone() => Ok(Deletion::Gone),
            Err(refused) => Err(refused.failure("DeleteGroup", id)),
        }
    }

    /// Deletes a group that has no instances and is to have none: whether Spot drains those of a group that is deleted nobody says.
    pub(super) async fn remove(&self, fleet: &Fleet, force: bool) -> Result<Deletion> {
        let all = self.all().await?;
        let same = |it: &&Value| called(it) == fleet.name && tag(it, TAG_DEPLOYMENT) == fleet.deployment.as_deref();
        let mut deletion = Deletion::Gone;
        for group in all.iter().filter(same) {
            if !force && !self.empty(group).await? {
                return Ok(Deletion::NotYet);
            }
            if self.delete_one(id(group)).await? != Deletion::Gone {
                deletion = Deletion::UnderWay;
            }
        }
        Ok(deletion)
    }

    /// Lets an empty group register its instances elsewhere. What Spot does with those that run nobody says, and so it is never asked.
    async fn move_to(&self, name: &str, change: impl FnOnce(&Value) -> Vec<Value>) -> Result<()> {
        let Some(group) = self.find(name).await? else { return Ok(()) };
        let (before, after) = (others(&group, &[]), change(&group));
        if after == before {
            return Ok(());
        }
        if !self.empty(&group).await? {
            return Err(Kind::Drifted.because(format!(
                "{name} has instances, and nobody says in which order Spot moves them to other target groups. Set its capacity to 0 \
                 and deploy again."
            )));
        }
        let config = if after.is_empty() { Value::Null } else { json!({ "loadBalancers": after }) };
        let specification = json!({ "launchSpecification": { "loadBalancersConfig": config } });
        self.patch(id(&group), json!({ "compute": specification })).await
    }

    pub(super) async fn join(&self, name: &str, pools: &[String]) -> Result<()> {
        let change = |group: &Value| {
            let there = read::target_groups(group);
            let missing: Vec<String> = pools.iter().filter(|pool| !there.contains(pool)).cloned().collect();
            [others(group, &[]), list(&balancers(&missing), "loadBalancers").to_vec()].concat()
        };
        self.move_to(name, change).await
    }

    pub(super) async fn leave(&self, name: &str, pools: &[String]) -> Result<()> {
        self.move_to(name, |group| others(group, pools)).await
    }

    /// Names groups by who serves: the series' own name is that of the one that does. Never two at once have it.
    pub(super) async fn name_after(&self, fleets: &[Marked]) -> Result<Vec<String>> {
        let all = self.all().await?;
        let mut wanted: Vec<(&Value, String)> = Vec::new();
        for Marked { fleet, version } in fleets {
            let Some(group) = all.iter().find(|group| called(group) == fleet) else { continue };
            let label = match version.as_deref() {
                Some(VERSION_SERVES) => series_of(fleet).to_owned(),
                None | Some(VERSION_SERVED) => fleet.clone(),
                Some(label) => label.to_owned(),
            };
            wanted.push((group, label));
        }
        // Whoever else has such a name makes way for it, if it is ours.
        let marked: Vec<&str> = wanted.iter().map(|(group, _)| id(group)).collect();
        let whose: Vec<Option<&str>> = wanted.iter().map(|(group, _)| tag(group, TAG_INFRASTRUCTURE)).collect();
        let labels: Vec<String> = wanted.iter().map(|(_, label)| label.clone()).collect();
        let in_the_way = |group: &&Value| {
            let ours = whose.contains(&tag(group, TAG_INFRASTRUCTURE)) && tag(group, TAG_FLEET).is_some();
            ours && !marked.contains(&id(group)) && labels.iter().any(|label| label == text(group, "name"))
        };
        let away = all.iter().filter(in_the_way).map(|group| (group, called(group).to_owned()));
        let mut renamed: Vec<(&Value, String)> = away.chain(wanted.iter().cloned()).collect();
        // The one that gets the series' own name comes last: its fleet is called otherwise.
        renamed.sort_by_key(|(group, label)| called(group) != label);
        let mut lines = Vec::new();
        for (group, label) in renamed {
            if text(group, "name") != label {
                self.patch(id(group), json!({ "name": label })).await?;
                lines.push(format!("Renamed {} from {} to {label}", id(group), text(group, "name")));
            }
        }
        Ok(lines)
    }
}

/// A template at size 0, with another image, in other target groups, and without what would move it by itself.
fn copy(template: Value, order: &Order<'_>, source: &Source) -> Result<Value> {
    let mut group = plain(template);
    group["name"] = json!(order.name);
    group["capacity"] = json!({ "minimum": 0, "target": 0, "maximum": 0, "unit": "instance" });
    let draining = read::draining(&group).max(source.draining_seconds);
    group["strategy"]["drainingTimeout"] = json!(draining);
    let revision = order.revision.to_string();
    let ours = [
        (TAG_INFRASTRUCTURE, order.infrastructure),
        (TAG_REVISION, &revision),
        (TAG_DEPLOYMENT, order.deployment),
        (TAG_FLEET, order.name),
    ];
    let specification = &mut group["compute"]["launchSpecification"];
    let given = order.instances.tags;
    let own = |key: &str| !key.starts_with("crossfade:") && !given.contains_key(key);
    let kept = list(specification, "tags").iter().filter(|tag| own(text(tag, "tagKey")));
    let given = given.iter().map(|(key, value)| json!({ "tagKey": key, "tagValue": value }));
    let ours = ours.map(|(key, value)| json!({ "tagKey": key, "tagValue": value }));
    specification["tags"] = kept.cloned().chain(given).chain(ours).collect();
    if let Some(user_data) = order.instances.user_data {
        let base = specification["userData"].as_str();
        specification["userData"] = json!(encoded(user_data, base)?);
    }
    specification["imageId"] = json!(order.artifact);
    if let Some(fields) = specification.as_object_mut() {
        fields.remove("images");
        match order.pools {
            [] => _ = fields.remove("loadBalancersConfig"),
            pools => _ = fields.insert("loadBalancersConfig".into(), balancers(pools)),
        }
    }
    if let Some(fields) = group.as_object_mut() {
        fields.remove("scaling");
        fields.remove("scheduling");
    }
    Ok(group)
}

#[cfg(test)]
mod tests {
    use crossfade_core::kinds::{Blueprint, Instances};

    use super::*;

    #[test]
    fn e1_a_copy_has_everything_but_what_says_whose_it_is_and_how_it_stands() {
        let template = json!({
            "id": "sig-1", "createdAt": "x", "name": "old", "description": "kept", "soonToCome": { "a": 1 },
            "capacity": { "minimum": 1, "target": 2, "maximum": 4, "unit": "instance" },
            "strategy": { "risk": 100, "drainingTimeout": 60 },
            "scaling": { "up": [{}] }, "scheduling": { "tasks": [{}] },
            "compute": { "product": "Linux/UNIX", "launchSpecification": {
                "images": [{ "id": "ami-1" }], "userData": "IyE=",
                "tags": [{ "tagKey": "team", "tagValue": "shop" }, { "tagKey": "crossfade:revision", "tagValue": "3" }],
                "loadBalancersConfig": { "loadBalancers": [{ "arn": "a", "name": "a", "type": "TARGET_GROUP" }] },
            } },
        });
        let source = Source { draining_seconds: 300, ..Source::default() };
        let blueprint = Blueprint::Elastigroup(source.clone());
        let pools = ["arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/shop-b/1".to_owned()];
        let order = Order {
            name: "shop__7",
            base: "sig-1",
            blueprint: &blueprint,
            artifact: "ami-7",
            pools: &pools,
            infrastructure: "shop/production/spot:act-1:sig-1",
            revision: 7,
            deployment: "rel-7",
            instances: Instances::NONE,
        };
        let tags = [
            ("team", "shop"),
            ("crossfade:infrastructure", "shop/production/spot:act-1:sig-1"),
            ("crossfade:revision", "7"),
            ("crossfade:deployment", "rel-7"),
            ("crossfade:fleet", "shop__7"),
        ];
        assert_eq!(
            copy(template, &order, &source).expect("its user data is its own"),
            json!({
                "name": "shop__7", "description": "kept", "soonToCome": { "a": 1 },
                "capacity": { "minimum": 0, "target": 0, "maximum": 0, "unit": "instance" },
                "strategy": { "risk": 100, "drainingTimeout": 300 },
                "compute": { "product": "Linux/UNIX", "launchSpecification": {
                    "imageId": "ami-7", "userData": "IyE=",
                    "tags": tags.map(|(key, value)| json!({ "tagKey": key, "tagValue": value })),
                    "loadBalancersConfig": { "loadBalancers": [
                        { "arn": pools[0], "name": "shop-b", "type": "TARGET_GROUP" },
                    ] },
                } },
            })
        );
    }
}

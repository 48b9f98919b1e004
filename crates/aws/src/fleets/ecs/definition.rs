//! Task definitions: the base's, described, edited and registered again for a fleet.
//!
//! They are never read into types: an answer minus what AWS adds to it, with another image, keeps every field that is new (P83).

use crossfade_core::infrastructure::TAG_DEPLOYMENT;
use crossfade_core::kinds::ecs::TaskDefinition;
use crossfade_core::{Kind, Result};
use serde_json::{Value, json};

use super::Services;
use super::client::{ecs_failure, list, tag, text};
use super::create::foreign;
use crate::fleets::Order;

/// What AWS adds to a task definition when it shows one, and takes from nobody (P83).
const ADDED: &[&str] = &[
    "taskDefinitionArn",
    "revision",
    "status",
    "requiresAttributes",
    "compatibilities",
    "registeredAt",
    "registeredBy",
    "deregisteredAt",
    "deleteRequestedAt",
];

/// How many of the newest revisions are looked at for one that this deployment has made: it made the last one, unless somebody
/// else registers some, too.
const LOOKED_AT: usize = 10;

/// The same task definition for another family, with another image in one container and these tags.
pub(super) fn edited(mut definition: Value, family: &str, container: &str, image: &str, tags: &[Value]) -> Value {
    if let Some(fields) = definition.as_object_mut() {
        fields.retain(|name, _| !ADDED.contains(&name.as_str()));
        fields.insert("family".into(), json!(family));
        fields.insert("tags".into(), json!(tags));
        for it in fields.get_mut("containerDefinitions").and_then(Value::as_array_mut).into_iter().flatten() {
            if text(it, "name") == container {
                it["image"] = json!(image);
            }
        }
    }
    definition
}

impl Services {
    /// A task definition by its ARN, with its tags beside it, or nothing when there is none.
    pub(super) async fn definition(&self, arn: &str) -> Result<Option<(Value, Vec<Value>)>> {
        let ask = json!({ "taskDefinition": arn, "include": ["TAGS"] });
        match self.client.ecs("DescribeTaskDefinition", &ask).await {
            Ok(mut answer) => {
                let tags = list(&answer, "tags").to_vec();
                Ok(answer.get_mut("taskDefinition").map(Value::take).map(|definition| (definition, tags)))
            }
            Err(error) if error.code() == Some("ClientException") && error.message().contains("Unable to describe") => {
                Ok(None)
            }
            Err(error) => Err(ecs_failure("DescribeTaskDefinition", arn, &error)),
        }
    }

    /// The revision of a family that a deployment has registered, if it is there already. There is no token that would answer the
    /// retry of a lost reply (P100).
    pub(super) async fn registered(&self, family: &str, deployment: &str) -> Result<Option<String>> {
        let ask = json!({ "familyPrefix": family, "status": "ACTIVE", "sort": "DESC", "maxResults": LOOKED_AT });
        let answer = self.client.ecs("ListTaskDefinitions", &ask).await;
        let answer = answer.map_err(|error| ecs_failure("ListTaskDefinitions", family, &error))?;
        for arn in list(&answer, "taskDefinitionArns").iter().filter_map(Value::as_str) {
            if self.is_of(arn, deployment).await? {
                return Ok(Some(arn.to_owned()));
            }
        }
        Ok(None)
    }

    async fn is_of(&self, arn: &str, deployment: &str) -> Result<bool> {
        let definition = self.definition(arn).await?;
        Ok(definition.is_some_and(|(_, tags)| tag(&json!({ "tags": tags }), TAG_DEPLOYMENT) == Some(deployment)))
    }

    /// Registers the base's task definition again with another image. Twice registers it once.
    pub(super) async fn register(
        &self,
        base: &TaskDefinition,
        written: Option<Value>,
        family: &str,
        order: &Order<'_>,
        tags: &[Value],
    ) -> Result<String> {
        if let Some(arn) = self.registered(family, order.deployment).await? {
            return Ok(arn);
        }
        let found = match written {
            Some(written) => {
                let theirs = list(&written, "tags").to_vec();
                Some((written, theirs))
            }
            None => self.definition(&base.arn).await?,
        };
        let Some((definition, theirs)) = found else {
            return Err(Kind::Drifted.because(format!(
                "The task definition {} of the base has been deleted since the deployment began.",
                base.arn
            )));
        };
        let tags: Vec<Value> = theirs.iter().filter(|tag| foreign(tag)).chain(tags).cloned().collect();
        let ask = edited(definition, family, &base.container, order.artifact, &tags);
        let answer = self.client.ecs("RegisterTaskDefinition", &ask).await;
        let answer = answer.map_err(|error| ecs_failure("RegisterTaskDefinition", family, &error))?;
        Ok(text(&answer["taskDefinition"], "taskDefinitionArn").to_owned())
    }

    /// Deregisters what a deployment has registered in a family. What runs from it goes on running, and may even scale.
    pub(super) async fn deregister(&self, family: &str, deployment: &str) -> Result<()> {
        // One, but for retries whose first reply was lost.
        for _ in 0..LOOKED_AT {
            let Some(arn) = self.registered(family, deployment).await? else { break };
            self.deregister_one(&arn).await?;
        }
        Ok(())
    }

    /// Deregisters the task definition of a fleet that is gone, if its deployment has registered it.
    pub(super) async fn deregister_own(&self, arn: &str, deployment: &str) -> Result<()> {
        let active = match self.definition(arn).await? {
            Some((definition, _)) => text(&definition, "status") == "ACTIVE",
            None => false,
        };
        if active && self.is_of(arn, deployment).await? {
            self.deregister_one(arn).await?;
        }
        Ok(())
    }

    async fn deregister_one(&self, arn: &str) -> Result<()> {
        let ask = json!({ "taskDefinition": arn });
        self.client.ecs("DeregisterTaskDefinition", &ask).await.map(drop).or_else(|error| {
            let inactive = error.code() == Some("ClientException") && error.message().contains("inactive");
            if inactive { Ok(()) } else { Err(ecs_failure("DeregisterTaskDefinition", arn, &error)) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described() -> Value {
        json!({
            "taskDefinitionArn": "arn:aws:ecs:eu-west-1:123456789012:task-definition/shop:6",
            "family": "shop", "revision": 6, "status": "ACTIVE", "requiresAttributes": [{ "name": "x" }],
            "compatibilities": ["EC2", "FARGATE"], "registeredAt": 1_764_000_000.5, "registeredBy": "arn:x",
            "networkMode": "awsvpc", "cpu": "256",
            "containerDefinitions": [
                { "name": "web", "image": "shop:6", "essential": true },
                { "name": "proxy", "image": "envoy:1", "essential": true },
            ],
        })
    }

    #[test]
    fn p83_only_what_aws_adds_goes_and_only_one_image_changes() {
        let tags = [json!({ "key": "team", "value": "shop" })];
        let edited = edited(described(), "shop2", "web", "shop:7", &tags);
        assert_eq!(
            edited,
            json!({
                "family": "shop2", "networkMode": "awsvpc", "cpu": "256", "tags": tags,
                "containerDefinitions": [
                    { "name": "web", "image": "shop:7", "essential": true },
                    { "name": "proxy", "image": "envoy:1", "essential": true },
                ],
            })
        );
    }

    #[test]
    fn p83_a_field_that_nobody_knows_survives() {
        for value in [json!("x"), json!({ "nested": [1, null] }), json!([])] {
            let mut definition = described();
            definition["enableFaultInjection"] = value.clone();
            definition["containerDefinitions"][0]["soonToCome"] = value.clone();
            let edited = edited(definition, "shop", "web", "shop:7", &[]);
            assert_eq!(
                (&edited["enableFaultInjection"], &edited["containerDefinitions"][0]["soonToCome"]),
                (&value, &value)
            );
        }
    }
}

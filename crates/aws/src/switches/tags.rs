//! The tags of rules, listeners and target groups.
//!
//! Each is set and removed by a call of its own, which does no more when it is made again.

use std::collections::BTreeMap;

use aws_sdk_elasticloadbalancingv2::types::Tag;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use crossfade_core::Result;
use crossfade_core::claims::{Tags, bears_tags, tag_value};
use crossfade_core::infrastructure::TAG_INFRASTRUCTURE;

use super::Switches;
use crate::refusal::refusal;

/// The most resources of which one call tells the tags.
const AT_ONCE: usize = 20;

impl Switches {
    /// The tags of these rules, listeners and target groups, by ARN. What does not exist is left out, and so is what bears none of ours.
    pub async fn tags(&self, arns: &[String]) -> Result<BTreeMap<String, Tags>> {
        let arns: Vec<String> = arns.iter().filter(|arn| bears_tags(arn)).cloned().collect();
        let mut found = BTreeMap::new();
        for arns in arns.chunks(AT_ONCE) {
            match self.described(arns).await? {
                Some(tags) => found.extend(tags),
                None if arns.len() == 1 => {}
                // AWS does not say which of them is missing.
                None => {
                    for arn in arns {
                        found.extend(self.described(std::slice::from_ref(arn)).await?.unwrap_or_default());
                    }
                }
            }
        }
        Ok(found)
    }

    /// The same for as many as one call tells of; nothing when one of them does not exist.
    async fn described(&self, arns: &[String]) -> Result<Option<BTreeMap<String, Tags>>> {
        let answer = self.client.describe_tags().set_resource_arns(Some(arns.to_vec())).send().await;
        let answer = match answer {
            Err(error) if is_gone(&error) => return Ok(None),
            answer => answer.map_err(|e| refusal("elasticloadbalancing:DescribeTags", &arns.join(", "), e))?,
        };
        let of = |tags: Vec<Tag>| tags.into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default())));
        let described = answer.tag_descriptions.unwrap_or_default().into_iter();
        let described =
            described.map(|it| (it.resource_arn.unwrap_or_default(), of(it.tags.unwrap_or_default()).collect()));
        Ok(Some(described.collect()))
    }

    /// Tags one of them as belonging to an infrastructure definition.
    pub async fn tag(&self, arn: &str, infrastructure: &str) -> Result<()> {
        if !bears_tags(arn) {
            return Ok(());
        }
        let tag = Tag::builder().key(TAG_INFRASTRUCTURE).value(tag_value(infrastructure)).build();
        let answer = self.client.add_tags().resource_arns(arn).tags(tag).send().await;
        answer.map(drop).map_err(|e| refusal("elasticloadbalancing:AddTags", arn, e))
    }

    /// Takes that tag off. What does not exist any more has none.
    pub async fn untag(&self, arn: &str) -> Result<()> {
        let answer = self.client.remove_tags().resource_arns(arn).tag_keys(TAG_INFRASTRUCTURE).send().await;
        match answer {
            Err(error) if is_gone(&error) => Ok(()),
            answer => answer.map(drop).map_err(|e| refusal("elasticloadbalancing:RemoveTags", arn, e)),
        }
    }
}

fn is_gone(error: &impl ProvideErrorMetadata) -> bool {
    matches!(error.code(), Some("RuleNotFound" | "ListenerNotFound" | "TargetGroupNotFound"))
}

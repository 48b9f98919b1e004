//! Deleting groups.

use aws_sdk_autoscaling::error::ProvideErrorMetadata;
use crossfade_core::Result;

use super::{AutoScalingGroups, describe};
use crate::fleets::Deletion;
use crate::refusal::refusal;

impl AutoScalingGroups {
    /// Deletes a group, and its warm pool before it. Without force AWS refuses as long as it has instances (P33); with it,
    /// they are terminated.
    pub async fn delete(&self, name: &str, force: bool) -> Result<Deletion> {
        let group = match describe(&self.client, name).await? {
            None => return Ok(Deletion::Gone),
            Some(group) if group.status.is_some() => return Ok(Deletion::UnderWay),
            Some(group) => group,
        };
        // With force, AWS takes the warm pool along. Without, an empty one may be gone at once.
        if group.warm_pool_configuration.is_some()
            && !force
            && self.delete_warm_pool(name).await? != Deletion::Gone
            && describe(&self.client, name).await?.is_some_and(|group| group.warm_pool_configuration.is_some())
        {
            return Ok(Deletion::NotYet);
        }
        let call = self.client.delete_auto_scaling_group().auto_scaling_group_name(name);
        let Err(error) = call.set_force_delete(force.then_some(true)).send().await else {
            return Ok(Deletion::UnderWay);
        };
        match error.code() {
            Some("ResourceInUse" | "ScalingActivityInProgress") => Ok(Deletion::NotYet),
            // "not found", or "pending delete": look which. A role that allows it by a tag does not allow it on what is gone.
            Some("ValidationError" | "AccessDenied") => Ok(match self.get(name).await? {
                None => Deletion::Gone,
                Some(fleet) if fleet.deleting => Deletion::UnderWay,
                Some(_) => return Err(refusal("autoscaling:DeleteAutoScalingGroup", name, error)),
            }),
            _ => Err(refusal("autoscaling:DeleteAutoScalingGroup", name, error)),
        }
    }
}

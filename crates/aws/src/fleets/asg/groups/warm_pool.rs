//! Warm pools: instances kept ready beside a group.

use aws_sdk_autoscaling::Client;
use aws_sdk_autoscaling::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_autoscaling::operation::put_warm_pool::PutWarmPoolError;
use aws_sdk_autoscaling::types::{AutoScalingGroup, InstanceReusePolicy, WarmPoolState, WarmPoolStatus};
use crossfade_core::Result;
use crossfade_core::kinds::asg::WarmPool;

use super::{AutoScalingGroups, describe};
use crate::fleets::Deletion;
use crate::refusal::refusal;

impl AutoScalingGroups {
    /// Gives a group this warm pool.
    pub async fn set_warm_pool(&self, name: &str, pool: &WarmPool) -> Result<()> {
        put(&self.client, name, pool).await.map_err(|e| refusal("autoscaling:PutWarmPool", name, e))
    }

    /// Takes a group's warm pool away. AWS wants it empty, so it is shrunk first, and its instances leave as the group's
    /// hooks have it. Gone already is fine.
    pub async fn delete_warm_pool(&self, name: &str) -> Result<Deletion> {
        let group = match describe(&self.client, name).await? {
            Some(group) if group.warm_pool_configuration.is_some() => group,
            _ => return Ok(Deletion::Gone),
        };
        let Some(pool) = configured(&group) else { return Ok(Deletion::UnderWay) };
        let Err(error) = self.client.delete_warm_pool().auto_scaling_group_name(name).send().await else {
            return Ok(Deletion::UnderWay);
        };
        match error.code() {
            Some("ResourceInUse" | "ScalingActivityInProgress") => {
                let empty = pool.emptied();
                if pool != empty {
                    self.set_warm_pool(name, &empty).await?;
                }
                Ok(Deletion::NotYet)
            }
            // Gone since we looked.
            Some("ValidationError")
                if describe(&self.client, name).await?.is_none_or(|group| configured(&group).is_none()) =>
            {
                Ok(Deletion::UnderWay)
            }
            _ => Err(refusal("autoscaling:DeleteWarmPool", name, error)),
        }
    }
}

/// The warm pool that a group has, unless it is being deleted.
pub(crate) fn configured(group: &AutoScalingGroup) -> Option<WarmPool> {
    let pool = group.warm_pool_configuration.as_ref()?;
    if pool.status == Some(WarmPoolStatus::PendingDelete) {
        return None;
    }
    let number = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok());
    let reuse = pool.instance_reuse_policy.as_ref().and_then(|policy| policy.reuse_on_scale_in);
    Some(WarmPool {
        min_size: number(pool.min_size).unwrap_or(0),
        max_prepared: number(pool.max_group_prepared_capacity),
        state: pool.pool_state.as_ref().unwrap_or(&WarmPoolState::Stopped).as_str().to_owned(),
        reuse: reuse.unwrap_or_default(),
    })
}

/// Gives a group a warm pool.
pub(crate) async fn put(
    client: &Client,
    name: &str,
    pool: &WarmPool,
) -> std::result::Result<(), SdkError<PutWarmPoolError>> {
    let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let reuse = pool.reuse.then(|| InstanceReusePolicy::builder().reuse_on_scale_in(true).build());
    let call = client.put_warm_pool().auto_scaling_group_name(name).min_size(number(pool.min_size));
    // By its reference, -1 takes away what was set before.
    let call = call.max_group_prepared_capacity(pool.max_prepared.map_or(-1, number));
    let call = call.pool_state(WarmPoolState::from(pool.state.as_str())).set_instance_reuse_policy(reuse);
    call.send().await.map(|_| ())
}

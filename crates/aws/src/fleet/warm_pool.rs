//! Warm pools: instances kept ready beside a group.

use aws_sdk_autoscaling::Client;
use aws_sdk_autoscaling::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_autoscaling::operation::put_warm_pool::PutWarmPoolError;
use aws_sdk_autoscaling::types::{AutoScalingGroup, InstanceReusePolicy, WarmPoolState, WarmPoolStatus};
use crossfade_core::Result;
use crossfade_core::observed::WarmPool;

use super::{AutoScalingGroups, Deletion, describe};
use crate::refusal::refusal;

/// What says that a group's maximum bounds the pool (Auto Scaling API reference).
const UNBOUNDED: i32 = -1;

impl AutoScalingGroups {
    /// Gives a group this warm pool, instead of the one that it has.
    pub async fn set_warm_pool(&self, name: &str, pool: &WarmPool) -> Result<()> {
        put(&self.client, name, pool).await.map_err(|e| refusal("autoscaling:PutWarmPool", name, e))
    }

    /// Takes a group's warm pool away, with the instances in it. Gone already is fine.
    pub async fn delete_warm_pool(&self, name: &str) -> Result<Deletion> {
        self.drop_warm_pool(name, false).await
    }

    pub(super) async fn drop_warm_pool(&self, name: &str, force: bool) -> Result<Deletion> {
        let under_way = match describe(&self.client, name).await?.and_then(|group| group.warm_pool_configuration) {
            None => return Ok(Deletion::Gone),
            Some(pool) => pool.status == Some(WarmPoolStatus::PendingDelete),
        };
        if under_way && !force {
            return Ok(Deletion::UnderWay);
        }
        let call = self.client.delete_warm_pool().auto_scaling_group_name(name);
        let Err(error) = call.set_force_delete(force.then_some(true)).send().await else {
            return Ok(Deletion::UnderWay);
        };
        match error.code() {
            Some("ResourceInUse" | "ScalingActivityInProgress") => Ok(Deletion::NotYet),
            // Gone since we looked.
            Some("ValidationError") if self.without_warm_pool(name).await? => Ok(Deletion::Gone),
            _ => Err(refusal("autoscaling:DeleteWarmPool", name, error)),
        }
    }

    async fn without_warm_pool(&self, name: &str) -> Result<bool> {
        let pool = describe(&self.client, name).await?.and_then(|group| group.warm_pool_configuration);
        Ok(pool.is_none_or(|pool| pool.status == Some(WarmPoolStatus::PendingDelete)))
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
    let reuse = InstanceReusePolicy::builder().reuse_on_scale_in(pool.reuse).build();
    let call = client.put_warm_pool().auto_scaling_group_name(name).min_size(number(pool.min_size));
    let call = call.max_group_prepared_capacity(pool.max_prepared.map_or(UNBOUNDED, number));
    let call = call.pool_state(WarmPoolState::from(pool.state.as_str())).instance_reuse_policy(reuse);
    call.send().await.map(|_| ())
}

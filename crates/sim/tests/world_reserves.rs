//! Instances that do not count (P29): those of warm pools and those in standby, as the real SDK client sees them.

mod world_support;

use aws_sdk_autoscaling::types::{ScalingActivityStatusCode, WarmPoolState};
use crossfade_sim::world::sample::{ShopOptions, Source};
use world_support::{Account, refusal};

const FLEET: &str = "shop__6";

fn warm() -> Account {
    Account::new(ShopOptions { warm_pool: true, ..ShopOptions::default() })
}

impl Account {
    async fn pool(&self) -> Vec<String> {
        let answer = self.groups.describe_warm_pool().auto_scaling_group_name(FLEET).send().await.unwrap();
        answer.instances().iter().map(|it| it.lifecycle_state().unwrap().as_str().to_owned()).collect()
    }
}

/// P29, P31: the pool follows max − desired, and gives its instances first.
#[tokio::test(start_paused = true)]
async fn p31_a_warm_pool_follows_the_group_and_is_drawn_from_first() {
    let account = warm();
    assert_eq!(account.pool().await, ["Warmed:Stopped"; 4]);
    let next = account.sim.world().group(FLEET).unwrap().carried.warm_pool.as_ref().unwrap().members[0].clone();
    assert_eq!(account.sim.world().group_view(FLEET).unwrap().in_service, 4);
    account.resize(FLEET, 4, 8, 5).await;
    account.wait(8).await;
    // A cold launch takes 8 to 14 seconds longer than the decision.
    assert_eq!(account.states(FLEET).await, ["InService"; 5]);
    assert_eq!(account.sim.world().instances_of(FLEET)[4], next);
    let newest = &account.activities(FLEET).await[0];
    assert_eq!(newest.description(), Some(format!("Launching a new EC2 instance from warm pool: {next}").as_str()));
    assert_eq!(newest.status_code(), Some(&ScalingActivityStatusCode::Successful));
    account.wait(30).await;
    assert_eq!(account.pool().await.len(), 3, "max − desired");
    assert_eq!(account.sim.world().healthy_in(&account.shop.target_group_a), 5);
    account.resize(FLEET, 4, 10, 5).await;
    account.wait(30).await;
    assert_eq!(account.pool().await, ["Warmed:Stopped"; 5], "grown with max");
    account.resize(FLEET, 4, 10, 4).await;
    account.wait(90).await;
    assert_eq!(account.pool().await, ["Warmed:Stopped"; 6], "launched anew: what scales in is terminated");
    assert_eq!(account.sim.world().traffic().totals.lost, 0);
    // With a prepared capacity and a minimum of its own.
    let put = account.groups.put_warm_pool().auto_scaling_group_name(FLEET).pool_state(WarmPoolState::Running);
    put.max_group_prepared_capacity(5).min_size(2).send().await.unwrap();
    account.wait(60).await;
    assert_eq!(account.pool().await.len(), 2);
    let shown = account.describe(FLEET).await.unwrap();
    assert_eq!(shown.warm_pool_configuration().unwrap().max_group_prepared_capacity(), Some(5));
    assert_eq!(shown.warm_pool_size(), Some(2));
    assert_eq!(shown.instances().len(), 4);
    let listed = account.groups.describe_auto_scaling_instances().send().await.unwrap();
    let warmed =
        listed.auto_scaling_instances().iter().filter(|it| it.lifecycle_state().unwrap().starts_with("Warmed:"));
    assert_eq!(warmed.count(), 2);
}

#[tokio::test(start_paused = true)]
async fn hooks_hold_instances_into_the_pool_and_out_of_it() {
    let account = Account::new(ShopOptions { warm_pool: true, equipped: true, ..ShopOptions::default() });
    account.resize(FLEET, 4, 9, 5).await;
    account.wait(8).await;
    assert_eq!(account.states(FLEET).await[4], "Pending:Wait");
    account.resize(FLEET, 4, 10, 5).await;
    account.wait(17).await;
    assert!(account.pool().await.contains(&"Warmed:Pending:Wait".to_owned()), "{:?}", account.pool().await);
    account.wait(30).await;
    assert_eq!(account.pool().await, ["Warmed:Stopped"; 5]);
    assert_eq!(account.states(FLEET).await, ["InService"; 5]);
}

/// P31, P33: where a pool cannot be, and how it and its group are deleted.
#[tokio::test(start_paused = true)]
async fn p31_warm_pools_and_their_groups_need_force() {
    let mixed = Account::new(ShopOptions { base: Source::Mixed, ..ShopOptions::default() });
    let (code, text) = refusal(mixed.groups.put_warm_pool().auto_scaling_group_name(FLEET).send().await);
    assert_eq!(code, "ValidationError");
    assert!(text.contains("mixed instances policy"), "{text}");

    let account = warm();
    let terminate = account.groups.terminate_instance_in_auto_scaling_group().should_decrement_desired_capacity(false);
    let warmed = account.sim.world().group(FLEET).unwrap().carried.warm_pool.as_ref().unwrap().members[0].clone();
    assert_eq!(refusal(terminate.instance_id(&warmed).send().await).0, "ValidationError");
    account.resize(FLEET, 0, 0, 0).await;
    account.wait(90).await;
    assert!(account.states(FLEET).await.is_empty());
    let delete = || account.groups.delete_auto_scaling_group().auto_scaling_group_name(FLEET);
    assert_eq!(refusal(delete().send().await).0, "ResourceInUse", "an empty pool is in the way, too");
    account.resize(FLEET, 0, 2, 0).await;
    account.wait(30).await;
    assert_eq!(account.pool().await.len(), 2);
    let remove = || account.groups.delete_warm_pool().auto_scaling_group_name(FLEET);
    assert_eq!(refusal(remove().send().await).0, "ResourceInUse");
    remove().force_delete(true).send().await.unwrap();
    let answer = account.groups.describe_warm_pool().auto_scaling_group_name(FLEET).send().await.unwrap();
    assert_eq!(answer.warm_pool_configuration().unwrap().status().unwrap().as_str(), "PendingDelete");
    account.wait(30).await;
    let shown = account.describe(FLEET).await.unwrap();
    assert!(shown.warm_pool_configuration().is_none());
    delete().send().await.unwrap();

    let account = warm();
    let delete = account.groups.delete_auto_scaling_group().auto_scaling_group_name(FLEET).force_delete(true);
    delete.send().await.unwrap();
    account.wait(60).await;
    assert!(account.describe(FLEET).await.is_none());
    let left = account.groups.describe_auto_scaling_instances().send().await.unwrap();
    assert!(left.auto_scaling_instances().iter().all(|it| it.auto_scaling_group_name() == Some("other-team")));
}

/// P29: standby sets an instance aside: no traffic, no place in the count, and in the way of a deletion.
#[tokio::test(start_paused = true)]
async fn p29_standby_sets_instances_aside() {
    let account = Account::new(ShopOptions::default());
    let groups = &account.groups;
    let ids = account.sim.world().instances_of(FLEET);
    let enter = |id: &str, shrink| {
        let enter = groups.enter_standby().auto_scaling_group_name(FLEET).instance_ids(id);
        enter.should_decrement_desired_capacity(shrink).send()
    };
    let exit = |id: &str| groups.exit_standby().auto_scaling_group_name(FLEET).instance_ids(id).send();
    let (_, text) = refusal(enter(&ids[0], true).await);
    assert!(text.contains("has min-size=4, max-size=8, and desired-size=4"), "{text}");
    account.resize(FLEET, 1, 5, 4).await;
    let activity = enter(&ids[0], true).await.unwrap().activities.unwrap().remove(0);
    assert!(activity.cause().unwrap().contains("shrinking the capacity from 4 to 3"), "{activity:?}");
    assert_eq!(account.states(FLEET).await[0], "EnteringStandby");
    account.wait(35).await;
    assert_eq!(account.states(FLEET).await[0], "Standby");
    let view = account.sim.world().group_view(FLEET).unwrap();
    assert_eq!((view.desired, view.in_service, view.standby), (3, 3, 1));
    assert_eq!(account.health(&account.shop.target_group_a).await.len(), 3);
    // Without wanting one less, it is replaced.
    enter(&ids[1], false).await.unwrap();
    account.wait(90).await;
    let view = account.sim.world().group_view(FLEET).unwrap();
    assert_eq!((view.desired, view.in_service, view.standby), (3, 3, 2));
    assert!(refusal(exit(&ids[2]).await).1.contains("is not in Standby"));
    assert!(refusal(enter(&ids[0], true).await).1.contains("is not in InService"));
    // Scale-in takes everything else, and then the group cannot be deleted.
    account.resize(FLEET, 0, 5, 0).await;
    account.wait(90).await;
    assert_eq!(account.states(FLEET).await, ["Standby"; 2]);
    let delete = groups.delete_auto_scaling_group().auto_scaling_group_name(FLEET).send().await;
    assert_eq!(refusal(delete).0, "ResourceInUse");
    exit(&ids[0]).await.unwrap();
    account.wait(20).await;
    assert_eq!(account.describe(FLEET).await.unwrap().desired_capacity(), Some(1));
    assert_eq!(account.states(FLEET).await, ["InService", "Standby"]);
    assert_eq!(account.sim.world().healthy_in(&account.shop.target_group_a), 1);
    account.resize(FLEET, 0, 1, 1).await;
    assert!(refusal(exit(&ids[1]).await).1.contains("To remove from standby 1 instance"));
}

/// An instance that leaves on its way to standby leaves nothing behind that keeps its group from being deleted.
#[tokio::test(start_paused = true)]
async fn p33_standby_that_is_never_reached_is_cancelled() {
    let account = Account::new(ShopOptions::default());
    let id = account.sim.world().instances_of(FLEET)[0].clone();
    account.resize(FLEET, 0, 5, 4).await;
    let enter = account.groups.enter_standby().auto_scaling_group_name(FLEET).instance_ids(&id);
    enter.should_decrement_desired_capacity(true).send().await.unwrap();
    let terminate = account.groups.terminate_instance_in_auto_scaling_group().instance_id(&id);
    terminate.should_decrement_desired_capacity(false).send().await.unwrap();
    account.resize(FLEET, 0, 0, 0).await;
    account.wait(120).await;
    let activities = account.activities(FLEET).await;
    let standby = activities.iter().find(|it| it.description().unwrap().contains("to Standby")).unwrap();
    assert_eq!(standby.status_code(), Some(&ScalingActivityStatusCode::Cancelled));
    account.groups.delete_auto_scaling_group().auto_scaling_group_name(FLEET).send().await.unwrap();
}

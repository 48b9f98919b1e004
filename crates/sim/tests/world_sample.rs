//! The sample account: what its options change, and that they change nothing else.

mod world_support;

use crossfade_sim::world::World;
use crossfade_sim::world::sample::{self, Layout, ShopOptions, Source};
use world_support::Account;

fn weight(world: &World, route: &str) -> Vec<u32> {
    world.weights(route).into_iter().map(|(_, weight)| weight).collect()
}

/// Examples and other tests contain these.
#[test]
fn the_ordinary_shop_has_the_ids_that_it_always_had() {
    let mut world = World::new(1, 0);
    let shop = sample::shop(&mut world, ShopOptions::default());
    assert_eq!(
        shop.rule.as_deref(),
        Some(
            "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/shop/baf424e6c74b68c5/\
             193838026e3ac0d8/4dc05e242e780a26"
        )
    );
    assert_eq!(shop.running_version, 8);
    assert!(shop.test_listener.is_none() && shop.second.is_none() && shop.override_template.is_none());
}

#[tokio::test(start_paused = true)]
async fn every_layout_serves_on_both_load_balancers() {
    for layout in [Layout::Weighted, Layout::Attached, Layout::Staged] {
        for default_action in [false, true] {
            let options = ShopOptions { layout, default_action, second_balancer: true, ..ShopOptions::default() };
            let account = Account::new(options);
            account.wait(60).await;
            let shop = &account.shop;
            let second = shop.second.as_ref().unwrap();
            let world = account.sim.world();
            let weights = if layout == Layout::Weighted { vec![100, 0] } else { vec![1] };
            assert_eq!(weight(&world, shop.route()), weights);
            assert_eq!(weight(&world, second.route()), weights);
            assert_eq!(shop.rule.is_none(), default_action);
            assert_eq!(second.rule.is_none(), default_action);
            let report = world.traffic();
            assert_eq!(report.totals.lost, 0);
            for arn in [&shop.target_group_a, &second.target_group_c] {
                assert_eq!(world.healthy_in(arn), 4);
                assert!(report.target_groups[arn].served > 2000, "{report:?}");
            }
            let stages = [(&shop.test_listener, &shop.target_group_b), (&second.test_listener, &second.target_group_d)];
            for (listener, target_group) in stages {
                assert_eq!(listener.is_some(), layout == Layout::Staged);
                if let Some(listener) = listener {
                    assert_eq!(world.weights(listener), [(target_group.clone(), 1)]);
                }
                let used = layout != Layout::Attached;
                assert_eq!(world.target_group(target_group).unwrap().in_use, used);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn several_revisions_may_serve() {
    let also_running = vec![(5, 2), (3, 1)];
    let account = Account::new(ShopOptions { also_running, ..ShopOptions::default() });
    account.wait(30).await;
    let world = account.sim.world();
    let desired = |name: &str| world.group_view(name).unwrap().desired;
    let sizes: Vec<u32> = ["shop__2", "shop__3", "shop__4", "shop__5", "shop__6"].into_iter().map(desired).collect();
    assert_eq!(sizes, [0, 1, 0, 2, 4]);
    assert_eq!(world.healthy_in(&account.shop.target_group_a), 7);
    for name in ["shop__3", "shop__5", "shop__6"] {
        assert!(world.steady_since(name, &account.shop.target_group_a).is_some(), "{name}");
    }
}

/// P28: protection comes from the group, for the instances that it has and for those to come.
#[tokio::test(start_paused = true)]
async fn p28_a_protected_shop_protects_every_instance() {
    let account = Account::new(ShopOptions { protected: true, ..ShopOptions::default() });
    for name in ["shop-base", "shop__6"] {
        let group = account.describe(name).await.unwrap();
        assert_eq!(group.new_instances_protected_from_scale_in(), Some(true));
        assert!(group.instances().iter().all(|instance| instance.protected_from_scale_in() == Some(true)));
    }
}

#[tokio::test(start_paused = true)]
async fn revisions_of_a_mixed_base_are_mixed() {
    for base in [Source::Mixed, Source::MixedOverrides, Source::Weighted] {
        let account = Account::new(ShopOptions { base, ..ShopOptions::default() });
        let own = account.shop.override_template.clone();
        assert_eq!(own.is_some(), base == Source::MixedOverrides);
        for name in ["shop-base", "shop__6"] {
            let group = account.describe(name).await.unwrap();
            let policy = group.mixed_instances_policy().unwrap().launch_template().unwrap();
            let second = &policy.overrides()[1];
            assert_eq!(
                second.launch_template_specification().and_then(|it| it.launch_template_id()),
                own.as_deref(),
                "{name}"
            );
            assert_eq!(second.weighted_capacity(), (base == Source::Weighted).then_some("1"));
        }
    }
}

/// What is equipped is steady, and stays so: nothing moves until somebody moves it.
#[tokio::test(start_paused = true)]
async fn an_equipped_shop_stands_still() {
    let options = ShopOptions { equipped: true, warm_pool: true, protected: true, ..ShopOptions::default() };
    let account = Account::new(options);
    let before = account.sim.world().inventory();
    for name in ["shop-base", "shop__6"] {
        let group = &before["autoScalingGroups"][name];
        assert_eq!(group["hooks"].as_object().unwrap().len(), 2, "{group}");
        assert_eq!(group["notifications"].as_array().unwrap().len(), 2);
        assert_eq!(group["metrics"].as_array().unwrap().len(), 2);
        let mut suspended = vec!["AZRebalance"];
        // P22: the base's schedule is a template.
        suspended.extend((name == "shop-base").then_some("ScheduledActions"));
        assert_eq!(group["suspendedProcesses"], serde_json::json!(suspended));
        assert_eq!(group["scalingPolicies"].as_object().unwrap().len(), 5);
        assert_eq!(group["scheduledActions"].as_object().unwrap().len(), 4);
        let pool = if name == "shop__6" { serde_json::json!({ "Warmed:Stopped": 4 }) } else { serde_json::json!({}) };
        assert_eq!(group["warmPool"]["instances"], pool);
    }
    assert_eq!(before["autoScalingGroups"]["shop__6"]["protectedInstances"], 4);
    assert_eq!(before["autoScalingGroups"]["shop__5"]["hooks"], serde_json::json!({}));
    account.wait(3600).await;
    assert_eq!(account.sim.world().inventory(), before);
    let shown = account.describe("shop__6").await.unwrap();
    assert_eq!(shown.enabled_metrics().len(), 2);
    assert_eq!(shown.enabled_metrics()[0].granularity(), Some("1Minute"));
    assert_eq!(shown.warm_pool_size(), Some(4));
    assert_eq!(shown.instances().len(), 4, "the pool's instances are not among them");
}

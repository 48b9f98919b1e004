//! Application Auto Scaling of services, through real requests. Pitfalls by their numbers in the fact sheet.

mod ecs_support;

use crossfade_sim::world::sample::ShopOptions;
use ecs_support::{Account, services};
use serde_json::{Value, json};

/// A request about what scales a service.
fn about(service: &str, more: Value) -> Value {
    let mut request = json!({
        "ServiceNamespace": "ecs",
        "ResourceId": format!("service/shop/{service}"),
        "ScalableDimension": "ecs:service:DesiredCount",
    });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request
}

fn equipped() -> Account {
    Account::new(ShopOptions { equipped: true, ..services() })
}

/// P91, P61: every registration moves the desired count between the bounds, even one that only suspends.
#[tokio::test(start_paused = true)]
async fn p91_suspending_alone_brings_a_service_back() {
    let account = equipped();
    account.resize("shop__6", 0).await;
    assert_eq!(account.counts("shop__6").await.0, 0, "nothing but an alarm lifts it");
    let suspend = json!({ "SuspendedState": { "DynamicScalingOutSuspended": true } });
    account.scaling("RegisterScalableTarget", about("shop__6", suspend)).await;
    assert_eq!(account.counts("shop__6").await.0, 2);
    let shown = account.scaling("DescribeScalableTargets", json!({ "ServiceNamespace": "ecs" })).await;
    let of = |service: &str| {
        let targets = shown["ScalableTargets"].as_array().unwrap();
        targets.iter().find(|it| it["ResourceId"] == format!("service/shop/{service}")).unwrap().clone()
    };
    assert_eq!((&of("shop__6")["MinCapacity"], &of("shop__6")["MaxCapacity"]), (&json!(2), &json!(8)));
    assert_eq!(
        of("shop__6")["SuspendedState"],
        json!({
            "DynamicScalingInSuspended": false, "DynamicScalingOutSuspended": true, "ScheduledScalingSuspended": false,
        })
    );
    assert_eq!(of("shop-base")["SuspendedState"]["ScheduledScalingSuspended"], true);
    assert_eq!(account.counts("shop-base").await, (0, 0, 0), "the base stays empty");
    let none = json!({ "MinCapacity": 0, "MaxCapacity": 0 });
    account.scaling("RegisterScalableTarget", about("shop__6", none)).await;
    assert_eq!(account.counts("shop__6").await.0, 0, "a maximum of 0 is allowed");
    let new = account.try_scaling("RegisterScalableTarget", about("shop__5", json!({ "MinCapacity": 1 }))).await;
    assert_eq!(new.unwrap_err().0, "ValidationException");
    let tags =
        account.scaling("ListTagsForResource", json!({ "ResourceARN": of("shop__6")["ScalableTargetARN"] })).await;
    assert_eq!(tags["Tags"], json!({ "team": "storefront" }));
}

/// Deregistering takes policies, actions and tracking's own alarms away; the alarms of step policies stay, without their action.
#[tokio::test(start_paused = true)]
async fn deregistering_leaves_the_alarms_of_step_policies() {
    let account = equipped();
    let tracking = |account: &Account| {
        let names = account.sim.world().alarm_names();
        names.into_iter().filter(|name| name.starts_with("TargetTracking-service/shop/shop__6-Alarm")).count()
    };
    assert_eq!(tracking(&account), 2);
    let policies = account.scaling("DescribeScalingPolicies", about("shop__6", json!({}))).await;
    let policies = policies["ScalingPolicies"].as_array().unwrap().clone();
    assert_eq!(policies.len(), 3);
    assert!(policies.iter().all(|policy| !policy["Alarms"].as_array().unwrap().is_empty()), "{policies:?}");
    account.scaling("DeregisterScalableTarget", about("shop__6", json!({}))).await;
    assert_eq!(tracking(&account), 0);
    let left = account.sim.world().alarm("shop__6-cpu-high").unwrap().settings.strings("AlarmActions");
    assert!(left.is_empty(), "{left:?}");
    for (operation, list) in
        [("DescribeScalingPolicies", "ScalingPolicies"), ("DescribeScheduledActions", "ScheduledActions")]
    {
        assert_eq!(account.scaling(operation, about("shop__6", json!({}))).await[list], json!([]));
    }
    let again = account.try_scaling("DeregisterScalableTarget", about("shop__6", json!({}))).await;
    assert_eq!(again.unwrap_err().0, "ObjectNotFoundException");
}

/// P92: a scheduled action sets the bounds for good, and brings back a service that is at 0.
#[tokio::test(start_paused = true)]
async fn p92_a_scheduled_action_undoes_a_downsize() {
    let account = equipped();
    account.resize("shop__6", 0).await;
    let schedule = json!({
        "ScheduledActionName": "soon",
        "Schedule": "at(2026-01-05T09:10:00)",
        "ScalableTargetAction": { "MinCapacity": 3, "MaxCapacity": 5 },
    });
    account.scaling("PutScheduledAction", about("shop__6", schedule)).await;
    account.wait(599).await;
    assert_eq!(account.counts("shop__6").await.0, 0);
    account.wait(122).await;
    assert_eq!(account.counts("shop__6").await.0, 3, "at most two minutes late");
    let target = account.sim.world().scalable_target("service/shop/shop__6").unwrap().clone();
    assert_eq!((target.min, target.max), (3, 5), "for good");
    let left = account.scaling("DescribeScheduledActions", about("shop__6", json!({}))).await;
    let names: Vec<&Value> =
        left["ScheduledActions"].as_array().unwrap().iter().map(|action| &action["ScheduledActionName"]).collect();
    assert_eq!(names, ["morning", "night"]);
}

/// Suspended scheduled scaling misses its action.
#[tokio::test(start_paused = true)]
async fn suspended_schedules_are_missed() {
    let account = equipped();
    let every = json!({
        "ScheduledActionName": "often",
        "Schedule": "rate(10 minutes)",
        "ScalableTargetAction": { "MinCapacity": 6 },
    });
    account.scaling("PutScheduledAction", about("shop__6", every)).await;
    let suspend = |suspended: bool| json!({ "SuspendedState": { "ScheduledScalingSuspended": suspended } });
    account.scaling("RegisterScalableTarget", about("shop__6", suspend(true))).await;
    account.wait(800).await;
    assert_eq!(account.counts("shop__6").await.0, 4);
    account.scaling("RegisterScalableTarget", about("shop__6", suspend(false))).await;
    account.wait(600).await;
    assert_eq!(account.counts("shop__6").await.0, 6);
}

/// A policy that was described, as it is asked for.
fn as_asked(policy: &mut Value) {
    for field in ["PolicyARN", "Alarms", "CreationTime"] {
        policy.as_object_mut().unwrap().remove(field);
    }
}

/// Target tracking and steps act on the metrics, within the bounds, from the running count on.
#[tokio::test(start_paused = true)]
async fn policies_act_on_simulated_metrics() {
    let account = equipped();
    account.sim.world().force_metric("shop__6", "CPUUtilization", Some(95.0));
    account.wait(300).await;
    let (desired, _, _) = account.counts("shop__6").await;
    assert!((6..=8).contains(&desired), "{desired}");
    account.wait(900).await;
    assert_eq!(account.counts("shop__6").await.0, 8, "never above the maximum");
    let list = about("shop__6", json!({ "PolicyNames": ["cpu"] }));
    let mut policy = account.scaling("DescribeScalingPolicies", list).await["ScalingPolicies"][0].clone();
    policy["TargetTrackingScalingPolicyConfiguration"]["DisableScaleIn"] = json!(false);
    as_asked(&mut policy);
    account.scaling("PutScalingPolicy", policy).await;
    account.sim.world().force_metric("shop__6", "CPUUtilization", Some(10.0));
    account.wait(2_400).await;
    assert_eq!(account.counts("shop__6").await.0, 2, "never below the minimum");
    assert_eq!(account.lost(), 0);

    let account = equipped();
    account.wait(900).await;
    assert_eq!(account.counts("shop__6").await, (4, 4, 0), "ordinary traffic asks for nothing");
    account.sim.world().force_metric("shop__6", "CPUUtilization", Some(95.0));
    let suspend = json!({ "SuspendedState": { "DynamicScalingOutSuspended": true } });
    account.scaling("RegisterScalableTarget", about("shop__6", suspend)).await;
    account.wait(600).await;
    assert_eq!(account.counts("shop__6").await.0, 4, "suspended");
}

/// A label must name a target group of the service; the alarms of tracking bear the service's name.
#[tokio::test(start_paused = true)]
async fn labels_and_schedules_are_checked() {
    let account = equipped();
    let policy = |label: &str| {
        json!({
            "PolicyName": "requests",
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": {
                "TargetValue": 900.0,
                "PredefinedMetricSpecification": {
                    "PredefinedMetricType": "ALBRequestCountPerTarget", "ResourceLabel": label,
                },
            },
        })
    };
    let end = |arn: &str, kind: &str| arn.split_once(kind).unwrap().1.to_owned();
    let balancer = end(&account.shop.load_balancer, ":loadbalancer/");
    let label = |arn: &str| format!("{balancer}/targetgroup/{}", end(arn, ":targetgroup/"));
    let own = account.scaling("PutScalingPolicy", about("shop__6", policy(&label(&account.shop.target_group_a)))).await;
    assert_eq!(own["Alarms"].as_array().unwrap().len(), 2);
    assert!(own["Alarms"][0]["AlarmName"].as_str().unwrap().starts_with("TargetTracking-service/shop/shop__6-Alarm"));
    let other = about("shop__6", policy(&label(&account.shop.target_group_b)));
    assert_eq!(account.try_scaling("PutScalingPolicy", other).await.unwrap_err().0, "ValidationException");
    for schedule in ["at(2020-01-01T00:00:00)", "cron(0 7 * * *)", "0 7 * * *"] {
        let action = json!({
            "ScheduledActionName": "wrong", "Schedule": schedule, "ScalableTargetAction": { "MinCapacity": 1 },
        });
        let refused = account.try_scaling("PutScheduledAction", about("shop__6", action)).await;
        assert_eq!(refused.unwrap_err().0, "ValidationException", "{schedule}");
    }
    let elsewhere = about("none", json!({ "MinCapacity": 1, "MaxCapacity": 2 }));
    assert_eq!(account.try_scaling("RegisterScalableTarget", elsewhere).await.unwrap_err().0, "ValidationException");
}

/// Revisions that sleep wake by a scheduled action, and go to sleep by another.
#[tokio::test(start_paused = true)]
async fn what_sleeps_wakes_and_goes_to_sleep_again() {
    let account = Account::new(ShopOptions { sleeping: vec![(5, 2)], sleeps_minutes: 30, ..services() });
    assert_eq!(account.counts("shop__5").await, (0, 0, 0));
    account.wait(30 * 60 + 250).await;
    assert_eq!(account.counts("shop__5").await, (2, 2, 0));
    assert_eq!(account.sim.world().healthy_of("shop__5", &account.shop.target_group_a), 2);
    account.wait(11 * 3600).await;
    assert_eq!(account.counts("shop__5").await, (0, 0, 0));
    assert_eq!(account.lost(), 0);
}

/// The inventory tells two accounts apart by what scales services, and does not mind what was made anew.
#[tokio::test(start_paused = true)]
async fn the_inventory_has_services_and_what_scales_them() {
    let account = equipped();
    let before = account.sim.world().inventory();
    let list = about("shop__6", json!({ "PolicyNames": ["cpu"] }));
    let policy = account.scaling("DescribeScalingPolicies", list).await["ScalingPolicies"][0].clone();
    account.scaling("DeleteScalingPolicy", about("shop__6", json!({ "PolicyName": "cpu" }))).await;
    assert_ne!(account.sim.world().inventory(), before);
    let mut again = policy.clone();
    as_asked(&mut again);
    account.scaling("PutScalingPolicy", again).await;
    assert_eq!(account.sim.world().inventory(), before);
    account.resize("shop__6", 5).await;
    assert_ne!(account.sim.world().inventory(), before);
}

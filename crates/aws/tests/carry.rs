//! What bases carry beside their settings, through the adapters. Pitfalls by their numbers in the semantics sheet.

mod support;

use std::collections::BTreeSet;

use aws_sdk_autoscaling::primitives::DateTime;
use aws_sdk_autoscaling::types::{
    CustomizedMetricSpecification, MetricDimension, MetricStatistic, MetricType, PredefinedMetricSpecification,
    PredictiveScalingConfiguration, PredictiveScalingMetricSpecification, PredictiveScalingPredefinedMetricPair,
    TargetTrackingConfiguration,
};
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, Statistic, Tag};
use crossfade_core::lane::Counterpart;
use crossfade_core::observed::{Baggage, HookTimes};
use crossfade_sim::world::sample::{ShopOptions, Source};
use crossfade_sim::{Effect, Fault, Faults, Request};
use serde_json::{Value, json};
use support::{Account, BASE, DEPLOYMENT, FLEET, INFRASTRUCTURE};

/// What the sample's base has of everything: five policies, three alarms, four scheduled actions.
async fn scaled(options: ShopOptions) -> Account {
    let account = Account::new(options);
    let a = account.shop.target_group_a.clone();
    account.fleets.attach(BASE, std::slice::from_ref(&a)).await.unwrap();
    account.sim.world().add_scaling(BASE, &a).unwrap();
    account.fleets.resume(BASE, &["ScheduledActions"]).await.unwrap();
    account
}

/// A base with everything, and its candidate.
async fn equipped() -> Account {
    let account = scaled(ShopOptions { equipped: true, warm_pool: true, ..ShopOptions::default() }).await;
    account.create().await.unwrap();
    account.carrier.settle_in(BASE, FLEET).await.unwrap();
    account
}

fn counterparts(account: &Account) -> Vec<Counterpart> {
    let (a, b) = (account.shop.target_group_a.clone(), account.shop.target_group_b.clone());
    vec![Counterpart { of: vec![a, b.clone()], to: b }]
}

async fn carry(account: &Account) -> Vec<String> {
    account.carrier.carry(BASE, FLEET, &counterparts(account), account.now()).await.unwrap()
}

fn cloudwatch(account: &Account) -> aws_sdk_cloudwatch::Client {
    aws_sdk_cloudwatch::Client::new(&account.sim.sdk_config())
}

/// The end of an ARN, as labels and dimensions have it.
fn end(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap().trim_start_matches("loadbalancer/")
}

/// The settings of an alarm, with its tags.
fn alarm(account: &Account, name: &str) -> Value {
    let world = account.sim.world();
    let alarm = world.alarm(name).unwrap_or_else(|| panic!("{name} is not in {:?}", world.alarm_names()));
    json!({ "settings": alarm.settings.to_json(), "tags": alarm.tags })
}

/// A value with one text in place of another.
fn with(value: &Value, old: &str, new: &str) -> Value {
    serde_json::from_str(&value.to_string().replace(old, new)).unwrap()
}

/// The names of the alarms that AWS does not manage.
fn alarms(account: &Account) -> BTreeSet<String> {
    account.sim.world().alarm_names().into_iter().filter(|name| !name.starts_with("TargetTracking-")).collect()
}

fn arn(account: &Account, group: &str, policy: &str) -> String {
    account.sim.world().policy(group, policy).unwrap().arn.clone()
}

#[tokio::test(start_paused = true)]
async fn a_bases_baggage_is_listed() {
    let account = equipped().await;
    let (baggage, left_out) = account.carrier.baggage(BASE, FLEET).await.unwrap();
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
    let expected = Baggage {
        from: BASE.to_owned(),
        policies: names(&["cpu", "forecast", "load", "queue", "requests"]),
        schedules: names(&["friday-peak", "morning", "night", "quarter"]),
        hooks: names(&["save-logs", "warm-up"]),
        limits: false,
        reserve: Some("warm pool".into()),
        hook_times: HookTimes { launching_seconds: 300, terminating_seconds: 120 },
    };
    assert_eq!((baggage, left_out), (expected, Vec::new()));
    let bare = Account::new(ShopOptions::default());
    let nothing = Baggage { from: BASE.to_owned(), ..Baggage::default() };
    assert_eq!(bare.carrier.baggage(BASE, FLEET).await.unwrap(), (nothing, Vec::new()));
}

#[tokio::test(start_paused = true)]
async fn p22_a_fleet_settles_in_like_its_base() {
    let account = scaled(ShopOptions { equipped: true, ..ShopOptions::default() }).await;
    account.sim.world().suspend_administratively(BASE, &["Launch"]);
    account.create().await.unwrap();
    for _ in 0..2 {
        account.carrier.settle_in(BASE, FLEET).await.unwrap();
        let (base, fleet) = (account.group(BASE), account.group(FLEET));
        assert_eq!(fleet["notifications"], base["notifications"]);
        assert!(fleet["notifications"].to_string().contains("shop-operations"), "{fleet}");
        assert_eq!(fleet["metrics"], base["metrics"]);
        assert_eq!(fleet["metrics"].as_array().unwrap().len(), 2);
        assert_eq!(base["suspendedProcesses"], json!(["AZRebalance", "Launch"]));
        assert_eq!(fleet["suspendedProcesses"], json!(["AZRebalance"]), "not what AWS suspends");
        assert_eq!(fleet["scalingPolicies"], json!({}), "P19: nothing scales an idle candidate");
    }
}

#[tokio::test(start_paused = true)]
async fn p24_policies_come_with_the_label_of_the_new_target_group() {
    let account = equipped().await;
    let lines = carry(&account).await;
    let (base, fleet) = (account.group(BASE), account.group(FLEET));
    let (a, b) = (end(&account.shop.target_group_a).to_owned(), end(&account.shop.target_group_b).to_owned());
    assert!(base["scalingPolicies"].to_string().contains(&a));
    assert_eq!(fleet["scalingPolicies"], with(&base["scalingPolicies"], &a, &b), "every field");
    assert_eq!(fleet["scalingPolicies"].as_object().unwrap().len(), 5);
    assert!(lines.contains(&"Carried target-tracking policy requests".to_owned()), "{lines:?}");
    assert!(lines.contains(&"Carried predictive policy forecast".to_owned()), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn p24_a_label_without_a_counterpart_is_left_out_and_said() {
    let account = equipped().await;
    let other = account.shop.target_group_other.clone();
    let elsewhere = vec![Counterpart { of: vec![other], to: account.shop.target_group_b.clone() }];
    let lines = account.carrier.carry(BASE, FLEET, &elsewhere, account.now()).await.unwrap();
    assert!(account.sim.world().policy(FLEET, "requests").is_none());
    assert!(account.sim.world().policy(FLEET, "cpu").is_some());
    let line = lines.iter().find(|line| line.starts_with("Left target-tracking policy requests out: ")).unwrap();
    assert!(line.contains(end(&account.shop.target_group_a)), "{line}");
}

#[tokio::test(start_paused = true)]
async fn p24_p25_custom_and_predictive_metrics_follow_the_fleet() {
    let account = equipped().await;
    let label = |target_group: &str| format!("{}/{}", end(&account.shop.load_balancer), end(target_group));
    let dimension = |name: &str, value: &str| MetricDimension::builder().name(name).value(value).build();
    let metric = CustomizedMetricSpecification::builder()
        .namespace("Shop")
        .metric_name("Checkouts")
        .statistic(MetricStatistic::Average)
        .dimensions(dimension("AutoScalingGroupName", BASE))
        .dimensions(dimension("TargetGroup", end(&account.shop.target_group_a)))
        .dimensions(dimension("Shop", BASE));
    let tracking =
        TargetTrackingConfiguration::builder().target_value(7.5).customized_metric_specification(metric.build());
    let call = account.sdk.put_scaling_policy().auto_scaling_group_name(BASE).policy_name("checkouts");
    let call = call.policy_type("TargetTrackingScaling").enabled(false).target_tracking_configuration(tracking.build());
    call.send().await.unwrap();
    let pair = PredictiveScalingPredefinedMetricPair::builder()
        .predefined_metric_type("ALBRequestCount".into())
        .resource_label(label(&account.shop.target_group_a));
    let specification = PredictiveScalingMetricSpecification::builder()
        .target_value(100.0)
        .predefined_metric_pair_specification(pair.build())
        .build();
    let predictive = PredictiveScalingConfiguration::builder().metric_specifications(specification).build();
    let call = account.sdk.put_scaling_policy().auto_scaling_group_name(BASE).policy_name("foreseen");
    call.policy_type("PredictiveScaling").predictive_scaling_configuration(predictive).send().await.unwrap();

    carry(&account).await;
    let policies = account.group(FLEET)["scalingPolicies"].clone();
    let b = end(&account.shop.target_group_b);
    let metric = &policies["checkouts"]["TargetTrackingConfiguration"]["CustomizedMetricSpecification"];
    let values: Vec<&str> =
        metric["Dimensions"].as_array().unwrap().iter().map(|it| it["Value"].as_str().unwrap()).collect();
    assert_eq!(values, [FLEET, b, BASE], "only what is known to name the group");
    assert_eq!(policies["checkouts"]["Enabled"], "false");
    let foreseen = policies["foreseen"]["PredictiveScalingConfiguration"].to_string();
    assert!(foreseen.contains(&label(&account.shop.target_group_b)), "{foreseen}");
    assert!(!foreseen.contains(end(&account.shop.target_group_a)), "{foreseen}");
}

#[tokio::test(start_paused = true)]
async fn p25_alarms_are_made_again_with_every_field_and_aim_at_the_new_policies() {
    let account = equipped().await;
    carry(&account).await;
    let (old, new) = (arn(&account, BASE, "load"), arn(&account, FLEET, "load"));
    assert_ne!(old, new);
    for (name, policy) in [("cpu-high", "load"), ("cpu-low", "load"), ("queue", "queue")] {
        let of_base = alarm(&account, &format!("{BASE}-{name}"));
        let of_fleet = alarm(&account, &format!("{FLEET}-{BASE}-{name}"));
        let aimed = with(&of_base["settings"], &arn(&account, BASE, policy), &arn(&account, FLEET, policy));
        let renamed = with(&aimed, &format!("\"Value\":\"{BASE}\""), &format!("\"Value\":\"{FLEET}\""));
        assert_eq!(of_fleet["settings"], renamed, "{name}");
        assert_ne!(of_fleet["settings"], of_base["settings"]);
    }
    let tags = json!({
        "team": "storefront", "severity": "page", "crossfade:deployment": DEPLOYMENT,
        "crossfade:infrastructure": INFRASTRUCTURE, "crossfade:revision": "7",
    });
    assert_eq!(alarm(&account, &format!("{FLEET}-{BASE}-cpu-high"))["tags"], tags);
    let managed = |group: &str| {
        let names = account.sim.world().alarm_names();
        names.into_iter().filter(|name| name.starts_with(&format!("TargetTracking-{group}-"))).count()
    };
    assert_eq!((managed(BASE), managed(FLEET)), (3, 3), "AWS made its own, and nobody copied them");
    assert_eq!(alarms(&account).iter().filter(|name| name.starts_with(FLEET)).count(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_alarm_that_several_groups_share_is_copied_without_the_policies_of_others() {
    let account = equipped().await;
    let call = account.sdk.put_scaling_policy().auto_scaling_group_name("shop__6").policy_name("theirs");
    let call = call.adjustment_type("ChangeInCapacity").scaling_adjustment(1);
    let theirs = call.send().await.unwrap().policy_arn.unwrap();
    let ours = arn(&account, BASE, "queue");
    let dimension = |name: &str, value: &str| Dimension::builder().name(name).value(value).build();
    let call = cloudwatch(&account).put_metric_alarm().alarm_name("slow").alarm_actions(&theirs).alarm_actions(&ours);
    let call = call.namespace("AWS/ApplicationELB").metric_name("TargetResponseTime").statistic(Statistic::Average);
    let call = call
        .dimensions(dimension("TargetGroup", end(&account.shop.target_group_a)))
        .dimensions(dimension("LoadBalancer", end(&account.shop.load_balancer)))
        .period(60)
        .evaluation_periods(3)
        .threshold(0.5)
        .comparison_operator(ComparisonOperator::GreaterThanThreshold);
    call.send().await.unwrap();
    carry(&account).await;
    let made = alarm(&account, &format!("{FLEET}-slow"))["settings"].clone();
    assert_eq!(made["AlarmActions"], json!([arn(&account, FLEET, "queue")]));
    assert_eq!(made["Dimensions"][0]["Value"], end(&account.shop.target_group_b));
    assert_eq!(made["Dimensions"][1]["Value"], end(&account.shop.load_balancer));
}

#[tokio::test(start_paused = true)]
async fn p21_schedules_come_in_their_zones_and_nothing_begins_in_the_past() {
    let account = equipped().await;
    let at = |millis: u64| DateTime::from_millis(i64::try_from(millis).unwrap());
    let put = |name: &str| {
        let call = account.sdk.put_scheduled_update_group_action().auto_scaling_group_name(BASE);
        call.scheduled_action_name(name).desired_capacity(3)
    };
    let start = account.now();
    put("once-soon").start_time(at(start + 60_000)).send().await.unwrap();
    put("once-later").start_time(at(start + 86_400_000)).send().await.unwrap();
    put("ends-soon").recurrence("0 3 * * *").end_time(at(start + 90_000_000)).send().await.unwrap();
    let soon = account.carrier.carry(BASE, FLEET, &counterparts(&account), start + 55_000).await.unwrap();
    assert!(soon.contains(&"Left scheduled action once-soon out: its time is past".to_owned()), "{soon:?}");
    let actions = account.group(FLEET)["scheduledActions"].clone();
    let names: Vec<&String> = actions.as_object().unwrap().keys().collect();
    assert_eq!(names, ["ends-soon", "friday-peak", "morning", "night", "once-later", "quarter"]);
    let base = account.group(BASE)["scheduledActions"].clone();
    for (name, action) in actions.as_object().unwrap() {
        for field in ["Recurrence", "TimeZone", "MinSize", "MaxSize", "DesiredCapacity", "EndTime"] {
            assert_eq!(action[field], base[name][field], "{field} of {name}");
        }
    }
    assert_eq!(actions["night"]["TimeZone"], "Europe/Berlin");
    assert_eq!(base["quarter"]["StartTime"], "2024-04-01T03:15:00Z");
    assert_eq!(actions["quarter"]["StartTime"], Value::Null);
    assert_eq!(actions["once-later"]["StartTime"], base["once-later"]["StartTime"]);

    let running = [Counterpart { of: vec![], to: account.shop.target_group_a.clone() }];
    let later = account.carrier.carry(BASE, "shop__6", &running, start + 90_000_000).await.unwrap();
    assert!(later.contains(&"Left scheduled action ends-soon out: its end is past".to_owned()), "{later:?}");
}

#[tokio::test(start_paused = true)]
async fn p22_schedules_run_on_the_fleet_once_it_has_them() {
    let account = equipped().await;
    // As set-up leaves it when the base is a template.
    for group in [BASE, FLEET] {
        account.fleets.suspend(group, &["ScheduledActions"]).await.unwrap();
    }
    let lines = carry(&account).await;
    assert_eq!(lines.last().unwrap(), "Resumed scheduled actions on shop__7");
    assert_eq!(account.own(FLEET).await.suspended, ["AZRebalance"]);
    assert_eq!(account.own(BASE).await.suspended, ["AZRebalance", "ScheduledActions"]);
    account.wait(86_400).await;
    assert_eq!(account.fleet(FLEET).await.size.max, 8, "the morning came");
}

#[tokio::test(start_paused = true)]
async fn p22_without_schedules_a_fleet_ends_like_its_base() {
    for (suspended, expected) in [(vec!["ScheduledActions".to_owned()], vec!["ScheduledActions"]), (vec![], vec![])] {
        let account = Account::new(ShopOptions { suspended_on_base: suspended, ..ShopOptions::default() });
        account.create().await.unwrap();
        account.carrier.settle_in(BASE, FLEET).await.unwrap();
        carry(&account).await;
        assert_eq!(account.own(FLEET).await.suspended, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn p31_a_warm_pool_comes_along_where_there_can_be_one() {
    let account = equipped().await;
    let lines = carry(&account).await;
    assert!(lines.contains(&"Carried the warm pool (Stopped)".to_owned()), "{lines:?}");
    assert_eq!(account.own(FLEET).await.warm_pool, account.own(BASE).await.warm_pool);
    assert!(account.own(FLEET).await.warm_pool.is_some());

    let mixed = Account::new(ShopOptions { base: Source::Mixed, ..ShopOptions::default() });
    let lines = mixed.carrier.carry(BASE, "shop__6", &[], mixed.now()).await.unwrap();
    assert_eq!(lines, Vec::<String>::new());
    let plain = aws_sdk_autoscaling::types::LaunchTemplateSpecification::builder().version("2");
    let call = mixed.sdk.create_auto_scaling_group().auto_scaling_group_name("plain").min_size(0).max_size(0);
    let call = call.launch_template(plain.launch_template_id(&mixed.shop.template).build());
    call.availability_zones("eu-west-1a").send().await.unwrap();
    mixed.sdk.put_warm_pool().auto_scaling_group_name("plain").send().await.unwrap();
    let lines = mixed.carrier.carry("plain", "shop__6", &[], mixed.now()).await.unwrap();
    assert!(lines.len() == 1 && lines[0].starts_with("Left the warm pool out: autoscaling:PutWarmPool "), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn carrying_again_changes_nothing_and_keeps_what_the_fleet_has() {
    let account = equipped().await;
    carry(&account).await;
    let call = account.sdk.put_scaling_policy().auto_scaling_group_name(FLEET).policy_name("queue");
    call.adjustment_type("ExactCapacity").scaling_adjustment(5).send().await.unwrap();
    let before = (account.sim.calls().len(), account.group(FLEET), alarms(&account));
    assert_eq!(carry(&account).await, Vec::<String>::new());
    assert_eq!(account.changes(before.0), Vec::<String>::new());
    assert_eq!((account.group(FLEET), alarms(&account)), (before.1, before.2));
    assert_eq!(account.group(FLEET)["scalingPolicies"]["queue"]["AdjustmentType"], "ExactCapacity");
}

#[tokio::test(start_paused = true)]
async fn p24_what_a_kept_fleet_has_follows_it_to_another_target_group() {
    let account = equipped().await;
    let dimension = Dimension::builder().name("TargetGroup").value(end(&account.shop.target_group_a)).build();
    let call = cloudwatch(&account).put_metric_alarm().alarm_name("slow").alarm_actions(arn(&account, BASE, "queue"));
    let call = call.namespace("AWS/ApplicationELB").metric_name("TargetResponseTime").statistic(Statistic::Average);
    let call = call.dimensions(dimension).period(60).evaluation_periods(3).threshold(0.5);
    call.comparison_operator(ComparisonOperator::GreaterThanThreshold).send().await.unwrap();
    carry(&account).await;
    let (a, b) = (account.shop.target_group_a.clone(), account.shop.target_group_b.clone());
    account.fleets.attach(FLEET, std::slice::from_ref(&a)).await.unwrap();
    account.fleets.detach(FLEET, std::slice::from_ref(&b)).await.unwrap();
    let back = [Counterpart { of: vec![a.clone(), b], to: a.clone() }];
    let lines = account.carrier.carry(BASE, FLEET, &back, account.now()).await.unwrap();
    assert_eq!(lines, ["Adapted target-tracking policy requests", "Adapted alarm shop__7-slow"]);
    assert!(account.group(FLEET)["scalingPolicies"]["requests"].to_string().contains(end(&a)));
    let slow = alarm(&account, "shop__7-slow");
    assert_eq!(slow["settings"]["Dimensions"][0]["Value"], end(&a));
    assert_eq!(slow["settings"]["AlarmActions"], json!([arn(&account, FLEET, "queue")]));
    assert_eq!(slow["tags"]["crossfade:deployment"], DEPLOYMENT);
}

#[tokio::test(start_paused = true)]
async fn what_a_kept_fleet_has_under_another_name_stays_alone() {
    let account = equipped().await;
    let predefined =
        PredefinedMetricSpecification::builder().predefined_metric_type(MetricType::AsgAverageCpuUtilization);
    let tracking = TargetTrackingConfiguration::builder().target_value(40.0);
    let tracking = tracking.predefined_metric_specification(predefined.build()).build();
    let call = account.sdk.put_scaling_policy().auto_scaling_group_name(FLEET).policy_name("busy");
    let call = call.policy_type("TargetTrackingScaling").target_tracking_configuration(tracking);
    call.send().await.unwrap();
    let call = account.sdk.put_scheduled_update_group_action().auto_scaling_group_name(FLEET).desired_capacity(1);
    let call = call.scheduled_action_name("evening").recurrence("0 22 * * *").time_zone("Europe/Berlin");
    call.send().await.unwrap();
    let lines = carry(&account).await;
    let left: Vec<&String> = lines.iter().filter(|line| line.starts_with("Left")).collect();
    assert_eq!(
        left,
        [
            "Left target-tracking policy cpu out: busy tracks the same metric already",
            "Left scheduled action night out: another one happens at the same time",
        ]
    );
    assert_eq!(account.group(FLEET)["scalingPolicies"].as_object().unwrap().len(), 5);
    assert_eq!(account.group(FLEET)["scheduledActions"].as_object().unwrap().len(), 4);
}

/// Loses every reply (or request) of the nth change and its retries.
struct Nth {
    nth: usize,
    request: bool,
    changes: std::sync::Mutex<Vec<Request>>,
}

impl Faults for Nth {
    fn strike(&self, _nth: usize, request: &Request) -> Option<Fault> {
        let mut changes = self.changes.lock().unwrap();
        let alike = |known: &Request| known.operation == request.operation && known.form == request.form;
        if ["Describe", "List", "Get"].iter().any(|prefix| request.operation.starts_with(prefix)) {
            return None;
        }
        if !changes.last().is_some_and(alike) || changes.last().is_some_and(|known| known.json != request.json) {
            changes.push(request.clone());
        }
        let fault = if self.request { Fault::LoseRequest } else { Fault::LoseReply };
        (changes.len() == self.nth).then_some(fault)
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_after_any_call_is_made_good_by_a_repetition() {
    let account = equipped().await;
    let before = account.sim.calls().len();
    carry(&account).await;
    let changes = account.changes(before).len();
    assert!(changes >= 13, "{changes}");
    let expected = (account.group(FLEET), alarms(&account));
    for nth in 1..=changes {
        for request in [true, false] {
            let account = equipped().await;
            let faults = Nth { nth, request, changes: Default::default() };
            account.sim.set_faults(Some(std::sync::Arc::new(faults)));
            let cut = account.carrier.carry(BASE, FLEET, &counterparts(&account), account.now()).await;
            assert!(cut.is_err(), "call {nth} was lost for good");
            account.sim.set_faults(None);
            carry(&account).await;
            let mut found = account.group(FLEET);
            // The pool may have been filled a little further by now.
            assert_eq!(found["warmPool"]["settings"], expected.0["warmPool"]["settings"]);
            found["warmPool"] = expected.0["warmPool"].clone();
            assert_eq!((found, alarms(&account)), expected.clone(), "call {nth}, request {request}");
            let calls = account.sim.calls();
            assert!(calls.iter().any(|call| call.effect == Effect::Mutate && call.status == 0), "call {nth}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p72_the_alarms_of_a_fleet_go_with_it_and_nobody_elses() {
    let account = equipped().await;
    carry(&account).await;
    let call = || {
        let call = cloudwatch(&account).put_metric_alarm().namespace("Shop").metric_name("Errors").period(60);
        let call = call.statistic(Statistic::Sum).evaluation_periods(1).threshold(1.0);
        call.comparison_operator(ComparisonOperator::GreaterThanThreshold)
            .alarm_actions("arn:aws:sns:eu-west-1:123456789012:shop")
    };
    call().alarm_name("shop__7-somebodys").send().await.unwrap();
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let call = call().alarm_name("shop__7-of-another").tags(tag("crossfade:deployment", "d-1"));
    call.tags(tag("crossfade:infrastructure", INFRASTRUCTURE)).send().await.unwrap();
    let fleet = account.fleet(FLEET).await;
    for _ in 0..2 {
        account.carrier.unload(&fleet).await.unwrap();
        let left: Vec<String> = alarms(&account).into_iter().filter(|name| name.starts_with(FLEET)).collect();
        assert_eq!(left, ["shop__7-of-another", "shop__7-somebodys"]);
        assert_eq!(alarms(&account).iter().filter(|name| name.starts_with(BASE)).count(), 3, "the base keeps its own");
    }
}

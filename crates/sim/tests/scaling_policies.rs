//! Scaling policies as the real SDK client sees them, and what they do. Pitfalls by their numbers in the semantics
//! sheet.

mod world_support;

use aws_sdk_autoscaling::operation::put_scaling_policy::builders::PutScalingPolicyFluentBuilder;
use aws_sdk_autoscaling::types::{
    CustomizedMetricSpecification, MetricDimension, MetricStatistic, MetricType, PredefinedMetricSpecification,
    ScalingPolicy, StepAdjustment, TargetTrackingConfiguration,
};
use aws_sdk_cloudwatch::types::{ComparisonOperator, Dimension, MetricAlarm, StateValue, Statistic};
use crossfade_sim::world::sample::{ShopOptions, Source};
use world_support::{Account, refusal};

const GROUP: &str = "shop__6";

struct Scene {
    account: Account,
    alarms: aws_sdk_cloudwatch::Client,
}

impl Scene {
    fn new() -> Self {
        Self::of(ShopOptions::default())
    }

    fn of(options: ShopOptions) -> Self {
        let account = Account::new(options);
        let alarms = aws_sdk_cloudwatch::Client::new(&account.sim.sdk_config());
        Self { account, alarms }
    }

    /// A group that may have between one and ten instances and has four.
    async fn roomy() -> Self {
        let scene = Self::new();
        scene.account.sim.world().resize(GROUP, 1, 10, 4).unwrap();
        scene
    }

    fn put(&self, name: &str) -> PutScalingPolicyFluentBuilder {
        self.account.groups.put_scaling_policy().auto_scaling_group_name(GROUP).policy_name(name)
    }

    /// A policy that keeps the CPU at 60 %.
    fn track_cpu(&self, name: &str, scale_in: bool) -> PutScalingPolicyFluentBuilder {
        self.track(name, MetricType::AsgAverageCpuUtilization, None, 60.0, scale_in)
    }

    fn track(
        &self,
        name: &str,
        metric: MetricType,
        label: Option<String>,
        target: f64,
        scale_in: bool,
    ) -> PutScalingPolicyFluentBuilder {
        let metric = PredefinedMetricSpecification::builder().predefined_metric_type(metric).set_resource_label(label);
        let tracking = TargetTrackingConfiguration::builder()
            .predefined_metric_specification(metric.build())
            .target_value(target)
            .disable_scale_in(!scale_in)
            .build();
        self.put(name).policy_type("TargetTrackingScaling").target_tracking_configuration(tracking)
    }

    /// `app/…/targetgroup/…` of a target group.
    fn label(&self, target_group: &str) -> String {
        let balancer = self.account.shop.load_balancer.split_once(":loadbalancer/").unwrap().1;
        let target_group = target_group.rsplit(':').next().unwrap();
        format!("{balancer}/{target_group}")
    }

    async fn policies(&self, group: &str) -> Vec<ScalingPolicy> {
        let answer = self.account.groups.describe_policies().auto_scaling_group_name(group).send().await.unwrap();
        answer.scaling_policies.unwrap_or_default()
    }

    async fn all_alarms(&self) -> Vec<MetricAlarm> {
        self.alarms.describe_alarms().send().await.unwrap().metric_alarms.unwrap_or_default()
    }

    /// An alarm on the group's CPU that goes off at once.
    async fn alarm(&self, name: &str, comparison: ComparisonOperator, threshold: f64, policy: &str) {
        let dimension = Dimension::builder().name("AutoScalingGroupName").value(GROUP).build();
        let put = self.alarms.put_metric_alarm().alarm_name(name).namespace("AWS/EC2").metric_name("CPUUtilization");
        let put = put.dimensions(dimension).statistic(Statistic::Average).period(60).evaluation_periods(1);
        put.threshold(threshold).comparison_operator(comparison).alarm_actions(policy).send().await.unwrap();
    }

    fn cpu(&self, percent: f64) {
        self.account.sim.world().force_metric(GROUP, "CPUUtilization", Some(percent));
    }

    fn desired(&self) -> u32 {
        self.account.sim.world().group_view(GROUP).unwrap().desired
    }

    fn in_service(&self) -> u32 {
        self.account.sim.world().group_view(GROUP).unwrap().in_service
    }

    async fn newest_cause(&self) -> String {
        let activities = self.account.groups.describe_scaling_activities().auto_scaling_group_name(GROUP);
        activities.send().await.unwrap().activities()[0].cause().unwrap().to_owned()
    }
}

fn step(lower: Option<f64>, upper: Option<f64>, adjustment: i32) -> StepAdjustment {
    StepAdjustment::builder()
        .set_metric_interval_lower_bound(lower)
        .set_metric_interval_upper_bound(upper)
        .scaling_adjustment(adjustment)
        .build()
}

/// P25: target tracking makes its own alarms, which are there for everybody to see, and go with the policy.
#[tokio::test(start_paused = true)]
async fn p25_target_tracking_has_its_own_alarms() {
    let scene = Scene::new();
    let put = scene.track_cpu("cpu", true).send().await.unwrap();
    let arn = put.policy_arn().unwrap();
    assert!(arn.ends_with(":autoScalingGroupName/shop__6:policyName/cpu"), "{arn}");
    let alarms = scene.all_alarms().await;
    let [high, low] = &alarms[..] else { panic!("{alarms:?}") };
    assert!(high.alarm_name().unwrap().starts_with("TargetTracking-shop__6-AlarmHigh-"));
    assert!(low.alarm_name().unwrap().starts_with("TargetTracking-shop__6-AlarmLow-"));
    assert_eq!((high.threshold(), low.threshold()), (Some(60.0), Some(54.0)));
    assert_eq!((high.evaluation_periods(), low.evaluation_periods()), (Some(3), Some(15)));
    assert_eq!(high.alarm_actions(), [arn]);
    assert_eq!(high.state_value(), Some(&StateValue::InsufficientData));
    let policies = scene.policies(GROUP).await;
    let shown: Vec<_> = policies[0].alarms().iter().map(|alarm| alarm.alarm_name()).collect();
    assert_eq!(shown, [high.alarm_name(), low.alarm_name()]);
    assert_eq!(put.alarms().len(), 2);
    // Without scale-in there is nothing to look out for below the target.
    scene.track_cpu("cpu", false).send().await.unwrap();
    assert_eq!(scene.all_alarms().await.len(), 1);
    let delete = scene.account.groups.delete_policy().auto_scaling_group_name(GROUP).policy_name("cpu");
    delete.send().await.unwrap();
    assert!(scene.all_alarms().await.is_empty());
    assert!(scene.policies(GROUP).await.is_empty());
}

/// Policies of every type come back as they were given.
#[tokio::test(start_paused = true)]
async fn policies_are_shown_as_they_were_given() {
    let scene = Scene::new();
    scene.account.sim.world().add_scaling(GROUP, &scene.account.shop.target_group_a).unwrap();
    let policies = scene.policies(GROUP).await;
    let named = |name: &str| policies.iter().find(|it| it.policy_name() == Some(name)).unwrap();
    assert_eq!(policies.len(), 5);
    assert!(policies.iter().all(|it| it.enabled() == Some(true)));
    let cpu = named("cpu");
    assert_eq!((cpu.policy_type(), cpu.estimated_instance_warmup()), (Some("TargetTrackingScaling"), Some(90)));
    let tracking = cpu.target_tracking_configuration().unwrap();
    assert_eq!((tracking.target_value(), tracking.disable_scale_in()), (Some(60.0), Some(false)));
    let tracking = named("requests").target_tracking_configuration().unwrap();
    let label = scene.label(&scene.account.shop.target_group_a);
    assert_eq!(tracking.predefined_metric_specification().unwrap().resource_label(), Some(label.as_str()));
    let load = named("load");
    assert_eq!((load.policy_type(), load.adjustment_type()), (Some("StepScaling"), Some("PercentChangeInCapacity")));
    assert_eq!((load.min_adjustment_magnitude(), load.metric_aggregation_type()), (Some(2), Some("Maximum")));
    assert_eq!(load.step_adjustments()[1], step(Some(0.0), Some(12.5), 25));
    assert_eq!(load.alarms().len(), 2);
    let queue = named("queue");
    assert_eq!(
        (queue.policy_type(), queue.scaling_adjustment(), queue.cooldown()),
        (Some("SimpleScaling"), Some(1), Some(180))
    );
    let forecast = named("forecast").predictive_scaling_configuration().unwrap();
    assert_eq!(forecast.scheduling_buffer_time(), Some(300));
    assert_eq!(forecast.metric_specifications()[0].target_value(), Some(60.0));
    let of_type = scene.account.groups.describe_policies().policy_types("StepScaling").policy_types("SimpleScaling");
    let of_type = of_type.send().await.unwrap();
    let names: Vec<_> = of_type.scaling_policies().iter().map(|it| it.policy_name().unwrap()).collect();
    assert_eq!(names, ["load", "queue"]);
    let pages = scene.account.groups.describe_policies().auto_scaling_group_name(GROUP).max_records(2);
    let pages: Vec<_> = pages.into_paginator().send().try_collect().await.unwrap();
    assert_eq!(pages.iter().map(|page| page.scaling_policies().len()).collect::<Vec<_>>(), [2, 2, 1]);
    // None of it moves an ordinary shop.
    scene.account.wait(1800).await;
    assert_eq!(scene.desired(), 4);
}

/// P24: a request count's label is legal only while the group is attached to its target group.
#[tokio::test(start_paused = true)]
async fn p24_a_label_needs_its_target_group_attached() {
    let scene = Scene::new();
    let b = scene.account.shop.target_group_b.clone();
    let put = |label: Option<String>| scene.track("r", MetricType::AlbRequestCountPerTarget, label, 900.0, true).send();
    let refused = refusal(put(Some(scene.label(&b))).await);
    assert_eq!(refused, ("ValidationError".into(), "Target group not attached to the Auto Scaling group".into()));
    let attach = scene.account.groups.attach_load_balancer_target_groups().auto_scaling_group_name(GROUP);
    attach.target_group_arns(&b).send().await.unwrap();
    put(Some(scene.label(&b))).await.unwrap();
    for label in [None, Some("app/shop/1".to_owned()), Some(scene.label(&b).replace("app/shop", "app/other"))] {
        assert_eq!(refusal(put(label.clone()).await).0, "ValidationError", "{label:?}");
    }
    let cpu = scene.track("c", MetricType::AsgAverageCpuUtilization, Some(scene.label(&b)), 60.0, true).send().await;
    assert_eq!(refusal(cpu).0, "ValidationError", "a label without a target group");
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_policy_is_refused() {
    let scene = Scene::new();
    let simple = || scene.put("p").adjustment_type("ChangeInCapacity").scaling_adjustment(1);
    let stepped = || scene.put("p").policy_type("StepScaling").adjustment_type("ChangeInCapacity");
    let broken = [
        ("no adjustment", scene.put("p").adjustment_type("ChangeInCapacity")),
        ("no adjustment type", scene.put("p").scaling_adjustment(1)),
        ("an unknown type", simple().policy_type("Guess")),
        ("an unknown adjustment", simple().adjustment_type("Twice")),
        ("steps in a simple policy", simple().step_adjustments(step(None, None, 1))),
        ("no steps", stepped()),
        ("a cooldown between steps", stepped().step_adjustments(step(None, None, 1)).cooldown(1)),
        ("a gap", stepped().step_adjustments(step(Some(0.0), Some(1.0), 1)).step_adjustments(step(Some(2.0), None, 2))),
        ("an overlap", stepped().step_adjustments(step(Some(0.0), None, 1)).step_adjustments(step(Some(1.0), None, 2))),
        ("nothing to track", scene.put("p").policy_type("TargetTrackingScaling")),
        ("nothing to foresee", scene.put("p").policy_type("PredictiveScaling")),
        ("an unknown group", simple().auto_scaling_group_name("nobody")),
    ];
    for (what, put) in broken {
        assert_eq!(refusal(put.send().await).0, "ValidationError", "{what}");
    }
    assert!(scene.policies(GROUP).await.is_empty());
    scene.track_cpu("one", true).send().await.unwrap();
    let twice = refusal(scene.track_cpu("two", true).send().await).1;
    assert_eq!(twice, "Only one TargetTrackingScaling policy for a given metric specification is allowed.");
}

/// P19: an idle group is scaled in to its minimum, once fifteen minutes have shown that it is idle.
#[tokio::test(start_paused = true)]
async fn p19_an_idle_group_is_scaled_in_to_its_minimum() {
    let scene = Scene::roomy().await;
    let traffic = scene.account.shop.traffic;
    scene.account.sim.world().stop_traffic(traffic);
    scene.track_cpu("cpu", true).send().await.unwrap();
    scene.account.wait(14 * 60).await;
    assert_eq!(scene.desired(), 4);
    scene.account.wait(2 * 60).await;
    assert_eq!(scene.desired(), 1);
    scene.account.wait(5).await;
    let cause = scene.newest_cause().await;
    assert!(cause.contains("a monitor alarm TargetTracking-shop__6-AlarmLow-"), "{cause}");
    assert!(
        cause.contains(" in state ALARM triggered policy cpu changing the desired capacity from 4 to 1."),
        "{cause}"
    );
    // Held between equal bounds, it stays.
    scene.account.sim.world().resize(GROUP, 4, 4, 4).unwrap();
    scene.account.wait(1200).await;
    assert_eq!((scene.desired(), scene.in_service()), (4, 4), "P19: minimum = maximum holds it");
}

/// Target tracking scales out until the metric would be at its target, and does not add what is warming up again.
#[tokio::test(start_paused = true)]
async fn target_tracking_scales_out_once_for_one_load() {
    let scene = Scene::roomy().await;
    scene.track_cpu("cpu", true).estimated_instance_warmup(600).send().await.unwrap();
    scene.account.wait(620).await;
    scene.cpu(90.0);
    scene.account.wait(121).await;
    assert_eq!(scene.desired(), 4, "two minutes are not three");
    scene.account.wait(60).await;
    assert_eq!(scene.desired(), 6, "four at 90 % are six at 60 %");
    scene.account.wait(300).await;
    assert_eq!((scene.desired(), scene.in_service()), (6, 6), "the same load, as long as two of them warm up");
    scene.cpu(70.0);
    scene.account.wait(60).await;
    assert_eq!(scene.desired(), 6, "four at 70 % are five at 60 %, but what has been asked for stays");
    scene.cpu(90.0);
    scene.account.wait(600).await;
    assert_eq!(scene.desired(), 9, "six at 90 % are nine at 60 %");
}

/// Where instances have weights, capacity is counted in units.
#[tokio::test(start_paused = true)]
async fn target_tracking_counts_units() {
    let scene = Scene::of(ShopOptions { base: Source::Weighted, ..ShopOptions::default() });
    assert_eq!((scene.desired(), scene.in_service()), (4, 3), "one of two units, two of one");
    scene.track_cpu("cpu", true).send().await.unwrap();
    scene.account.wait(120).await;
    scene.cpu(90.0);
    scene.account.wait(181).await;
    assert_eq!(scene.desired(), 6);
}

/// The metrics are those of the requests that are really served.
#[tokio::test(start_paused = true)]
async fn metrics_come_from_the_traffic() {
    let scene = Scene::roomy().await;
    // Twelve and a half requests a second and instance, where ten are all that an instance can do.
    scene.account.sim.world().settings.instance_requests_per_second = 10.0;
    scene.track_cpu("cpu", false).send().await.unwrap();
    let label = scene.label(&scene.account.shop.target_group_a);
    scene.track("requests", MetricType::AlbRequestCountPerTarget, Some(label), 400.0, false).send().await.unwrap();
    scene.account.wait(190).await;
    // 100 % of 60 % asks for seven; 750 a minute instead of 400, for eight.
    assert_eq!(scene.desired(), 8);
    scene.account.wait(600).await;
    // Eight instances serve 375 each.
    assert_eq!(scene.desired(), 9, "6.25 of 10 requests are still above 60 %");
}

/// A policy may not scale in as long as another one that may has not seen enough.
#[tokio::test(start_paused = true)]
async fn scaling_in_takes_all_policies() {
    let scene = Scene::roomy().await;
    scene.track_cpu("cpu", true).send().await.unwrap();
    let dimension = MetricDimension::builder().name("Shard").value("1").build();
    let metric = CustomizedMetricSpecification::builder()
        .namespace("Shop")
        .metric_name("Depth")
        .dimensions(dimension)
        .statistic(MetricStatistic::Average);
    let tracking = TargetTrackingConfiguration::builder()
        .customized_metric_specification(metric.build())
        .target_value(10.0)
        .build();
    let put = scene.put("depth").policy_type("TargetTrackingScaling").target_tracking_configuration(tracking);
    put.send().await.unwrap();
    scene.cpu(1.0);
    scene.account.wait(1200).await;
    assert_eq!(scene.desired(), 4, "nobody knows the depth");
    let depth = |value| scene.account.sim.world().force_metric("1", "Depth", Some(value));
    depth(9.5);
    scene.account.wait(1200).await;
    depth(6.0);
    scene.account.wait(300).await;
    assert_eq!(scene.desired(), 4, "it has not been low for long");
    scene.account.wait(900).await;
    assert_eq!(scene.desired(), 2, "from 4 to 3, to 2, and two with a depth of 6 each stay two");
}

/// P20 for alarms: while AlarmNotification is suspended, or a policy is disabled, nothing follows from an alarm.
#[tokio::test(start_paused = true)]
async fn a_suspended_or_disabled_policy_does_nothing() {
    let scene = Scene::roomy().await;
    scene.track_cpu("cpu", true).send().await.unwrap();
    let process = "AlarmNotification";
    let groups = &scene.account.groups;
    groups.suspend_processes().auto_scaling_group_name(GROUP).scaling_processes(process).send().await.unwrap();
    scene.cpu(90.0);
    scene.account.wait(600).await;
    assert_eq!(scene.desired(), 4);
    assert_eq!(scene.all_alarms().await[0].state_value(), Some(&StateValue::Alarm));
    scene.track_cpu("cpu", true).enabled(false).send().await.unwrap();
    groups.resume_processes().auto_scaling_group_name(GROUP).scaling_processes(process).send().await.unwrap();
    scene.account.wait(600).await;
    assert_eq!(scene.desired(), 4);
    scene.track_cpu("cpu", true).send().await.unwrap();
    scene.account.wait(600).await;
    assert!(scene.desired() >= 6);
}

/// Steps by how far the metric is from the threshold, with what is warming up counted once.
#[tokio::test(start_paused = true)]
async fn steps_go_by_the_size_of_the_breach() {
    let scene = Scene::roomy().await;
    let put = scene.put("load").policy_type("StepScaling").adjustment_type("ChangeInCapacity");
    let put = put.estimated_instance_warmup(300);
    let put = put.step_adjustments(step(Some(0.0), Some(15.0), 1)).step_adjustments(step(Some(15.0), None, 3));
    let arn = put.send().await.unwrap().policy_arn.unwrap();
    scene.alarm("busy", ComparisonOperator::GreaterThanThreshold, 70.0, &arn).await;
    scene.account.wait(320).await;
    scene.cpu(80.0);
    scene.account.wait(60).await;
    assert_eq!(scene.desired(), 5);
    scene.account.wait(5).await;
    let cause = scene.newest_cause().await;
    assert!(
        cause.contains(
            "a monitor alarm busy in state ALARM triggered policy load changing the desired capacity from 4 to 5."
        ),
        "{cause}"
    );
    scene.cpu(90.0);
    scene.account.wait(60).await;
    assert_eq!(scene.desired(), 7, "three more than four, not than five");
    scene.cpu(50.0);
    scene.account.wait(1200).await;
    assert_eq!(scene.desired(), 7);
}

/// Percentages are rounded towards zero, but never to it.
#[tokio::test(start_paused = true)]
async fn percentages_are_rounded_as_aws_does() {
    let scene = Scene::roomy().await;
    let execute = |name: &str| scene.account.groups.execute_policy().auto_scaling_group_name(GROUP).policy_name(name);
    for (percent, least, expected) in [
        (25, None, 5),
        (10, None, 5),
        (70, None, 6),
        (-10, None, 3),
        (-70, None, 2),
        (25, Some(3), 7),
        (-1, Some(2), 2),
        (900, None, 10),
    ] {
        scene.account.sim.world().resize(GROUP, 1, 10, 4).unwrap();
        scene.account.wait(300).await;
        let put = scene.put("p").adjustment_type("PercentChangeInCapacity").scaling_adjustment(percent);
        put.set_min_adjustment_magnitude(least).send().await.unwrap();
        execute("p").send().await.unwrap();
        assert_eq!(scene.desired(), expected, "{percent} % of 4, at least {least:?}");
    }
}

/// A simple policy rests after it has acted, also for a human who asks it to.
#[tokio::test(start_paused = true)]
async fn a_simple_policy_cools_down() {
    let scene = Scene::roomy().await;
    let put = scene.put("more").adjustment_type("ChangeInCapacity").scaling_adjustment(1).cooldown(300);
    let arn = put.send().await.unwrap().policy_arn.unwrap();
    scene.alarm("busy", ComparisonOperator::GreaterThanThreshold, 70.0, &arn).await;
    scene.cpu(80.0);
    scene.account.wait(61).await;
    assert_eq!(scene.desired(), 5);
    scene.account.wait(240).await;
    assert_eq!(scene.desired(), 5);
    let execute = || scene.account.groups.execute_policy().auto_scaling_group_name(GROUP).policy_name("more");
    assert_eq!(refusal(execute().honor_cooldown(true).send().await).0, "ScalingActivityInProgress");
    scene.account.wait(60).await;
    assert_eq!(scene.desired(), 6);
    scene.cpu(10.0);
    scene.account.wait(60).await;
    execute().send().await.unwrap();
    assert_eq!(scene.desired(), 7);
    scene.account.wait(5).await;
    assert!(
        scene
            .newest_cause()
            .await
            .contains("a user request executed policy more changing the desired capacity from 6 to 7.")
    );
    assert_eq!(refusal(execute().metric_value(1.0).breach_threshold(0.0).send().await).0, "ValidationError");
}

/// P25: deleting a step or simple policy takes it out of its alarms, which stay.
#[tokio::test(start_paused = true)]
async fn p25_alarms_outlive_their_policy() {
    let scene = Scene::new();
    let put = scene.put("more").adjustment_type("ChangeInCapacity").scaling_adjustment(1);
    let arn = put.send().await.unwrap().policy_arn.unwrap();
    scene.alarm("busy", ComparisonOperator::GreaterThanThreshold, 70.0, &arn).await;
    let delete = scene.account.groups.delete_policy().auto_scaling_group_name(GROUP).policy_name(&arn);
    delete.send().await.unwrap();
    let alarms = scene.all_alarms().await;
    assert_eq!(alarms[0].alarm_name(), Some("busy"));
    assert!(alarms[0].alarm_actions().is_empty());
    let delete = scene.account.groups.delete_policy().auto_scaling_group_name(GROUP).policy_name("more");
    assert_eq!(refusal(delete.send().await).0, "ValidationError");
}

/// P72: with a group go its policies, its scheduled actions, and the alarms that have nothing else to do.
#[tokio::test(start_paused = true)]
async fn p72_alarms_without_actions_go_with_the_group() {
    let scene = Scene::new();
    let before = scene.account.sim.world().inventory();
    scene.account.candidate("shop__7", &scene.account.shop.new_ami, 0, Some(&scene.account.shop.target_group_b)).await;
    scene.account.sim.world().add_scaling("shop__7", &scene.account.shop.target_group_b).unwrap();
    assert_eq!(scene.policies("shop__7").await.len(), 5);
    assert_eq!(scene.all_alarms().await.len(), 6);
    let delete = || scene.account.groups.delete_auto_scaling_group().auto_scaling_group_name("shop__7");
    delete().send().await.unwrap();
    scene.account.wait(60).await;
    let left: Vec<_> = scene.all_alarms().await.iter().map(|alarm| alarm.alarm_name().unwrap().to_owned()).collect();
    assert_eq!(left, ["shop__7-cpu-high"], "it still tells a topic");
    assert_eq!(scene.all_alarms().await[0].alarm_actions().len(), 1);
    assert!(scene.account.groups.describe_policies().send().await.unwrap().scaling_policies().is_empty());
    assert!(
        scene
            .account
            .groups
            .describe_scheduled_actions()
            .send()
            .await
            .unwrap()
            .scheduled_update_group_actions()
            .is_empty()
    );
    // A group that comes after it under its name inherits nothing.
    scene.account.candidate("shop__7", &scene.account.shop.new_ami, 0, None).await;
    let actions = scene.account.groups.describe_scheduled_actions().auto_scaling_group_name("shop__7");
    assert!(actions.send().await.unwrap().scheduled_update_group_actions().is_empty());
    assert!(scene.policies("shop__7").await.is_empty());
    delete().send().await.unwrap();
    scene.account.wait(60).await;
    scene.alarms.delete_alarms().alarm_names("shop__7-cpu-high").send().await.unwrap();
    let mut after = scene.account.sim.world().inventory();
    // The candidate's launch template version is not what this is about.
    after["launchTemplates"] = before["launchTemplates"].clone();
    assert_eq!(after, before);
}

/// Two accounts with the same policies, alarms and schedules are equal, whatever ARNs these have; one that lacks a
/// single setting is not.
#[tokio::test(start_paused = true)]
async fn the_inventory_compares_what_scales() {
    let scene = Scene::new();
    let a = &scene.account.shop.target_group_a;
    scene.account.sim.world().add_scaling(GROUP, a).unwrap();
    let before = scene.account.sim.world().inventory();
    assert_eq!(before["alarms"].as_object().unwrap().len(), 6);
    let shown = scene.policies(GROUP).await;
    let requests = shown.iter().find(|it| it.policy_name() == Some("requests")).unwrap();
    let groups = &scene.account.groups;
    groups.delete_policy().auto_scaling_group_name(GROUP).policy_name("requests").send().await.unwrap();
    assert_ne!(scene.account.sim.world().inventory(), before);
    let again = scene.put("requests").policy_type("TargetTrackingScaling");
    let again = again.set_target_tracking_configuration(requests.target_tracking_configuration().cloned());
    let again = again.send().await.unwrap();
    assert_ne!(again.policy_arn(), requests.policy_arn());
    assert_eq!(scene.account.sim.world().inventory(), before);
    scene.account.wait(120).await;
    assert_eq!(scene.account.sim.world().inventory(), before, "the states of alarms do not count");
    scene.alarms.disable_alarm_actions().alarm_names("shop__6-cpu-low").send().await.unwrap();
    assert_ne!(scene.account.sim.world().inventory(), before);
}

/// Without an alarm nothing happens every minute.
#[tokio::test(start_paused = true)]
async fn an_account_without_alarms_has_no_minutes() {
    let scene = Scene::new();
    assert!(!scene.account.sim.world().is_measuring());
    scene.track_cpu("cpu", true).send().await.unwrap();
    assert!(scene.account.sim.world().is_measuring());
    let delete = scene.account.groups.delete_policy().auto_scaling_group_name(GROUP).policy_name("cpu");
    delete.send().await.unwrap();
    scene.account.wait(61).await;
    assert!(!scene.account.sim.world().is_measuring());
}

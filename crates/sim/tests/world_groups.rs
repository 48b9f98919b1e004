//! Auto Scaling as the real SDK client sees it. Pitfalls by their numbers in the semantics sheet.

mod world_support;

use aws_sdk_autoscaling::Client;
use aws_sdk_autoscaling::types::{
    AvailabilityZoneDistribution, AvailabilityZoneImpairmentPolicy, CapacityDistributionStrategy,
    CapacityReservationPreference, CapacityReservationSpecification, CapacityReservationTarget, Filter,
    InstanceMaintenancePolicy, InstancesDistribution, LaunchTemplate, LaunchTemplateOverrides,
    LaunchTemplateSpecification, LifecycleState, MixedInstancesPolicy, ScalingActivityStatusCode, Tag,
};
use crossfade_sim::world::sample::{NewImage, ShopOptions, Source};
use world_support::{Account, refusal};

/// Every setting of the copy list comes back as it was given.
#[tokio::test(start_paused = true)]
async fn a_group_echoes_every_setting() {
    let account = Account::new(ShopOptions::default());
    let specification =
        LaunchTemplateSpecification::builder().launch_template_id(&account.shop.template).version("2").build();
    let policy = MixedInstancesPolicy::builder()
        .launch_template(
            LaunchTemplate::builder()
                .launch_template_specification(specification)
                .overrides(LaunchTemplateOverrides::builder().instance_type("m5.large").weighted_capacity("2").build())
                .overrides(LaunchTemplateOverrides::builder().instance_type("m6i.large").weighted_capacity("1").build())
                .build(),
        )
        .instances_distribution(
            InstancesDistribution::builder().on_demand_base_capacity(1).spot_max_price("0.10").build(),
        )
        .build();
    let reservation = CapacityReservationSpecification::builder()
        .capacity_reservation_preference(CapacityReservationPreference::CapacityReservationsFirst)
        .capacity_reservation_target(CapacityReservationTarget::builder().capacity_reservation_ids("cr-1").build())
        .build();
    let maintenance =
        InstanceMaintenancePolicy::builder().min_healthy_percentage(90).max_healthy_percentage(120).build();
    let distribution = AvailabilityZoneDistribution::builder()
        .capacity_distribution_strategy(CapacityDistributionStrategy::BalancedOnly)
        .build();
    let impairment = AvailabilityZoneImpairmentPolicy::builder().zonal_shift_enabled(true).build();
    account
        .groups
        .create_auto_scaling_group()
        .auto_scaling_group_name("everything")
        .min_size(0)
        .max_size(3)
        .mixed_instances_policy(policy.clone())
        .default_cooldown(77)
        .vpc_zone_identifier("subnet-0aaa1111bbbb2222c,subnet-0ddd3333eeee4444f")
        .health_check_type("ELB,EBS")
        .health_check_grace_period(99)
        .placement_group("near")
        .termination_policies("NewestInstance")
        .termination_policies("Default")
        .new_instances_protected_from_scale_in(true)
        .capacity_rebalance(true)
        .service_linked_role_arn("arn:aws:iam::123456789012:role/x")
        .max_instance_lifetime(86_400)
        .desired_capacity_type("units")
        .default_instance_warmup(33)
        .instance_maintenance_policy(maintenance.clone())
        .availability_zone_distribution(distribution.clone())
        .availability_zone_impairment_policy(impairment.clone())
        .capacity_reservation_specification(reservation.clone())
        .load_balancer_names("classic")
        .context("reserved")
        .tags(Tag::builder().key("a").value("<&\">").propagate_at_launch(true).build())
        .send()
        .await
        .unwrap();
    let group = account.describe("everything").await.unwrap();
    let shown = group.mixed_instances_policy().unwrap();
    let shown_template = shown.launch_template().unwrap();
    assert_eq!(shown_template.overrides(), policy.launch_template().unwrap().overrides());
    assert_eq!(shown.instances_distribution(), policy.instances_distribution());
    // AWS shows id and name, whichever was given.
    let specification = shown_template.launch_template_specification().unwrap();
    assert_eq!(specification.launch_template_name(), Some("shop"));
    assert_eq!(specification.version(), Some("2"));
    assert_eq!(group.default_cooldown(), Some(77));
    assert_eq!(group.vpc_zone_identifier(), Some("subnet-0aaa1111bbbb2222c,subnet-0ddd3333eeee4444f"));
    assert_eq!(group.availability_zones(), ["eu-west-1a", "eu-west-1b"]);
    assert_eq!(group.health_check_type(), Some("ELB,EBS"));
    assert_eq!(group.health_check_grace_period(), Some(99));
    assert_eq!(group.placement_group(), Some("near"));
    assert_eq!(group.termination_policies(), ["NewestInstance", "Default"]);
    assert_eq!(group.new_instances_protected_from_scale_in(), Some(true));
    assert_eq!(group.capacity_rebalance(), Some(true));
    assert_eq!(group.service_linked_role_arn(), Some("arn:aws:iam::123456789012:role/x"));
    assert_eq!(group.max_instance_lifetime(), Some(86_400));
    assert_eq!(group.desired_capacity_type(), Some("units"));
    assert_eq!(group.default_instance_warmup(), Some(33));
    assert_eq!(group.instance_maintenance_policy(), Some(&maintenance));
    assert_eq!(group.availability_zone_distribution(), Some(&distribution));
    assert_eq!(group.availability_zone_impairment_policy(), Some(&impairment));
    assert_eq!(group.capacity_reservation_specification(), Some(&reservation));
    assert_eq!(group.load_balancer_names(), ["classic"]);
    assert_eq!(group.context(), Some("reserved"));
    assert_eq!(group.tags()[0].value(), Some("<&\">"));
    assert_eq!(group.tags()[0].resource_id(), Some("everything"));
    // An update replaces what it gives, keeps the rest, and one source of instances drives out the other.
    let pinned = LaunchTemplateSpecification::builder().launch_template_name("shop").version("$Latest").build();
    let update = account.groups.update_auto_scaling_group().auto_scaling_group_name("everything");
    update.launch_template(pinned).default_instance_warmup(-1).send().await.unwrap();
    let group = account.describe("everything").await.unwrap();
    assert!(group.mixed_instances_policy().is_none());
    assert_eq!(group.launch_template().unwrap().launch_template_id(), Some(account.shop.template.as_str()));
    assert_eq!(group.launch_template().unwrap().version(), Some("$Latest"), "not resolved");
    assert_eq!(group.default_instance_warmup(), None);
    assert_eq!(group.default_cooldown(), Some(77));
}

/// P4, P5: the attachment reads InService at once, the instances come into service later, and targets are healthy
/// last of all.
#[tokio::test(start_paused = true)]
async fn p5_the_attachment_is_in_service_long_before_anything_is_healthy() {
    let account = Account::new(ShopOptions::default());
    let arn = account.shop.target_group_b.clone();
    account.candidate("shop__7", &account.shop.new_ami, 2, Some(&arn)).await;
    let states = account.groups.describe_load_balancer_target_groups().auto_scaling_group_name("shop__7");
    let states = states.send().await.unwrap();
    assert_eq!(states.load_balancer_target_groups()[0].state(), Some("InService"));
    assert!(account.health(&arn).await.is_empty(), "P6: an empty list");
    account.wait(20).await;
    let group = account.describe("shop__7").await.unwrap();
    assert!(group.instances().iter().all(|it| it.lifecycle_state() == Some(&LifecycleState::InService)));
    assert_eq!(group.instances()[0].launch_template().unwrap().version(), Some("9"), "a number, always");
    let health = account.health(&arn).await;
    assert_eq!(health.len(), 2);
    assert!(health.iter().all(|(state, _)| state != "healthy"), "{health:?}");
    assert_eq!(account.sim.world().steady_since("shop__7", &arn), None);
    account.wait(60).await;
    assert_eq!(account.health(&arn).await, vec![("healthy".into(), None); 2]);
    let steady = account.sim.world().steady_since("shop__7", &arn).unwrap();
    assert!(steady < account.sim.clock.now_millis());
}

/// The states of an attachment that is made later.
#[tokio::test(start_paused = true)]
async fn attaching_and_detaching_pass_through_their_states() {
    let account = Account::new(ShopOptions::default());
    let (a, b) = (account.shop.target_group_a.clone(), account.shop.target_group_b.clone());
    let groups = &account.groups;
    let state = async || {
        let answer = groups.describe_load_balancer_target_groups().auto_scaling_group_name("shop__6").send().await;
        let states = answer.unwrap().load_balancer_target_groups.unwrap_or_default();
        let of_b = states.into_iter().find(|it| it.load_balancer_target_group_arn() == Some(b.as_str()));
        of_b.map_or_else(|| "absent".to_owned(), |it| it.state.unwrap())
    };
    let attach = groups.attach_load_balancer_target_groups().auto_scaling_group_name("shop__6");
    attach.target_group_arns(&b).send().await.unwrap();
    assert_eq!(state().await, "Adding");
    account.wait(10).await;
    assert_eq!(state().await, "InService");
    assert_eq!(account.sim.world().healthy_in(&b), 4);
    assert_eq!(account.sim.world().healthy_in(&a), 4, "the other attachment is left alone");
    let detach = groups.detach_load_balancer_target_groups().auto_scaling_group_name("shop__6");
    detach.target_group_arns(&b).send().await.unwrap();
    assert_eq!(state().await, "Removing");
    assert_eq!(account.health(&b).await[0].0, "draining");
    account.wait(31).await;
    assert_eq!(state().await, "absent");
    assert!(account.health(&b).await.is_empty());
    assert_eq!(account.describe("shop__6").await.unwrap().instances().len(), 4, "detaching leaves instances running");
    assert_eq!(account.sim.world().traffic().totals.lost, 0);
}

/// P17, P18 and the texts of the bounds.
#[tokio::test(start_paused = true)]
async fn p17_p18_sizes_have_bounds_and_move_each_other() {
    let account = Account::new(ShopOptions::default());
    let groups: &Client = &account.groups;
    let set = groups.set_desired_capacity().auto_scaling_group_name("shop__6").desired_capacity(9).send().await;
    let (code, text) = refusal(set);
    assert_eq!(code, "ValidationError");
    assert!(text.contains("New SetDesiredCapacity value 9 is above max value 8"), "{text}");
    let set = groups.set_desired_capacity().auto_scaling_group_name("shop__6").desired_capacity(3).send().await;
    assert!(refusal(set).1.contains("is below min value 4"));
    let update = || groups.update_auto_scaling_group().auto_scaling_group_name("shop__6");
    let (_, text) = refusal(update().desired_capacity(9).send().await);
    assert_eq!(text, "Desired capacity:9 must be between the specified min size:4 and max size:8");
    let (_, text) = refusal(update().min_size(9).send().await);
    assert_eq!(text, "Max bound, 8, must be greater than or equal to min bound, 9");
    update().min_size(6).send().await.unwrap();
    assert_eq!(account.describe("shop__6").await.unwrap().desired_capacity(), Some(6), "raised by min");
    update().min_size(1).max_size(2).send().await.unwrap();
    assert_eq!(account.describe("shop__6").await.unwrap().desired_capacity(), Some(2), "lowered by max");
    update().min_size(3).max_size(3).desired_capacity(3).send().await.unwrap();
    account.wait(120).await;
    let view = account.sim.world().group_view("shop__6").unwrap();
    assert_eq!((view.desired, view.in_service, view.pending, view.terminating), (3, 3, 0, 0));
}

/// P1, P2, P33: what a group that exists, that has instances and that is being deleted answers.
#[tokio::test(start_paused = true)]
async fn p2_p33_creation_and_deletion_meet_what_is_there() {
    let account = Account::new(ShopOptions::default());
    let groups = &account.groups;
    let template = LaunchTemplateSpecification::builder().launch_template_name("shop").build();
    let create = |name: &str| {
        let create = groups.create_auto_scaling_group().auto_scaling_group_name(name).min_size(0).max_size(0);
        create.launch_template(template.clone()).availability_zones("eu-west-1a")
    };
    let (code, text) = refusal(create("shop__6").send().await);
    assert_eq!(code, "AlreadyExists");
    assert!(text.contains("already exists"));
    assert!(refusal(create("a:b").send().await).1.contains("colon"));
    assert_eq!(refusal(create(&"x".repeat(256)).send().await).0, "ValidationError");
    let delete = |name: &str| groups.delete_auto_scaling_group().auto_scaling_group_name(name);
    assert_eq!(refusal(delete("shop__6").send().await).0, "ResourceInUse");
    create("short-lived").send().await.unwrap();
    assert_eq!(
        account.describe("short-lived").await.unwrap().launch_template().unwrap().version(),
        Some("$Default"),
        "what is left out is shown"
    );
    delete("short-lived").send().await.unwrap();
    let shown = account.describe("short-lived").await.unwrap();
    assert_eq!(shown.status(), Some("Delete in progress"));
    let (code, text) = refusal(create("short-lived").send().await);
    assert_eq!(code, "AlreadyExists");
    assert!(text.contains("is pending delete"), "{text}");
    let update = groups.update_auto_scaling_group().auto_scaling_group_name("short-lived").max_size(1).send().await;
    let (code, text) = refusal(update);
    assert_eq!(code, "ValidationError");
    assert!(text.contains("may not be modified while it is pending delete"), "{text}");
    account.wait(11).await;
    assert!(account.describe("short-lived").await.is_none());
    create("short-lived").send().await.unwrap();
    assert_eq!(refusal(delete("nobody").send().await).0, "ValidationError");
}

/// Scaling in drains for the whole deregistration delay (P36) and loses nothing.
#[tokio::test(start_paused = true)]
async fn p36_scaling_in_drains_first() {
    let account = Account::new(ShopOptions::default());
    let groups = &account.groups;
    let update = groups.update_auto_scaling_group().auto_scaling_group_name("shop__6");
    update.min_size(1).max_size(8).desired_capacity(1).send().await.unwrap();
    account.wait(4).await;
    let activities = || groups.describe_scaling_activities().auto_scaling_group_name("shop__6").send();
    let newest = activities().await.unwrap().activities.unwrap();
    assert_eq!(newest[0].status_code(), Some(&ScalingActivityStatusCode::WaitingForElbConnectionDraining));
    assert!(newest[0].cause().unwrap().contains("changing the desired capacity from 4 to 1"), "{newest:?}");
    assert!(newest[0].details().unwrap().contains("Availability Zone"));
    let states: Vec<String> =
        account.health(&account.shop.target_group_a).await.into_iter().map(|(state, _)| state).collect();
    assert_eq!(states.iter().filter(|state| *state == "draining").count(), 3);
    account.wait(25).await;
    assert_eq!(account.describe("shop__6").await.unwrap().instances().len(), 4, "still draining");
    account.wait(20).await;
    assert_eq!(account.describe("shop__6").await.unwrap().instances().len(), 1);
    let newest = activities().await.unwrap().activities.unwrap();
    assert_eq!(newest[0].status_code(), Some(&ScalingActivityStatusCode::Successful));
    assert!(newest[0].description().unwrap().starts_with("Terminating EC2 instance: i-0"));
    assert_eq!(account.sim.world().traffic().totals.lost, 0);
}

/// P15: a launch that fails says why, and is tried again.
#[tokio::test(start_paused = true)]
async fn p15_launch_failures_are_activities() {
    let account = Account::new(ShopOptions { new_image: NewImage::NoCapacity, ..ShopOptions::default() });
    account.candidate("shop__7", &account.shop.new_ami, 1, None).await;
    account.wait(5).await;
    let activities = || account.groups.describe_scaling_activities().auto_scaling_group_name("shop__7").send();
    let failed = activities().await.unwrap().activities.unwrap();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].status_code(), Some(&ScalingActivityStatusCode::Failed));
    assert!(failed[0].status_message().unwrap().contains("sufficient m6i.large capacity"));
    account.wait(60).await;
    assert!(activities().await.unwrap().activities.unwrap().len() >= 2, "tried again");
    // When AWS has capacity again, the group recovers by itself.
    account.sim.world().image_mut(&account.shop.new_ami).unwrap().behaviour.launch_failure = None;
    account.wait(60).await;
    assert_eq!(account.sim.world().group_view("shop__7").unwrap().in_service, 1);
}

/// P15: a group takes another size though its image is gone; what it would launch fails. With its launch template the image is
/// looked at.
#[tokio::test(start_paused = true)]
async fn p15_a_size_is_taken_though_the_image_is_gone_and_the_launch_fails() {
    let account = Account::new(ShopOptions::default());
    let group = "shop__6";
    account.sim.world().image_mut(&account.shop.running_ami).unwrap().state = "deregistered".into();
    let update = || account.groups.update_auto_scaling_group().auto_scaling_group_name(group);
    update().desired_capacity(5).send().await.unwrap();
    account.wait(5).await;
    let activities = account.groups.describe_scaling_activities().auto_scaling_group_name(group).send().await.unwrap();
    let newest = &activities.activities.unwrap()[0];
    assert_eq!(newest.status_code(), Some(&ScalingActivityStatusCode::Failed));
    assert!(newest.status_message().unwrap().contains("does not exist"), "{newest:?}");
    let described = account.describe(group).await.unwrap();
    let template = described.launch_template().unwrap();
    let same = LaunchTemplateSpecification::builder().launch_template_id(template.launch_template_id().unwrap());
    let same = same.version(template.version().unwrap()).build();
    let (code, message) = refusal(update().launch_template(same).send().await);
    assert_eq!(code, "ValidationError");
    assert!(message.contains("does not exist"), "{message}");
}

/// P14: with ELB checks and no grace, instances that boot slowly are launched and terminated for ever; with EC2
/// checks the load balancer's opinion counts for nothing.
#[tokio::test(start_paused = true)]
async fn p14_replacement_follows_the_health_check_type_and_the_grace_period() {
    let account = Account::new(ShopOptions { new_image: NewImage::Unhealthy, ..ShopOptions::default() });
    let b = account.shop.target_group_b.clone();
    account.candidate("churns", &account.shop.new_ami, 1, Some(&b)).await;
    account.candidate("stays", &account.shop.new_ami, 1, Some(&b)).await;
    let update = |name: &str, kind: &str, grace: i32| {
        let update = account.groups.update_auto_scaling_group().auto_scaling_group_name(name);
        update.health_check_type(kind).health_check_grace_period(grace).send()
    };
    update("churns", "ELB", 0).await.unwrap();
    update("stays", "EC2", 0).await.unwrap();
    account.wait(600).await;
    let launches = |name: &str| account.sim.world().group(name).unwrap().activities.len();
    assert!(launches("churns") > 8, "{}", launches("churns"));
    assert_eq!(launches("stays"), 1);
    // Suspending ReplaceUnhealthy ends the churn.
    let suspend = account.groups.suspend_processes().auto_scaling_group_name("churns");
    suspend.scaling_processes("ReplaceUnhealthy").send().await.unwrap();
    account.wait(120).await;
    let before = launches("churns");
    account.wait(600).await;
    assert_eq!(launches("churns"), before);
    let shown = account.describe("churns").await.unwrap();
    assert_eq!(shown.suspended_processes()[0].process_name(), Some("ReplaceUnhealthy"));
}

/// P23: an instance that was launched while AddToLoadBalancer was suspended is never registered.
#[tokio::test(start_paused = true)]
async fn p23_add_to_load_balancer_does_not_catch_up() {
    let account = Account::new(ShopOptions::default());
    let groups = &account.groups;
    let suspend = groups.suspend_processes().auto_scaling_group_name("shop__6");
    suspend.scaling_processes("AddToLoadBalancer").send().await.unwrap();
    let set = groups.set_desired_capacity().auto_scaling_group_name("shop__6").desired_capacity(5);
    set.send().await.unwrap();
    account.wait(60).await;
    groups.resume_processes().auto_scaling_group_name("shop__6").send().await.unwrap();
    account.wait(60).await;
    assert_eq!(account.sim.world().group_view("shop__6").unwrap().in_service, 5);
    assert_eq!(account.sim.world().registered_in(&account.shop.target_group_a), 4);
    let unknown = groups.suspend_processes().auto_scaling_group_name("shop__6").scaling_processes("Sleep");
    assert_eq!(refusal(unknown.send().await).0, "ValidationError");
}

/// Suspended Launch and Terminate are honoured, and caught up with.
#[tokio::test(start_paused = true)]
async fn suspended_launch_and_terminate_hold_until_resumed() {
    let account = Account::new(ShopOptions::default());
    let groups = &account.groups;
    groups.suspend_processes().auto_scaling_group_name("shop__6").send().await.unwrap();
    let set = |desired| groups.set_desired_capacity().auto_scaling_group_name("shop__6").desired_capacity(desired);
    set(6).send().await.unwrap();
    account.wait(60).await;
    let count = || account.sim.world().group_view("shop__6").unwrap().in_service;
    assert_eq!(count(), 4);
    let resume = groups.resume_processes().auto_scaling_group_name("shop__6");
    resume.scaling_processes("Launch").send().await.unwrap();
    account.wait(60).await;
    assert_eq!(count(), 6);
    set(4).send().await.unwrap();
    account.wait(60).await;
    assert_eq!(count(), 6);
    groups.resume_processes().auto_scaling_group_name("shop__6").send().await.unwrap();
    account.wait(60).await;
    assert_eq!(count(), 4);
}

/// P28: when all instances are protected, the desired capacity drops and the instances stay.
#[tokio::test(start_paused = true)]
async fn p28_protected_instances_stay() {
    let account = Account::new(ShopOptions::default());
    let ids = account.sim.world().instances_of("shop__6");
    let protect = account.groups.set_instance_protection().auto_scaling_group_name("shop__6");
    protect.set_instance_ids(Some(ids)).protected_from_scale_in(true).send().await.unwrap();
    let update = account.groups.update_auto_scaling_group().auto_scaling_group_name("shop__6");
    update.min_size(0).max_size(0).desired_capacity(0).send().await.unwrap();
    account.wait(120).await;
    let view = account.sim.world().group_view("shop__6").unwrap();
    assert_eq!((view.desired, view.in_service), (0, 4));
    let group = account.sim.world().group("shop__6").unwrap().clone();
    assert!(group.activities.last().unwrap().description.contains("protected from scale in"));
}

/// Filters by tag, pages, and tags that are changed and removed.
#[tokio::test(start_paused = true)]
async fn groups_are_found_by_their_tags_in_pages() {
    let account = Account::new(ShopOptions::default());
    let groups = &account.groups;
    let filter = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    let owned = filter("tag:crossfade:infrastructure", "shop/production/shop-base");
    let mut names = Vec::new();
    let mut pages = groups.describe_auto_scaling_groups().filters(owned).max_records(2).into_paginator().send();
    let mut count = 0;
    while let Some(page) = pages.next().await {
        count += 1;
        names.extend(
            page.unwrap().auto_scaling_groups.unwrap().into_iter().map(|it| it.auto_scaling_group_name.unwrap()),
        );
    }
    assert_eq!(names, ["shop__2", "shop__3", "shop__4", "shop__5", "shop__6"]);
    assert_eq!(count, 3);
    let tag = |value: &str| {
        let tag = Tag::builder().resource_id("shop__6").resource_type("auto-scaling-group");
        tag.key("crossfade:role").value(value).propagate_at_launch(false).build()
    };
    groups.create_or_update_tags().tags(tag("stable")).send().await.unwrap();
    groups.create_or_update_tags().tags(tag("candidate")).send().await.unwrap();
    let of = |filter| groups.describe_tags().filters(filter).send();
    let found = of(filter("key", "crossfade:role")).await.unwrap();
    assert_eq!(found.tags()[0].value(), Some("candidate"));
    let by_key = groups.describe_auto_scaling_groups().filters(filter("tag-key", "crossfade:role")).send().await;
    assert_eq!(by_key.unwrap().auto_scaling_groups().len(), 1);
    groups.delete_tags().tags(tag("candidate")).send().await.unwrap();
    assert!(of(filter("key", "crossfade:role")).await.unwrap().tags().is_empty());
    let reserved = Tag::builder().resource_id("shop__6").key("aws:x").value("y").build();
    assert_eq!(refusal(groups.create_or_update_tags().tags(reserved).send().await).0, "ValidationError");
}

/// Sources of instances that do not hold are refused when the group is created, in AWS's words.
#[tokio::test(start_paused = true)]
async fn bad_launch_sources_are_refused_at_creation() {
    let account = Account::new(ShopOptions::default());
    let create = || {
        let create = account.groups.create_auto_scaling_group().auto_scaling_group_name("new").min_size(0).max_size(0);
        create.availability_zones("eu-west-1a")
    };
    let template = |id: &str, version: &str| {
        LaunchTemplateSpecification::builder().launch_template_id(id).version(version).build()
    };
    let (code, text) = refusal(create().launch_template(template("lt-unknown", "1")).send().await);
    assert_eq!(code, "ValidationError");
    assert!(text.starts_with("You must use a valid fully-formed launch template."), "{text}");
    let shop = &account.shop;
    assert_eq!(refusal(create().launch_template(template(&shop.template, "99")).send().await).0, "ValidationError");
    let (_, text) = refusal(create().launch_configuration_name("none").send().await);
    assert!(text.contains("Launch configuration name not found"), "{text}");
    // P41: architecture and state of the image.
    let arm = account.version(&shop.arm_ami).to_string();
    let (_, text) = refusal(create().launch_template(template(&shop.template, &arm)).send().await);
    assert!(text.contains("does not match the architecture 'arm64'"), "{text}");
    let pending = account.version(&shop.pending_ami).to_string();
    assert!(refusal(create().launch_template(template(&shop.template, &pending)).send().await).1.contains("pending"));
    let both = LaunchTemplateSpecification::builder().launch_template_id(&shop.template).launch_template_name("shop");
    assert_eq!(refusal(create().launch_template(both.build()).send().await).0, "ValidationError");
    assert_eq!(refusal(create().send().await).0, "ValidationError");
    let elsewhere = create().launch_template(template(&shop.template, "2")).target_group_arns("arn:unknown");
    assert!(refusal(elsewhere.send().await).1.contains("Provided Target Groups may not be valid"));
}

/// Launch configurations, for bases that still have one (P42).
#[tokio::test(start_paused = true)]
async fn p42_launch_configurations_work_where_they_are_allowed() {
    let account = Account::new(ShopOptions { base: Source::LaunchConfiguration, ..ShopOptions::default() });
    let groups = &account.groups;
    let described = groups.describe_launch_configurations().launch_configuration_names("shop-lc").send().await.unwrap();
    let configuration = &described.launch_configurations()[0];
    assert_eq!(configuration.security_groups(), ["sg-0123456789abcdef0"]);
    assert_eq!(configuration.block_device_mappings()[0].ebs().unwrap().volume_size(), Some(30));
    let create = || {
        let create = groups.create_launch_configuration().launch_configuration_name("shop-lc-7");
        create.image_id(&account.shop.new_ami).instance_type("m6i.large").security_groups("sg-1")
    };
    create().send().await.unwrap();
    assert_eq!(refusal(create().send().await).0, "AlreadyExists");
    let group =
        groups.create_auto_scaling_group().auto_scaling_group_name("shop__7").launch_configuration_name("shop-lc-7");
    group.min_size(1).max_size(1).vpc_zone_identifier("subnet-1").send().await.unwrap();
    account.wait(30).await;
    let shown = account.describe("shop__7").await.unwrap();
    assert_eq!(shown.instances()[0].launch_configuration_name(), Some("shop-lc-7"));
    let delete = || groups.delete_launch_configuration().launch_configuration_name("shop-lc-7");
    assert_eq!(refusal(delete().send().await).0, "ResourceInUse");
    let gone = groups.delete_auto_scaling_group().auto_scaling_group_name("shop__7").force_delete(true);
    gone.send().await.unwrap();
    account.wait(60).await;
    assert!(account.sim.world().empty_since("shop__7").is_some());
    delete().send().await.unwrap();
    // An account made since October 2024.
    account.sim.world().settings.can_create_launch_configurations = false;
    assert_eq!(refusal(create().send().await).0, "UnsupportedOperation");
}

/// What the model does not know is refused, never ignored.
#[tokio::test(start_paused = true)]
async fn what_is_not_modelled_is_refused() {
    let account = Account::new(ShopOptions::default());
    let detach = account.groups.detach_instances().auto_scaling_group_name("shop__6");
    let detach = detach.instance_ids("i-1").should_decrement_desired_capacity(true);
    assert_eq!(refusal(detach.send().await).0, "NotImplemented");
    let set = account.groups.set_desired_capacity().auto_scaling_group_name("shop__6").desired_capacity(5);
    assert_eq!(refusal(set.honor_cooldown(true).send().await).0, "NotImplemented");
    let pool = account.groups.put_warm_pool().auto_scaling_group_name("shop__6");
    let reuse = aws_sdk_autoscaling::types::InstanceReusePolicy::builder().reuse_on_scale_in(true).build();
    assert_eq!(refusal(pool.instance_reuse_policy(reuse).send().await).0, "NotImplemented");
}

/// A dead instance is replaced once EC2 has noticed, whatever kind of checks its group uses.
#[tokio::test(start_paused = true)]
async fn a_killed_instance_is_replaced() {
    let account = Account::new(ShopOptions::default());
    let victim = account.sim.world().instances_of("shop__6")[0].clone();
    assert!(account.sim.world().kill_instance(&victim));
    assert!(!account.sim.world().kill_instance(&victim), "only once");
    account.wait(180).await;
    let world = account.sim.world();
    assert!(!world.instances_of("shop__6").contains(&victim));
    assert_eq!(world.group_view("shop__6").unwrap().in_service, 4);
    assert_eq!(world.healthy_in(&account.shop.target_group_a), 4);
    let totals = world.traffic().totals;
    assert_eq!(totals.lost, 0);
    assert!(totals.lost_by_aws > 0);
}

/// One instance can be asked to leave, with and without a replacement.
#[tokio::test(start_paused = true)]
async fn single_instances_can_be_terminated() {
    let account = Account::new(ShopOptions::default());
    let ids = account.sim.world().instances_of("shop__6");
    let terminate = |id: &str, shrink| {
        let call = account.groups.terminate_instance_in_auto_scaling_group().instance_id(id);
        call.should_decrement_desired_capacity(shrink).send()
    };
    assert!(refusal(terminate(&ids[0], true).await).1.contains("desiredSize equals minSize"));
    let activity = terminate(&ids[0], false).await.unwrap().activity.unwrap();
    assert!(activity.description().unwrap().contains(&ids[0]));
    account.wait(120).await;
    let left = account.sim.world().instances_of("shop__6");
    assert_eq!(left.len(), 4);
    assert!(!left.contains(&ids[0]));
    assert_eq!(refusal(terminate("i-unknown", false).await).0, "ValidationError");
}

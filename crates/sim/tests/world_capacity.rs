//! How groups reach the capacity that they want: from which types, at the cost of which instances, and what AWS does
//! on its own account. As the real SDK client sees it.

mod world_support;

use std::collections::BTreeMap;

use aws_sdk_autoscaling::types::{
    InstanceRequirements, LaunchTemplate, LaunchTemplateOverrides, LaunchTemplateSpecification, MixedInstancesPolicy,
};
use crossfade_sim::world::sample::{NewImage, ShopOptions, Source};
use world_support::{Account, refusal};

const FLEET: &str = "shop__6";

impl Account {
    async fn types(&self, name: &str) -> BTreeMap<String, usize> {
        let mut types = BTreeMap::new();
        for instance in self.describe(name).await.unwrap().instances() {
            *types.entry(instance.instance_type().unwrap().to_owned()).or_default() += 1;
        }
        types
    }
}

/// Launches spread over the overrides, each with the launch template that it names.
#[tokio::test(start_paused = true)]
async fn mixed_groups_launch_from_every_override() {
    let account = Account::new(ShopOptions { base: Source::MixedOverrides, ..ShopOptions::default() });
    let both = BTreeMap::from([("m5.large".to_owned(), 2), ("m6i.large".to_owned(), 2)]);
    assert_eq!(account.types(FLEET).await, both);
    let own = account.shop.override_template.clone().unwrap();
    let group = account.describe(FLEET).await.unwrap();
    for instance in group.instances() {
        let m5 = instance.instance_type() == Some("m5.large");
        let template = if m5 { &own } else { &account.shop.template };
        assert_eq!(instance.launch_template().unwrap().launch_template_id(), Some(template.as_str()));
        assert_eq!(instance.weighted_capacity(), None);
    }
    // Id and name are shown for the override's template, too, whichever was given.
    let policy = group.mixed_instances_policy().unwrap().launch_template().unwrap();
    let specification = policy.overrides()[1].launch_template_specification().unwrap();
    assert_eq!(specification.launch_template_name(), Some("shop-m5"));
    account.resize(FLEET, 6, 8, 6).await;
    account.wait(60).await;
    assert_eq!(account.types(FLEET).await, BTreeMap::from([("m5.large".to_owned(), 3), ("m6i.large".to_owned(), 3)]));
    account.wait(60).await;
    assert!(account.sim.world().steady_since(FLEET, &account.shop.target_group_a).is_some());
}

/// With weights the desired capacity counts units.
#[tokio::test(start_paused = true)]
async fn weighted_groups_count_units() {
    let account = Account::new(ShopOptions { base: Source::Weighted, ..ShopOptions::default() });
    let group = account.describe(FLEET).await.unwrap();
    let weights: Vec<&str> = group.instances().iter().map(|it| it.weighted_capacity().unwrap()).collect();
    assert_eq!(weights, ["2", "1", "1"], "four units, of which as few as possible too much");
    let before = account.sim.world().inventory();
    account.wait(300).await;
    assert_eq!(account.sim.world().inventory(), before, "that is steady");
    assert!(account.sim.world().steady_since(FLEET, &account.shop.target_group_a).is_some());
    // Terminating an instance wants as many units less as it had.
    account.resize(FLEET, 2, 8, 4).await;
    let heavy = group.instances()[0].instance_id().unwrap();
    let terminate = account.groups.terminate_instance_in_auto_scaling_group().instance_id(heavy);
    terminate.should_decrement_desired_capacity(true).send().await.unwrap();
    account.wait(90).await;
    let group = account.describe(FLEET).await.unwrap();
    assert_eq!((group.desired_capacity(), group.instances().len()), (Some(2), 2));
}

/// With heavy instances a group may have more units than it wants, as long as no instance could leave.
#[tokio::test(start_paused = true)]
async fn weighted_groups_may_exceed_what_they_want() {
    let account = Account::new(ShopOptions::default());
    let heavy = LaunchTemplateOverrides::builder().instance_type("m6i.large").weighted_capacity("3").build();
    let specification = LaunchTemplateSpecification::builder().launch_template_name("shop").version("8").build();
    let template = LaunchTemplate::builder().launch_template_specification(specification).overrides(heavy).build();
    let create = account.groups.create_auto_scaling_group().auto_scaling_group_name("heavy").min_size(0).max_size(9);
    let create = create.desired_capacity(4).vpc_zone_identifier("subnet-1,subnet-2");
    let b = &account.shop.target_group_b;
    let create = create.mixed_instances_policy(MixedInstancesPolicy::builder().launch_template(template).build());
    create.target_group_arns(b).send().await.unwrap();
    account.wait(90).await;
    assert_eq!(account.states("heavy").await, ["InService"; 2], "six units for four");
    assert!(account.sim.world().steady_since("heavy", b).is_some());
    let set = async |desired| {
        let set = account.groups.set_desired_capacity().auto_scaling_group_name("heavy").desired_capacity(desired);
        set.send().await.unwrap();
        account.wait(90).await;
        account.states("heavy").await.len()
    };
    assert_eq!(set(3).await, 1);
    assert_eq!(set(1).await, 1, "three units for one");
    assert!(account.sim.world().steady_since("heavy", b).is_some());
    assert_eq!(set(0).await, 0);
}

/// All overrides have a weight, or none; and AWS takes the id or the name of a template.
#[tokio::test(start_paused = true)]
async fn overrides_are_checked() {
    let account = Account::new(ShopOptions::default());
    let try_out = async |overrides: Vec<LaunchTemplateOverrides>| {
        let specification = LaunchTemplateSpecification::builder().launch_template_name("shop").build();
        let template = LaunchTemplate::builder().launch_template_specification(specification);
        let policy =
            MixedInstancesPolicy::builder().launch_template(template.set_overrides(Some(overrides)).build()).build();
        let update = account.groups.update_auto_scaling_group().auto_scaling_group_name(FLEET);
        refusal(update.mixed_instances_policy(policy).send().await)
    };
    let kind = |kind: &str| LaunchTemplateOverrides::builder().instance_type(kind);
    let weighted = kind("m6i.large").weighted_capacity("2").build();
    assert_eq!(try_out(vec![weighted, kind("m5.large").build()]).await.0, "ValidationError");
    assert_eq!(try_out(vec![kind("m5.large").weighted_capacity("1000").build()]).await.0, "ValidationError");
    // Every override must be something that can be launched (P41).
    let (_, text) = try_out(vec![kind("m6i.large").build(), kind("m7g.large").build()]).await;
    assert!(text.contains("does not match the architecture"), "{text}");
    let both = LaunchTemplateSpecification::builder().launch_template_name("shop").launch_template_id("lt-1").build();
    assert_eq!(try_out(vec![kind("m5.large").launch_template_specification(both).build()]).await.0, "ValidationError");
    let requirements = InstanceRequirements::builder().allowed_instance_types("m*").build();
    let by_attributes = LaunchTemplateOverrides::builder().instance_requirements(requirements).build();
    assert_eq!(try_out(vec![by_attributes]).await.0, "NotImplemented");
}

/// The zone with most instances first, then the policies in their order.
#[tokio::test(start_paused = true)]
async fn termination_policies_decide_who_leaves() {
    // Two generations of instances in one zone, the older ones of the newer template version.
    let survivor = async |policies: &[&str]| {
        let account = Account::new(ShopOptions::default());
        let specification = |version: u64| {
            let id = &account.shop.template;
            LaunchTemplateSpecification::builder().launch_template_id(id).version(version.to_string()).build()
        };
        let create =
            account.groups.create_auto_scaling_group().auto_scaling_group_name("aging").min_size(0).max_size(4);
        let create = create.launch_template(specification(8)).desired_capacity(1).vpc_zone_identifier("subnet-1");
        let policies = policies.iter().map(|policy| (*policy).to_owned()).collect();
        create.set_termination_policies(Some(policies)).send().await.unwrap();
        account.wait(3000).await;
        let old = account.sim.world().instances_of("aging")[0].clone();
        let update = account.groups.update_auto_scaling_group().auto_scaling_group_name("aging").desired_capacity(2);
        update.launch_template(specification(4)).send().await.unwrap();
        account.wait(120).await;
        account.resize("aging", 0, 4, 1).await;
        account.wait(60).await;
        let left = account.sim.world().instances_of("aging");
        assert_eq!(left.len(), 1);
        if left[0] == old { "old" } else { "young" }
    };
    assert_eq!(survivor(&["OldestInstance"]).await, "young");
    assert_eq!(survivor(&["NewestInstance"]).await, "old");
    assert_eq!(survivor(&["OldestLaunchTemplate"]).await, "old", "its template version is the newer one");
    assert_eq!(survivor(&["Default"]).await, "old");
    assert_eq!(survivor(&["ClosestToNextInstanceHour"]).await, "young", "the old one is nearly an hour old");
    assert_eq!(survivor(&["OldestLaunchConfiguration", "NewestInstance"]).await, "old");
}

/// Balance comes before any policy, and protection before balance (P28).
#[tokio::test(start_paused = true)]
async fn p28_the_fullest_zone_loses_first_unless_it_is_protected() {
    let account = Account::new(ShopOptions::default());
    let instances = account.describe(FLEET).await.unwrap().instances.unwrap();
    // Four instances in three zones: the first and the last are in one.
    let zone = |index: usize| instances[index].availability_zone().unwrap().to_owned();
    assert_eq!(zone(0), zone(3));
    let id = |index: usize| instances[index].instance_id().unwrap().to_owned();
    let protect = account.groups.set_instance_protection().auto_scaling_group_name(FLEET).instance_ids(id(0));
    protect.protected_from_scale_in(true).send().await.unwrap();
    account.resize(FLEET, 0, 8, 3).await;
    account.wait(60).await;
    let left = account.sim.world().instances_of(FLEET);
    assert_eq!(left, [id(0), id(1), id(2)], "the unprotected one of the fullest zone");
    account.resize(FLEET, 0, 8, 0).await;
    account.wait(60).await;
    assert_eq!(account.sim.world().instances_of(FLEET), [id(0)]);
    assert_eq!(account.describe(FLEET).await.unwrap().desired_capacity(), Some(0));
    let newest = &account.activities(FLEET).await[0];
    assert!(newest.status_message().is_some_and(|it| it.contains("protected from scale in")), "{newest:?}");
}

/// P30: while AWS balances zones, a group has more instances than it may have.
#[tokio::test(start_paused = true)]
async fn p30_balancing_exceeds_the_greatest_size_for_a_while() {
    let account = Account::new(ShopOptions::default());
    account.resize(FLEET, 4, 4, 4).await;
    let before = account.sim.world().instances_of(FLEET);
    assert!(account.sim.world().rebalance_zones(FLEET));
    assert!(!account.sim.world().rebalance_zones(FLEET), "once at a time");
    account.wait(5).await;
    assert_eq!(account.states(FLEET).await.len(), 5);
    account.wait(30).await;
    let activities = account.activities(FLEET).await;
    assert!(activities[0].cause().unwrap().contains("to balance instances in zones"), "{:?}", activities[0]);
    account.wait(60).await;
    let after = account.sim.world().instances_of(FLEET);
    assert_eq!(after.len(), 4);
    assert_eq!(after.iter().filter(|id| !before.contains(id)).count(), 1);
    assert_eq!(account.describe(FLEET).await.unwrap().desired_capacity(), Some(4));
    let suspend = account.groups.suspend_processes().auto_scaling_group_name(FLEET).scaling_processes("AZRebalance");
    suspend.send().await.unwrap();
    assert!(!account.sim.world().rebalance_zones(FLEET));
}

/// P22: after a day of failed launches AWS stops trying, in words that are not those of a user's suspension.
#[tokio::test(start_paused = true)]
async fn p22_failed_launches_are_suspended_by_aws() {
    let account = Account::new(ShopOptions { new_image: NewImage::NoCapacity, ..ShopOptions::default() });
    account.candidate("hopeless", &account.shop.new_ami, 1, None).await;
    account.wait(23 * 3600).await;
    assert!(account.describe("hopeless").await.unwrap().suspended_processes().is_empty());
    account.wait(2 * 3600).await;
    let group = account.describe("hopeless").await.unwrap();
    let suspended = &group.suspended_processes()[0];
    assert_eq!(suspended.process_name(), Some("Launch"));
    assert!(suspended.suspension_reason().unwrap().starts_with("Administrative"), "{suspended:?}");
    let attempts = account.sim.world().group("hopeless").unwrap().activities.len();
    account.wait(3600).await;
    assert_eq!(account.sim.world().group("hopeless").unwrap().activities.len(), attempts);
    // Whoever has repaired the cause resumes the process.
    account.sim.world().image_mut(&account.shop.new_ami).unwrap().behaviour.launch_failure = None;
    account.groups.resume_processes().auto_scaling_group_name("hopeless").send().await.unwrap();
    account.wait(60).await;
    assert_eq!(account.sim.world().group_view("hopeless").unwrap().in_service, 1);
    assert!(account.sim.world().suspend_administratively("hopeless", &["Terminate"]));
    let group = account.describe("hopeless").await.unwrap();
    assert_eq!(group.suspended_processes()[0].process_name(), Some("Terminate"));
}

/// Notifications and collected metrics come back as they were set.
#[tokio::test(start_paused = true)]
async fn notifications_and_metrics_are_kept() {
    let account = Account::new(ShopOptions { equipped: true, ..ShopOptions::default() });
    let groups = &account.groups;
    let topic = "arn:aws:sns:eu-west-1:123456789012:shop-operations";
    let kinds = async || {
        let answer =
            groups.describe_notification_configurations().auto_scaling_group_names(FLEET).send().await.unwrap();
        let kind = |it: aws_sdk_autoscaling::types::NotificationConfiguration| it.notification_type.unwrap();
        answer.notification_configurations.unwrap_or_default().into_iter().map(kind).collect::<Vec<_>>()
    };
    assert_eq!(kinds().await.len(), 2);
    let put = |kind: &str| {
        let put = groups.put_notification_configuration().auto_scaling_group_name(FLEET).topic_arn(topic);
        put.notification_types(kind).send()
    };
    put("autoscaling:TEST_NOTIFICATION").await.unwrap();
    assert_eq!(kinds().await, ["autoscaling:TEST_NOTIFICATION"], "a topic's types are replaced");
    assert_eq!(refusal(put("autoscaling:GOSSIP").await).0, "ValidationError");
    let delete = || groups.delete_notification_configuration().auto_scaling_group_name(FLEET).topic_arn(topic).send();
    delete().await.unwrap();
    assert!(kinds().await.is_empty());
    assert_eq!(refusal(delete().await).0, "ValidationError");

    let metrics = async || account.describe(FLEET).await.unwrap().enabled_metrics().len();
    assert_eq!(metrics().await, 2);
    let enable = || groups.enable_metrics_collection().auto_scaling_group_name(FLEET);
    assert_eq!(refusal(enable().granularity("5Minute").send().await).0, "ValidationError");
    assert_eq!(refusal(enable().granularity("1Minute").metrics("Mood").send().await).0, "ValidationError");
    enable().granularity("1Minute").send().await.unwrap();
    assert_eq!(metrics().await, 20, "all there is");
    let disable = || groups.disable_metrics_collection().auto_scaling_group_name(FLEET);
    disable().metrics("GroupMinSize").send().await.unwrap();
    assert_eq!(metrics().await, 19);
    disable().send().await.unwrap();
    assert_eq!(metrics().await, 0);
}

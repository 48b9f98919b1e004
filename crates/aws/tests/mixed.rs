//! Launch sources through the adapters: mixed-instances policies, and which versions may go. Pitfalls by their numbers in
//! the semantics sheet.

mod support;

use aws_sdk_autoscaling::types::{
    LaunchTemplate, LaunchTemplateOverrides, LaunchTemplateSpecification, MixedInstancesPolicy,
};
use crossfade_core::Kind;
use crossfade_core::kinds::Blueprint;
use crossfade_core::kinds::asg::{LaunchSource, TemplateVersion};
use crossfade_sim::Fault;
use crossfade_sim::world::sample::{NEW_AMI, ShopOptions, Source};
use serde_json::Value;
use support::{Account, BASE, DEPLOYMENT, FLEET, INFRASTRUCTURE, candidate, refuse};

fn account(base: Source) -> Account {
    Account::new(ShopOptions { base, ..ShopOptions::default() })
}

/// The versions of a template: their numbers and descriptions.
fn versions(account: &Account, template: &str) -> Vec<(u64, String)> {
    let versions = account.sim.world().inventory()["launchTemplates"][template]["versions"].clone();
    let version = |(number, version): (&String, &Value)| {
        (number.parse().unwrap(), version["description"].as_str().unwrap_or_default().to_owned())
    };
    versions.as_object().unwrap().iter().map(version).collect()
}

/// The versions of a template that say they are of a deployment.
fn made_for(account: &Account, template: &str, deployment: &str) -> Vec<u64> {
    let of = format!("crossfade {deployment} ");
    versions(account, template)
        .into_iter()
        .filter(|(_, text)| text.starts_with(&of))
        .map(|(number, _)| number)
        .collect()
}

/// How many versions a template has.
fn count(account: &Account, template: &str) -> usize {
    versions(account, template).len()
}

fn reference(template: &str, version: &str) -> LaunchTemplateSpecification {
    LaunchTemplateSpecification::builder().launch_template_id(template).version(version).build()
}

/// Gives the base another policy: its own template's version, then instance types with templates of their own.
async fn set_policy(account: &Account, version: &str, overrides: &[(&str, Option<(&str, &str)>)]) {
    let overrides = overrides.iter().map(|(instance_type, own)| {
        let it = LaunchTemplateOverrides::builder().instance_type(*instance_type);
        it.set_launch_template_specification(own.map(|(id, version)| reference(id, version))).build()
    });
    let template = LaunchTemplate::builder()
        .launch_template_specification(reference(&account.shop.template, version))
        .set_overrides(Some(overrides.collect()))
        .build();
    let policy = MixedInstancesPolicy::builder().launch_template(template).build();
    let call = account.sdk.update_auto_scaling_group().auto_scaling_group_name(BASE);
    call.mixed_instances_policy(policy).send().await.unwrap();
}

fn pin(id: &str, version: u64) -> TemplateVersion {
    TemplateVersion { id: id.into(), version }
}

#[tokio::test(start_paused = true)]
async fn p38_every_reference_of_a_policy_is_pinned() {
    let account = account(Source::MixedOverrides);
    let (template, own) = (account.shop.template.clone(), account.shop.override_template.clone().unwrap());
    let overrides = [
        ("m6i.large", None),
        ("m5.large", Some((own.as_str(), "$Latest"))),
        ("c6i.large", Some((own.as_str(), "1"))),
        ("r6i.large", Some((own.as_str(), "$Latest"))),
    ];
    account.sim.world().add_instance_type("c6i.large", &["x86_64"]);
    account.sim.world().add_instance_type("r6i.large", &["x86_64"]);
    set_policy(&account, "$Default", &overrides).await;
    let latest = count(&account, &own) as u64;
    let (source, machine) = account.sources.of_base(BASE).await.unwrap();
    let overrides = vec![pin(&own, latest), pin(&own, 1)];
    assert_eq!(source, LaunchSource::Mixed { template: pin(&template, 2), overrides });
    assert_eq!(machine.instance_types, ["m6i.large", "m5.large", "c6i.large", "r6i.large"]);
    assert_eq!(machine.devices, ["/dev/xvda"]);

    let made = account.sources.derive(&source, FLEET, NEW_AMI, DEPLOYMENT, INFRASTRUCTURE, None).await.unwrap();
    account.fleets.create(&candidate(&source, &made, &account.stage())).await.unwrap();
    assert_eq!(
        account.fleet(FLEET).await.blueprint,
        Some(Blueprint::AutoScalingGroup(made.clone())),
        "read back as it was made"
    );
    let LaunchSource::Mixed { template: new, overrides: news } = made else { panic!("{made:?}") };
    let policy = account.group(FLEET)["settings"]["MixedInstancesPolicy"].clone();
    let own_of = |n: usize| policy["LaunchTemplate"]["Overrides"][n]["LaunchTemplateSpecification"]["Version"].clone();
    assert_eq!(policy["LaunchTemplate"]["LaunchTemplateSpecification"]["Version"], new.version.to_string().as_str());
    assert_eq!(own_of(0), Value::Null, "no template of its own");
    assert_eq!(own_of(1), news[0].version.to_string().as_str());
    assert_eq!(own_of(2), news[1].version.to_string().as_str());
    assert_eq!(own_of(3), own_of(1));
}

#[tokio::test(start_paused = true)]
async fn p39_each_template_of_a_policy_gets_one_version_however_often_it_is_asked_for() {
    let account = account(Source::MixedOverrides);
    let (template, own) = (account.shop.template.clone(), account.shop.override_template.clone().unwrap());
    account.faults(vec![("CreateLaunchTemplateVersion", Fault::LoseReply)]);
    let (_, made) = account.derive().await;
    assert_eq!(account.derive().await.1, made);
    assert_eq!(made_for(&account, &template, DEPLOYMENT).len(), 1);
    assert_eq!(made_for(&account, &own, DEPLOYMENT).len(), 1);

    account.create().await.unwrap();
    let policy = |name| account.group(name)["settings"]["MixedInstancesPolicy"]["InstancesDistribution"].clone();
    assert_eq!(policy(FLEET), policy(BASE));
    account.fill(FLEET, 4).await;
    let running = account.group(FLEET)["inService"].as_object().unwrap().clone();
    assert!(!running.is_empty() && running.keys().all(|source| source.ends_with(NEW_AMI)), "{running:?}");
}

#[tokio::test(start_paused = true)]
async fn units_of_capacity_are_read_from_the_instances() {
    let account = account(Source::Weighted);
    let fleet = account.fleet("shop__6").await;
    assert!(fleet.members.iter().any(|member| member.weight == 2), "{:?}", fleet.members);
    assert!(fleet.capacity() >= fleet.size.desired && fleet.serving().count() < 4);
    account.create().await.unwrap();
    account.fill(FLEET, 4).await;
    let fleet = account.fleet(FLEET).await;
    assert!(fleet.capacity() >= 4 && fleet.serving().count() < 4, "{:?}", fleet.members);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_changed_since_is_not_copied() {
    let account = account(Source::MixedOverrides);
    let own = account.shop.override_template.clone().unwrap();
    let (base, made) = account.derive().await;
    for overrides in [
        vec![("m6i.large", None), ("m5.large", Some((own.as_str(), "1")))],
        vec![("m6i.large", None)],
        vec![("m6i.large", Some((own.as_str(), "2"))), ("m5.large", Some((account.shop.template.as_str(), "2")))],
    ] {
        set_policy(&account, "2", &overrides).await;
        let failure = account.fleets.create(&candidate(&base, &made, &account.stage())).await.unwrap_err();
        assert_eq!(failure.kind, Kind::Drifted, "{overrides:?}");
    }
    assert_eq!(account.fleets.get(FLEET).await.unwrap(), None);
    set_policy(&account, "2", &[("m5.large", Some((own.as_str(), "2")))]).await;
    account.fleets.create(&candidate(&base, &made, &account.stage())).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_deleted_that_another_group_launches_from() {
    let account = account(Source::MixedOverrides);
    let (template, own) = (account.shop.template.clone(), account.shop.override_template.clone().unwrap());
    let (base, made) = account.derive().await;
    account.create().await.unwrap();
    let LaunchSource::Mixed { template: new, .. } = &made else { panic!("{made:?}") };
    // Somebody gives the candidate's version to a group of theirs.
    let call = account.sdk.update_auto_scaling_group().auto_scaling_group_name(&account.shop.foreign_group);
    let reference = reference(&template, &new.version.to_string());
    call.launch_template(reference).send().await.unwrap();

    let fleet = account.fleet(FLEET).await;
    account.fleets.delete(FLEET, false).await.unwrap();
    assert!(account.sources.remove_own(&[&fleet]).await.is_empty());
    assert_eq!(made_for(&account, &template, DEPLOYMENT), [new.version], "still used");
    assert_eq!(made_for(&account, &own, DEPLOYMENT), Vec::<u64>::new());
    assert_eq!(count(&account, &own), 8, "and nothing else of it");

    let call = account.sdk.delete_auto_scaling_group().auto_scaling_group_name(&account.shop.foreign_group);
    call.force_delete(true).send().await.unwrap();
    account.wait(600).await;
    account.sources.remove_derived(&base, FLEET, NEW_AMI, DEPLOYMENT).await.unwrap();
    assert_eq!(made_for(&account, &template, DEPLOYMENT), Vec::<u64>::new());
    assert_eq!(count(&account, &template), 8);
}

#[tokio::test(start_paused = true)]
async fn a_launch_configuration_that_another_group_launches_from_stays() {
    let account = account(Source::LaunchConfiguration);
    account.create().await.unwrap();
    let call = account.sdk.update_auto_scaling_group().auto_scaling_group_name(&account.shop.foreign_group);
    call.launch_configuration_name(FLEET).send().await.unwrap();
    let fleet = account.fleet(FLEET).await;
    account.fleets.delete(FLEET, false).await.unwrap();
    account.wait(60).await;
    assert!(account.sources.remove_own(&[&fleet]).await.is_empty());
    assert!(account.sim.world().inventory()["launchConfigurations"].get(FLEET).is_some());
    let call = account.sdk.delete_auto_scaling_group().auto_scaling_group_name(&account.shop.foreign_group);
    call.force_delete(true).send().await.unwrap();
    account.wait(600).await;
    assert!(account.sources.remove_own(&[&fleet]).await.is_empty());
    assert!(account.sim.world().inventory()["launchConfigurations"].get(FLEET).is_none());
}

#[tokio::test(start_paused = true)]
async fn p40_a_full_template_loses_what_its_own_deployments_left_behind() {
    let account = account(Source::Pinned);
    let template = account.shop.template.clone();
    let (base, _) = account.sources.of_base(BASE).await.unwrap();
    let derive = |deployment: &'static str, infrastructure: &'static str| {
        account.sources.derive(&base, FLEET, NEW_AMI, deployment, infrastructure, None)
    };
    derive("lost-1", INFRASTRUCTURE).await.unwrap();
    derive("lost-2", INFRASTRUCTURE).await.unwrap();
    derive("of-others", "shop/staging/shop-base").await.unwrap();
    let kept = derive("kept", INFRASTRUCTURE).await.unwrap();
    account.fleets.create(&candidate(&base, &kept, &account.stage())).await.unwrap();
    let full = count(&account, &template);
    account.sim.world().settings.max_template_versions = full;

    derive(DEPLOYMENT, INFRASTRUCTURE).await.unwrap();
    for (deployment, left) in [("lost-1", 0), ("lost-2", 0), ("of-others", 1), ("kept", 1), (DEPLOYMENT, 1)] {
        assert_eq!(made_for(&account, &template, deployment).len(), left, "{deployment}");
    }
    account.sim.world().settings.max_template_versions = full - 1;
    let failure = derive("one-too-many", INFRASTRUCTURE).await.map(|_| ());
    assert!(failure.is_ok(), "what {DEPLOYMENT} made is used by no group: {failure:?}");
    let failure = derive("two-too-many", "shop/test/shop-base").await.unwrap_err();
    assert_eq!(failure.kind, Kind::QuotaExceeded, "nothing of its own to prune: {failure}");
}

#[tokio::test(start_paused = true)]
async fn p40_throttling_is_no_reason_to_delete_anything() {
    let account = account(Source::Pinned);
    account
        .sources
        .derive(&account.sources.of_base(BASE).await.unwrap().0, FLEET, NEW_AMI, "lost", INFRASTRUCTURE, None)
        .await
        .unwrap();
    let throttled = || ("CreateLaunchTemplateVersion", refuse(503, "RequestLimitExceeded"));
    account.faults((0..200).map(|_| throttled()).collect());
    let (base, _) = account.sources.of_base(BASE).await.unwrap();
    let failure = account.sources.derive(&base, FLEET, NEW_AMI, DEPLOYMENT, INFRASTRUCTURE, None).await.unwrap_err();
    assert_eq!(failure.kind, Kind::Throttled);
    assert_eq!(made_for(&account, &account.shop.template, "lost").len(), 1);
}

//! Auto Scaling groups through the adapters, on the effect in the simulated account. Pitfalls by their numbers in the
//! semantics sheet.

mod support;

use aws_sdk_autoscaling::primitives::DateTime;
use aws_sdk_autoscaling::types::{DeletionProtection, TrafficSourceIdentifier};
use crossfade_aws::Deletion;
use crossfade_core::Kind;
use crossfade_core::capacity::Size;
use crossfade_core::kinds::asg::WarmPool;
use crossfade_core::observed::{Because, Happened};
use crossfade_sim::Fault;
use crossfade_sim::world::sample::{NO_CAPACITY, ShopOptions};
use crossfade_sim::world::{GroupSpec, HookAnswer, TargetGroupSpec};
use serde_json::{Value, json};
use support::{Account, BASE, DEPLOYMENT, FLEET, INFRASTRUCTURE, candidate, refuse};

fn size(n: u32) -> Size {
    Size { min: n, desired: n, max: n }
}

#[tokio::test(start_paused = true)]
async fn a_candidate_is_its_base_at_size_0() {
    let account = Account::new(ShopOptions { equipped: true, protected: true, ..ShopOptions::default() });
    account.create().await.unwrap();
    let (base, made) = (account.group(BASE), account.group(FLEET));
    assert_eq!(made["hooks"], base["hooks"]);
    assert_eq!(made["hooks"].as_object().unwrap().len(), 2);
    let without_source = |group: &Value| {
        let mut settings = group["settings"].as_object().unwrap().clone();
        settings.remove("LaunchTemplate");
        settings
    };
    assert_eq!(without_source(&made), without_source(&base));
    let fleet = account.fleet(FLEET).await;
    assert_eq!((fleet.size, fleet.target_groups.clone()), (size(0), account.stage()));
    assert_eq!(fleet.infrastructure.as_deref(), Some(INFRASTRUCTURE));
    assert_eq!((fleet.revision, fleet.deployment.as_deref()), (Some(7), Some(DEPLOYMENT)));
    assert_eq!(made["tags"]["team"], base["tags"]["team"], "the base's own tags come along");
    assert_eq!(account.carrier.baggage(BASE, FLEET).await.unwrap().0.hooks, ["save-logs", "warm-up"]);

    account.sim.world().answer_hooks(FLEET, HookAnswer::Never);
    account.fleets.resize(FLEET, size(1)).await.unwrap();
    account.wait(120).await;
    assert_eq!(account.fleet(FLEET).await.members[0].said, "Pending:Wait", "P16: the hook holds from the start");
}

#[tokio::test(start_paused = true)]
async fn p1_p3_a_group_that_exists_already_is_adopted_when_it_is_ours() {
    let account = Account::new(ShopOptions::default());
    account.faults(vec![("CreateAutoScalingGroup", Fault::LoseReply)]);
    account.create().await.unwrap();
    assert_eq!(account.calls(0, "CreateAutoScalingGroup"), 2, "P1: the lost one, and its retry, which finds it");
    account.faults(vec![("CreateAutoScalingGroup", refuse(400, "LimitExceeded"))]);
    account.create().await.unwrap();

    account.sim.world().set_tag(FLEET, "crossfade:deployment", Some("another")).unwrap();
    let failure = account.create().await.unwrap_err();
    assert_eq!(failure.kind, Kind::Drifted);
    assert!(failure.message.contains("another"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn p3_a_limit_without_a_group_is_a_limit() {
    let account = Account::new(ShopOptions::default());
    account.faults(vec![("CreateAutoScalingGroup", refuse(400, "LimitExceeded"))]);
    let failure = account.create().await.unwrap_err();
    assert_eq!(failure.kind, Kind::QuotaExceeded);
    assert!(failure.message.contains("autoscaling:CreateAutoScalingGroup on shop__7"), "{failure}");
}

#[tokio::test(start_paused = true)]
async fn p2_a_name_that_is_still_being_deleted_is_waited_for() {
    let account = Account::new(ShopOptions::default());
    account.create().await.unwrap();
    account.fill(FLEET, 2).await;
    assert_eq!(account.fleets.delete(FLEET, true).await.unwrap(), Deletion::UnderWay);
    assert_eq!(account.create().await.unwrap_err().kind, Kind::ServiceUnavailable);
    account.wait(600).await;
    account.create().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn p34_deletion_protection_stays_with_the_base() {
    let account = Account::new(ShopOptions::default());
    let protect = account.sdk.update_auto_scaling_group().auto_scaling_group_name(BASE);
    let protect = protect.deletion_protection(DeletionProtection::PreventAllDeletion).context("reserved");
    protect.send().await.unwrap();
    account.create().await.unwrap();
    let made = account.describe(FLEET).await;
    assert_eq!((made.deletion_protection, made.context), (None, None));
    assert_eq!(account.fleets.delete(FLEET, false).await.unwrap(), Deletion::UnderWay);
}

#[tokio::test(start_paused = true)]
async fn p17_p18_all_three_sizes_are_set_in_one_call() {
    let account = Account::new(ShopOptions::default());
    account.create().await.unwrap();
    let before = account.sim.calls().len();
    account.fleets.resize(FLEET, Size { min: 1, desired: 3, max: 5 }).await.unwrap();
    assert_eq!(account.changes(before), ["UpdateAutoScalingGroup"]);
    assert_eq!(account.fleet(FLEET).await.size, Size { min: 1, desired: 3, max: 5 });
    account.fleets.resize(FLEET, Size { min: 6, desired: 6, max: 8 }).await.unwrap();
    assert_eq!(account.fleet(FLEET).await.size, Size { min: 6, desired: 6, max: 8 });
}

#[tokio::test(start_paused = true)]
async fn named_fleets_come_in_one_call_and_none_in_none() {
    let account = Account::new(ShopOptions::default());
    let before = account.sim.calls().len();
    assert_eq!(account.fleets.named(&[]).await.unwrap(), vec![], "without names AWS would show every group");
    assert_eq!(account.sim.calls().len(), before);
    let mut names: Vec<String> = (0..40).map(|n| format!("nobody-{n}")).collect();
    for n in 0..60 {
        let name = format!("somebody-{n}");
        let template = json!({ "LaunchTemplateId": account.shop.template, "Version": "2" });
        let settings = json!({ "LaunchTemplate": template, "AvailabilityZones": ["eu-west-1a"] });
        account.sim.world().add_group(GroupSpec { name: name.clone(), settings, ..GroupSpec::default() }).unwrap();
        names.push(name);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let found = account.fleets.named(&names).await.unwrap();
    assert!(found.len() == 60 && found.iter().all(|fleet| fleet.name.starts_with("somebody-")), "{found:?}");
    assert_eq!(account.sim.calls().len(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn p22_what_aws_suspends_by_itself_is_nobodys_setting() {
    let account = Account::new(ShopOptions::default());
    account.fleets.suspend("shop__6", &["ScheduledActions", "AZRebalance"]).await.unwrap();
    account.sim.world().suspend_administratively("shop__6", &["Launch", "AZRebalance"]);
    assert_eq!(account.describe("shop__6").await.suspended_processes.unwrap().len(), 3);
    assert_eq!(account.own("shop__6").await.suspended, ["AZRebalance", "ScheduledActions"]);
    account.fleets.resume("shop__6", &["AZRebalance"]).await.unwrap();
    assert_eq!(account.own("shop__6").await.suspended, ["ScheduledActions"]);
    account.fleets.suspend("shop__6", &[]).await.unwrap();
    account.fleets.resume("shop__6", &[]).await.unwrap();
    assert_eq!(account.own("shop__6").await.suspended, ["ScheduledActions"], "no process is not all of them");
}

#[tokio::test(start_paused = true)]
async fn p28_protection_is_seen_and_taken_away_from_so_many_as_there_are() {
    let account = Account::new(ShopOptions { protected: true, instances: 60, ..ShopOptions::default() });
    let fleet = account.fleet("shop__6").await;
    assert!(fleet.members.len() == 60 && fleet.members.iter().all(|member| member.protected));
    let mut ids: Vec<String> = fleet.members.iter().map(|member| member.id.clone()).collect();
    ids.push("i-that-left-long-ago".into());
    let before = account.sim.calls().len();
    account.fleets.protect("shop__6", &ids, false).await.unwrap();
    assert_eq!(account.changes(before), ["SetInstanceProtection", "SetInstanceProtection"], "50 and 10");
    assert!(account.fleet("shop__6").await.members.iter().all(|member| !member.protected));
    account.fleets.resize("shop__6", size(0)).await.unwrap();
    account.wait(600).await;
    assert_eq!(account.fleet("shop__6").await.members, vec![]);
    account.fleets.protect("nobody", &ids, false).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn p35_a_target_group_is_detached_by_the_way_it_was_attached() {
    let account = Account::new(ShopOptions::default());
    account.create().await.unwrap();
    let (a, b) = (account.shop.target_group_a.clone(), account.shop.target_group_b.clone());
    let source = TrafficSourceIdentifier::builder().identifier(&a).r#type("elbv2").build();
    let attach = account.sdk.attach_traffic_sources().auto_scaling_group_name(FLEET).traffic_sources(source);
    attach.send().await.unwrap();
    let both = vec![a.clone(), b.clone()];
    let mut attached = account.fleet(FLEET).await.target_groups;
    attached.sort();
    assert_eq!(attached, both, "each once, though AWS shows them in two lists");

    let before = account.sim.calls().len();
    account.fleets.attach(FLEET, &both).await.unwrap();
    assert_eq!(account.changes(before), Vec::<String>::new(), "attached already");
    account.fleets.detach(FLEET, &both).await.unwrap();
    assert_eq!(account.changes(before), ["DetachLoadBalancerTargetGroups", "DetachTrafficSources"]);
    assert_eq!(account.fleet(FLEET).await.target_groups, Vec::<String>::new());
    account.fleets.detach(FLEET, &both).await.unwrap();
    assert_eq!(account.changes(before).len(), 2, "gone already");
    account.fleets.attach(FLEET, &both).await.unwrap();
    assert_eq!(account.fleet(FLEET).await.target_groups.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn attaching_moves_instances_in_and_out_of_many_target_groups() {
    let account = Account::new(ShopOptions { instances: 2, ..ShopOptions::default() });
    let more = (0..11).map(|n| account.sim.world().add_target_group(TargetGroupSpec::new(&format!("more-{n}"))));
    let more: Vec<String> = more.collect();
    let before = account.sim.calls().len();
    account.fleets.attach("shop__6", &more).await.unwrap();
    account.wait(60).await;
    assert!(more.iter().all(|arn| account.sim.world().registered_in(arn) == 2));
    account.fleets.detach("shop__6", &more).await.unwrap();
    assert_eq!(account.changes(before).len(), 4, "ten and one, twice");
    account.wait(60).await;
    assert!(more.iter().all(|arn| account.sim.world().registered_in(arn) == 0));
    assert_eq!(account.sim.world().registered_in(&account.shop.target_group_a), 2, "the others stay");
}

#[tokio::test(start_paused = true)]
async fn p32_an_instance_refresh_that_is_not_over_is_seen() {
    let account = Account::new(ShopOptions::default());
    assert_eq!(account.fleets.active_refresh("shop__6").await.unwrap(), None);
    let started = account.sdk.start_instance_refresh().auto_scaling_group_name("shop__6").send().await.unwrap();
    let id = started.instance_refresh_id.unwrap();
    let seen = account.fleets.active_refresh("shop__6").await.unwrap().unwrap();
    assert!(seen.starts_with(&format!("{id} (")) && seen.ends_with(')'), "{seen}");
    account.sdk.cancel_instance_refresh().auto_scaling_group_name("shop__6").send().await.unwrap();
    account.wait(3600).await;
    assert_eq!(account.fleets.active_refresh("shop__6").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn a_warm_pool_is_set_read_and_emptied_before_it_goes() {
    let account = Account::new(ShopOptions::default());
    account.create().await.unwrap();
    assert_eq!(account.fleets.delete_warm_pool(FLEET).await.unwrap(), Deletion::Gone);
    let pool = WarmPool { min_size: 2, max_prepared: Some(5), state: "Running".into(), reuse: false };
    account.fleets.set_warm_pool(FLEET, &pool).await.unwrap();
    assert_eq!(account.own(FLEET).await.warm_pool, Some(pool.clone()));
    account.wait(300).await;
    assert_eq!(account.sim.world().group_view(FLEET).unwrap().warmed, 5);
    let unbounded = WarmPool { max_prepared: None, state: "Stopped".into(), ..pool };
    account.fleets.set_warm_pool(FLEET, &unbounded).await.unwrap();
    assert_eq!(account.own(FLEET).await.warm_pool, Some(unbounded), "the bound is taken away again");
    account.wait(300).await;
    assert_eq!(account.sim.world().group_view(FLEET).unwrap().warmed, 2);
    assert_eq!(account.fleet(FLEET).await.serving().count(), 0, "P29: warm instances are none of the fleet's capacity");

    assert_eq!(account.fleets.delete(FLEET, false).await.unwrap(), Deletion::NotYet);
    account.wait(300).await;
    assert_eq!(account.sim.world().group_view(FLEET).unwrap().warmed, 0);
    assert_eq!(account.fleets.delete(FLEET, false).await.unwrap(), Deletion::UnderWay);
    account.wait(60).await;
    assert_eq!(account.fleets.delete(FLEET, false).await.unwrap(), Deletion::Gone);
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_a_role_does_not_allow_on_what_is_gone_has_been_done() {
    let account = Account::new(ShopOptions::default());
    account.create().await.unwrap();
    let denied = || ("DeleteAutoScalingGroup", refuse(403, "AccessDenied"));
    account.faults(vec![denied()]);
    let failure = account.fleets.delete(FLEET, false).await.unwrap_err();
    assert_eq!(failure.kind, Kind::AccessDenied, "it is there, so the role does not allow it: {failure}");
    account.faults(vec![("DeleteAutoScalingGroup", Fault::LoseReply), denied()]);
    assert_eq!(account.fleets.delete(FLEET, false).await.unwrap(), Deletion::UnderWay);
}

#[tokio::test(start_paused = true)]
async fn p33_without_force_nothing_with_instances_is_deleted() {
    for warm_pool in [false, true] {
        let account = Account::new(ShopOptions { warm_pool, ..ShopOptions::default() });
        assert_eq!(account.fleets.delete("shop__6", false).await.unwrap(), Deletion::NotYet);
        let view = account.sim.world().group_view("shop__6").unwrap();
        assert_eq!((view.deleting, view.in_service), (false, 4));
    }
    let account = Account::new(ShopOptions { warm_pool: true, ..ShopOptions::default() });
    assert_eq!(account.fleets.delete("shop__6", true).await.unwrap(), Deletion::UnderWay);
    assert_eq!(account.fleets.delete("shop__6", true).await.unwrap(), Deletion::UnderWay);
    account.wait(600).await;
    assert_eq!(account.fleets.delete("shop__6", true).await.unwrap(), Deletion::Gone);
}

#[tokio::test(start_paused = true)]
async fn p15_incidents_are_told_from_the_stage_on_newest_first() {
    let account = Account::new(ShopOptions::default());
    account.create().await.unwrap();
    let first = account.now();
    account.fill(FLEET, 60).await;
    let second = account.now();
    account.fill(FLEET, 0).await;
    let all = account.fleets.incidents(FLEET, first).await.unwrap();
    assert_eq!(all.len(), 120, "more than one page");
    assert!(all.is_sorted_by_key(|incident| std::cmp::Reverse(incident.at_millis)));
    let since = account.fleets.incidents(FLEET, second).await.unwrap();
    assert_eq!(since.len(), 60);
    assert!(since.iter().all(|it| it.what == Happened::End && it.because == Because::Other && !it.failed));
    let said = &since[0].said;
    assert!(said.contains("(Successful, eu-west-1"), "{said}");
    assert!(all.iter().any(|it| it.what == Happened::Launch && it.said.starts_with("Launching")));

    account.sim.world().image_mut(&account.shop.new_ami).unwrap().behaviour.launch_failure = Some(NO_CAPACITY.into());
    let third = account.now();
    account.fill(FLEET, 1).await;
    let failed = account.fleets.incidents(FLEET, third).await.unwrap();
    assert!(!failed.is_empty() && failed.iter().all(|it| it.failed && it.reason.is_some()), "{failed:?}");
    assert!(account.fleets.incidents(FLEET, second).await.unwrap().iter().any(|it| !it.failed));
}

#[tokio::test(start_paused = true)]
async fn p20_an_incident_tells_that_a_scheduled_action_led_to_it() {
    let account = Account::new(ShopOptions::default());
    let start = account.now();
    let soon = DateTime::from_millis(i64::try_from(start).unwrap() + 60_000);
    let action = account.sdk.put_scheduled_update_group_action().auto_scaling_group_name("shop__6").start_time(soon);
    action.scheduled_action_name("peak").min_size(6).max_size(8).send().await.unwrap();
    account.wait(400).await;
    let incidents = account.fleets.incidents("shop__6", start).await.unwrap();
    assert_eq!(incidents.iter().filter(|it| it.because == Because::Schedule).count(), 3, "{incidents:?}");
    account.fleets.resize("shop__6", size(7)).await.unwrap();
    account.wait(5).await;
    let newest = &account.fleets.incidents("shop__6", start).await.unwrap()[0];
    assert!(newest.because != Because::Schedule && !newest.said.contains("(Successful"), "{newest:?}");
}

#[tokio::test(start_paused = true)]
async fn a_missing_permission_is_named() {
    let account = Account::new(ShopOptions::default());
    account.create().await.unwrap();
    account.faults(vec![("DescribeLifecycleHooks", refuse(403, "AccessDenied"))]);
    let (base, made) = account.derive().await;
    let failure = account.fleets.create(&candidate(&base, &made, &[])).await.unwrap_err();
    assert_eq!(failure.kind, Kind::AccessDenied);
    assert!(failure.message.contains("Allow autoscaling:DescribeLifecycleHooks"), "{failure}");
}

//! Lifecycle hooks as the real SDK client sees them.

mod world_support;

use aws_sdk_autoscaling::types::{LifecycleHookSpecification, LifecycleState, ScalingActivityStatusCode};
use crossfade_sim::world::HookAnswer;
use crossfade_sim::world::sample::ShopOptions;
use world_support::{Account, refusal};

const FLEET: &str = "shop__6";

fn equipped() -> Account {
    Account::new(ShopOptions { equipped: true, ..ShopOptions::default() })
}

/// An instance waits on its way in, in no target group, and on its way out, when it has drained.
#[tokio::test(start_paused = true)]
async fn hooks_hold_instances_on_both_ways() {
    let account = equipped();
    let target_group = account.shop.target_group_a.clone();
    account.resize(FLEET, 1, 8, 5).await;
    account.wait(17).await;
    assert_eq!(account.states(FLEET).await[4], "Pending:Wait");
    let newest = account.activities(FLEET).await;
    assert_eq!(newest[0].status_code(), Some(&ScalingActivityStatusCode::MidLifecycleAction));
    let view = account.sim.world().group_view(FLEET).unwrap();
    assert_eq!((view.in_service, view.pending, view.held), (4, 1, 1));
    assert_eq!(account.sim.world().registered_in(&target_group), 4, "not before it is in service");
    account.wait(20).await;
    assert_eq!(account.states(FLEET).await, ["InService"; 5]);
    assert_eq!(account.sim.world().registered_in(&target_group), 5);
    assert_eq!(account.activities(FLEET).await[0].status_code(), Some(&ScalingActivityStatusCode::Successful));

    account.resize(FLEET, 1, 8, 4).await;
    account.wait(10).await;
    let state = async || {
        let states = account.states(FLEET).await;
        states.into_iter().find(|state| state != "InService").unwrap_or_default()
    };
    assert_eq!(state().await, "Terminating", "it drains first");
    account.wait(25).await;
    assert_eq!(state().await, "Terminating:Wait");
    assert_eq!(account.health(&target_group).await.len(), 4, "drained before hooks hold it");
    account.wait(18).await;
    assert_eq!(state().await, "Terminating:Proceed");
    account.wait(15).await;
    assert_eq!(account.states(FLEET).await, ["InService"; 4]);
    assert_eq!(account.sim.world().traffic().totals.lost, 0);
}

/// P16: nobody answers; the hook's default decides, and an abandoned launch is tried again.
#[tokio::test(start_paused = true)]
async fn p16_a_hook_that_nobody_answers_abandons_the_launch() {
    let account = equipped();
    account.sim.world().answer_hooks(FLEET, HookAnswer::Never);
    account.resize(FLEET, 1, 8, 5).await;
    account.wait(290).await;
    assert_eq!(account.states(FLEET).await[4], "Pending:Wait");
    let first = account.sim.world().instances_of(FLEET)[4].clone();
    account.wait(60).await;
    let activities = account.activities(FLEET).await;
    let failed = activities.iter().find(|it| it.description().unwrap().contains(&first) && it.progress() == Some(100));
    let failed = failed.unwrap();
    assert_eq!(failed.status_code(), Some(&ScalingActivityStatusCode::Cancelled));
    let message = failed.status_message().unwrap();
    assert!(message.starts_with("Instance failed to complete user's Lifecycle Action: "), "{message}");
    assert!(message.ends_with("was abandoned: Heartbeat Timeout"), "{message}");
    // The terminating hook continues by default, after its 120 s.
    account.wait(120).await;
    let members = account.sim.world().instances_of(FLEET);
    assert!(!members.contains(&first));
    assert_eq!(members.len(), 5, "tried again");
    // From now on the application answers.
    account.sim.world().answer_hooks(FLEET, HookAnswer::After(5));
    account.wait(400).await;
    assert_eq!(account.states(FLEET).await, ["InService"; 5]);
}

/// The application gives up; other hooks do not matter any more.
#[tokio::test(start_paused = true)]
async fn p16_an_abandoned_launch_says_so() {
    let account = equipped();
    let hook = account.groups.put_lifecycle_hook().auto_scaling_group_name(FLEET).lifecycle_hook_name("also");
    hook.lifecycle_transition("autoscaling:EC2_INSTANCE_LAUNCHING").send().await.unwrap();
    account.sim.world().answer_hooks(FLEET, HookAnswer::Abandon(3));
    account.resize(FLEET, 1, 8, 5).await;
    account.wait(60).await;
    let activities = account.activities(FLEET).await;
    let abandoned: Vec<&str> = activities.iter().filter_map(|activity| activity.status_message()).collect();
    assert!(abandoned.len() > 1, "{abandoned:?}");
    assert!(abandoned[0].ends_with("was abandoned: Lifecycle Action Completed with ABANDON Result"));
    assert_eq!(account.sim.world().group_view(FLEET).unwrap().in_service, 4);
}

/// Several hooks hold one instance; all of them must let it go.
#[tokio::test(start_paused = true)]
async fn actions_are_completed_and_kept_open_by_name() {
    let account = equipped();
    account.sim.world().answer_hooks(FLEET, HookAnswer::Never);
    let groups = &account.groups;
    let put = groups.put_lifecycle_hook().auto_scaling_group_name(FLEET).lifecycle_hook_name("second");
    put.lifecycle_transition("autoscaling:EC2_INSTANCE_LAUNCHING").send().await.unwrap();
    // With a lower minimum its target tracking would scale it in.
    account.resize(FLEET, 5, 8, 5).await;
    account.wait(20).await;
    let id = account.sim.world().instances_of(FLEET)[4].clone();
    let complete = |hook: &str, id: &str| {
        let complete = groups.complete_lifecycle_action().auto_scaling_group_name(FLEET).lifecycle_hook_name(hook);
        complete.instance_id(id).lifecycle_action_result("CONTINUE").send()
    };
    complete("second", &id).await.unwrap();
    assert_eq!(account.states(FLEET).await[4], "Pending:Wait", "the other one still holds it");
    let (code, text) = refusal(complete("second", &id).await);
    assert_eq!(code, "ValidationError");
    assert_eq!(text, format!("No active Lifecycle Action found with instance ID {id}"));
    // Its 300 s begin again, twice.
    for _ in 0..2 {
        account.wait(280).await;
        let beat = groups.record_lifecycle_action_heartbeat().auto_scaling_group_name(FLEET);
        beat.lifecycle_hook_name("warm-up").instance_id(&id).send().await.unwrap();
    }
    account.wait(280).await;
    assert_eq!(account.states(FLEET).await[4], "Pending:Wait");
    complete("warm-up", &id).await.unwrap();
    account.wait(2).await;
    assert_eq!(account.states(FLEET).await[4], "InService");
    account.wait(400).await;
    assert_eq!(account.states(FLEET).await, ["InService"; 5], "the timeouts of finished actions do nothing");
}

/// On the way out, abandoning ends what other hooks wait for; and whoever still prepared an instance that leaves
/// need not go on.
#[tokio::test(start_paused = true)]
async fn abandoning_ends_every_action() {
    let account = equipped();
    account.sim.world().answer_hooks(FLEET, HookAnswer::Never);
    let groups = &account.groups;
    let put = groups.put_lifecycle_hook().auto_scaling_group_name(FLEET).lifecycle_hook_name("second");
    put.lifecycle_transition("autoscaling:EC2_INSTANCE_TERMINATING").send().await.unwrap();
    account.resize(FLEET, 1, 8, 5).await;
    account.wait(20).await;
    let id = account.sim.world().instances_of(FLEET)[4].clone();
    let complete = |hook: &str, result: &str| {
        let complete = groups.complete_lifecycle_action().auto_scaling_group_name(FLEET).lifecycle_hook_name(hook);
        complete.instance_id(&id).lifecycle_action_result(result).send()
    };
    let terminate = groups.terminate_instance_in_auto_scaling_group().instance_id(&id);
    terminate.should_decrement_desired_capacity(true).send().await.unwrap();
    assert!(refusal(complete("warm-up", "CONTINUE").await).1.contains("No active Lifecycle Action"));
    account.wait(1).await;
    assert_eq!(account.states(FLEET).await[4], "Terminating:Wait", "never registered, so it drains from nothing");
    complete("second", "ABANDON").await.unwrap();
    assert_eq!(account.states(FLEET).await[4], "Terminating:Proceed");
    assert!(refusal(complete("save-logs", "CONTINUE").await).1.contains("No active Lifecycle Action"));
}

#[tokio::test(start_paused = true)]
async fn hooks_are_created_changed_and_deleted() {
    let account = equipped();
    let groups = &account.groups;
    let describe = async || {
        let answer = groups.describe_lifecycle_hooks().auto_scaling_group_name(FLEET).send().await.unwrap();
        answer.lifecycle_hooks.unwrap_or_default()
    };
    let put = || groups.put_lifecycle_hook().auto_scaling_group_name(FLEET).lifecycle_hook_name("save-logs");
    // What is given changes, the rest stays.
    put().heartbeat_timeout(600).send().await.unwrap();
    let hooks = describe().await;
    assert_eq!(hooks.len(), 2);
    assert_eq!(hooks[0].heartbeat_timeout(), Some(600));
    assert_eq!(hooks[0].global_timeout(), Some(60_000));
    assert_eq!(hooks[0].default_result(), Some("CONTINUE"));
    assert_eq!(hooks[0].role_arn(), Some("arn:aws:iam::123456789012:role/shop-hooks"));
    assert_eq!(hooks[1].notification_metadata(), Some("fill the caches"));
    assert_eq!(refusal(put().heartbeat_timeout(29).send().await).0, "ValidationError");
    assert_eq!(refusal(put().default_result("SHRUG").send().await).0, "ValidationError");
    let unknown = groups.put_lifecycle_hook().auto_scaling_group_name(FLEET).lifecycle_hook_name("new");
    assert_eq!(refusal(unknown.send().await).0, "ValidationError", "a new hook needs a transition");
    // Deleting a hook abandons the launches that it holds.
    account.sim.world().answer_hooks(FLEET, HookAnswer::Never);
    account.resize(FLEET, 1, 8, 5).await;
    account.wait(20).await;
    let id = account.sim.world().instances_of(FLEET)[4].clone();
    let delete = || groups.delete_lifecycle_hook().auto_scaling_group_name(FLEET).lifecycle_hook_name("warm-up");
    delete().send().await.unwrap();
    assert!(account.states(FLEET).await[4].starts_with("Terminating"));
    assert_eq!(refusal(delete().send().await).0, "ValidationError");
    account.wait(700).await;
    let members = account.sim.world().instances_of(FLEET);
    assert!(!members.contains(&id));
    assert_eq!(account.states(FLEET).await, ["InService"; 5], "nothing holds the next one");
    // Hooks can come with their group, with AWS's defaults; a bad one and no group comes.
    let hook = LifecycleHookSpecification::builder()
        .lifecycle_hook_name("first")
        .lifecycle_transition("autoscaling:EC2_INSTANCE_LAUNCHING");
    let template = aws_sdk_autoscaling::types::LaunchTemplateSpecification::builder().launch_template_name("shop");
    let create = groups.create_auto_scaling_group().auto_scaling_group_name("held").min_size(1).max_size(1);
    let create = create.vpc_zone_identifier("subnet-1").launch_template(template.build());
    let bad = create.clone().lifecycle_hook_specification_list(hook.clone().lifecycle_hook_name("a b").build());
    assert_eq!(refusal(bad.send().await).0, "ValidationError");
    assert!(account.describe("held").await.is_none());
    create.lifecycle_hook_specification_list(hook.build()).send().await.unwrap();
    account.sim.world().answer_hooks("held", HookAnswer::Never);
    account.wait(20).await;
    assert_eq!(account.states("held").await, ["Pending:Wait"]);
    let answer = groups.describe_lifecycle_hooks().auto_scaling_group_name("held").send().await.unwrap();
    assert_eq!(answer.lifecycle_hooks()[0].heartbeat_timeout(), Some(3600));
    assert_eq!(answer.lifecycle_hooks()[0].default_result(), Some("ABANDON"));
    // What leaves is held by nothing any more.
    account.resize("held", 0, 1, 0).await;
    account.wait(2).await;
    let view = account.sim.world().group_view("held").unwrap();
    assert_eq!((view.terminating, view.held), (1, 0));
}

/// An instance that dies while it is held is replaced, even where no load balancer would notice.
#[tokio::test(start_paused = true)]
async fn an_instance_that_dies_while_it_is_held_is_replaced() {
    let account = equipped();
    account.candidate("alone", &account.shop.new_ami, 1, None).await;
    let put = account.groups.put_lifecycle_hook().auto_scaling_group_name("alone").lifecycle_hook_name("wait");
    put.lifecycle_transition("autoscaling:EC2_INSTANCE_LAUNCHING").send().await.unwrap();
    account.sim.world().answer_hooks("alone", HookAnswer::After(120));
    account.wait(20).await;
    assert_eq!(account.states("alone").await, ["Pending:Wait"]);
    let victim = account.sim.world().instances_of("alone")[0].clone();
    assert!(account.sim.world().kill_instance(&victim));
    account.wait(600).await;
    assert!(!account.sim.world().instances_of("alone").contains(&victim));
    assert_eq!(account.states("alone").await, ["InService"]);
}

/// P33: a held instance keeps its group from being deleted, and force asks no hook.
#[tokio::test(start_paused = true)]
async fn p33_force_does_not_wait_for_hooks() {
    let account = equipped();
    account.sim.world().answer_hooks(FLEET, HookAnswer::Never);
    account.resize(FLEET, 0, 0, 0).await;
    account.wait(60).await;
    assert_eq!(account.states(FLEET).await, ["Terminating:Wait"; 4]);
    let delete = || account.groups.delete_auto_scaling_group().auto_scaling_group_name(FLEET);
    assert_eq!(refusal(delete().send().await).0, "ResourceInUse");
    delete().force_delete(true).send().await.unwrap();
    account.wait(40).await;
    assert!(account.describe(FLEET).await.is_none());
    let instance = account.groups.describe_auto_scaling_instances().send().await.unwrap();
    let held = |state: Option<&str>| state == Some(LifecycleState::TerminatingWait.as_str());
    assert!(!instance.auto_scaling_instances().iter().any(|it| held(it.lifecycle_state())));
}

/// A hook or a notification whose topic, queue or role is gone is refused, with the group when it comes with one.
#[tokio::test(start_paused = true)]
async fn targets_that_are_gone_are_refused() {
    let account = equipped();
    let (topic, role) =
        ("arn:aws:sns:eu-west-1:123456789012:shop-operations", "arn:aws:iam::123456789012:role/shop-hooks");
    let put = |target: &str, role: &str| {
        let put = account.groups.put_lifecycle_hook().auto_scaling_group_name(FLEET).lifecycle_hook_name("told");
        let put = put.lifecycle_transition("autoscaling:EC2_INSTANCE_TERMINATING");
        put.notification_target_arn(target).role_arn(role).send()
    };
    let notify = || {
        let put = account.groups.put_notification_configuration().auto_scaling_group_name(FLEET).topic_arn(topic);
        put.notification_types("autoscaling:EC2_INSTANCE_LAUNCH").send()
    };
    put(topic, role).await.unwrap();
    notify().await.unwrap();
    account.sim.world().remove_target(role);
    let (code, message) = refusal(put(topic, role).await);
    assert_eq!(code, "ValidationError");
    assert!(message.contains("Unable to publish test message to notification target"), "{message}");
    put(topic, "arn:aws:iam::123456789012:role/other").await.unwrap();
    notify().await.unwrap();
    account.sim.world().remove_target(topic);
    assert_eq!(refusal(put(topic, "arn:aws:iam::123456789012:role/other").await).0, "ValidationError");
    assert_eq!(refusal(notify().await).0, "ValidationError");
    let hook = LifecycleHookSpecification::builder().lifecycle_hook_name("told");
    let hook = hook.lifecycle_transition("autoscaling:EC2_INSTANCE_TERMINATING").notification_target_arn(topic).build();
    let create = account.groups.create_auto_scaling_group().auto_scaling_group_name("told").min_size(0).max_size(0);
    let template = aws_sdk_autoscaling::types::LaunchTemplateSpecification::builder().launch_template_name("shop");
    let create = create.launch_template(template.build()).availability_zones("eu-west-1a");
    assert_eq!(refusal(create.lifecycle_hook_specification_list(hook).send().await).0, "ValidationError");
    assert!(account.sim.world().group("told").is_none());
}

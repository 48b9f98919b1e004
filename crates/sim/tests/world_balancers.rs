//! Load balancing as the real SDK client sees it. Pitfalls by their numbers in the semantics sheet.

mod world_support;

use aws_sdk_elasticloadbalancingv2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_elasticloadbalancingv2::types::{
    Action, ActionTypeEnum, AuthenticateOidcActionConfig, ForwardActionConfig, Rule, TargetDescription,
    TargetGroupAttribute, TargetGroupStickinessConfig, TargetGroupTuple,
};
use crossfade_sim::world::TargetGroupSpec;
use crossfade_sim::world::sample::{NewImage, ShopOptions};
use world_support::Account;

/// Code and text of a refusal.
fn refusal<T, E: ProvideErrorMetadata, R>(outcome: Result<T, SdkError<E, R>>) -> (String, String) {
    let Err(error) = outcome else { panic!("was not refused") };
    (error.code().unwrap_or_default().to_owned(), error.message().unwrap_or_default().to_owned())
}

fn forward(weights: &[(&str, i32)]) -> Action {
    let group = |&(arn, weight): &(&str, i32)| TargetGroupTuple::builder().target_group_arn(arn).weight(weight).build();
    let config = ForwardActionConfig::builder().set_target_groups(Some(weights.iter().map(group).collect())).build();
    Action::builder().r#type(ActionTypeEnum::Forward).forward_config(config).build()
}

async fn rule(account: &Account) -> Rule {
    let arn = account.shop.rule.clone().unwrap();
    let answer = account.balancers.describe_rules().rule_arns(arn).send().await.unwrap();
    answer.rules.unwrap().remove(0)
}

/// A shift changes the weights, and everything else on the rule stays.
#[tokio::test(start_paused = true)]
async fn p44_a_shift_keeps_conditions_login_and_stickiness() {
    let account = Account::new(ShopOptions { login: true, sticky_seconds: Some(600), ..ShopOptions::default() });
    let before = rule(&account).await;
    assert_eq!(before.actions().len(), 2);
    let oidc = before.actions()[0].authenticate_oidc_config().unwrap();
    assert_eq!(oidc.client_secret(), None, "never shown");
    assert_eq!(oidc.session_timeout(), Some(604_800));
    let sticky = before.actions()[1].forward_config().unwrap().target_group_stickiness_config().unwrap();
    assert_eq!((sticky.enabled(), sticky.duration_seconds()), (Some(true), Some(600)));
    let inventory = account.sim.world().inventory();

    // As described, but with other weights: refused without the flag that keeps the secret.
    let arn = account.shop.rule.clone().unwrap();
    let modify =
        |actions: Vec<Action>| account.balancers.modify_rule().rule_arn(&arn).set_actions(Some(actions)).send();
    let (code, text) = refusal(modify(before.actions().to_vec()).await);
    assert_eq!((code.as_str(), text.contains("secret")), ("ValidationError", true));
    let keep = |action: &Action| -> Action {
        let Some(config) = action.authenticate_oidc_config() else { return action.clone() };
        let mut action = action.clone();
        let mut config: AuthenticateOidcActionConfig = config.clone();
        config.use_existing_client_secret = Some(true);
        action.authenticate_oidc_config = Some(config);
        action
    };
    let mut actions: Vec<Action> = before.actions().iter().map(keep).collect();
    let groups = actions[1].forward_config.as_mut().unwrap().target_groups.as_mut().unwrap();
    (groups[0].weight, groups[1].weight) = (Some(90), Some(10));
    let answer = modify(actions.clone()).await.unwrap();
    let after = rule(&account).await;
    assert_eq!(answer.rules()[0], after);
    assert_eq!(after.conditions(), before.conditions());
    assert_eq!(after.actions()[0], before.actions()[0]);
    let (a, b) = (account.shop.target_group_a.clone(), account.shop.target_group_b.clone());
    assert_eq!(account.sim.world().weights(&arn), [(a, 90), (b, 10)]);

    // And back: the account is as it was, the secret included.
    let groups = actions[1].forward_config.as_mut().unwrap().target_groups.as_mut().unwrap();
    (groups[0].weight, groups[1].weight) = (Some(100), Some(0));
    modify(actions.clone()).await.unwrap();
    assert_eq!(account.sim.world().inventory(), inventory);

    // Another secret is another account.
    let config = actions[0].authenticate_oidc_config.as_mut().unwrap();
    (config.use_existing_client_secret, config.client_secret) = (None, Some("other".into()));
    modify(actions).await.unwrap();
    assert_ne!(account.sim.world().inventory(), inventory);
}

/// P43: a default rule is not modified; its listener is.
#[tokio::test(start_paused = true)]
async fn p43_default_rules_are_modified_through_their_listener() {
    let account = Account::new(ShopOptions { default_action: true, ..ShopOptions::default() });
    let shop = &account.shop;
    let listed = account.balancers.describe_rules().listener_arn(&shop.listener).send().await.unwrap();
    let default = listed.rules().iter().find(|rule| rule.is_default() == Some(true)).unwrap();
    assert_eq!(default.rule_arn(), Some(shop.default_rule.as_str()));
    assert_eq!(default.priority(), Some("default"));
    let weights = forward(&[(&shop.target_group_a, 50), (&shop.target_group_b, 50)]);
    let modify = account.balancers.modify_rule().rule_arn(&shop.default_rule).actions(weights.clone());
    let (code, text) = refusal(modify.send().await);
    assert_eq!(code, "OperationNotPermitted");
    assert_eq!(text, format!("Default rule '{}' cannot be modified", shop.default_rule));
    let modify = account.balancers.modify_listener().listener_arn(&shop.listener).default_actions(weights);
    let answer = modify.send().await.unwrap();
    let listener = &answer.listeners()[0];
    assert_eq!((listener.port(), listener.protocol().unwrap().as_str()), (Some(443), "HTTPS"));
    assert_eq!(listener.certificates().len(), 1, "kept");
    assert_eq!(account.sim.world().weights(&shop.default_rule)[1].1, 50);
}

/// P68: Describe may lag behind; the answer to the change does not.
#[tokio::test(start_paused = true)]
async fn p68_reads_may_be_stale_and_answers_are_not() {
    let account = Account::new(ShopOptions::default());
    account.sim.world().settings.read_staleness_millis = 5_000;
    let shop = &account.shop;
    let weights = forward(&[(&shop.target_group_a, 60), (&shop.target_group_b, 40)]);
    let modify = account.balancers.modify_rule().rule_arn(shop.rule.clone().unwrap()).actions(weights);
    let answer = modify.send().await.unwrap();
    let weight = |rule: &Rule| rule.actions()[0].forward_config().unwrap().target_groups()[1].weight();
    assert_eq!(weight(&answer.rules()[0]), Some(40));
    assert_eq!(weight(&rule(&account).await), Some(0), "stale");
    account.wait(5).await;
    assert_eq!(weight(&rule(&account).await), Some(40));
}

/// What an action may forward to.
#[tokio::test(start_paused = true)]
async fn bad_actions_are_refused_and_change_nothing() {
    let account = Account::new(ShopOptions::default());
    let (a, b) = (account.shop.target_group_a.clone(), account.shop.target_group_b.clone());
    let before = account.sim.world().inventory();
    let arn = account.shop.rule.clone().unwrap();
    let modify =
        async |action: Action| refusal(account.balancers.modify_rule().rule_arn(&arn).actions(action).send().await);
    assert_eq!(modify(forward(&[(&a, 1000), (&b, 0)])).await.0, "ValidationError");
    assert_eq!(modify(forward(&[(&a, 1), ("arn:none", 0)])).await.0, "TargetGroupNotFound");
    assert_eq!(modify(forward(&[])).await.0, "ValidationError");
    let login = Action::builder().r#type(ActionTypeEnum::AuthenticateCognito).build();
    assert_eq!(modify(login).await.0, "InvalidLoadBalancerAction");
    let more: Vec<String> = (0..6)
        .map(|number| account.sim.world().add_target_group(TargetGroupSpec::new(&format!("more-{number}"))))
        .collect();
    let all: Vec<(&str, i32)> = more.iter().map(|arn| (arn.as_str(), 1)).collect();
    assert_eq!(modify(forward(&all)).await.0, "TooManyTargetGroups");
    // A target group serves one load balancer.
    let other = account.sim.world().add_load_balancer("other");
    let fixed = serde_json::json!([{ "Type": "forward", "TargetGroupArn": more[0] }]);
    account.sim.world().add_listener(&other, 80, "HTTP", &fixed).unwrap();
    assert_eq!(modify(forward(&[(&more[0], 1)])).await.0, "TargetGroupAssociationLimit");
    let unknown = account.balancers.modify_rule().rule_arn("arn:none").actions(forward(&[(&a, 1)]));
    assert_eq!(refusal(unknown.send().await).0, "RuleNotFound");
    let unknown = account.balancers.describe_listeners().listener_arns("arn:none");
    assert_eq!(refusal(unknown.send().await).0, "ListenerNotFound");
    // Sticky targets demand a sticky rule as soon as there are several target groups.
    let attribute = TargetGroupAttribute::builder().key("stickiness.enabled").value("true").build();
    let sticky = account.balancers.modify_target_group_attributes().target_group_arn(&b).attributes(attribute);
    sticky.send().await.unwrap();
    assert_eq!(modify(forward(&[(&a, 1), (&b, 1)])).await.0, "InvalidConfigurationRequest");
    let mut action = forward(&[(&a, 1), (&b, 1)]);
    let stickiness = TargetGroupStickinessConfig::builder().enabled(true).duration_seconds(60).build();
    action.forward_config.as_mut().unwrap().target_group_stickiness_config = Some(stickiness);
    assert_eq!(account.sim.world().inventory()["rules"], before["rules"]);
    account.balancers.modify_rule().rule_arn(&arn).actions(action).send().await.unwrap();
}

/// A single target group, given in the short way, is shown in both.
#[tokio::test(start_paused = true)]
async fn a_single_target_group_is_shown_in_both_ways() {
    let account = Account::new(ShopOptions::default());
    let a = account.shop.target_group_a.clone();
    let action = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(&a).build();
    account.balancers.modify_rule().rule_arn(account.shop.rule.clone().unwrap()).actions(action).send().await.unwrap();
    let rule = rule(&account).await;
    let action = &rule.actions()[0];
    assert_eq!(action.target_group_arn(), Some(a.as_str()));
    let config = action.forward_config().unwrap();
    assert_eq!(config.target_groups()[0].weight(), Some(1));
    assert_eq!(config.target_group_stickiness_config().unwrap().enabled(), Some(false));
}

/// P7, P8, P12, P37: targets that nobody checks, and strangers.
#[tokio::test(start_paused = true)]
async fn p7_p12_p37_unused_unavailable_and_unregistered_targets() {
    let account = Account::new(ShopOptions::default());
    let balancers = &account.balancers;
    let instance = account.sim.world().instances_of("shop__6")[0].clone();
    let mut spec = TargetGroupSpec::new("unchecked");
    spec.checks = false;
    let unchecked = account.sim.world().add_target_group(spec);
    let target = TargetDescription::builder().id(&instance).build();
    let register = balancers.register_targets().target_group_arn(&unchecked).targets(target.clone());
    register.send().await.unwrap();
    let not_in_use = vec![("unused".to_owned(), Some("Target.NotInUse".to_owned()))];
    assert_eq!(account.health(&unchecked).await, not_in_use);
    let (a, b) = (account.shop.target_group_a.clone(), account.shop.target_group_b.clone());
    let arn = account.shop.rule.clone().unwrap();
    let action = forward(&[(&a, 100), (&b, 0), (&unchecked, 0)]);
    balancers.modify_rule().rule_arn(&arn).actions(action).send().await.unwrap();
    let disabled = vec![("unavailable".to_owned(), Some("Target.HealthCheckDisabled".to_owned()))];
    assert_eq!(account.health(&unchecked).await, disabled);

    // A stranger is 'unused', which is how the waiters for deregistration end.
    let asked = balancers.describe_target_health().target_group_arn(&b).targets(target.clone()).send().await.unwrap();
    let health = asked.target_health_descriptions()[0].target_health().unwrap();
    assert_eq!(health.reason().unwrap().as_str(), "Target.NotRegistered");
    let unknown = TargetDescription::builder().id("i-unknown").build();
    let asked = balancers.describe_target_health().target_group_arn(&b).targets(unknown).send().await;
    assert_eq!(refusal(asked).0, "InvalidTarget");

    // P8: a target group that leaves the rule is not checked any more, and starts anew when it comes back.
    let out = forward(&[(&b, 1)]);
    balancers.modify_rule().rule_arn(&arn).actions(out).send().await.unwrap();
    assert_eq!(account.health(&a).await[0].0, "unused");
    let back = forward(&[(&a, 100), (&b, 0)]);
    balancers.modify_rule().rule_arn(&arn).actions(back).send().await.unwrap();
    assert_eq!(account.health(&a).await[0].0, "initial");
    account.wait(10).await;
    assert_eq!(account.sim.world().healthy_in(&a), 4);
    let lost = account.sim.world().traffic();
    assert!(lost.losses.iter().any(|loss| loss.cause.contains("no target")), "P10: {:?}", lost.losses);
}

/// P9: a target that is initial, unhealthy with reasons while it boots, healthy at last.
#[tokio::test(start_paused = true)]
async fn targets_tell_why_they_are_not_healthy() {
    let account = Account::new(ShopOptions { new_image: NewImage::Slow, ..ShopOptions::default() });
    let b = account.shop.target_group_b.clone();
    account.candidate("shop__7", &account.shop.new_ami, 1, Some(&b)).await;
    account.wait(17).await;
    assert_eq!(account.health(&b).await[0].0, "initial");
    account.wait(20).await;
    let failing = ("unhealthy".to_owned(), Some("Target.FailedHealthChecks".to_owned()));
    assert_eq!(account.health(&b).await[0], failing);
    let victim = account.sim.world().instances_of("shop__6")[0].clone();
    account.sim.world().sicken_instance(&victim);
    account.wait(11).await;
    let health = account.health(&account.shop.target_group_a).await;
    let sick = ("unhealthy".to_owned(), Some("Target.ResponseCodeMismatch".to_owned()));
    assert_eq!(health.iter().filter(|target| **target == sick).count(), 1, "{health:?}");
}

/// Rules come and go; priorities are unique.
#[tokio::test(start_paused = true)]
async fn rules_are_created_and_deleted() {
    let account = Account::new(ShopOptions::default());
    let before = account.sim.world().inventory();
    let create = |priority| {
        let values = aws_sdk_elasticloadbalancingv2::types::PathPatternConditionConfig::builder().values("/x").build();
        let condition = aws_sdk_elasticloadbalancingv2::types::RuleCondition::builder();
        let condition = condition.field("path-pattern").path_pattern_config(values).build();
        let action = forward(&[(&account.shop.target_group_a, 1)]);
        let create = account.balancers.create_rule().listener_arn(&account.shop.listener).priority(priority);
        create.conditions(condition).actions(action).send()
    };
    assert_eq!(refusal(create(10).await).0, "PriorityInUse");
    let created = create(1).await.unwrap();
    let arn = created.rules()[0].rule_arn().unwrap();
    let listed = account.balancers.describe_rules().listener_arn(&account.shop.listener).send().await.unwrap();
    let priorities: Vec<_> = listed.rules().iter().filter_map(|rule| rule.priority()).collect();
    assert_eq!(priorities, ["1", "5", "10", "default"]);
    account.balancers.delete_rule().rule_arn(arn).send().await.unwrap();
    assert_eq!(account.sim.world().inventory(), before);
    let protected = account.balancers.delete_rule().rule_arn(&account.shop.default_rule).send().await;
    assert_eq!(refusal(protected).0, "OperationNotPermitted");
}

/// Load balancers, listeners, target groups and attributes read as the SDK expects.
#[tokio::test(start_paused = true)]
async fn the_rest_can_be_described() {
    let account = Account::new(ShopOptions::default());
    let (balancers, shop) = (&account.balancers, &account.shop);
    let found = balancers.describe_load_balancers().names("shop").send().await.unwrap();
    assert_eq!(found.load_balancers()[0].load_balancer_arn(), Some(shop.load_balancer.as_str()));
    let found = balancers.describe_listeners().load_balancer_arn(&shop.load_balancer).send().await.unwrap();
    assert_eq!(found.listeners()[0].listener_arn(), Some(shop.listener.as_str()));
    let found = balancers.describe_target_groups().target_group_arns(&shop.target_group_b).send().await.unwrap();
    let group = &found.target_groups()[0];
    assert_eq!(group.load_balancer_arns(), std::slice::from_ref(&shop.load_balancer));
    assert_eq!((group.health_check_interval_seconds(), group.unhealthy_threshold_count()), (Some(5), Some(2)));
    let found =
        balancers.describe_target_group_attributes().target_group_arn(&shop.target_group_b).send().await.unwrap();
    let delay = found.attributes().iter().find(|it| it.key() == Some("deregistration_delay.timeout_seconds"));
    assert_eq!(delay.unwrap().value(), Some("30"));
    let mut pages = balancers.describe_target_groups().page_size(2).into_paginator().send();
    let mut count = 0;
    while let Some(page) = pages.next().await {
        count += page.unwrap().target_groups().len();
    }
    assert_eq!(count, 3);
}

/// A target in a zone that no load balancer of its serves is not checked and gets nothing.
#[tokio::test(start_paused = true)]
async fn a_load_balancer_sends_nothing_to_zones_that_it_does_not_serve() {
    let account = Account::new(ShopOptions::default());
    account.sim.world().serve_zones(&account.shop.load_balancer, &['a', 'b']);
    let health = account.balancers.describe_target_health().target_group_arn(&account.shop.target_group_a);
    let targets = health.send().await.unwrap().target_health_descriptions.unwrap_or_default();
    let unused: Vec<_> = targets
        .iter()
        .filter_map(|target| target.target_health())
        .filter(|health| health.state().is_some_and(|state| state.as_str() == "unused"))
        .collect();
    assert!(!unused.is_empty() && unused.len() < targets.len(), "{targets:?}");
    for health in unused {
        assert_eq!(health.reason().map(|reason| reason.as_str()), Some("Target.NotInUse"));
        assert!(health.description().unwrap_or_default().contains("Availability Zone"), "{health:?}");
    }
    let mut world = account.sim.world();
    let later = world.now_millis() + 60_000;
    world.advance(later);
    let traffic = world.traffic().totals;
    assert!(traffic.served > 0 && traffic.lost == 0, "{traffic:?}");
}

//! What attaches target groups to groups and what cannot (P32, P35), and the swap of two listeners, as the real SDK
//! clients see them.

mod world_support;

use aws_sdk_autoscaling::types::{InstanceRefreshStatus, RefreshPreferences, TrafficSourceIdentifier};
use aws_sdk_elasticloadbalancingv2::types::{Action, ActionTypeEnum, ForwardActionConfig, TargetGroupTuple};
use crossfade_sim::world::sample::{Layout, ShopOptions};
use world_support::{Account, refusal};

const FLEET: &str = "shop__6";

fn source(arn: &str) -> TrafficSourceIdentifier {
    TrafficSourceIdentifier::builder().identifier(arn).r#type("elbv2").build()
}

/// P35: what was attached as a traffic source is detached as one.
#[tokio::test(start_paused = true)]
async fn p35_each_way_of_attaching_has_its_own_way_of_detaching() {
    let account = Account::new(ShopOptions::default());
    let (a, b) = (account.shop.target_group_a.clone(), account.shop.target_group_b.clone());
    let groups = &account.groups;
    let attach = groups.attach_traffic_sources().auto_scaling_group_name(FLEET).traffic_sources(source(&b));
    attach.send().await.unwrap();
    account.wait(10).await;
    assert_eq!(account.sim.world().healthy_in(&b), 4);
    let sources = async || {
        let answer = groups.describe_traffic_sources().auto_scaling_group_name(FLEET).send().await.unwrap();
        let one = |it: aws_sdk_autoscaling::types::TrafficSourceState| (it.identifier.unwrap(), it.state.unwrap());
        answer.traffic_sources.unwrap_or_default().into_iter().map(one).collect::<Vec<_>>()
    };
    let mut both = [(a.clone(), "InService".to_owned()), (b.clone(), "InService".to_owned())];
    both.sort();
    assert_eq!(sources().await, both);
    let shown = account.describe(FLEET).await.unwrap();
    assert_eq!(shown.traffic_sources().len(), 2);
    assert_eq!(shown.target_group_arns().len(), 2);
    let states = groups.describe_load_balancer_target_groups().auto_scaling_group_name(FLEET).send().await.unwrap();
    assert_eq!(states.load_balancer_target_groups().len(), 1, "only what its own operation attached");
    let inventory = account.sim.world().inventory();
    assert_eq!(inventory["autoScalingGroups"][FLEET]["targetGroups"][&b], "attached as a traffic source");

    let detach = groups.detach_load_balancer_target_groups().auto_scaling_group_name(FLEET).target_group_arns(&b);
    let (code, text) = refusal(detach.send().await);
    assert_eq!(code, "ValidationError");
    assert!(text.contains("not part of the group"), "{text}");
    let detach =
        |arn: &str| groups.detach_traffic_sources().auto_scaling_group_name(FLEET).traffic_sources(source(arn));
    detach(&b).send().await.unwrap();
    account.wait(31).await;
    assert_eq!(sources().await, [(a.clone(), "InService".to_owned())]);
    assert_eq!(account.sim.world().registered_in(&b), 0);
    detach(&a).send().await.unwrap();
    account.wait(31).await;
    assert!(sources().await.is_empty(), "the newer operation detaches either kind");
}

/// What is no target group of a load balancer is attached and shown as a traffic source, too.
#[tokio::test(start_paused = true)]
async fn classic_load_balancers_and_vpc_lattice_are_traffic_sources() {
    let account = Account::new(ShopOptions::default());
    let lattice = "arn:aws:vpc-lattice:eu-west-1:123456789012:targetgroup/tg-0123456789abcdef0";
    let of = |identifier: &str| TrafficSourceIdentifier::builder().identifier(identifier).build();
    let attach = account.groups.attach_traffic_sources().auto_scaling_group_name(FLEET);
    attach.traffic_sources(of(lattice)).traffic_sources(of("old")).send().await.unwrap();
    let shown = account.describe(FLEET).await.unwrap();
    let kinds = |group: &aws_sdk_autoscaling::types::AutoScalingGroup| {
        let kind = |it: &TrafficSourceIdentifier| (it.identifier.clone().unwrap(), it.r#type.clone().unwrap());
        group.traffic_sources().iter().map(kind).collect::<Vec<_>>()
    };
    for other in [(lattice.to_owned(), "vpc-lattice".to_owned()), ("old".to_owned(), "elb".to_owned())] {
        assert!(kinds(&shown).contains(&other), "{other:?} is missing in {:?}", kinds(&shown));
    }
    assert_eq!(shown.target_group_arns().len(), 1);
    let only = account.groups.describe_traffic_sources().auto_scaling_group_name(FLEET).traffic_source_type("elb");
    assert_eq!(only.send().await.unwrap().traffic_sources().len(), 1);
    let detach = account.groups.detach_traffic_sources().auto_scaling_group_name(FLEET).traffic_sources(of(lattice));
    detach.clone().send().await.unwrap();
    let (code, text) = refusal(detach.send().await);
    assert!(code == "ValidationError" && text.contains("not part of the group"), "{code}: {text}");
    assert_eq!(kinds(&account.describe(FLEET).await.unwrap()).len(), 2);
}

/// P35: a group can be created with traffic sources.
#[tokio::test(start_paused = true)]
async fn p35_a_group_comes_with_traffic_sources() {
    let account = Account::new(ShopOptions::default());
    let b = account.shop.target_group_b.clone();
    let template = aws_sdk_autoscaling::types::LaunchTemplateSpecification::builder().launch_template_name("shop");
    let create = account.groups.create_auto_scaling_group().auto_scaling_group_name("shop__7").min_size(1).max_size(1);
    let create = create.vpc_zone_identifier("subnet-1").launch_template(template.build()).traffic_sources(source(&b));
    create.send().await.unwrap();
    account.wait(90).await;
    assert_eq!(account.sim.world().healthy_in(&b), 1);
    let detach = account.groups.detach_load_balancer_target_groups().auto_scaling_group_name("shop__7");
    assert_eq!(refusal(detach.target_group_arns(&b).send().await).0, "ValidationError");
}

/// P32: while instances are refreshed, nothing can be attached; and the refresh replaces them all.
#[tokio::test(start_paused = true)]
async fn p32_an_instance_refresh_is_in_the_way() {
    let account = Account::new(ShopOptions::default());
    let groups = &account.groups;
    let before = account.sim.world().instances_of(FLEET);
    let start = || {
        let preferences = RefreshPreferences::builder().min_healthy_percentage(50).instance_warmup(60).build();
        groups.start_instance_refresh().auto_scaling_group_name(FLEET).preferences(preferences).send()
    };
    let id = start().await.unwrap().instance_refresh_id.unwrap();
    let newest = async || {
        let answer = groups.describe_instance_refreshes().auto_scaling_group_name(FLEET).send().await.unwrap();
        answer.instance_refreshes.unwrap_or_default().remove(0)
    };
    assert_eq!(newest().await.status(), Some(&InstanceRefreshStatus::Pending));
    let (code, _) = refusal(start().await);
    assert_eq!(code, "InstanceRefreshInProgress");
    let b = account.shop.target_group_b.clone();
    let attach = groups.attach_load_balancer_target_groups().auto_scaling_group_name(FLEET).target_group_arns(&b);
    assert_eq!(refusal(attach.send().await).0, "InstanceRefreshInProgress");
    let attach = groups.attach_traffic_sources().auto_scaling_group_name(FLEET).traffic_sources(source(&b));
    assert_eq!(refusal(attach.send().await).0, "InstanceRefreshInProgress");
    let pool = groups.put_warm_pool().auto_scaling_group_name(FLEET).send().await;
    assert_eq!(refusal(pool).0, "InstanceRefreshInProgress");
    account.wait(60).await;
    let refresh = newest().await;
    assert_eq!(refresh.instance_refresh_id(), Some(id.as_str()));
    assert_eq!(refresh.status(), Some(&InstanceRefreshStatus::InProgress));
    assert!(refresh.percentage_complete() <= Some(50), "two at a time: {refresh:?}");
    account.wait(600).await;
    let refresh = newest().await;
    assert_eq!(refresh.status(), Some(&InstanceRefreshStatus::Successful));
    assert_eq!(refresh.percentage_complete(), Some(100));
    let after = account.sim.world().instances_of(FLEET);
    assert_eq!(after.len(), 4);
    assert!(!after.iter().any(|id| before.contains(id)));
    let cancel = || groups.cancel_instance_refresh().auto_scaling_group_name(FLEET).send();
    assert_eq!(refusal(cancel().await).0, "ActiveInstanceRefreshNotFound");
    start().await.unwrap();
    cancel().await.unwrap();
    account.wait(20).await;
    assert_eq!(newest().await.status(), Some(&InstanceRefreshStatus::Cancelled));
    assert_eq!(account.sim.world().instances_of(FLEET), after, "cancelled before anything was replaced");
}

fn forward(arn: &str) -> Action {
    let group = TargetGroupTuple::builder().target_group_arn(arn).weight(1).build();
    let config = ForwardActionConfig::builder().target_groups(group).build();
    Action::builder().r#type(ActionTypeEnum::Forward).forward_config(config).build()
}

/// A swap: two calls, each of which gives one listener the other's target group. In between both listeners have the
/// same one, and nothing is lost.
#[tokio::test(start_paused = true)]
async fn two_listeners_exchange_their_target_groups() {
    for default_action in [false, true] {
        let account = Account::new(ShopOptions { layout: Layout::Staged, default_action, ..ShopOptions::default() });
        let (a, b) = (account.shop.target_group_a.clone(), account.shop.target_group_b.clone());
        account.candidate("shop__7", &account.shop.new_ami, 4, Some(&b)).await;
        account.wait(90).await;
        assert_eq!(account.health(&b).await, vec![("healthy".to_owned(), None); 4], "P7: the stage listener checks");
        let balancers = &account.balancers;
        let stage = account.shop.test_listener.clone().unwrap();
        let changed = match &account.shop.rule {
            Some(rule) => {
                let answer = balancers.modify_rule().rule_arn(rule).actions(forward(&b)).send().await.unwrap();
                answer.rules.unwrap().remove(0).actions.unwrap().remove(0)
            }
            None => {
                let listener = &account.shop.listener;
                let change = balancers.modify_listener().listener_arn(listener).default_actions(forward(&b));
                change.send().await.unwrap().listeners.unwrap().remove(0).default_actions.unwrap().remove(0)
            }
        };
        assert_eq!(changed.target_group_arn(), Some(b.as_str()), "one target group is shown both ways");
        assert_eq!(changed.forward_config().unwrap().target_groups()[0].target_group_arn(), Some(b.as_str()));
        assert!(!account.sim.world().target_group(&a).unwrap().in_use, "in between, nothing forwards to the old one");
        account.wait(5).await;
        let change = balancers.modify_listener().listener_arn(&stage);
        let short = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn(&a).build();
        change.default_actions(short).send().await.unwrap();
        account.wait(60).await;
        let world = account.sim.world();
        assert_eq!(world.weights(account.shop.route()), [(b.clone(), 1)]);
        assert_eq!(world.weights(&stage), [(a.clone(), 1)]);
        assert_eq!((world.healthy_in(&a), world.healthy_in(&b)), (4, 4));
        let report = world.traffic();
        assert_eq!(report.totals.lost, 0, "{report:?}");
        assert!(report.target_groups[&b].served > 2000);
    }
}

/// P73: a target group serves one load balancer.
#[tokio::test(start_paused = true)]
async fn p73_a_target_group_cannot_serve_two_load_balancers() {
    let options = ShopOptions { layout: Layout::Staged, second_balancer: true, ..ShopOptions::default() };
    let account = Account::new(options);
    let second = account.shop.second.clone().unwrap();
    let stage = second.test_listener.unwrap();
    let change = account.balancers.modify_listener().listener_arn(&stage);
    let change = change.default_actions(forward(&account.shop.target_group_a)).send().await;
    assert_eq!(refusal(change).0, "TargetGroupAssociationLimit");
}

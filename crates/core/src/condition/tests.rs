use super::*;
use crate::capacity::Size;
use crate::observed::MemberState;

const TG: &str = "arn:x:targetgroup/shop-b/1";

fn fleet(instances: &[(&str, &str)]) -> Fleet {
    Fleet {
        name: "shop__7".into(),
        infrastructure: None,
        revision: Some(7),
        deployment: None,
        size: Size::pinned(2),
        target_groups: vec![TG.into()],
        members: instances.iter().map(|(id, said)| member(id, said)).collect(),
        source: None,
        deleting: false,
        suspended: Vec::new(),
        warm_pool: None,
    }
}

fn member(id: &str, said: &str) -> Member {
    let state = match said {
        "InService" => MemberState::Serving,
        "Standby" => MemberState::Aside,
        "Terminating" => MemberState::Leaving,
        _ => MemberState::Starting,
    };
    Member { id: id.into(), targets: vec![id.into()], state, said: said.into(), weight: 1, protected: false }
}

fn in_tg(targets: &[Target]) -> [Registered; 1] {
    [Registered { target_group: TG.into(), targets: targets.to_vec() }]
}

fn target(id: &str, health: Health, reason: Option<&str>) -> Target {
    Target { id: id.into(), health, reason: reason.map(Into::into) }
}

fn upscale() -> Upscale {
    Upscale {
        fleet: "shop__7".into(),
        size: Size::pinned(2),
        target_groups: vec![TG.into()],
        exclusive: true,
        expected_seconds: None,
    }
}

fn both() -> Fleet {
    fleet(&[("i-1", "InService"), ("i-2", "InService")])
}

fn missing(verdict: Verdict) -> String {
    match verdict {
        Verdict::NotYet(missing) => missing,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_exact_set_healthy_is_steady() {
    let targets = [target("i-1", Health::Healthy, None), target("i-2", Health::Healthy, None)];
    assert_eq!(steady(&both(), &in_tg(&targets), &upscale()), Verdict::Holds);
}

#[test]
fn p6_an_empty_target_group_is_not_all_healthy() {
    assert!(missing(steady(&both(), &in_tg(&[]), &upscale())).starts_with("0 of 2 healthy in shop-b"));
    assert!(missing(targets_healthy(&in_tg(&[])[0], 0)).contains("0 of 0"));
}

#[test]
fn p4_p9_in_service_but_initial_is_not_steady_and_says_why() {
    let targets =
        [target("i-1", Health::Healthy, None), target("i-2", Health::Initial, Some("Elb.InitialHealthChecking"))];
    let missing = missing(steady(&both(), &in_tg(&targets), &upscale()));
    assert_eq!(missing, "1 of 2 healthy in shop-b: i-2 initial (Elb.InitialHealthChecking)");
}

#[test]
fn p29_standby_and_terminating_instances_do_not_count() {
    let fleet = fleet(&[("i-1", "InService"), ("i-2", "Standby")]);
    let targets = [target("i-1", Health::Healthy, None), target("i-2", Health::Healthy, None)];
    assert!(missing(steady(&fleet, &in_tg(&targets), &upscale())).contains("i-2 Standby"));
}

#[test]
fn p30_one_more_than_asked_is_tolerated_once_it_is_healthy() {
    let fleet = fleet(&[("i-1", "InService"), ("i-2", "InService"), ("i-3", "InService")]);
    let mut targets = vec![target("i-1", Health::Healthy, None), target("i-2", Health::Healthy, None)];
    assert!(missing(steady(&fleet, &in_tg(&targets), &upscale())).contains("i-3"));
    targets.push(target("i-3", Health::Healthy, None));
    assert_eq!(steady(&fleet, &in_tg(&targets), &upscale()), Verdict::Holds);
}

#[test]
fn p7_p12_unused_and_unavailable_fail_at_once() {
    for target in [
        target("i-1", Health::Unused, Some("Target.NotInUse")),
        target("i-1", Health::Unavailable, Some("Target.HealthCheckDisabled")),
    ] {
        let Verdict::Never(failure) = steady(&both(), &in_tg(&[target]), &upscale()) else { panic!("it should fail") };
        assert_eq!(failure.kind, Kind::SteadyStateTimeout);
    }
}

#[test]
fn a_stranger_in_the_candidates_target_group_is_drift_unless_it_is_draining() {
    let mut targets = vec![
        target("i-1", Health::Healthy, None),
        target("i-2", Health::Healthy, None),
        target("i-9", Health::Draining, None),
    ];
    assert_eq!(steady(&both(), &in_tg(&targets), &upscale()), Verdict::Holds);
    targets[2].health = Health::Healthy;
    let Verdict::Never(failure) = steady(&both(), &in_tg(&targets), &upscale()) else { panic!("it should fail") };
    assert_eq!(failure.kind, Kind::Drifted);
    assert!(failure.message.contains("i-9"));
}

#[test]
fn a_heavier_instance_stands_for_more() {
    let mut fleet = fleet(&[("i-1", "InService")]);
    fleet.members[0].weight = 2;
    assert_eq!(steady(&fleet, &in_tg(&[target("i-1", Health::Healthy, None)]), &upscale()), Verdict::Holds);
}

#[test]
fn b14_every_target_group_has_to_be_healthy() {
    let healthy = [target("i-1", Health::Healthy, None), target("i-2", Health::Healthy, None)];
    let [first] = in_tg(&healthy);
    let second = Registered { target_group: "arn:x:targetgroup/shop-d/1".into(), targets: vec![healthy[0].clone()] };
    assert!(missing(steady(&both(), &[first, second], &upscale())).starts_with("1 of 2 healthy in shop-d"));
}

#[test]
fn without_a_load_balancer_being_in_service_is_enough() {
    assert_eq!(steady(&both(), &[], &upscale()), Verdict::Holds);
    let one = fleet(&[("i-1", "InService"), ("i-2", "Pending:Wait")]);
    assert_eq!(missing(steady(&one, &[], &upscale())), "1 of 2 in service in shop__7; i-2 Pending:Wait");
}

#[test]
fn p37_a_fleet_has_left_when_none_of_its_own_is_registered_whatever_else_is() {
    let draining = [target("i-1", Health::Draining, None), target("i-9", Health::Healthy, None)];
    assert_eq!(missing(deregistered(&both(), &in_tg(&draining))), "1 of shop__7 still in shop-b");
    assert_eq!(deregistered(&both(), &in_tg(&[target("i-9", Health::Healthy, None)])), Verdict::Holds);
    assert_eq!(deregistered(&both(), &in_tg(&[target("i-1", Health::Unused, None)])), Verdict::Holds);
}

fn need(healthy: u32) -> Need {
    Need { fleet: "shop__7".into(), target_groups: vec![TG.into()], healthy }
}

#[test]
fn p10_p11_no_traffic_for_an_empty_or_unhealthy_target_group() {
    let covered = |targets: &[Target]| covered(&need(1), Some(&both()), &in_tg(targets));
    assert!(matches!(covered(&[]), Verdict::NotYet(_)));
    assert!(matches!(covered(&[target("i-1", Health::Unhealthy, None)]), Verdict::NotYet(_)));
    assert!(matches!(covered(&[target("i-9", Health::Healthy, None)]), Verdict::NotYet(_)), "another fleet's");
    assert_eq!(covered(&[target("i-1", Health::Healthy, None)]), Verdict::Holds);
    assert!(matches!(super::covered(&need(1), None, &in_tg(&[])), Verdict::NotYet(_)), "without a fleet");
}

#[test]
fn a_rollback_does_not_wait_for_the_last_instance_but_never_goes_to_something_worse() {
    let (up, down) = (target("i-1", Health::Healthy, None), target("i-2", Health::Unhealthy, None));
    let theirs =
        |n: usize| in_tg(&(0..n).map(|i| target(&format!("i-8{i}"), Health::Healthy, None)).collect::<Vec<_>>());
    let back = |gaining: &[Target], losing: usize| {
        covered_for_rollback(&need(2), Some(&both()), &in_tg(gaining), &theirs(losing))
    };
    assert_eq!(back(&[up.clone(), down.clone()], 1), Verdict::Holds);
    assert!(matches!(back(std::slice::from_ref(&up), 2), Verdict::NotYet(_)));
    assert!(matches!(back(std::slice::from_ref(&down), 0), Verdict::NotYet(_)));
}

#[test]
fn a_rollback_in_a_shared_target_group_counts_each_fleet_by_itself() {
    // Only the candidate, i-8…, is healthy in production: going back to nothing would be worse.
    let production = in_tg(&[target("i-80", Health::Healthy, None), target("i-1", Health::Initial, None)]);
    let verdict = covered_for_rollback(&need(2), Some(&both()), &production, &production);
    assert!(matches!(verdict, Verdict::NotYet(_)), "{verdict:?}");
}

#[test]
fn p15_launches_that_keep_failing_end_the_wait_with_awss_words() {
    let failed = |at_millis| Incident {
        failed: true,
        reason: Some("no capacity in eu-west-1a".into()),
        at_millis,
        ..Incident::default()
    };
    let none = fleet(&[]);
    assert!(
        launches(&none, &[failed(5_000), failed(5_000), failed(5_000)], 4_000).is_ok(),
        "AWS has not tried again yet"
    );
    let failure = launches(&none, &[failed(65_000)], 4_000).unwrap_err();
    assert_eq!(failure.kind, Kind::LaunchFailed);
    assert!(failure.message.contains("no capacity in eu-west-1a"));
    let some = launches(&both(), &[failed(65_000), failed(5_000)], 4_000);
    assert!(some.is_ok(), "some instances came up: AWS may place the rest elsewhere");
    assert!(launches(&none, &[Incident { at_millis: 65_000, ..Incident::default() }], 4_000).is_ok(), "nothing failed");
}

#[test]
fn p46_anything_but_our_own_weights_is_drift() {
    let routes =
        |a, b| vec![Route { target_group: "a".into(), weight: a }, Route { target_group: "b".into(), weight: b }];
    let live = |a, b| Split { routes: routes(a, b), sticky_seconds: None };
    let written = [routes(90, 10)];
    assert!(undrifted("rule", &live(100, 0), &routes(100, 0), &written).is_ok());
    assert!(undrifted("rule", &live(90, 10), &routes(100, 0), &written).is_ok());
    let drift = undrifted("rule", &live(50, 50), &routes(100, 0), &written).unwrap_err();
    assert_eq!(drift.kind, Kind::Drifted);
    assert!(drift.message.contains("a 50 : b 50") && drift.message.contains("a 90 : b 10"), "{drift}");
}

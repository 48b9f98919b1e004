use super::*;
use crate::capacity::Size;
use crate::observed::Instance;

const TG: &str = "arn:x:targetgroup/shop-b/1";

fn fleet(instances: &[(&str, &str)]) -> Fleet {
    Fleet {
        name: "shop__7".into(),
        infrastructure: None,
        revision: Some(7),
        deployment: None,
        size: Size::pinned(2),
        target_groups: vec![TG.into()],
        instances: instances.iter().map(|(id, l)| Instance { id: (*id).into(), lifecycle: (*l).into() }).collect(),
        source: None,
        deleting: false,
    }
}

fn target(id: &str, health: Health, reason: Option<&str>) -> Target {
    Target { id: id.into(), health, reason: reason.map(Into::into) }
}

fn upscale() -> Upscale {
    Upscale {
        fleet: "shop__7".into(),
        size: Size::pinned(2),
        target_group: Some(TG.into()),
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
    assert_eq!(steady(&both(), &targets, &upscale()), Verdict::Holds);
}

#[test]
fn p6_an_empty_target_group_is_not_all_healthy() {
    assert!(missing(steady(&both(), &[], &upscale())).starts_with("0 of 2 healthy in shop-b"));
    assert!(missing(targets_healthy(TG, &[], 0)).contains("0 of 0"));
}

#[test]
fn p4_p9_in_service_but_initial_is_not_steady_and_says_why() {
    let targets =
        [target("i-1", Health::Healthy, None), target("i-2", Health::Initial, Some("Elb.InitialHealthChecking"))];
    let missing = missing(steady(&both(), &targets, &upscale()));
    assert_eq!(missing, "1 of 2 healthy in shop-b: i-2 initial (Elb.InitialHealthChecking)");
}

#[test]
fn p29_standby_and_terminating_instances_do_not_count() {
    let fleet = fleet(&[("i-1", "InService"), ("i-2", "Standby")]);
    let targets = [target("i-1", Health::Healthy, None), target("i-2", Health::Healthy, None)];
    assert!(missing(steady(&fleet, &targets, &upscale())).contains("i-2 Standby"));
}

#[test]
fn p30_one_more_than_asked_is_tolerated_once_it_is_healthy() {
    let fleet = fleet(&[("i-1", "InService"), ("i-2", "InService"), ("i-3", "InService")]);
    let mut targets = vec![target("i-1", Health::Healthy, None), target("i-2", Health::Healthy, None)];
    assert!(missing(steady(&fleet, &targets, &upscale())).contains("i-3"));
    targets.push(target("i-3", Health::Healthy, None));
    assert_eq!(steady(&fleet, &targets, &upscale()), Verdict::Holds);
}

#[test]
fn p7_p12_unused_and_unavailable_fail_at_once() {
    for target in [
        target("i-1", Health::Unused, Some("Target.NotInUse")),
        target("i-1", Health::Unavailable, Some("Target.HealthCheckDisabled")),
    ] {
        let Verdict::Never(failure) = steady(&both(), &[target], &upscale()) else { panic!("it should fail") };
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
    assert_eq!(steady(&both(), &targets, &upscale()), Verdict::Holds);
    targets[2].health = Health::Healthy;
    let Verdict::Never(failure) = steady(&both(), &targets, &upscale()) else { panic!("it should fail") };
    assert_eq!(failure.kind, Kind::Drifted);
    assert!(failure.message.contains("i-9"));
}

#[test]
fn p10_p11_no_traffic_for_an_empty_or_unhealthy_target_group() {
    let need = Need { target_group: TG.into(), healthy: 1 };
    assert!(matches!(covered(&need, &[]), Verdict::NotYet(_)));
    assert!(matches!(covered(&need, &[target("i-1", Health::Unhealthy, None)]), Verdict::NotYet(_)));
    assert_eq!(covered(&need, &[target("i-1", Health::Healthy, None)]), Verdict::Holds);
}

#[test]
fn a_rollback_does_not_wait_for_the_last_instance_but_never_goes_to_something_worse() {
    let need = Need { target_group: TG.into(), healthy: 2 };
    let (up, down) = (target("i-1", Health::Healthy, None), target("i-2", Health::Unhealthy, None));
    assert_eq!(covered_for_rollback(&need, std::slice::from_ref(&up), std::slice::from_ref(&down)), Verdict::Holds);
    assert!(matches!(
        covered_for_rollback(&need, std::slice::from_ref(&up), &[up.clone(), up.clone()]),
        Verdict::NotYet(_)
    ));
    assert!(matches!(
        covered_for_rollback(&need, std::slice::from_ref(&down), std::slice::from_ref(&down)),
        Verdict::NotYet(_)
    ));
}

#[test]
fn p15_launches_that_keep_failing_end_the_wait_with_awss_words() {
    let failed = |started_millis| FailedActivity {
        description: "Launching".into(),
        reason: "no capacity in eu-west-1a".into(),
        started_millis,
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

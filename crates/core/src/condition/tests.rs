use super::*;
use crate::capacity::Size;
use crate::kinds::{Own, asg};
use crate::observed::MemberState;

const TG: &str = "arn:x:targetgroup/shop-b/1";

pub(crate) fn fleet(instances: &[(&str, &str)]) -> Fleet {
    Fleet {
        name: "shop__7".into(),
        infrastructure: None,
        revision: Some(7),
        deployment: None,
        size: Size::pinned(2),
        target_groups: vec![TG.into()],
        sources: Vec::new(),
        zones: Vec::new(),
        members: instances.iter().map(|(id, said)| member(id, said)).collect(),
        blueprint: None,
        deleting: false,
        own: Own::AutoScalingGroup(asg::Own::default()),
        wakes: None,
    }
}

fn member(id: &str, said: &str) -> Member {
    let state = match said {
        "InService" => MemberState::Serving,
        "Standby" => MemberState::Aside,
        leaving if leaving.starts_with("Terminating") => MemberState::Leaving,
        _ => MemberState::Starting,
    };
    Member { id: id.into(), targets: vec![id.into()], state, said: said.into(), weight: 1, protected: false }
}

fn in_tg(targets: &[Target]) -> [Registered; 1] {
    [Registered { target_group: TG.into(), targets: targets.to_vec() }]
}

fn target(id: &str, health: Health, reason: Option<&str>) -> Target {
    Target { id: id.into(), port: None, health, reason: reason.map(Into::into) }
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
    assert_eq!(steady(&both(), &in_tg(&targets), 2, true), Verdict::Holds);
}

#[test]
fn p6_an_empty_target_group_is_not_all_healthy() {
    assert!(missing(steady(&both(), &in_tg(&[]), 2, true)).starts_with("0 of 2 healthy in shop-b"));
    assert!(missing(targets_healthy(&in_tg(&[])[0], 0)).contains("0 of 0"));
}

#[test]
fn p4_p9_in_service_but_initial_is_not_steady_and_says_why() {
    let targets =
        [target("i-1", Health::Healthy, None), target("i-2", Health::Initial, Some("Elb.InitialHealthChecking"))];
    let missing = missing(steady(&both(), &in_tg(&targets), 2, true));
    assert_eq!(missing, "1 of 2 healthy in shop-b: i-2 initial (Elb.InitialHealthChecking); running 2, pending 0");
}

#[test]
fn p29_standby_and_terminating_instances_do_not_count() {
    let fleet = fleet(&[("i-1", "InService"), ("i-2", "Standby")]);
    let targets = [target("i-1", Health::Healthy, None), target("i-2", Health::Healthy, None)];
    assert!(missing(steady(&fleet, &in_tg(&targets), 2, true)).contains("i-2 Standby"));
}

#[test]
fn p30_one_more_than_asked_is_tolerated_once_it_is_healthy() {
    let fleet = fleet(&[("i-1", "InService"), ("i-2", "InService"), ("i-3", "InService")]);
    let mut targets = vec![target("i-1", Health::Healthy, None), target("i-2", Health::Healthy, None)];
    assert!(missing(steady(&fleet, &in_tg(&targets), 2, true)).contains("i-3"));
    targets.push(target("i-3", Health::Healthy, None));
    assert_eq!(steady(&fleet, &in_tg(&targets), 2, true), Verdict::Holds);
}

#[test]
fn p7_p12_unused_and_unavailable_fail_at_once() {
    for target in [
        target("i-1", Health::Unused, Some("Target.NotInUse")),
        target("i-1", Health::Unavailable, Some("Target.HealthCheckDisabled")),
    ] {
        let Verdict::Never(failure) = steady(&both(), &in_tg(&[target]), 2, true) else { panic!("it should fail") };
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
    assert_eq!(steady(&both(), &in_tg(&targets), 2, true), Verdict::Holds);
    targets[2].health = Health::Healthy;
    let Verdict::Never(failure) = steady(&both(), &in_tg(&targets), 2, true) else { panic!("it should fail") };
    assert_eq!(failure.kind, Kind::Drifted);
    assert!(failure.message.contains("i-9"));
}

#[test]
fn a_heavier_instance_stands_for_more() {
    let mut fleet = fleet(&[("i-1", "InService")]);
    fleet.members[0].weight = 2;
    assert_eq!(steady(&fleet, &in_tg(&[target("i-1", Health::Healthy, None)]), 2, true), Verdict::Holds);
}

#[test]
fn b14_every_target_group_has_to_be_healthy() {
    let healthy = [target("i-1", Health::Healthy, None), target("i-2", Health::Healthy, None)];
    let [first] = in_tg(&healthy);
    let second = Registered { target_group: "arn:x:targetgroup/shop-d/1".into(), targets: vec![healthy[0].clone()] };
    assert!(missing(steady(&both(), &[first, second], 2, true)).starts_with("1 of 2 healthy in shop-d"));
}

#[test]
fn without_a_load_balancer_being_in_service_is_enough() {
    assert_eq!(steady(&both(), &[], 2, true), Verdict::Holds);
    let one = fleet(&[("i-1", "InService"), ("i-2", "Pending:Wait")]);
    assert_eq!(
        missing(steady(&one, &[], 2, true)),
        "1 of 2 in service in shop__7; running 1, pending 1 (i-2 Pending:Wait)"
    );
}

#[test]
fn p37_a_fleet_has_left_when_none_of_its_own_is_registered_whatever_else_is() {
    let draining = [target("i-1", Health::Draining, None), target("i-9", Health::Healthy, None)];
    assert_eq!(missing(deregistered(&both(), &in_tg(&draining))), "1 of shop__7 still in shop-b");
    assert_eq!(deregistered(&both(), &in_tg(&[target("i-9", Health::Healthy, None)])), Verdict::Holds);
    assert_eq!(deregistered(&both(), &in_tg(&[target("i-1", Health::Unused, None)])), Verdict::Holds);
}

fn need(healthy: u32) -> [Need; 1] {
    [Need { fleet: "shop__7".into(), target_groups: vec![TG.into()], healthy }]
}

#[test]
fn p10_p11_no_traffic_for_an_empty_or_unhealthy_target_group() {
    let covered = |targets: &[Target]| covered(&need(1), &[both()], &in_tg(targets));
    assert!(matches!(covered(&[]), Verdict::NotYet(_)));
    assert!(matches!(covered(&[target("i-1", Health::Unhealthy, None)]), Verdict::NotYet(_)));
    assert!(matches!(covered(&[target("i-9", Health::Healthy, None)]), Verdict::NotYet(_)), "another fleet's");
    assert_eq!(covered(&[target("i-1", Health::Healthy, None)]), Verdict::Holds);
    assert!(matches!(super::covered(&need(1), &[], &in_tg(&[])), Verdict::NotYet(_)), "without a fleet");
}

#[test]
fn a_rollback_does_not_wait_for_the_last_instance_but_never_goes_to_something_worse() {
    let (up, down) = (target("i-1", Health::Healthy, None), target("i-2", Health::Unhealthy, None));
    let theirs =
        |n: usize| in_tg(&(0..n).map(|i| target(&format!("i-8{i}"), Health::Healthy, None)).collect::<Vec<_>>());
    let back = |gaining: &[Target], losing: usize| {
        let back = Back { losing: &theirs(losing), carries: 0, waited: SOON, before: &[] };
        covered_for_rollback(&need(2), &[both()], &in_tg(gaining), back)
    };
    assert_eq!(back(&[up.clone(), down.clone()], 1), Verdict::Holds);
    assert!(matches!(back(std::slice::from_ref(&up), 2), Verdict::NotYet(_)));
    assert!(matches!(back(std::slice::from_ref(&down), 0), Verdict::NotYet(_)));
}

#[test]
fn a_rollback_in_a_shared_target_group_counts_each_fleet_by_itself() {
    // Only the candidate, i-8…, is healthy in production: going back to nothing would be worse.
    let production = in_tg(&[target("i-80", Health::Healthy, None), target("i-1", Health::Initial, None)]);
    for waited in [SOON, LATE, OVER] {
        let back = Back { losing: &production, carries: 0, waited, before: &[both()] };
        let verdict = covered_for_rollback(&need(2), &[both()], &production, back);
        assert!(matches!(verdict, Verdict::NotYet(_)), "{verdict:?}");
    }
}

const SOON: Waited = Waited { millis: 5_000, over: false };
const LATE: Waited = Waited { millis: 60_000, over: false };
const OVER: Waited = Waited { millis: 300_000, over: true };

#[test]
fn a_rollback_does_not_wait_for_an_ill_instance_that_nobody_replaces() {
    let targets = [target("i-1", Health::Healthy, None), target("i-2", Health::Unhealthy, None)];
    let better: Vec<Target> = (0..4).map(|i| target(&format!("i-8{i}"), Health::Healthy, None)).collect();
    let holds = |fleet: &Fleet, waited| {
        let back = Back { losing: &in_tg(&better), carries: 0, waited, before: std::slice::from_ref(fleet) };
        covered_for_rollback(&need(2), std::slice::from_ref(fleet), &in_tg(&targets), back) == Verdict::Holds
            && regained(fleet, Some(fleet), &in_tg(&targets), 2, waited) == Verdict::Holds
    };
    let left_alone = both();
    assert_eq!([SOON, LATE, OVER].map(|waited| holds(&left_alone, waited)), [false, true, true]);
    let own = |suspended: &[&str]| {
        let suspended = suspended.iter().map(|&it| it.to_owned()).collect();
        Own::AutoScalingGroup(asg::Own { suspended, heeds_balancer: true, ..asg::Own::default() })
    };
    let replaced = Fleet { own: own(&[]), ..both() };
    assert_eq!([SOON, LATE, OVER].map(|waited| holds(&replaced, waited)), [false, false, true]);
    for process in ["HealthCheck", "ReplaceUnhealthy", "Terminate", "Launch"] {
        let suspended = Fleet { own: own(&[process]), ..replaced.clone() };
        assert!(holds(&suspended, LATE), "without {process} nobody replaces anything");
    }
    let coming = Fleet { members: vec![member("i-1", "InService"), member("i-2", "Pending:Wait")], ..both() };
    assert_eq!([LATE, OVER].map(|waited| holds(&coming, waited)), [false, true]);
}

/// A group with EC2's checks has its instances in service while their application starts, and nothing replaces them (P4).
#[test]
fn a_rollback_waits_for_instances_that_were_launched_for_it_though_they_read_as_unhealthy() {
    let targets = [target("i-1", Health::Healthy, None), target("i-2", Health::Unhealthy, None)];
    let before = fleet(&[("i-1", "InService"), ("i-0", "InService")]);
    let holds = |waited| regained(&both(), Some(&before), &in_tg(&targets), 2, waited) == Verdict::Holds;
    assert_eq!([SOON, LATE, OVER].map(holds), [false, false, true]);
}

/// A task of ECS runs before it is registered, and the target groups are read before the tasks are.
#[test]
fn a_rollback_waits_for_who_has_just_come_into_service_and_is_about_to_be_registered() {
    let registered = in_tg(&[target("i-1", Health::Healthy, None)]);
    let holds =
        |fleet: &Fleet, before: &Fleet, waited| regained(fleet, Some(before), &registered, 2, waited) == Verdict::Holds;
    let before = fleet(&[("i-1", "InService"), ("i-0", "InService")]);
    assert_eq!([SOON, LATE, OVER].map(|waited| holds(&both(), &before, waited)), [false, false, true]);
    assert!(holds(&both(), &both(), LATE), "who was there before and is not registered is put aside");
    let resting = asg::Own { suspended: ["AddToLoadBalancer".to_owned()].into(), ..asg::Own::default() };
    let resting = Fleet { own: Own::AutoScalingGroup(resting), ..both() };
    assert!(holds(&resting, &before, LATE), "nobody registers");
}

#[test]
fn a_rollback_brings_nobody_to_what_cannot_carry_them() {
    let one_of_four = [("i-1", "InService"), ("i-2", "InService"), ("i-3", "InService"), ("i-4", "InService")];
    let fleet = fleet(&one_of_four);
    let of = |healthy: usize| -> Vec<Target> {
        let health = |i| if i < healthy { Health::Healthy } else { Health::Unhealthy };
        one_of_four.iter().enumerate().map(|(i, (id, _))| target(id, health(i), None)).collect()
    };
    let theirs =
        |n: usize| in_tg(&(0..n).map(|i| target(&format!("i-8{i}"), Health::Healthy, None)).collect::<Vec<_>>());
    let holds = |healthy: usize, losing: usize, carries: u32| {
        let back = Back { losing: &theirs(losing), carries, waited: OVER, before: &[] };
        covered_for_rollback(&need(4), std::slice::from_ref(&fleet), &in_tg(&of(healthy)), back) == Verdict::Holds
    };
    assert!(holds(2, 4, 0), "twice the load that it was to have");
    assert!(!holds(1, 4, 0) && !holds(1, 4, 49), "more than that");
    assert!(holds(1, 4, 50) && holds(1, 4, 90), "at most twice what it has already");
    assert!(!holds(0, 4, 90), "nobody comes to nothing");
    assert!(holds(0, 0, 0), "but where nobody is served, everything goes back to how it was");
}

#[test]
fn p16_what_hooks_hold_on_its_way_out_serves_nothing() {
    let rest = |instances: &[(&str, &str)], most| remainder(&fleet(instances), most);
    assert_eq!(rest(&[], 0), Remainder::Gone);
    assert_eq!(rest(&[("i-1", "InService"), ("i-2", "Standby")], 1), Remainder::Gone);
    assert_eq!(rest(&[("i-1", "InService"), ("i-2", "Terminating:Wait")], 0), Remainder::There(1));
    let held = [("i-1", "InService"), ("i-2", "Terminating:Wait"), ("i-3", "Terminating")];
    assert_eq!(rest(&held, 1), Remainder::Leaving(vec!["i-2 Terminating:Wait".into(), "i-3 Terminating".into()]));
    assert_eq!(rest(&[("i-1", "Pending:Wait")], 0), Remainder::There(1));
}

#[test]
fn b12_every_fleet_that_is_needed_counts_and_a_rollback_counts_them_together() {
    let older = Fleet { name: "shop__5".into(), ..fleet(&[("i-5", "InService"), ("i-6", "InService")]) };
    let needs = [need(2), need(2).map(|need| Need { fleet: "shop__5".into(), ..need })].concat();
    let healthy = |ids: &[&str]| in_tg(&ids.iter().map(|id| target(id, Health::Healthy, None)).collect::<Vec<_>>());
    let fleets = [both(), older];
    assert_eq!(covered(&needs, &fleets, &healthy(&["i-1", "i-2", "i-5", "i-6"])), Verdict::Holds);
    let three = healthy(&["i-1", "i-2", "i-5"]);
    assert!(missing(covered(&needs, &fleets, &three)).contains("1 of 2 healthy"));
    let back = |others: &[&str], waited| {
        let back = Back { losing: &healthy(others), carries: 0, waited, before: &fleets };
        covered_for_rollback(&needs, &fleets, &three, back) == Verdict::Holds
    };
    assert!(back(&["i-7", "i-8", "i-9"], SOON), "no fewer than the candidate has");
    assert!(!back(&["i-7", "i-8", "i-9", "i-10"], SOON), "four are more");
    assert!(back(&["i-7", "i-8", "i-9", "i-10"], OVER), "three of four, and nobody makes the fourth better");
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
fn p16_an_instance_that_a_hook_holds_is_a_launch_that_worked() {
    let failed = Incident { failed: true, at_millis: 65_000, ..Incident::default() };
    let held = fleet(&[("i-1", "Pending:Wait")]);
    assert!(launches(&held, std::slice::from_ref(&failed), 4_000).is_ok());
    let leaving = fleet(&[("i-1", "Terminating:Wait")]);
    assert!(launches(&leaving, &[failed], 4_000).is_err());
}

#[test]
fn p14_p16_what_is_replaced_or_given_up_again_and_again_ends_the_wait() {
    let replaced = Incident { what: Happened::End, because: Because::Health, ..Incident::default() };
    let refused = Incident { what: Happened::Launch, failed: true, ..Incident::default() };
    let reason = Some("it was abandoned".to_owned());
    let abandoned = Incident { because: Because::Hook, reason, ..refused.clone() };
    let churn = |of: [(&Incident, usize); 3]| {
        let all: Vec<Incident> = of.iter().flat_map(|(it, n)| std::iter::repeat_n((*it).clone(), *n)).collect();
        churn("shop__7", &all, 2).map_err(|failure| failure.message)
    };
    assert_eq!(churn([(&replaced, 3), (&abandoned, 0), (&refused, 9)]), Ok(()));
    let told = churn([(&replaced, 4), (&abandoned, 0), (&refused, 0)]).unwrap_err();
    assert!(told.contains("has replaced 4 instances because they failed their health checks"), "{told}");
    let told = churn([(&replaced, 1), (&abandoned, 3), (&refused, 0)]).unwrap_err();
    assert!(told.contains("has given up 3 instances") && told.contains("it was abandoned"), "{told}");
}

#[test]
fn p46_anything_but_our_own_weights_is_drift() {
    let routes = |a, b| vec![Route::to("a", a), Route::to("b", b)];
    let live = |a, b| Split { routes: routes(a, b), sticky_seconds: None, altered: None };
    let written = [routes(90, 10)];
    assert!(undrifted("rule", &live(100, 0), &routes(100, 0), &written).is_ok());
    assert!(undrifted("rule", &live(90, 10), &routes(100, 0), &written).is_ok());
    let drift = undrifted("rule", &live(50, 50), &routes(100, 0), &written).unwrap_err();
    assert_eq!(drift.kind, Kind::Drifted);
    assert!(drift.message.contains("a 50 : b 50") && drift.message.contains("a 90 : b 10"), "{drift}");
}

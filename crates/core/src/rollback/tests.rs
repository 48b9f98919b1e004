use super::*;
use crate::capacity::Size;
use crate::document;
use crate::infrastructure::Infrastructure;
use crate::kinds::asg::{self, LaunchSource, TemplateVersion};
use crate::kinds::{Blueprint, Own, Platform};
use crate::lane::{Lane, Movement};
use crate::observed::{Baggage, HookTimes, Member, MemberState, Wake};
use crate::plan::{self, Action, StageKind};

pub(crate) fn document() -> Document {
    document::parse_text(
        "
service: shop
environment: production
artifact: {ami: ami-0a11ce00000000007}
compute: {autoScalingGroup: {base: shop-base, name: shop}}
routing: {weighted: ['arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2']}
strategy: {blueGreenShift: {approveAfterPercents: [10]}}
rollback: {approval: {timeoutMinutes: 5}}
",
    )
    .unwrap()
}

pub(crate) fn fleet(revision: u32, desired: u32) -> Fleet {
    let member = |n| Member {
        id: format!("i-{revision}{n}"),
        targets: vec![format!("i-{revision}{n}")],
        state: MemberState::Serving,
        said: "InService".into(),
        weight: 1,
        protected: false,
    };
    Fleet {
        name: format!("shop__{revision}"),
        infrastructure: Some("shop/production/shop-base".into()),
        revision: Some(revision),
        deployment: None,
        size: Size { min: desired.min(2), desired, max: desired * 2 },
        target_groups: vec!["prod".into()],
        sources: Vec::new(),
        zones: Vec::new(),
        members: (0..desired).map(member).collect(),
        blueprint: None,
        deleting: false,
        own: Own::AutoScalingGroup(asg::Own::default()),
        wakes: None,
    }
}

const LISTENER: &str =
    "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/shop/50dc6c495c0c9188/f2f7dc8efc522ab2";

pub(crate) fn snapshot(fleets: Vec<Fleet>) -> Snapshot {
    let by = Movement::Weights { on: LISTENER.into() };
    let lane = Lane { production: "prod".into(), test: "stage".into(), by };
    let stable: Vec<Fleet> = plan::stable_of(&fleets, &["prod".into()]).into_iter().cloned().collect();
    Snapshot {
        infrastructure: Infrastructure {
            service: "shop".into(),
            environment: "production".into(),
            base: Some("shop-base".into()),
        },
        base: "shop-base".into(),
        weights: vec![lane.shifted(0).unwrap()],
        lanes: vec![lane],
        hook_times: BTreeMap::new(),
        healthy: BTreeMap::new(),
        asked: if stable.is_empty() { Size::pinned(4) } else { Size::together(stable.iter().map(|f| f.size)) },
        stable: stable.into_iter().map(|f| f.name).collect(),
        records: BTreeMap::new(),
        fleets,
        served: Vec::new(),
        candidate: "shop__7".into(),
        revision: 7,
        artifact: "ami-7".into(),
        platform: Platform::AutoScalingGroups,
        blueprint: Blueprint::AutoScalingGroup(LaunchSource::Template(TemplateVersion {
            id: "lt-1".into(),
            version: 3,
        })),
        baggage: Baggage::default(),
        drain_seconds: 30,
        load_balancers: Vec::new(),
        deregistration_seconds: 30,
    }
}

const TARGET_GROUP: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/shop-a/0123456789abcdef";

fn kinds(plan: &Plan) -> Vec<StageKind> {
    plan.stages.iter().map(|stage| stage.action.kind()).collect()
}

fn split(snapshot: &Snapshot, percent: u32) -> Splits {
    [(
        LISTENER.to_owned(),
        Split { routes: snapshot.shifted(percent)[0].routes.clone(), sticky_seconds: None, altered: None },
    )]
    .into()
}

fn shifted(snapshot: &Snapshot, percent: u32) -> BTreeMap<String, Vec<Vec<Route>>> {
    [(LISTENER.to_owned(), vec![snapshot.shifted(percent)[0].routes.clone()])].into()
}

/// The names of the stages.
fn names_of(plan: &Plan) -> Vec<&str> {
    plan.stages.iter().map(|stage| stage.name.as_str()).collect()
}

/// A fleet that sleeps, and whether something is known to wake it.
fn asleep(revision: u32, wakes: bool) -> Fleet {
    let size = Size { min: 2, desired: 4, max: 8 };
    let wakes = wakes.then(|| Wake { schedule: "morning".into(), size, due_millis: Some(8_000) });
    Fleet { size: Size { min: 0, desired: 0, max: 8 }, wakes, ..fleet(revision, 0) }
}

fn away(fleet: Fleet) -> Fleet {
    Fleet { target_groups: vec!["stage".into()], ..fleet }
}

fn asked(stable: &[&Fleet]) -> Result<Size> {
    plan::asked_size(&document(), stable, &fleet(1, 0))
}

#[test]
fn b12_what_serves_together_is_asked_for_and_shrinks_last_the_oldest_first_and_what_does_not_serve_goes_at_once() {
    let snapshot = snapshot(vec![fleet(5, 2), fleet(6, 4), away(fleet(4, 1)), fleet(3, 0)]);
    let asked = asked(&snapshot.stable_fleets()).unwrap();
    assert_eq!(asked, Size { min: 4, desired: 6, max: 12 }, "same as running is what they have together");
    let plan = plan::deploy(&document(), &snapshot, None).unwrap();
    insta::assert_snapshot!(names_of(&plan).join("\n"));
}

#[test]
fn b12_in_a_canary_the_oldest_fleet_gives_way_first_and_comes_back_last() {
    let mut document = document();
    document.routing =
        serde_json::from_value(serde_json::json!({"targetGroups": {"production": [TARGET_GROUP]}})).unwrap();
    let canary = serde_json::json!({"canary": {"phases": [{"percent": 25}, {"percent": 50}, {"percent": 75}]}});
    document.strategy = serde_json::from_value(canary).unwrap();
    document.rollback = crate::document::RollbackSettings { approval: None, phase_by_phase: true };
    document.timeouts.steady_state_minutes = 10;
    let mut snapshot = snapshot(vec![fleet(5, 3), fleet(6, 5)]);
    snapshot.lanes = vec![Lane { production: "prod".into(), test: "prod".into(), by: Movement::Attachment }];
    let forth = plan::deploy(&document, &snapshot, None).unwrap();
    let sizes = |plan: &Plan| {
        let stages = names_of(plan).into_iter();
        stages.filter(|name| !name.starts_with("Upscale")).map(str::to_owned).collect::<Vec<_>>()[..].join(" · ")
    };
    assert_eq!(
        sizes(&forth),
        "Set up shop__7 · Hold shop__5, shop__6 · Downsize shop__5 to 1 · Downsize shop__5 to 0 · Downsize shop__6 to 4 · \
         Downsize shop__6 to 2 · Downsize shop__6 to 0 · Prune to the last 3"
    );
    let touched =
        Touched { candidate: true, fleets: ["shop__5".into(), "shop__6".into()].into(), ..Touched::default() };
    let back = plan(&document, &snapshot, &touched, &[fleet(5, 0), fleet(6, 2), fleet(7, 6)], &Splits::new()).unwrap();
    assert_eq!(
        names_of(&back).join(" · "),
        "Restore shop__6 to 4 · Downsize shop__7 to 4 · Restore shop__6 to 5 · Restore shop__5 to 1 · Downsize shop__7 to 2 · \
         Restore shop__5 to 3 · Downsize shop__7 to 0 · Remove shop__7 · Release shop__5, shop__6"
    );
    let needs = back.stages.iter().filter_map(|stage| match &stage.action {
        Action::Downsize(down) => Some(down.needs.iter().map(|need| need.healthy).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(needs.collect::<Vec<_>>(), [vec![4], vec![1, 5], vec![3, 5]], "of the older one, and of the newer");
}

/// Whom the platform stops of four, of whom two are starting, nobody can tell it.
#[test]
fn a_canary_that_was_still_growing_is_not_made_smaller_before_something_has_come_back() {
    let mut document = document();
    document.routing =
        serde_json::from_value(serde_json::json!({"targetGroups": {"production": [TARGET_GROUP]}})).unwrap();
    let canary = serde_json::json!({"canary": {"phases": [{"percent": 25}, {"percent": 50}]}});
    document.strategy = serde_json::from_value(canary).unwrap();
    document.rollback = crate::document::RollbackSettings { approval: None, phase_by_phase: true };
    let mut snapshot = snapshot(vec![fleet(6, 8)]);
    snapshot.lanes = vec![Lane { production: "prod".into(), test: "prod".into(), by: Movement::Attachment }];
    let touched = Touched { candidate: true, fleets: ["shop__6".into()].into(), ..Touched::default() };
    let back = |old: u32, new: u32, touched: &Touched| {
        let live = [fleet(6, old), fleet(7, new)];
        names_of(&plan(&document, &snapshot, touched, &live, &Splits::new()).unwrap()).join(" · ")
    };
    assert_eq!(
        back(6, 4, &touched),
        "Restore shop__6 to 6 · Restore shop__6 to 8 · Downsize shop__7 to 0 · Remove shop__7 · Release shop__6"
    );
    let untouched = Touched { candidate: true, ..Touched::default() };
    assert_eq!(back(8, 2, &untouched), "Downsize shop__7 to 0 · Remove shop__7");
    assert_eq!(
        back(4, 8, &touched),
        "Restore shop__6 to 4 · Restore shop__6 to 6 · Downsize shop__7 to 2 · Restore shop__6 to 8 · \
         Downsize shop__7 to 0 · Remove shop__7 · Release shop__6"
    );
}

#[test]
fn b12_the_traffic_goes_back_once_all_that_served_are_there() {
    let snapshot = snapshot(vec![fleet(5, 2), fleet(6, 4)]);
    let touched = Touched {
        candidate: true,
        fleets: ["shop__5".to_owned()].into(),
        routes: shifted(&snapshot, 100),
        ..Touched::default()
    };
    let live = [fleet(5, 0), fleet(6, 4), fleet(7, 6)];
    let plan = plan(&document(), &snapshot, &touched, &live, &split(&snapshot, 100)).unwrap();
    assert_eq!(plan.stages[0].name, "Restore shop__5 to 2");
    let Action::Steer(steer) = &plan.stages[1].action else { panic!("{plan:?}") };
    let needs: Vec<(&str, u32)> = steer.needs.iter().map(|need| (need.fleet.as_str(), need.healthy)).collect();
    assert_eq!(needs, [("shop__5", 2), ("shop__6", 4)]);
}

#[test]
fn a_fleet_that_sleeps_behind_production_may_wake_until_it_is_retired_and_gets_back_what_it_had_by_then() {
    let snapshot = Snapshot { asked: Size::pinned(4), ..snapshot(vec![asleep(5, true), away(asleep(4, false))]) };
    let forth = plan::deploy(&document(), &snapshot, None).unwrap();
    let stages = names_of(&forth).join(" · ");
    assert!(stages.starts_with("Set up shop__7 · Hold shop__4 · Downsize shop__4 to 0 · Upscale"), "{stages}");
    assert!(stages.ends_with("Drain prod · Downsize shop__5 to 0 · Prune to the last 3"), "{stages}");
    let fleets: BTreeSet<String> = ["shop__4".into(), "shop__5".into()].into();
    let touched = Touched { candidate: true, fleets: fleets.clone(), ..Touched::default() };
    let retired = [fleet(5, 0), away(fleet(4, 0)), fleet(7, 4)];
    let back = |touched: &Touched| plan(&document(), &snapshot, touched, &retired, &split(&snapshot, 0)).unwrap();
    let stages = names_of(&back(&touched)).join(" · ");
    assert!(
        !stages.contains("Restore") && stages.ends_with("Release shop__4, shop__5"),
        "it goes on sleeping: {stages}"
    );
    let woken = [("shop__5".to_owned(), Size { min: 2, desired: 4, max: 8 })].into();
    let awake = back(&Touched { woken, ..touched });
    let Action::Upscale(upscale) = &awake.stages[0].action else { panic!("{awake:?}") };
    assert_eq!((upscale.fleet.as_str(), upscale.size), ("shop__5", Size { min: 4, desired: 4, max: 8 }));
    let now = Fleet { size: Size { min: 2, desired: 4, max: 8 }, ..fleet(5, 4) };
    let live = [now, away(asleep(4, false))];
    assert_eq!(differences(&snapshot, &live, &split(&snapshot, 0)), Vec::<String>::new(), "it woke by itself");
}

#[test]
fn what_has_overslept_because_it_was_retired_comes_back_awake() {
    let snapshot =
        Snapshot { asked: Size::pinned(4), ..snapshot(vec![asleep(5, true), asleep(4, false), fleet(6, 4)]) };
    let fleets: BTreeSet<String> = ["shop__4".into(), "shop__5".into(), "shop__6".into()].into();
    let retired = Touched { fleets, ..Touched::default() };
    let awake: BTreeMap<String, Size> = [("shop__5".to_owned(), Size { min: 2, desired: 4, max: 8 })].into();
    assert_eq!(overslept(&snapshot, &retired, 7_000, 9_000), awake);
    assert_eq!(overslept(&snapshot, &retired, 7_000, 7_500), BTreeMap::new(), "it is night");
    assert_eq!(overslept(&snapshot, &retired, 8_500, 9_000), BTreeMap::new(), "it is due tomorrow");
    assert_eq!(overslept(&snapshot, &Touched::default(), 7_000, 9_000), BTreeMap::new(), "it has woken by itself");
    let known = Touched { woken: awake, ..retired };
    assert_eq!(overslept(&snapshot, &known, 7_000, 9_000), BTreeMap::new(), "it was awake");
}

#[test]
fn same_as_running_asks_for_a_size_when_what_serves_sleeps() {
    let known = asked(&[&asleep(5, true)]).unwrap_err();
    assert_eq!(known.kind, Kind::PreflightFailed);
    let words = [
        "compute.autoScalingGroup.capacity is sameAsRunning",
        "shop__5 sleeps with 0 (min 0, max 8), and has 4 (min 2, max 8) when its scheduled action morning wakes it",
        "`capacity: {fixed: {min: 2, desired: 4, max: 8}}`",
    ];
    words.iter().for_each(|words| assert!(known.message.contains(words), "{words} is not in {known}"));
    let unknown = asked(&[&asleep(5, false)]).unwrap_err();
    assert!(unknown.message.contains("shop__5 sleeps with 0 (min 0, max 8). Give the size"), "{unknown}");
    let both = asked(&[&asleep(5, true), &fleet(6, 4)]).unwrap_err();
    assert!(both.message.contains("{min: 4, desired: 8, max: 16}"), "{both}");
    assert_eq!(asked(&[&asleep(5, false), &fleet(6, 4)]).unwrap(), fleet(6, 4).size, "nothing wakes it");
}

#[test]
fn same_as_running_with_nothing_running_is_refused() {
    assert_eq!(asked(&[]).unwrap_err().kind, Kind::PreflightFailed);
}

#[test]
fn p56_a_plan_that_could_exceed_the_history_limit_is_refused() {
    let mut document = document();
    document.timeouts.steady_state_minutes = 720;
    let snapshot = snapshot(vec![fleet(6, 4)]);
    assert!(plan::deploy(&document, &snapshot, None).is_ok());
    document.strategy = serde_json::from_value(serde_json::json!({"stages": [
        {"upscale": {"percent": 25}}, {"upscale": {"percent": 50}}, {"upscale": {"percent": 100}}, {"shift": {"percent": 100}}
    ]}))
    .unwrap();
    let failure = plan::deploy(&document, &snapshot, None).unwrap_err();
    assert!(failure.message.contains("history events"), "{failure}");
}

#[test]
fn b15_with_nothing_set_up_the_rollback_is_empty() {
    let snapshot = snapshot(vec![fleet(6, 4)]);
    let plan = plan(&document(), &snapshot, &Touched::default(), &snapshot.fleets, &split(&snapshot, 0)).unwrap();
    assert_eq!(plan.stages, []);
}

#[test]
fn b3_a_rejection_restores_the_weights_in_one_action_before_anything_is_removed() {
    let snapshot = snapshot(vec![fleet(6, 4)]);
    let touched = Touched { candidate: true, routes: shifted(&snapshot, 10), ..Touched::default() };
    let live = vec![fleet(6, 4), fleet(7, 4)];
    let plan = plan(&document(), &snapshot, &touched, &live, &split(&snapshot, 10)).unwrap();
    use StageKind::{Approve, Downsize, Drain, Remove, ShiftWeight};
    assert_eq!(kinds(&plan), [ShiftWeight, Approve, Drain, Downsize, Remove]);
}

#[test]
fn p68_a_candidate_that_was_given_a_size_is_sized_to_0_whatever_a_read_shows_of_it() {
    let snapshot = snapshot(vec![fleet(6, 4)]);
    let touched = Touched { candidate: true, grown: true, ..Touched::default() };
    use StageKind::{Approve, Downsize, Remove};
    let stages = |touched: &Touched, live: &[Fleet]| {
        kinds(&plan(&document(), &snapshot, touched, live, &split(&snapshot, 0)).unwrap())
    };
    assert_eq!(stages(&touched, &[fleet(6, 4)]), [Downsize, Remove], "it is not to be seen yet");
    assert_eq!(stages(&touched, &[fleet(6, 4), fleet(7, 0)]), [Approve, Downsize, Remove], "it shows as it was made");
    let made = Touched { grown: false, ..touched };
    assert_eq!(stages(&made, &[fleet(6, 4), fleet(7, 0)]), [Approve, Remove], "it was made, and nothing more");
    assert_eq!(stages(&made, &[fleet(6, 4)]), [Remove]);
}

#[test]
fn p68_reads_are_believed_a_minute_after_the_last_change_can_have_ended() {
    let begun = |begun_millis| Touched { begun_millis, ..Touched::default() };
    assert!(begun(7).nothing(), "when is not what");
    // What began a moment ago may have ended just now; what began long ago has ended long ago.
    assert_eq!(settled_millis(&begun(995_000), 1_000_000), 1_060_000);
    assert_eq!(settled_millis(&begun(700_000), 1_000_000), 880_000);
}

#[test]
fn o7_a_downsized_fleet_gets_its_size_back_before_it_gets_traffic() {
    let snapshot = snapshot(vec![fleet(6, 4)]);
    let touched = Touched {
        candidate: true,
        fleets: ["shop__6".to_owned()].into(),
        routes: shifted(&snapshot, 100),
        ..Touched::default()
    };
    let plan = plan(&document(), &snapshot, &touched, &[fleet(6, 0), fleet(7, 4)], &split(&snapshot, 100)).unwrap();
    let Action::Upscale(upscale) = &plan.stages[0].action else { panic!("{plan:?}") };
    assert_eq!(upscale.size, Size { min: 4, desired: 4, max: 8 }, "it may not scale in before the traffic is back");
    assert_eq!(plan.stages[1].action.kind(), StageKind::ShiftWeight);
    assert_eq!(kinds(&plan).last(), Some(&StageKind::Hold), "and then it gets its own limits back");
}

#[test]
fn a_rollback_plans_with_what_was_healthy_and_with_each_fleets_own_hooks() {
    let mut snapshot = snapshot(vec![fleet(6, 4)]);
    snapshot.healthy = [("shop__6".to_owned(), 3)].into();
    snapshot.baggage.hook_times = HookTimes { launching_seconds: 0, terminating_seconds: 60 };
    snapshot.hook_times =
        [("shop__6".to_owned(), HookTimes { launching_seconds: 900, terminating_seconds: 7200 })].into();
    let touched = Touched {
        candidate: true,
        fleets: ["shop__6".to_owned()].into(),
        routes: shifted(&snapshot, 100),
        ..Touched::default()
    };
    let live = [fleet(6, 0), fleet(7, 4)];
    let back = plan(&document(), &snapshot, &touched, &live, &split(&snapshot, 100)).unwrap();
    let Action::Steer(steer) = &back.stages[1].action else { panic!("{back:?}") };
    assert_eq!(steer.needs.iter().map(|need| need.healthy).collect::<Vec<_>>(), [3], "no more than there was");
    let seconds = |plan: &Plan, name: &str| {
        plan.stages.iter().find(|stage| stage.name == name).map(|stage| stage.timeout_seconds).unwrap_or_default()
    };
    assert_eq!(seconds(&back, "Restore shop__6 to 4"), 20 * 60 + 900);
    assert_eq!(seconds(&back, "Downsize shop__7 to 0"), 30 + 60 + 1200, "a copy of the base has its base's");
    let forth = plan::deploy(&document(), &snapshot, None).unwrap();
    assert_eq!(seconds(&forth, "Downsize shop__6 to 0"), 30 + 7200 + 1200);
    snapshot.healthy = [("shop__6".to_owned(), 0)].into();
    assert_eq!((snapshot.there_was("shop__6", 4), snapshot.there_was("shop__6", 0)), (1, 0), "nobody comes to nothing");
    assert_eq!(snapshot.there_was("shop__5", 4), 4, "of which nothing is known");
}

#[test]
fn p46_somebody_elses_weights_are_left_and_the_candidate_only_goes_without_traffic() {
    let snapshot = snapshot(vec![fleet(6, 4)]);
    let touched = Touched { candidate: true, routes: shifted(&snapshot, 10), ..Touched::default() };
    let live = vec![fleet(6, 4), fleet(7, 4)];
    let mut theirs = split(&snapshot, 0);
    theirs.get_mut(LISTENER).unwrap().routes[0].weight = 1;
    let plan_of = |split: &Splits| plan(&document(), &snapshot, &touched, &live, split);
    assert!(!kinds(&plan_of(&theirs).unwrap()).contains(&StageKind::ShiftWeight));
    let failure = plan_of(&split(&snapshot, 33)).unwrap_err();
    assert_eq!(failure.kind, Kind::RollbackFailed);
    assert!(failure.message.contains("shop__7"), "{failure}");
}

#[test]
fn p46_traffic_that_somebody_sent_to_a_candidate_before_any_shift_keeps_it() {
    let snapshot = snapshot(vec![fleet(6, 4)]);
    let touched = Touched { candidate: true, ..Touched::default() };
    let plan_of = |live: &[Fleet]| plan(&document(), &snapshot, &touched, live, &split(&snapshot, 30));
    assert_eq!(plan_of(&[fleet(6, 4), fleet(7, 4)]).unwrap_err().kind, Kind::RollbackFailed);
    assert_eq!(kinds(&plan_of(&[fleet(6, 4)]).unwrap()), [StageKind::Remove], "their weights are in nobody's way");
}

#[test]
fn without_a_candidate_there_is_nothing_to_inspect_but_its_launch_source_still_goes() {
    let snapshot = snapshot(vec![fleet(6, 4)]);
    let touched = Touched { candidate: true, ..Touched::default() };
    let plan = plan(&document(), &snapshot, &touched, &[fleet(6, 4)], &split(&snapshot, 0)).unwrap();
    assert_eq!(kinds(&plan), [StageKind::Remove]);
}

fn pruned(snapshot: &Snapshot, keep: u32) -> Vec<String> {
    let mut now = snapshot.fleets.clone();
    for fleet in &mut now {
        (fleet.size, fleet.members) = (Size::ZERO, Vec::new());
    }
    now.push(fleet(7, 4));
    plan::prunable(&now, snapshot, keep).iter().map(|fleet| fleet.name.clone()).collect()
}

#[test]
fn o4_the_last_three_of_size_0_are_kept() {
    let snapshot = snapshot([(6, 4), (3, 0), (5, 0), (4, 0), (2, 0)].map(|(r, n)| fleet(r, n)).into());
    assert_eq!(pruned(&snapshot, 3), ["shop__2", "shop__3"]);
    assert_eq!(pruned(&snapshot, 50), Vec::<String>::new());
}

#[test]
fn o4_what_served_last_is_kept_whatever_its_number_and_what_served_before_this_deployment_always() {
    // 4 was brought back after 6, before it 2 served; 5 and 6 were no good.
    let mut snapshot = snapshot([(4, 4), (6, 0), (5, 0), (3, 0), (2, 0)].map(|(r, n)| fleet(r, n)).into());
    snapshot.served = ["shop__4", "shop__2", "shop__6"].map(str::to_owned).into();
    assert_eq!(pruned(&snapshot, 2), ["shop__3", "shop__5", "shop__6"]);
    assert_eq!(pruned(&snapshot, 0), ["shop__3", "shop__5", "shop__6", "shop__2"]);
    assert_eq!(snapshot.served_until_now(), ["shop__4", "shop__2", "shop__6"]);
    snapshot.stable = vec!["shop__3".into(), "shop__4".into()];
    assert_eq!(pruned(&snapshot, 1), ["shop__5", "shop__6", "shop__2"], "both served");
    assert_eq!(snapshot.served_until_now(), ["shop__4", "shop__3", "shop__2", "shop__6"]);
}

#[test]
fn what_is_left_is_named() {
    let snapshot = snapshot(vec![fleet(6, 4), fleet(5, 0)]);
    assert_eq!(differences(&snapshot, &snapshot.fleets, &split(&snapshot, 0)), Vec::<String>::new());
    let left = differences(&snapshot, &[fleet(6, 2), fleet(7, 4)], &split(&snapshot, 10)).join("\n");
    insta::assert_snapshot!(left);
}

#[test]
fn p27_a_fleet_that_has_scaled_out_meanwhile_keeps_what_it_has() {
    let snapshot = snapshot(vec![fleet(6, 4)]);
    let touched = Touched { fleets: ["shop__6".to_owned()].into(), ..Touched::default() };
    let plan = plan(&document(), &snapshot, &touched, &[fleet(6, 6)], &split(&snapshot, 0)).unwrap();
    let Action::Upscale(upscale) = &plan.stages[0].action else { panic!("{plan:?}") };
    assert_eq!(upscale.size.desired, 6);
    let scaled = Fleet { size: Size { desired: 6, ..fleet(6, 4).size }, ..fleet(6, 6) };
    assert_eq!(differences(&snapshot, &[scaled], &split(&snapshot, 0)), Vec::<String>::new());
}

#[test]
fn what_is_behind_production_is_stable_whatever_else_runs() {
    let fleets = [fleet(6, 4), away(fleet(8, 2)), fleet(5, 0), asleep(4, false), fleet(3, 1)];
    let stable = |production: &[String]| {
        plan::stable_of(&fleets, production).into_iter().map(|fleet| fleet.name.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(stable(&["prod".into()]), ["shop__3", "shop__4", "shop__6"]);
    assert_eq!(stable(&[]), ["shop__3", "shop__4", "shop__6", "shop__8"], "without a router all");
}

#[test]
fn p48_between_two_listeners_the_unused_target_group_is_put_into_use_before_traffic_goes_back() {
    let (production, stage) = (LISTENER.to_owned(), format!("{LISTENER}0"));
    let to = |arn: &str| vec![Route::to(arn, 1)];
    let before = vec![
        Weights { on: production.clone(), routes: to("prod") },
        Weights { on: stage.clone(), routes: to("stage") },
    ];
    let by = Movement::Exchange { production: production.clone(), test: stage.clone() };
    let lanes = vec![Lane { production: "prod".into(), test: "stage".into(), by }];
    let snapshot = Snapshot { lanes, weights: before, ..snapshot(vec![fleet(6, 4)]) };
    let written = snapshot.exchanged().into_iter().map(|it| (it.on, vec![it.routes])).collect();
    let touched = Touched { candidate: true, routes: written, ..Touched::default() };
    let steers = |of_production: &str, of_stage: &str| {
        let split = |arn: &str| Split { routes: to(arn), sticky_seconds: None, altered: None };
        let splits = [(production.clone(), split(of_production)), (stage.clone(), split(of_stage))].into();
        let plan = plan(&document(), &snapshot, &touched, &[fleet(6, 4), fleet(7, 4)], &splits).unwrap();
        let steers = plan.stages.into_iter().filter_map(|stage| match stage.action {
            Action::Steer(steer) => Some(steer.weights.into_iter().map(|it| (it.on, it.routes)).collect::<Vec<_>>()),
            _ => None,
        });
        steers.collect::<Vec<_>>()
    };
    let back = vec![(production.clone(), to("prod")), (stage.clone(), to("stage"))];
    assert_eq!(
        steers("stage", "stage"),
        [vec![(stage.clone(), to("prod"))], back.clone()],
        "after the first of two calls"
    );
    assert_eq!(steers("stage", "prod"), [back], "after both");
}

#[test]
fn b14_p46_of_two_rules_the_one_that_somebody_has_set_stays_and_the_other_one_is_restored() {
    let one = snapshot(vec![fleet(6, 4)]);
    let second = format!("{LISTENER}0");
    let other = Lane { by: Movement::Weights { on: second.clone() }, ..one.lanes[0].clone() };
    let weights = vec![one.weights[0].clone(), other.shifted(0).unwrap()];
    let snapshot = Snapshot { weights, lanes: vec![one.lanes[0].clone(), other], ..one };
    let half = snapshot.shifted(50)[0].routes.clone();
    let mut routes = shifted(&snapshot, 50);
    routes.insert(second.clone(), vec![half.clone()]);
    let touched = Touched { candidate: true, routes, ..Touched::default() };
    let of = |weights: Vec<Route>| Split { routes: weights, sticky_seconds: None, altered: None };
    let mut theirs = snapshot.weights[0].routes.clone();
    theirs[0].weight = 7;
    let splits = [(LISTENER.to_owned(), of(theirs)), (second.clone(), of(half))].into();
    let plan = plan(&document(), &snapshot, &touched, &[fleet(6, 4), fleet(7, 4)], &splits).unwrap();
    let Action::Steer(steer) = &plan.stages[0].action else { panic!("{plan:?}") };
    assert_eq!(steer.weights.iter().map(|it| it.on.as_str()).collect::<Vec<_>>(), [second.as_str()]);
}

#[test]
fn nobody_is_advised_to_send_traffic_to_a_target_group_without_healthy_targets() {
    use crate::observed::{Health, Target};
    let snapshot = snapshot(vec![fleet(6, 4)]);
    let with = |health: &[Health]| {
        let target = |health: &Health| Target { id: "i-1".into(), port: None, health: *health, reason: None };
        [Registered { target_group: "prod".into(), targets: health.iter().map(target).collect() }]
    };
    let good = advice(&snapshot, &with(&[Health::Healthy, Health::Draining]));
    assert!(good.starts_with("Set them to prod 100 : stage 0"), "{good}");
    for ill in [advice(&snapshot, &with(&[])), advice(&snapshot, &with(&[Health::Draining])), advice(&snapshot, &[])] {
        assert!(ill.starts_with("Nothing is known to be healthy in prod"), "{ill}");
        assert!(ill.contains("Size shop__6 to 4 first"), "{ill}");
    }
}

#[test]
fn a_drain_lasts_as_long_as_the_nodes_take_however_short_the_delay() {
    let seconds = |drain_seconds: u32| {
        let snapshot = Snapshot { drain_seconds, deregistration_seconds: 0, ..snapshot(vec![fleet(6, 4)]) };
        let plan = plan::deploy(&document(), &snapshot, None).unwrap();
        let mut drains = plan.stages.iter().filter_map(|stage| match &stage.action {
            Action::Drain(drain) => Some(drain.seconds),
            _ => None,
        });
        drains.next().unwrap()
    };
    assert_eq!((seconds(0), seconds(59), seconds(300)), (60, 60, 300));
}

#[test]
fn a_plan_that_would_not_fit_into_the_table_is_refused() {
    let one = snapshot(vec![fleet(6, 4)]);
    let long = |n: usize| format!("{LISTENER}{n:0>200}");
    let lane = |n: usize| Lane { by: Movement::Weights { on: long(n) }, ..one.lanes[0].clone() };
    let lanes: Vec<Lane> = (0..100).map(lane).collect();
    let weights = lanes.iter().filter_map(|lane| lane.shifted(0)).collect();
    let snapshot = Snapshot { weights, lanes, ..one };
    let mut document = document();
    document.strategy = serde_json::from_value(serde_json::json!({"blueGreenShift": {}})).unwrap();
    assert!(plan::deploy(&document, &snapshot, None).is_ok(), "100 rules in three steps fit");
    let steps: Vec<u32> = (90..=100).collect();
    document.strategy = serde_json::from_value(serde_json::json!({"blueGreenShift": {"percents": steps}})).unwrap();
    let failure = plan::deploy(&document, &snapshot, None).unwrap_err();
    assert!(failure.message.contains("name fewer rules"), "{failure}");
}

#[test]
fn a_fleet_that_woke_by_its_schedule_is_told_apart_from_one_that_somebody_sized() {
    let snapshot = snapshot(vec![asleep(5, true), asleep(4, false), fleet(6, 4)]);
    let sized = |revision: u32, size: Size| Fleet { size, ..fleet(revision, 4) };
    let awake = Size { min: 2, desired: 4, max: 8 };
    assert!(snapshot.woke(&sized(5, awake)));
    assert!(!snapshot.woke(&sized(5, Size { min: 0, ..awake })), "another size");
    assert!(!snapshot.woke(&sized(4, awake)), "nothing wakes it");
    assert!(!snapshot.woke(&sized(6, awake)), "it never slept");
}

#[test]
fn more_members_than_can_be_written_down_are_refused() {
    let many = |count: u32| {
        let mut fleet = fleet(6, count);
        for (nth, member) in fleet.members.iter_mut().enumerate() {
            member.id = format!("i-{nth:017x}");
            member.targets = vec![member.id.clone()];
        }
        snapshot(vec![fleet]).fits()
    };
    assert_eq!(many(44_000), Ok(()));
    let refused = many(47_000).unwrap_err();
    assert_eq!(refused.kind, Kind::PreflightFailed);
    assert!(refused.message.contains("have 47000 instances together"), "{refused}");
}

//! How deployments of the sample shop are seen, from the records that real steps have written.

use std::sync::Arc;

use crossfade_core::document::{Decision, read_text};
use crossfade_core::plan::Direction;
use crossfade_sim::world::sample::NewImage;
use crossfade_sim::{Fault, Faults, Request};
use crossfade_steps::{FailureRecord, Status};
use crossfade_tests::shown::hold;
use serde_json::json;

use super::checks::Verdict;
use super::theatre::{Theatre, example};
use super::{StageState, View, build, text};

fn states(view: &View) -> String {
    let of = |stages: &[super::Stage]| stages.iter().map(|stage| text::mark(stage.state)).collect::<String>();
    format!("{}|{}", of(&view.stages), of(&view.rollback))
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_asks_shows_where_it_stands_what_it_asks_and_what_silence_decides() {
    let theatre = Theatre::new();
    theatre.start("shop-42", &example());
    theatre.asks("shop-42").await;
    theatre.sleep(60).await;
    let view = theatre.view("shop-42").await.expect("it is there");
    assert_eq!(states(&view), "✓✓✓✓?·····|");
    let question = view.question.as_ref().expect("it asks");
    assert_eq!((question.stage, question.direction), (5, Direction::Deploy));
    let at = view.stage().expect("it stands somewhere");
    assert_eq!((at.number, at.state), (5, StageState::Asking));
    assert_eq!(at.started_millis, view.stages[3].held_millis, "one begins when the one before has come to hold");
    assert!(at.millis >= Some(60_000) && view.stages[2].millis > Some(60_000), "{view:#?}");
    assert_eq!(view.remaining_millis, None, "nothing is known of the first deployment");
    let now = view.now.as_ref().expect("it was looked at");
    let fleets: Vec<_> = now.fleets.iter().map(|it| (it.fleet.as_str(), it.percent, it.healthy, it.desired)).collect();
    assert_eq!(fleets, [("shop__6", Some(90), 4, 4), ("shop__7", Some(10), 4, 4)]);
    assert_eq!(text::weights(&now.switches[0]), "shop-a 90 : shop-b 10");
    hold("docs/operating.md", "status", &text::all(&view, false).join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_rejection_stands_where_it_was_made_and_the_way_back_below() {
    let theatre = Theatre::new();
    theatre.start("shop-42", &example());
    theatre.asks("shop-42").await;
    theatre.decide("shop-42", Decision::Reject).await;
    let back =
        theatre.until("shop-42", |view| view.rollback.iter().any(|stage| stage.state == StageState::Running), |_| {});
    let back = back.await;
    assert_eq!(back.status, Status::RollingBack);
    assert!(states(&back).starts_with("✓✓✓✓✗     |") && back.question.is_none(), "{}", states(&back));
    let shown = text::all(&back, false);
    let failed = shown.iter().position(|line| line.starts_with("  5 ✗ ")).expect("it failed there");
    assert_eq!(shown[failed + 1], "      ApprovalRejected: Approve shop__7 at 10 %: rejected by alice: as before.");
    assert!(shown.iter().any(|line| line.starts_with(" R1 ")), "{shown:#?}");
    assert!(!shown.iter().any(|line| line.contains("crossfade approve")), "nobody is asked any more: {shown:#?}");

    let over = theatre.over("shop-42").await;
    assert_eq!(over.status, Status::FailedClean);
    let rollback = "✓".repeat(over.rollback.len());
    assert_eq!(states(&over), format!("✓✓✓✓✗     |{rollback}"));
    assert!(over.stages[4].millis.is_some(), "it is known how long it was asked");
    assert_eq!(over.commands.iter().map(|it| it.does.as_str()).collect::<Vec<_>>(), ["try it again"]);
    let approval = &over.approvals[0];
    assert_eq!((approval.decision, approval.by.as_deref()), (Some(Decision::Reject), Some("alice")));
}

#[tokio::test(start_paused = true)]
async fn an_inspection_ends_whatever_is_said_and_is_shown_so() {
    let mut document = example();
    document["rollback"] = json!({ "approval": { "message": "Have a look", "timeoutMinutes": 30 } });
    for decision in [Decision::Approve, Decision::Reject] {
        let theatre = Theatre::new();
        theatre.start("shop-42", &document);
        theatre.asks("shop-42").await;
        theatre.decide("shop-42", Decision::Reject).await;
        let view = theatre.until("shop-42", View::inspects, |_| {}).await;
        let question = view.question.as_ref().expect("it asks");
        assert_eq!(question.name, "Inspect shop__7 before it is removed");
        let stage = &view.rollback[question.stage - 1];
        assert_eq!(stage.does, "wait while somebody looks; any answer ends it, and so does silence");
        let shown = text::all(&view, false);
        let row =
            shown.iter().find(|line| line.contains("? Inspect shop__7 before it is removed ")).expect("its stage");
        assert!(row.ends_with(" left, then the inspection ends"), "{row}");
        let asked = shown.iter().position(|line| line == "? Inspect shop__7 before it is removed: Have a look");
        let silence = &shown[asked.expect("it is asked") + 1];
        assert!(silence.ends_with(" left) the inspection ends, and the rollback goes on"), "{silence}");
        let ends: Vec<&str> =
            view.commands.iter().filter(|it| it.command.contains("--stage ")).map(|it| it.does.as_str()).collect();
        assert_eq!(ends, ["end the inspection", "end the inspection"]);
        let said = shown.iter().filter(|line| line.contains("silence means") || line.contains("REJECTED"));
        assert_eq!(said.count(), 0, "{shown:#?}");
        theatre.decide("shop-42", decision).await;
        let over = theatre.over("shop-42").await;
        assert_eq!(over.status, Status::FailedClean, "{:?}", over.failure);
        let lines: Vec<&str> = over.log.iter().map(|entry| entry.line.as_str()).collect();
        assert!(lines.iter().any(|line| line.ends_with("without one in 30 min the inspection ends")), "{lines:#?}");
        assert!(lines.contains(&"Inspection ended by alice: as before"), "{decision:?}: {lines:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn c2_each_check_tells_what_it_said_over_time_and_last() {
    let verified = read_text(include_str!("../../../../examples/verified-shift.yaml")).expect("an example");
    for (image, ends, last, mark) in [
        (NewImage::Good, Status::Succeeded, Verdict::Good, "  ✓ errors: good, errorRate "),
        (NewImage::Errors, Status::FailedClean, Verdict::Bad, "  ✗ errors: bad, errorRate "),
    ] {
        let theatre = Theatre::with(image);
        theatre.start("shop-42", &verified);
        let mut shown: Vec<String> = Vec::new();
        let see =
            |view: &View| shown.extend(text::all(view, false).into_iter().filter(|line| line.contains(" errors: ")));
        let over = theatre.until("shop-42", |view| view.status.ended(), see).await;
        assert_eq!(over.status, ends);
        let names: Vec<&str> = over.checks.iter().map(|check| check.name.as_str()).collect();
        assert_eq!(names, ["crashes", "errors", "slow"]);
        let errors = &over.checks[1];
        let verdicts: Vec<Verdict> = errors.answers.iter().map(|answer| answer.verdict).collect();
        assert_eq!((verdicts.first(), errors.verdict()), (Some(&Verdict::Unknown), Some(last)), "{errors:#?}");
        assert!(errors.said.contains("errorRate") && !errors.said.contains("errors: "), "{errors:#?}");
        let all = text::all(&over, false);
        assert!(all.iter().any(|line| line.starts_with(mark)), "{all:#?}");
        assert!(shown.iter().any(|line| line.starts_with("  ? errors: unsure, ")), "{shown:#?}");
    }
    // Given up since nobody knew: that is not bad.
    let theatre = Theatre::with(NewImage::Errors);
    theatre.start("shop-42", &verified);
    theatre.over("shop-42").await;
    let mut records = theatre.records("shop-42").expect("they are there");
    records.meta.failure = Some(FailureRecord::new(
        "VerificationFailed",
        "Verify shop__7 for 15 min: after 15 min nobody knows whether the candidate is good: errors: shop__7 had 3 requests; slow: no \
         values. Absence of data is no health. Give the check data.",
    ));
    let view = build::view(&records, theatre.now_millis());
    let shown = text::checks(&view.checks);
    assert!(shown.contains(&"  ? errors: unsure, shop__7 had 3 requests".to_owned()), "{shown:#?}");
    assert!(shown.contains(&"  ? slow: unsure, no values".to_owned()), "{shown:#?}");
    // Before anything is looked at, and where there is nothing to look at, nothing is said of it.
    let theatre = Theatre::new();
    theatre.start("shop-42", &example());
    assert!(theatre.asks("shop-42").await.checks.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_next_deployment_knows_how_long_the_last_one_took() {
    let theatre = Theatre::new();
    let mut document = example();
    document["strategy"] = json!({ "blueGreenShift": { "percents": [100] } });
    theatre.start("shop-1", &document);
    let first = theatre.over("shop-1").await;
    assert_eq!(first.status, Status::Succeeded, "{:?}", first.failure);
    assert_eq!(states(&first), format!("{}|", "✓".repeat(first.stages.len())));

    document["artifact"] = json!({ "revision": 6 });
    theatre.start("shop-2", &document);
    let second = theatre.until("shop-2", |view| view.stage().is_some_and(|stage| stage.number == 3), |_| {}).await;
    assert_eq!(second.artifact, "revision 6");
    for (stage, before) in second.stages.iter().zip(&first.stages).filter(|(stage, before)| stage.kind == before.kind) {
        assert_eq!(stage.last_time_millis, before.millis, "{}", stage.name);
    }
    assert!(second.remaining_millis.is_some_and(|left| left > 30_000), "{:?}", second.remaining_millis);
    let shown = text::all(&second, false);
    assert!(shown.iter().any(|line| line.starts_with("  3 ▶ ") && line.contains("last time 1:1")), "{shown:#?}");
    assert!(
        shown.iter().any(|line| line.starts_with("about ") && line.ends_with(" from here, questions aside")),
        "{shown:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn g6_g10_what_it_is_for_what_it_made_and_what_its_stages_are_called_is_shown() {
    let theatre = Theatre::new();
    let mut document = example();
    document["description"] = json!("Release 42: the new checkout");
    document["strategy"] = json!({ "stages": [
        { "name": "Nobody sees it yet", "upscale": { "percent": 100 } },
        { "name": "Everybody", "shift": { "percent": 100 } },
    ] });
    theatre.start("shop-42", &document);
    let view = theatre.over("shop-42").await;
    assert_eq!(view.status, Status::Succeeded, "{:?}", view.failure);
    let shown = text::all(&view, false);
    assert_eq!(shown[2], "Release 42: the new checkout", "{shown:#?}");
    for name in ["Nobody sees it yet: Upscale shop__7 to 4", "Everybody: Shift 100 % to shop__7"] {
        assert!(shown.iter().any(|line| line.contains(name)), "{name}: {shown:#?}");
    }
    assert_eq!(view.made.len(), 4, "{view:#?}");
    assert!(view.made.iter().all(|id| id.starts_with("i-")), "{:?}", view.made);
    assert!(shown.contains(&format!("made {}", view.made.join(", "))), "{shown:#?}");
    // What is too long to be read is counted.
    let mut large = view.clone();
    large.made = (0..500).map(|n| format!("i-{n}")).collect();
    let shown = text::all(&large, false);
    assert!(shown.contains(&"made 500 (--output json names them)".to_owned()), "{shown:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_is_stuck_says_who_has_set_what_in_one_order() {
    let theatre = Theatre::new();
    theatre.start("shop-42", &example());
    theatre.asks("shop-42").await;
    theatre.set_weights(30, 70).await;
    theatre.decide("shop-42", Decision::Approve).await;
    let stuck = theatre.over("shop-42").await;
    assert_eq!(stuck.status, Status::FailedDirty);
    let shown = text::all(&stuck, false).join("\n");
    let hand = "  ! somebody else has set the weights of rule app/shop/…/4dc05e242e780a26\n              before  we set  now\n      \
                shop-a     100      90      30\n      shop-b       0      10      70\n";
    for part in [
        "✗ FAILED DIRTY after",
        "\n      Left: shop__7 exists",
        "\n      It had failed with Drifted: ",
        hand,
        "crossfade rollback shop-42 --reset-weights --wait",
        "crossfade rollback shop-42 --wait",
        "  old  shop__6   30 %",
    ] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    assert_eq!(
        shown.matches("RollbackFailed: rule ").count() + shown.matches("Left: shop__7 exists").count(),
        2,
        "{shown}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_waits_says_for_what() {
    let theatre = Theatre::with(NewImage::Unhealthy);
    theatre.start("shop-42", &example());
    let waits = |view: &View| view.stage().is_some_and(|stage| stage.number == 3 && stage.millis > Some(120_000));
    let view = theatre.until("shop-42", waits, |_| {}).await;
    let stage = view.stage().expect("it waits");
    assert!(stage.missing.as_ref().is_some_and(|missing| missing.contains("0 of 4 healthy")), "{stage:#?}");
    let now = view.now.as_ref().expect("it was looked at");
    let new = now.fleets.last().expect("the candidate");
    assert!(new.healthy == 0 && new.reasons.values().sum::<usize>() > 0, "{now:#?}");
}

#[tokio::test(start_paused = true)]
async fn stages_of_a_rollback_that_was_tried_before_are_not_taken_for_those_of_the_last() {
    let theatre = Theatre::new();
    theatre.start("shop-42", &example());
    theatre.asks("shop-42").await;
    theatre.decide("shop-42", Decision::Reject).await;
    theatre.over("shop-42").await;
    let mut records = theatre.records("shop-42").expect("they are there");
    records.meta.status = Status::RollingBack;
    records.meta.ended_millis = None;
    let now = theatre.now_millis();
    records
        .log
        .push(super::Entry { at_millis: now, line: format!("{}, as somebody asked", crossfade_steps::ROLLING_BACK) });
    let view = build::view(&records, now + 1000);
    assert_eq!(view.rollback[0].state, StageState::Running, "{:#?}", view.rollback);
    assert_eq!((view.rollback[0].started_millis, view.rollback[0].millis), (Some(now), Some(1000)));
    assert!(view.rollback[1..].iter().all(|stage| stage.state == StageState::ToCome));
}

#[test]
fn times_are_told_as_coarsely_as_people_need_them() {
    assert_eq!(text::ago(225_000), "3:45");
    assert_eq!(text::ago(3 * 86_400_000 + 5), "3 d");
    assert_eq!(text::date(1_767_607_265_000), "2026-01-05 10:01:05Z");
    assert_eq!(text::time_seen(1_767_607_265_000, 1_767_607_999_000), "10:01:05Z");
    assert_eq!(text::time_seen(1_767_607_265_000, 1_767_707_999_000), "2026-01-05 10:01:05Z");
}

/// Refuses an operation of everybody.
struct Refuse(&'static str);

impl Faults for Refuse {
    fn strike(&self, _: usize, request: &Request) -> Option<Fault> {
        let message = format!("User: ann is not authorized to perform: {}", request.operation);
        (request.operation == self.0).then(|| Fault::Refuse { status: 403, code: "AccessDenied".into(), message })
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_read_is_said_and_the_rest_is_shown() {
    let theatre = Theatre::new();
    theatre.start("shop-42", &example());
    theatre.asks("shop-42").await;
    for (refused, fleets) in [("DescribeTargetHealth", 2), ("DescribeRules", 2), ("DescribeAutoScalingGroups", 0)] {
        theatre.sim.set_faults(Some(Arc::new(Refuse(refused))));
        let view = theatre.view("shop-42").await.expect("it is there");
        let now = view.now.as_ref().expect("it was looked at");
        assert_eq!(now.fleets.len(), fleets, "{refused}: {now:#?}");
        let shown = text::all(&view, false).join("\n");
        assert!(shown.contains("  could not be read: ") && shown.contains(refused), "{refused}: {shown}");
        assert!(shown.contains("crossfade approve shop-42 --stage 5"), "{refused}: {shown}");
    }
}

#[test]
fn whoever_started_it_is_named_without_what_everybody_has_in_common() {
    for (by, who) in [
        ("arn:aws:sts::123456789012:assumed-role/Deployer/alice", "Deployer/alice"),
        ("arn:aws:iam::123456789012:user/ann", "ann"),
        ("arn:aws:iam::123456789012:root", "root"),
        ("trigger new-image", "trigger new-image"),
        ("arn:odd", "arn:odd"),
    ] {
        assert_eq!(text::who(by), who);
    }
}

//! What is told of deployments of the sample shop, and what fits which terminal.

use console::measure_text_width;
use crossfade_core::document::{Decision, read_text};
use crossfade_sim::world::sample::NewImage;
use crossfade_steps::Status;
use crossfade_tests::shown::hold;
use serde_json::json;

use super::events::{Event, Teller, ended, lines};
use super::screen::frame;
use crate::view::View;
use crate::view::checks::Verdict;
use crate::view::theatre::{Theatre, example};

/// Follows a deployment to its end, deciding so when it asks; the lines that are printed meanwhile, and all events.
async fn followed(theatre: &Theatre, id: &str, decision: Decision) -> (Vec<String>, Vec<Event>) {
    let (mut printed, mut told, mut teller) = (Vec::new(), Vec::new(), Teller::default());
    let mut see = |view: &View| {
        let mut events = teller.tell(view);
        if !events.is_empty() {
            events.extend(teller.weights(view));
        }
        if view.status.ended() {
            events.push(ended(view));
        }
        printed.extend(lines(&events, view));
        told.extend(events);
    };
    theatre.until(id, |view| view.question.is_some() || view.status.ended(), &mut see).await;
    if theatre.view(id).await.is_some_and(|view| view.question.is_some()) {
        theatre.sleep(20).await;
        theatre.decide(id, decision).await;
    }
    theatre.until(id, |view| view.status.ended(), &mut see).await;
    (printed, told)
}

fn names(events: &[Event]) -> Vec<String> {
    let name = |event: &Event| {
        let json = serde_json::to_value(event).expect("it is JSON");
        let stage = json["stage"].as_u64().map_or_else(String::new, |stage| format!(" {stage}"));
        format!("{}{stage}", json["event"].as_str().unwrap_or_default())
    };
    events.iter().map(name).collect()
}

#[tokio::test(start_paused = true)]
async fn the_guide_shows_every_event_once_and_in_order() {
    let theatre = Theatre::new();
    theatre.start("shop-42", &example());
    let (printed, told) = followed(&theatre, "shop-42", Decision::Approve).await;
    let names = names(&told);
    let wanted: Vec<String> = (1..=10)
        .flat_map(|stage| match stage {
            5 => vec!["stageStarted 5".into(), "approvalWanted 5".into(), "decided 5".into(), "stageHeld 5".into()],
            stage => vec![format!("stageStarted {stage}"), format!("stageHeld {stage}")],
        })
        .chain(["ended".to_owned()])
        .collect();
    let without_weights: Vec<String> = names.iter().filter(|name| *name != "weights").cloned().collect();
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    assert_eq!(sorted(without_weights), sorted(wanted), "{names:#?}");
    assert!(names.contains(&"weights".to_owned()) && names.last().is_some_and(|last| last == "ended"), "{names:#?}");
    let times: Vec<u64> =
        told.iter().filter_map(|event| serde_json::to_value(event).ok()?["atMillis"].as_u64()).collect();
    assert!(times.len() > 20, "{times:?}");

    // Whoever attaches later hears the same story.
    let over = theatre.view("shop-42").await.expect("it is there");
    let mut late = Teller::default();
    let story = late.tell(&over);
    let held = |events: &[Event]| events.iter().filter(|event| matches!(event, Event::StageHeld { .. })).count();
    assert_eq!((held(&story), held(&told)), (10, 10));
    assert!(late.tell(&over).is_empty(), "and only once");

    hold("docs/operating.md", "watch", &printed.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_rejection_and_the_way_back_are_told() {
    let theatre = Theatre::new();
    theatre.start("shop-42", &example());
    let (printed, told) = followed(&theatre, "shop-42", Decision::Reject).await;
    let names = names(&told);
    let position = |name: &str| names.iter().position(|it| it == name).unwrap_or_else(|| panic!("{name}: {names:#?}"));
    assert!(position("approvalWanted 5") < position("decided 5"), "{names:#?}");
    assert!(position("decided 5") < position("rollingBack") && position("rollingBack") < position("ended"));
    assert!(!names[..position("rollingBack")].contains(&"stageHeld 5".to_owned()), "{names:#?}");
    let story = printed.join("\n");
    for part in [
        "  approve: crossfade approve shop-42 --stage 5\n  reject:  crossfade reject shop-42 --stage 5\n",
        " 5/10 ✗ Rejected by alice: as before",
        "↩ rolling back because of ApprovalRejected: Approve shop__7 at 10 %: rejected by alice: as before.",
        " R1/",
        "FailedClean after ",
    ] {
        assert!(story.contains(part), "{part} is missing in\n{story}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_inspection_is_asked_for_and_ends_without_a_yes_or_a_no() {
    let theatre = Theatre::new();
    let mut document = example();
    document["rollback"] = json!({ "approval": { "message": "Have a look", "timeoutMinutes": 30 } });
    theatre.start("shop-42", &document);
    let (mut printed, mut teller) = (Vec::new(), Teller::default());
    let mut see = |view: &View| printed.extend(lines(&teller.tell(view), view));
    for is_asked in [|view: &View| view.question.is_some(), View::inspects] {
        theatre.until("shop-42", is_asked, &mut see).await;
        theatre.decide("shop-42", Decision::Reject).await;
    }
    theatre.until("shop-42", |view| view.status.ended(), &mut see).await;
    let story = printed.join("\n");
    for part in [
        ": Have a look (29:58 left, then the inspection ends)",
        "\n  end the inspection: crossfade approve shop-42 --stage ",
        " ✓ Inspection ended by alice: as before\n",
    ] {
        assert!(story.contains(part), "{part} is missing in\n{story}");
    }
    assert_eq!(story.matches("crossfade reject shop-42").count(), 1, "of the approval alone:\n{story}");
}

#[tokio::test(start_paused = true)]
async fn what_a_check_says_is_told_when_it_changes_and_stands_on_the_screen() {
    let verified = read_text(include_str!("../../../../examples/verified-shift.yaml")).expect("an example");
    let theatre = Theatre::with(NewImage::Errors);
    theatre.start("shop-42", &verified);
    let (printed, told) = followed(&theatre, "shop-42", Decision::Approve).await;
    let errors: Vec<Verdict> = told
        .iter()
        .filter_map(|event| match event {
            Event::Checked { name, verdict, .. } if name == "errors" => Some(*verdict),
            _ => None,
        })
        .collect();
    assert_eq!(errors.first(), Some(&Verdict::Unknown), "{printed:#?}");
    assert_eq!(errors.last(), Some(&Verdict::Bad), "{printed:#?}");
    assert!(errors.windows(2).all(|two| two[0] != two[1]), "only changes: {errors:?}");
    assert!(printed.iter().any(|line| line.contains("Z       ✗ errors: bad, errorRate ")), "{printed:#?}");
    let over = theatre.view("shop-42").await.expect("it is there");
    let screen = frame(&over, None, 120, 40).join("\n");
    assert!(screen.contains("\n  ✗ errors: bad, errorRate "), "{screen}");
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_hears_every_five_minutes_for_what() {
    let theatre = Theatre::with(NewImage::Slow);
    theatre.start("shop-42", &example());
    let (printed, told) = followed(&theatre, "shop-42", Decision::Approve).await;
    let waiting = told.iter().filter(|event| matches!(event, Event::Waiting { stage, .. } if stage.stage == 3)).count();
    assert!((2..=4).contains(&waiting), "some 12 to 20 minutes: {printed:#?}");
    let line = printed.iter().find(|line| line.contains(" 3/10 … Upscale shop__7 to 4 (for 5:0"));
    assert!(line.is_some_and(|line| line.contains("limit 20:00") && line.contains("old 100 % 4/4")), "{printed:#?}");
    assert_eq!(theatre.view("shop-42").await.map(|view| view.status), Some(Status::FailedClean));
}

#[tokio::test(start_paused = true)]
async fn the_screen_fits_and_shows_what_matters_at_every_size() {
    let theatre = Theatre::new();
    theatre.start("shop-42", &example());
    let asking = theatre.asks("shop-42").await;
    theatre.decide("shop-42", Decision::Reject).await;
    let back = theatre.until("shop-42", |view| view.status == Status::RollingBack, |_| {}).await;
    for (columns, rows) in [(60, 16), (80, 24), (120, 40), (200, 60), (61, 17), (40, 10), (20, 3), (1, 1)] {
        for (view, trouble) in
            [(&asking, None), (&asking, Some("AWS cannot be reached since 10:00:00Z: no route to host")), (&back, None)]
        {
            let frame = frame(view, trouble, columns, rows);
            assert!(frame.len() <= rows, "{columns}×{rows}: {frame:#?}");
            assert!(frame.iter().all(|row| measure_text_width(row) <= columns), "{columns}×{rows}: {frame:#?}");
            if (columns, rows) >= super::screen::LEAST && trouble.is_none() {
                let shown = frame.join("\n");
                let asks = [
                    "5 ? Approve shop__7 at 10 %",
                    "crossfade approve shop-42 --stage 5",
                    "Go on?",
                    "old shop__6 ",
                    " 90 %",
                ];
                let goes_back = ["shop-42", "5 ✗ Approve shop__7 at 10 %", " R", " ▶ ", "old shop__6 "];
                let parts: &[&str] = if view.question.is_some() { &asks } else { &goes_back };
                for part in parts {
                    assert!(shown.contains(part), "{columns}×{rows}: {part} is missing in\n{shown}");
                }
            }
        }
    }
    let small = frame(&asking, None, 60, 16).join("\n");
    assert!(small.contains("✓ 4 stages done") && small.contains("stages to come"), "{small}");
    let words = |row: &str| row.starts_with("  5 ? Approve shop__7 at 10 %") && row.ends_with(" left");
    assert!(small.lines().any(words) && !small.contains('…'), "half a word says less than none:\n{small}");
    let large = frame(&asking, None, 120, 40).join("\n");
    assert!(large.contains(" 10 · Prune") && !large.contains("stages done"), "{large}");
}

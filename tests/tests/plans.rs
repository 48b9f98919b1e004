//! What a deployment would change is shown before, asked about at a terminal, and can be saved: then that is deployed, or nothing.
//! `crossfade local` and the command, each in a process of its own.

mod built;
mod local;

use std::fs;
use std::path::Path;
use std::process::Command;

use crossfade_tests::shown::{hold, hold_but_for};
use local::{Local, crossfade, finished, json_of, text};
use serde_json::{Value, json};

const SHIFT: &str = "examples/blue-green-shift.yaml";

/// The names of all deployments that there have been.
fn deployments(local: &Local) -> Vec<String> {
    let listed = json_of(local.does(&["list", "--output", "json"]).as_bytes());
    let name = |it: &Value| it["deploymentId"].as_str().map(str::to_owned);
    listed["deployments"].as_array().into_iter().flatten().filter_map(name).collect()
}

/// Without how old images are, which another day shows otherwise, and how often a busy machine asked.
fn undated(text: &str) -> String {
    let without = |text: &str, unit: &str| {
        let parts = text.split(unit).map(|part| part.trim_end_matches(|it: char| it.is_ascii_digit()));
        parts.collect::<Vec<_>>().join(unit)
    };
    without(&without(text, " d old"), " calls")
}

fn deployed(local: &Local, name: &str) {
    local.does(&["deploy", SHIFT, "--name", name]);
    local.status(name, |status| status["question"]["stage"] == 5);
    local.does(&["approve", name, "--stage", "5"]);
    local.status(name, |status| status["status"] == "succeeded");
}

#[test]
fn a_plan_shows_what_changes_and_what_is_deleted_for_ever() {
    let local = Local::start();
    let printed = local.does(&["plan", SHIFT]);
    let below = printed.split_once("\n\n").expect("below what was found").1;
    hold_but_for("docs/operating.md", "plan", &format!("$ crossfade plan shop.yaml\n{below}"), undated);

    let markdown = local.does(&["plan", SHIFT, "--output", "markdown"]);
    assert!(markdown.contains("```diff\n+ shop__7 ") && markdown.contains("\n- shop__3, shop__2 "), "{markdown}");
    let asks = "| 5 | Approve shop__7 at 10 % | ask; silence means no | 8 |  | 8:00:00 | Restore weights shop-a 100 : shop-b 0; ";
    assert!(markdown.contains(asks), "{markdown}");
    assert!(markdown.contains("| in stages 4 to 8 | after 3 s |"), "{markdown}");
    let told = json_of(local.does(&["plan", SHIFT, "--output", "json"]).as_bytes());
    let deleted: Vec<&Value> = told["changes"]["fleets"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|it| it["change"] == "deleted")
        .map(|it| &it["fleet"])
        .collect();
    assert_eq!(deleted, ["shop__3", "shop__2"], "{told:#}");
    assert_eq!((&told["changes"]["before"], &told["changes"]["most"]), (&json!(4), &json!(8)));
    assert_eq!(told["stages"][4]["kind"], "Approve", "{told:#}");
    let runs: Vec<&Value> = told["stages"].as_array().into_iter().flatten().map(|it| &it["running"]).collect();
    assert_eq!(runs, [4, 4, 8, 8, 8, 8, 8, 8, 4, 4], "{told:#}");
    assert_eq!(told["changes"]["back"][1], json!({ "first": 4, "last": 8, "users": "steered" }), "{told:#}");
    let undone = |nth: usize| told["stages"][nth]["undone"].clone();
    assert_eq!(undone(0), json!(["Remove shop__7"]), "{told:#}");
    assert_eq!(undone(2), json!(["Downsize shop__7 to 0", "Remove shop__7", "Release shop__6"]), "{told:#}");
    assert_eq!(undone(8)[0], "Restore shop__6 to 4", "what served comes first: {told:#}");
    assert_eq!(undone(9), json!([]), "{told:#}");
    let both = &told["sideBySide"];
    assert_eq!(
        (&both["first"], &both["last"], &both["extraWhileAsked"]),
        (&json!(3), &json!(9), &json!(4)),
        "{told:#}"
    );
    assert_eq!(told["images"][1]["image"], "ami-0a11ce00000000007", "{told:#}");
    assert!(told["reads"].as_u64().is_some_and(|reads| reads > 20), "{told:#}");
}

/// The time of the account, in milliseconds since 1970.
fn now_millis(local: &Local) -> i64 {
    let listed = json_of(local.does(&["list", "--output", "json"]).as_bytes());
    listed["asOfMillis"].as_i64().expect("it tells its time")
}

fn change_base(local: &Local, grace: &str) {
    let group = ["--auto-scaling-group-name", "shop-base"];
    let change = ["--health-check-grace-period", grace];
    local.aws(&[&["autoscaling", "update-auto-scaling-group"][..], &group, &change].concat());
}

#[test]
fn a_base_that_has_changed_is_something_to_do_and_no_saved_plan_passes_over_it() {
    let local = Local::start();
    deployed(&local, "first");
    let plan = |exit: i32, more: &[&str]| {
        let output = local.crossfade(&[&["plan", SHIFT, "--detailed-exitcode"][..], more].concat());
        assert_eq!(output.status.code(), Some(exit), "{}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    };
    let same = plan(0, &[]);
    assert!(same.contains("beside its image shop__8 will have all that shop__7 has"), "{same}");
    assert!(same.contains("The last deployment here, first, succeeded after "), "{same}");
    assert!(same.contains(" instance-minutes, and 4 more for each minute that somebody thinks."), "{same}");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("base.plan").display().to_string();
    plan(0, &["--save", &file]);
    change_base(&local, "300");
    let changed = plan(5, &[]);
    let row = "  ~ health check grace period  240 s → 300 s";
    assert!(changed.lines().any(|line| line == row), "{changed}");
    assert!(changed.contains("only what it takes from its base is new."), "{changed}");
    let markdown = plan(5, &["--output", "markdown"]);
    assert!(markdown.contains("```diff\n! health check grace period  240 s → 300 s\n```"), "{markdown}");
    let told = json_of(plan(5, &["--output", "json"]).as_bytes());
    let setting = json!({
        "of": null, "setting": "health check grace period", "before": "240 s", "after": "300 s", "hidden": false,
    });
    assert_eq!((&told["differences"], &told["comparedWith"]), (&json!([setting]), &json!("shop__7")), "{told:#}");
    local.refuses(
        &["deploy", "--plan", &file, "--name", "again"],
        &["nothing was started", "taken from the base: ~ health check grace period 240 s → 300 s"],
    );
    assert_eq!(deployments(&local), ["first"]);
    change_base(&local, "240");
    plan(0, &[]);
}

#[test]
fn what_is_due_while_it_runs_is_told_with_what_becomes_of_it() {
    let local = Local::start();
    let none = local.does(&["plan", SHIFT]);
    assert!(!none.contains("due meanwhile"), "{none}");
    let at = |minutes: i64, format: &str| {
        let time = jiff::Timestamp::from_millisecond(now_millis(&local) + minutes * 60_000).expect("a time");
        time.strftime(format).to_string()
    };
    let start = at(90, "%Y-%m-%dT%H:%M:%SZ");
    let action = ["--scheduled-action-name", "morning", "--start-time", &start, "--min-size", "6"];
    let group = ["--auto-scaling-group-name", "shop__6"];
    local.aws(&[&["autoscaling", "put-scheduled-update-group-action"][..], &group, &action].concat());
    let window = format!("{}-{}", at(100, "%H:%M"), at(110, "%H:%M"));
    local.does(&["freeze", "production", "--window", &window, "--zone", "UTC", "--comment", "the fair"]);
    let due = local.does(&["plan", SHIFT]);
    for part in [
        "due meanwhile",
        "scheduled action morning of shop__6 (min 6): it rests on shop__6 from stage 2 on; shop__7 does not get it",
        "production is frozen in the hours",
        "what runs by then goes on, and nothing new begins",
    ] {
        assert!(due.contains(part), "{part}: {due}");
    }
    let told = json_of(local.does(&["plan", SHIFT, "--output", "json"]).as_bytes());
    assert_eq!(told["events"].as_array().map(Vec::len), Some(2), "{told:#}");
    assert_eq!(told["events"][0]["usually"], false, "nobody knows how long it takes: {told:#}");
}

#[test]
fn what_stands_in_the_way_is_told_scripts_in_json() {
    let local = Local::start();
    let example = fs::read_to_string(built::root().join(SHIFT)).expect("an example");
    let wrong =
        example.replace("base: shop-base", "base: shop-bass").replace("ami-0a11ce00000000007", "ami-0a11ce000000000ff");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wrong.yaml");
    fs::write(&file, wrong).expect("cargo gives tests a directory");
    let refused = |arguments: &[&str], error: &str, problems: &[&str]| {
        let output = local.crossfade(&[arguments, &["--output", "json"]].concat());
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        let told = json_of(&output.stdout);
        assert_eq!((&told["error"], &told["actsIn"]["region"]), (&json!(error), &json!("eu-west-1")), "{told:#}");
        let all = told["problems"].as_array().cloned().unwrap_or_default();
        assert_eq!(all.len(), problems.len(), "{told:#}");
        for (told, wanted) in all.iter().zip(problems) {
            assert!(told["problem"].as_str().is_some_and(|told| told.contains(wanted)), "{wanted}: {told}");
        }
    };
    let file = file.display().to_string();
    let problems = ["shop-bass does not exist", "ami-0a11ce000000000ff does not exist"];
    refused(&["plan", &file], "PreflightFailed", &problems);
    local.does(&["deploy", SHIFT, "--name", "first"]);
    local.status("first", |status| status["question"]["stage"] == 5);
    refused(&["plan", SHIFT], "LockHeld", &["is being deployed by first"]);
}

#[test]
fn what_serves_already_is_said_and_how_long_it_took_the_last_time() {
    let local = Local::start();
    let plan = |exit: i32| {
        let output = local.crossfade(&["plan", SHIFT, "--detailed-exitcode"]);
        assert_eq!(output.status.code(), Some(exit), "{}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    };
    let first = plan(5);
    assert!(!first.contains("serves already") && !first.contains("Takes about"), "{first}");
    deployed(&local, "first");
    let again = plan(0);
    assert!(again.contains("ami-0a11ce00000000007 serves already, in shop__7"), "{again}");
    assert!(again.contains("Takes about ") && again.contains(", and as long as somebody thinks."), "{again}");
    // The sides have changed: old stays before new.
    assert!(again.contains("shop-b 100 : shop-a 0 → 90 : 10 → 50 : 50 → 0 : 100"), "{again}");
}

#[test]
fn a_saved_plan_is_deployed_as_it_was_shown_or_not_at_all() {
    let local = Local::start();
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shop.plan").display().to_string();
    let told = local.does(&["plan", SHIFT, "--save", &file]);
    assert!(told.contains(&format!("`crossfade deploy --plan {file}` deploys exactly this")), "{told}");
    local.does(&["deploy", "--plan", &file, "--name", "saved"]);
    local.status("saved", |status| status["question"]["stage"] == 5);
    local.refuses(&["deploy", "--plan", &file, "--name", "again"], &["is being deployed by saved"]);
    local.does(&["approve", "saved", "--stage", "5"]);
    local.status("saved", |status| status["status"] == "succeeded");
    local.refuses(
        &["deploy", "--plan", &file, "--name", "again"],
        &[
            "The account has changed since the plan was saved, and nothing was started",
            "stage 1: Set up shop__8 (clone shop-base with ami-0a11ce00000000007 in shop-a) instead of Set up shop__7",
        ],
    );
    assert_eq!(deployments(&local), ["saved"]);
    local.refuses(&["deploy", "--plan", SHIFT], &["is no plan of this release", "--save"]);
    local.refuses(&["deploy", "--plan", "nowhere.plan"], &["nowhere.plan is no plan of this release"]);
}

#[test]
fn at_a_terminal_a_deployment_is_shown_before_it_starts_and_asked_about() {
    let local = Local::start();
    let program = crossfade().get_program().to_owned();
    let deploy = |name: &str, answer: &str, more: &str| {
        let line = format!("exec {} deploy {SHIFT} --name {name} {more}", program.display());
        let mut command = local.reached_by(Command::new("sh"));
        let typed = format!("printf '{answer}' | script --quiet --return --command \"{line}\" /dev/null");
        command.args(["-c", &typed]).env("TERM", "xterm");
        let output = finished(&mut command);
        (output.status.code(), text(&output.stdout))
    };
    let (code, shown) = deploy("no", "n\\n", "");
    assert_eq!(code, Some(2), "{shown}");
    for part in ["- shop__3, shop__2", "DELETED FOR EVER", "Start it? [y/n]", "Nothing was started."] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
    assert_eq!(deployments(&local), Vec::<String>::new());
    let (code, shown) = deploy("yes", "y\\n", "");
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("Started deployment yes"), "{shown}");
    assert_eq!(deployments(&local), ["yes"]);
    local.status("yes", |status| status["question"]["stage"] == 5);
    local.does(&["reject", "yes"]);
    local.status("yes", |status| status["status"] == "failedClean");
    let (code, shown) = deploy("sure", "\\n", "--yes");
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains("Start it?"), "{shown}");
}

#[test]
fn what_stands_in_the_way_is_said_before_anything_is_started() {
    let local = Local::start();
    let example = fs::read_to_string(built::root().join(SHIFT)).expect("an example");
    let wrong = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wrong.yaml");
    fs::write(&wrong, example.replace("base: shop-base", "base: shop-bass")).expect("cargo gives tests a directory");
    let wrong = wrong.display().to_string();
    local
        .refuses(&["deploy", &wrong, "--name", "wrong"], &["compute.autoScalingGroup.base = shop-bass does not exist"]);
    // Names that together have no room in a tag.
    let long = "s".repeat(63);
    let text = example
        .replace("service: shop", &format!("service: {long}"))
        .replace("environment: production", &format!("environment: {long}"));
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("long.yaml");
    fs::write(&file, text.replace("base: shop-base", &format!("base: {}", "b".repeat(129))))
        .expect("cargo gives tests a directory");
    let file = file.display().to_string();
    for command in [&["plan", &file][..], &["deploy", &file, "--name", "long"]] {
        local.refuses(
            command,
            &["service, environment and compute.autoScalingGroup.base make ", "256 characters are the most"],
        );
    }
    assert_eq!(deployments(&local), Vec::<String>::new());
    // Whoever does not want to look starts it, and learns of it afterwards.
    local.does(&["deploy", &wrong, "--name", "wrong", "--no-plan"]);
    local.status("wrong", |status| status["status"] == "failedClean");
}

#[test]
fn a_plan_shows_what_a_new_fleet_takes_from_a_base_that_has_changed() {
    let local = Local::start();
    deployed(&local, "first");
    let base = ["--auto-scaling-group-name", "shop-base"];
    let change = |operation: &str, also: &[&str]| local.aws(&[&["autoscaling", operation][..], &base, also].concat());
    change("update-auto-scaling-group", &["--health-check-grace-period", "300"]);
    let terminating = "autoscaling:EC2_INSTANCE_TERMINATING";
    change("put-lifecycle-hook", &["--lifecycle-hook-name", "drain", "--lifecycle-transition", terminating]);
    let version = r#"{"InstanceType": "m5.large", "UserData": "IyEvYmluL3NoCg=="}"#;
    let of = ["--launch-template-name", "shop"];
    let made = [&["ec2", "create-launch-template-version"][..], &of, &["--source-version", "2"]].concat();
    let made = local.aws(&[&made[..], &["--launch-template-data", version]].concat());
    let number = made["LaunchTemplateVersion"]["VersionNumber"].as_u64().expect("it has a number");
    let uses = format!("LaunchTemplateName=shop,Version={number}");
    change("update-auto-scaling-group", &["--launch-template", &uses]);
    let example = fs::read_to_string(built::root().join(SHIFT)).expect("an example");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("changed-base.yaml");
    fs::write(&file, example.replace("ami-0a11ce00000000007", "ami-0a11ce00000000006")).expect("written");
    let plan = local.does(&["plan", &file.display().to_string()]);
    let (_, from) = plan.split_once("\n  beside its image ").expect("it differs");
    let (differences, _) = from.split_once("\n\n").expect("it ends");
    hold("docs/operating.md", "a changed base", &format!("  beside its image {differences}"));
}

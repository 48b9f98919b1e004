//! The `crossfade` command as people and scripts meet it, without an account.

mod built;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use crossfade_tests::shown::hold;
use serde_json::{Value, json};

const STRATEGIES: [&str; 5] = ["basic", "canary", "shift", "swap", "listener-swap"];

/// Runs the command as a script does: nothing on standard input, everything else piped.
fn crossfade(arguments: &[&str]) -> Output {
    let mut command = Command::new(built::programs(&["crossfade"]).join("crossfade"));
    command.args(arguments).current_dir(built::root()).stdin(Stdio::null());
    for forced in ["CLICOLOR_FORCE", "FORCE_COLOR", "COLUMNS"] {
        command.env_remove(forced);
    }
    command.output().expect("the command runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("output is text")
}

/// What the command prints, when it exits with this code.
#[track_caller]
fn printed(code: i32, arguments: &[&str]) -> String {
    let output = crossfade(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// The JSON lines that a demo prints, and the last one.
#[track_caller]
fn told(arguments: &[&str]) -> (String, Value) {
    let printed = printed(0, &[&["demo", "--output", "json"], arguments].concat());
    let lines: Vec<Value> = printed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line}")))
        .collect();
    let (last, before) = lines.split_last().expect("something is printed");
    assert!(before.len() > 20 && before.iter().all(|line| line["event"].is_string()), "{printed}");
    (printed.clone(), last.clone())
}

#[test]
fn the_demo_ends_with_its_figures_in_json() {
    // Building it, should that be necessary, is not part of it.
    built::programs(&["crossfade"]);
    let started = Instant::now();
    let (_, summary) = told(&["--yes"]);
    eprintln!("the demo took {:.2} s", started.elapsed().as_secs_f64());

    let keys: BTreeSet<&str> = summary.as_object().expect("an object").keys().map(String::as_str).collect();
    for key in [
        "outcome",
        "requestsServed",
        "requestsLost",
        "virtualSeconds",
        "idleSecondsP95",
        "stateTransitions",
        "readCalls",
        "mutatingCalls",
    ] {
        assert!(keys.contains(key), "{key} is missing: {summary}");
    }
    assert_eq!(summary["outcome"], "Succeeded");
    assert_eq!(summary["requestsLost"], 0);
    assert!(summary["requestsServed"].as_u64() > Some(1000), "without traffic nothing is proved: {summary}");
    let virtual_seconds = summary["virtualSeconds"].as_f64().unwrap_or_default();
    assert!(virtual_seconds > 60.0, "instances take time: {summary}");
    assert!(summary["idleSecondsP95"].as_f64().is_some_and(|idle| idle <= 5.0), "{summary}");
    for key in ["stateTransitions", "readCalls", "mutatingCalls"] {
        assert!(summary[key].as_u64() > Some(0), "{summary}");
    }
}

/// What people see first has to be what they get.
#[test]
fn what_the_log_says_is_told_when_it_was_said() {
    let printed = printed(0, &["demo", "--output", "json", "--fail", "unhealthy", "--yes"]);
    let lines: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let times = |lines: &[&Value]| -> Vec<f64> { lines.iter().filter_map(|line| line["atSeconds"].as_f64()).collect() };
    let waits = |line: &&Value| line["line"].as_str().is_some_and(|line| line.starts_with("Upscale shop__7 to 4: "));
    let said = times(&lines.iter().filter(waits).collect::<Vec<_>>());
    let apart: BTreeSet<String> = said.iter().map(|at| format!("{at:.0}")).collect();
    assert!(apart.len() > 3, "what is said while it waits is not all told in the end: {said:?}");
    assert!(said.first().is_some_and(|first| *first < 120.0), "{said:?}");
    assert!(times(&lines.iter().collect::<Vec<_>>()).is_sorted(), "in the order in which it happened");

    // Without a terminal, what waits for long says for what, and what failed says why.
    let plain = self::printed(0, &["demo", "--fail", "slow", "--yes"]);
    let waiting = plain.lines().filter(|line| line.contains(" … Upscale shop__7 to 4: ")).count();
    assert!((2..=5).contains(&waiting), "{plain}");
    assert!(plain.contains(" ✗ Upscale shop__7 to 4: LaunchFailed: shop__7 has replaced 8 instances"), "{plain}");
}

#[test]
fn the_readme_shows_what_the_demo_prints_without_a_terminal() {
    hold("README.md", "a canary", &printed(0, &["demo", "--strategy", "canary", "--yes"]));
}

#[test]
fn stories_that_end_badly_lose_nothing_and_leave_nothing() {
    let stories: [(&[&str], &str); 4] = [
        (&["--reject"], "rejected by operator"),
        (&["--yes", "--fail", "unhealthy"], "instances because they failed their health checks"),
        (&["--yes", "--fail", "launch"], "do not have sufficient m6i.large capacity"),
        (&["--yes", "--fail", "slow"], "instances because they failed their health checks"),
    ];
    let ways = STRATEGIES.map(|strategy| vec!["--strategy", strategy]).into_iter();
    let ways: Vec<Vec<&str>> = ways.chain([vec!["--balancer", "nlb"]]).collect();
    let by_dns = ["--compute", "ecs", "--routing", "dns"];
    let stories_by_dns = [&["--reject"][..], &["--yes", "--fail", "unhealthy"], &["--yes", "--fail", "slow"]];
    let ways_by_dns = [&by_dns[..], &by_dns[2..], &["--compute", "elastigroup", "--routing", "dns"]];
    for (arguments, by_dns) in stories_by_dns.iter().flat_map(|story| ways_by_dns.map(|way| (story, way))) {
        let arguments = [arguments, by_dns].concat();
        let (_, summary) = told(&arguments);
        assert_eq!(summary["outcome"], "FailedClean", "{arguments:?}: {summary}");
        assert_eq!(summary["requestsLost"], 0, "{arguments:?}: {summary}");
        assert_eq!(summary["accountAsBefore"], true, "{arguments:?}: {summary}");
    }
    for (way, (arguments, why)) in ways.iter().flat_map(|way| stories.map(|story| (way, story))) {
        let arguments = [arguments, way].concat();
        let (_, summary) = told(&arguments);
        assert_eq!(summary["outcome"], "FailedClean", "{arguments:?}: {summary}");
        assert_eq!(summary["requestsLost"], 0, "{arguments:?}: {summary}");
        assert_eq!(summary["accountAsBefore"], true, "{arguments:?}: {summary}");
        assert!(summary["cause"].as_str().is_some_and(|cause| cause.contains(why)), "{arguments:?}: {summary}");
    }
}

/// Elastigroups change no target groups while they serve, so that they have no swap of attachments.
#[test]
fn stories_of_elastigroups_end_as_all_others_do() {
    let stories: [(&[&str], &str); 5] = [
        (&["--yes"], ""),
        (&["--reject"], "rejected by operator"),
        (&["--yes", "--fail", "unhealthy"], "health"),
        (&["--yes", "--fail", "launch"], "Can't Spin"),
        (&["--yes", "--fail", "slow"], "health"),
    ];
    let ways = STRATEGIES.iter().filter(|strategy| **strategy != "swap");
    for (strategy, (story, why)) in ways.flat_map(|way| stories.map(|story| (way, story))) {
        let arguments = [story, &["--compute", "elastigroup", "--strategy", strategy]].concat();
        let (_, summary) = told(&arguments);
        assert_eq!(summary["requestsLost"], 0, "{arguments:?}: {summary}");
        if why.is_empty() {
            assert_eq!(summary["outcome"], "Succeeded", "{arguments:?}: {summary}");
            continue;
        }
        assert_eq!(summary["outcome"], "FailedClean", "{arguments:?}: {summary}");
        assert_eq!(summary["accountAsBefore"], true, "{arguments:?}: {summary}");
        assert!(summary["cause"].as_str().is_some_and(|cause| cause.contains(why)), "{arguments:?}: {summary}");
    }
}

/// Health checks find the new version good, and users would not.
#[test]
fn c2_verification_takes_back_what_health_checks_let_through() {
    let ways: [&[&str]; 7] = [
        &[],
        &["--compute", "ecs"],
        &["--compute", "ecs-on-ec2"],
        &["--compute", "elastigroup"],
        &["--balancer", "nlb"],
        &["--compute", "ecs", "--routing", "dns"],
        &["--routing", "dns"],
    ];
    for (strategy, way) in STRATEGIES.iter().flat_map(|strategy| ways.map(|way| (strategy, way))) {
        // Of services one would have to be replaced to change its target groups, and a Network Load Balancer has listeners alone.
        let other = ["basic", "swap"].contains(strategy) && way.first() == Some(&"--compute");
        let only_shift = way.contains(&"--balancer") || way.contains(&"--routing");
        if other || (*strategy != "shift" && only_shift) {
            continue;
        }
        for (fail, why) in [("errors", "errors: "), ("latency", "slow: ")] {
            let arguments = [&["--yes", "--strategy", strategy, "--fail", fail], way].concat();
            let (_, summary) = told(&arguments);
            assert_eq!(summary["outcome"], "FailedClean", "{arguments:?}: {summary}");
            assert_eq!(summary["requestsLost"], 0, "{arguments:?}: {summary}");
            assert_eq!(summary["accountAsBefore"], true, "{arguments:?}: {summary}");
            assert!(summary["cause"].as_str().is_some_and(|cause| cause.contains(why)), "{arguments:?}: {summary}");
        }
        let arguments = [&["--yes", "--strategy", strategy, "--fail", "none"], way].concat();
        let (_, summary) = told(&arguments);
        assert_eq!(summary["outcome"], "Succeeded", "{arguments:?}: {summary}");
    }
}

#[test]
fn every_strategy_succeeds_by_its_own_stages() {
    let stages = |strategy| match strategy {
        "basic" => "Upscale shop__7 to 4 · Approve shop__7 at 4 of 4 · Downsize shop__6 to 0",
        "canary" => "Upscale shop__7 to 2 · Downsize shop__6 to 2",
        "shift" => "Shift 10 % to shop__7 · Approve shop__7 at 10 % · Shift 50 % to shop__7",
        "swap" => "Detach shop__7 from shop-b · Attach shop__7 to shop-a · Detach shop__6 from shop-a",
        _ => "Approve shop__7 at 0 % · Swap the listeners to shop__7",
    };
    for strategy in STRATEGIES {
        let story = printed(0, &["demo", "--yes", "--strategy", strategy]);
        for part in [stages(strategy), "shop__7 100 %, 4/4 healthy", "Succeeded after", " served, 0 lost"] {
            assert!(story.contains(part), "{strategy}: {part} is missing:\n{story}");
        }
        let headings: BTreeSet<&str> = story.lines().take(2).collect();
        assert!(headings.iter().all(|heading| heading.chars().count() <= 80), "{headings:?}");
    }
    let (story, behind_nlb) = told(&["--yes", "--balancer", "nlb"]);
    assert_eq!((&behind_nlb["outcome"], &behind_nlb["requestsLost"]), (&json!("Succeeded"), &json!(0)), "{behind_nlb}");
    assert!(story.contains("Settle 600 s"), "new connections take a while to follow:\n{story}");
    // Other ARNs, the same story.
    assert_eq!(told(&["--yes", "--strategy", "listener-swap", "--seed", "5"]).1["outcome"], "Succeeded");
}

#[test]
fn whoever_answers_on_standard_input_is_heard_by_the_demo() {
    let answered = |answer: &str, options: &str| {
        let line = format!("printf '{answer}' | \"$0\" demo {options}");
        let program = built::programs(&["crossfade"]).join("crossfade");
        let output = Command::new("sh").args(["-c", &line]).arg(program).output().expect("there is a shell");
        (output.status.code(), text(&output.stdout))
    };
    let rejected = |told: &str| told.contains("FailedClean") || told.contains("failedClean");
    for (answer, options, no) in [
        ("n\\n", "", true),
        ("n", "", true),
        ("maybe\\nno\\n", "", true),
        ("n\\n", "--output json", true),
        ("y\\n", "", false),
        ("y\\n", "--output json", false),
        ("n\\n", "--yes", false),
        ("", "", false),
        ("", "--output json", false),
    ] {
        let (code, told) = answered(answer, options);
        assert_eq!((code, rejected(&told)), (Some(0), no), "{answer:?} {options}:\n{told}");
        let silent = "nobody answers on standard input: approved, as with --yes";
        assert_eq!(told.contains(silent), answer.is_empty() && options.is_empty(), "{answer:?} {options}:\n{told}");
        if !answer.is_empty() && options.is_empty() {
            let last = if no { "n" } else { "y" };
            let question = told.lines().rfind(|row| row.contains("[y/n]")).unwrap_or_default();
            assert!(question.contains(&format!("[y/n] {last}")), "what was answered stands there:\n{told}");
        }
    }
    let help = printed(0, &["demo", "--help"]).replace('\n', " ");
    assert!(help.contains("answers are read from standard input"), "{help}");
}

#[test]
fn a_seed_tells_the_same_story_every_time() {
    let (first, _) = told(&["--yes", "--seed", "7"]);
    let (again, _) = told(&["--yes", "--seed", "7"]);
    assert!(first == again, "the same seed told two stories");
    let (other, _) = told(&["--yes", "--seed", "8"]);
    assert!(first != other, "the seed makes no difference");
}

#[test]
fn people_are_told_the_same_without_colours_when_nobody_sees_them() {
    for arguments in [&["demo", "--yes"][..], &["demo", "--reject", "--log"], &["--help"], &["demo", "--bad"]] {
        let output = crossfade(arguments);
        let both = text(&output.stdout) + &text(&output.stderr);
        assert!(!both.is_empty() && !both.contains('\u{1b}'), "{arguments:?} prints escape codes: {both}");
    }
    let story = printed(0, &["demo", "--yes"]);
    for part in ["plan: Set up shop__7", "operator: approved", "Succeeded after", " 0 lost"] {
        assert!(story.contains(part), "{part} is missing:\n{story}");
    }
}

#[test]
fn help_shows_examples_and_wrong_arguments_exit_with_2() {
    let with_examples =
        ["demo", "local", "list", "status", "watch", "rollback", "revisions"].map(|command| [command, "--help"]);
    for arguments in [&["--help"][..]].into_iter().chain(with_examples.iter().map(|both| &both[..])) {
        let help = printed(0, arguments);
        assert!(help.contains("Examples:\n  crossfade "), "{arguments:?}:\n{help}");
    }
    assert!(printed(0, &["--version"]).starts_with("crossfade "));
    for arguments in [
        &[][..],
        &["demo", "--yes", "--reject"],
        &["demo", "--fail", "nothing"],
        &["demo", "--strategy", "rolling"],
        &["local", "--speed", "0"],
        &["local", "--layout", "other"],
        &["rollback", "shop-42", "--to", "seven"],
        &["deploy"],
        &["deploy", "examples/basic.yaml", "--name", "a b"],
        &["list", "--limit", "0"],
        &["watch", "--timeout", "soon"],
        &["approve"],
        &["unknown"],
    ] {
        let output = crossfade(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?} says nothing");
    }
}

/// A file of this test.
fn file(name: &str, content: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).expect("cargo gives tests a directory");
    path
}

#[test]
fn every_problem_of_a_document_is_named_at_once() {
    let bad = "service: Shop!\nenvironment: production\nartifact: {ami: latest}\n\
               compute: {autoScalingGroup: {base: shop-base, name: shop, capcity: sameAsRunning}}\n\
               routing: {weightedRule: not-an-arn}\nstrategy: {blueGreenShift: {percents: [10, 500]}}\n";
    let path = file("bad.yaml", bad).display().to_string();
    let named = ["service", "artifact.ami", "capcity", "weightedRule", "percents"];

    let output = crossfade(&["validate", &path]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    for name in named {
        assert!(said.contains(name), "{name} is missing:\n{said}");
    }
    assert!(output.stdout.is_empty(), "{output:?}");

    let answer: Value = serde_json::from_str(&printed(2, &["validate", "--output", "json", &path])).expect("JSON");
    assert_eq!(answer["error"], "InvalidDocument");
    let problems = answer["problems"].to_string();
    for name in named {
        assert!(problems.contains(name), "{name} is missing: {problems}");
    }
    // What only the whole document shows.
    let good = fs::read_to_string(built::root().join("examples/blue-green-shift.yaml")).expect("an example");
    let path = file("backwards.yaml", &good.replace("[10, 50, 100]", "[50, 10]")).display().to_string();
    let said = text(&crossfade(&["validate", &path]).stderr);
    for problem in ["each has to be more than the one before, up to 100", "Write [10, 50, 100]"] {
        assert!(said.contains(problem), "{problem} is missing:\n{said}");
    }
    // A document that cannot even be read as one, a file that is not there, and a deployment that is never started.
    printed(2, &["validate", &file("broken.yaml", "service: [").display().to_string()]);
    printed(2, &["validate", "no-such-file.yaml"]);
    let output = crossfade(&["deploy", &path]);
    assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true), "{output:?}");
}

#[test]
fn what_is_no_text_is_refused_by_every_command_that_reads_a_document() {
    let binary = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("image.bin");
    fs::write(&binary, [0x7f, b'E', b'L', b'F', 0xff, 0xfe, 0]).expect("cargo gives tests a directory");
    let binary = binary.display().to_string();
    for command in ["validate", "plan", "deploy", "rehearse"] {
        for (path, what) in [
            ("examples", "it is a folder. Name a file in it."),
            (binary.as_str(), "it is no text in UTF-8. Give a file in YAML or JSON."),
            ("no-such-file.yaml", "there is no such file."),
        ] {
            let output = crossfade(&[command, path]);
            assert_eq!(
                (output.status.code(), output.stdout.is_empty()),
                (Some(2), true),
                "{command} {path}: {output:?}"
            );
            assert_eq!(text(&output.stderr), format!("error: {path} cannot be read: {what}\n"), "{command}");
        }
    }
}

#[test]
fn wrong_syntax_is_told_with_the_file_the_line_and_the_fix() {
    for (name, document, said) in [
        (
            "colon.yaml",
            "service: shop\nrouting\n  weighted: []\n",
            "line 2 (`routing`) has no colon behind the field's name. Write `routing:`.",
        ),
        (
            "two.yaml",
            "service: shop\n---\nservice: mail\n",
            "line 2 (`---`) begins a second document, and a file has one. Write each document into a file of its own, and remove that \
             line.",
        ),
    ] {
        let path = file(name, document).display().to_string();
        let output = crossfade(&["validate", &path]);
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true), "{output:?}");
        let told = text(&output.stderr);
        assert_eq!(told.lines().nth(1), Some(format!("- {path}: {said}").as_str()), "{told}");
    }
}

#[test]
fn json_that_only_this_command_takes_is_valid_with_a_note() {
    let example = fs::read_to_string(built::root().join("examples/blue-green-shift.json")).expect("an example");
    let comma = example.trim_end().strip_suffix('}').expect("it is an object").trim_end().to_owned() + ",\n}\n";
    let line = comma.trim_end().lines().count();
    let path = file("comma.json", &comma).display().to_string();
    let noted = |path: &str| {
        let output = crossfade(&["validate", path]);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(text(&output.stdout).contains(" is valid: "), "{output:?}");
        text(&output.stderr)
    };
    assert_eq!(
        noted(&path),
        format!(
            "note: {path} is read here as YAML. It is no JSON (trailing comma at line {line} column 1), and AWS's own tools refuse \
             it.\n"
        )
    );
    assert_eq!(noted("examples/blue-green-shift.json"), "");
    assert_eq!(noted(&file("comma.yaml", &comma).display().to_string()), "", "YAML it is");
}

#[test]
fn hostile_documents_are_refused_at_once_and_do_nothing_to_a_terminal() {
    let good = fs::read_to_string(built::root().join("examples/blue-green-shift.yaml")).expect("an example");
    let doubled = good.replace("    percents: ", "    percents: [100]\n    percents: ");
    let keys: String = (0..20_000).map(|i| format!("no{i}: 1\n")).collect();
    for (name, document, said) in [
        ("doubled.yaml", doubled, "strategy.blueGreenShift.percents: it stands there twice (line "),
        (
            "escapes.yaml",
            format!("{good}\"\\e[2J\\x9b1m\": \"\\e]0;x\\a\"\n"),
            "[\"\\u001b[2J\\u009b1m\"] = \"\\u001b]0;x\\u0007\"",
        ),
        ("many.yaml", format!("{good}{keys}"), "it has more problems than these 50"),
        ("long.yaml", "a: b\n".repeat(5_000_000), "has more than 261120 bytes"),
        ("emoji.json", r#"{"service": "\ud83d\ude00"}"#.into(), "service = \"😀\": it has the wrong form"),
    ] {
        let path = file(name, &document).display().to_string();
        let output = crossfade(&["validate", &path]);
        assert_eq!(output.status.code(), Some(2), "{name}: {output:?}");
        let told = text(&output.stderr);
        assert!(told.contains(said), "{name}: {said} is missing in\n{told}");
        assert!(told.len() < 40_000, "{name}: {} bytes", told.len());
        if name != "long.yaml" {
            let told: Value =
                serde_json::from_str(&printed(2, &["validate", "--output", "json", &path])).expect("JSON");
            assert_eq!(told["error"], "InvalidDocument", "{name}: {told}");
        }
        assert!(!told.contains(|letter: char| letter.is_control() && letter != '\n'), "{name}: {told:?}");
        fs::remove_file(path).expect("it is there");
    }
}

#[test]
fn the_examples_are_valid() {
    let mut examples = 0;
    for entry in fs::read_dir(built::root().join("examples")).expect("there are examples") {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "yaml" || extension == "json") {
            let said = printed(0, &["validate", &path.display().to_string()]);
            assert!(said.contains("is valid"), "{said}");
            examples += 1;
        }
    }
    assert!(examples >= 11, "{examples}");
    // The same document, twice.
    let document = |name: &str| -> Value {
        let printed = printed(0, &["validate", "--output", "json", name]);
        serde_json::from_str::<Value>(&printed).expect("JSON")["document"].take()
    };
    assert_eq!(document("examples/blue-green-shift.yaml"), document("examples/blue-green-shift.json"));
}

#[test]
fn variables_are_given_on_the_command_line() {
    let example = "examples/variables-and-references.yaml";
    let said = printed(0, &["validate", example, "--set", "first=5", "--set", "environment=staging"]);
    for line in [
        "is valid: (parameter /shop/staging/ami) to shop/staging/(CloudFormation output BaseName of shop-staging)",
        "Variable first = 5",
        "routing.weighted[0] comes from CloudFormation output RuleArn of shop-staging",
    ] {
        assert!(said.contains(line), "{line} is missing:\n{said}");
    }
    let answer: Value = serde_json::from_str(&printed(0, &["validate", "--output", "json", example])).expect("JSON");
    assert_eq!(answer["references"][0]["path"], "artifact.ami", "{answer}");

    // One that the document does not know, one that is no number where a number is wanted; and neither reaches an account.
    for command in ["validate", "plan", "deploy"] {
        let output = crossfade(&[command, example, "--set", "frst=5", "--set", "first=many"]);
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true), "{command}: {output:?}");
        let said = text(&output.stderr);
        for problem in ["did you mean `first`?", "strategy.blueGreenShift.percents[0] = \"many\""] {
            assert!(said.contains(problem), "{command}: {problem} is missing:\n{said}");
        }
    }
    assert_eq!(crossfade(&["validate", example, "--set", "first"]).status.code(), Some(2), "no value");
}

/// A line of a help without what variables hold: `[env: USER=ann]` becomes `[env: USER]`.
fn without_values(line: &str) -> String {
    match line.split_once("[env: ") {
        Some((before, rest)) => {
            let (variable, after) = rest.split_once(']').expect("it ends");
            let name = variable.split('=').next().unwrap_or(variable);
            format!("{before}[env: {name}]{}", without_values(after))
        }
        None => line.to_owned(),
    }
}

#[test]
fn the_reference_says_what_the_help_says() {
    let printed = printed(0, &["reference"]);
    let written = fs::read_to_string(built::root().join("docs/commands.md")).unwrap_or_default();
    assert!(written == printed, "write docs/commands.md again: cargo xtask docs");
    let blocks: Vec<(&str, &str)> =
        printed.split("\n## ").skip(1).filter_map(|block| block.split_once("\n\n```text\n")).collect();
    for command in ["deploy", "rollback", "pause", "freeze", "completions"] {
        assert!(blocks.iter().any(|(name, _)| *name == command), "{command}");
    }
    for (command, written) in blocks {
        let help = self::printed(0, &[command, "--help"]);
        // The page shows no values of the environment, nor spaces at the ends of lines.
        let shown: Vec<String> = help.lines().map(|line| without_values(line).trim_end().to_owned()).collect();
        let written = written.trim_end().strip_suffix("\n```").expect("the block ends");
        assert_eq!(shown.join("\n").trim_end(), written, "{command}");
    }
    assert!(printed.contains("[env: USER]") && !printed.contains("[env: USER="), "nobody's own name");
}

#[test]
fn shells_get_completions_and_editors_a_schema() {
    for shell in ["bash", "zsh", "fish"] {
        let script = printed(0, &["completions", shell]);
        assert!(script.contains("crossfade") && script.contains("CROSSFADE_COMPLETE"), "{shell}:\n{script}");
    }
    let schema = |of: &str| -> Value {
        let printed = printed(0, &["schema", of]);
        let file = match of {
            "document" => "docs/deployment-document.schema.json".to_owned(),
            of => format!("docs/outputs/{of}.schema.json"),
        };
        let written = fs::read_to_string(built::root().join(&file)).expect("it is checked in");
        assert!(written.trim_end() == printed.trim_end(), "write {file} again: cargo xtask docs");
        serde_json::from_str(&printed).expect("the schema is JSON")
    };
    assert!(schema("document")["properties"]["service"].is_object());
    assert_eq!(printed(0, &["schema"]), printed(0, &["schema", "document"]));
    for of in ["status", "list"] {
        assert!(schema(of)["properties"]["asOfMillis"].is_object(), "{of}");
    }
    assert!(
        schema("error")["properties"]["exitCode"].is_object() && schema("plan")["properties"]["stages"].is_object()
    );
    let events = schema("watch");
    for event in ["following", "stageStarted", "stageHeld", "waiting", "approvalWanted", "weights", "checked", "ended"]
    {
        assert!(events["oneOf"].to_string().contains(&format!("\"const\":\"{event}\"")), "{event}: {events}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_reason_to_complain() {
    for arguments in [&["completions", "bash"][..], &["schema"], &["reference"], &["demo", "--yes"], &["--help"]] {
        let mut command = Command::new(built::programs(&["crossfade"]).join("crossfade"));
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command runs");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
        assert!(output.status.code().is_some_and(|code| code != 101), "{arguments:?}: {:?}", output.status);
    }
}

#[test]
fn e9_the_way_off_is_printed_with_what_is_lost() {
    let file = std::env::temp_dir().join(format!("crossfade-elastigroup-{}.json", std::process::id()));
    let group = json!({ "group": {
        "name": "shop", "capacity": { "minimum": 1, "target": 2, "maximum": 4, "unit": "instance" },
        "strategy": { "risk": 100, "drainingTimeout": 60 },
        "compute": {
            "product": "Linux/UNIX", "subnetIds": ["subnet-1"], "instanceTypes": { "ondemand": "m6i.large", "spot": ["m5.large"] },
            "launchSpecification": { "imageId": "ami-0a11ce00000000006", "healthCheckType": "EC2", "images": null },
        },
    } });
    std::fs::write(&file, group.to_string()).expect("it can be written");
    let path = file.to_str().expect("it is a text");
    for arguments in [&["import", "elastigroup", path][..], &["import", "elastigroup", path, "--dry-run"]] {
        let output = crossfade(arguments);
        assert_eq!(output.status.code(), Some(0));
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(
            out.contains("AWS::AutoScaling::AutoScalingGroup") && out.contains("ImageId: ami-0a11ce00000000006"),
            "{out}"
        );
        assert!(err.contains("- strategy.fallbackToOd: ") && err.contains("desired: 2"), "{err}");
    }
    let output = crossfade(&["import", "elastigroup", path, "--name", "web-base", "--output", "json"]);
    let printed: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(printed["template"]["Resources"]["Base"]["Properties"]["AutoScalingGroupName"], "web-base");
    assert!(printed["lost"].as_array().is_some_and(|lost| lost.len() > 2), "{printed}");
    std::fs::write(&file, "{}").expect("it can be written");
    let output = crossfade(&["import", "elastigroup", path]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is no Elastigroup"));
    fs::remove_file(&file).expect("it was there");
}

#[test]
fn what_has_nothing_to_do_with_aws_does_not_speak_of_stacks_and_there_are_short_forms() {
    for here in [&["demo"][..], &["local"], &["schema"], &["completions"], &["validate"], &["import", "elastigroup"]] {
        let help = printed(0, &[here, &["--help"]].concat());
        assert!(!help.contains("--stack <") && !help.contains("--region <"), "{here:?}: {help}");
    }
    let help = printed(0, &["deploy", "--help"]);
    for option in ["--stack <", "-w, --wait", "-o, --output"] {
        assert!(help.contains(option), "{option}: {help}");
    }
    assert!(printed(0, &["approve", "--help"]).contains("-m, --comment"));
    // Given all the same, they change nothing.
    printed(0, &["schema", "--region", "eu-west-1"]);
}

#[test]
fn a_stored_trigger_is_checked_like_a_document() {
    for trigger in ["new-image", "pushed-image", "parameter", "schedule"] {
        let file = format!("infra/triggers/{trigger}.yaml");
        let told = printed(0, &["validate", &file]);
        assert!(told.starts_with(&format!("{file} is a valid trigger")), "{told}");
    }
    let good = fs::read_to_string(built::root().join("infra/triggers/new-image.yaml")).expect("it is shipped");
    let bad = file("bad-trigger.yaml", &good.replace("newImage:", "newImages:"));
    let output = crossfade(&["validate", &bad.display().to_string()]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("newImages") && said.contains("newImage"), "{said}");
    assert!(said.lines().count() < 4, "what is no document is not judged as one: {said}");
}

#[test]
fn an_endpoint_without_a_scheme_and_a_port_that_is_taken_are_told_with_what_to_write() {
    let mut command = Command::new(built::programs(&["crossfade"]).join("crossfade"));
    command.args(["list"]).current_dir(built::root()).stdin(Stdio::null());
    let without = "127.0.0.1:4580 has no scheme. Write http://127.0.0.1:4580 or https://127.0.0.1:4580.";
    for (name, url, wanted) in [
        ("AWS_ENDPOINT_URL", "127.0.0.1:4580", without),
        ("AWS_ENDPOINT_URL", "", "AWS_ENDPOINT_URL is empty. Unset it."),
        ("AWS_ENDPOINT_URL_SPOT", "", "AWS_ENDPOINT_URL_SPOT is empty. Unset it."),
    ] {
        let endpoint = [("AWS_ENDPOINT_URL", "http://127.0.0.1:4580"), ("AWS_REGION", "eu-west-1"), (name, url)];
        let output = command.envs(endpoint).output().expect("the command runs");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(wanted), "{said}");
    }

    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = taken.local_addr().expect("it has one").port().to_string();
    let output = crossfade(&["local", "--port", &port]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(&port) && said.contains("in use") && said.contains("--port; 0 takes a free one"), "{said}");
}

/// What runs until it is dropped.
struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn e1_the_simulated_spot_answers_over_loopback_and_a_deployment_there_ends() {
    let program = built::programs(&["crossfade"]).join("crossfade");
    let mut local = Command::new(&program);
    local.args(["local", "--compute", "elastigroup", "--layout", "attached", "--port", "0", "--speed", "300"]);
    let local = local.current_dir(built::root()).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let mut local = Running(local.expect("it starts"));
    let mut lines = BufReader::new(local.0.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
    let said: Vec<String> = lines.by_ref().take_while(|line| !line.contains("crossfade deploy")).collect();
    let exported = said.iter().filter_map(|line| line.trim().strip_prefix("export ")).flat_map(|it| it.split(' '));
    let environment: Vec<(&str, &str)> = exported.filter_map(|it| it.split_once('=')).collect();
    assert!(environment.iter().any(|(name, _)| *name == "AWS_ENDPOINT_URL_SPOT"), "{said:#?}");
    let ask = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        command.args(arguments).current_dir(built::root()).stdin(Stdio::null()).envs(environment.iter().copied());
        let output = command.output().expect("the command runs");
        format!("{}{}", text(&output.stdout), text(&output.stderr))
    };
    let group = "act-1a2b3c4d/sig-ea063bb1";
    let written = ask(&["init", "--elastigroup", group, "--image", "ami-0a11ce00000000007"]);
    assert!(written.contains("base: sig-ea063bb1") && written.contains("nothing in the way"), "{written}");
    // Nobody decides: that counts as a no.
    let ended = ask(&["deploy", "examples/elastigroup-canary.yaml", "--name", "first", "--wait"]);
    assert!(ended.contains("FailedClean") && ended.contains("nobody decided"), "{ended}");
}

#[test]
fn a_file_that_says_nothing_or_cannot_be_read_is_named_with_its_line() {
    let file = std::env::temp_dir().join(format!("crossfade-unreadable-{}.yaml", std::process::id()));
    let path = file.to_str().expect("it is a text");
    for (text, said) in [
        ("", "the document: it is empty. Write fields such as `service: shop`".to_owned()),
        ("service: shop\n  environment: [\n", path.to_owned()),
    ] {
        fs::write(&file, text).expect("it can be written");
        let output = crossfade(&["validate", path]);
        assert_eq!(output.status.code(), Some(2));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains(&said), "{said}: {told}");
    }
    fs::remove_file(&file).expect("it was there");
}

//! What the documentation says of machines, functions, services, records, calls and limits is held against these, so that nobody has
//! to notice when it is true no more.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossfade_core::plan::Direction;
use crossfade_local::Outcome;
use crossfade_local::watch::What;
use crossfade_sim::lambda::Invocation;
use crossfade_sim::world::sample::ShopOptions;
use crossfade_steps::{Context, PauseRecord, PromotionRecord, WallClock, freeze, pause, promote};
use crossfade_tests::machinery::{approve, asked, deploy, end};
use crossfade_tests::shown::hold;
use crossfade_tests::strategies::STRATEGIES;
use crossfade_tests::{REJECT, Scene};
use serde_json::{Value, json};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn architecture() -> String {
    text("docs/architecture.md")
}

/// What stands between two marks.
#[track_caller]
fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("there is no {from}"));
    rest.split_once(to).unwrap_or_else(|| panic!("there is no {to} after {from}")).0
}

/// The cells of each row of the table that begins with this line.
#[track_caller]
fn table<'a>(text: &'a str, head: &str) -> Vec<Vec<&'a str>> {
    let (_, rest) = text.split_once(head).unwrap_or_else(|| panic!("there is no table {head}"));
    let rows = rest.trim_start_matches('\n').lines().skip(1).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// The states of a machine.
fn states(machine: &str) -> serde_json::Map<String, Value> {
    let definition: Value =
        serde_json::from_str(&text(&format!("statemachines/{machine}.asl.json"))).expect("it is JSON");
    assert_eq!(definition["StartAt"], "Begin");
    definition["States"].as_object().expect("it has states").clone()
}

/// Where each state may lead, but for what every state does on an error.
fn ways(machine: &str, on_error: &str) -> BTreeSet<(String, String)> {
    let mut ways = BTreeSet::from([("[*]".to_owned(), "Begin".to_owned())]);
    for (name, state) in states(machine) {
        let list = |key: &str| state[key].as_array().cloned().unwrap_or_default();
        let nexts = list("Choices").into_iter().map(|choice| choice["Next"].clone());
        let caught = list("Catch").into_iter().map(|it| it["Next"].clone()).filter(|next| next != on_error);
        let all = nexts.chain(caught).chain([state["Next"].clone(), state["Default"].clone()]);
        ways.extend(all.filter_map(|next| Some((name.clone(), next.as_str()?.to_owned()))));
    }
    ways
}

#[test]
fn the_diagrams_show_every_state_and_every_way_between_them() {
    let text = architecture();
    for (machine, on_error) in [("deploy", "Failing"), ("rollback", "FailedDirty")] {
        let diagram = between(&text, &format!("state \"{machine}\" as "), "```");
        let mut drawn = BTreeSet::new();
        for line in diagram.lines() {
            if let Some((from, to)) = line.split_once(" --> ") {
                let to = to.split(" : ").next().unwrap_or(to);
                assert!(
                    drawn.insert((from.trim().to_owned(), to.trim().to_owned())),
                    "{machine}: {line} stands there twice"
                );
            }
        }
        let ways = ways(machine, on_error);
        let missing: Vec<_> = ways.difference(&drawn).collect();
        let gone: Vec<_> = drawn.difference(&ways).collect();
        assert!(
            missing.is_empty() && gone.is_empty(),
            "{machine}: not drawn: {missing:?}; drawn, and not there: {gone:?}"
        );
        let note = between(diagram, "note right of ", "\n");
        assert!(note.starts_with(on_error), "{machine}: {note}");
        for (name, state) in states(machine) {
            let seen = drawn.iter().any(|(from, to)| *from == name || *to == name);
            assert!(seen, "{machine}: {name} ({}) is not drawn", state["Type"]);
        }
    }
}

#[test]
fn each_state_that_calls_a_function_stands_beside_it_in_the_life_of_a_deployment() {
    let text = architecture();
    let rows = table(&text, "| state | function | reads | writes to the table | changes in the account |");
    for machine in ["deploy", "rollback"] {
        for (name, state) in states(machine) {
            let Some(function) = state["Parameters"]["FunctionName"].as_str() else { continue };
            let function = function.trim_start_matches("${").trim_end_matches("Function}");
            let kebab: String = function
                .char_indices()
                .flat_map(|(at, c)| {
                    let dash = (at > 0 && c.is_uppercase()).then_some('-');
                    dash.into_iter().chain(c.to_lowercase())
                })
                .collect();
            let told = rows.iter().any(|row| {
                let of_state = row[0].split([',', ';']).map(|it| it.trim().trim_end_matches(" of a rollback"));
                of_state.into_iter().any(|it| it == name) && row[1].contains(&format!("`{kebab}`"))
            });
            assert!(told, "{machine}: no row says that {name} calls `{kebab}`");
        }
    }
}

/// What the roles may do, by function: `ecs:UpdateService` and so on.
fn actions() -> BTreeSet<String> {
    let folder = root().join("infra/functions");
    let files = fs::read_dir(folder).expect("there are some").map(|it| it.expect("it can be listed").path());
    let mut actions = BTreeSet::new();
    for file in files.filter(|file| file.extension().is_some_and(|it| it == "yaml")) {
        let manifest: Value =
            serde_norway::from_str(&fs::read_to_string(&file).expect("it can be read")).expect("it is YAML");
        for statement in manifest["statements"].as_array().expect("it allows something") {
            let of = &statement["Action"];
            let many = of.as_array().into_iter().flatten().chain(Some(of));
            actions.extend(many.filter_map(Value::as_str).map(str::to_owned));
        }
    }
    actions
}

#[test]
fn the_picture_names_every_service_that_a_role_may_call() {
    let text = architecture();
    let picture = between(&text, "flowchart LR", "```");
    let services: BTreeSet<String> =
        actions().iter().filter_map(|action| action.split_once(':').map(|(service, _)| service.to_owned())).collect();
    assert!(services.len() > 10, "{services:?}");
    for service in services {
        let called = match service.as_str() {
            "autoscaling" => "Auto Scaling,",
            "application-autoscaling" => "Application Auto Scaling",
            "ec2" => "EC2",
            "ecs" => "ECS",
            "elasticloadbalancing" => "Elastic Load Balancing",
            "route53" => "Route 53",
            "servicediscovery" => "Cloud Map",
            "cloudwatch" => "CloudWatch",
            "cloudformation" => "CloudFormation",
            "ssm" => "Parameter Store",
            "s3" => "S3",
            "secretsmanager" => "Secrets Manager",
            "sns" => "SNS",
            "events" => "EventBridge",
            "lambda" => "|invoke| hooks",
            "states" => "state machine",
            "dynamodb" => "table",
            // Rights that come with others: to hand a role on, to use a key, to keep a login.
            "iam" | "kms" | "cognito-idp" => continue,
            other => panic!("name {other} in the picture of docs/architecture.md, and here how"),
        };
        assert!(picture.contains(called), "{called} is missing in the picture");
    }
}

/// Numbers as they are written out.
const NUMBERS: [&str; 21] = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
    "twenty",
];

/// The operations of EC2 that its client calls.
fn calls_to_ec2() -> BTreeSet<String> {
    let folder = root().join("crates/aws/src/ec2");
    let mut files: Vec<PathBuf> =
        fs::read_dir(&folder).expect("it is there").map(|it| it.expect("it can be listed").path()).collect();
    files.push(folder.with_extension("rs"));
    let mut calls = BTreeSet::new();
    for file in files {
        let source = fs::read_to_string(file).expect("it can be read");
        calls.extend(source.split(".call(\"").skip(1).filter_map(|rest| rest.split('"').next()).map(str::to_owned));
    }
    calls
}

#[test]
fn numbers_of_functions_and_of_calls_to_ec2_are_right_wherever_they_are_told() {
    let functions = fs::read_dir(root().join("functions")).expect("it is there").count();
    let says = format!("{} functions", NUMBERS[functions]);
    for path in ["docs/architecture.md", "template.yaml", "CHANGELOG.md", "docs/operating.md"] {
        let text = text(path);
        assert!(text.contains(&says), "{path} does not speak of {says}");
        for (number, word) in NUMBERS.iter().enumerate().skip(10).filter(|(number, _)| *number != functions) {
            let other = text.contains(&format!("{word} functions"));
            assert!(!other, "{path} speaks of {word} ({number}) functions, and there are {functions}");
        }
    }
    let calls = calls_to_ec2();
    let says = format!("{} kinds of EC2 calls", NUMBERS[calls.len()]);
    assert!(text("docs/decisions/0001-small-ec2-client.md").contains(&says), "{says}: {calls:?}");
}

#[test]
fn the_concepts_name_every_action_of_a_plan() {
    let source = text("crates/core/src/plan/action.rs");
    let actions: Vec<&str> = between(&source, "pub enum Action {", "\n}")
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with("//"))
        .filter_map(|line| line.split_once('(').map(|(name, _)| name))
        .collect();
    assert!(actions.len() > 15, "{actions:?}");
    let concepts = text("docs/concepts.md");
    let rows = table(&concepts, "| stage | action | condition |");
    let named: BTreeSet<&str> = rows.iter().flat_map(|row| row[0].split([',', ' '])).collect();
    for action in actions {
        assert!(named.contains(action), "docs/concepts.md does not say what the stage {action} does");
    }
}

/// A key of the table without what differs from record to record.
fn shape(key: &str) -> String {
    let first = key.split(['#', '~']).next().unwrap_or(key);
    if first == "MILLIS" || first.chars().all(|c| c.is_ascii_digit()) { "MILLIS".into() } else { first.to_owned() }
}

#[tokio::test(start_paused = true)]
async fn every_record_that_is_written_stands_in_the_table_of_records() {
    let text = architecture();
    let mut told = BTreeSet::new();
    for row in table(&text, "| pk | sk | what | written by | on condition |") {
        let keys = |cell: &str| cell.split('`').skip(1).step_by(2).map(shape).collect::<Vec<_>>();
        // Of what has no key of its own, it says what stands there.
        let sort = if row[0] == "`freezes`" { vec!["freezes".to_owned()] } else { keys(row[1]) };
        told.extend(sort.into_iter().map(|sort| (shape(row[0].trim_matches('`')), sort)));
    }

    let scene = Scene::new(ShopOptions::default());
    let context = scene.installation.context("operator", Duration::ZERO);
    scene
        .sim
        .callables()
        .function("smoke", |_| (Duration::from_secs(1), Invocation::Returned(json!({ "verdict": "pass" }))));
    let document = scene.document_with(|d| {
        let smoke = "arn:aws:lambda:eu-west-1:123456789012:function:smoke";
        d["hooks"] = json!({ "smoke": { "lambda": smoke, "at": ["beforeDeployment", "atEnd", "afterRollback"] } });
        d["strategy"] = json!({ "blueGreenShift": { "approveAfterPercents": [10], "pauseSeconds": 60 } });
    });
    assert_eq!(scene.play("no", &document, REJECT).await.summary.outcome, Outcome::FailedClean);
    let execution = deploy(&scene, "yes", &document);
    let token = asked(&scene, "yes").await;
    let stopped = PauseRecord { by: None, comment: None, since_millis: 0, timeout_minutes: 5 };
    pause(&context, "yes", &stopped).await.expect("it can be paused");
    crossfade_steps::unpause(&context, "yes").await.expect("it goes on");
    promote(&context, "yes", &PromotionRecord { by: None, comment: None, stage: None })
        .await
        .expect("it passes over its pauses");
    approve(&scene.sim, &token).await.expect("it is open");
    end(&scene, &execution).await;
    let whole = crossfade_core::freeze::Freeze {
        environment: None,
        by: None,
        comment: None,
        since_millis: 0,
        until_millis: None,
        window: None,
    };
    freeze(&context, &whole).await.expect("it can be frozen");

    let items = scene.sim.tables().items("crossfade");
    let seen: BTreeSet<(String, String)> = items
        .iter()
        .map(|item| {
            let key = |name: &str| shape(item[name].as_str().expect("keys are texts"));
            (key("pk"), key("sk"))
        })
        .map(|(pk, sk)| if pk == "freezes" { (pk.clone(), pk) } else { (pk, sk) })
        .collect();
    let unknown: Vec<_> = seen.difference(&told).collect();
    assert!(unknown.is_empty(), "docs/architecture.md does not tell of the records {unknown:?}");
    // The story is worth as much as what it writes.
    for sort in [
        "lock",
        "revision",
        "serving",
        "meta",
        "snapshot",
        "plan",
        "touched",
        "stage",
        "approval",
        "hook",
        "pause",
        "promotion",
    ] {
        assert!(seen.iter().any(|(_, it)| it == sort), "nothing has written `{sort}`: {seen:?}");
    }
}

#[test]
fn the_reference_shows_problems_as_they_are_told() {
    let reference = text("docs/deployment-document.md");
    let (_, part) = reference.split_once("## How problems are reported").expect("it does");
    let documents: Vec<&str> = part.split("```yaml\n").skip(1).map(|it| it.split("```").next().unwrap_or(it)).collect();
    for (document, name) in documents.iter().zip(["problems", "contradictions"]) {
        let problems = crossfade_core::document::parse_text(document).expect_err("it is full of mistakes");
        let message = crossfade_core::Failure::from(problems).message;
        hold("docs/deployment-document.md", name, &format!("error: {message}"));
    }
    assert_eq!(documents.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_page_of_concepts_shows_the_stages_of_every_strategy_and_of_the_way_back() {
    let mut told = String::new();
    for strategy in STRATEGIES {
        let scene = strategy.scene();
        let config = scene.sim.sdk_config_for("preview");
        let context = Context::new(&config, Arc::new(WallClock), scene.installation.settings());
        let preview = crossfade_steps::preview(&strategy.document(&scene), &context).await.expect("it can be planned");
        let stages = preview.plan.stages.iter().map(|stage| stage.name.as_str());
        told += &wrapped(strategy.name, stages.filter(|name| !name.starts_with("Approve")));
    }
    hold("docs/concepts.md", "stages", &told);

    let scene = Scene::new(ShopOptions::default());
    let ended = scene.play("no", &scene.document(), REJECT).await;
    let back = ended.happenings.iter().filter_map(|happening| match &happening.what {
        What::StageStarted { name, direction: Direction::Rollback, .. } => Some(name.as_str()),
        _ => None,
    });
    hold("docs/concepts.md", "back", &back.collect::<Vec<_>>().join(" · "));
}

/// Whatever a page shows of what crossfade prints is held by a test, or says which command has measured it.
#[test]
fn every_block_that_shows_something_printed_says_where_it_comes_from() {
    let mut sources = String::new();
    for folder in ["tests/tests", "crates/cli/src"] {
        files(&root().join(folder), "rs", &mut |_, text| sources += text);
    }
    let mut unheld = Vec::new();
    let mut seen = |path: &str, text: &str| {
        // The whole of these comes from the command that they are about.
        if path.ends_with("docs/commands.md") || path.ends_with("docs/figures.md") {
            return;
        }
        let (mut before, mut within, mut shown) = ("", false, Vec::new());
        for line in text.lines() {
            match (line.strip_prefix("```"), within) {
                (Some(_), true) => within = false,
                (Some(language), false) => {
                    within = true;
                    shown.push((before, language, String::new()));
                }
                (None, true) => shown.last_mut().into_iter().for_each(|it| it.2 += &format!("{line}\n")),
                (None, false) => before = line,
            }
            if line.starts_with("```") {
                before = "";
            }
        }
        for (before, language, body) in shown {
            let printed = match language {
                "" | "text" => true,
                // Beside what is typed.
                "console" => body.lines().any(|it| !it.starts_with(['$', '#', ' ', '}'])),
                _ => false,
            };
            let held = before.strip_prefix("<!-- shown: ").and_then(|it| it.strip_suffix(" -->"));
            let held = held.is_some_and(|name| sources.contains(&format!("{name:?}")));
            if printed && !held && !before.starts_with("<!-- measured: ") {
                unheld.push(format!("{path}: {}", body.lines().next().unwrap_or_default()));
            }
        }
    };
    files(&root().join("docs"), "md", &mut seen);
    seen("README.md", &text("README.md"));
    assert!(unheld.is_empty(), "put a mark before each of these (tests/src/shown.rs):\n{}", unheld.join("\n"));
}

/// What stands in the files of a folder and below it whose names end so.
fn files(folder: &Path, extension: &str, see: &mut impl FnMut(&str, &str)) {
    for entry in fs::read_dir(folder).expect("it is there").map(|entry| entry.expect("it can be read").path()) {
        if entry.is_dir() {
            files(&entry, extension, see);
        } else if entry.extension().is_some_and(|it| it == extension) {
            see(&entry.display().to_string(), &fs::read_to_string(&entry).expect("it is text"));
        }
    }
}

/// A name and the stages of a plan beside it, in lines that a page has room for.
fn wrapped<'a>(name: &str, stages: impl Iterator<Item = &'a str>) -> String {
    const COLUMNS: usize = 150;
    let mut lines = vec![format!("{name:<16}")];
    for stage in stages {
        let last = lines.last().map_or(0, |line| line.chars().count());
        match lines.last_mut() {
            Some(line) if line.trim_end() == name => line.push_str(stage),
            Some(line) if last + stage.chars().count() + 3 <= COLUMNS => line.push_str(&format!(" · {stage}")),
            _ => lines.push(format!("{:<16}· {stage}", "")),
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[test]
fn the_reference_knows_every_field_of_the_schema_and_every_limit_of_routing() {
    fn fields(schema: &Value, found: &mut BTreeSet<String>) {
        match schema {
            Value::Object(members) => {
                if let Some(properties) = members.get("properties").and_then(Value::as_object) {
                    found.extend(properties.keys().cloned());
                }
                members.values().for_each(|it| fields(it, found));
            }
            Value::Array(items) => items.iter().for_each(|it| fields(it, found)),
            _ => {}
        }
    }
    let schema: Value = serde_json::from_str(&text("docs/deployment-document.schema.json")).expect("it is JSON");
    let reference = text("docs/deployment-document.md");
    let words: BTreeSet<&str> = reference.split(|c: char| !c.is_alphanumeric()).collect();
    let mut all = BTreeSet::new();
    fields(&schema, &mut all);
    let unknown: Vec<&String> = all.iter().filter(|field| !words.contains(field.as_str())).collect();
    assert!(all.len() > 150 && unknown.is_empty(), "docs/deployment-document.md does not speak of {unknown:?}");

    for kind in ["autoScalingGroup", "ecsService", "elastigroup"] {
        assert!(between(&reference, "## compute\n", "\n### ").contains(kind), "compute can be {kind}");
    }
    let operating = text("docs/operating.md");
    let limits = table(&operating, "| what | limit |");
    let limit = |what: &str| limits.iter().find(|row| row[0].starts_with(what)).map(|row| row[1]).unwrap_or_default();
    let refused = |routing: Value| {
        let document = json!({ "routing": routing });
        let problems = crossfade_core::document::parse(&document).expect_err("the rest is missing");
        problems.iter().any(|problem| {
            problem.path == format!("routing.{}", routing.as_object().expect("one").keys().next().expect("one"))
        })
    };
    let arn =
        |n: usize| format!("arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/shop/{n:016x}/{n:016x}");
    let rules = |n: usize| json!({ "weighted": (0..n).map(arn).collect::<Vec<_>>() });
    let pairs = |n: usize| json!({ "listeners": (0..n).map(|n| json!({ "production": arn(2 * n), "test": arn(2 * n + 1) })).collect::<Vec<_>>() });
    for (what, make) in
        [("rules of `weighted`", &rules as &dyn Fn(usize) -> Value), ("listener pairs or target groups", &pairs)]
    {
        let most: usize = limit(what).parse().unwrap_or_else(|_| panic!("docs/operating.md has no limit of {what}"));
        assert_eq!((refused(make(most)), refused(make(most + 1))), (false, true), "{what}: {most}");
    }
}

/// All pages of the repository, by their paths in it.
fn pages() -> Vec<PathBuf> {
    fn collect(folder: &Path, pages: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(root().join(folder)).expect("it is a folder") {
            let entry = entry.expect("it can be read");
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = folder.join(&name);
            let is_folder = entry.file_type().expect("it has a type").is_dir();
            if is_folder && !name.starts_with('.') && name != "target" && name != "node_modules" {
                collect(&path, pages);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    let mut pages = Vec::new();
    collect(Path::new(""), &mut pages);
    pages
}

/// The lines of a page that are no code.
fn prose(page: &str) -> Vec<String> {
    let mut in_block = false;
    let mut lines = Vec::new();
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            lines.push(line.to_owned());
        }
    }
    lines
}

/// A line without what stands in it as code.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect()
}

/// What stands behind each of these, up to its end.
fn behind<'a>(line: &'a str, begins: &str, ends: char) -> Vec<&'a str> {
    line.split(begins).skip(1).filter_map(|rest| Some(rest.split_once(ends)?.0)).collect()
}

/// Where a page can be entered: at its headings, as GitHub calls them, and at anchors of its own.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut anchors: BTreeSet<String> = BTreeSet::new();
    for line in prose(page) {
        anchors.extend(behind(&line, "<a id=\"", '"').into_iter().map(str::to_owned));
        let heading = line.trim_start_matches('#');
        let Some(mut heading) = heading.strip_prefix(' ').filter(|_| line.starts_with('#')).map(str::to_owned) else {
            continue;
        };
        // Of a link the words alone.
        while let Some((before, (words, rest))) =
            heading.split_once('[').and_then(|(before, rest)| Some((before, rest.split_once("](")?)))
        {
            heading = format!("{before}{words}{}", rest.split_once(')').map_or("", |(_, after)| after));
        }
        let letters = heading.trim().to_lowercase();
        let letters = letters.chars().filter(|letter| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter));
        let name: String = letters.map(|letter| if letter == ' ' { '-' } else { letter }).collect();
        let again = (1..).map(|nth| format!("{name}-{nth}"));
        let free = std::iter::once(name.clone()).chain(again).find(|name| !anchors.contains(name));
        anchors.extend(free);
    }
    anchors
}

#[test]
fn every_link_of_every_page_leads_somewhere() {
    let (mut nowhere, mut links) = (Vec::new(), 0);
    let pages = pages();
    for page in &pages {
        for line in prose(&text(&page.display().to_string())) {
            let line = without_code(&line);
            let all = [behind(&line, "](", ')'), behind(&line, "src=\"", '"'), behind(&line, "href=\"", '"')].concat();
            for link in all.into_iter().filter(|link| !link.contains(':')) {
                links += 1;
                let link = link.split(' ').next().unwrap_or(link);
                let (file, anchor) = link.split_once('#').map_or((link, None), |(file, anchor)| (file, Some(anchor)));
                let folder = page.parent().expect("it stands in a folder");
                let path = if file.is_empty() { page.clone() } else { folder.join(file) };
                let there = root().join(&path).exists();
                let enters = |anchor: &str| anchors(&text(&path.display().to_string())).contains(anchor);
                let is_page = path.extension().is_some_and(|extension| extension == "md");
                if !there || (is_page && anchor.is_some_and(|anchor| !enters(anchor))) {
                    nowhere.push(format!("{}: {link}", page.display()));
                }
            }
        }
    }
    assert!(nowhere.is_empty(), "{nowhere:#?}");
    assert!(pages.len() > 80 && links > 500, "{links} links on {} pages: that is not all of them", pages.len());
}

#[test]
fn headings_are_entered_by_the_names_that_github_gives_them() {
    let page = "# A page\n## `watch`, and [links](x.md)!\n<a id=\"own\"></a>\n## twice\n## twice\n```\n# no heading\n```\n#no heading";
    let names: Vec<String> = anchors(page).into_iter().collect();
    assert_eq!(names, ["a-page", "own", "twice", "twice-1", "watch-and-links"]);
}

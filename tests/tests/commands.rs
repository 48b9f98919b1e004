//! The `crossfade` command on an account, where it could do the wrong thing: decide about something else than was looked at, act in
//! another account, invite to what is over.

mod built;
mod local;

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use local::{Local, crossfade, finished, patiently, text};

const RULE: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/shop/baf424e6c74b68c5/\
                    193838026e3ac0d8/4dc05e242e780a26";

const TAG: &str = "crossfade:infrastructure";

/// A file of this test.
fn file(name: &str, content: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).expect("cargo gives tests a directory");
    path
}

/// The example with an approval after each of its percents.
fn asks_three_times() -> String {
    let example = fs::read_to_string(built::root().join("examples/blue-green-shift.yaml")).expect("an example");
    let asking: Vec<String> = example
        .lines()
        .map(|line| match line.split_once("approveAfterPercents:") {
            Some((indent, _)) => format!("{indent}approveAfterPercents: [10, 50, 100]\n"),
            None => format!("{line}\n"),
        })
        .collect();
    file("three.yaml", &asking.concat()).display().to_string()
}

/// Waits until a deployment asks at this stage.
#[track_caller]
fn asks(local: &Local, deployment: &str, stage: usize) {
    local.status(deployment, |status| status["question"]["stage"] == stage);
}

#[test]
fn a_decision_is_about_the_stage_that_somebody_has_looked_at() {
    let local = Local::start();
    local.does(&["deploy", &asks_three_times(), "--name", "three"]);
    asks(&local, "three", 5);
    let told = local.does(&["status", "three"]);
    for invites in [
        "? Approve shop__7 at 10 %: 10 % of the traffic is on the new version. Go on?",
        "crossfade approve three --stage 5  # go on",
        "crossfade reject three --stage 5   # go back",
    ] {
        assert!(told.contains(invites), "{invites} is missing in\n{told}");
    }
    // Nobody is at a terminal, and it asks more than once.
    local.refuses(
        &["approve", "three"],
        &[
            "asks 3 times",
            "stage 5 (Approve shop__7 at 10 %)",
            "crossfade approve three --stage 5",
            "Nothing was decided",
        ],
    );
    local.refuses(&["reject", "three"], &["crossfade reject three --stage 5"]);
    local.refuses(&["approve", "three", "--stage", "7"], &["does not ask at stage 7", "it asks at stage 5"]);
    let approved = local.does(&["approve", "three", "--stage", "5", "--by", "alice"]);
    assert_eq!(approved, "Approved: Approve shop__7 at 10 % (stage 5)\n");
    // Two more who have looked at 10 %, before and after the next question is out.
    let again = local.crossfade(&["approve", "three", "--stage", "5", "--by", "bob"]);
    assert_ne!(again.status.code(), Some(0), "{}", text(&again.stdout));
    asks(&local, "three", 7);
    local.refuses(&["approve", "three", "--stage", "5", "--by", "carol"], &["does not ask at stage 5", "at 50 %"]);
    let before = local.aws(&["elbv2", "describe-rules", "--rule-arns", RULE]);
    assert!(before.to_string().contains(r#""Weight":50"#), "50 % are with the new version, and no more: {before}");
    local.does(&["reject", "three", "--stage", "7", "--by", "dora"]);
    let status = local.status("three", |status| status["status"] == "failedClean");
    assert_eq!(
        status["failure"]["cause"],
        "Approve shop__7 at 50 %: rejected by dora (arn:aws:iam::123456789012:user/local)."
    );
}

#[test]
fn whoever_is_not_listed_is_told_so_and_whoever_is_proves_it() {
    let local = Local::start();
    let example = fs::read_to_string(built::root().join("examples/blue-green-shift.yaml")).expect("an example");
    let bound =
        "approvals:\n  approvers: [\"arn:aws:sts::123456789012:assumed-role/Release*/*\"]\n  notByStarter: true\n";
    let document = file("bound.yaml", &format!("{example}{bound}")).display().to_string();
    let plan = local.does(&["plan", &document]);
    let whose = "a yes counts of arn:aws:sts::123456789012:assumed-role/Release*/*, and not whoever started it";
    assert!(plan.replace('\n', " ").contains("a yes counts of"), "{plan}");
    let started = local.crossfade_as("ReleaseManagers/alice", &["deploy", &document, "--name", "bound", "--yes"]);
    assert_eq!(started.status.code(), Some(0), "{}", text(&started.stderr));
    asks(&local, "bound", 5);
    let asked = local.status("bound", |status| status["question"]["stage"] == 5);
    assert_eq!(asked["question"]["answerers"], whose["a yes counts of ".len()..]);
    let no = |who: &str, why: &str| {
        let refused = local.crossfade_as(who, &["approve", "bound", "--stage", "5"]);
        assert_eq!(refused.status.code(), Some(2), "{}", text(&refused.stdout));
        let said = text(&refused.stderr);
        assert!(said.contains(why) && said.contains("Nothing was decided"), "{why}: {said}");
    };
    no(
        "local",
        "AWS knows you as arn:aws:iam::123456789012:user/local, and your yes does not count here: only answers of",
    );
    no("ReleaseManagers/alice", "whoever starts a deployment does not approve it");
    let yes = local.crossfade_as("ReleaseManagers/bob", &["approve", "bound", "--stage", "5", "--by", "bob"]);
    assert_eq!(text(&yes.stdout), "Approved: Approve shop__7 at 10 % (stage 5)\n", "{}", text(&yes.stderr));
    let over = local.status("bound", |status| status["status"] == "succeeded");
    assert_eq!(over["approvals"][0]["by"], "bob (arn:aws:sts::123456789012:assumed-role/ReleaseManagers/bob, proven)");
    // To start it again proves again who does.
    let again = local.crossfade_as("ReleaseManagers/bob", &["retry", "bound", "--yes"]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    asks(&local, "bound-retry-1", 5);
    let refused = local.crossfade_as("ReleaseManagers/bob", &["approve", "bound-retry-1", "--stage", "5"]);
    assert!(text(&refused.stderr).contains("whoever starts a deployment"), "{}", text(&refused.stderr));
    local.does(&["reject", "bound-retry-1", "--stage", "5"]);
}

#[test]
fn at_a_terminal_it_is_shown_what_is_asked() {
    let local = Local::start();
    local.does(&["deploy", &asks_three_times(), "--name", "shown"]);
    asks(&local, "shown", 5);
    let program = local::crossfade().get_program().to_owned();
    // `script` gives the command a terminal, and what is typed comes from a pipe.
    let at_a_terminal = |typed: &str| {
        let mut command = local.reached_by(Command::new("script"));
        let line = format!("{} approve shown --by alice", program.display());
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("util-linux has `script`");
        let mut stdout = child.stdout.take().expect("it is piped");
        let mut stdin = child.stdin.take().expect("it is piped");
        let mut shown = Vec::new();
        let mut some = [0; 1024];
        // It is asked before it is answered.
        while !text(&shown).contains("[y/n]") {
            let count = stdout.read(&mut some).expect("it can be read");
            assert!(count > 0, "it ended: {}", text(&shown));
            shown.extend_from_slice(&some[..count]);
        }
        stdin.write_all(typed.as_bytes()).expect("it can be written");
        let _ = stdout.read_to_end(&mut shown);
        let status = child.wait().expect("it ends");
        (status.code(), text(&shown).replace('\r', ""))
    };
    let (code, shown) = at_a_terminal("n\n");
    assert_eq!(code, Some(2), "{shown}");
    for part in [
        "shown of shop/production/shop-base asks at stage 5 of 12: Approve shop__7 at 10 %",
        "question  10 % of the traffic is on the new version. Go on?",
        "Shift 10 % to shop__7: ",
        "6. Shift 50 % to shop__7: ",
        "7. Approve shop__7 at 50 %: ask; silence means no",
        "Approve stage 5? [y/n]",
        "Nothing was decided.",
    ] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    assert!(!shown.contains("8. "), "up to the next question: {shown}");
    let (code, shown) = at_a_terminal("maybe\ny\n");
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("Approved: Approve shop__7 at 10 % (stage 5)"), "{shown}");
    asks(&local, "shown", 7);
}

#[test]
fn nobody_decides_about_what_is_over_and_nobody_is_invited_to() {
    let local = Local::start();
    let example = "examples/blue-green-shift.yaml";
    local.does(&["deploy", example, "--name", "undone"]);
    asks(&local, "undone", 5);
    local.does(&["rollback", "undone"]);
    local.status("undone", |status| status["status"] == "rollingBack");
    let invited = |deployment: &str| {
        let output = local.crossfade(&["status", deployment]);
        let told = text(&output.stdout);
        (told.contains("crossfade approve") || told.contains("without an answer"), told)
    };
    assert!(!invited("undone").0, "{}", invited("undone").1);
    local.refuses(&["approve", "undone", "--stage", "5"], &["asks for no decision", "Nothing was decided"]);
    local.status("undone", |status| status["status"] == "failedClean");
    assert!(!invited("undone").0, "{}", invited("undone").1);
    for command in ["approve", "reject"] {
        local.refuses(&[command, "undone"], &["has ended (FailedClean) and asks for no decision"]);
    }

    // Somebody stops the execution: its rollback begins by itself, and whoever looks meanwhile is not invited either.
    local.does(&["deploy", example, "--name", "stopped"]);
    asks(&local, "stopped", 5);
    let execution = "arn:aws:states:eu-west-1:123456789012:execution:crossfade-deploy:stopped";
    local.aws(&["stepfunctions", "stop-execution", "--execution-arn", execution]);
    assert!(!invited("stopped").0, "{}", invited("stopped").1);
    assert_eq!(local.crossfade(&["approve", "stopped", "--stage", "5"]).status.code(), Some(2));
    local.status("stopped", |status| status["status"] == "failedClean");
}

#[test]
fn either_answer_to_an_inspection_says_that_it_ends() {
    let example = fs::read_to_string(built::root().join("examples/blue-green-shift.yaml")).expect("an example");
    let inspected = format!("{example}\nrollback: {{approval: {{message: Have a look, timeoutMinutes: 600}}}}\n");
    let path = file("inspected.yaml", &inspected).display().to_string();
    let local = Local::start();
    for (name, answer) in [("looked", "reject"), ("looked-again", "approve")] {
        local.does(&["deploy", &path, "--name", name]);
        asks(&local, name, 5);
        assert!(local.does(&["reject", name, "--stage", "5"]).starts_with("Rejected: Approve shop__"));
        let status = local.status(name, |status| status["question"]["direction"] == "rollback");
        let stage = status["question"]["stage"].to_string();
        let shown = text(&local.crossfade(&["status", name]).stdout);
        assert!(shown.contains(" left) the inspection ends, and the rollback goes on"), "{shown}");
        let told = local.does(&[answer, name, "--stage", &stage]);
        let (says, ends) = (format!("(stage {stage})\n"), "The inspection ends: Inspect shop__");
        assert!(told.starts_with(ends) && told.ends_with(&says), "{answer}: {told}");
        local.status(name, |status| status["status"] == "failedClean");
        local.refuses(&[answer, name], &["has ended (FailedClean) and asks for no decision"]);
    }
}

#[test]
fn whoever_aborts_what_is_stuck_is_told_what_to_do() {
    let local = Local::start();
    local.does(&["deploy", "examples/blue-green-shift.yaml", "--name", "stuck"]);
    asks(&local, "stuck", 5);
    // Somebody's hand on the rule, which nothing here undoes.
    let rules = local.aws(&["elbv2", "describe-rules", "--rule-arns", RULE]);
    let mut action = rules["Rules"][0]["Actions"][0].clone();
    let groups = action["ForwardConfig"]["TargetGroups"].as_array_mut().expect("it forwards to two");
    for (group, weight) in groups.iter_mut().zip([30, 70]) {
        group["Weight"] = json!(weight);
    }
    let actions = json!([{"Type": "forward", "ForwardConfig": action["ForwardConfig"]}]).to_string();
    local.aws(&["elbv2", "modify-rule", "--rule-arn", RULE, "--actions", &actions]);
    local.does(&["approve", "stuck", "--stage", "5"]);
    local.status("stuck", |status| status["status"] == "failedDirty");
    let aborted = local.crossfade(&["abort", "stuck"]);
    let told = text(&aborted.stdout);
    assert_eq!(aborted.status.code(), Some(3), "{told}");
    assert!(told.contains("stuck half-way") && told.contains("crossfade rollback stuck"), "{told}");
    let aborted = local.crossfade(&["abort", "stuck", "--output", "json"]);
    assert_eq!(aborted.status.code(), Some(3));
    assert_eq!(local::json_of(&aborted.stdout)["abort"], "stuck");
}

#[test]
fn a_profile_is_used_although_keys_stand_in_the_environment_and_the_account_is_told() {
    let local = Local::start();
    let profiles = file("profiles", "[staging]\naws_access_key_id = STAGINGKEY\naws_secret_access_key = x\n");
    let run = |arguments: &[&str]| {
        let mut command = local.reached_by(crossfade());
        command.env("AWS_ACCESS_KEY_ID", "PRODKEY").env("AWS_SHARED_CREDENTIALS_FILE", &profiles);
        finished(command.args(arguments))
    };
    let example = "examples/blue-green-shift.yaml";
    let acts = |key: &str| format!("account 123456789012, eu-west-1, as user/{key}\n");
    let plan = run(&["--profile", "staging", "plan", example]);
    assert_eq!((plan.status.code(), text(&plan.stderr)), (Some(0), acts("STAGINGKEY")));
    let plan = run(&["plan", example]);
    assert_eq!((plan.status.code(), text(&plan.stderr)), (Some(0), acts("PRODKEY")));
    let unknown = run(&["--profile", "nosuch", "plan", example]);
    assert_eq!((unknown.status.code(), text(&unknown.stdout)), (Some(2), String::new()));
    assert!(text(&unknown.stderr).contains("no profile nosuch"), "{}", text(&unknown.stderr));
    // Every command that acts says so, each on what makes it end soon, and those by which people decide what to do.
    for (command, says) in [
        (&["deploy", example, "--name", "a"][..], true),
        (&["abort", "a"], true),
        (&["approve", "a"], true),
        (&["reject", "a"], true),
        (&["rollback", "a"], true),
        (&["status", "a"], true),
        (&["list"], true),
        (&["revisions", "shop/production/shop-base"], false),
    ] {
        let output = run(&[&["--profile", "staging"][..], command].concat());
        assert_eq!(text(&output.stderr).contains(&acts("STAGINGKEY")), says, "{command:?}: {}", text(&output.stderr));
    }
    let identity = local.aws(&["sts", "get-caller-identity"]);
    assert_eq!(identity["Arn"], "arn:aws:iam::123456789012:user/local", "{identity}");
}

/// What belongs to whom, by the record and by the tag, of something that is steered.
fn owner(local: &Local, arn: &str) -> (String, String) {
    let key = json!({ "pk": { "S": format!("steered#{arn}") }, "sk": { "S": "owner" } }).to_string();
    let found = local.aws(&["dynamodb", "get-item", "--table-name", "crossfade", "--key", &key]);
    let tags = local.aws(&["elbv2", "describe-tags", "--resource-arns", arn]);
    let tag = tags["TagDescriptions"][0]["Tags"].as_array().into_iter().flatten().find(|tag| tag["Key"] == TAG);
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    (text(found["Item"]["body"].get("S")), text(tag.map(|tag| &tag["Value"])))
}

#[test]
fn what_is_steered_is_handed_over_by_command_and_by_nothing_else() {
    const OLD: &str = "shop/production/shop-base";
    const NEW: &str = "store/production/shop-base";
    let local = Local::start();
    let example = fs::read_to_string(built::root().join("examples/blue-green-shift.yaml")).expect("an example");
    let of_store = example.replace("service: shop", "service: store").replace("name: shop  ", "name: store ");
    let of_store = of_store.replace("capacity: sameAsRunning", "capacity: {fixed: {min: 2, desired: 2, max: 4}}");
    assert!(of_store.contains("service: store") && of_store.contains("name: store"), "{of_store}");
    let of_store = file("store.yaml", &of_store).display().to_string();

    local.does(&["deploy", "examples/blue-green-shift.yaml", "--name", "first"]);
    asks(&local, "first", 5);
    let (record, tag) = owner(&local, RULE);
    assert!(record.contains(OLD) && tag == OLD, "{record} {tag}");
    // The command as the refusal prints it: while the owner is being deployed, and afterwards.
    let printed = |why: &[&str]| {
        let told = local.refuses(&["plan", &of_store], why);
        let (_, command) = told.split_once("`crossfade handover ").expect("the command is there");
        let (command, _) = command.split_once('`').expect("it ends");
        let said = ["--by", "ann", "--comment", "the service has another name"];
        let words = ["handover"].into_iter().chain(command.split(' ')).chain(said);
        words.map(str::to_owned).collect::<Vec<String>>()
    };
    let command = printed(&[" to shop/production/shop-base", "is being deployed by first"]);
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    local.refuses(&command, &["shop/production/shop-base is being deployed by first"]);
    assert_eq!(owner(&local, RULE), (record, tag), "nothing was handed over");
    local.does(&["approve", "first", "--stage", "5"]);
    local.status("first", |status| status["status"] == "succeeded");
    let command = printed(&[" to shop/production/shop-base", "(since first)"]);
    let command: Vec<&str> = command.iter().map(String::as_str).collect();

    local.refuses(&["handover", "--from", NEW, "--to", "a/b/c", RULE], &[OLD, "Nothing was handed over"]);
    for wrong in
        [&["handover", "--from", "shop", "--to", NEW, RULE][..], &["handover", "--from", OLD, "--to", NEW, "shop-a"]]
    {
        assert_eq!(local.crossfade(wrong).status.code(), Some(2), "{wrong:?}");
    }
    let output = local.crossfade(&command);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("account 123456789012, eu-west-1, as user/local"),
        "{}",
        text(&output.stderr)
    );
    let line = text(&output.stdout);
    assert!(
        line.starts_with("From now on store/production/shop-base steers rule ") && line.contains("target group shop-a"),
        "{line}"
    );
    for arn in command.iter().filter(|it| it.starts_with("arn:")) {
        let (record, tag) = owner(&local, arn);
        assert!(
            record.contains(NEW)
                && record.contains("\"ann (arn:aws:iam::123456789012:user/local)\"")
                && record.contains("another name"),
            "{record}"
        );
        assert_eq!(tag, NEW);
    }
    local.refuses(&["plan", "examples/blue-green-shift.yaml"], &[" to store/production/shop-base", "(since handover-"]);
}

#[test]
fn a_group_is_adopted_by_command_under_the_number_that_its_tags_name() {
    const SHOP: &str = "shop/production/shop-base";
    let local = Local::start();
    let tagged = |group: &str, revision: &str| {
        let tag = |key: &str, value: &str| {
            format!(
                "ResourceId={group},ResourceType=auto-scaling-group,Key={key},Value={value},PropagateAtLaunch=false"
            )
        };
        let tags = [tag(TAG, SHOP), tag("crossfade:revision", revision)];
        local.aws(&["autoscaling", "create-or-update-tags", "--tags", &tags[0], &tags[1]]);
    };
    let adopt = ["adopt", SHOP, "other-team", "--by", "ann"];
    local.refuses(&adopt, &["other-team has to bear the tags crossfade:infrastructure", "it has none and none"]);
    local.refuses(&["adopt", SHOP, "no-such-group"], &["There is no Auto Scaling group no-such-group"]);
    local.refuses(&["adopt", SHOP, "shop-base"], &["A base is a template, never a fleet"]);
    // Tags alone make it nobody's fleet; nor does a number that another fleet has by the records.
    tagged("other-team", "1");
    let plan = "examples/blue-green-shift.yaml";
    local.refuses(
        &["plan", plan],
        &["other-team bears the tags of revision 1", "crossfade adopt shop/production/shop-base other-team"],
    );
    assert_eq!(local.does(&adopt), "other-team is revision 1 of shop/production/shop-base from now on\n");
    local.does(&["adopt", SHOP, "shop__6"]);
    tagged("other-team", "6");
    local.refuses(&adopt, &["Revision 6 of shop/production/shop-base is shop__6 by the records"]);
    tagged("other-team", "1");

    let revisions = local.does(&["revisions", SHOP]);
    assert!(revisions.contains("other-team has "), "{revisions}");
    // It counts like every earlier fleet: behind something else it would be sized to 0.
    local.refuses(&["plan", plan], &["other-team stands behind the target group other-team"]);
    let size = ["--min-size", "0", "--max-size", "0", "--desired-capacity", "0"];
    let resize = ["autoscaling", "update-auto-scaling-group", "--auto-scaling-group-name", "other-team"];
    local.aws(&[&resize[..], &size[..]].concat());
    let planned = patiently(|| Some(local.crossfade(&["plan", plan])).filter(|it| it.status.success()));
    assert!(text(&planned.stdout).contains("shop__7 will have"), "{}", text(&planned.stdout));
}

#[test]
fn the_document_of_the_readme_works_on_the_account_that_it_speaks_of() {
    let readme = fs::read_to_string(built::root().join("README.md")).expect("there is one");
    let (_, rest) = readme.split_once("```yaml\n").expect("it has a document");
    let (document, _) = rest.split_once("```").expect("it ends");
    let path = file("shop.yaml", document).display().to_string();
    let local = Local::start();
    let plan = local.does(&["plan", &path]);
    assert!(plan.contains("5. Approve shop__7 at 10 %"), "{plan}");
    local.does(&["deploy", &path, "--name", "shop-42"]);
    patiently(|| local.crossfade(&["approve", "shop-42", "--stage", "5"]).status.success().then_some(()));
    local.status("shop-42", |status| status["status"] == "succeeded");
}

#[test]
fn a_past_in_which_there_is_nothing_to_judge_is_refused() {
    let local = Local::start();
    let example = |name: &str| built::root().join(format!("examples/{name}.yaml")).display().to_string();
    let (unverified, verified) = (example("blue-green-shift"), example("verified-shift"));
    let of = |document: &str, from: &str, candidate: &str, why: &[&str]| {
        let times = ["--from", from, "--to", "2026-01-05T10:00:00Z"];
        local.refuses(&[&["verify", document, "--candidate", candidate][..], &times].concat(), why)
    };
    of(&unverified, "2026-01-05T09:00:00Z", "shop__6", &["there is nothing to judge"]);
    of(&verified, "2026-01-05T11:00:00Z", "shop__6", &["--from has to be before --to"]);
    of(&verified, "yesterday", "shop__6", &["expected a time such as 2026-11-29T09:00:00Z"]);
    of(&verified, "2026-01-05T09:00:00Z", "shop__9", &["There is no Auto Scaling group shop__9 any more"]);
}

/// The id of a running instance of the shop.
fn an_instance(local: &Local) -> String {
    let instances = local.aws(&["autoscaling", "describe-auto-scaling-instances"])["AutoScalingInstances"].clone();
    instances[0]["InstanceId"].as_str().expect("there is one").to_owned()
}

#[test]
fn console_prints_what_a_member_has_printed_and_beside_it_what_there_is_to_know() {
    let local = Local::start();
    let instance = an_instance(&local);
    let shown = local.crossfade(&["console", &instance]);
    assert_eq!(shown.status.code(), Some(0), "{}", text(&shown.stderr));
    let (printed, beside) = (text(&shown.stdout), text(&shown.stderr));
    assert!(printed.contains("[  OK  ] Reached target <b>network</b>.\n") && !printed.contains('\u{1b}'), "{printed}");
    assert!(beside.contains("AWS took it at ") && !printed.contains("AWS took it"), "{beside}");
    let missing = local.crossfade(&["console", "i-00000000000000000"]);
    assert!(!missing.status.success() && text(&missing.stderr).contains("InvalidInstanceID.NotFound"), "{missing:?}");
    local.refuses(&["console", "0123456789abcdef0123456789abcdef"], &["There is no deployment"]);

    let local = Local::with(&["--compute", "ecs"]);
    let tasks = local.aws(&["ecs", "list-tasks", "--cluster", "shop", "--service-name", "shop__6"]);
    let arn = tasks["taskArns"][0].as_str().expect("there is one");
    let task = arn.rsplit('/').next().expect("it has an id");
    let shown = local.crossfade(&["console", arn]);
    let (printed, beside) = (text(&shown.stdout), text(&shown.stderr));
    assert!(printed.contains("==> app <==\n") && printed.contains("==> telemetry <==\n"), "{printed}");
    assert!(printed.contains("Z app: ready on :8080\n"), "{printed}");
    assert!(beside.contains(&format!("The end of app/app/{task} in the log group /shop.")), "{beside}");
}

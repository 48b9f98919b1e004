//! `crossfade local` with clients that nobody here wrote: the AWS CLI and boto3, each in a process of its own; and the
//! `crossfade` command beside them.

mod built;
mod local;

use std::path::Path;

use serde_json::{Value, json};

use local::{Local, crossfade, finished, json_of, output_of, patiently, text};

const RULE: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/shop/baf424e6c74b68c5/\
                    193838026e3ac0d8/4dc05e242e780a26";

const DEPLOY: &str = "arn:aws:states:eu-west-1:123456789012:stateMachine:crossfade-deploy";

/// The production group `shop__6` served with four instances before, and `shop__7` does now.
#[track_caller]
fn assert_deployed(account: &Value) {
    let new = &account["groups"]["shop__7"];
    assert_eq!(new["size"], json!([4, 4, 8]), "{account:#}");
    let instances = new["instances"].as_array().expect("a list");
    assert_eq!(instances.len(), 4);
    assert!(instances.iter().all(|instance| instance[1] == "InService" && instance[2] == "Healthy"), "{new:#}");
    assert_eq!(account["groups"]["shop__6"]["size"], json!([0, 0, 0]));
    assert_eq!(account["groups"]["shop__6"]["instances"], json!([]));
    assert_eq!(account["weights"], json!({"shop-a": 0, "shop-b": 100}));
    let healthy: Vec<Value> = instances.iter().map(|instance| json!([instance[0], "healthy"])).collect();
    assert_eq!(account["targets"], json!({"shop-a": [], "shop-b": healthy}));
}

#[test]
fn the_aws_cli_starts_a_deployment_and_approves_it() {
    let local = Local::start();
    let start: Vec<&str> = local.start.iter().map(String::as_str).collect();
    assert_eq!(start[..2], ["stepfunctions", "start-execution"]);
    let input = format!("file://{}", built::root().join("examples/blue-green-shift.json").display());
    assert!(start.contains(&input.as_str()), "{start:?}");
    let execution = local.aws(&start)["executionArn"].as_str().expect("an ARN").to_owned();

    let approvals = [
        "dynamodb",
        "query",
        "--table-name",
        "crossfade",
        "--key-condition-expression",
        "pk = :pk AND begins_with(sk, :sk)",
        "--expression-attribute-values",
        r#"{":pk": {"S": "deployment#first"}, ":sk": {"S": "approval#"}}"#,
    ];
    let approval = |answer: &Value| -> Option<Value> {
        Some(serde_json::from_str(answer["Items"][0]["body"]["S"].as_str()?).expect("a record is JSON"))
    };
    let asked = patiently(|| approval(&local.aws(&approvals)));
    assert_eq!(asked["message"], "10 % of the traffic is on the new version. Go on?");
    let before = local.boto3(&["account", RULE]);
    assert_eq!(before["weights"], json!({"shop-a": 90, "shop-b": 10}), "it waits with 10 %");

    let token = asked["taskToken"].as_str().expect("a token").to_owned();
    let approve = ["stepfunctions", "send-task-success", "--task-token", &token, "--task-output", r#"{"by":"ann"}"#];
    assert_eq!(local.aws(&approve), Value::Null);
    let describe = ["stepfunctions", "describe-execution", "--execution-arn", &execution];
    let ended = patiently(|| Some(local.aws(&describe)).filter(|ended| ended["status"] != "RUNNING"));
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    let output = json_of(ended["output"].as_str().expect("an output").as_bytes());
    assert_eq!((&output["deploymentId"], &output["outcome"]), (&json!("first"), &json!("Succeeded")));

    assert_deployed(&local.boto3(&["account", RULE]));
    let decided = approval(&local.aws(&approvals)).expect("the record is kept");
    assert_eq!((&decided["decision"], &decided["by"]), (&json!("approve"), &json!("ann")));
    assert_eq!(decided["taskToken"], "", "a token is a secret until it is used, and useless then");

    // A token decides once, and a name starts once with one document.
    let again = local.try_aws(&approve);
    assert!(!again.status.success() && text(&again.stderr).contains("TaskTimedOut"), "{}", text(&again.stderr));
    let mut other = start.clone();
    let input = other.iter().position(|word| *word == "--input").expect("it has an input") + 1;
    other[input] = "{}";
    let refused = local.try_aws(&other);
    assert!(text(&refused.stderr).contains("ExecutionAlreadyExists"), "{}", text(&refused.stderr));
}

#[test]
fn boto3_starts_the_yaml_document_and_rejects_it() {
    let local = Local::start();
    let before = local.boto3(&["account", RULE]);
    assert_eq!(before["groups"]["shop__6"]["size"], json!([4, 4, 8]));
    let execution = local.boto3(&["start", "examples/blue-green-shift.yaml", "second"]);
    let execution = execution.as_str().expect("an ARN");
    local.boto3(&["reject", "second", "too many errors in the log"]);
    let ended = local.boto3(&["ended", execution]);
    assert_eq!((&ended["status"], &ended["error"]), (&json!("FAILED"), &json!("FailedClean")), "{ended:#}");
    let cause = ended["cause"].as_str().unwrap_or_default();
    assert!(cause.contains("too many errors in the log"), "{cause}");
    // Down to the instances: shop__6 is untouched, and shop__7 is gone.
    assert_eq!(local.boto3(&["account", RULE]), before);
}

#[test]
fn a_document_that_is_wrong_ends_its_execution_at_once() {
    let local = Local::start();
    let machine = local.start.iter().find(|word| word.starts_with("arn:")).expect("the machine's ARN");
    let input = r#"{"service": "shop"}"#;
    let start = ["stepfunctions", "start-execution", "--state-machine-arn", machine, "--name", "bad", "--input", input];
    let execution = local.aws(&start)["executionArn"].as_str().expect("an ARN").to_owned();
    let ended = local.boto3(&["ended", &execution]);
    assert_eq!((&ended["status"], &ended["error"]), (&json!("FAILED"), &json!("FailedClean")), "{ended:#}");
    let cause = ended["cause"].as_str().unwrap_or_default();
    for missing in ["environment", "artifact", "compute", "routing", "strategy"] {
        assert!(cause.contains(missing), "{missing} is not named: {cause}");
    }
    let history = ["stepfunctions", "get-execution-history", "--execution-arn", &execution];
    assert!(local.aws(&history)["events"].to_string().contains(r#""InvalidDocument""#));
}

#[test]
fn the_command_deploys_follows_approves_and_rejects() {
    let local = Local::start();
    let document = "examples/blue-green-shift.yaml";
    let (following, terminal) = local.crossfade_in_background(&["deploy", document, "--name", "third", "--wait"]);
    // It says how to answer, and then somebody does, in another terminal.
    patiently(|| terminal.read().contains("  approve: crossfade approve third --stage 5\n").then_some(()));
    let status = local.status("third", |status| !status["question"].is_null());
    assert_eq!(status["question"]["name"], "Approve shop__7 at 10 %", "{status:#}");
    assert_eq!(status["question"]["stage"], 5, "{status:#}");
    assert_eq!((&status["deploymentId"], &status["status"]), (&json!("third"), &json!("running")));
    // Meanwhile nobody else deploys this, and is told who does.
    let refused = "shop/production/shop-base is being deployed by third.";
    local.refuses(&["deploy", document, "--name", "too-early", "--wait"], &[refused]);
    let refused = local.crossfade(&["deploy", document, "--name", "too-early", "--wait", "--no-plan"]);
    assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stderr));
    let told = text(&refused.stdout);
    assert!(told.contains("LockHeld: shop/production/shop-base is being deployed by third."), "{told}");
    let approve = local.crossfade(&["approve", "third", "--by", "ann", "--comment", "looks good"]);
    assert_eq!(approve.status.code(), Some(0), "{}", text(&approve.stderr));
    let followed = output_of(following);
    let told = terminal.read();
    assert_eq!(followed.status.code(), Some(0), "{told}{}", text(&followed.stderr));
    for line in [
        "Started deployment third (arn:",
        "  reject:  crossfade reject third --stage 5",
        "Approved by ann (arn:aws:iam::123456789012:user/local): looks good",
    ] {
        assert!(told.contains(line), "{line} is missing:\n{told}");
    }
    let last = told.lines().last().unwrap_or_default();
    assert!(last.contains("Z Succeeded in "), "{told}");
    assert_deployed(&local.boto3(&["account", RULE]));

    // It is over: there is nothing to decide any more.
    local.refuses(&["approve", "third"], &["asks for no decision"]);
}

#[test]
fn g7_a_deployment_that_has_succeeded_is_taken_back_to_a_revision_that_is_kept() {
    const INFRASTRUCTURE: &str = "shop/production/shop-base";
    let local = Local::start();
    let before = local.boto3(&["account", RULE]);
    let nobody = local.refuses(&["revisions", "shop/staging/shop-base"], &["There is no revision of"]);
    assert!(nobody.contains("shop/production/shop-base"), "it says how to write one: {nobody}");
    local.does(&["deploy", "examples/rollback-to-revision.yaml", "--name", "sixth", "--wait"]);
    // The oldest of four was deleted when the deployment ended: three are kept.
    let listed = local.does(&["revisions", INFRASTRUCTURE]);
    let rows: Vec<Vec<&str>> = listed.lines().map(|row| row.split_whitespace().collect()).collect();
    let fates: Vec<(&str, String)> = rows.iter().skip(1).map(|row| (row[0], row[4..].join(" "))).collect();
    let kept = |fleet: &str| format!("{fleet} is kept at size 0");
    let serves = "shop__5 serves since ";
    assert!(fates[1].1.starts_with(serves) && fates[1].1.ends_with("Z, with 4 (min 4, max 8)"), "{fates:?}");
    // What somebody has tagged by hand has no record; its launch template knows the image.
    let image = |revision: &str| rows.iter().find(|row| row[0] == revision).map(|row| row[1]);
    assert!(image("4").is_some_and(|image| image.starts_with("ami-")), "{listed}");
    let others: Vec<&(&str, String)> = fates.iter().filter(|(revision, _)| *revision != "5").collect();
    assert_eq!(others, [&("6", kept("shop__6")), &("4", kept("shop__4")), &("3", kept("shop__3"))]);
    for (revision, why) in [("2", "it was deleted"), ("5", serves), ("99", "there never was one")] {
        let kept = "Kept at size 0: 3, 4, 6.";
        local.refuses(
            &["rollback", "sixth", "--to", revision],
            &["cannot take over", why, kept, "Nothing was started."],
        );
    }

    // Back to what served before, and everything is as it was but for the one that was pruned.
    let told = local.does(&["rollback", "sixth", "--wait"]);
    assert!(told.contains("back to revision 6") && told.contains("Z Succeeded in "), "{told}");
    let mut after = local.boto3(&["account", RULE]);
    assert_eq!(after["groups"]["shop__6"]["size"], before["groups"]["shop__6"]["size"]);
    assert_eq!(after["weights"], before["weights"]);
    assert_eq!(after["groups"]["shop__5"]["size"].take(), json!([0, 0, 0]), "{after:#}");
    assert!(after["groups"].get("shop__2").is_none(), "{after:#}");

    // What serves no more is not taken back once again, whatever id the shell remembers.
    let serves = "sixth (shop__5) does not serve any more; sixth-back-to-6 (shop__6) does";
    let instead = "`crossfade rollback sixth-back-to-6 --to 6` if you mean that revision. Nothing was started.";
    local.refuses(&["rollback", "sixth"], &[serves, "`crossfade rollback sixth-back-to-6`", instead]);
    local.refuses(&["rollback", "sixth", "--to", "4"], &[serves, "--to 4` if you mean that revision"]);

    // Further back, and meanwhile nothing else.
    let told = local.does(&["rollback", "sixth-back-to-6", "--to", "4", "--output", "json"]);
    let started = json_of(told.as_bytes());
    let further = "sixth-back-to-6-back-to-4";
    assert_eq!((&started["deploymentId"], &started["revision"]), (&json!(further), &json!(4)));
    local.status(further, |status| status["status"] == "running");
    local.refuses(&["rollback", "sixth-back-to-6"], &[&format!("is being deployed by {further} (Running)")]);
    local.refuses(&["rollback", further, "--to", "5"], &["has not succeeded (Running)", "leave out --to"]);
    local.status(further, |status| status["status"] == "succeeded");

    // Once its revision serves again, the first one can be taken back again. A name can be used once: the second time it has a
    // number, or is given.
    local.does(&["rollback", further, "--to", "5", "--wait"]);
    let told = local.does(&["rollback", "sixth", "--wait"]);
    assert!(told.contains("Started deployment sixth-back-to-6-2 ("), "{told}");
    let shown = local.does(&["status", "sixth-back-to-6-2"]);
    let what = "sixth-back-to-6-2  shop/production/shop-base  ✓ succeeded in ";
    assert!(shown.starts_with(what) && shown.contains("\nrevision 6 → shop__6, from shop__5; started 2"), "{shown}");
    local.refuses(&["rollback", "sixth-back-to-6-2", "--to", "5", "--name", "sixth"], &["another --name"]);
    let listed = json_of(local.does(&["revisions", INFRASTRUCTURE, "--output", "json"]).as_bytes());
    let kept = |listed: &Value| -> Vec<Value> {
        let revisions = listed["revisions"].as_array().expect("a list").iter();
        revisions.filter(|revision| revision["kept"] == true).map(|revision| revision["revision"].clone()).collect()
    };
    assert_eq!(kept(&listed), [3, 4, 5], "{listed:#}");
}

#[test]
fn a_deployment_that_still_runs_is_undone_when_somebody_asks() {
    let local = Local::start();
    let before = local.boto3(&["account", RULE]);
    local.does(&["deploy", "examples/blue-green-shift.yaml", "--name", "seventh"]);
    local.status("seventh", |status| !status["question"].is_null());
    let told = local.does(&["rollback", "seventh"]);
    assert!(
        told.ends_with("  follow: crossfade watch seventh\n")
            && told.starts_with("Rolling seventh back (arn:")
            && told.contains("crossfade-rollback:seventh-rollback-1)"),
        "{told}"
    );
    local.status("seventh", |status| status["status"] == "failedClean");
    assert_eq!(local.boto3(&["account", RULE]), before);
}

#[test]
fn g8_a_running_deployment_is_aborted_and_rolled_back() {
    let local = Local::start();
    let before = local.boto3(&["account", RULE]);
    local.refuses(&["abort", "eighth"], &["There is no deployment eighth in the table crossfade"]);
    local.does(&["deploy", "examples/blue-green-shift.yaml", "--name", "eighth"]);
    local.status("eighth", |status| !status["question"].is_null());
    let abort = ["abort", "eighth", "--by", "ann", "--comment", "too slow", "--wait"];
    let aborted = local.crossfade(&abort);
    let told = text(&aborted.stdout);
    assert_eq!(aborted.status.code(), Some(1), "{told}{}", text(&aborted.stderr));
    assert!(
        told.starts_with("Rolling eighth back (arn:") && told.contains("crossfade-rollback:eighth-rollback-1)"),
        "{told}"
    );
    assert!(!told.contains("approve: crossfade approve"), "nobody is asked any more: {told}");
    assert!(told.contains("Z FailedClean after "), "{told}");
    assert!(
        told.trim_end().ends_with(": HaltRequested: Aborted by ann (arn:aws:iam::123456789012:user/local): too slow"),
        "{told}"
    );
    assert_eq!(local.boto3(&["account", RULE]), before);
    let execution = "arn:aws:states:eu-west-1:123456789012:execution:crossfade-deploy:eighth";
    let stopped = local.aws(&["stepfunctions", "describe-execution", "--execution-arn", execution]);
    let ended = ["status", "error", "cause"].map(|key| stopped[key].clone());
    assert_eq!(
        ended,
        ["ABORTED", "HaltRequested", "Aborted by ann (arn:aws:iam::123456789012:user/local): too slow"]
            .map(Value::from)
    );

    // It is over, and twice is once.
    let told = local.does(&abort);
    assert_eq!(told, "Deployment eighth has ended (FailedClean): there is nothing to abort.\n");
    // One that is over at once wrote nothing down.
    local.aws(&["stepfunctions", "start-execution", "--state-machine-arn", DEPLOY, "--name", "ninth", "--input", "{}"]);
    patiently(|| local.does(&["abort", "ninth"]).contains("has ended (refused)").then_some(()));

    // Stopped by other means: it goes back by itself, and whoever asks for that by hand gets the same.
    local.does(&["deploy", "examples/blue-green-shift.yaml", "--name", "tenth"]);
    local.status("tenth", |status| !status["question"].is_null());
    let execution = execution.replace("eighth", "tenth");
    local.aws(&["stepfunctions", "stop-execution", "--execution-arn", &execution]);
    let told = local.does(&["abort", "tenth", "--output", "json"]);
    let abort = json_of(told.as_bytes())["abort"].clone();
    assert!(abort == "stopped" || abort == "rollingBack", "{told}");
    local.status("tenth", |status| status["status"] == "rollingBack");
    let told = local.does(&["rollback", "tenth"]);
    assert!(told.starts_with("tenth is being rolled back already (arn:"), "{told}");
    local.status("tenth", |status| status["status"] == "failedClean");
    assert_eq!(local.boto3(&["account", RULE]), before);
}

#[test]
fn plans_of_every_strategy_are_readable_on_the_shop_that_they_fit() {
    let plans: [(&[&str], &str, &[&str]); 8] = [
        (
            &["--layout", "attached"],
            "basic",
            &["Upscale shop__7 to 4  ", "Approve shop__7 at 4 of 4  ", "Downsize shop__6 to 0  "],
        ),
        (
            &["--layout", "attached"],
            "canary",
            &["Upscale shop__7 to 1  ", "Downsize shop__6 to 3  ", "Upscale shop__7 to 2  "],
        ),
        (&["--layout", "staged"], "blue-green-swap", &["Detach shop__7 from shop-b  ", "Attach shop__7 to shop-a  "]),
        (&["--layout", "staged"], "listener-swap", &["Swap the listeners to shop__7  ", "Pause 600 s  "]),
        (
            &["--layout", "two-load-balancers"],
            "several-load-balancers",
            &["Shift 25 % to shop__7  ", "Drain shop-a, shop-c  "],
        ),
        (&["--layout", "weighted"], "rollback-to-revision", &["Bring shop__5 back  ", "Shift 50 % to shop__5  "]),
        (
            &["--compute", "ecs", "--layout", "named"],
            "ecs-dns",
            &["Settle 15 s  ", "Shift 10 % to shop__7  ", "Settle 155 s  ", "Approve shop__7 at 10 %  ", "Drain srv-"],
        ),
        (
            &["--layout", "stacks"],
            "two-load-balancers-by-dns",
            &["Shift 10 % to shop__7  ", "Settle 135 s  ", "Shift 100 % to shop__7  ", "Drain shop-a  "],
        ),
    ];
    for (arguments, example, stages) in plans {
        let local = Local::with(arguments);
        let printed = local.does(&["plan", &format!("examples/{example}.yaml")]);
        let plan = printed.split("\n\n").find(|part| part.trim_start().starts_with("stage ")).expect("it has stages");
        let mut rest = plan;
        for stage in stages {
            rest = rest.split_once(stage).unwrap_or_else(|| panic!("{example}: {stage} is missing in\n{plan}")).1;
        }
        // The second column stands where it stands.
        let rows: Vec<usize> = plan.lines().map(|row| row.chars().count()).collect();
        assert!(rows.len() > 5 && rows.iter().all(|width| *width == rows[0]), "{example}:\n{plan}");
    }
}

#[test]
fn scripts_learn_of_a_rejection_from_json_and_the_exit_code() {
    let local = Local::start();
    let before = local.boto3(&["account", RULE]);
    let deploy = ["deploy", "examples/blue-green-shift.json", "--name", "fourth", "--wait", "--output", "json"];
    let (following, terminal) = local.crossfade_in_background(&deploy);
    local.status("fourth", |status| !status["question"].is_null());
    let reject = local.crossfade(&["reject", "fourth", "--by", "bob", "--comment", "not today"]);
    assert_eq!(reject.status.code(), Some(0), "{}", text(&reject.stderr));

    let followed = output_of(following);
    assert_eq!(followed.status.code(), Some(1), "{}", text(&followed.stderr));
    let lines: Vec<Value> = terminal.read().lines().map(|line| json_of(line.as_bytes())).collect();
    assert_eq!(lines[0]["deploymentId"], "fourth");
    let acts_in =
        json!({"account": "123456789012", "region": "eu-west-1", "caller": "arn:aws:iam::123456789012:user/local"});
    assert_eq!(lines[0]["actsIn"], acts_in, "{}", lines[0]);
    assert!(lines[0]["executionArn"].as_str().is_some_and(|arn| arn.ends_with(":fourth")), "{}", lines[0]);
    let last = lines.last().expect("a summary");
    assert_eq!(last["status"], "failedClean", "{last:#}");
    assert_eq!(last["failure"]["error"], "ApprovalRejected");
    assert_eq!(
        last["failure"]["cause"],
        "Approve shop__7 at 10 %: rejected by bob (arn:aws:iam::123456789012:user/local): not today."
    );

    let status = local.crossfade(&["status", "fourth", "--output", "json"]);
    assert_eq!(status.status.code(), Some(1));
    let status = json_of(&status.stdout);
    assert!(status["log"].as_array().is_some_and(|log| log.len() > 5), "{status:#}");
    assert_eq!(status["question"], Value::Null);
    // What the last event says, `status` says, too.
    for (key, value) in last.as_object().expect("an object").iter().filter(|(key, _)| *key != "event") {
        assert_eq!(status[key], *value, "{key}");
    }
    local.refuses(&["rollback", "fourth"], &["has ended (FailedClean)", "nothing to roll back"]);
    assert_eq!(local.boto3(&["account", RULE]), before);
}

#[test]
fn exit_codes_tell_whose_mistake_it_was() {
    let local = Local::start();
    let bad = Path::new(env!("CARGO_TARGET_TMPDIR")).join("nobody.json");
    std::fs::write(&bad, r#"{"service": "shop"}"#).expect("cargo gives tests a directory");
    let bad = bad.display().to_string();
    let wrong = local.crossfade(&["deploy", &bad, "--name", "fifth", "--wait"]);
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("5 problems; nothing was touched"), "{}", text(&wrong.stderr));
    for command in ["status", "approve", "reject", "rollback"] {
        let unknown = local.crossfade(&[command, "fifth"]);
        assert_eq!(unknown.status.code(), Some(2), "{command}: {}", text(&unknown.stderr));
        assert!(text(&unknown.stderr).contains("fifth"), "{command}: {}", text(&unknown.stderr));
    }
    let stackless = local.crossfade(&["deploy", "examples/blue-green-shift.yaml", "--stack", "elsewhere"]);
    assert_eq!(stackless.status.code(), Some(2), "{}", text(&stackless.stderr));
    assert!(text(&stackless.stderr).contains("elsewhere"), "{}", text(&stackless.stderr));

    let mut command = local.reached_by(crossfade());
    // Nobody listens on the discard port.
    command.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").args(["status", "fifth"]);
    let unreachable = finished(&mut command);
    assert_eq!(unreachable.status.code(), Some(4), "{}", text(&unreachable.stderr));
    let asks = "Does anything listen at AWS_ENDPOINT_URL = http://127.0.0.1:9?";
    assert!(text(&unreachable.stderr).contains(asks), "{}", text(&unreachable.stderr));
    let mut command = local.reached_by(crossfade());
    command.env_remove("AWS_REGION").env_remove("AWS_DEFAULT_REGION").args(["status", "fifth"]);
    let nowhere = finished(&mut command);
    assert_eq!(nowhere.status.code(), Some(2), "{}", text(&nowhere.stderr));
    assert!(text(&nowhere.stderr).contains("--region"), "{}", text(&nowhere.stderr));
}

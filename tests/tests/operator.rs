//! What somebody on call does first: find what runs, see how it stands, follow it, go back. `crossfade local` and the command, each
//! in a process of its own.

mod built;
mod local;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use local::{Local, Running, crossfade, finished, json_of, output_of, patiently, text};

const RULE: &str = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/shop/baf424e6c74b68c5/\
                    193838026e3ac0d8/4dc05e242e780a26";
const SHIFT: &str = "examples/blue-green-shift.yaml";

/// A deployment that asks at 10 %.
#[track_caller]
fn asking(local: &Local, name: &str) {
    local.does(&["deploy", SHIFT, "--name", name]);
    local.status(name, |status| status["question"]["stage"] == 5);
}

/// Somebody's hand on the weights of the rule.
fn set_weights(local: &Local, old: u32, new: u32) {
    let rules = local.aws(&["elbv2", "describe-rules", "--rule-arns", RULE]);
    let mut action = rules["Rules"][0]["Actions"][0].clone();
    let groups = action["ForwardConfig"]["TargetGroups"].as_array_mut().expect("it forwards to two");
    for group in groups.iter_mut() {
        let name = group["TargetGroupArn"].as_str().unwrap_or_default();
        group["Weight"] = json!(if name.contains("/shop-a/") { old } else { new });
    }
    let actions = json!([{"Type": "forward", "ForwardConfig": action["ForwardConfig"]}]).to_string();
    local.aws(&["elbv2", "modify-rule", "--rule-arn", RULE, "--actions", &actions]);
}

/// The JSON objects that a command has printed, one a line.
fn events(printed: &str) -> Vec<Value> {
    printed.lines().map(|line| json_of(line.as_bytes())).collect()
}

fn names(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["event"].as_str().unwrap_or_default()).collect()
}

#[test]
fn what_runs_is_found_without_knowing_its_name() {
    let local = Local::start();
    assert_eq!(local.does(&["list"]), "There is no deployment.\n");
    local.refuses(&["status"], &["There is no deployment in the table crossfade"]);
    asking(&local, "shop-42");
    let list = local.does(&["list", "--running"]);
    let rows: Vec<&str> = list.lines().collect();
    assert!(rows.len() == 2 && rows[0].starts_with("ID ") && rows[0].ends_with("  BY"), "{list}");
    assert!(rows[1].ends_with("  local"), "who started it is proved by the command: {list}");
    let row = "shop-42  shop/production/shop-base  ami-0a11ce00000000007  ? asks at stage 5: Approve shop__7 at 10 %";
    assert!(rows[1].starts_with(row), "{list}");
    assert!(local.does(&["status"]).starts_with("shop-42  shop/production/shop-base  ▶ running for "));
    assert_eq!(local.does(&["list", "--infrastructure", "mail"]), "There is no deployment.\n");
    // A name that is mistyped, in every command that takes one.
    for command in
        ["status", "watch", "approve", "reject", "pause", "resume", "promote", "abort", "rollback", "retry", "accept"]
    {
        let told = [
            "There is no deployment shop-24 ",
            "; did you mean `shop-42`? `crossfade list` shows those that there are.",
        ];
        local.refuses(&[command, "shop-24"], &told);
    }
    // In another region there is nothing of it.
    let elsewhere = local.crossfade(&["--region", "us-east-1", "list"]);
    assert_eq!(elsewhere.status.code(), Some(4), "{}", text(&elsewhere.stdout));
    let said = text(&elsewhere.stderr);
    assert!(
        said.contains("simulated in eu-west-1 alone, and the request is for us-east-1. Use --region eu-west-1"),
        "{said}"
    );
    // Nobody knows definitions by heart.
    let revisions = local.does(&["revisions", "shop/production/shop-base"]);
    for beginning in [&["revisions"][..], &["revisions", "shop"], &["revisions", "shop/production/"]] {
        assert_eq!(local.does(beginning), revisions, "{beginning:?}");
    }
    local.refuses(
        &["revisions", "shop/production/shop-bass"],
        &["; did you mean `shop/production/shop-base`? Deployed was to "],
    );

    // A second one: now somebody has to say which.
    let workers = fs::read_to_string(built::root().join("examples/workers.yaml")).expect("an example");
    let proved = Path::new(env!("CARGO_TARGET_TMPDIR")).join("proved.yaml");
    fs::write(&proved, format!("{workers}approvals:\n  notByStarter: true\n")).expect("cargo gives tests a directory");
    local.does(&["deploy", &proved.display().to_string(), "--name", "thumbs-1"]);
    local.status("thumbs-1", |status| status["status"] == "running");
    for command in ["status", "watch"] {
        let output = local.crossfade(&[command]);
        assert_eq!(output.status.code(), Some(2), "{command}");
        let (told, said) = (text(&output.stdout), text(&output.stderr));
        assert!(told.contains("shop-42 ") && told.contains("thumbs-1 "), "{told}");
        assert!(
            said.contains(&format!("2 deployments are not over. Which one? crossfade {command} shop-42")),
            "{said}"
        );
    }
    let only =
        json_of(local.does(&["list", "--infrastructure", "thumbnails/production", "--output", "json"]).as_bytes());
    assert_eq!(only["deployments"].as_array().map(Vec::len), Some(1), "{only:#}");
    assert_eq!((&only["deployments"][0]["deploymentId"], &only["more"]), (&json!("thumbs-1"), &json!(false)));
    assert_eq!(only["deployments"][0]["startedBy"], "arn:aws:iam::123456789012:user/local", "{only:#}");
    let first = json_of(local.does(&["list", "--limit", "1", "--output", "json"]).as_bytes());
    assert_eq!((&first["deployments"][0]["question"]["stage"], &first["more"]), (&json!(5), &json!(true)), "{first:#}");

    local.refuses(
        &["revisions"],
        &["Which one? shop/production/shop-base, thumbnails/production/shop-base: crossfade revisions shop/"],
    );

    // Over, they stay in the list; without a name the last one is meant.
    local.does(&["reject", "shop-42", "--stage", "5"]);
    local.does(&["abort", "thumbs-1"]);
    for deployment in ["shop-42", "thumbs-1"] {
        local.status(deployment, |status| status["status"] == "failedClean");
    }
    let list = patiently(|| {
        let open = local.does(&["list", "--running"]);
        (open == "No deployment runs, waits or is stuck.\n").then(|| local.does(&["list"]))
    });
    let rows: Vec<&str> = list.lines().collect();
    assert!(rows[1].ends_with("  local") && rows[2].ends_with("  local"), "who started them: {list}");
    assert!(rows[1].starts_with("thumbs-1 ") && rows[1].contains("✗ failed, all as it was: HaltRequested"), "{list}");
    assert!(rows[2].starts_with("shop-42 ") && rows[2].contains("✗ failed, all as it was: ApprovalRejected"), "{list}");
    // What failed and left nothing does not pile up among the revisions.
    let revisions = local.does(&["revisions", "shop/production/shop-base"]);
    assert!(!revisions.contains("shop-42"), "{revisions}");
    let left_out = "1 whose deployments failed, and of which nothing is left, are not shown (--all)\n";
    assert!(revisions.ends_with(left_out), "{revisions}");
    let all = local.does(&["revisions", "shop/production/shop-base", "--all"]);
    assert!(all.contains("shop__7 was removed when its deployment failed"), "{all}");
    let last = local.crossfade(&["status"]);
    assert_eq!(last.status.code(), Some(1));
    assert!(text(&last.stdout).starts_with("thumbs-1  thumbnails/production/shop-base  ✗ failed after "));
}

#[test]
fn whoever_attaches_is_told_what_was_and_leaves_when_they_like() {
    let local = Local::start();
    asking(&local, "shop-42");
    let watch = local.crossfade(&["watch", "--until", "approval", "--output", "json"]);
    assert_eq!(watch.status.code(), Some(0), "{}", text(&watch.stderr));
    let told = events(&text(&watch.stdout));
    assert_eq!(told[0]["event"], "following");
    assert_eq!((&told[0]["deploymentId"], &told[0]["actsIn"]["account"]), (&json!("shop-42"), &json!("123456789012")));
    let held = told.iter().filter(|event| event["event"] == "stageHeld").count();
    assert_eq!(held, 4, "{told:#?}");
    let wanted = told.iter().find(|event| event["event"] == "approvalWanted").expect("it asks");
    assert_eq!((&wanted["stage"], &wanted["of"], &wanted["onTimeout"]), (&json!(5), &json!(10), &json!("reject")));
    assert_eq!(wanted["question"], "10 % of the traffic is on the new version. Go on?");
    assert!(wanted["deadlineMillis"].as_u64() > wanted["atMillis"].as_u64(), "{wanted:#}");
    let weights = told.iter().find(|event| event["event"] == "weights").expect("they are others than before");
    let now: Vec<&Value> =
        weights["switches"][0]["weights"].as_array().into_iter().flatten().map(|it| &it["now"]).collect();
    assert_eq!(now, [90, 10], "{weights:#}");

    let soon = local.crossfade(&["watch", "shop-42", "--timeout", "1s"]);
    assert_eq!(soon.status.code(), Some(124));
    assert!(text(&soon.stderr).contains("shop-42 goes on; the 1 s of --timeout are over"), "{}", text(&soon.stderr));

    let soon = local.crossfade(&["watch", "shop-42", "--timeout", "1s", "--output", "json"]);
    let last = events(&text(&soon.stdout)).pop().expect("there is an end");
    assert_eq!(last, json!({ "event": "left", "deploymentId": "shop-42", "because": "timeout" }));

    // Ctrl-C is no abort, and says so.
    let (following, terminal) = local.crossfade_in_background(&["watch", "shop-42"]);
    patiently(|| terminal.read().contains("crossfade approve shop-42 --stage 5").then_some(()));
    finished(Command::new("kill").args(["-INT", &following.0.id().to_string()]));
    let left = output_of(following);
    assert_eq!(left.status.code(), Some(130));
    let said = text(&left.stderr);
    assert!(said.contains("shop-42 goes on. Follow it: crossfade watch shop-42"), "{said}");
    assert!(said.contains("crossfade abort shop-42"), "{said}");
    assert_eq!(local.status("shop-42", |_| true)["status"], "running");

    // Followed to its end, it exits like `status`.
    let (following, terminal) = local.crossfade_in_background(&["watch", "shop-42", "--output", "json"]);
    patiently(|| terminal.read().contains("approvalWanted").then_some(()));
    local.does(&["reject", "shop-42", "--stage", "5", "--by", "bob"]);
    assert_eq!(output_of(following).status.code(), Some(1));
    let told = events(&terminal.read());
    let names = names(&told);
    assert!(names.contains(&"decided") && names.contains(&"rollingBack"), "{names:?}");
    let last = told.last().expect("an end");
    assert_eq!((&last["event"], &last["status"]), (&json!("ended"), &json!("failedClean")), "{last:#}");
    let again = local.crossfade(&["watch", "shop-42"]);
    assert_eq!(again.status.code(), Some(1), "what is over is told, and that is all");
    assert!(text(&again.stdout).contains("FailedClean after "), "{}", text(&again.stdout));
}

#[test]
fn at_a_terminal_there_is_a_screen_that_fits_and_a_line_for_each_event_where_there_can_be_none() {
    let local = Local::start();
    asking(&local, "shop-42");
    let program = crossfade().get_program().to_owned();
    let at = |columns: u32, rows: u32, term: &str| {
        let mut command = local.reached_by(Command::new("script"));
        let size = format!("stty cols {columns} rows {rows}");
        let line = format!("{size}; exec {} watch shop-42 --until approval", program.display());
        command.args(["--quiet", "--return", "--command", &line, "/dev/null"]).env("TERM", term).env_remove("NO_COLOR");
        let output = finished(&mut command);
        (output.status.code(), text(&output.stdout))
    };
    for (columns, rows) in [(60, 16), (80, 24), (120, 40)] {
        let (code, shown) = at(columns, rows, "xterm-256color");
        assert_eq!(code, Some(0), "{shown}");
        let (_, drawn) = shown.split_once("\u{1b}[?1049h").expect("the other screen is opened");
        let (drawn, after) = drawn.split_once("\u{1b}[?1049l").expect("and left again");
        for part in
            ["shop-42", "Approve shop__7 at 10 %", "old shop__6", " 90 %", "crossfade approve shop-42 --stage 5"]
        {
            assert!(drawn.contains(part), "{columns}×{rows}: {part} is missing in {drawn}");
        }
        let highest = drawn.split("\u{1b}[H").map(|frame| frame.matches("\r\n").count() + 1).max();
        assert!(highest <= Some(rows as usize), "{columns}×{rows}: {highest:?} rows");
        assert!(after.contains("shop-42  shop/production/shop-base"), "how it stands is left on the screen: {after}");
    }
    for (columns, rows, term) in [(59, 24, "xterm"), (80, 15, "xterm"), (80, 24, "dumb")] {
        let (code, shown) = at(columns, rows, term);
        assert_eq!(code, Some(0), "{shown}");
        assert!(!shown.contains('\u{1b}'), "{term} {columns}×{rows}: {shown:?}");
        assert!(shown.contains(" 3/10 ✓ Upscale shop__7 to 4 ("), "{term} {columns}×{rows}: {shown}");
    }
}

/// A network that can be cut, between the command and the account.
struct Network {
    url: String,
    cut: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Network {
    fn to(address: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it has one"));
        let network = Self { url, cut: Arc::default(), open: Arc::default() };
        let (cut, open, address) = (network.cut.clone(), network.open.clone(), address.to_owned());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // What is closed at once is an answer that never comes.
                if cut.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(&address) else { continue };
                let ends = [client.try_clone(), server.try_clone()].map(|end| end.expect("it can be shared"));
                open.lock().expect("nobody panics").extend(ends);
                for (mut from, mut to) in [
                    (client.try_clone().expect("it can be shared"), server.try_clone().expect("it can be shared")),
                    (server, client),
                ] {
                    thread::spawn(move || {
                        let mut some = [0; 8192];
                        while let Ok(count @ 1..) = from.read(&mut some) {
                            if to.write_all(&some[..count]).is_err() {
                                break;
                            }
                        }
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
            }
        });
        network
    }

    fn cut(&self) {
        self.cut.store(true, Ordering::SeqCst);
        for stream in self.open.lock().expect("nobody panics").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn mend(&self) {
        self.cut.store(false, Ordering::SeqCst);
    }
}

#[test]
fn a_lost_network_is_waited_for_and_said_once() {
    let local = Local::start();
    asking(&local, "shop-42");
    let network = Network::to(local.address());
    let mut command = local.reached_by(crossfade());
    command.env("AWS_ENDPOINT_URL", &network.url).env("AWS_MAX_ATTEMPTS", "1");
    command.args(["watch", "shop-42"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut following = Running(command.spawn().expect("it starts"));
    let heard = |pipe: Option<Box<dyn Read + Send>>| {
        let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (mut pipe, told) = (pipe.expect("it is piped"), heard.clone());
        thread::spawn(move || {
            let mut some = [0; 1024];
            while let Ok(count @ 1..) = pipe.read(&mut some) {
                told.lock().expect("nobody panics").extend_from_slice(&some[..count]);
            }
        });
        move || text(&heard.lock().expect("nobody panics"))
    };
    let told = heard(following.0.stdout.take().map(|pipe| Box::new(pipe) as _));
    let said = heard(following.0.stderr.take().map(|pipe| Box::new(pipe) as _));
    patiently(|| told().contains("crossfade approve shop-42 --stage 5").then_some(()));
    network.cut();
    patiently(|| said().contains("AWS cannot be reached since ").then_some(()));
    // Meanwhile it goes on.
    local.does(&["approve", "shop-42", "--stage", "5"]);
    local.status("shop-42", |status| status["status"] == "succeeded");
    network.mend();
    let ended = patiently(|| following.0.try_wait().expect("it is ours"));
    patiently(|| told().contains("Succeeded in ").then_some(()));
    assert_eq!(ended.code(), Some(0), "{}", said());
    assert_eq!(said().matches("AWS cannot be reached").count(), 1, "{}", said());
    assert!(said().contains("AWS can be reached again"), "{}", said());
    assert_eq!(told().matches("10/10 ✓ ").count(), 1, "what was missed is told: {}", told());
}

#[test]
fn a_rollback_is_followed_while_it_runs_and_after_it_got_stuck() {
    let local = Local::start();
    let before = local.boto3(&["account", RULE]);
    asking(&local, "runs");
    let back = local.crossfade(&["rollback", "runs", "--wait"]);
    let told = text(&back.stdout);
    assert_eq!(back.status.code(), Some(1), "{told}{}", text(&back.stderr));
    assert!(told.starts_with("Rolling runs back (arn:") && told.contains("FailedClean after "), "{told}");
    assert!(told.contains("↩ rolling back") && told.contains(" R1/"), "{told}");

    asking(&local, "stuck");
    set_weights(&local, 30, 70);
    local.does(&["approve", "stuck", "--stage", "5"]);
    local.status("stuck", |status| status["status"] == "failedDirty");
    let status = local.crossfade(&["status", "stuck"]);
    assert_eq!(status.status.code(), Some(3));
    let shown = text(&status.stdout);
    let old_first = "before  we set  now\n      shop-a     100      90      30\n      shop-b       0      10      70\n";
    assert!(shown.contains(old_first), "old, then new, whatever the rule's order: {shown}");
    local.refuses(&["deploy", SHIFT, "--name", "next"], &["mend that, then `crossfade rollback stuck`"]);
    // Not mended, it ends where it was; mended, it gets through.
    let still = local.crossfade(&["rollback", "stuck", "--wait"]);
    assert_eq!(still.status.code(), Some(3), "{}{}", text(&still.stdout), text(&still.stderr));
    set_weights(&local, 90, 10);
    let mended = local.crossfade(&["rollback", "stuck", "--wait", "--output", "json"]);
    assert_eq!(mended.status.code(), Some(1), "{}{}", text(&mended.stdout), text(&mended.stderr));
    let told = events(&text(&mended.stdout));
    assert_eq!(told.last().map(|last| &last["status"]), Some(&json!("failedClean")));
    assert_eq!(local.boto3(&["account", RULE]), before);
}

#[test]
fn whatever_is_waited_for_takes_the_same_limits_and_ends_with_the_same_codes() {
    let local = Local::start();
    let last = |printed: &[u8]| events(&text(printed)).pop().unwrap_or_default();
    let wait = |arguments: &[&str]| local.crossfade(&[arguments, &["--wait"]].concat());
    // Started, and left where somebody has to decide: as `watch` leaves.
    let asks = wait(&["deploy", SHIFT, "--name", "limited", "--yes", "--until", "approval", "--output", "json"]);
    assert_eq!(asks.status.code(), Some(0), "{}{}", text(&asks.stdout), text(&asks.stderr));
    assert_eq!(last(&asks.stdout)["event"], "weights", "{}", text(&asks.stdout));
    assert!(events(&text(&asks.stdout)).iter().any(|event| event["event"] == "approvalWanted"));

    let timed_out = |arguments: &[&str], id: &str| {
        let soon = wait(&[arguments, &["--timeout", "1s"]].concat());
        assert_eq!(soon.status.code(), Some(124), "{arguments:?}: {}{}", text(&soon.stdout), text(&soon.stderr));
        let said = text(&soon.stderr).replace('\n', " ");
        assert!(said.contains(&format!("{id} goes on; the 1 s of --timeout are over")), "{arguments:?}: {said}");
    };
    // What was asked before it was stopped is asked no more: the way back is followed to its end.
    let back = wait(&["rollback", "limited", "--until", "approval", "--output", "json"]);
    assert_eq!(back.status.code(), Some(1), "{}{}", text(&back.stdout), text(&back.stderr));
    assert_eq!(last(&back.stdout)["status"], "failedClean");
    timed_out(&["retry", "limited", "--yes"], "limited-retry-1");
    local.status("limited-retry-1", |status| status["question"]["stage"] == 5);
    let aborted = wait(&["abort", "limited-retry-1", "--until", "approval", "--output", "json"]);
    assert_eq!(aborted.status.code(), Some(1), "{}{}", text(&aborted.stdout), text(&aborted.stderr));
    assert_eq!(last(&aborted.stdout)["status"], "failedClean");
    timed_out(&["deploy", SHIFT, "--name", "second", "--yes"], "second");
    local.status("second", |status| status["question"]["stage"] == 5);
    timed_out(&["abort", "second"], "second");
    local.status("second", |status| status["status"] == "failedClean");
    asking(&local, "third");
    local.does(&["approve", "third", "--stage", "5"]);
    local.status("third", |status| status["status"] == "succeeded");
    timed_out(&["rollback", "third"], "third-back-to-6");

    // A limit of nothing is a mistake, and nothing is done for it.
    for command in [&["deploy", SHIFT][..], &["retry", "third"], &["abort", "third"], &["rollback", "third"]] {
        for limit in [["--timeout", "1s"], ["--until", "approval"]] {
            local.refuses(&[command, &limit].concat(), &["--wait"]);
        }
    }
}

#[test]
fn in_an_emergency_the_way_back_asks_nobody() {
    let local = Local::start();
    let before = local.boto3(&["account", RULE]);
    asking(&local, "bad");
    local.does(&["approve", "bad", "--stage", "5"]);
    local.status("bad", |status| status["status"] == "succeeded");
    let told = local.does(&["rollback", "bad", "--now", "--wait"]);
    assert!(told.contains("back to revision 6, at once: no approvals, no pauses, one shift"), "{told}");
    assert!(!told.contains("Approve") && told.contains(" ✓ Shift 100 % to shop__6"), "{told}");
    assert_eq!(told.matches("✓ Shift ").count(), 1, "{told}");
    assert_eq!(local.boto3(&["account", RULE])["weights"], before["weights"]);
    // The name was used: another deployment gets another one.
    local.refuses(&["deploy", SHIFT, "--name", "bad"], &["There was a deployment bad before", "another --name"]);
}

#[test]
fn what_is_stuck_is_kept_by_command_and_what_failed_is_tried_again() {
    let local = Local::start();
    asking(&local, "stuck");
    local.refuses(&["accept", "stuck"], &["stuck is Running", "Nothing was changed"]);
    local.refuses(&["retry", "stuck"], &["has not ended: it is Running"]);
    set_weights(&local, 30, 70);
    local.does(&["approve", "stuck", "--stage", "5"]);
    local.status("stuck", |status| status["status"] == "failedDirty");
    local.refuses(&["retry", "stuck"], &["is stuck (FailedDirty)", "crossfade accept stuck"]);
    // Somebody brings the account into the state that they want.
    set_weights(&local, 0, 100);
    let none = ["--min-size", "0", "--max-size", "0", "--desired-capacity", "0"];
    let resize = ["autoscaling", "update-auto-scaling-group", "--auto-scaling-group-name", "shop__6"];
    local.aws(&[&resize[..], &none[..]].concat());
    let told = local.does(&["accept", "stuck", "--by", "ann", "--comment", "it serves well"]);
    assert!(
        told.starts_with("What stuck left is kept, and shop/production/shop-base can be deployed again.\n"),
        "{told}"
    );
    assert!(told.contains("shop__7 exists, with 4 (min 4, max 8)"), "what that is: {told}");
    let status = local.crossfade(&["status", "stuck", "--log"]);
    assert_eq!(status.status.code(), Some(1), "{}", text(&status.stderr));
    let shown = text(&status.stdout);
    assert!(
        shown.contains("what it left is kept")
            && shown.contains("Accepted by ann (arn:aws:iam::123456789012:user/local): it serves well"),
        "{shown}"
    );
    let running = local.does(&["list", "--running"]);
    assert!(!running.contains("shop/production"), "nobody has to do anything any more: {running}");
    local.refuses(&["rollback", "stuck"], &["Somebody has accepted what stuck left"]);
    local.refuses(&["accept", "stuck"], &["stuck is Accepted"]);

    // The next one takes over from what is there; what failed is tried again under another name.
    local.does(&["retry", "stuck"]);
    local.status("stuck-retry-1", |status| !status["question"].is_null());
    assert!(local.does(&["status", "stuck-retry-1"]).contains("shop__8, from shop__7"));
    local.does(&["reject", "stuck-retry-1"]);
    local.status("stuck-retry-1", |status| status["status"] == "failedClean");
    local.does(&["retry", "stuck"]);
    local.status("stuck-retry-2", |status| !status["question"].is_null());
}

/// The weights of the rule, of the target groups shop-a and shop-b.
fn weights(local: &Local) -> [u64; 2] {
    let rules = local.aws(&["elbv2", "describe-rules", "--rule-arns", RULE]);
    let groups =
        rules["Rules"][0]["Actions"][0]["ForwardConfig"]["TargetGroups"].as_array().cloned().unwrap_or_default();
    ["/shop-a/", "/shop-b/"].map(|name| {
        let group = groups.iter().find(|group| group["TargetGroupArn"].as_str().is_some_and(|arn| arn.contains(name)));
        group.and_then(|group| group["Weight"].as_u64()).expect("it has one")
    })
}

#[test]
fn weights_of_somebody_else_are_shown_old_before_new_and_set_back_by_command() {
    let local = Local::start();
    asking(&local, "first");
    local.refuses(&["rollback", "first", "--reset-weights"], &["first is Running", "Nothing was changed"]);
    local.does(&["approve", "first", "--stage", "5"]);
    local.status("first", |status| status["status"] == "succeeded");
    // By now shop-b is production: in the rule the new one stands first.
    asking(&local, "second");
    set_weights(&local, 60, 40);
    local.does(&["reject", "second", "--stage", "5"]);
    local.status("second", |status| status["status"] == "failedDirty");
    let status = local.crossfade(&["status", "second"]);
    assert_eq!(status.status.code(), Some(3), "{}", text(&status.stderr));
    let shown = text(&status.stdout);
    for part in [
        "has weights shop-b 40 : shop-a 60, but this deployment last set shop-b 90 : shop-a 10.",
        "Set them to shop-b 100 : shop-a 0 and run",
        "are shop-b 40 : shop-a 60, they were shop-b 100 : shop-a 0",
        "  ! somebody else has set the weights of rule app/shop/…/4dc05e242e780a26\n",
        "              before  we set  now\n      shop-b     100      90      40\n      shop-a       0      10      60\n",
        "\n  crossfade rollback second --reset-weights --wait  # set the weights back, and go back\n",
    ] {
        assert!(shown.contains(part), "{part} is missing in\n{shown}");
    }
    assert!(!shown.contains("shop-a 60 : shop-b 40") && !shown.contains("shop-a 10 : shop-b 90"), "{shown}");

    let back = local.crossfade(&[
        "rollback",
        "second",
        "--reset-weights",
        "--by",
        "ann",
        "--comment",
        "the hand was mine",
        "--wait",
    ]);
    assert_eq!(back.status.code(), Some(1), "{}", text(&back.stderr));
    assert!(
        text(&back.stdout).contains("4dc05e242e780a26: shop-b 40 : shop-a 60 → shop-b 100 : shop-a 0\n"),
        "{}",
        text(&back.stdout)
    );
    assert_eq!(weights(&local), [0, 100]);
    let ended = local.crossfade(&["status", "second", "--log"]);
    assert_eq!(ended.status.code(), Some(1));
    let log = text(&ended.stdout);
    let said = "The rollback may set weights back that somebody else has set, says ann (arn:aws:iam::123456789012:user/local): the hand was mine";
    assert!(log.contains(said) && log.contains("Rolled back: everything is as it was"), "{log}");
    let running = local.does(&["list", "--running"]);
    assert_eq!(running, "No deployment runs, waits or is stuck.\n", "the lock is given back");
}

#[test]
fn who_stops_the_line_is_who_aws_says_and_a_name_that_nobody_deploys_to_is_told() {
    let local = Local::start();
    asking(&local, "shop-42");
    let told = local.does(&["freeze", "prodution", "--comment", "incident 42"]);
    assert!(
        told.starts_with("prodution is frozen by arn:aws:iam::123456789012:user/local: incident 42, since 0:00\n"),
        "{told}"
    );
    assert!(told.ends_with("  ! nobody has deployed to prodution so far; did you mean `production`?\n"), "{told}");
    let told = local.does(&["unfreeze", "production"]);
    assert!(
        told.starts_with("production was not frozen: nothing was changed\nStill: prodution is frozen by "),
        "{told}"
    );
    assert!(
        local
            .does(&["unfreeze", "--all"])
            .starts_with("There was no freeze of all environments: nothing was changed\nStill: ")
    );
    local.does(&["unfreeze", "prodution"]);
    let told = local.does(&["freeze", "production", "--by", "ann"]);
    assert!(
        told.starts_with("production is frozen by ann (arn:aws:iam::123456789012:user/local), since 0:00\n"),
        "{told}"
    );
    assert!(!told.contains('!'), "{told}");
    let refused =
        local.refuses(&["plan", "examples/workers.yaml"], &["The environment production is frozen by ann (arn:"]);
    assert!(!refused.contains("Production is"), "the name of an environment is as it is written: {refused}");
    local.does(&["unfreeze", "production"]);

    // Whoever answers what was answered is told by whom, and whoever goes back is known.
    local.does(&["approve", "shop-42", "--stage", "5", "--by", "bob"]);
    local.refuses(
        &["approve", "shop-42", "--stage", "5"],
        &["What it asked last (Approve shop__7 at 10 %) was approved by bob (arn:aws:iam::123456789012:user/local). Nothing was decided."],
    );
    local.does(&["rollback", "shop-42", "--by", "ann", "--comment", "too slow"]);
    let over = local.status("shop-42", |status| status["status"] == "failedClean");
    let cause = "Taken back by ann (arn:aws:iam::123456789012:user/local): too slow";
    assert_eq!(over["failure"]["cause"], cause, "{over:#}");
}

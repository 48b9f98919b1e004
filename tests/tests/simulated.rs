//! `crossfade local` as a stage for whoever learns crossfade: it looks after deployments as an account does, the commands live in its time,
//! every example has a place in it, and what it prints can be pasted.

mod built;
mod local;

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use crossfade_aws::keys;
use crossfade_core::freeze::Freeze;
use crossfade_local::Installation;
use crossfade_sim::world::sample::{ShopOptions, shop};
use crossfade_sim::{Server, Settings, Sim};
use crossfade_steps::{Clock, WallClock, freeze};
use serde_json::{Value, json};

use local::{Local, aws_cli, crossfade, finished, text};

const SHIFT: &str = "examples/blue-green-shift.yaml";

#[test]
fn a_deployment_that_is_stopped_by_hand_goes_back_by_itself_and_status_shows_it() {
    let local = Local::start();
    local.does(&["deploy", SHIFT, "--name", "stopped"]);
    local.status("stopped", |status| status["question"]["stage"] == 5);
    let execution = "arn:aws:states:eu-west-1:123456789012:execution:crossfade-deploy:stopped";
    local.aws(&["stepfunctions", "stop-execution", "--execution-arn", execution]);
    let status = local.status("stopped", |status| status["status"] == "failedClean");
    assert_eq!(status["failure"]["error"], "HaltRequested", "{status:#}");
    let told = text(&local.crossfade(&["status", "stopped"]).stdout);
    assert!(!told.contains("crossfade approve") && !told.contains("crossfade rollback"), "{told}");
    let users: Value = serde_json::from_str(
        local.aws(&["ssm", "get-parameter", "--name", "/crossfade/local/users"])["Parameter"]["Value"]
            .as_str()
            .expect("it tells"),
    )
    .expect("it is JSON");
    assert!(users["served"].as_u64() > Some(0) && users["lost"] == 0, "{users}");
}

#[test]
fn every_example_can_be_planned_on_the_layout_that_it_names() {
    let mut by_layout: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in fs::read_dir(built::root().join("examples")).expect("there are examples") {
        let path = entry.expect("a file").path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("it can be read");
        let named = text.lines().find_map(|line| line.strip_prefix("# Try it in: crossfade local"));
        let layout = named.unwrap_or_else(|| panic!("{} names no layout of `crossfade local`", path.display()));
        by_layout.entry(layout.trim().to_owned()).or_default().push(path.display().to_string());
    }
    assert!(by_layout.len() > 10, "{by_layout:#?}");
    for (layout, examples) in by_layout {
        let local = Local::with(&layout.split_whitespace().collect::<Vec<_>>());
        for example in examples {
            local.does(&["plan", &example]);
        }
    }
}

/// What is pasted runs in a shell of another folder, in which `crossfade` is no command.
fn pasted(local: &Local, lines: &[&str]) -> String {
    let elsewhere = Path::new(env!("CARGO_TARGET_TMPDIR")).join("else where");
    fs::create_dir_all(&elsewhere).expect("cargo gives tests a directory");
    let cli = aws_cli();
    let words = std::iter::once(cli.get_program()).chain(cli.get_args()).map(|word| word.display().to_string());
    let script =
        format!("set -eu\naws() {{ command {} \"$@\"; }}\n{}", words.collect::<Vec<_>>().join(" "), lines.join("\n"));
    let mut bash = local.reached_by(Command::new("bash"));
    bash.env_remove("AWS_ENDPOINT_URL").env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let output = finished(bash.args(["-c", &script]).current_dir(&elsewhere));
    assert!(output.status.success(), "{script}\n{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn what_it_prints_can_be_pasted_in_any_folder() {
    // This one asks nobody.
    let local = Local::with(&["--layout", "two-load-balancers"]);
    let invited: Vec<&str> = local.said.iter().filter_map(|line| line.strip_prefix("  ")).collect();
    let lines: Vec<&str> = invited.iter().filter(|line| !line.ends_with("dashboard --actions")).copied().collect();
    assert_eq!((invited.len(), lines.len()), (4, 3), "{:#?}", local.said);
    assert!(pasted(&local, &lines).contains("Succeeded"), "{:#?}", local.said);

    let local = Local::start();
    let lines: Vec<&str> = local.said.iter().filter_map(|line| line.strip_prefix("  ")).collect();
    let lines: Vec<&str> = lines.into_iter().filter(|it| it.starts_with("export") || it.starts_with("aws")).collect();
    assert!(pasted(&local, &lines).contains("execution:crossfade-deploy:first"), "{:#?}", local.said);
}

/// An account in this process that nobody looks after, whose calendar is as much ahead of this machine's and whose time passes so fast.
struct Account {
    sim: Arc<Sim>,
    installation: Installation,
    server: Server,
}

impl Account {
    fn ahead(by: Duration, speed: f64) -> Self {
        let epoch_millis = WallClock.now_millis() + by.as_millis() as u64;
        let sim = Sim::new(Settings { epoch_millis, speed, ..Settings::default() });
        shop(&mut sim.world(), ShopOptions::default());
        let installation = Installation::in_process(&sim).expect("the shipped definitions are good");
        let server = Server::start(sim.clone(), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        Self { sim, installation, server }
    }

    /// What the command prints, on both channels, and its exit code.
    async fn asked(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = crossfade();
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("AWS_") || text.starts_with("CROSSFADE_") || text.to_lowercase().ends_with("_proxy") {
                command.env_remove(&name);
            }
        }
        let keys = [("AWS_ACCESS_KEY_ID", "ann"), ("AWS_SECRET_ACCESS_KEY", "ann"), ("AWS_REGION", "eu-west-1")];
        command.envs(keys).env("AWS_ENDPOINT_URL", self.server.url()).env("AWS_CONFIG_FILE", "/dev/null");
        command.env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null").env("AWS_EC2_METADATA_DISABLED", "true");
        command.args(arguments).current_dir(built::root()).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output().expect("it runs")).await.expect("it runs");
        (output.status.code(), format!("{}{}", text(&output.stdout), text(&output.stderr)))
    }
}

const AHEAD: Duration = Duration::from_secs(6 * 3600);

#[tokio::test]
async fn commands_judge_and_write_down_by_the_account_s_time() {
    let account = Account::ahead(AHEAD, 1.0);
    let began = account.sim.clock.now_millis();
    // By this machine's clock it would still be on.
    let over = Freeze {
        environment: Some("production".into()),
        by: Some("ann".into()),
        comment: None,
        since_millis: began - 2 * 3_600_000,
        until_millis: Some(began - 3_600_000),
        window: None,
    };
    let context = account.installation.context("operator", Duration::ZERO);
    freeze(&context, &over).await.expect("it can be written down");
    let (code, said) = account.asked(&["plan", SHIFT]).await;
    assert_eq!(code, Some(0), "{said}");

    const SHOP: &str = "shop/production/shop-base";
    let (code, said) = account.asked(&["adopt", SHOP, "shop__6"]).await;
    assert_eq!(code, Some(0), "{said}");
    let adopted = account.installation.record(&keys::infrastructure(SHOP), &keys::adopted(6)).expect("it is recorded");
    assert!(adopted["atMillis"].as_u64() >= Some(began - 1000), "{adopted} of {began}");

    let (code, said) = account.asked(&["deploy", SHIFT, "--yes", "--output", "json"]).await;
    assert_eq!(code, Some(0), "{said}");
    let told: Value =
        serde_json::from_str(said.lines().find(|line| line.starts_with('{')).expect("JSON")).expect("JSON");
    let id = told["deploymentId"].as_str().expect("it has one");
    let stamp = |millis: u64| {
        let time = jiff::Timestamp::from_millisecond(i64::try_from(millis).expect("a time")).expect("a time");
        format!("shop-production-{}", time.strftime("%Y%m%d-%H%M%S"))
    };
    let (from, to) = (stamp(began - 1000), stamp(account.sim.clock.now_millis() + 1000));
    assert!(*id >= *from && *id <= *to, "{id} is not between {from} and {to}");
    account.server.shutdown().await;
}

#[tokio::test]
async fn what_has_died_and_nobody_has_noticed_is_told_and_asks_nobody() {
    let account = Account::ahead(AHEAD, 60.0);
    let (code, said) = account.asked(&["deploy", SHIFT, "--name", "stopped", "--yes"]).await;
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = account.asked(&["watch", "stopped", "--until", "approval", "--timeout", "30m"]).await;
    assert_eq!(code, Some(0), "{said}");
    let stopping = account.sim.step_functions().executions().into_iter().find(|it| it.name == "stopped");
    let arn = stopping.expect("it runs").arn;
    crossfade_tests::machinery::stop(&account.sim, &arn, json!({})).await;
    let (_, said) = account.asked(&["status", "stopped"]).await;
    for wanted in ["has ended (Aborted)", "within a minute", "crossfade rollback stopped"] {
        assert!(said.contains(wanted), "{wanted} is missing in\n{said}");
    }
    assert!(!said.contains("crossfade approve"), "{said}");
    let (code, said) = account.asked(&["approve", "stopped", "--stage", "5"]).await;
    assert!(code == Some(2) && said.contains("has ended (Aborted)"), "{said}");
    assert!(said.contains("crossfade rollback stopped"), "{said}");
    account.server.shutdown().await;
}

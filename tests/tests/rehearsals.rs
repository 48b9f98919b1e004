//! Rehearsals: how a deployment with each bad image ends, what is found and played again, and that nothing is written to the account.

mod built;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use crossfade_aws::Table;
use crossfade_aws::clone::read;
use crossfade_core::document::parse;
use crossfade_local::{Installation, TABLE};
use crossfade_rehearse::drive::in_virtual_time;
use crossfade_rehearse::{Ending, HowMany, Image, NoticedBy, Press, Rehearsal, Severity, Wish, rehearse, replay};
use crossfade_sim::world::sample::{Compute, Layout, ShopOptions, shop};
use crossfade_sim::{Effect, Server, Settings, Sim};
use crossfade_tests::Scene;
use crossfade_tests::roles::Roles;
use crossfade_tests::shown::hold_but_for;
use crossfade_tests::strategies::STRATEGIES;
use serde_json::{Value, json};

/// The account of a shop, in which roles lack these actions.
fn account(
    options: ShopOptions,
    lacking: &'static [(&'static str, &'static str)],
) -> impl Fn(u64) -> Result<Installation, String> + Sync {
    move |seed| {
        let sim = Sim::new(Settings { seed, ..Settings::default() });
        shop(&mut sim.world(), options.clone());
        let installation = Installation::in_process(&sim).map_err(|error| error.to_string())?;
        Roles::guard_without(&sim, lacking);
        Ok(installation)
    }
}

fn quiet(options: ShopOptions) -> ShopOptions {
    ShopOptions { requests_per_second: 5.0, ..options }
}

/// What a document of this shop comes to.
fn rehearsed(options: &ShopOptions, document: impl FnOnce(&Scene) -> Value, faults: HowMany) -> (Wish, Rehearsal) {
    let options = quiet(options.clone());
    let document = in_virtual_time(async { document(&Scene::new(options.clone())) });
    let wish = Wish { document, seed: 1, approve_after: Duration::from_secs(120) };
    let rehearsal = rehearse(&account(options, &[]), &wish, faults, &|_, _| {}).expect("it can be rehearsed");
    (wish, rehearsal)
}

/// The usual document without an approval.
fn unasked(scene: &Scene) -> Value {
    scene.document_with(|it| it["strategy"] = json!({ "blueGreenShift": { "percents": [10, 50, 100] } }))
}

#[track_caller]
fn ending(rehearsal: &Rehearsal, image: Image) -> (Ending, NoticedBy, bool) {
    let of = rehearsal.images.iter().find(|it| it.image == image).expect("it is played");
    (of.ending, of.noticed_by, of.back_seconds.is_some())
}

#[test]
fn every_strategy_goes_well_and_every_image_that_is_no_good_is_taken_back() {
    for strategy in STRATEGIES {
        let (_, rehearsal) = rehearsed(&strategy.options(), |scene| strategy.document(scene), HowMany::None);
        let name = strategy.name;
        let told = || serde_json::to_string_pretty(&rehearsal).unwrap_or_default();
        assert_eq!(rehearsal.once.ending, Ending::Succeeded, "{name}: {}", told());
        // Whoever is asked before a swap sees no errors of users', and afterwards nobody is asked.
        let unseen = usize::from(strategy.layout == Layout::Staged);
        assert_eq!(rehearsal.hurts(), unseen, "{name}: {}", told());
        assert_eq!(rehearsal.once.timeline.last().map(|it| it.percent), Some(100), "{name}: {}", told());
        for image in [Image::NeverHealthy, Image::Slow, Image::NoCapacity] {
            let (ending, noticed, _) = ending(&rehearsal, image);
            assert_eq!(
                (ending, noticed),
                (Ending::FailedClean, NoticedBy::Deployment),
                "{name}, {image:?}: {}",
                told()
            );
        }
        let (ending, _, back) = ending(&rehearsal, Image::DiesAtFirst);
        assert_eq!((ending, back), (Ending::FailedClean, true), "{name}: {}", told());
        let pressed = |press: Press| rehearsal.pressed.iter().filter(move |it| it.press == press);
        assert!(pressed(Press::RollbackNow).all(|it| it.seconds.is_some()), "{name}: {}", told());
        assert!(pressed(Press::RollbackNow).count() == 1 && pressed(Press::Abort).count() > 0, "{name}: {}", told());
        assert!(rehearsal.pressed.iter().all(|it| it.lost == 0), "{name}: {}", told());
    }
}

#[test]
fn a_document_that_nobody_checks_is_found_and_its_run_is_played_again() {
    let options = ShopOptions::default();
    let (wish, rehearsal) = rehearsed(&options, unasked, HowMany::None);
    assert_eq!(ending(&rehearsal, Image::Errors), (Ending::Succeeded, NoticedBy::Nobody, false));
    let found = rehearsal.findings.iter().find(|it| it.what.contains("nobody looks")).expect("it is found");
    assert_eq!(found.severity, Severity::Finding);
    assert!(found.fix.as_deref().is_some_and(|fix| fix.contains("metric: errorRate")), "{found:?}");
    let token = found.replay.clone().expect("it can be played again");
    let again = replay(&account(quiet(options.clone()), &[]), &wish, &token).expect("it is played");
    assert_eq!(again.findings, std::slice::from_ref(found));
    assert!(again.log.iter().any(|line| line.contains("shop__7")), "{:#?}", again.log);

    // With a check it is taken back; and where somebody is asked, they have to look.
    let checks = |scene: &Scene| {
        let mut document = unasked(scene);
        document["strategy"]["blueGreenShift"]["verify"] = json!({ "minutes": 5 });
        document["verification"] = json!({ "traffic": { "atLeast": 50 },
            "checks": { "errors": { "metric": "errorRate", "atMost": "5 %" } } });
        document
    };
    let (_, checked) = rehearsed(&ShopOptions { requests_per_second: 5.0, ..options.clone() }, checks, HowMany::None);
    assert_eq!(ending(&checked, Image::Errors), (Ending::FailedClean, NoticedBy::Deployment, true));
    assert_eq!(checked.hurts(), 0, "{:#?}", checked.findings);
    let (_, asked) = rehearsed(&options, Scene::document, HowMany::None);
    assert_eq!(ending(&asked, Image::Errors), (Ending::FailedClean, NoticedBy::Person, true));
    assert_eq!(asked.hurts(), 0, "{:#?}", asked.findings);
}

#[test]
fn a_role_that_lacks_a_permission_is_found() {
    let options = quiet(ShopOptions::default());
    let document = in_virtual_time(async { Scene::new(options.clone()).document() });
    let wish = Wish { document, seed: 1, approve_after: Duration::from_secs(60) };
    let lacking: &[_] = &[("shift-weight", "elasticloadbalancing:ModifyRule")];
    let rehearsal = rehearse(&account(options, lacking), &wish, HowMany::None, &|_, _| {}).expect("it can be played");
    assert!(rehearsal.hurts() > 0 && rehearsal.once.ending != Ending::Succeeded, "{rehearsal:#?}");
    assert!(rehearsal.findings[0].what.contains("ModifyRule"), "{:#?}", rehearsal.findings);
}

#[test]
fn faults_at_random_hurt_nobody_and_each_is_played_again() {
    let (wish, rehearsal) = rehearsed(&ShopOptions::default(), unasked, HowMany::Some(24));
    let faults = &rehearsal.faults;
    assert_eq!((faults.played, faults.lost), (24, 0));
    assert!(faults.possible > 500 && faults.places > 100, "{faults:?}");
    let hurts: Vec<_> = rehearsal.findings.iter().filter(|it| !it.what.contains("nobody looks")).collect();
    assert!(hurts.iter().all(|it| it.severity == Severity::Warning), "{hurts:#?}");
    let account = account(quiet(ShopOptions::default()), &[]);
    let token = "reply-lost.100".parse().expect("it is one");
    let [once, again] = [(); 2].map(|()| replay(&account, &wish, &token).expect("it is played"));
    assert_eq!((&once.findings, &once.log), (&again.findings, &again.log));
    assert!(once.findings.is_empty() && once.log.len() > 5, "{:#?}", once.log);
}

/// A directory of its own, which goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rehearsals-{name}"));
        fs::create_dir_all(&path).expect("cargo gives tests a directory");
        Self(path)
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.0.join(file), text).expect("it can be written");
    }

    /// The command, in this directory, with nothing of the machine's own configuration.
    fn crossfade(&self, url: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new(built::programs(&["crossfade"]).join("crossfade"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("AWS_") {
                command.env_remove(&name);
            }
        }
        command.envs([("AWS_REGION", "eu-west-1"), ("AWS_ACCESS_KEY_ID", "local"), ("AWS_SECRET_ACCESS_KEY", "local")]);
        command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
        command.env("AWS_ENDPOINT_URL", url).env("AWS_EC2_METADATA_DISABLED", "true");
        command.args(arguments).current_dir(&self.0).output().expect("the command runs")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:9";

#[track_caller]
fn printed(output: &Output, code: i32) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert_eq!(output.status.code(), Some(code), "{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// The shop's document and account, as `--state` writes it.
fn saved(folder: &Folder, options: ShopOptions, document: impl FnOnce(&Scene) -> Value) {
    let (document, state) = in_virtual_time(async {
        let scene = Scene::new(options);
        let document = document(&scene);
        let config = scene.sim.sdk_config();
        let parsed = parse(&document).expect("it is a document");
        let now = scene.sim.clock.now_millis();
        let state = read(&config, &parsed, &Table::new(&config, TABLE), now).await.expect("it can be read");
        (document, state.to_json())
    });
    folder.write("shop.yaml", &document.to_string());
    folder.write("shop.account", &state);
}

#[tokio::test]
async fn a_rehearsal_only_reads_the_account_and_what_it_read_is_enough_for_the_next() {
    let folder = Arc::new(Folder::new("reads"));
    let scene = Scene::new(ShopOptions::default());
    folder.write("shop.yaml", &unasked(&scene).to_string());
    let server = Server::start(scene.sim.clone(), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
    let says = async |url: &str, arguments: &[&str]| {
        let (folder, url) = (folder.clone(), url.to_owned());
        let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
        let run = move || folder.crossfade(&url, &arguments.iter().map(String::as_str).collect::<Vec<_>>());
        tokio::task::spawn_blocking(run).await.expect("it runs")
    };
    let arguments = ["rehearse", "shop.yaml", "--faults", "none", "--output", "json"];
    let live = says(&server.url(), &[&arguments[..], &["--state", "shop.account"]].concat()).await;
    let live: Value = serde_json::from_str(&printed(&live, 1)).expect("it is JSON");
    let calls = scene.sim.calls();
    let writes: Vec<_> = calls.iter().filter(|call| call.effect != Effect::Read).collect();
    assert!(writes.is_empty() && calls.len() > 10, "{writes:#?}");
    assert!(live["copied"]["reads"].as_u64() > Some(10) && live["once"]["ending"] == "Succeeded", "{live}");

    let from = says(NOWHERE, &[&arguments[..], &["--from", "shop.account"]].concat()).await;
    let from: Value = serde_json::from_str(&printed(&from, 1)).expect("it is JSON");
    for same in ["once", "images", "pressed", "findings"] {
        assert_eq!(live[same], from[same], "{same}");
    }
    let wrong = says(NOWHERE, &["rehearse", "shop.yaml", "--from", "shop.yaml"]).await;
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("--state FILE"), "{wrong:?}");
    printed(&wrong, 2);
    printed(&says(NOWHERE, &["rehearse", "shop.yaml", "--replay", "nonsense"]).await, 2);
}

#[test]
fn a_service_of_ecs_is_rehearsed_as_well() {
    let options = ShopOptions { compute: Compute::Services, ..ShopOptions::default() };
    let (_, rehearsal) = rehearsed(&options, Scene::document, HowMany::None);
    assert_eq!((rehearsal.once.ending, rehearsal.hurts()), (Ending::Succeeded, 0), "{:#?}", rehearsal.findings);
    assert_eq!(ending(&rehearsal, Image::NeverHealthy).0, Ending::FailedClean);
    assert_eq!(ending(&rehearsal, Image::DiesAtFirst), (Ending::FailedClean, NoticedBy::Deployment, true));
}

/// What people read is what they get.
#[test]
fn the_guide_shows_what_a_rehearsal_prints() {
    let folder = Folder::new("guide");
    let document = |scene: &Scene| {
        scene.document_with(|it| {
            it["strategy"] = json!({ "blueGreenShift": { "percents": [10, 50, 100], "approveAfterPercents": [10] } });
        })
    };
    saved(&folder, ShopOptions { layout: Layout::Weighted, ..ShopOptions::default() }, document);
    let output = folder.crossfade(NOWHERE, &["rehearse", "shop.yaml", "--from", "shop.account", "--faults", "24"]);
    hold_but_for("docs/rehearsing.md", "a rehearsal", &printed(&output, 0), |text| {
        text.lines().map(|line| format!("{}\n", without_time(line))).collect()
    });
}

/// A line without how long it took here.
fn without_time(line: &str) -> String {
    match line.split_once(" deployments in ") {
        Some((runs, rest)) => {
            let found = rest.split_once(" s: ").map_or(rest, |(_, found)| found);
            format!("{runs} deployments: {found}")
        }
        None => line.to_owned(),
    }
}

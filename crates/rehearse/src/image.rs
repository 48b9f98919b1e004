//! What if the new image is no good?

use std::sync::{Arc, Mutex};

use crossfade_core::document::Decision;
use crossfade_local::Installation;
use crossfade_sim::Sim;
use crossfade_sim::world::World;
use schemars::JsonSchema;
use serde::Serialize;

use crate::drive::sweep_regularly;
use crate::ending::Ending;
use crate::faults::injector::no_capacity;
use crate::finding::Finding;
use crate::once::Once;
use crate::run::{Ended, Look, Run, locked};
use crate::scenery::Scenery;
use crate::token::Token;

/// How long a slow image takes to boot, in seconds.
const SLOW_SECONDS: u64 = 15 * 60;
/// How many of a thousand requests an image that is wrong answers with errors.
const ERRORS_PER_MILLE: u32 = 500;
/// A half, in the share of users.
const HALF: f64 = 0.5;
/// For how long users may be on an image that is no good before that is worth a word, in seconds.
const LONG_SECONDS: f64 = 300.0;

/// What is wrong with the new image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Image {
    /// It never passes its health checks.
    NeverHealthy,
    /// It takes fifteen minutes to boot.
    Slow,
    /// It dies when it gets its first users.
    DiesAtFirst,
    /// It dies when it has half of the users.
    DiesAtHalf,
    /// It passes its health checks, and answers half of its requests with errors.
    Errors,
    /// AWS has no capacity for it.
    NoCapacity,
}

impl Image {
    /// All of them.
    pub const ALL: &[Image] =
        &[Image::NeverHealthy, Image::Slow, Image::DiesAtFirst, Image::DiesAtHalf, Image::Errors, Image::NoCapacity];

    /// What it does, as in “if the new image …”.
    pub fn name(self) -> &'static str {
        match self {
            Image::NeverHealthy => "never becomes healthy",
            Image::Slow => "boots in 15 min",
            Image::DiesAtFirst => "dies with its first users",
            Image::DiesAtHalf => "dies at 50 %",
            Image::Errors => "answers half with errors",
            Image::NoCapacity => "finds no capacity",
        }
    }

    /// Whether it is other than the others in this deployment: without weights between, the first users are all of them.
    fn applies(self, once: &Once) -> bool {
        let between = |percent: u32| (50..100).contains(&percent);
        match self {
            Image::DiesAtHalf => {
                let first = once.timeline.iter().map(|it| it.percent).find(|percent| *percent > 0);
                first.is_some_and(|first| first < 50) && once.timeline.iter().any(|it| between(it.percent))
            }
            _ => true,
        }
    }

    /// At which share of the users it goes wrong; nothing when it is wrong from the beginning.
    fn goes_wrong_at(self) -> Option<f64> {
        match self {
            Image::DiesAtFirst => Some(f64::EPSILON),
            Image::DiesAtHalf => Some(HALF),
            _ => None,
        }
    }
}

/// What it comes to.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WhatIf {
    /// What the image does.
    pub image: Image,
    /// How the deployment ends.
    pub ending: Ending,
    /// Why, when it fails.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cause: String,
    /// The seconds from when it goes wrong for users until all of them are on the old version; nothing when none was on the new one, or
    /// they stay there.
    pub back_seconds: Option<f64>,
    /// Whether any user was on the new version.
    pub had_users: bool,
    /// Requests that the deployment lost.
    pub lost: u64,
    /// Requests that the new version answered with errors, or not at all.
    pub bad: u64,
    /// The seconds from when it goes wrong, which may be the beginning, until the deployment has ended and all is cleaned up.
    pub over_seconds: f64,
    /// Who notices.
    pub noticed_by: NoticedBy,
    /// With which `--replay` it is played again.
    pub replay: Token,
    /// What is worth more than the row.
    #[serde(skip)]
    pub(crate) found: Vec<Finding>,
    #[serde(skip)]
    pub(crate) log: Vec<String>,
}

/// Who notices that an image is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum NoticedBy {
    /// The deployment, by itself.
    Deployment,
    /// Whoever is asked for an approval, if they look.
    Person,
    /// Nobody.
    Nobody,
    /// There is nothing to notice: it works.
    Nothing,
}

/// Those that are to be played.
pub(crate) fn which(once: &Once) -> Vec<Image> {
    Image::ALL.iter().copied().filter(|image| image.applies(once)).collect()
}

/// When it went wrong for users, and when they were off it.
#[derive(Default)]
struct Seen {
    wrong_millis: Option<u64>,
    users: bool,
    /// Since when none is on the new version.
    off_millis: Option<u64>,
    share: f64,
}

/// Plays one of them.
///
/// # Errors
/// Why it cannot be played.
pub(crate) async fn play(scenery: &Scenery<'_>, image: Image) -> Result<WhatIf, String> {
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let (looked, asks) = (seen.clone(), image == Image::Errors && !scenery.verifies);
    let names = scenery.images.clone();
    // Whoever is asked while half of the answers are errors says no, if they look.
    let decide = move |_: &_| {
        let bad = asks && locked(&looked).users;
        if bad { Decision::Reject } else { Decision::Approve }
    };
    let run = Run::begin(scenery, |installation| prepare(installation, image, &names), decide).await?;
    let (told, sim) = (seen.clone(), Arc::downgrade(&run.installation.sim));
    let (names, candidate) = (scenery.images.clone(), scenery.candidate().to_owned());
    let cluster = scenery.aims().cluster;
    let looking = run.looked_at(move |look| {
        let mut seen = locked(&told);
        if let (Some(at), None) = (image.goes_wrong_at(), seen.wrong_millis)
            && look.share >= at
            && let Some(sim) = sim.upgrade()
        {
            dies(&sim, &candidate, cluster.as_deref(), &names);
            seen.wrong_millis = Some(look.at_millis);
        }
        seen.look(look, image);
    });
    // While somebody is asked, it is the sweep that looks on.
    let sweeping = sweep_regularly(&run.installation, || true);
    run.over().await;
    sweeping.abort();
    drop(looking);
    let (ended, seen) = (run.ended(), std::mem::take(&mut *locked(&seen)));
    Ok(comes_to(scenery, image, &run, ended, &seen))
}

impl Seen {
    fn look(&mut self, look: Look, image: Image) {
        let users = look.share > 0.0;
        if users && !self.users && image == Image::Errors {
            self.wrong_millis = Some(look.at_millis);
        }
        self.users |= users;
        self.off_millis = if users { None } else { self.off_millis.or(Some(look.at_millis)) };
        self.share = look.share;
    }
}

fn comes_to(scenery: &Scenery<'_>, image: Image, run: &Run<'_>, mut ended: Ended, seen: &Seen) -> WhatIf {
    if image.goes_wrong_at().is_some() {
        // A load balancer that has nobody else sends requests to the dead as well: it is the application that loses them.
        (ended.bad, ended.lost) = (ended.bad + ended.lost, 0);
    }
    let replay = Token::of_image(image);
    let wrong = seen.wrong_millis.unwrap_or(run.began_millis());
    let seconds = |until: u64| until.saturating_sub(wrong) as f64 / 1000.0;
    let stays = ended.ending == Ending::Succeeded;
    let noticed_by = match (image, stays) {
        (Image::Errors, false) if !scenery.verifies => NoticedBy::Person,
        (_, false) => NoticedBy::Deployment,
        (Image::Slow, true) => NoticedBy::Nothing,
        (_, true) => NoticedBy::Nobody,
    };
    let mut found = Vec::new();
    let name = image.name();
    let mut find = |finding: Finding| found.push(finding.seen_by(replay.clone()));
    if ended.lost > 0 {
        find(Finding::of(format!("an image that {name} loses {} requests", ended.lost)));
    }
    if !ended.ending.is_clean() {
        find(Finding::of(format!("an image that {name} ends {:?}: {}", ended.ending, ended.cause)));
    }
    if ended.ending == Ending::FailedClean && !ended.left.is_empty() {
        let left = ended.left.join("; ");
        find(Finding::of(format!("an image that {name} ends FailedClean, and something is not as it was: {left}")));
    }
    let back = seen.off_millis.filter(|_| seen.users && !stays).map(seconds);
    if let Some(long) = back.filter(|back| *back > LONG_SECONDS) {
        let minutes = (long / 60.0).round();
        let why = format!("users stay for {minutes} minutes on an image that {name}: {} requests go wrong", ended.bad);
        let fix = "let the deployment pause or verify between its shifts: what dies is noticed before it has all users";
        find(Finding::warning(why).fixed_by(fix));
    }
    match noticed_by {
        NoticedBy::Nobody if image == Image::Errors && !scenery.verifies => {
            find(Finding::of(format!("an image that {name} succeeds: nobody looks")).fixed_by(CHECK));
        }
        NoticedBy::Nobody => {
            let why = format!("an image that {name} succeeds: {} requests went wrong", ended.bad);
            find(Finding::of(why).fixed_by("let `verification.watch` or a `verify` stage look for longer, or at more"));
        }
        NoticedBy::Person => {
            let why = format!("an image that {name} is noticed only if whoever approves looks");
            find(Finding::warning(why).fixed_by(CHECK));
        }
        NoticedBy::Deployment | NoticedBy::Nothing => {}
    }
    WhatIf {
        image,
        ending: ended.ending,
        cause: ended.cause,
        back_seconds: back,
        had_users: seen.users,
        lost: ended.lost,
        bad: ended.bad,
        over_seconds: seconds(ended.over_millis),
        noticed_by,
        replay,
        found,
        log: ended.log,
    }
}

/// What a document without a check lacks.
const CHECK: &str = "add a check to the document: `verification: {checks: {errors: {metric: errorRate, atMost: \"1 %\"}}}` and `verify: {minutes: 5}` in the strategy";

/// Makes the image one that is no good from the beginning.
fn prepare(installation: &Installation, image: Image, names: &[String]) {
    let sim = &installation.sim;
    match image {
        Image::NeverHealthy => behave(&mut sim.world(), names, |it| *it.healthy = false),
        Image::Slow => behave(&mut sim.world(), names, |it| *it.boot_seconds = (SLOW_SECONDS, SLOW_SECONDS)),
        Image::Errors => behave(&mut sim.world(), names, |it| it.flaws.errors_per_mille = ERRORS_PER_MILLE),
        Image::NoCapacity => no_capacity(sim, names),
        Image::DiesAtFirst | Image::DiesAtHalf => {}
    }
}

/// All of the new version stop answering, and whatever is started in their place does not begin to.
pub fn dies(sim: &Sim, candidate: &str, cluster: Option<&str>, names: &[String]) {
    let mut world = sim.world();
    behave(&mut world, names, |it| *it.healthy = false);
    let instances = [world.instances_of(candidate), world.spot_instances_of(candidate)].concat();
    for id in instances {
        if !world.sicken_instance(&id) {
            world.kill_instance(&id);
        }
    }
    for id in cluster.map(|cluster| world.tasks_of(cluster, candidate)).unwrap_or_default() {
        world.sicken_task(&id);
    }
}

/// What machine images and container images have in common.
struct Behaviour<'a> {
    healthy: &'a mut bool,
    boot_seconds: &'a mut (u64, u64),
    flaws: &'a mut crossfade_sim::world::Flaws,
}

fn behave(world: &mut World, names: &[String], change: impl Fn(Behaviour<'_>)) {
    for name in names {
        if let Some(image) = world.image_mut(name) {
            let it = &mut image.behaviour;
            let healthy = &mut it.passes_health_checks;
            change(Behaviour { healthy, boot_seconds: &mut it.boot_seconds, flaws: &mut it.flaws });
        }
        if let Some(image) = world.container_image_mut(name) {
            let it = &mut image.behaviour;
            let healthy = &mut it.passes_health_checks;
            change(Behaviour { healthy, boot_seconds: &mut it.boot_seconds, flaws: &mut it.flaws });
        }
    }
}

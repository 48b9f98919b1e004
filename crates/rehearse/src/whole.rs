//! The whole rehearsal.

use std::sync::atomic::{AtomicUsize, Ordering};

use crossfade_core::{Failure, Kind};
use schemars::JsonSchema;
use serde::Serialize;

use crate::drive::in_virtual_time;
use crate::finding::{Finding, Severity, together};
use crate::image::{self, WhatIf};
use crate::once::{self, Once};
use crate::parallel::{in_parallel, with_room};
use crate::press::{self, Pressed};
use crate::scenery::{Account, Scenery, Wish};
use crate::struck::{self, Faults, HowMany};
use crate::token::{Meant, Token};

/// What a rehearsal comes to.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rehearsal {
    /// The infrastructure definition, as SERVICE/ENVIRONMENT/BASE.
    pub infrastructure: String,
    /// The image that is deployed.
    pub artifact: String,
    /// The fleet that gets it.
    pub candidate: String,
    /// Everything random followed from this.
    pub seed: u64,
    /// What is not played as it stands in the document, each in a sentence.
    pub assumed: Vec<String>,
    /// Once, as it should go.
    pub once: Once,
    /// With an image that is no good.
    pub images: Vec<WhatIf>,
    /// With a fault at each place, or at some of them.
    pub faults: Faults,
    /// How long users stay on the new version once somebody wants the old one back.
    pub pressed: Vec<Pressed>,
    /// How many deployments were played.
    pub runs: usize,
    /// What was found, what hurts first.
    pub findings: Vec<Finding>,
}

impl Rehearsal {
    /// How many of its findings are no mere warnings.
    pub fn hurts(&self) -> usize {
        self.findings.iter().filter(|finding| finding.severity == Severity::Finding).count()
    }
}

/// One run that was played again.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replayed {
    /// The word by which it was asked for.
    pub replay: Token,
    /// What was found.
    pub findings: Vec<Finding>,
    /// The deployment's log.
    pub log: Vec<String>,
}

/// Is told how many of how many runs are done.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) + Sync);

/// One of the runs that follow the first.
#[derive(Clone, Copy)]
enum Job {
    Image(image::Image),
    Press(press::Press, usize),
}

enum Done {
    Image(WhatIf),
    Press(Pressed),
}

/// Rehearses a deployment.
///
/// # Errors
/// Those of a plan: what is wrong with the document, and what stands in its way. And why the account cannot be made.
pub fn rehearse(
    account: &dyn Account,
    wish: &Wish,
    faults: HowMany,
    progress: Progress<'_>,
) -> Result<Rehearsal, Failure> {
    with_room(|| rehearsed(account, wish, faults, progress))
}

fn rehearsed(
    account: &dyn Account,
    wish: &Wish,
    faults: HowMany,
    progress: Progress<'_>,
) -> Result<Rehearsal, Failure> {
    let scenery = Scenery::of(account, wish)?;
    let (once, model, mut found) = in_virtual_time(once::play(&scenery)).map_err(unplayed)?;
    // What follows is held against a run that went well.
    let well = once.ending == crate::Ending::Succeeded;
    let points = if well && faults != HowMany::None {
        in_virtual_time(struck::points(&scenery)).map_err(unplayed)?
    } else {
        Default::default()
    };
    let all = struck::all(&points);
    let chosen = struck::chosen(&all, faults, wish.seed);
    let moments = if well { press::moments(&once) } else { Vec::new() };
    let mut jobs: Vec<Job> = Vec::new();
    if well {
        jobs.extend(image::which(&once).into_iter().map(Job::Image));
        jobs.extend(press::which(&moments).into_iter().map(|(press, nth)| Job::Press(press, nth)));
    }
    let (done, whole) = (AtomicUsize::new(0), jobs.len() + chosen.len());
    let one_more = || progress(done.fetch_add(1, Ordering::Relaxed) + 1, whole);
    let played = in_parallel(&jobs, |job| {
        let done = in_virtual_time(async {
            Ok(match *job {
                Job::Image(image) => Done::Image(image::play(&scenery, image).await?),
                Job::Press(press, nth) => Done::Press(press::play(&scenery, &moments, (press, nth)).await?),
            })
        });
        one_more();
        done
    });
    let played: Vec<Done> = played.into_iter().collect::<Result<_, String>>().map_err(unplayed)?;
    let verdicts = in_parallel(&chosen, |&injection| {
        let verdict = in_virtual_time(struck::play(&scenery, &points, &model, injection));
        one_more();
        verdict
    });
    let verdicts: Vec<_> = verdicts.into_iter().collect::<Result<_, String>>().map_err(unplayed)?;
    let (mut images, mut pressed) = (Vec::new(), Vec::new());
    for done in played {
        match done {
            Done::Image(image) => {
                found.extend(image.found.clone());
                images.push(image);
            }
            Done::Press(press) => {
                found.extend(press.found.clone());
                pressed.push(press);
            }
        }
    }
    found.extend(verdicts.iter().flat_map(|verdict| verdict.found.clone()));
    Ok(Rehearsal {
        infrastructure: scenery.snapshot.infrastructure.to_string(),
        artifact: scenery.snapshot.artifact.clone(),
        candidate: scenery.snapshot.candidate.clone(),
        seed: wish.seed,
        assumed: scenery.assumed.clone(),
        runs: 1 + whole,
        faults: struck::counted(&points, all.len(), &verdicts),
        once,
        images,
        pressed,
        findings: together(found),
    })
}

/// Plays one run of a rehearsal again.
///
/// # Errors
/// As [`rehearse`]; and that there is no such run.
pub fn replay(account: &dyn Account, wish: &Wish, token: &Token) -> Result<Replayed, Failure> {
    with_room(|| replayed(account, wish, token))
}

fn replayed(account: &dyn Account, wish: &Wish, token: &Token) -> Result<Replayed, Failure> {
    let scenery = Scenery::of(account, wish)?;
    let played = match token.meant() {
        None => Err("there is no such run".into()),
        Some(Meant::Image(image)) => {
            in_virtual_time(image::play(&scenery, image)).map(|played| (played.found, played.log))
        }
        Some(Meant::Press(press, nth)) => in_virtual_time(once::play(&scenery)).and_then(|(once, ..)| {
            let moments = press::moments(&once);
            let played = in_virtual_time(press::play(&scenery, &moments, (press, nth)))?;
            Ok((played.found, played.log))
        }),
        Some(Meant::Fault(injection)) => in_virtual_time(once::play(&scenery)).and_then(|(_, model, _)| {
            let points = in_virtual_time(struck::points(&scenery))?;
            let played = in_virtual_time(struck::play(&scenery, &points, &model, injection))?;
            Ok((played.found, played.log))
        }),
    };
    let (found, log) = played.map_err(unplayed)?;
    Ok(Replayed { replay: token.clone(), findings: together(found), log })
}

/// It cannot be played.
fn unplayed(why: String) -> Failure {
    Kind::RequestRefused.because(format!("It cannot be rehearsed: {why}."))
}

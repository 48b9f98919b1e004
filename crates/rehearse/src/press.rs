//! How long it takes until no user is on the new version any more, once somebody says so.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossfade_core::Kind;
use crossfade_core::document::Decision;
use crossfade_core::haste::Haste;
use crossfade_core::plan::{Direction, StageKind};
use crossfade_local::watch::What;
use crossfade_local::{Installation, answer, open_approval};
use crossfade_sim::api::stepfunctions::StepFunctions;
use crossfade_sim::{Request, Service, Sim};
use crossfade_steps::{FailureRecord, roll_back};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::drive::{meta_of, until_over};
use crate::finding::Finding;
use crate::once::Once;
use crate::run::{BACK, ID, IDS, LONGEST, LOOK, Run, locked};
use crate::scenery::Scenery;
use crate::token::Token;

/// How long after a stage has begun somebody says something: the stage's function has done its work by then.
const LATER: Duration = Duration::from_secs(5);

/// What somebody says to have the old version back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Press {
    /// `crossfade reject`, when it asks.
    Reject,
    /// `crossfade abort`.
    Abort,
    /// `crossfade rollback`.
    Rollback,
    /// `crossfade rollback --now`, of a deployment that has succeeded.
    RollbackNow,
}

impl Press {
    /// All of them.
    pub const ALL: &[Press] = &[Press::Reject, Press::Abort, Press::Rollback, Press::RollbackNow];

    /// What is typed.
    pub fn name(self) -> &'static str {
        match self {
            Press::Reject => "reject",
            Press::Abort => "abort",
            Press::Rollback => "rollback",
            Press::RollbackNow => "rollback --now",
        }
    }
}

/// What it takes at one moment.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pressed {
    /// What was said.
    pub press: Press,
    /// The users on the new version by then, in percent.
    pub percent: u32,
    /// Whether the deployment had succeeded by then.
    pub succeeded: bool,
    /// The seconds until no user is on the new version; nothing when some stay there.
    pub seconds: Option<u64>,
    /// Requests lost through it.
    pub lost: u64,
    /// With which `--replay` it is played again.
    pub replay: Token,
    #[serde(skip)]
    pub(crate) found: Vec<Finding>,
    #[serde(skip)]
    pub(crate) log: Vec<String>,
}

/// A moment at which somebody may say something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// The stage that has just begun, by its place in the plan; nothing once it has succeeded.
    stage: Option<usize>,
    /// Whether that asks.
    asks: bool,
    percent: u32,
}

/// The moments of a deployment: whenever more users have come to the new version, and when it has succeeded.
pub(crate) fn moments(once: &Once) -> Vec<Moment> {
    let mut moments: Vec<Moment> = Vec::new();
    for (nth, passed) in once.timeline.iter().enumerate() {
        let Some(next) = once.timeline.get(nth + 1) else { break };
        let before = moments.last().map_or(0, |moment| moment.percent);
        let asks = next.kind == StageKind::Approve;
        let moment = Moment { stage: Some(next.number - 1), asks, percent: passed.percent };
        match moments.last_mut() {
            // Where it asks while the same users are there, that is the moment.
            Some(last) if passed.percent == before && asks && !last.asks => *last = moment,
            _ if passed.percent > before => moments.push(moment),
            _ => {}
        }
    }
    let percent = once.timeline.last().map_or(0, |passed| passed.percent);
    if percent > 0 {
        moments.push(Moment { stage: None, asks: false, percent });
    }
    moments
}

/// What can be said at which of these moments, by their numbers.
pub(crate) fn which(moments: &[Moment]) -> Vec<(Press, usize)> {
    let mut all = Vec::new();
    for (nth, moment) in moments.iter().enumerate() {
        let words: &[Press] = match (moment.stage, moment.asks) {
            (None, _) => &[Press::Rollback, Press::RollbackNow],
            (Some(_), true) => &[Press::Reject, Press::Abort, Press::Rollback],
            (Some(_), false) => &[Press::Abort, Press::Rollback],
        };
        all.extend(words.iter().map(|press| (*press, nth)));
    }
    all
}

/// Plays one of them.
///
/// # Errors
/// Why it cannot be played.
pub(crate) async fn play(
    scenery: &Scenery<'_>,
    moments: &[Moment],
    (press, nth): (Press, usize),
) -> Result<Pressed, String> {
    let moment = moments.get(nth).ok_or("there is no such moment in this deployment")?;
    let (begun, reached) = tokio::sync::oneshot::channel();
    let run = Run::approved(scenery, |_| {}).await?;
    let (mut begun, stage) = (Some(begun), moment.stage);
    let _watch = run.watched(move |happening| {
        if let What::StageStarted { direction: Direction::Deploy, index, .. } = &happening.what
            && Some(*index) == stage
            && let Some(begun) = begun.take()
        {
            let _ = begun.send(());
        }
    });
    let installation = &run.installation;
    let sim = &installation.sim;
    match moment.stage {
        Some(_) => {
            tokio::time::timeout(LONGEST, reached).await.ok().and_then(Result::ok).ok_or("that moment never came")?;
            sim.clock.sleep(LATER).await;
        }
        None => run.over().await,
    }
    let pressed = sim.clock.now_millis();
    say(&run, press).await?;
    let off: Arc<Mutex<Option<u64>>> = Arc::default();
    let told = off.clone();
    let looking = run.looked_at(move |look| {
        let mut off = locked(&told);
        *off = if look.share > 0.0 { None } else { off.or(Some(look.at_millis)) };
    });
    run.over().await;
    if moment.stage.is_none() {
        let _ = tokio::time::timeout(LONGEST, until_over(installation, IDS)).await;
    }
    // Whoever looks has seen the end by then.
    sim.clock.sleep(LOOK * 2).await;
    drop(looking);
    let (ended, off) = (run.ended(), *locked(&off));
    let replay = Token::of_press(press, nth);
    let mut found = Vec::new();
    let when = if moment.stage.is_some() { format!("at {} %", moment.percent) } else { "after success".into() };
    let mut find = |what: String| found.push(Finding::of(what).seen_by(replay.clone()));
    if ended.lost > 0 {
        find(format!("`crossfade {}` {when} loses {} requests", press.name(), ended.lost));
    }
    if off.is_none() {
        find(format!("`crossfade {}` {when} leaves users on the new version", press.name()));
    }
    if !ended.ending.is_clean() {
        find(format!("`crossfade {}` {when} ends {:?}: {}", press.name(), ended.ending, ended.cause));
    }
    let seconds = off.map(|at| at.saturating_sub(pressed).div_ceil(1000));
    let log = [ended.log, installation.log(BACK)].concat();
    let (percent, succeeded) = (moment.percent, moment.stage.is_none());
    Ok(Pressed { press, percent, succeeded, seconds, lost: ended.lost, replay, found, log })
}

/// Says it, as the command does.
async fn say(run: &Run<'_>, press: Press) -> Result<(), String> {
    let installation = &run.installation;
    let succeeded = meta_of(installation, ID).filter(|meta| meta.status == crossfade_steps::Status::Succeeded);
    match (press, succeeded) {
        (Press::Reject, _) => {
            let open = open_approval(installation, &[ID]).ok_or("it asks for nothing at that moment")?;
            answer(installation, &open, Decision::Reject).await;
        }
        (Press::Abort, _) => {
            stop(&installation.sim, &run.execution);
            undo(installation, Some(&run.execution)).await?;
        }
        (Press::Rollback | Press::RollbackNow, None) => undo(installation, None).await?,
        (Press::Rollback | Press::RollbackNow, Some(meta)) => {
            let before = run.scenery.snapshot.stable_fleet().and_then(|fleet| fleet.revision);
            let revision = before.ok_or("nothing served before it that could take over again")?;
            let document = meta.document.back_to(revision, press == Press::RollbackNow);
            StepFunctions::start(&installation.sim, &installation.deploy_arn, Some(BACK), &document)?;
        }
    }
    Ok(())
}

/// Stops an execution as `crossfade abort` does.
fn stop(sim: &Arc<Sim>, execution: &str) {
    let arguments = json!({ "executionArn": execution, "error": Kind::HaltRequested.name(), "cause": "Aborted" });
    StepFunctions::handle(sim, &Request::json(Service::StepFunctions, "StopExecution", arguments));
}

/// Lets it be rolled back.
async fn undo(installation: &Installation, dead: Option<&str>) -> Result<(), String> {
    let context = installation.context("operator", Duration::ZERO);
    let why = FailureRecord::new(Kind::HaltRequested.name(), "Taken back");
    let begun = roll_back(ID, &installation.rollback_arn, Some(why), dead, Haste::Now, &context).await;
    begun.map(|_| ()).map_err(|failure| failure.to_string())
}

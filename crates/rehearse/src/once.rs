//! The deployment once, as it should go.

use std::sync::{Arc, Mutex};

use crossfade_core::plan::{Direction, StageKind};
use crossfade_local::watch::What;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::ending::Ending;
use crate::finding::Finding;
use crate::run::{Run, locked};
use crate::scenery::Scenery;
use crate::share::share;

/// What Step Functions takes for a state transition in eu-west-1, in US dollars.
pub const DOLLARS_A_TRANSITION: f64 = 0.000_025;

/// The deployment once, as it should go.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Once {
    /// How it ended.
    pub ending: Ending,
    /// Why, when it failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub cause: String,
    /// How long it took, in seconds of the account's time.
    pub virtual_seconds: f64,
    /// Requests that were served.
    pub requests_served: u64,
    /// Requests that were lost through the deployment.
    pub requests_lost: u64,
    /// Requests that the application answered with errors.
    pub requests_with_errors: u64,
    /// The least healthy capacity that requests met, in units of the fleets' sizes; nothing where there were no requests.
    pub least_capacity: Option<f64>,
    /// What served before, in the same units.
    pub capacity_before: u32,
    /// The most that there was at once, in the same units.
    pub capacity_most: u32,
    /// State transitions of both state machines, as Step Functions bills them.
    pub state_transitions: u64,
    /// What these cost, in dollars.
    pub dollars: f64,
    /// Calls of the functions to AWS that only read, but for those to the state table.
    pub read_calls: usize,
    /// Calls that change something.
    pub mutating_calls: usize,
    /// The stages that it passed, in order.
    pub timeline: Vec<Passed>,
    /// What scheduled actions were due meanwhile, in order.
    pub due: Vec<Due>,
}

/// A stage that held.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Passed {
    /// When it began and when it held, in seconds since the deployment began.
    pub from_seconds: f64,
    /// When it held.
    pub to_seconds: f64,
    /// Its place in the plan, from 1.
    pub number: usize,
    /// What a person calls it.
    pub stage: String,
    /// What kind of stage it is.
    pub kind: StageKind,
    /// The users on the new version by then, in percent.
    pub percent: u32,
}

/// A scheduled action that was due.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Due {
    /// When, in seconds since the deployment began.
    pub at_seconds: f64,
    /// The action's name.
    pub action: String,
    /// The fleet that it resizes.
    pub fleet: String,
    /// Whether the fleet serves or is deployed, so that crossfade holds it by then.
    pub concerned: bool,
}

/// What other runs are held against.
pub(crate) struct Model {
    /// The account in the end.
    pub(crate) inventory: Value,
    /// The least healthy capacity.
    pub(crate) capacity: Option<f64>,
    pub(crate) ending: Ending,
}

/// Plays it.
///
/// # Errors
/// Why it cannot be played.
pub(crate) async fn play(scenery: &Scenery<'_>) -> Result<(Once, Model, Vec<Finding>), String> {
    let run = Run::approved(scenery, |_| {}).await?;
    let timeline: Arc<Mutex<Vec<Passed>>> = Arc::default();
    let (told, sim) = (timeline.clone(), Arc::downgrade(&run.installation.sim));
    let (lanes, candidate) = (scenery.snapshot.lanes.clone(), scenery.candidate().to_owned());
    let mut began = (0.0, StageKind::Setup);
    let watch = run.watched(move |happening| match &happening.what {
        What::StageStarted { direction: Direction::Deploy, kind, .. } => began = (happening.at_seconds, *kind),
        What::StageHeld { direction: Direction::Deploy, index, name, .. } => {
            let percent = sim.upgrade().map_or(0.0, |sim| share(&sim.world(), &lanes, &candidate) * 100.0);
            let (from_seconds, kind) = began;
            let to_seconds = happening.at_seconds;
            let (number, stage, percent) = (index + 1, name.clone(), percent.round() as u32);
            locked(&told).push(Passed { from_seconds, to_seconds, number, stage, kind, percent });
        }
        _ => {}
    });
    let calendar = run.installation.sim.world().clone();
    run.over().await;
    let ended = run.ended();
    let summary = run.summary(&watch).ok_or("it has not come to an end")?;
    let seconds = |at: u64| at.saturating_sub(run.began_millis()) as f64 / 1000.0;
    let serves = |fleet: &String| fleet == scenery.candidate() || scenery.snapshot.stable.contains(fleet);
    let due = calendar.scheduled_until(ended.over_millis).into_iter();
    let due = due.map(|(fleet, action, at)| Due { at_seconds: seconds(at), concerned: serves(&fleet), action, fleet });
    let (most, before) = scenery.most;
    let once = Once {
        ending: ended.ending,
        cause: ended.cause.clone(),
        virtual_seconds: summary.virtual_seconds,
        requests_served: ended.served,
        requests_lost: ended.lost,
        requests_with_errors: ended.bad,
        least_capacity: ended.capacity,
        capacity_before: before,
        capacity_most: most,
        state_transitions: summary.state_transitions,
        dollars: summary.state_transitions as f64 * DOLLARS_A_TRANSITION,
        read_calls: summary.read_calls,
        mutating_calls: summary.mutating_calls,
        timeline: locked(&timeline).clone(),
        due: due.collect(),
    };
    let found = found(&once, &ended.left);
    let model = Model { inventory: ended.inventory, capacity: ended.capacity, ending: ended.ending };
    Ok((once, model, found))
}

/// What is wrong with it.
fn found(once: &Once, left: &[String]) -> Vec<Finding> {
    let mut found = Vec::new();
    if once.ending != Ending::Succeeded {
        found.push(Finding::of(format!("as it should go, it ends {:?}: {}", once.ending, once.cause)));
    }
    if once.ending == Ending::FailedClean && !left.is_empty() {
        found.push(Finding::of(format!("it ends FailedClean, and something is not as it was: {}", left.join("; "))));
    }
    if once.requests_lost > 0 {
        found.push(Finding::of(format!("it loses {} requests", once.requests_lost)));
    }
    if let Some(least) = once.least_capacity.filter(|least| *least + 1e-9 < f64::from(once.capacity_before)) {
        let before = once.capacity_before;
        found.push(Finding::warning(format!("healthy capacity falls to {least:.1} of {before} on the way")));
    }
    if once.requests_served == 0 {
        found.push(Finding::warning("no request arrived, so nothing is said of lost ones"));
    }
    found
}

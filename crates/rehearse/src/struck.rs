//! The deployment with a fault at each place where one can strike.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use crossfade_sim::Effect;
use futures_util::future::select;
use schemars::JsonSchema;
use serde::Serialize;

use crate::differences::differences;
use crate::drive::{sweep_regularly, try_again};
use crate::ending::Ending;
use crate::faults::injector::{Injection, Injector, Strikes};
use crate::faults::kind::{Cost, Kind, Place};
use crate::faults::points::Points;
use crate::finding::Finding;
use crate::once::Model;
use crate::run::{Ended, IDS, LONGEST, Run};
use crate::scenery::Scenery;
use crate::token::Token;

/// The kinds of fault that are played: one of each that comes to something else.
pub(crate) const KINDS: &[Kind] = &[
    Kind::RequestLost,
    Kind::ReplyLost,
    Kind::Throttled,
    Kind::InternalError,
    Kind::AccessDenied,
    Kind::DeniedForGood,
    Kind::QuotaExceeded,
    Kind::Crashed,
    Kind::TimedOut,
    Kind::Stopped,
];
/// How long it takes until somebody has repaired what AWS denied.
const REPAIRED: Duration = Duration::from_secs(3600);

/// How many faults are played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HowMany {
    /// None.
    None,
    /// Each kind at each place.
    Each,
    /// So many, at random.
    Some(usize),
}

/// What the runs with a fault came to.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Faults {
    /// The kinds of fault.
    pub kinds: Vec<String>,
    /// The places: calls, invocations and states of the run as it should go.
    pub places: usize,
    /// How many runs that makes.
    pub possible: usize,
    /// How many of them were played.
    pub played: usize,
    /// How many ended as without a fault.
    pub succeeded: usize,
    /// How many ended with everything as it was.
    pub clean: usize,
    /// How many ended with something left, which was cleaned up once AWS allowed it again.
    pub dirty: usize,
    /// Requests lost through the deployment, in all of them.
    pub lost: u64,
    /// The least healthy capacity of all.
    pub least_capacity: Option<f64>,
}

/// What one run came to.
pub(crate) struct Verdict {
    ending: Ending,
    lost: u64,
    capacity: Option<f64>,
    pub(crate) found: Vec<Finding>,
    pub(crate) log: Vec<String>,
}

/// The places of a run in which nothing goes wrong.
///
/// # Errors
/// Why it cannot be played.
pub(crate) async fn points(scenery: &Scenery<'_>) -> Result<Points, String> {
    let mut injector = None;
    let run = Run::approved(scenery, |installation| {
        injector = Some(Injector::install(installation, scenery.aims(), Strikes::Nowhere));
    })
    .await?;
    run.over().await;
    Ok(injector.map(|injector| injector.points()).unwrap_or_default())
}

/// Every fault that can be played.
pub(crate) fn all(points: &Points) -> Vec<Injection> {
    KINDS.iter().flat_map(|&kind| points.of(kind).into_iter().map(move |at| Injection { kind, at })).collect()
}

/// Those that are played.
pub(crate) fn chosen(all: &[Injection], how_many: HowMany, seed: u64) -> Vec<Injection> {
    match how_many {
        HowMany::None => Vec::new(),
        HowMany::Each => all.to_vec(),
        HowMany::Some(number) => fastrand::Rng::with_seed(seed).choose_multiple(all.iter().copied(), number),
    }
}

/// Plays one of them.
///
/// # Errors
/// Why it cannot be played.
pub(crate) async fn play(
    scenery: &Scenery<'_>,
    points: &Points,
    model: &Model,
    injection: Injection,
) -> Result<Verdict, String> {
    let mut installed = None;
    let run = Run::approved(scenery, |installation| {
        installed = Some(Injector::install(installation, scenery.aims(), Strikes::At(&[injection])));
    })
    .await?;
    let injector = installed.ok_or("no fault can be played")?;
    let sweeping = sweep_where_needed(&run, &injector);
    let repaired = async {
        tokio::time::sleep(REPAIRED).await;
        if injection.kind.cost() != Cost::CleanEnd {
            tokio::time::sleep(LONGEST).await;
        }
    };
    select(pin!(run.over()), pin!(repaired)).await;
    let first = run.ended();
    let again = if injection.kind.cost() == Cost::CleanEnd && !first.ending.is_clean() {
        injector.relent();
        try_again(&run.installation, IDS, LONGEST).await;
        Some(run.ended())
    } else {
        None
    };
    sweeping.abort();
    Ok(judge(points, model, injection, first, again))
}

fn sweep_where_needed(run: &Run<'_>, injector: &Arc<Injector>) -> tokio::task::JoinHandle<()> {
    let injector = injector.clone();
    let needs = |kind: Kind| kind.halts() || kind.cost() == Cost::CleanEnd;
    sweep_regularly(&run.installation, move || injector.struck().iter().any(|it| needs(it.kind)))
}

fn judge(points: &Points, model: &Model, injection: Injection, first: Ended, again: Option<Ended>) -> Verdict {
    let last = again.as_ref().unwrap_or(&first);
    let kind = injection.kind;
    let mut found = Vec::new();
    let at = place(points, injection);
    let mut find = |finding: Finding| found.push(finding.seen_by(Token::of_fault(injection)));
    let what = |came: &str| format!("{} {at} → {came}", kind.name());
    let lost = last.lost;
    if lost > 0 {
        find(Finding::of(what(&format!("loses requests ({lost} here)"))));
    }
    if let (Some(least), Some(without)) = (last.capacity, model.capacity)
        && least + 1e-9 < without
    {
        find(Finding::of(what(&format!("healthy capacity falls to {least:.1}, without it to {without:.1}"))));
    }
    match (first.ending, kind.cost()) {
        (ending, Cost::Nothing) if ending != model.ending => {
            find(Finding::of(what(&format!("{ending:?}: {}", first.cause))));
        }
        (ending, Cost::Deployment) if !ending.is_clean() => {
            find(Finding::of(what(&format!("{ending:?}: {}", first.cause))));
        }
        (ending, Cost::CleanEnd) if !ending.is_clean() => {
            let finding = Finding::warning(what(&format!("{ending:?}, until it is allowed again")));
            find(finding.fixed_by("crossfade's roles allow it as they are shipped: keep policies of the organisation and boundaries from denying it"));
        }
        _ => {}
    }
    if again.is_some() && !last.ending.is_clean() {
        find(Finding::of(what(&format!("and, allowed again, it ends {:?}: {}", last.ending, last.cause))));
    }
    let left = match last.ending {
        Ending::FailedClean => last.left.clone(),
        Ending::Succeeded if model.ending == Ending::Succeeded => differences(&last.inventory, &model.inventory),
        _ => Vec::new(),
    };
    // What AWS refuses to let the candidate have of its base's baggage is left out, and named.
    let left: Vec<String> = left.into_iter().filter(|_| !left_out(&last.log)).collect();
    if !left.is_empty() {
        find(Finding::of(what(&format!(
            "it ends {:?}, and the account is not as it should be: {}",
            last.ending,
            left.join("; ")
        ))));
    }
    let log = last.log.clone();
    Verdict { ending: first.ending, lost, capacity: last.capacity, found, log }
}

/// Whether the log names something that AWS refused and that the deployment went on without.
fn left_out(log: &[String]) -> bool {
    log.iter().any(|line| line.starts_with("Left ") && line.contains(" out: ") || line.contains("Pruning broke off"))
}

/// Where a fault strikes, for a person: what is called there.
fn place(points: &Points, injection: Injection) -> String {
    match injection.kind.place() {
        Place::Call => points.calls.get(injection.at).map_or_else(String::new, |call| {
            let reads = if call.effect == Effect::Read { "read " } else { "" };
            format!("on {reads}{}:{} by {}", call.service.iam_prefix(), call.operation, call.function)
        }),
        Place::Invocation => {
            points.invocations.get(injection.at).map_or_else(String::new, |function| format!("of {function}"))
        }
        Place::State => {
            points.states.get(injection.at).map_or_else(String::new, |it| format!("at {} of {}", it.state, it.machine))
        }
        Place::Throughout => "throughout".into(),
    }
}

/// What all of them came to.
pub(crate) fn counted(points: &Points, possible: usize, verdicts: &[Verdict]) -> Faults {
    let ended = |ending: Ending| verdicts.iter().filter(|it| it.ending == ending).count();
    let of: BTreeMap<Place, usize> = [
        (Place::Call, points.calls.len()),
        (Place::Invocation, points.invocations.len()),
        (Place::State, points.states.len()),
    ]
    .into();
    Faults {
        kinds: KINDS.iter().map(|kind| kind.name().to_owned()).collect(),
        places: of.values().sum(),
        possible,
        played: verdicts.len(),
        succeeded: ended(Ending::Succeeded),
        clean: ended(Ending::FailedClean),
        dirty: ended(Ending::FailedDirty) + ended(Ending::NotOver),
        lost: verdicts.iter().map(|it| it.lost).sum(),
        least_capacity: verdicts.iter().filter_map(|it| it.capacity).reduce(f64::min),
    }
}

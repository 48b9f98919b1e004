//! One run: a deployment in an account of its own, what is done to it meanwhile, and what it came to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossfade_core::document::Decision;
use crossfade_local::watch::{Happening, Watch};
use crossfade_local::{Installation, Summary};
use crossfade_sim::api::stepfunctions::StepFunctions;
use crossfade_sim::world::World;
use crossfade_steps::ApprovalRecord;
use serde_json::Value;
use tokio::task::JoinHandle;

use crate::differences::differences;
use crate::drive::{answer_approvals, meta_of, until_over};
use crate::ending::Ending;
use crate::scenery::Scenery;
use crate::share::share;

/// What the deployment of a rehearsal is called.
pub(crate) const ID: &str = "rehearsal";
/// What the deployment is called that goes back from it, and the one that comes in between.
pub(crate) const BACK: &str = "rehearsal-back";
const RIVAL: &str = "rival";
/// All of them.
pub(crate) const IDS: &[&str] = &[ID, BACK, RIVAL];
/// How long a run may take beyond what its plan allows, in the account's time: longer than AWS's refusals can make it.
pub(crate) const LONGEST: Duration = Duration::from_secs(12 * 3600);
/// How often it is looked at.
pub(crate) const LOOK: Duration = Duration::from_secs(1);

/// A run that has begun.
pub(crate) struct Run<'a> {
    pub(crate) scenery: &'a Scenery<'a>,
    pub(crate) installation: Installation,
    /// Its execution.
    pub(crate) execution: String,
    began_millis: u64,
    /// The account, as it was.
    before: World,
    _operator: Arc<Installation>,
}

/// How things stood at a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// When, in milliseconds since 1970.
    pub(crate) at_millis: u64,
    /// The share of the users on the candidate, from 0 to 1.
    pub(crate) share: f64,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) ending: Ending,
    /// Why it failed; empty when it did not.
    pub(crate) cause: String,
    /// Requests that were served; that were lost through our doing; that the application answered badly, or not at all.
    pub(crate) served: u64,
    pub(crate) lost: u64,
    pub(crate) bad: u64,
    /// The least healthy capacity that requests met; nothing where there were none.
    pub(crate) capacity: Option<f64>,
    /// Where the account differs from what it would be without the deployment.
    pub(crate) left: Vec<String>,
    /// The account in the end.
    pub(crate) inventory: Value,
    pub(crate) log: Vec<String>,
    /// When it ended, in milliseconds since 1970.
    pub(crate) over_millis: u64,
}

impl<'a> Run<'a> {
    /// Begins one, once `prepare` has done what it wants to the account. The operator says what `decide` does.
    ///
    /// # Errors
    /// Why the account cannot be made, or the deployment does not start.
    pub(crate) async fn begin(
        scenery: &'a Scenery<'a>,
        prepare: impl FnOnce(&Installation),
        decide: impl Fn(&ApprovalRecord) -> Decision + Send + Sync + 'static,
    ) -> Result<Self, String> {
        let installation = scenery.furnished().await?;
        prepare(&installation);
        let before = installation.sim.world().clone();
        let operator = answer_approvals(&installation, IDS, scenery.approve_after, decide);
        let began_millis = installation.sim.clock.now_millis();
        let execution = StepFunctions::start(&installation.sim, &installation.deploy_arn, Some(ID), &scenery.document)?;
        Ok(Self { scenery, installation, execution, began_millis, before, _operator: operator })
    }

    /// The same with an operator who approves everything.
    pub(crate) async fn approved(
        scenery: &'a Scenery<'a>,
        prepare: impl FnOnce(&Installation),
    ) -> Result<Self, String> {
        Self::begin(scenery, prepare, |_| Decision::Approve).await
    }

    pub(crate) fn began_millis(&self) -> u64 {
        self.began_millis
    }

    /// Waits until nothing runs any more, or longer than anything may take.
    pub(crate) async fn over(&self) {
        let planned = Duration::from_secs(self.scenery.plan.seconds_from(0));
        let _ = tokio::time::timeout(planned + LONGEST, async {
            self.installation.sim.step_functions().wait_for(&self.execution).await;
            until_over(&self.installation, IDS).await;
        })
        .await;
    }

    /// Looks at it every second from now on, for as long as it is kept.
    pub(crate) fn looked_at(&self, mut see: impl FnMut(Look) + Send + 'static) -> Looking {
        let sim = self.installation.sim.clone();
        let (lanes, candidate) = (self.scenery.snapshot.lanes.clone(), self.scenery.candidate().to_owned());
        Looking(tokio::spawn(async move {
            loop {
                let look = {
                    let world = sim.world();
                    Look { at_millis: world.now_millis(), share: share(&world, &lanes, &candidate) }
                };
                see(look);
                sim.clock.sleep(LOOK).await;
            }
        }))
    }

    /// Is told everything that happens in it.
    pub(crate) fn watched(&self, sink: impl FnMut(&Happening) + Send + 'static) -> Arc<Watch> {
        let switch = self.scenery.snapshot.lanes.iter().find_map(|lane| lane.serving()).unwrap_or_default();
        Watch::start(&self.installation, ID, switch, Box::new(sink))
    }

    /// The figures of a run that was watched.
    pub(crate) fn summary(&self, watch: &Watch) -> Option<Summary> {
        let ended = self.installation.sim.step_functions().outcome(&self.execution)?;
        Some(Summary::of(&self.installation, ID, watch, &ended, &self.before.inventory()))
    }

    /// What it came to.
    pub(crate) fn ended(&self) -> Ended {
        let meta = meta_of(&self.installation, ID);
        let cause = meta.as_ref().and_then(|meta| meta.failure.as_ref()).map(|failure| failure.cause.clone());
        let world = self.installation.sim.world();
        let (inventory, totals, now) = (world.inventory(), world.traffic().totals, world.now_millis());
        Ended {
            over_millis: meta.as_ref().and_then(|meta| meta.ended_millis).unwrap_or(now),
            ending: Ending::of(meta.map(|meta| meta.status)),
            cause: cause.unwrap_or_default(),
            served: totals.served,
            lost: totals.lost,
            bad: totals.errors + totals.lost_by_application,
            capacity: world.least_capacity(),
            left: self.left(&world, &inventory, now),
            inventory,
            log: self.installation.log(ID),
        }
    }

    /// Where the account differs from what it was, and from what it would be by now had nobody deployed: schedules and policies go on.
    fn left(&self, world: &World, inventory: &Value, now: u64) -> Vec<String> {
        let untouched = differences(inventory, &world.lapsed(self.before.inventory()));
        if untouched.is_empty() {
            return untouched;
        }
        let mut undeployed = self.before.clone();
        undeployed.advance(now);
        let left = differences(inventory, &undeployed.inventory());
        if left.len() < untouched.len() { left } else { untouched }
    }
}

/// Somebody who looks at a run.
pub(crate) struct Looking(JoinHandle<()>);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Something that a run and whoever looks at it share.
pub(crate) fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

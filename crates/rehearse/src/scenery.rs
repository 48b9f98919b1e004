//! What every run of a rehearsal starts from: the account, the document, and what its plan says of both.

use std::time::Duration;

use crossfade_core::kinds::Platform;
use crossfade_core::plan::Plan;
use crossfade_core::snapshot::Snapshot;
use crossfade_core::{Failure, Kind};
use crossfade_local::Installation;
use crossfade_sim::lambda::Invocation;
use crossfade_steps::preview;
use serde_json::{Value, json};

use crate::drive::in_virtual_time;
use crate::faults::injector::Aims;

/// An account in which it is rehearsed, with crossfade in it: made anew for each run, and always the same of the same seed.
pub trait Account: Sync {
    /// Makes it, in the runtime whose time it is to follow.
    ///
    /// # Errors
    /// Why it cannot be made.
    fn furnish(&self, seed: u64) -> Result<Installation, String>;
}

impl<F: Fn(u64) -> Result<Installation, String> + Sync> Account for F {
    fn furnish(&self, seed: u64) -> Result<Installation, String> {
        self(seed)
    }
}

/// What is to be rehearsed.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The deployment document, with the values of its variables.
    pub document: Value,
    /// Everything random follows from this.
    pub seed: u64,
    /// How long the operator takes to approve.
    pub approve_after: Duration,
}

/// The least time that the operator takes: what is said at a question has to come before the answer.
const THINKING: Duration = Duration::from_secs(10);
/// The function of the rehearsal that answers for every hook.
const HOOK: &str = "crossfade-rehearsal-hook";
/// For how long there has been traffic before it is deployed, where it is compared with what was before.
const PAST: Duration = Duration::from_secs(20 * 60);

/// What every run starts from.
pub(crate) struct Scenery<'a> {
    account: &'a dyn Account,
    pub(crate) seed: u64,
    pub(crate) approve_after: Duration,
    /// The document as it is played.
    pub(crate) document: Value,
    /// Whether it is verified.
    pub(crate) verifies: bool,
    pub(crate) plan: Plan,
    pub(crate) snapshot: Snapshot,
    /// The most that there is at once, and what there was before, in units of the fleets' sizes.
    pub(crate) most: (u32, u32),
    /// The image that is deployed, by every name that it has.
    pub(crate) images: Vec<String>,
    /// What of the document is not played as it stands, each in a sentence.
    pub(crate) assumed: Vec<String>,
}

impl<'a> Scenery<'a> {
    /// Looks at the account once.
    ///
    /// # Errors
    /// Those of a plan: what is wrong with the document, and what stands in the way.
    pub(crate) fn of(account: &'a dyn Account, wish: &Wish) -> Result<Self, Failure> {
        let mut document = wish.document.clone();
        let assumed = without_others(&mut document);
        let preview = in_virtual_time(async {
            let installation = account.furnish(wish.seed).map_err(|why| Kind::RequestRefused.because(why))?;
            answer_hooks(&installation);
            preview(&document, &installation.context("operator", Duration::ZERO)).await
        })?;
        let named = ["/artifact/ami", "/artifact/image"].into_iter().filter_map(|at| document.pointer(at)?.as_str());
        let mut images: Vec<String> = named.map(str::to_owned).chain([preview.snapshot.artifact.clone()]).collect();
        images.dedup();
        Ok(Self {
            account,
            seed: wish.seed,
            approve_after: wish.approve_after.max(THINKING),
            verifies: document["verification"]["checks"].as_object().is_some_and(|checks| !checks.is_empty()),
            most: (preview.changes.most, preview.changes.before),
            plan: preview.plan,
            snapshot: preview.snapshot,
            document,
            images,
            assumed,
        })
    }

    /// The account, ready for a run.
    ///
    /// # Errors
    /// Why it cannot be made.
    pub(crate) async fn furnished(&self) -> Result<Installation, String> {
        let installation = self.account.furnish(self.seed)?;
        answer_hooks(&installation);
        if self.verifies {
            installation.sim.clock.sleep(PAST).await;
        }
        Ok(installation)
    }

    /// The fleet that is deployed.
    pub(crate) fn candidate(&self) -> &str {
        &self.snapshot.candidate
    }

    /// What faults strike, and what nobody may touch.
    pub(crate) fn aims(&self) -> Aims {
        let stable = self.snapshot.stable_fleet().map_or_else(String::new, |fleet| fleet.name.clone());
        Aims {
            foreign: vec![self.snapshot.base.clone()],
            stable,
            candidate: self.candidate().to_owned(),
            cluster: match &self.snapshot.platform {
                Platform::EcsServices { cluster } => Some(cluster.clone()),
                _ => None,
            },
            images: self.images.clone(),
            rival: ("rival".into(), self.document.clone()),
        }
    }
}

/// Lets a document ask nobody who is not there. Answers what that comes to.
fn without_others(document: &mut Value) -> Vec<String> {
    let mut assumed = Vec::new();
    if document.as_object_mut().is_some_and(|fields| fields.remove("approvals").is_some()) {
        assumed.push("approvals count, whoever gives them".into());
    }
    let hooks = document.get_mut("hooks").and_then(Value::as_object_mut);
    if let Some(hooks) = hooks.filter(|hooks| !hooks.is_empty()) {
        for hook in hooks.values_mut().filter_map(Value::as_object_mut) {
            ["http", "callback"].iter().for_each(|other| drop(hook.remove(*other)));
            hook.insert("lambda".into(), json!(format!("arn:aws:lambda:eu-west-1:123456789012:function:{HOOK}")));
        }
        assumed.push("every hook says yes after a second".into());
    }
    assumed
}

fn answer_hooks(installation: &Installation) {
    installation
        .sim
        .callables()
        .function(HOOK, |_| (Duration::from_secs(1), Invocation::Returned(json!({ "verdict": "pass" }))));
}

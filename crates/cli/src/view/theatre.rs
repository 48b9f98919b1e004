//! Deployments of the sample shop in virtual time, for tests: the records that they see are those that real steps have written.

use std::sync::Arc;
use std::time::Duration;

use crossfade_aws::{Executions, Platforms, Pools, Switches, keys};
use crossfade_core::document::{Decision, read_text};
use crossfade_core::plan::Direction;
use crossfade_core::split::Route;
use crossfade_local::Installation;
use crossfade_sim::api::stepfunctions::StepFunctions;
use crossfade_sim::world::sample::{NewImage, Shop, ShopOptions, shop};
use crossfade_sim::{Settings, Sim};
use crossfade_steps::{ApprovalRecord, PauseRecord, StageRecord};
use serde_json::{Value, json};

use super::records::Records;
use super::{View, build, now};

/// The shop, with crossfade installed.
pub(crate) struct Theatre {
    pub(crate) sim: Arc<Sim>,
    pub(crate) shop: Shop,
    installation: Installation,
}

impl View {
    /// Whether it waits for an inspection.
    pub(crate) fn inspects(&self) -> bool {
        self.question.as_ref().is_some_and(|question| question.direction == Direction::Rollback)
    }
}

/// The example that shifts and asks at 10 %.
pub(crate) fn example() -> Value {
    read_text(include_str!("../../../../examples/blue-green-shift.yaml")).expect("an example")
}

impl Theatre {
    pub(crate) fn new() -> Self {
        Self::with(NewImage::Good)
    }

    pub(crate) fn with(new_image: NewImage) -> Self {
        let sim = Sim::new(Settings::default());
        let shop = shop(&mut sim.world(), ShopOptions { new_image, ..ShopOptions::default() });
        let installation = Installation::in_process(&sim).expect("the shipped definitions are good");
        Self { sim, shop, installation }
    }

    pub(crate) fn start(&self, id: &str, document: &Value) {
        StepFunctions::start(&self.sim, &self.installation.deploy_arn, Some(id), document).expect("it starts");
    }

    pub(crate) fn now_millis(&self) -> u64 {
        self.sim.clock.now_millis()
    }

    pub(crate) async fn sleep(&self, seconds: u64) {
        self.sim.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// The records of a deployment, once there are any.
    pub(crate) fn records(&self, id: &str) -> Option<Records> {
        let rows = |pk: String| self.installation.records(&pk).into_iter().map(|(sk, value)| (sk, value, 0));
        let mut records = Records::simulated(&self.installation, id)?;
        let before = records.snapshot.as_ref().and_then(|snapshot| snapshot.stable_fleet()?.deployment.clone());
        let stages = before.map(|before| rows(keys::deployment(&before)).collect::<Vec<_>>()).unwrap_or_default();
        let stages = stages.into_iter().filter(|(sk, ..)| sk.starts_with("stage#deploy#"));
        records.last_time =
            stages.filter_map(|(_, value, _)| serde_json::from_value::<StageRecord>(value).ok()).collect();
        Some(records)
    }

    /// A deployment as it stands, with its traffic and health.
    pub(crate) async fn view(&self, id: &str) -> Option<View> {
        let records = self.records(id)?;
        let view = build::view(&records, self.now_millis());
        let Some(snapshot) = &records.snapshot else { return Some(view) };
        let config = self.sim.sdk_config_for("test");
        let fleets = Platforms::new(&config).on(&snapshot.platform);
        let now = now::look(&records, snapshot, &fleets, &Pools::new(&config), &Switches::new(&config)).await;
        Some(view.seeing(Some(now)))
    }

    /// The first view that is as wanted, looked at every two seconds; each before is shown to `see`, too.
    pub(crate) async fn until(&self, id: &str, wanted: impl Fn(&View) -> bool, mut see: impl FnMut(&View)) -> View {
        // Six hours of the account's time.
        for _ in 0..10_800 {
            if let Some(view) = self.view(id).await {
                see(&view);
                if wanted(&view) {
                    return view;
                }
            }
            self.sleep(2).await;
        }
        panic!("it never came about: {:#?}", self.records(id).map(|records| records.log));
    }

    /// The view when somebody is asked.
    pub(crate) async fn asks(&self, id: &str) -> View {
        self.until(id, |view| view.question.is_some(), |_| {}).await
    }

    /// The view when it is over.
    pub(crate) async fn over(&self, id: &str) -> View {
        self.until(id, |view| view.status.ended(), |_| {}).await
    }

    /// Answers what is asked.
    pub(crate) async fn decide(&self, id: &str, decision: Decision) {
        let approvals = self.installation.records(&keys::deployment(id)).into_iter();
        let approvals = approvals.filter(|(sk, _)| sk.starts_with("approval#"));
        let mut approvals = approvals.filter_map(|(_, value)| serde_json::from_value::<ApprovalRecord>(value).ok());
        let open = approvals.find(|approval| approval.decision.is_none()).expect("something is asked");
        let said = json!({ "by": "alice", "comment": "as before" });
        let cause = said.to_string();
        let rejection = (decision == Decision::Reject).then_some(("Rejected", cause.as_str()));
        let executions = Executions::new(&self.sim.sdk_config_for("operator"));
        executions.decide(&open.task_token, &said, rejection).await.expect("it waits");
    }

    /// Somebody asks a deployment to stop before its next stage.
    pub(crate) async fn pause(&self, id: &str, comment: &str) {
        let (by, comment) = (Some("ann".to_owned()), Some(comment.to_owned()));
        let wish = PauseRecord { by, comment, since_millis: self.now_millis(), timeout_minutes: 60 };
        let context = self.installation.context("operator", Duration::ZERO);
        crossfade_steps::pause(&context, id, &wish).await.expect("it can be written down");
    }

    /// Somebody's hand on the weights.
    pub(crate) async fn set_weights(&self, old: u32, new: u32) {
        let switches = Switches::new(&self.sim.sdk_config_for("somebody"));
        let seen = switches.read(self.shop.route()).await.expect("it is there");
        let route = |target_group: &String, weight| Route::to(target_group, weight);
        let routes = [route(&self.shop.target_group_a, old), route(&self.shop.target_group_b, new)];
        switches.set(self.shop.route(), &seen, &routes).await.expect("it can be set");
    }
}

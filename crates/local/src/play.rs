//! One deployment from its start to its end, with an operator who answers.

use std::sync::Arc;
use std::time::Duration;

use crossfade_aws::{Executions, keys};
use crossfade_core::document::Decision;
use crossfade_sim::api::stepfunctions::StepFunctions;
use crossfade_steps::ApprovalRecord;
use serde_json::{Value, json};

use crate::installation::Installation;
use crate::summary::Summary;
use crate::watch::{Happening, Watch};

/// What an operator says to an approval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes or no.
    Decide(Decision),
    /// Nothing, for ever.
    Nothing,
}

/// Whoever answers approvals.
pub type Operator = Box<dyn FnMut(&ApprovalRecord) -> Answer + Send>;

/// How long the operator thinks, in the account's time.
const THINKING: Duration = Duration::from_secs(20);

/// Plays one deployment and answers its figures.
///
/// # Errors
/// What `StartExecution` says when it refuses.
pub async fn play(
    installation: &Installation,
    deployment: &str,
    document: &Value,
    router: &str,
    mut operator: Operator,
    sink: Box<dyn FnMut(&Happening) + Send>,
) -> Result<Summary, String> {
    let sim = &installation.sim;
    let before = sim.world().inventory();
    let watch = Watch::start(installation, deployment, router, sink);
    let execution = StepFunctions::start(sim, &installation.deploy_arn, Some(deployment), document)?;
    let looking_on = async {
        let mut asked: Option<String> = None;
        loop {
            watch.look();
            if watch.asking()
                && let Some(approval) = open_approval(installation, &[deployment])
                && asked.as_ref() != Some(&approval.task_token)
            {
                asked = Some(approval.task_token.clone());
                sim.clock.sleep(THINKING).await;
                watch.look();
                if let Answer::Decide(decision) = operator(&approval) {
                    self::answer(installation, &approval, decision).await;
                    watch.decided(decision == Decision::Approve);
                }
            }
            sim.clock.sleep(Duration::from_secs(1)).await;
        }
    };
    let ended = tokio::select! {
        biased;
        ended = sim.step_functions().wait_for(&execution) => ended,
        () = looking_on => None,
    };
    watch.look();
    watch.end();
    let ended = ended.ok_or("the execution vanished")?;
    Ok(Summary::of(installation, deployment, &watch, &ended, &before))
}

/// The approval that one of these deployments waits for, if one does.
pub fn open_approval(installation: &Installation, deployments: &[&str]) -> Option<ApprovalRecord> {
    let records = deployments.iter().flat_map(|id| installation.records(&keys::deployment(id)));
    let approvals = records.filter(|(sk, _)| sk.starts_with("approval#"));
    approvals
        .filter_map(|(_, value)| serde_json::from_value::<ApprovalRecord>(value).ok())
        .find(|approval| approval.decision.is_none() && !approval.task_token.is_empty())
}

/// Answers an approval. One that has closed meanwhile is not the operator's problem: the run goes on without them.
pub async fn answer(installation: &Installation, approval: &ApprovalRecord, decision: Decision) {
    let executions = Executions::new(&Arc::clone(&installation.sim).sdk_config_for("operator"));
    let said = json!({"by": "operator", "comment": "in the demo"});
    let cause = said.to_string();
    let rejection = (decision == Decision::Reject).then_some(("Rejected", cause.as_str()));
    let _ = executions.decide(&approval.task_token, &said, rejection).await;
}

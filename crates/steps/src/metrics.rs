//! What a deployment that has ended adds to the metrics of the installation, in CloudWatch's embedded metric format: a line of a function's
//! log becomes metrics, without a call
//! ([specification](https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html)).
//!
//! What it must never do: fail a deployment, or be what an alarm of the stack hangs on. A line can get lost.

use std::sync::Arc;

use crossfade_core::plan::{Direction, StageKind};
use serde_json::{Value, json};

use crate::context::Context;
use crate::records::{Meta, StageRecord, Status};
use crate::run::Records;

/// Takes the lines.
pub type Metrics = Arc<dyn Fn(&Value) + Send + Sync>;

/// The namespace of the metrics.
const NAMESPACE: &str = "crossfade";
const COUNTS: [&str; 3] = ["Succeeded", "FailedClean", "FailedDirty"];
const SECONDS: [&str; 4] = ["Duration", "Work", "Pauses", "Questions"];

/// Tells that a deployment has ended.
pub(crate) fn tell(context: &Context, meta: &Meta, records: &Records) {
    let Some(metrics) = &context.metrics else { return };
    let stages = records.all(&format!("stage#{}#", Direction::Deploy.name())).unwrap_or_default();
    metrics(&line(&context.settings.table_name, meta, &stages, context.now_millis()));
}

/// The line for a deployment that has ended: how, how long it took, and how much of that it paused or waited for somebody.
fn line(stack: &str, meta: &Meta, stages: &[StageRecord], now_millis: u64) -> Value {
    let took = |stage: &StageRecord| stage.held_millis.saturating_sub(stage.started_millis);
    let of = |kinds: &[StageKind]| stages.iter().filter(|it| kinds.contains(&it.kind)).map(took).sum::<u64>() / 1000;
    let whole = meta.ended_millis.unwrap_or(now_millis).saturating_sub(meta.started_millis) / 1000;
    let pauses = of(&[StageKind::Pause, StageKind::Verify, StageKind::Drain]);
    // Between two stages nothing takes time, unless somebody has paused the deployment there.
    let between = stages.windows(2).map(|two| two[1].started_millis.saturating_sub(two[0].held_millis)).sum::<u64>();
    let questions = of(&[StageKind::Approve]) + between / 1000;
    let unit = |names: &[&str], unit: &str| -> Vec<Value> {
        names.iter().map(|name| json!({ "Name": name, "Unit": unit })).collect()
    };
    let metrics = [unit(&COUNTS, "Count"), unit(&SECONDS, "Seconds")].concat();
    let is = |status: Status| u8::from(meta.status == status);
    json!({
        "_aws": {
            "Timestamp": now_millis,
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["Stack"], ["Stack", "Service", "Environment"]],
                "Metrics": metrics,
            }],
        },
        "Stack": stack,
        "Service": meta.document.service,
        "Environment": meta.document.environment,
        "DeploymentId": meta.deployment_id,
        "Succeeded": is(Status::Succeeded),
        "FailedClean": is(Status::FailedClean),
        "FailedDirty": is(Status::FailedDirty),
        "Duration": whole,
        "Work": whole.saturating_sub(pauses + questions),
        "Pauses": pauses,
        "Questions": questions,
    })
}

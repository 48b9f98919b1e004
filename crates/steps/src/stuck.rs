//! A rollback that keeps trying and does not get on: people are told, once, with what is left meanwhile.

use crossfade_core::plan::{Direction, Plan};
use crossfade_core::rollback;
use crossfade_core::snapshot::Snapshot;
use crossfade_core::trouble::{STUCK_MILLIS, Trouble};
use crossfade_core::{Result, text};

use crate::context::Context;
use crate::finish::notify;
use crate::records::{Meta, StageRecord, StuckRecord, item, stage_key};
use crate::run::{Log, Records};

/// The state that computes the way back.
const PLANNING: &str = "PlanRollback";

/// Looks whether the rollback that runs as this execution gets on.
pub(crate) async fn look(meta: &Meta, execution_arn: &str, context: &Context) -> Result<()> {
    let Some(trouble) = context.executions.trouble(execution_arn).await? else { return Ok(()) };
    let now = context.now_millis();
    if now < trouble.since_millis + STUCK_MILLIS {
        return Ok(());
    }
    let id = &meta.deployment_id;
    let mut records = Records::load(id, context).await?;
    let told = StuckRecord { execution_arn: execution_arn.to_owned(), since_millis: trouble.since_millis };
    if records.find::<StuckRecord>("stuck")?.is_some_and(|before| before == told) {
        return Ok(());
    }
    let execution = context.executions.describe(execution_arn).await?;
    let since = execution.map_or(0, |execution| execution.started_millis);
    let left = left(&mut records, &trouble, since)?;
    let Trouble { state, error, cause, since_millis } = &trouble;
    let minutes = now.saturating_sub(*since_millis) / 60_000;
    let line = format!("The rollback is stuck: {state} fails since {minutes} min, last with {error}: {cause} {left}");
    let mut log = Log::new(id);
    log.say(now, &line);
    let mut items = vec![item(id, "stuck", &told)];
    items.append(&mut log.lines);
    context.table.put_together(&items).await?;
    let text = format!(
        "Deployment {id} of {} is being rolled back, and does not get on. {line}\n\nIt keeps trying for a day, ever more seldom, and \
         goes on by itself once what the message names is repaired, or AWS works again. Until then nothing else is deployed there: \
         crossfade status {id}\n",
        meta.infrastructure
    );
    notify(context, meta, "ROLLBACK STUCK", &text).await;
    Ok(())
}

/// What is left to do, in words.
fn left(records: &mut Records, trouble: &Trouble, since_millis: u64) -> Result<String> {
    let plan: Option<Plan> = records.find("plan#rollback")?;
    let Some(plan) = plan.filter(|_| trouble.state != PLANNING) else {
        // It has not looked yet, so nothing is undone.
        let snapshot: Option<Snapshot> = records.find("snapshot")?;
        let (touched, _) = records.touched()?;
        let begun = snapshot.map(|snapshot| rollback::begun(&snapshot, &touched)).unwrap_or_default();
        return Ok(match begun.as_slice() {
            [] => "Nothing was begun to be changed.".into(),
            begun => format!("It was begun to change, and nothing is undone yet: {}.", text::few(begun)),
        });
    };
    let mut left = Vec::new();
    for (i, stage) in plan.stages.iter().enumerate() {
        let held: Option<StageRecord> = records.find(&stage_key("stage", Direction::Rollback, i))?;
        // An earlier attempt has left such records, too.
        if held.is_none_or(|held| held.held_millis < since_millis) {
            left.push(format!("{} ({})", stage.name, stage.describe()));
        }
    }
    Ok(match left.as_slice() {
        [] => "Everything is undone; only that is still to be recorded.".into(),
        left => format!("Left: {}.", text::few(left)),
    })
}

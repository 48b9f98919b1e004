//! Judging the past: what the checks of a document would have said of two fleets in some time that is over, by the code that judges
//! deployments. It only reads.

use std::collections::BTreeMap;

use crossfade_core::observed::Fleet;
use crossfade_core::verification::{Found, Look, Sides, Span, Times, Verdict, judge, queries};
use crossfade_core::{Kind, Result};
use serde_json::Value;

use crate::context::Context;
use crate::prepare::that_can_be_kept;

/// Which fleets are judged, and when.
#[derive(Clone, Debug)]
pub struct Past {
    /// The fleet that was deployed.
    pub candidate: String,
    /// The fleet that it is compared with.
    pub stable: Option<String>,
    /// From when, in milliseconds since 1970.
    pub from_millis: u64,
    /// Until when, in milliseconds since 1970.
    pub to_millis: u64,
}

/// What the checks of metrics say of a past: those of alarms are left out, since CloudWatch only tells how they stand now.
///
/// # Errors
/// `InvalidDocument` when the document is no good; `PreflightFailed` when a fleet is gone, or there is nothing to judge.
pub async fn judge_past(document: &Value, past: &Past, context: &Context) -> Result<Verdict> {
    let (document, _) = context.outputs.resolve(document).await.and_then(that_can_be_kept)?;
    let verification = &document.verification;
    let mut checks = verification.chosen(None);
    checks.retain(|_, check| check.metric.is_some());
    if checks.is_empty() {
        return Err(
            Kind::PreflightFailed.because("verification.checks has no check of a metric: there is nothing to judge.")
        );
    }
    let platform = document.compute.platform();
    let names: Vec<&str> = std::iter::once(past.candidate.as_str()).chain(past.stable.as_deref()).collect();
    let fleets: BTreeMap<String, Fleet> = context
        .platforms
        .on(&platform)
        .named(&names)
        .await?
        .into_iter()
        .map(|fleet| (fleet.name.clone(), fleet))
        .collect();
    let fleet = |name: &str| {
        fleets
            .get(name)
            .ok_or_else(|| Kind::PreflightFailed.because(format!("There is no {} {name} any more.", platform.fleet())))
    };
    let candidate = fleet(&past.candidate)?;
    let stable = past.stable.as_deref().map(fleet).transpose()?;
    let arns: Vec<String> = fleets.values().flat_map(|fleet| fleet.target_groups.clone()).collect();
    let groups = if arns.is_empty() { Vec::new() } else { context.pools.target_groups(&arns).await? };
    let sides = Sides::of_fleets(&platform, candidate, stable, &groups);
    let period_millis = u64::from(verification.period) * 1000;
    let span = Span {
        from_millis: past.from_millis.div_ceil(period_millis) * period_millis,
        to_millis: past.to_millis / period_millis * period_millis,
    };
    let times = Times { period_millis, candidate: span, stable: span };
    let found = match times.asked() {
        Some(span) => context.signals.metrics(&queries(&checks, &sides), span, verification.period).await?,
        None => Found::default(),
    };
    let look = Look { verification, sides: &sides, times, found: &found, last: true };
    Ok(judge(&checks, &[], 0, Some(look)))
}

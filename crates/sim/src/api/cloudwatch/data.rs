//! GetMetricData: the values of metrics, minute by minute. Metric math is not modelled.

use super::only;
use crate::api::query::required;
use crate::world::{MetricKey, Refusal, Tree, World, timestamp};

/// The most queries that one call asks.
const QUERIES: usize = 500;
/// The most values that one answer has.
const POINTS: usize = 100_800;

pub(super) fn get(world: &World, parameters: &Tree) -> Result<Tree, Refusal> {
    only(
        parameters,
        &["MetricDataQueries", "StartTime", "EndTime", "NextToken", "ScanBy", "MaxDatapoints", "LabelOptions"],
    )?;
    let queries = parameters.list("MetricDataQueries");
    if queries.is_empty() || queries.len() > QUERIES {
        return Err(Refusal::validation("Between 1 and 500 queries must be given"));
    }
    let (from, to) = (instant(parameters, "StartTime")?, instant(parameters, "EndTime")?);
    if from >= to {
        return Err(Refusal::validation("The parameter StartTime must be less than the parameter EndTime."));
    }
    let ascending = parameters.str("ScanBy") == Some("TimestampAscending");
    let mut points = 0;
    let mut results = Vec::new();
    for query in queries {
        only(query, &["Id", "MetricStat", "Expression", "Label", "ReturnData", "Period", "AccountId"])?;
        let id = required(query, "Id")?;
        if !id.starts_with(|first: char| first.is_ascii_lowercase()) {
            return Err(Refusal::validation(&format!(
                "The value {id} for parameter MetricDataQueries.Id is not a valid id"
            )));
        }
        if query.get("Expression").is_some() {
            return Err(Refusal::not_implemented("metric math"));
        }
        let stat = query.get("MetricStat").ok_or_else(|| Refusal::validation("A query must have a MetricStat"))?;
        only(stat, &["Metric", "Period", "Stat", "Unit"])?;
        let metric = stat.get("Metric").and_then(MetricKey::of);
        let metric = metric.ok_or_else(|| Refusal::validation("A MetricStat must have a Metric"))?;
        let period = stat.num("Period").and_then(|period| u64::try_from(period).ok()).unwrap_or(0);
        if period == 0 || !period.is_multiple_of(60) {
            return Err(Refusal::validation("The period must be a multiple of 60"));
        }
        let mut found = world.metric_data(&metric, required(stat, "Stat")?, period * 1000, from, to);
        if !ascending {
            found.reverse();
        }
        points += found.len();
        results.push(Tree::map([
            ("Id", Tree::text(id)),
            ("Label", Tree::text(query.str("Label").unwrap_or(id))),
            ("StatusCode", Tree::text("Complete")),
            ("Timestamps", Tree::List(found.iter().map(|(at, _)| Tree::text(timestamp(*at))).collect())),
            ("Values", Tree::List(found.iter().map(|(_, value)| Tree::text(value)).collect())),
        ]));
    }
    if points > POINTS {
        return Err(Refusal::not_implemented("an answer with more values than fit into one"));
    }
    Ok(Tree::map([("MetricDataResults", Tree::List(results)), ("Messages", Tree::List(Vec::new()))]))
}

/// A moment, in milliseconds since 1970: as text, or as the seconds that JSON has.
fn instant(parameters: &Tree, name: &str) -> Result<u64, Refusal> {
    let text = required(parameters, name)?;
    let of_text = text.parse::<jiff::Timestamp>().ok().and_then(|at| u64::try_from(at.as_millisecond()).ok());
    let of_seconds =
        || text.parse::<f64>().ok().filter(|seconds| *seconds >= 0.0).map(|seconds| (seconds * 1000.0) as u64);
    of_text.or_else(of_seconds).ok_or_else(|| Refusal::validation(&format!("{name} is no timestamp")))
}

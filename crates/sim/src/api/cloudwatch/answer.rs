//! Writing answers: a tree, as XML, JSON or CBOR.
//!
//! What it owns: which members are numbers, flags and timestamps. A tree keeps them all as text, which is all that XML
//! needs; the other two protocols want to know.

use serde_json::Value;

use crate::api::query::{self, Xml};
use crate::world::{Refusal, Tree};
use crate::{Protocol, Request, Response, cbor};

const NAMESPACE: &str = "http://monitoring.amazonaws.com/doc/2010-08-01/";

const INTEGERS: [&str; 7] = [
    "Period",
    "EvaluationPeriods",
    "DatapointsToAlarm",
    "EvaluationInterval",
    "WarmUpPeriodDurationInMinutes",
    "PendingPeriod",
    "RecoveryPeriod",
];
const FRACTIONS: [&str; 2] = ["Threshold", "Values"];
const FLAGS: [&str; 4] = ["ActionsEnabled", "ReturnData", "Enabled", "OnlyStartEvaluatingAfterWarmUpPeriodEnds"];
const TIMESTAMPS: [&str; 4] =
    ["AlarmConfigurationUpdatedTimestamp", "StateUpdatedTimestamp", "StateTransitionedTimestamp", "Timestamps"];

fn is_timestamp(name: &str) -> bool {
    TIMESTAMPS.contains(&name)
}

pub(super) fn answer(request: &Request, outcome: Result<Tree, Refusal>) -> Response {
    let result = match outcome {
        Ok(result) => result,
        Err(refusal) => return Response::refuse(request, refusal.status, &refusal.code, &refusal.message),
    };
    match request.protocol {
        Protocol::Cbor => Response::cbor(200, cbor::encode(&typed("", &result), is_timestamp)),
        Protocol::Query => {
            let mut xml = Xml::new();
            xml.inside(&result);
            query::answer(request, NAMESPACE, Ok(xml))
        }
        _ => Response::json(200, &typed("", &result)),
    }
}

/// A tree with the types that its members have, those of a list by the list's name. A timestamp is its seconds since 1970.
fn typed(name: &str, tree: &Tree) -> Value {
    match tree {
        Tree::Leaf(text) => leaf(name, text).unwrap_or_else(|| Value::String(text.clone())),
        Tree::Map(members) => members.iter().map(|(name, member)| (name.clone(), typed(name, member))).collect(),
        Tree::List(items) => items.iter().map(|item| typed(name, item)).collect(),
        Tree::Dict(_) => tree.to_json(),
    }
}

fn leaf(name: &str, text: &str) -> Option<Value> {
    if INTEGERS.contains(&name) {
        return text.parse::<i64>().ok().map(Value::from);
    }
    if FRACTIONS.contains(&name) {
        return text.parse::<f64>().ok().map(Value::from);
    }
    if FLAGS.contains(&name) {
        return text.parse::<bool>().ok().map(Value::from);
    }
    if is_timestamp(name) {
        return text.parse::<jiff::Timestamp>().ok().map(|at| Value::from(at.as_millisecond() as f64 / 1000.0));
    }
    None
}

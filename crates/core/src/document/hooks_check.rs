//! What a schema cannot say of hooks: each calls one thing, at points that the strategy has, and each that is named is there.

use std::collections::BTreeSet;

use serde_json::Value;

use super::check::problem;
use super::read::shown;
use super::{Hook, HookName, Hooks, Point, Problem, StageSpec, Strategy};
use crate::text;

/// An example of a hook.
const EXAMPLE: &str =
    "such as `smoke: {lambda: \"arn:aws:lambda:eu-west-1:123456789012:function:shop-smoke\", at: [beforeTraffic]}`";

/// Every contradiction in hooks.
pub(super) fn check(hooks: &Hooks, strategy: Option<&Strategy>, problems: &mut Vec<Problem>) {
    let stages = strategy.map(Strategy::stages);
    let named: BTreeSet<&str> = stages.iter().flatten().filter_map(name).collect();
    for (name, hook) in hooks {
        let path = format!("hooks.{name}");
        called_somewhere(&path, name, hook, stages.is_some().then_some(&named), problems);
        one_target(&path, hook, problems);
        points(&path, hook, stages.as_deref(), problems);
        if let Some(http) = &hook.http {
            let host = http.url.strip_prefix("https://").unwrap_or_default().split(['/', ':', '?']).next();
            // A number would be called without being looked up, and so without being looked at.
            if host.is_some_and(|host| host.rsplit('.').next().is_some_and(|last| last.parse::<u32>().is_ok())) {
                let fix = "Give the name of a host, such as tests.example.com.";
                problems.push(problem(
                    &format!("{path}.http.url"),
                    Some(shown(&Value::from(http.url.as_str()))),
                    "its host is a number and not a name".into(),
                    fix,
                ));
            }
        }
    }
    let known: Vec<&str> = hooks.keys().map(String::as_str).collect();
    for (i, stage) in stages.iter().flatten().enumerate() {
        let Some(name) = name(stage).filter(|name| !known.contains(name)) else { continue };
        let fix = match known.as_slice() {
            [] => format!("Describe it under `hooks`, {EXAMPLE}."),
            known => format!("Use one of: {}.", text::few(known)),
        };
        let path = format!("strategy.stages[{i}].hook");
        problems.push(problem(&path, Some(shown(&Value::from(name))), "there is no such hook".into(), &fix));
    }
}

fn name(stage: &StageSpec) -> Option<&str> {
    match stage {
        StageSpec::Hook(HookName(name)) => Some(name),
        _ => None,
    }
}

fn called_somewhere(path: &str, name: &str, hook: &Hook, named: Option<&BTreeSet<&str>>, problems: &mut Vec<Problem>) {
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 63 || !name.chars().all(legal) {
        let what = "this is no name for a hook".into();
        problems.push(problem(path, None, what, "Use 1 to 63 letters, digits, underscores or hyphens."));
    }
    if hook.at.is_empty() && named.is_some_and(|named| !named.contains(name)) {
        let fix = "Say when, such as `at: [beforeTraffic]`, or add a stage `hook` to `strategy.stages`.";
        problems.push(problem(path, None, "nothing calls it".into(), fix));
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = hook.at.iter().find(|point| !seen.insert(**point)) {
        let at = format!("{path}.at");
        problems.push(problem(&at, Some(twice.name().into()), "it is named twice".into(), "Name each point once."));
    }
}

fn one_target(path: &str, hook: &Hook, problems: &mut Vec<Problem>) {
    let targets = [hook.lambda.is_some(), hook.http.is_some(), hook.callback.is_some()];
    match targets.iter().filter(|given| **given).count() {
        1 => {}
        0 => {
            problems.push(problem(path, None, "it calls nothing".into(), "Give it `lambda`, `http` or `callback`."));
        }
        _ => {
            let fix = "Leave out all but one of lambda, http and callback; use two hooks for two.";
            problems.push(problem(path, None, "it calls more than one thing".into(), fix));
        }
    }
}

fn points(path: &str, hook: &Hook, stages: Option<&[StageSpec]>, problems: &mut Vec<Problem>) {
    let at = format!("{path}.at");
    let moves = stages.map(|all| all.iter().any(|stage| matches!(stage, StageSpec::Shift(_) | StageSpec::Swap(_))));
    for point in &hook.at {
        if moves == Some(false) && point.moves_traffic() {
            let what = "no stage of the strategy moves traffic: what is healthy serves".into();
            let fix = "Use afterSetup, afterUpscale or beforeDownsize, or a strategy that shifts or swaps.";
            problems.push(problem(&at, Some(point.name().into()), what, fix));
        }
        let shrinks = stages.map(|all| all.iter().any(|stage| matches!(stage, StageSpec::Downsize(_))));
        if shrinks == Some(false) && *point == Point::BeforeDownsize {
            let what = "no stage of the strategy makes the old fleet smaller".into();
            problems.push(problem(&at, Some(point.name().into()), what, "Use afterShift or atEnd."));
        }
        if hook.callback.is_some() && point.only_tells() {
            let what = "nobody waits there for a callback".into();
            let fix = "Use `lambda` or `http` there: a hook of its own that is told.";
            problems.push(problem(&at, Some(point.name().into()), what, fix));
        }
    }
}

//! The graph of states: every target exists, every state is reachable, and the machine can end.

use std::collections::{BTreeMap, BTreeSet};

use super::{Kind, State, Transition};
use crate::problem::{Problems, child};

/// All outgoing edges: the JSON pointer of the target within the state, and the target.
pub(super) fn edges(kind: &Kind) -> Vec<(String, &str)> {
    match kind {
        Kind::Task(task) => {
            let mut edges = next(&task.transition);
            let catch = |(nth, next)| (format!("/Catch/{nth}/Next"), next);
            edges.extend(task.catch.iter().map(|catcher| catcher.next.as_str()).enumerate().map(catch));
            edges
        }
        Kind::Choice(choice) => {
            let targets = choice.choices.iter().map(|(_, next)| next.as_str()).enumerate();
            let mut edges = targets.map(|(nth, next)| (format!("/Choices/{nth}/Next"), next)).collect::<Vec<_>>();
            edges.extend(choice.default.iter().map(|next| ("/Default".to_owned(), next.as_str())));
            edges
        }
        Kind::Wait(wait) => next(&wait.transition),
        Kind::Pass(pass) => next(&pass.transition),
        Kind::Succeed(_) | Kind::Fail(_) => vec![],
    }
}

fn next(transition: &Transition) -> Vec<(String, &str)> {
    match transition {
        Transition::Next(next) => vec![("/Next".to_owned(), next.as_str())],
        Transition::End => vec![],
    }
}

/// Whether the machine may end in a state of this kind.
fn ends(kind: &Kind) -> bool {
    match kind {
        Kind::Task(task) => task.transition == Transition::End,
        Kind::Wait(wait) => wait.transition == Transition::End,
        Kind::Pass(pass) => pass.transition == Transition::End,
        Kind::Choice(_) => false,
        Kind::Succeed(_) | Kind::Fail(_) => true,
    }
}

pub(super) fn check(
    start_at: Option<&str>,
    names: &BTreeSet<&str>,
    states: &BTreeMap<String, State>,
    all_read: bool,
    problems: &mut Problems,
) {
    if let Some(start_at) = start_at
        && !names.contains(start_at)
    {
        problems.refuse("missing-target", "/StartAt", format!("there is no state {start_at:?}"));
    }
    for (name, state) in states {
        for (place, target) in edges(&state.kind) {
            if !names.contains(target) {
                let pointer = child("/States", name) + &place;
                problems.refuse("missing-target", &pointer, format!("there is no state {target:?}"));
            }
        }
    }
    let Some(start_at) = start_at.filter(|start_at| all_read && names.contains(start_at)) else { return };
    let mut reached = BTreeSet::from([start_at]);
    let mut pending = vec![start_at];
    while let Some(state) = pending.pop().and_then(|name| states.get(name)) {
        pending.extend(
            edges(&state.kind)
                .into_iter()
                .map(|(_, next)| next)
                .filter(|next| names.contains(next) && reached.insert(next)),
        );
    }
    for name in names.difference(&reached) {
        problems.refuse("unreachable-state", &child("/States", name), "no path leads here from StartAt");
    }
    if !reached.iter().filter_map(|name| states.get(*name)).any(|state| ends(&state.kind)) {
        problems.refuse("no-end", "/States", "no reachable state ends the execution");
    }
}

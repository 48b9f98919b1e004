//! A plan in words: what changes, what is deleted for ever, and the stages with their times.

use std::cmp::Reverse;

use crossfade_core::capacity::Size;
use crossfade_core::kinds::elb::{describe, short};
use crossfade_core::plan::{Change, FleetChange, StageKind, SwitchChange, Weight};
use crossfade_core::split::names;
use crossfade_core::text::few;

use super::{Shown, Stage};
use crate::say::table;
use crate::view::text::span;

/// The plan for a person.
pub(super) fn lines(shown: &Shown) -> Vec<String> {
    let mut lines = shown.notes.clone();
    lines.push(String::new());
    lines.push(heading(shown));
    lines.extend(same(shown));
    lines.push(String::new());
    lines.extend(changes(shown).into_iter().map(|[sign, what, how]| format!("  {sign} {what}  {how}")));
    lines.push(String::new());
    lines.extend(stages(&shown.stages));
    lines.push(String::new());
    lines.extend([time(shown), sum(shown)]);
    lines
}

/// The plan for a comment on a pull request.
pub(super) fn markdown(shown: &Shown) -> Vec<String> {
    let mut lines = vec![format!("**{}**", heading(shown)), String::new()];
    lines.extend(same(shown).map(|same| format!("{same}\n")));
    lines.push("```diff".into());
    // A word processor of differences knows no other signs.
    let sign = |sign: &str| match sign {
        "~" => "!".to_owned(),
        "=" => " ".to_owned(),
        other => other.to_owned(),
    };
    lines.extend(changes(shown).into_iter().map(|[of, what, how]| format!("{} {what}  {how}", sign(&of))));
    lines.extend([
        "```".into(),
        String::new(),
        "| | stage | | usually | at most |".into(),
        "| --: | --- | --- | --: | --: |".into(),
    ]);
    let cell = |text: &str| text.replace('|', "\\|");
    lines.extend(shown.stages.iter().map(|stage| {
        let (name, does) = (cell(&stage.name), cell(&stage.does));
        format!("| {} | {name} | {does} | {} | {} |", stage.number, usually(stage), span(stage.limit_millis))
    }));
    lines.push(String::new());
    lines.extend([time(shown), String::new(), sum(shown)]);
    lines.extend(shown.notes.iter().map(|note| format!("\n> {note}")));
    lines
}

fn heading(shown: &Shown) -> String {
    let serving: Vec<String> = shown
        .serving
        .iter()
        .map(|it| match &it.artifact {
            Some(artifact) => format!("{} ({artifact})", it.fleet),
            None => it.fleet.clone(),
        })
        .collect();
    let after = match serving.as_slice() {
        [] => "the first one".to_owned(),
        some => format!("in place of {}", few(some)),
    };
    format!("{}: {} as {}, {after}", shown.infrastructure, shown.artifact, shown.candidate)
}

/// That nothing new would come of it.
fn same(shown: &Shown) -> Option<String> {
    let fleet = shown.serves_already.as_ref()?;
    Some(format!("{} serves already, in {fleet}: a deployment would make the same again.", shown.artifact))
}

/// A row for each thing that changes: a sign as in a difference of two texts, its name, and how.
fn changes(shown: &Shown) -> Vec<[String; 3]> {
    let all = &shown.changes;
    let mut rows: Vec<[String; 3]> = Vec::new();
    let mut row = |sign: char, what: String, how: String| rows.push([sign.to_string(), what, how]);
    let of = |change: Change| all.which(change).collect::<Vec<_>>();
    for it in of(Change::Created).into_iter().chain(of(Change::Returned)) {
        row('+', it.fleet.clone(), comes(it));
    }
    for it in of(Change::Resized) {
        let size = |size: Option<Size>| size.map(|it| it.to_string()).unwrap_or_default();
        let kept = if it.after.is_some_and(|after| after.max == 0) { ", and kept to go back to" } else { "" };
        row('~', it.fleet.clone(), format!("{} → {}{kept}", size(it.before), size(it.after)));
    }
    let listed = |fleets: &[&FleetChange]| few(&fleets.iter().map(|it| it.fleet.clone()).collect::<Vec<_>>());
    let kept = of(Change::Kept);
    if !kept.is_empty() {
        row('=', listed(&kept), "as now, kept to go back to".into());
    }
    let deleted = of(Change::Deleted);
    if !deleted.is_empty() {
        let made = if deleted.len() == 1 { "it was" } else { "they were" };
        row('-', listed(&deleted), format!("DELETED FOR EVER, with what {made} made from"));
    }
    for switch in &all.switches {
        row('~', switched(&switch.on), weights(switch));
    }
    let width = rows.iter().map(|[_, what, _]| what.chars().count()).max().unwrap_or(0);
    rows.into_iter().map(|[sign, what, how]| [sign, format!("{what:<width$}"), how]).collect()
}

/// `rule app/shop/…/4dc05e242e780a26`: without what only a machine needs.
fn switched(arn: &str) -> String {
    let (word, path) = match (arn.split_once(":listener-rule/"), arn.split_once(":listener/")) {
        (Some((_, path)), _) => ("rule", path),
        (None, Some((_, path))) => ("listener", path),
        (None, None) => return describe(arn),
    };
    match path.split('/').collect::<Vec<_>>().as_slice() {
        [kind, name, .., last] => format!("{word} {kind}/{name}/…/{last}"),
        _ => describe(arn),
    }
}

fn comes(it: &FleetChange) -> String {
    let size = it.after.map(|size| size.to_string()).unwrap_or_default();
    let behind = match it.target_groups.as_slice() {
        [] => String::new(),
        some => format!(", in {}", names(some)),
    };
    let how = if it.change == Change::Returned { "back from 0 to" } else { "new, with" };
    format!("{how} {size}{behind}")
}

/// `shop-a 100 : shop-b 0 → 90 : 10 → 0 : 100`: the target groups once, old before new. Where others come in, each with its name.
fn weights(switch: &SwitchChange) -> String {
    let mut before: Vec<&Weight> = switch.weights.first().into_iter().flatten().collect();
    before.sort_by_key(|it| Reverse(it.weight));
    let first: Vec<&str> = before.into_iter().map(|it| it.target_group.as_str()).collect();
    let same = switch.weights.iter().all(|weights| {
        weights.len() == first.len() && weights.iter().all(|it| first.contains(&it.target_group.as_str()))
    });
    let step = |(nth, weights): (usize, &Vec<Weight>)| {
        let named = nth == 0 || !same;
        let weight = |arn: &str| weights.iter().find(|it| it.target_group == arn).map_or(0, |it| it.weight);
        let one = |arn: &str| match named {
            true => format!("{} {}", short(arn), weight(arn)),
            false => weight(arn).to_string(),
        };
        let order: Vec<&str> =
            if same { first.clone() } else { weights.iter().map(|it| it.target_group.as_str()).collect() };
        order.into_iter().map(one).collect::<Vec<_>>().join(" : ")
    };
    switch.weights.iter().enumerate().map(step).collect::<Vec<_>>().join(" → ")
}

fn usually(stage: &Stage) -> String {
    stage.usually_millis.map(span).unwrap_or_default()
}

fn stages(stages: &[Stage]) -> Vec<String> {
    let usually = |stage: &Stage| format!("{:>7}", usually(stage));
    let heading = ["     stage", "", "usually", "at most"].map(str::to_owned);
    let row = |stage: &Stage| {
        let (name, limit) =
            (format!("{:>3}. {}", stage.number, stage.name), format!("{:>7}", span(stage.limit_millis)));
        [name, stage.does.clone(), usually(stage), limit]
    };
    table(&[&[heading][..], &stages.iter().map(row).collect::<Vec<_>>()].concat())
}

/// How long it takes where that is known of all stages, how much there is meanwhile, and what a failure means.
fn time(shown: &Shown) -> String {
    let known = |stage: &Stage| if stage.kind == StageKind::Approve { Some(0) } else { stage.usually_millis };
    let all: Option<u64> = shown.stages.iter().map(known).sum();
    let asks = shown.stages.iter().any(|stage| stage.kind == StageKind::Approve);
    let asked = if asks { ", and as long as somebody thinks" } else { "" };
    let about = all.map_or_else(String::new, |millis| format!("Takes about {}{asked}. ", span(millis)));
    let (before, most) = (shown.changes.before, shown.changes.most);
    let peak = if most > before { format!("Meanwhile up to {most} run instead of {before}. ") } else { String::new() };
    format!("{about}{peak}Whatever fails, everything is put back; what is deleted is deleted last.")
}

fn sum(shown: &Shown) -> String {
    let count = |change: Change| shown.changes.which(change).count();
    let parts = [
        (count(Change::Created) + count(Change::Returned), "to bring up"),
        (count(Change::Resized), "to resize"),
        (shown.changes.switches.len(), "to steer"),
        (count(Change::Deleted), "to DELETE"),
    ];
    let parts = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
    format!("Plan: {}.", parts.collect::<Vec<_>>().join(", "))
}

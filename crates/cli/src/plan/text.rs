//! A plan in words: what changes, what is deleted for ever, and the stages with their times.

use std::cmp::Reverse;

use crossfade_core::capacity::Size;
use crossfade_core::kinds::elb::short;
use crossfade_core::plan::{BACK_SECONDS, Back, Change, FleetChange, StageKind, SwitchChange, Users, Weight};
use crossfade_core::split::names;
use crossfade_core::text::few;

use super::{Shown, Stage};
use crate::fold::fits;
use crate::say::table;
use crate::view::text::{shortened, span};

/// The plan for a person.
pub(super) fn lines(shown: &Shown, columns: Option<usize>) -> Vec<String> {
    let mut lines = shown.notes.clone();
    lines.push(String::new());
    lines.push(heading(shown));
    lines.extend(same(shown));
    lines.push(String::new());
    lines.extend(changes(shown).into_iter().map(|[sign, what, how]| format!("  {sign} {what}  {how}")));
    lines.push(String::new());
    lines.extend(stages(&shown.stages, columns));
    lines.push(String::new());
    lines.extend(back(shown));
    lines.extend(time(shown));
    lines.push(sum(shown));
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
        "| | stage | | runs | usually | at most |".into(),
        "| --: | --- | --- | --: | --: | --: |".into(),
    ]);
    let cell = |text: &str| text.replace('|', "\\|");
    lines.extend(shown.stages.iter().map(|stage| {
        let (name, does) = (cell(&stage.name), cell(&stage.does));
        let (number, runs, limit) = (stage.number, stage.running, span(stage.limit_millis));
        format!("| {number} | {name} | {does} | {runs} | {} | {limit} |", usually(stage))
    }));
    lines.push(String::new());
    let rows = back_rows(shown);
    if !rows.is_empty() {
        lines.extend([format!("| if it stops | {} |", served_again(shown)), "| --- | --- |".into()]);
        lines.extend(rows.iter().map(|[when, after]| format!("| {when} | {after} |")));
        lines.push(String::new());
    }
    lines.extend([time(shown).join(" "), String::new(), sum(shown)]);
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
        row('~', shortened(&switch.on), weights(switch));
    }
    let width = rows.iter().map(|[_, what, _]| what.chars().count()).max().unwrap_or(0);
    rows.into_iter().map(|[sign, what, how]| [sign, format!("{what:<width$}"), how]).collect()
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

/// The stages as a table; where that is wider than the terminal, what each does stands below it.
fn stages(stages: &[Stage], columns: Option<usize>) -> Vec<String> {
    let usually = |stage: &Stage| format!("{:>7}", usually(stage));
    let heading = ["     stage", "", "runs", "usually", "at most"].map(str::to_owned);
    let row = |stage: &Stage| {
        let (name, limit) =
            (format!("{:>3}. {}", stage.number, stage.name), format!("{:>7}", span(stage.limit_millis)));
        [name, stage.does.clone(), format!("{:>4}", stage.running), usually(stage), limit]
    };
    let rows = [&[heading][..], &stages.iter().map(row).collect::<Vec<_>>()].concat();
    let shown = table(&rows);
    if fits(&shown, columns) {
        return shown;
    }
    let without = |[name, _, runs, usually, limit]: &[String; 5]| [name, runs, usually, limit].map(Clone::clone);
    let narrow = table(&rows.iter().map(without).collect::<Vec<_>>());
    let does = |does: &str| (!does.is_empty()).then(|| format!("     {does}"));
    narrow.into_iter().zip(rows).flat_map(|(row, [_, what, ..])| std::iter::once(row).chain(does(&what))).collect()
}

/// What a stop means for users, wherever it comes: a table under one line.
fn back(shown: &Shown) -> Vec<String> {
    let rows = back_rows(shown);
    if rows.is_empty() {
        return Vec::new();
    }
    let heading = ["if it stops".to_owned(), served_again(shown)];
    let shown = table(&[vec![heading], rows].concat());
    shown.into_iter().map(|row| format!("  {row}")).chain([String::new()]).collect()
}

fn served_again(shown: &Shown) -> String {
    let before: Vec<String> = shown.serving.iter().map(|it| it.fleet.clone()).collect();
    format!("all users are on {} again", few(&before))
}

/// When it stops, by itself or because somebody says so, and after what time all users are where they were.
fn back_rows(shown: &Shown) -> Vec<[String; 2]> {
    if shown.serving.is_empty() {
        return Vec::new();
    }
    let boots = shown.stages.iter().filter(|stage| stage.kind == StageKind::Upscale);
    let boots = boots.filter_map(|stage| stage.usually_millis).max();
    let whole = match boots {
        Some(millis) => format!("after about {}, most of it to boot", span(millis + 1000 * BACK_SECONDS)),
        None => format!("{BACK_SECONDS} s after as much has booted as served before"),
    };
    let after = |users: Users| match users {
        Users::Untouched => format!("already: nobody is on {} yet", shown.candidate),
        Users::Steered => format!("after {BACK_SECONDS} s"),
        Users::Left => format!("as soon as {} has left", shown.candidate),
        Users::Regained => whole.clone(),
    };
    let stages = |back: &Back| match (back.first, back.last) {
        (first, last) if first == last => format!("in stage {first}"),
        (first, last) => format!("in stages {first} to {last}"),
    };
    let mut rows: Vec<[String; 2]> = shown.changes.back.iter().map(|it| [stages(it), after(it.users)]).collect();
    rows.push(["afterwards, by `crossfade rollback ID --now`".into(), whole.clone()]);
    rows
}

/// How long it takes where that is known of all stages, how much there is meanwhile, and what a stop means.
fn time(shown: &Shown) -> Vec<String> {
    let known = |stage: &Stage| if stage.kind == StageKind::Approve { Some(0) } else { stage.usually_millis };
    let all: Option<u64> = shown.stages.iter().map(known).sum();
    let asks = shown.stages.iter().any(|stage| stage.kind == StageKind::Approve);
    let asked = if asks { ", and as long as somebody thinks" } else { "" };
    let about = all.map(|millis| format!("Takes about {}{asked}.", span(millis)));
    let (before, most) = (shown.changes.before, shown.changes.most);
    let peak = (most > before).then(|| format!("Meanwhile up to {most} run instead of {before}."));
    let first: Vec<String> = about.into_iter().chain(peak).collect();
    let rejects = if asks {
        ", and so do `crossfade rollback ID` and, while it asks, `crossfade reject ID`"
    } else {
        ", and so does `crossfade rollback ID`"
    };
    let stops = [
        format!("A stage that fails stops it{rejects}."),
        "Whatever stops it, everything is put back; what is deleted is deleted last.".into(),
    ];
    Some(first.join(" ")).filter(|first| !first.is_empty()).into_iter().chain(stops).collect()
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

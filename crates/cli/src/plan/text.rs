//! A plan in words: what changes, what is deleted for ever, and the stages with their times.

use std::cmp::Reverse;

use crossfade_core::capacity::Size;
use crossfade_core::kinds::elb::short;
use crossfade_core::plan::{BACK_SECONDS, Back, Change, FleetChange, StageKind, SwitchChange, Users, Weight};
use crossfade_core::settings::Difference;
use crossfade_core::split::names;
use crossfade_core::text::few;
use crossfade_steps::Status;

use super::{Event, Image, Shown, Stage};
use crate::fold::fits;
use crate::say::table;
use crate::view::text::{ago, date, shortened, span};

/// The plan for a person.
pub(super) fn lines(shown: &Shown, columns: Option<usize>) -> Vec<String> {
    let mut lines = shown.notes.clone();
    lines.push(String::new());
    lines.push(heading(shown));
    lines.extend(images(shown));
    lines.extend(same(shown));
    lines.push(String::new());
    let row = |[sign, what, how]: [String; 3]| format!("  {sign} {what}  {how}").trim_end().to_owned();
    lines.extend(changes(shown).into_iter().map(row));
    lines.push(String::new());
    if let Some(compared) = compared(shown) {
        lines.push(format!("  {compared}"));
        lines.extend(differences(shown).into_iter().map(row));
        lines.push(String::new());
    }
    lines.extend(stages(&shown.stages, columns));
    lines.push(String::new());
    lines.extend(back(shown));
    lines.extend(undone(shown));
    lines.extend(events(shown));
    lines.extend(time(shown));
    lines.push(checked(shown));
    lines.push(sum(shown));
    lines
}

/// The plan for a comment on a pull request.
pub(super) fn markdown(shown: &Shown) -> Vec<String> {
    let mut lines = vec![format!("**{}**", heading(shown)), String::new()];
    lines.extend(images(shown).map(|images| format!("{}\n", images.trim_start())));
    lines.extend(same(shown).map(|same| format!("{same}\n")));
    lines.push("```diff".into());
    // A word processor of differences knows no other signs.
    let sign = |sign: &str| match sign {
        "~" => "!".to_owned(),
        "=" => " ".to_owned(),
        other => other.to_owned(),
    };
    let row = |[of, what, how]: [String; 3]| format!("{} {what}  {how}", sign(&of)).trim_end().to_owned();
    lines.extend(changes(shown).into_iter().map(row));
    lines.extend(["```".into(), String::new()]);
    if let Some(compared) = compared(shown) {
        lines.push(capital(&compared));
        if !shown.differences.is_empty() {
            lines.extend([String::new(), "```diff".into()]);
            lines.extend(differences(shown).into_iter().map(row));
            lines.push("```".into());
        }
        lines.push(String::new());
    }
    lines.extend([
        "| | stage | | runs | usually | at most | if it fails |".into(),
        "| --: | --- | --- | --: | --: | --: | --- |".into(),
    ]);
    let cell = |text: &str| text.replace('|', "\\|");
    lines.extend(shown.stages.iter().map(|stage| {
        let (name, does) = (cell(&stage.name), cell(&stage.does));
        let (number, runs, limit) = (stage.number, stage.running, span(stage.limit_millis));
        let undone = cell(&undone_in_words(&stage.undone));
        format!("| {number} | {name} | {does} | {runs} | {} | {limit} | {undone} |", usually(stage))
    }));
    lines.push(String::new());
    let rows = back_rows(shown);
    if !rows.is_empty() {
        lines.extend([format!("| if it stops | {} |", served_again(shown)), "| --- | --- |".into()]);
        lines.extend(rows.iter().map(|[when, after]| format!("| {when} | {after} |")));
        lines.push(String::new());
    }
    lines.extend(due(shown).into_iter().map(|[at, what]| format!("- {at}: {what}")));
    if !shown.events.is_empty() {
        lines.push(String::new());
    }
    lines.extend([time(shown).join(" "), String::new(), checked(shown), String::new(), sum(shown)]);
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

/// The image before and after, as people know them.
fn images(shown: &Shown) -> Option<String> {
    let told = |image: &Image| {
        let age = image.age_millis.map(|millis| format!("{} old", ago(millis)));
        let known = image.called.clone().into_iter().chain(age).collect::<Vec<_>>().join(", ");
        if known.is_empty() { image.image.clone() } else { format!("{} ({known})", image.image) }
    };
    let mut told: Vec<String> = shown.images.iter().map(told).collect();
    told.dedup();
    (!told.is_empty()).then(|| format!("  image  {}", told.join(" → ")))
}

/// That nothing new would come of it.
fn same(shown: &Shown) -> Option<String> {
    let fleet = shown.serves_already.as_ref()?;
    let then = match shown.differences.len() {
        0 => "a deployment would make the same again",
        1 => "only what it takes from its base is new",
        _ => "only what it takes from its base is new, in several ways",
    };
    Some(format!("{} serves already, in {fleet}: {then}.", shown.artifact))
}

/// With what the new fleet was compared.
fn compared(shown: &Shown) -> Option<String> {
    let (candidate, other) = (&shown.candidate, shown.compared_with.as_ref()?);
    Some(match shown.differences.is_empty() {
        true => format!("beside its image {candidate} will have all that {other} has: the base is as it was"),
        false => format!("beside its image {candidate} will differ from {other}, by what it takes from its base:"),
    })
}

/// A row for each difference.
fn differences(shown: &Shown) -> Vec<[String; 3]> {
    let width = shown.differences.iter().map(|it| it.what().chars().count()).max().unwrap_or(0).min(WHAT);
    let row = |it: &Difference| [it.sign().to_string(), format!("{:<width$}", it.what()), it.how()];
    shown.differences.iter().map(row).collect()
}

/// How wide what differs may be before how it does stands wherever there is room.
const WHAT: usize = 44;

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
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
    rows.push(["once it is over".into(), whole.clone()]);
    rows
}

/// What follows when a stage fails: a row for each run of stages of which the same follows.
fn undone(shown: &Shown) -> Vec<String> {
    let mut runs: Vec<(usize, usize, &[String])> = Vec::new();
    for stage in &shown.stages {
        match runs.last_mut().filter(|(_, _, undone)| *undone == stage.undone) {
            Some((_, last, _)) => *last = stage.number,
            None => runs.push((stage.number, stage.number, &stage.undone)),
        }
    }
    let stages = |first: usize, last: usize| match first == last {
        true => format!("in stage {first}"),
        false => format!("in stages {first} to {last}"),
    };
    // What goes on as it does after an earlier stage is not told twice.
    let row = |(at, &(first, last, undone)): (usize, &(usize, usize, &[String]))| {
        let goes_on =
            |it: &&(usize, usize, &[String])| it.2.len() > 1 && it.2.len() < undone.len() && undone.ends_with(it.2);
        let told = match runs[..at].iter().filter(goes_on).max_by_key(|it| it.2.len()) {
            Some(same) => {
                let own = &undone[..undone.len() - same.2.len()];
                format!("{}; then as {}", own.join("; "), stages(same.0, same.1))
            }
            None => undone_in_words(undone),
        };
        [stages(first, last), told]
    };
    let heading = ["if it fails".to_owned(), "this follows by itself".to_owned()];
    let rows: Vec<[String; 2]> = std::iter::once(heading).chain(runs.iter().enumerate().map(row)).collect();
    table(&rows).into_iter().map(|row| format!("  {row}")).chain([String::new()]).collect()
}

fn undone_in_words(undone: &[String]) -> String {
    match undone {
        [] => "nothing: it fails no deployment".into(),
        some => some.join("; "),
    }
}

/// What is due meanwhile.
fn events(shown: &Shown) -> Vec<String> {
    if shown.events.is_empty() {
        return Vec::new();
    }
    let rows = due(shown);
    let heading = ["due meanwhile".to_owned(), String::new()];
    table(&[vec![heading], rows].concat()).into_iter().map(|row| format!("  {row}")).chain([String::new()]).collect()
}

fn due(shown: &Shown) -> Vec<[String; 2]> {
    let event = |event: &Event| {
        let only = if event.usually { "" } else { ", if it takes so long" };
        [format!("{}{only}", date(event.at_millis)), format!("{}: {}", event.what, event.then)]
    };
    shown.events.iter().map(event).collect()
}

/// That it was looked at, and what was here before.
fn checked(shown: &Shown) -> String {
    let last = match &shown.last_deployment {
        None => "There was no deployment here before.".to_owned(),
        Some(last) => {
            let how = match last.status {
                Status::Succeeded => "succeeded",
                Status::FailedClean => "failed, and everything was put back",
                Status::FailedDirty => "is stuck",
                Status::Accepted => "was stuck, and accepted",
                Status::Preparing | Status::Running | Status::RollingBack => "has not ended",
            };
            let took = last.took_millis.map_or_else(String::new, |took| format!(" after {}", span(took)));
            let ago = last.ago_millis.map_or_else(String::new, |millis| format!(", {} ago", ago(millis)));
            format!("The last deployment here, {}, {how}{took}{ago}.", last.deployment_id)
        }
    };
    format!("Looked at by {} calls: nothing is in the way, and nobody deploys here. {last}", shown.reads)
}

/// How much there is after each stage, as a row of bars.
fn bars(shown: &Shown) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = shown.changes.most.max(1);
    let bar = |stage: &Stage| {
        let height = u64::from(stage.running) * 7 / u64::from(most);
        BARS[usize::try_from(height).unwrap_or(7).min(7)]
    };
    shown.stages.iter().map(bar).collect()
}

/// How long both fleets stand side by side, and what that is in their members' time.
fn side_by_side(shown: &Shown) -> Option<String> {
    let both = shown.side_by_side.as_ref()?;
    let (before, most, members) = (shown.changes.before, shown.changes.most, shown.members);
    let after = shown.stages.last().map_or(before, |stage| stage.running);
    let stages = match (both.first, both.last) {
        (first, last) if first == last => format!("in stage {first}"),
        (first, last) => format!("in stages {first} to {last}"),
    };
    let there = format!("{} {members}: {before} now, up to {most} {stages}, {after} in the end.", bars(shown));
    let member = members.trim_end_matches('s');
    // Less than a minute is one, too.
    let minutes = |millis: u64| millis.div_ceil(60_000);
    let thinks = both.extra_while_asked.map(|extra| format!("{extra} more for each minute that somebody thinks"));
    let cost = match (both.usually_millis, both.extra_millis) {
        (Some(usually), Some(extra)) => {
            let asked = thinks.map_or_else(String::new, |thinks| format!(", and {thinks}"));
            format!("Side by side for about {}: {} {member}-minutes{asked}.", span(usually), minutes(extra))
        }
        _ => {
            let asked = thinks.map_or_else(String::new, |thinks| format!("; {thinks}"));
            format!("How long that takes is known after the first deployment{asked}.")
        }
    };
    Some(format!("{there} {cost}"))
}

/// How long it takes where that is known of all stages, how much there is meanwhile, and what a stop means.
fn time(shown: &Shown) -> Vec<String> {
    let known = |stage: &Stage| if stage.kind == StageKind::Approve { Some(0) } else { stage.usually_millis };
    let all: Option<u64> = shown.stages.iter().map(known).sum();
    let asks = shown.stages.iter().any(|stage| stage.kind == StageKind::Approve);
    let asked = if asks { ", and as long as somebody thinks" } else { "" };
    let about = all.map(|millis| format!("Takes about {}{asked}.", span(millis)));
    let first: Vec<String> = about.into_iter().chain(side_by_side(shown)).collect();
    let rejects = if asks {
        ", and so do `crossfade rollback ID` and, while it asks, `crossfade reject ID`"
    } else {
        ", and so does `crossfade rollback ID`"
    };
    let stops = [
        format!("A stage that fails stops it{rejects}."),
        "Whatever stops it, everything is put back; what is deleted is deleted last. Once it is over, `crossfade rollback ID --now` goes back.".into(),
    ];
    first.into_iter().chain(stops).collect()
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

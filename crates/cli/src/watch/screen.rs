//! The live screen: what fits a terminal of so many columns and rows. Pure.

use console::{measure_text_width, truncate_str};

use crate::fold::{rows as folded_rows, wrapped};
use crate::view::now::{FleetNow, Now};
use crate::view::text::{self, span};
use crate::view::{Stage, StageState, View};

/// The least that the screen is shown on; on less, and elsewhere, there is a line for each event.
pub(crate) const LEAST: (usize, usize) = (60, 16);

/// How many rows there are for why a stage waits or failed.
const WHY: usize = 4;
/// How many rows of stages are worth more than what is said below them twice.
const STAGES: usize = 4;
/// How much of a stage's name is worth more than what stands beside it.
const NAME: usize = 20;
/// How many commands there is always room for.
const COMMANDS: usize = 2;

/// The screen, row by row: never more of them, and none wider.
pub(crate) fn frame(view: &View, trouble: Option<&str>, columns: usize, rows: usize) -> Vec<String> {
    framed(view, trouble, None, columns, rows)
}

/// The same with these rows below, instead of how to leave.
pub(crate) fn framed(
    view: &View,
    trouble: Option<&str>,
    below: Option<&[String]>,
    columns: usize,
    rows: usize,
) -> Vec<String> {
    let mut head: Vec<String> = trouble.map(|trouble| format!("! {trouble}")).into_iter().collect();
    head.extend(text::heading(view).iter().map(|line| whole(line, columns, "; started ").to_owned()));
    let with_below = |compact: bool| {
        let mut foot = foot(view, columns, compact, below.is_none());
        if let (Some(below), false) = (below, compact) {
            foot.push(String::new());
            foot.extend_from_slice(below);
        } else if let Some(below) = below {
            foot.extend_from_slice(below);
        }
        foot
    };
    fitted(view, head, with_below, columns, rows)
}

/// The stages, and as much of the log as there is room for, between a head and a foot, which is compact where it has to be.
pub(crate) fn fitted(
    view: &View,
    mut head: Vec<String>,
    foot: impl Fn(bool) -> Vec<String>,
    columns: usize,
    rows: usize,
) -> Vec<String> {
    let full = foot(false);
    let roomy = head.len() + 1 + STAGES + full.len() <= rows;
    let foot = if roomy { full } else { foot(true) };
    if roomy {
        head.push(String::new());
    }
    let room = rows.saturating_sub(head.len() + foot.len());
    let stages = stages(view, columns, room);
    let log = log(view, room.saturating_sub(stages.len()));
    let all = [head, stages, log, foot].concat();
    let mut fitted: Vec<String> = all.into_iter().map(|line| one_row(&line, columns)).collect();
    // Too low even for what is folded: the end is what people act on.
    if fitted.len() > rows {
        fitted.drain(1.min(rows)..fitted.len() - rows + 1.min(rows));
    }
    fitted
}

/// What stands below the stages: the traffic, what is asked, and what to type.
fn foot(view: &View, columns: usize, compact: bool, leave: bool) -> Vec<String> {
    let now = view.now.as_ref().map(|now| fleets(now, columns)).unwrap_or_default();
    let question = view.question.as_ref().map(|it| text::question(it, view.as_of_millis)).unwrap_or_default();
    let question = question.iter().flat_map(|line| folded_rows(line, columns)).collect();
    let mut commands = text::commands(view);
    if compact {
        commands.truncate(COMMANDS);
        return [now, question, commands].concat();
    }
    let leave: Vec<String> = leave.then(|| "ctrl-C leaves; the deployment goes on".to_owned()).into_iter().collect();
    let checks = text::checks(&view.checks);
    let blocks = [now, checks, question, commands, leave].into_iter().filter(|block| !block.is_empty());
    blocks.flat_map(|block| std::iter::once(String::new()).chain(block)).collect()
}

/// A line that takes no more than one row.
pub(crate) fn one_row(line: &str, columns: usize) -> String {
    truncate_str(&line.replace(['\n', '\t'], " "), columns, "…").into_owned()
}

/// The stages, folded as far as it takes.
fn stages(view: &View, columns: usize, room: usize) -> Vec<String> {
    let back = !view.rollback.is_empty();
    let (way, prefix) = if back { (&view.rollback, "R") } else { (&view.stages, "") };
    // Going back, only the stage that failed still matters of the way forward.
    let failed = view.stages.iter().find(|stage| back && stage.state == StageState::Failed);
    let before = failed.map(|stage| rows(std::slice::from_ref(stage), view, "", columns)).unwrap_or_default();
    let room = room.saturating_sub(before.len());
    let done = way.iter().take_while(|stage| stage.state == StageState::Done).count();
    let to_come = way.iter().rev().take_while(|stage| stage.state == StageState::ToCome).count();
    let all = rows(way, view, prefix, columns);
    let shown = if all.len() <= room {
        all
    } else {
        let (first, rest) = way.split_at(done);
        let mut folded = folded(first, "✓", "done");
        let unfolded = rows(rest, view, prefix, columns);
        if folded.len() + unfolded.len() <= room || to_come == 0 {
            folded.extend(unfolded);
        } else {
            let (here, later) = rest.split_at(rest.len() - to_come);
            folded.extend(rows(here, view, prefix, columns));
            // As many of the next as there is room for.
            let next = room.saturating_sub(folded.len() + 1).min(later.len());
            folded.extend(rows(&later[..next], view, prefix, columns));
            folded.extend(self::folded(&later[next..], "·", "to come"));
        }
        folded
    };
    [before, shown].concat()
}

/// All the stages of both ways, none folded.
pub(crate) fn unfolded(view: &View, columns: usize) -> Vec<String> {
    let mut all = rows(&view.stages, view, "", columns);
    if !view.rollback.is_empty() {
        all.push(String::new());
        all.extend(rows(&view.rollback, view, "R", columns));
    }
    all
}

/// Several stages in one row.
fn folded(stages: &[Stage], mark: &str, what: &str) -> Vec<String> {
    let took: u64 = stages.iter().filter_map(|stage| stage.millis).sum();
    let took = if took > 0 { format!("  {}", span(took)) } else { String::new() };
    match stages.len() {
        0 => Vec::new(),
        1 => vec![format!("    {mark} 1 stage {what}{took}")],
        count => vec![format!("    {mark} {count} stages {what}{took}")],
    }
}

fn rows(stages: &[Stage], view: &View, prefix: &str, columns: usize) -> Vec<String> {
    let widest = view.stages.iter().chain(&view.rollback).map(|stage| measure_text_width(&stage.name)).max();
    // What is worth knowing beside needs room, too.
    let widest = widest.unwrap_or(0).min(columns.saturating_sub(34).max(NAME));
    let mut rows = Vec::new();
    for stage in stages {
        let name = truncate_str(&stage.name, widest, "…").into_owned();
        let row = text::row(&Stage { name, ..stage.clone() }, view, prefix, widest);
        rows.push(whole(&row, columns, ", then ").to_owned());
        let why = text::below(stage, view).into_iter().flat_map(|why| wrapped(&format!("      {why}"), 6, columns));
        rows.extend(why.take(WHY));
    }
    rows
}

/// A row without what begins so, where there is no room for all of it: half a word says less than none, and below it stands again.
fn whole<'a>(row: &'a str, columns: usize, part: &str) -> &'a str {
    match row.rfind(part) {
        Some(at) if measure_text_width(row) > columns => &row[..at],
        _ => row,
    }
}

/// The end of the log, in the room that is left.
fn log(view: &View, room: usize) -> Vec<String> {
    let shown = room.saturating_sub(1).min(text::LOG_LINES).min(view.log.len());
    if shown == 0 {
        return Vec::new();
    }
    let end = view.log[view.log.len() - shown..].iter().map(|entry| text::entry(entry, view.as_of_millis));
    std::iter::once(String::new()).chain(end).collect()
}

/// The traffic and the health, with bars.
pub(crate) fn fleets(now: &Now, columns: usize) -> Vec<String> {
    let cells: u32 = match columns {
        0..50 => 6,
        50..70 => 10,
        70..100 => 20,
        _ => 30,
    };
    let widest = now.fleets.iter().map(|fleet| measure_text_width(&fleet.fleet)).max().unwrap_or(0);
    let bar = |fleet: &FleetNow| match fleet.percent {
        Some(percent) => {
            let full = (percent.min(100) * cells).div_ceil(100);
            let bar = format!("{}{}", "█".repeat(full as usize), "░".repeat((cells - full) as usize));
            format!("{bar} {percent:>3} %  ")
        }
        None => String::new(),
    };
    let row = |fleet: &FleetNow| {
        format!("{} {:<widest$} {}{}", text::side(fleet.side), fleet.fleet, bar(fleet), text::health(fleet))
    };
    let rows = now.fleets.iter().map(row);
    let rest = text::now(&Now { fleets: Vec::new(), ..now.clone() });
    rows.chain(rest).collect()
}

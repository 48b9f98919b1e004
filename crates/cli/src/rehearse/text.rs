//! What a rehearsal came to, in words.

use crossfade_core::plan::StageKind;
use crossfade_core::text::few;
use crossfade_rehearse::{Faults, Finding, NoticedBy, Once, Press, Pressed, Rehearsal, Replayed, Severity, WhatIf};

use super::Basis;
use crate::args::{APPROVE_AFTER, REQUESTS_PER_SECOND, Rehearse};
use crate::fold::fits;
use crate::say::{clock, count, table};

/// What was copied, before anything is played.
pub(super) fn head(copy: &Basis) -> Vec<String> {
    let Basis { account, region, resources, reads, from, not_modelled, assumed } = copy;
    let how = match from {
        None => format!("{reads} reads, nothing written"),
        Some(file) => format!("as {file} has it; no account was read"),
    };
    let mut lines = vec![format!("Copied {resources} resources of {account} in {region} ({how})")];
    if !not_modelled.is_empty() {
        lines.push(format!("Not modelled, so not rehearsed: {}", not_modelled.join("; ")));
    }
    lines.push(format!("Assumed: {}", assumed.join("; ")));
    lines
}

/// All of it.
pub(super) fn lines(
    rehearsal: &Rehearsal,
    here_seconds: f64,
    options: &Rehearse,
    columns: Option<usize>,
) -> Vec<String> {
    let Rehearsal { infrastructure, artifact, candidate, once, images, faults, pressed, findings, runs, .. } =
        rehearsal;
    let mut lines = rehearsal.assumed.iter().map(|assumed| format!("Assumed: {assumed}")).collect::<Vec<_>>();
    lines.push(format!("Rehearsed {artifact} to {infrastructure} as {candidate}"));
    lines.push(String::new());
    lines.extend(as_it_should_go(once));
    if !images.is_empty() {
        lines.push(String::new());
        lines.extend(what_if(images, columns));
    }
    if faults.possible > 0 {
        lines.push(String::new());
        lines.extend(with_a_fault(faults));
    }
    if !pressed.is_empty() {
        lines.push(String::new());
        lines.extend(if_you_press(pressed));
    }
    if !findings.is_empty() {
        lines.push(String::new());
        lines.extend(found(findings, &again(options)));
    }
    lines.push(String::new());
    let hurts = rehearsal.hurts();
    let warnings = findings.len() - hurts;
    lines.push(format!(
        "{} in {here_seconds:.1} s: {}, {}",
        so_many(*runs, "deployment"),
        so_many(hurts, "finding"),
        so_many(warnings, "warning")
    ));
    lines
}

/// The run that was played again.
pub(super) fn replayed(replayed: &Replayed) -> Vec<String> {
    let mut lines = vec![format!("Played {} again:", replayed.replay)];
    lines.extend(replayed.log.iter().map(|line| format!("  {line}")));
    match replayed.findings.as_slice() {
        [] => lines.push("Nothing is found.".into()),
        some => lines.extend(some.iter().flat_map(in_words)),
    }
    lines
}

fn as_it_should_go(once: &Once) -> Vec<String> {
    let Once { requests_served, requests_lost, capacity_before, capacity_most, state_transitions, .. } = once;
    let least = once.least_capacity.map_or_else(|| "nobody knows".into(), |least| format!("{least:.0}"));
    let mut lines = vec![
        format!("Once, as it should go: {:?} after {}", once.ending, clock(once.virtual_seconds)),
        format!("  requests        {} served, {} lost", count(*requests_served), count(*requests_lost)),
        format!("  capacity        {least} of {capacity_before} at least, {capacity_most} at most"),
        format!("  Step Functions  {state_transitions} state transitions, {:.4} USD", once.dollars),
        format!("  AWS calls       {} reads, {} changes", once.read_calls, once.mutating_calls),
    ];
    if !once.cause.is_empty() {
        lines.push(format!("  {}", once.cause));
    }
    let mut before = 0;
    for passed in &once.timeline {
        let users = match passed.percent {
            percent if percent == before => String::new(),
            percent => format!(": {percent} % of the users"),
        };
        before = passed.percent;
        let asked = if passed.kind == StageKind::Approve { ", asked" } else { "" };
        lines.push(format!("  {:>7}  ✓ {}{users}{asked}", clock(passed.to_seconds), passed.stage));
    }
    lines.extend(once.due.iter().map(|due| {
        let held = if due.concerned { "; crossfade holds its size meanwhile" } else { "" };
        format!("  {:>7}  the scheduled action {} of {} is due{held}", clock(due.at_seconds), due.action, due.fleet)
    }));
    lines
}

fn what_if(images: &[WhatIf], columns: Option<usize>) -> Vec<String> {
    let head = ["If the new image …", "ends", "users back after", "went wrong", "over after", ""];
    let mut rows = vec![head.map(str::to_owned)];
    rows.extend(images.iter().map(|it| {
        let notes = match it.noticed_by {
            NoticedBy::Nobody => "✗ nobody looks",
            NoticedBy::Person => "! if whoever approves looks",
            NoticedBy::Deployment | NoticedBy::Nothing => "",
        };
        let back = match (it.back_seconds, it.had_users) {
            (Some(seconds), _) => clock(seconds),
            (None, true) if it.noticed_by == NoticedBy::Nobody => "never".into(),
            _ => "–".into(),
        };
        [
            format!("  {}", it.image.name()),
            format!("{:?}", it.ending),
            back,
            format!("{} requests", count(it.bad + it.lost)),
            clock(it.over_seconds),
            notes.to_owned(),
        ]
    }));
    let lines = table(&rows);
    if fits(&lines, columns) {
        return lines;
    }
    let told = rows.iter().skip(1).map(|[image, ends, back, wrong, over, notes]| {
        let notes = if notes.is_empty() { String::new() } else { format!("; {notes}") };
        format!("{image}: {ends}; users back after {back}; {wrong} went wrong; over after {over}{notes}")
    });
    std::iter::once(head[0].to_owned()).chain(told).collect()
}

fn with_a_fault(faults: &Faults) -> Vec<String> {
    let Faults { kinds, places, possible, played, succeeded, clean, dirty, lost, .. } = faults;
    let of = if played < possible {
        format!("{} of {} at random (--faults each plays all)", count(*played as u64), count(*possible as u64))
    } else {
        format!("all {}", count(*possible as u64))
    };
    let least = faults.least_capacity.map_or_else(String::new, |least| format!("; capacity {least:.0} at least"));
    vec![
        format!("With a fault at one of {places} places: {of}"),
        format!(
            "  {succeeded} went on and succeeded, {clean} ended FailedClean, {dirty} FailedDirty; {lost} requests lost{least}"
        ),
        format!("  kinds: {}", few(kinds)),
    ]
}

fn if_you_press(pressed: &[Pressed]) -> Vec<String> {
    let when = |it: &Pressed| if it.succeeded { "after success".into() } else { format!("at {} %", it.percent) };
    let took = |it: &Pressed| match it.seconds {
        Some(seconds) => format!("{} {seconds} s", when(it)),
        None => format!("{}: never", when(it)),
    };
    let row = |press: &Press| {
        let times: Vec<String> = pressed.iter().filter(|it| it.press == *press).map(took).collect();
        (!times.is_empty()).then(|| [format!("  {}", press.name()), times.join(" · ")])
    };
    let rows: Vec<[String; 2]> = Press::ALL.iter().filter_map(row).collect();
    let head = "If you press … until all users are on the old version".to_owned();
    std::iter::once(head).chain(table(&rows)).collect()
}

fn found(findings: &[Finding], again: &str) -> Vec<String> {
    let mut lines = vec!["Found:".to_owned()];
    for finding in findings {
        lines.extend(in_words(finding));
        lines.extend(finding.replay.iter().map(|token| format!("    {again} --replay {token}")));
    }
    lines
}

fn in_words(finding: &Finding) -> Vec<String> {
    let sign = if finding.severity == Severity::Finding { "✗" } else { "!" };
    let runs = if finding.runs > 1 { format!(" ({} runs)", finding.runs) } else { String::new() };
    let mut lines = vec![format!("  {sign} {}{runs}", finding.what)];
    lines.extend(finding.fix.iter().map(|fix| format!("    {fix}")));
    lines
}

fn so_many(number: usize, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{} {what}{s}", count(number as u64))
}

/// The command that plays a run of this rehearsal again.
fn again(options: &Rehearse) -> String {
    let mut command = format!("crossfade rehearse {}", options.source.document.display());
    let from = options.from.as_ref().or(options.state.as_ref());
    command += &from.map_or_else(String::new, |file| format!(" --from {}", file.display()));
    if options.seed != 1 {
        command += &format!(" --seed {}", options.seed);
    }
    if options.approve_after != APPROVE_AFTER {
        command += &format!(" --approve-after {}s", options.approve_after.as_secs());
    }
    if options.requests_per_second != REQUESTS_PER_SECOND {
        command += &format!(" --requests-per-second {}", options.requests_per_second);
    }
    command
}

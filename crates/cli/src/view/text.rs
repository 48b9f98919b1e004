//! The view of a deployment in words, for people: each line by itself, plain.

use crossfade_core::document::Decision;
use crossfade_core::kinds::elb::describe;
use crossfade_core::plan::Direction;
use crossfade_core::text::NAMED;
use crossfade_steps::Status;

use super::checks::{CheckSeen, Verdict};
use super::now::{FleetNow, Now, Side, SwitchNow};
use super::{Entry, Question, Revision, Stage, StageState, View};
use crate::say::{clock, table};

/// How many lines of the log are shown unless all are wanted.
pub(crate) const LOG_LINES: usize = 10;

/// A number of milliseconds as a clock shows them.
pub(crate) fn span(millis: u64) -> String {
    clock(millis as f64 / 1000.0)
}

/// How long ago, in the coarsest words that still say something.
pub(crate) fn ago(millis: u64) -> String {
    match millis / 86_400_000 {
        0 => span(millis),
        days => format!("{days} d"),
    }
}

fn at(millis: u64, format: &str) -> String {
    let time = jiff::Timestamp::from_millisecond(i64::try_from(millis).unwrap_or(i64::MAX));
    time.map(|time| time.strftime(format).to_string()).unwrap_or_default()
}

/// `14:11:02Z`.
pub(crate) fn time(millis: u64) -> String {
    at(millis, "%H:%M:%SZ")
}

/// `2026-11-29 14:11:02Z`.
pub(crate) fn date(millis: u64) -> String {
    at(millis, "%Y-%m-%d %H:%M:%SZ")
}

/// The time alone when both are of one day.
pub(crate) fn time_seen(millis: u64, from: u64) -> String {
    if at(millis, "%F") == at(from, "%F") { time(millis) } else { date(millis) }
}

/// How a deployment stands, in capitals where somebody has to do something.
pub(crate) fn state(view: &View) -> String {
    let since = |from: u64| ago(view.as_of_millis.saturating_sub(from));
    let took = || view.ended_millis.map_or_else(String::new, |ended| span(ended.saturating_sub(view.started_millis)));
    let ended = || view.ended_millis.map_or_else(String::new, |ended| format!(", {} ago", since(ended)));
    match view.status {
        Status::Preparing => format!("· preparing for {}", since(view.started_millis)),
        _ if view.died.is_some() => format!("✗ stopped, started {} ago", since(view.started_millis)),
        Status::Running => format!("▶ running for {}", since(view.started_millis)),
        Status::RollingBack => match view.rollback_millis {
            Some(began) => format!("↩ rolling back for {}", since(began)),
            None => "↩ rolling back".into(),
        },
        Status::Succeeded => format!("✓ succeeded in {}{}", took(), ended()),
        Status::FailedClean => format!("✗ failed after {}{}; everything is as it was", took(), ended()),
        Status::FailedDirty => format!("✗ FAILED DIRTY after {}{}; nothing moves, the lock is held", took(), ended()),
        Status::Accepted => format!("✗ failed after {}{}; what it left is kept", took(), ended()),
    }
}

/// Whoever started a deployment, without what everybody in the account has in common: `Deployer/alice` of a role and a session.
pub(crate) fn who(by: &str) -> &str {
    let name = by.starts_with("arn:").then(|| by.splitn(6, ':').nth(5)).flatten().unwrap_or(by);
    ["assumed-role/", "user/"].iter().find_map(|kind| name.strip_prefix(kind)).unwrap_or(name)
}

/// The first lines: which deployment, where, how it stands, and what is deployed.
pub(crate) fn heading(view: &View) -> Vec<String> {
    let revisions = |of: &[Revision]| of.iter().map(|it| it.fleet.as_str()).collect::<Vec<_>>().join(", ");
    let what = match (&view.candidate, view.from.as_slice()) {
        (Some(candidate), []) => format!("{} → {}", view.artifact, candidate.fleet),
        (Some(candidate), from) => format!("{} → {}, from {}", view.artifact, candidate.fleet, revisions(from)),
        (None, _) => view.artifact.clone(),
    };
    let by = view.started_by.as_deref().map_or_else(String::new, |by| format!(" by {}", who(by)));
    let mut lines = vec![
        format!("{}  {}  {}", view.deployment_id, view.infrastructure, state(view)),
        format!("{}started {}{by}", if what.is_empty() { what } else { what + "; " }, date(view.started_millis)),
    ];
    lines.extend(Some(&view.description).filter(|it| !it.is_empty()).cloned());
    lines
}

/// The sign of a stage's state.
pub(crate) fn mark(state: StageState) -> &'static str {
    match state {
        StageState::Done => "✓",
        StageState::Running => "▶",
        StageState::Asking => "?",
        StageState::Failed => "✗",
        StageState::ToCome => "·",
        StageState::NotReached => " ",
    }
}

/// What silence becomes.
pub(crate) fn silence(question: &Question) -> &'static str {
    match (question.on_timeout, question.direction) {
        (Decision::Approve, Direction::Deploy) => "approved",
        (Decision::Reject, Direction::Deploy) => "REJECTED",
        (_, Direction::Rollback) => "the inspection ends",
    }
}

/// How long somebody still has to answer.
pub(crate) fn left(question: &Question, now_millis: u64) -> String {
    let left = question.deadline_millis.saturating_sub(now_millis);
    format!("{} left, then {}", span(left), silence(question))
}

/// What is worth knowing of a stage beside how long it took.
pub(crate) fn remark(stage: &Stage, view: &View) -> String {
    let last_time = || stage.last_time_millis.map(|millis| format!("last time {}", span(millis)));
    let limit = || Some(format!("limit {}", span(stage.limit_millis)));
    let planned = || stage.planned_millis.map(|millis| format!("takes {}", span(millis)));
    let asked = || view.question.as_ref().filter(|question| question.stage == stage.number);
    let parts = match stage.state {
        StageState::Done => vec![last_time()],
        StageState::Asking => vec![asked().map(|question| left(question, view.as_of_millis))],
        StageState::Running => vec![planned(), last_time(), limit()],
        StageState::ToCome => vec![planned(), last_time()],
        StageState::Failed | StageState::NotReached => vec![],
    };
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The stages as a table, and under the one that waits or failed why.
pub(crate) fn stages(view: &View) -> Vec<String> {
    let widest = view.stages.iter().chain(&view.rollback).map(|stage| stage.name.chars().count()).max().unwrap_or(0);
    let mut lines = rows(view, &view.stages, "", widest);
    if !view.rollback.is_empty() {
        lines.push(String::new());
        lines.extend(rows(view, &view.rollback, "R", widest));
    }
    lines
}

/// The rows of one way.
fn rows(view: &View, stages: &[Stage], prefix: &str, widest: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for stage in stages {
        lines.push(row(stage, view, prefix, widest));
        lines.extend(below(stage, view).iter().map(|why| format!("      {why}")));
    }
    lines
}

/// One stage: its number, sign and name, how long it took, and what is worth knowing.
pub(crate) fn row(stage: &Stage, view: &View, prefix: &str, widest: usize) -> String {
    let number = format!("{prefix}{}", stage.number);
    let took = stage.millis.map(span).unwrap_or_default();
    let line = format!("{number:>3} {} {:<widest$}  {took:>7}  {}", mark(stage.state), stage.name, remark(stage, view));
    line.trim_end().to_owned()
}

/// Why a stage waits, or why it failed: on the way back when that cannot go on, otherwise on the way forward.
pub(crate) fn below(stage: &Stage, view: &View) -> Vec<String> {
    let failed = |stage: &&Stage| stage.state == StageState::Failed;
    let fails_at = view.rollback.iter().find(failed).or_else(|| view.stages.iter().find(failed));
    match stage.state {
        StageState::Running => stage.missing.iter().cloned().collect(),
        StageState::Failed if fails_at.is_some_and(|it| (it.number, &it.name) == (stage.number, &stage.name)) => {
            why(view)
        }
        _ => Vec::new(),
    }
}

/// Why it failed, what is left, and how that began: a line for each.
pub(crate) fn why(view: &View) -> Vec<String> {
    let Some(failure) = &view.failure else { return Vec::new() };
    let text = format!("{}: {}", failure.error, failure.cause);
    let parts =
        text.replace(" Left: ", "\nLeft: ").replace(" The deployment had failed with ", "\nIt had failed with ");
    parts.lines().map(str::to_owned).collect()
}

/// `shop-a 90 : shop-b 10`, old before new.
pub(crate) fn weights(switch: &SwitchNow) -> String {
    switch.weights.iter().map(|it| format!("{} {}", it.target_group, it.now)).collect::<Vec<_>>().join(" : ")
}

/// Old, then new.
pub(crate) fn side(side: Side) -> &'static str {
    match side {
        Side::Old => "old",
        Side::New => "new",
    }
}

/// `4/4 healthy, 1 starting`.
pub(crate) fn health(fleet: &FleetNow) -> String {
    let mut text = format!("{}/{} healthy", fleet.healthy, fleet.desired);
    for (count, word) in [(fleet.starting, "starting"), (fleet.leaving, "leaving")] {
        if count > 0 {
            text.push_str(&format!(", {count} {word}"));
        }
    }
    for (reason, count) in &fleet.reasons {
        text.push_str(&format!(", {reason} {count}"));
    }
    text
}

/// The traffic and the health, in one line: `old shop__6 90 % 4/4 · new shop__7 10 % 4/4`.
pub(crate) fn in_short(now: &Now) -> String {
    let each = now.fleets.iter().map(|fleet| {
        let percent = fleet.percent.map_or_else(String::new, |percent| format!(" {percent} %"));
        format!("{}{percent} {}/{}", side(fleet.side), fleet.healthy, fleet.desired)
    });
    let fleets: Vec<String> = each.collect();
    match &now.problem {
        Some(_) if fleets.is_empty() => "traffic and health could not be read".into(),
        _ => fleets.join("  "),
    }
}

/// The traffic and the health.
pub(crate) fn now(now: &Now) -> Vec<String> {
    let widest = now.fleets.iter().map(|fleet| fleet.fleet.chars().count()).max().unwrap_or(0);
    let mut lines: Vec<String> = now
        .fleets
        .iter()
        .map(|fleet| {
            let percent = fleet.percent.map_or_else(|| "    –".into(), |percent| format!("{percent:>3} %"));
            format!("  {}  {:<widest$}  {percent}  {}", side(fleet.side), fleet.fleet, health(fleet))
        })
        .collect();
    for switch in now.switches.iter().filter(|switch| drifted(switch)) {
        lines.push(format!("  ! somebody else has set the weights of {}", shortened(&switch.on)));
        let heading = ["", "before", "we set", "now"].map(str::to_owned);
        let row = |it: &super::now::Weight| {
            let [before, set, now] = [it.before, it.set.unwrap_or(it.before), it.now].map(|it| format!("{it:>6}"));
            [it.target_group.clone(), before, set, now]
        };
        let rows = [vec![heading], switch.weights.iter().map(row).collect()].concat();
        lines.extend(table(&rows).into_iter().map(|row| format!("      {row}")));
    }
    lines.extend(now.problem.iter().map(|why| format!("  could not be read: {why}")));
    lines
}

/// `rule app/shop/…/4dc05e242e780a26`: without what only a machine needs.
pub(crate) fn shortened(arn: &str) -> String {
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

/// Whether somebody else has set the weights of a switch.
pub(crate) fn any_drifted(now: &Now) -> bool {
    now.switches.iter().any(drifted)
}

/// Whether somebody else has set its weights.
pub(crate) fn drifted(switch: &SwitchNow) -> bool {
    let ours = |of: &super::now::Weight| of.now == of.set.unwrap_or(of.before);
    let before = |of: &super::now::Weight| of.now == of.before;
    !switch.weights.iter().all(ours) && !switch.weights.iter().all(before)
}

/// A check in one line: `✗ errors: bad, errorRate of …`.
pub(crate) fn check(verdict: Verdict, name: &str, said: &str) -> String {
    let (mark, word) = match verdict {
        Verdict::Good => ("✓", "good, "),
        // Its words say so.
        Verdict::SoFar => ("·", ""),
        Verdict::Unknown => ("?", "unsure, "),
        Verdict::Bad => ("✗", "bad, "),
    };
    format!("{mark} {name}: {word}{said}")
}

/// What each check said last, of those that have said anything.
pub(crate) fn checks(checks: &[CheckSeen]) -> Vec<String> {
    checks.iter().filter_map(|seen| Some(format!("  {}", check(seen.verdict()?, &seen.name, &seen.said)))).collect()
}

/// The members that were made, by their ids, unless they are too many to be read.
fn made(view: &View) -> Vec<String> {
    match view.made.len() {
        0 => Vec::new(),
        1..=NAMED => vec![format!("made {}", view.made.join(", "))],
        many => vec![format!("made {many} (--output json names them)")],
    }
}

/// The question in full.
pub(crate) fn question(question: &Question, now_millis: u64) -> Vec<String> {
    let message = if question.message.is_empty() { "Go on?" } else { &question.message };
    let counts = match (question.on_timeout, question.direction) {
        (_, Direction::Rollback) => "the inspection ends, and the rollback goes on",
        (Decision::Approve, _) => "it counts as APPROVED",
        (Decision::Reject, _) => "it counts as REJECTED, and everything goes back",
    };
    let left = span(question.deadline_millis.saturating_sub(now_millis));
    vec![
        format!("? {}: {message}", question.name),
        format!("  without an answer by {} ({left} left) {counts}", time_seen(question.deadline_millis, now_millis)),
    ]
}

/// The commands, below each other.
pub(crate) fn commands(view: &View) -> Vec<String> {
    let widest = view.commands.iter().map(|it| it.command.chars().count()).max().unwrap_or(0);
    view.commands.iter().map(|it| format!("  {:<widest$}  # {}", it.command, it.does)).collect()
}

/// A line of the log with its time.
pub(crate) fn entry(entry: &Entry, now_millis: u64) -> String {
    format!("  {}  {}", time_seen(entry.at_millis, now_millis), entry.line)
}

/// All of it; of the log its end, unless all of it is wanted.
pub(crate) fn all(view: &View, whole_log: bool) -> Vec<String> {
    let mut blocks = vec![heading(view)];
    blocks.push(stages(view));
    if let Some(remaining) = view.remaining_millis.filter(|millis| *millis > 0) {
        blocks.push(vec![format!("about {} from here, questions aside", span(remaining))]);
    }
    // Where no stage can say it.
    let told = view.stages.iter().chain(&view.rollback).any(|stage| stage.state == StageState::Failed);
    blocks.push(if told { Vec::new() } else { why(view) });
    blocks.push(view.died.iter().cloned().collect());
    blocks.push(view.stopping.iter().map(|who| format!("it stops before its next stage, says {who}")).collect());
    blocks.push(view.now.as_ref().map(now).unwrap_or_default());
    blocks.push(checks(&view.checks));
    blocks.push(made(view));
    blocks.push(view.question.as_ref().map(|it| question(it, view.as_of_millis)).unwrap_or_default());
    blocks.push(commands(view));
    blocks.push(log(view, whole_log));
    blocks.retain(|block| !block.is_empty());
    blocks.join(&String::new())
}

/// The log, or its end: without the line that says once more why it failed.
fn log(view: &View, whole: bool) -> Vec<String> {
    let again = |entry: &&Entry| view.failure.as_ref().is_some_and(|failure| entry.line.ends_with(&failure.cause));
    let lines: Vec<&Entry> = view.log.iter().filter(|entry| whole || !again(entry)).collect();
    let shown = if whole { lines.len() } else { lines.len().min(LOG_LINES) };
    let heading = if shown < lines.len() { "log, its end (--log for all)" } else { "log" };
    let shown = lines[lines.len() - shown..].iter().map(|line| entry(line, view.as_of_millis));
    let heading = (!lines.is_empty()).then(|| heading.to_owned());
    heading.into_iter().chain(shown).collect()
}

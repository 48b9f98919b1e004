//! Judging: what the checks of a document say of what was seen, as one of three answers.
//!
//! Absence of data is never good, unless the document says so; and what nobody knows never ends a deployment while it goes on.
//! It is pure: alarms and series in, answers out; the same for a deployment that goes on and for one that is long over.

mod cost;
mod measure;
mod metric;
mod normal;
pub mod ranks;
pub mod ratio;
mod series;
mod times;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use crate::document::{AtStart, Check, Unknown};
use crate::text;

pub use cost::{cost, expected};
pub use metric::{COMPARED, Look};
pub use series::{Found, Pool, Query, Series, Side, Sides, Wanted};
pub use times::{Moment, Span, Times};

/// The longest reason of an alarm that is repeated, in bytes.
const REASON: usize = 500;

/// An alarm as CloudWatch shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: AlarmState,
    /// Since when, in milliseconds since 1970.
    pub since_millis: u64,
    /// Why, in CloudWatch's words.
    pub reason: String,
}

/// What an alarm thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmState {
    /// What it looks at is as it should be.
    Ok,
    /// What it looks at is not.
    Alarm,
    /// It does not know.
    InsufficientData,
}

/// What a check says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// All is well; of metrics in words.
    Good(String),
    /// It is not; in words.
    Bad(String),
    /// Nobody knows; in words.
    Unsure(String),
}

/// What all checks say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Those that are bad, in words.
    pub bad: Vec<String>,
    /// Those of which nobody knows, in words.
    pub unsure: Vec<String>,
    /// Those that are good, as far as there is something to tell of them.
    pub good: Vec<String>,
    /// What those say that do not count, in words.
    pub dry: Vec<String>,
}

/// What these checks say of the alarms that were found, in a deployment that began then, and of the metrics of a look.
pub fn judge(
    checks: &BTreeMap<&str, &Check>,
    alarms: &[Alarm],
    started_millis: u64,
    look: Option<Look<'_>>,
) -> Verdict {
    let mut verdict = Verdict::default();
    for (name, check) in checks {
        let answer = match (&check.metric, look) {
            (Some(metric), Some(look)) => metric::answer(name, check, metric, look),
            (Some(_), None) => Answer::Unsure(format!("{name}: nothing was asked yet")),
            (None, _) => alarmed(name, check, alarms, started_millis),
        };
        match answer {
            Answer::Bad(why) if check.dry_run => verdict.dry.push(format!("would be bad: {why}")),
            Answer::Unsure(why) if check.dry_run => verdict.dry.push(format!("nobody knows: {why}")),
            Answer::Good(told) if check.dry_run => verdict.dry.push(format!("would be good: {told}")),
            Answer::Bad(why) => verdict.bad.push(why),
            Answer::Unsure(why) => verdict.unsure.push(why),
            Answer::Good(told) => verdict.good.extend(Some(told).filter(|told| !told.is_empty())),
        }
    }
    verdict
}

/// Everything that these checks ask CloudWatch, of both sides.
pub fn queries(checks: &BTreeMap<&str, &Check>, sides: &Sides) -> BTreeSet<Query> {
    let mut queries = BTreeSet::new();
    for check in checks.values() {
        let Some(metric) = &check.metric else { continue };
        queries.extend(sides.candidate.wanted(metric).all().cloned());
        if let (Some(stable), Some(_)) = (&sides.stable, &check.compare) {
            queries.extend(stable.wanted(metric).all().cloned());
        }
    }
    queries
}

fn alarmed(name: &str, check: &Check, found: &[Alarm], started_millis: u64) -> Answer {
    let wanted = check.alarm.as_deref().unwrap_or_default();
    let Some(alarm) = found.iter().find(|alarm| alarm.name == wanted) else {
        return Answer::Unsure(format!("{name}: there is no alarm {wanted} any more"));
    };
    let good = || Answer::Good(String::new());
    match alarm.state {
        AlarmState::Ok => good(),
        // It has been since before: what is deployed may be the repair.
        AlarmState::Alarm if check.at_start == AtStart::Accept && alarm.since_millis < started_millis => good(),
        AlarmState::Alarm => {
            Answer::Bad(format!("{name}: alarm {} is in ALARM: {}", alarm.name, text::one_line(&alarm.reason, REASON)))
        }
        AlarmState::InsufficientData => match check.insufficient_data {
            Unknown::Good => good(),
            Unknown::Unsure => Answer::Unsure(format!("{name}: alarm {} has INSUFFICIENT_DATA", alarm.name)),
        },
    }
}

/// What of these checks stands in the way of a deployment that has not begun, each in a sentence with what to do.
pub fn obstacles(checks: &BTreeMap<&str, &Check>, found: &[Alarm]) -> Vec<String> {
    let obstacle = |(name, check): (&&str, &&Check)| {
        let wanted = check.alarm.as_ref()?;
        let path = format!("verification.checks.{name}.alarm = {wanted}");
        let Some(alarm) = found.iter().find(|alarm| alarm.name == *wanted) else {
            return Some(format!("{path}: there is no such alarm in this account and region. Correct the name."));
        };
        let burning = alarm.state == AlarmState::Alarm && check.at_start == AtStart::Refuse;
        burning.then(|| {
            format!(
                "{path} is in ALARM already: {}. Wait until it is not; or, if this deployment is the repair, set `atStart: accept`.",
                text::one_line(&alarm.reason, REASON).trim_end_matches('.')
            )
        })
    };
    checks.iter().filter_map(obstacle).collect()
}

#[cfg(test)]
#[path = "verification/tests.rs"]
mod of_metrics;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(at_start: AtStart, insufficient_data: Unknown) -> Check {
        Check { alarm: Some("shop-pager".into()), at_start, insufficient_data, ..Check::default() }
    }

    fn alarm(state: AlarmState, since_millis: u64) -> Alarm {
        Alarm { name: "shop-pager".into(), state, since_millis, reason: "5 errors\u{1b}[2J".into() }
    }

    fn said(check: &Check, found: &[Alarm]) -> Verdict {
        judge(&BTreeMap::from([("pager", check)]), found, 1_000, None)
    }

    #[test]
    fn an_alarm_is_bad_and_what_nobody_knows_is_not_good() {
        let strict = check(AtStart::Refuse, Unknown::Unsure);
        assert_eq!(said(&strict, &[alarm(AlarmState::Ok, 0)]), Verdict::default());
        let bad = said(&strict, &[alarm(AlarmState::Alarm, 2_000)]);
        assert_eq!(bad.bad, ["pager: alarm shop-pager is in ALARM: 5 errors [2J"]);
        let unsure = said(&strict, &[alarm(AlarmState::InsufficientData, 0)]);
        assert_eq!(unsure.unsure, ["pager: alarm shop-pager has INSUFFICIENT_DATA"]);
        // Somebody has deleted it: that is no health either.
        assert_eq!(said(&strict, &[]).unsure, ["pager: there is no alarm shop-pager any more"]);
        let lenient = check(AtStart::Refuse, Unknown::Good);
        assert_eq!(said(&lenient, &[alarm(AlarmState::InsufficientData, 0)]), Verdict::default());
    }

    #[test]
    fn an_alarm_from_before_does_not_keep_its_repair_out_and_counts_again_once_it_was_quiet() {
        let accepted = check(AtStart::Accept, Unknown::Unsure);
        assert_eq!(said(&accepted, &[alarm(AlarmState::Alarm, 999)]), Verdict::default());
        assert_eq!(said(&accepted, &[alarm(AlarmState::Alarm, 1_001)]).bad.len(), 1);
        // Where it is refused at the start, it began in between.
        assert_eq!(said(&check(AtStart::Refuse, Unknown::Unsure), &[alarm(AlarmState::Alarm, 999)]).bad.len(), 1);
    }

    #[test]
    fn what_cannot_be_judged_or_burns_already_stands_in_the_way() {
        let (refuse, accept) = (check(AtStart::Refuse, Unknown::Unsure), check(AtStart::Accept, Unknown::Unsure));
        let checks =
            |at_start| BTreeMap::from([("pager", if at_start == AtStart::Refuse { &refuse } else { &accept })]);
        let missing = obstacles(&checks(AtStart::Refuse), &[]);
        assert_eq!(
            missing,
            [
                "verification.checks.pager.alarm = shop-pager: there is no such alarm in this account and region. Correct the name."
            ]
        );
        let burning = obstacles(&checks(AtStart::Refuse), &[alarm(AlarmState::Alarm, 0)]);
        assert!(burning[0].contains("is in ALARM already: 5 errors [2J. Wait"), "{burning:?}");
        assert_eq!(obstacles(&checks(AtStart::Accept), &[alarm(AlarmState::Alarm, 0)]), Vec::<String>::new());
        assert_eq!(
            obstacles(&checks(AtStart::Refuse), &[alarm(AlarmState::InsufficientData, 0)]),
            Vec::<String>::new()
        );
    }
}

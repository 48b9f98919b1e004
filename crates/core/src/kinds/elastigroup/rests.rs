//! What of an Elastigroup rests, and until when.
//!
//! What it owns: what a deployment owes when it gives back what it took. What somebody put to rest with a time limit is given back with
//! the rest of its time; where that is over, it goes on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::RESTING;

/// How much later than meant something may go on, in milliseconds: Spot counts in minutes, and a call takes its time.
const ALIKE_MILLIS: u64 = 2 * 60_000;

/// Whether something rests, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// It does not.
    Not,
    /// Until this time, in milliseconds since 1970.
    Until(u64),
    /// Until somebody lets it go on, as far as Spot tells.
    ForGood,
}

impl Rest {
    /// What it is at this time by itself.
    fn at(self, millis: u64) -> Self {
        match self {
            Self::Until(end) if end <= millis => Self::Not,
            other => other,
        }
    }

    fn alike(self, other: Self) -> bool {
        match (self, other) {
            (Self::Until(one), Self::Until(other)) => one.abs_diff(other) <= ALIKE_MILLIS,
            (one, other) => one == other,
        }
    }
}

/// What of a group rests, by Spot's names and in order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rests {
    suspended: Vec<String>,
    /// When what has a limit goes on, in milliseconds since 1970, as far as Spot tells.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    until_millis: BTreeMap<String, u64>,
    /// When that was seen.
    #[serde(skip)]
    at_millis: u64,
}

impl PartialEq for Rests {
    /// Whenever it was seen.
    fn eq(&self, other: &Self) -> bool {
        (&self.suspended, &self.until_millis) == (&other.suspended, &other.until_millis)
    }
}

impl Eq for Rests {}

impl Rests {
    /// What was seen at this time: names, and for each until when, if it has a limit.
    pub fn seen(all: impl Iterator<Item = (String, Option<u64>)>, at_millis: u64) -> Self {
        let all: BTreeMap<String, Option<u64>> = all.collect();
        let until_millis = all.iter().filter_map(|(name, end)| Some((name.clone(), (*end)?))).collect();
        Self { suspended: all.into_keys().collect(), until_millis, at_millis }
    }

    /// When it was seen.
    pub fn at_millis(&self) -> u64 {
        self.at_millis
    }

    /// Whether a process rests.
    pub fn has(&self, process: &str) -> bool {
        self.suspended.iter().any(|name| name == process)
    }

    /// Until when a process rests.
    pub fn of(&self, process: &str) -> Rest {
        match self.until_millis.get(process) {
            _ if !self.has(process) => Rest::Not,
            Some(end) => Rest::Until(*end),
            None => Rest::ForGood,
        }
    }

    /// What is to be put to rest, or to go on, until `now` is what this would be by now: of what a deployment puts to rest. What somebody
    /// has put to rest for a shorter time since is theirs.
    pub fn owed(&self, now: &Self) -> Vec<(&'static str, Rest)> {
        let owed = |process: &&'static str| {
            let (meant, found) = (self.of(process).at(now.at_millis), now.of(process));
            let theirs = matches!((meant, found), (Rest::ForGood, Rest::Until(_)));
            (!theirs && !meant.alike(found)).then_some((*process, meant))
        };
        RESTING.iter().filter_map(owed).collect()
    }

    /// Whether `now` is what this would be by now, with everything in it.
    pub(super) fn rest_alike(&self, now: &Self) -> bool {
        let soon = now.at_millis + ALIKE_MILLIS;
        let alike = |it: &String| {
            let (meant, found) = (self.of(it), now.of(it));
            meant.at(now.at_millis).alike(found) || meant.at(soon).alike(found.at(soon))
        };
        self.suspended.iter().chain(&now.suspended).all(alike)
    }

    /// What rests at this time, for a person.
    pub(super) fn words(&self, at_millis: u64) -> String {
        let words = |name: &String| match self.of(name).at(at_millis) {
            Rest::Not => None,
            Rest::ForGood => Some(name.clone()),
            Rest::Until(end) => Some(format!("{name} for {} minutes", (end - at_millis).div_ceil(60_000))),
        };
        let found: Vec<String> = self.suspended.iter().filter_map(words).collect();
        if found.is_empty() { "nothing".to_owned() } else { found.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60_000;

    fn seen(at: u64, all: &[(&str, Option<u64>)]) -> Rests {
        Rests::seen(all.iter().map(|(name, end)| ((*name).to_owned(), end.map(|end| end * MINUTE))), at * MINUTE)
    }

    #[test]
    fn e8_what_had_a_limit_is_owed_for_the_rest_of_its_time_and_not_at_all_when_that_is_over() {
        let before = seen(0, &[("AUTO_SCALE", Some(60)), ("REVERT_PREFERRED", None), ("SCHEDULING", Some(30))]);
        // As a deployment has left it: policies go on, the schedule rests for days, all else for good.
        let taken =
            |at| seen(at, &[("OUT_OF_STRATEGY", None), ("REVERT_PREFERRED", None), ("SCHEDULING", Some(9_999))]);
        let until = |minutes: u64| Rest::Until(minutes * MINUTE);
        assert_eq!(
            before.owed(&taken(10)),
            [("AUTO_SCALE", until(60)), ("SCHEDULING", until(30)), ("OUT_OF_STRATEGY", Rest::Not)]
        );
        assert_eq!(
            before.owed(&taken(40)),
            [("AUTO_SCALE", until(60)), ("SCHEDULING", Rest::Not), ("OUT_OF_STRATEGY", Rest::Not)]
        );
        assert_eq!(before.owed(&taken(90)), [("SCHEDULING", Rest::Not), ("OUT_OF_STRATEGY", Rest::Not)]);
        // Given back, to the minute. That it lacks its last minute is not worth a word.
        let back = seen(40, &[("AUTO_SCALE", Some(61)), ("REVERT_PREFERRED", None)]);
        assert_eq!(before.owed(&seen(59, &[("REVERT_PREFERRED", None)])), [("AUTO_SCALE", until(60))]);
        assert!(before.rest_alike(&seen(59, &[("REVERT_PREFERRED", None)])));
        assert_eq!(before.owed(&back), []);
        assert!(before.rest_alike(&back) && !before.rest_alike(&taken(40)));
    }

    #[test]
    fn e8_what_somebody_has_given_a_limit_since_is_theirs_and_told() {
        let (before, now) = (seen(0, &[("SCHEDULING", None)]), seen(10, &[("SCHEDULING", Some(30))]));
        assert_eq!(before.owed(&now), []);
        assert!(!before.rest_alike(&now));
        assert_eq!(
            (now.words(10 * MINUTE), before.words(10 * MINUTE)),
            ("SCHEDULING for 20 minutes".into(), "SCHEDULING".into())
        );
        assert_eq!(now.words(30 * MINUTE), "nothing");
    }

    #[test]
    fn e8_the_record_is_what_it_always_was_and_says_more_only_where_there_is_a_limit() {
        let json = |rests: &Rests| serde_json::to_value(rests).expect("it can be written");
        assert_eq!(json(&seen(0, &[("SCHEDULING", None)])), serde_json::json!({ "suspended": ["SCHEDULING"] }));
        let limited = seen(0, &[("SCHEDULING", Some(1))]);
        assert_eq!(
            json(&limited),
            serde_json::json!({ "suspended": ["SCHEDULING"], "untilMillis": { "SCHEDULING": 60_000 } })
        );
        assert_eq!(serde_json::from_value::<Rests>(json(&limited)).expect("it can be read"), limited);
    }
}

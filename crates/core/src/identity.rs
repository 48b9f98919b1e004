//! Which fleets are an infrastructure definition's own. Its tags say so, but tags get copied: a record of the revision, or the
//! fleet's name, has to bear them out.

use std::collections::BTreeMap;

use crate::infrastructure::{Infrastructure, REVISION_MAX, TAG_INFRASTRUCTURE, TAG_REVISION, fleet_name};
use crate::observed::Fleet;
use crate::text;

/// The fleets that bear the tags of an infrastructure definition, judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identified {
    /// Its own.
    pub ours: Vec<Fleet>,
    /// What is left alone, each with why.
    pub notes: Vec<String>,
    /// What nobody can tell, each with what to do.
    pub problems: Vec<String>,
}

/// Judges the fleets that bear the tags of an infrastructure definition.
///
/// `recorded` is the fleet of every revision that a deployment has made or somebody has adopted. Without a record a fleet is
/// known by its name.
pub fn identify(
    infrastructure: &Infrastructure,
    base: &str,
    series: &str,
    recorded: &BTreeMap<u32, String>,
    tagged: Vec<Fleet>,
) -> Identified {
    let mut found = Identified::default();
    let names: Vec<(String, Option<u32>)> = tagged.iter().map(|fleet| (fleet.name.clone(), fleet.revision)).collect();
    for fleet in tagged {
        let name = &fleet.name;
        if name == base {
            found.problems.push(format!(
                "The base {base} bears the tags of a fleet of {infrastructure}. A base is a template: it is never resized, held \
                 or deleted, and so never a fleet. Take the tags {TAG_INFRASTRUCTURE} and {TAG_REVISION} off it. If its \
                 instances serve and are to be replaced, make a copy of it at size 0 the base, and adopt {base} as a revision \
                 of that one."
            ));
            continue;
        }
        let Some(revision) = fleet.revision else {
            found.notes.push(format!(
                "{name} bears the tag of {infrastructure}, but {TAG_REVISION} is no number up to {REVISION_MAX}: it is left \
                 alone"
            ));
            continue;
        };
        let others: Vec<&str> = names
            .iter()
            .filter(|(other, number)| other != name && *number == Some(revision))
            .map(|(other, _)| other.as_str())
            .collect();
        match recorded.get(&revision) {
            Some(own) if own == name => found.ours.push(fleet),
            Some(own) if others.contains(&own.as_str()) => found.notes.push(format!(
                "{name} bears the tags of revision {revision}, but by the records that is {own}: {name} is left alone"
            )),
            None if *name == fleet_name(series, revision) => found.ours.push(fleet),
            own => {
                let recorded = match own {
                    Some(own) => format!("by the records that is {own}, which is gone"),
                    None => "neither its name nor a record bears that out".into(),
                };
                let rivals = match others.as_slice() {
                    [] => String::new(),
                    some => format!(" So does {}.", text::few(some)),
                };
                found.problems.push(format!(
                    "{name} bears the tags of revision {revision} of {infrastructure}, but {recorded}.{rivals} Were they copied \
                     there? Then take {TAG_INFRASTRUCTURE} and {TAG_REVISION} off it. If it is to be resized, and in the end \
                     deleted, like every earlier fleet, adopt it under a number of its own: `crossfade adopt {infrastructure} \
                     {name}`."
                ));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fleet(name: &str, revision: Option<u32>) -> Fleet {
        let fleet = json!({
            "name": name, "infrastructure": "shop/production/shop-base", "revision": revision, "deployment": null,
            "size": { "min": 1, "desired": 1, "max": 1 }, "targetGroups": [], "members": [], "blueprint": null,
            "deleting": false, "own": { "autoScalingGroup": {} },
        });
        serde_json::from_value(fleet).expect("it is one")
    }

    fn judged(recorded: &[(u32, &str)], tagged: &[(&str, Option<u32>)]) -> (Vec<String>, Vec<String>, Vec<String>) {
        let infrastructure =
            Infrastructure { service: "shop".into(), environment: "production".into(), base: Some("shop-base".into()) };
        let recorded = recorded.iter().map(|(number, name)| (*number, (*name).to_owned())).collect();
        let tagged = tagged.iter().map(|(name, revision)| fleet(name, *revision)).collect();
        let found = identify(&infrastructure, "shop-base", "shop", &recorded, tagged);
        (found.ours.into_iter().map(|fleet| fleet.name).collect(), found.notes, found.problems)
    }

    #[test]
    fn a_record_or_the_name_makes_a_fleet_ours() {
        let (ours, notes, problems) = judged(
            &[(5, "old-series__5"), (6, "legacy")],
            &[("old-series__5", Some(5)), ("legacy", Some(6)), ("shop__7", Some(7))],
        );
        assert_eq!(ours, ["old-series__5", "legacy", "shop__7"]);
        assert!(notes.is_empty() && problems.is_empty());
    }

    #[test]
    fn a_copy_of_what_is_recorded_is_left_alone() {
        let (ours, notes, problems) = judged(&[(6, "shop__6")], &[("shop__6", Some(6)), ("shop-copy", Some(6))]);
        assert_eq!(ours, ["shop__6"]);
        assert!(notes[0].contains("by the records that is shop__6: shop-copy is left alone"), "{notes:?}");
        assert!(problems.is_empty());
    }

    #[test]
    fn what_neither_name_nor_record_knows_is_refused_with_its_rivals() {
        let (ours, _, problems) = judged(&[], &[("shop__5", Some(5)), ("theirs", Some(5)), ("shop__9", Some(8))]);
        assert_eq!(ours, ["shop__5"]);
        assert_eq!(problems.len(), 2);
        assert!(
            problems[0].contains("theirs bears the tags of revision 5") && problems[0].contains("So does shop__5.")
        );
        assert!(problems[1].contains("`crossfade adopt shop/production/shop-base shop__9`"));
        // What the records name is gone, and its tags are found on another one.
        assert!(judged(&[(5, "shop__5")], &[("theirs", Some(5))]).2[0].contains("shop__5, which is gone"));
    }

    #[test]
    fn the_base_is_never_a_fleet_and_a_number_out_of_reach_is_none() {
        let (ours, notes, problems) = judged(&[(1, "shop-base")], &[("shop-base", Some(1)), ("strange", None)]);
        assert!(ours.is_empty());
        assert!(problems[0].contains("The base shop-base bears the tags"));
        assert!(notes[0].contains("strange") && notes[0].contains("left alone"));
    }
}

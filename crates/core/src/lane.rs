//! Lanes: how the traffic comes from the fleets that serve to the candidate. Decided once, when the snapshot is taken; nobody asks
//! the document's `routing` afterwards.

use serde::{Deserialize, Serialize};

use crate::kinds::elb::{describe, short};
use crate::split::{Route, Split, Weights};
use crate::{Failure, Kind, Result};

/// One way of the users' requests: the pool that serves them, the one in which the candidate comes up, and how the traffic moves
/// from one to the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lane {
    /// The pool that serves.
    pub production: String,
    /// The pool in which the candidate comes up: the same where all serve together.
    pub test: String,
    /// How the traffic moves.
    pub by: Movement,
}

/// How the traffic of a lane moves to the candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Movement {
    /// A switch shares it out between the two pools.
    Weights {
        /// The switch.
        on: String,
    },
    /// Two switches exchange their pools.
    Exchange {
        /// The switch that the users' requests pass.
        production: String,
        /// The one of the candidate.
        test: String,
    },
    /// Fleets change their pools; no switch is touched.
    Attachment,
}

impl Lane {
    /// Reads the lane of a rule or listener from its weights: the heavier side is production, the other one must be at 0 (B1).
    ///
    /// Refuses what cannot be shifted safely: anything but exactly two target groups (P47), both at 0 (which means an
    /// equal split, P62), and a split that is already between both, since then a deployment may be under way.
    pub fn read(on: &str, split: &Split) -> Result<Self> {
        let router = describe(on);
        let refuse =
            |problem: String, fix: &str| Err(Failure::new(Kind::PreflightFailed, format!("{router} {problem}. {fix}")));
        let [a, b] = split.routes.as_slice() else {
            let names: Vec<_> = split.routes.iter().map(|r| short(&r.target_group)).collect();
            return refuse(
                format!("forwards to {} target group(s) [{}], expected exactly two", names.len(), names.join(", ")),
                "Make its forward action name two target groups, one with weight 100 (production) and one with weight 0.",
            );
        };
        if a.target_group == b.target_group {
            return refuse(
                format!("names the target group {} twice", short(&a.target_group)),
                "Name two different ones.",
            );
        }
        let (production, test) = if a.weight >= b.weight { (a, b) } else { (b, a) };
        if production.weight == 0 {
            return refuse(
                "has weight 0 on both target groups, which splits the traffic equally".into(),
                "Give the target group that serves production weight 100.",
            );
        }
        if test.weight > 0 {
            return refuse(
                format!(
                    "already splits traffic {} : {} between {} and {}",
                    production.weight,
                    test.weight,
                    short(&production.target_group),
                    short(&test.target_group)
                ),
                "Finish or roll back whatever is shifting it; a deployment starts from 100 : 0.",
            );
        }
        let [production, test] = [production, test].map(|route| route.target_group.clone());
        Ok(Self { production, test, by: Movement::Weights { on: on.into() } })
    }

    /// Whether the candidate comes up where the others serve: its members serve as soon as they are healthy.
    pub fn shared(&self) -> bool {
        self.production == self.test
    }

    /// Both pools.
    pub fn sides(&self) -> [&String; 2] {
        [&self.production, &self.test]
    }

    /// That one of its pools takes the place of both.
    pub fn replaced_by(&self, pool: &str) -> Counterpart {
        Counterpart { of: self.sides().map(String::clone).to_vec(), to: pool.to_owned() }
    }

    /// The pool in which the candidate ends.
    pub fn destination(&self) -> &String {
        match self.by {
            Movement::Attachment => &self.production,
            Movement::Weights { .. } | Movement::Exchange { .. } => &self.test,
        }
    }

    /// The switch that the users' requests pass, if one is steered.
    pub fn serving(&self) -> Option<&str> {
        match &self.by {
            Movement::Weights { on } | Movement::Exchange { production: on, .. } => Some(on),
            Movement::Attachment => None,
        }
    }

    /// The switches that are steered.
    pub fn switches(&self) -> Vec<&str> {
        match &self.by {
            Movement::Weights { on } => vec![on],
            Movement::Exchange { production, test } => vec![production, test],
            Movement::Attachment => Vec::new(),
        }
    }

    /// The weights that give the candidate `percent` of the traffic, where a switch shares it out. A side at 0 stays in the switch (P8).
    pub fn shifted(&self, percent: u32) -> Option<Weights> {
        let Movement::Weights { on } = &self.by else { return None };
        let percent = percent.min(100);
        let routes = vec![Route::to(&self.production, 100 - percent), Route::to(&self.test, percent)];
        Some(Weights { on: on.clone(), routes })
    }
}

/// The same of several lanes: those that one switch moves, such as the target groups behind two load balancers of one name, move
/// together. `percent` says how much of each switch.
pub fn shifted(lanes: &[Lane], percent: impl Fn(&str) -> u32) -> Vec<Weights> {
    let mut all: Vec<Weights> = Vec::new();
    for weights in lanes.iter().filter_map(|lane| lane.shifted(percent(lane.serving()?))) {
        match all.iter_mut().find(|known| known.on == weights.on) {
            Some(known) => {
                for (route, more) in known.routes.iter_mut().zip(weights.routes) {
                    route.beside.push(more.target_group);
                }
            }
            None => all.push(weights),
        }
    }
    all
}

/// A target group that takes the place of others in labels and dimensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counterpart {
    /// Those that it takes the place of, by ARN; it may be among them.
    pub of: Vec<String>,
    /// The one that the fleet is attached to, by ARN.
    pub to: String,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split::percent_of;

    fn lane(by: Movement) -> Lane {
        Lane { production: "a".into(), test: "b".into(), by }
    }

    #[test]
    fn b2_the_other_side_gets_the_rest_and_stays_in_the_switch_at_0() {
        let lane = lane(Movement::Weights { on: "rule".into() });
        let routes = |percent| lane.shifted(percent).expect("it shares").routes;
        let weights = |percent| routes(percent).iter().map(|it| it.weight).collect::<Vec<_>>();
        assert_eq!(weights(10), [90, 10]);
        assert_eq!(weights(100), [0, 100]);
        assert_eq!(weights(700), [0, 100]);
        assert_eq!(percent_of(&routes(10), &lane.test), 10);
    }

    #[test]
    fn the_candidate_ends_where_its_movement_brings_it() {
        let exchange = lane(Movement::Exchange { production: "p".into(), test: "t".into() });
        assert_eq!(
            (exchange.destination().as_str(), exchange.serving(), exchange.switches()),
            ("b", Some("p"), vec!["p", "t"])
        );
        let attachment = lane(Movement::Attachment);
        assert_eq!((attachment.destination().as_str(), attachment.serving()), ("a", None));
        assert_eq!(attachment.shifted(10), None);
    }

    fn split(weights: &[u32]) -> Split {
        let routes = weights
            .iter()
            .enumerate()
            .map(|(i, weight)| Route::to(format!("arn:x:targetgroup/tg-{i}/abc"), *weight))
            .collect();
        Split { routes, sticky_seconds: None, altered: None }
    }

    #[test]
    fn b1_the_heavier_side_is_production_on_either_side() {
        assert_eq!(Lane::read("rule", &split(&[100, 0])).unwrap().production, "arn:x:targetgroup/tg-0/abc");
        assert_eq!(Lane::read("rule", &split(&[0, 1])).unwrap().production, "arn:x:targetgroup/tg-1/abc");
    }

    #[test]
    fn one_or_three_target_groups_are_refused_by_name() {
        for weights in [&[100][..], &[100, 0, 0], &[]] {
            let failure = Lane::read("rule r", &split(weights)).unwrap_err();
            assert_eq!(failure.kind, Kind::PreflightFailed);
            assert!(failure.message.contains(&format!("{} target group(s)", weights.len())), "{failure}");
        }
    }

    #[test]
    fn p62_both_at_0_and_a_split_under_way_are_refused() {
        assert!(Lane::read("rule", &split(&[0, 0])).unwrap_err().message.contains("equally"));
        assert!(Lane::read("rule", &split(&[90, 10])).unwrap_err().message.contains("90 : 10"));
    }
}

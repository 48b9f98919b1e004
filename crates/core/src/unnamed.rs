//! Traffic that a document does not name: rules and listeners that reach a side which is going to be emptied, or takes the
//! candidate, and what a fleet stands behind beside its router.
//!
//! Where fleets share target groups, others stand in for whoever leaves, and any number of rules may forward there. Where a side
//! is emptied, whatever still sends requests to it loses them.

use crate::claims::name;
use crate::kinds::dns::is_name;
use crate::kinds::elb::{describe, short};
use crate::lane::{Lane, Movement};
use crate::observed::{Fleet, Health, Target};
use crate::split::{Route, Weights, in_words, names};
use crate::text::{self, NAMED};

/// Whether requests go to a target group by these weights. When all are 0, AWS splits equally (P62).
pub fn reaches(routes: &[Route], target_group: &str) -> bool {
    let all_zero = routes.iter().all(|route| route.weight == 0);
    routes.iter().any(|route| route.reaches(target_group) && (route.weight > 0 || all_zero))
}

/// What is in the way, each in words: every rule and listener that sends requests to one of these sides although no lane steers
/// it. `forwards` is everything that the load balancers forward.
///
/// Where fleets change their attachments, no rule is named and production is never without instances. There only a rule is in the
/// way that sends a part of what goes to production to the candidate's side.
pub fn forwards(lanes: &[Lane], forwards: &[Weights], sides: &[String]) -> Vec<String> {
    let found: Vec<String> = if lanes.iter().any(|lane| lane.by != Movement::Attachment) {
        let steered: Vec<&str> = lanes.iter().flat_map(Lane::switches).collect();
        let others = forwards.iter().filter(|weights| !steered.contains(&weights.on.as_str()));
        // What stands behind a name gets what its load balancers forward: the name decides which of them is asked.
        let named =
            |arn: &&String| lanes.iter().any(|it| it.serving().is_some_and(is_name) && it.sides().contains(arn));
        let sides: Vec<&String> = sides.iter().filter(|arn| !named(arn)).collect();
        let reached = |weights: &Weights| sides.iter().find(|arn| reaches(&weights.routes, arn));
        others.filter_map(|weights| Some(unnamed(lanes, weights, reached(weights)?))).collect()
    } else {
        let apart = || lanes.iter().filter(|lane| !lane.shared() && sides.contains(&lane.test));
        let parted =
            |weights: &&Weights| apart().any(|lane| lane.sides().iter().all(|arn| reaches(&weights.routes, arn)));
        forwards.iter().filter(parted).map(split_with_test).collect()
    };
    capped(found, "rules and listeners")
}

fn unnamed(lanes: &[Lane], weights: &Weights, side: &str) -> String {
    let name_it = if lanes.iter().any(|lane| matches!(lane.by, Movement::Exchange { .. })) {
        "Name it in routing.listeners, with a rule or listener of the test side to exchange with"
    } else {
        "Name it in routing.weighted with the same two target groups at 100 : 0"
    };
    format!(
        "{} forwards to {} ({}), but routing does not name it: its requests would go to {}, whichever fleet is there or none. \
         {name_it}; or let it forward elsewhere, or delete it.",
        describe(&weights.on),
        short(side),
        in_words(&weights.routes),
        short(side)
    )
}

fn split_with_test(weights: &Weights) -> String {
    format!(
        "{} sends a part of the users' requests to the test side ({}), where no fleet stays. Give its target group weight 0 \
         there.",
        describe(&weights.on),
        in_words(&weights.routes)
    )
}

/// What a fleet stands behind beside these target groups, in words; nothing when that is all.
pub fn elsewhere(fleet: &Fleet, known: &[String]) -> Option<String> {
    let others = fleet.target_groups.iter().filter(|arn| !known.contains(arn));
    let others = others.map(|arn| format!("the {}", name(arn)));
    let all: Vec<String> = others.chain(fleet.sources.iter().cloned()).collect();
    (!all.is_empty()).then(|| text::few(&all))
}

/// The targets that belong to none of these fleets, without those that are leaving.
pub fn strangers<'a>(targets: &'a [Target], fleets: &[Fleet]) -> Vec<&'a str> {
    let own = |target: &&Target| fleets.iter().any(|fleet| fleet.has(target));
    let there = targets.iter().filter(|target| target.health != Health::Draining && !own(target));
    there.map(|target| target.id.as_str()).collect()
}

/// How long a deregistration delay has to be, in seconds, for what the nodes of a load balancer send meanwhile not to be cut off.
pub const SAFE_DELAY_SECONDS: u32 = 15;

/// That a deregistration delay cuts requests off where fleets share target groups and one of them loses instances: there
/// draining is AWS's, and lasts as long as it says. Either what is in the way, or what is worth knowing.
pub fn short_delay(target_groups: &[(String, u32)]) -> Option<Result<String, String>> {
    let of = |is: fn(u32) -> bool| -> Vec<String> {
        target_groups.iter().filter(|(_, seconds)| is(*seconds)).map(|(arn, _)| arn.clone()).collect()
    };
    let (none, little) = (of(|seconds| seconds == 0), of(|seconds| seconds < SAFE_DELAY_SECONDS));
    if !none.is_empty() {
        return Some(Err(format!(
            "{} has a deregistration delay of 0 s: requests under way to an instance that leaves would be cut off while others \
             serve there. Set deregistration_delay.timeout_seconds to 30 or more.",
            names(&none)
        )));
    }
    (!little.is_empty()).then(|| {
        Ok(format!(
            "{} has a deregistration delay of less than {SAFE_DELAY_SECONDS} s: a request that takes longer is cut off when an \
             instance leaves, and so may be what the load balancer's nodes send before they know. 30 s or more is safer",
            names(&little)
        ))
    })
}

fn capped(mut found: Vec<String>, what: &str) -> Vec<String> {
    let more = found.len().saturating_sub(NAMED);
    if more > 0 {
        found.truncate(NAMED);
        found.push(format!("{more} more {what} like these."));
    }
    found
}

#[cfg(test)]
mod tests;
